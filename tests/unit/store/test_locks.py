"""Locks between real processes, which end in every way."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envbuild.store import locks
from envbuild.store.locks import LockFailed
from support.file_systems import fill, small_file_system
from support.processes import child, fork

if TYPE_CHECKING:
    from envbuild.events import Event

HOLD = """
import sys
from envbuild.store import locks
lock = getattr(locks, sys.argv[1])(sys.argv[2])
print("held", flush=True)
sys.stdin.readline()
if len(sys.argv) > 3:
    lock.release()
    print("released", flush=True)
    sys.stdin.readline()
"""

TAKE = """
import sys
from envbuild.store import locks
print("waiting", flush=True)
with getattr(locks, sys.argv[1])(sys.argv[2]):
    print("held", flush=True)
"""

HAMMER = """
import sys
from envbuild.store import locks
path, counter, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for number in range(times):
    lock = locks.try_mutex(path) if number % 2 else None
    with lock or locks.wait_for_mutex(path):
        with open(counter) as file:
            value = int(file.read())
        with open(counter, "w") as file:
            file.write(str(value + 1))
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "mutex")


def test_shared_holders_do_not_keep_each_other_out(path: str) -> None:
    with child(HOLD, "lock_shared", path) as other:
        assert other.reads() == "held"
        with locks.lock_shared(path):
            assert not locks.is_held(path)


def test_who_wants_a_lock_alone_waits_for_those_who_share_it(path: str) -> None:
    with locks.lock_shared(path) as shared, child(TAKE, "lock_exclusive", path) as other:
        assert other.reads() == "waiting"
        shared.release()
        assert other.reads() == "held"


def test_who_shares_a_lock_waits_for_the_one_who_has_it_alone(path: str) -> None:
    with locks.lock_exclusive(path) as exclusive, child(TAKE, "lock_shared", path) as other:
        assert other.reads() == "waiting"
        assert locks.is_held(path)
        exclusive.release()
        assert other.reads() == "held"


def test_a_mutex_is_had_by_one_process(path: str) -> None:
    with child(HOLD, "wait_for_mutex", path, "release") as other:
        assert other.reads() == "held"
        assert locks.try_mutex(path) is None
        other.goes_on()
        assert other.reads() == "released"
        lock = locks.try_mutex(path)
        assert lock is not None
        lock.release()


def test_a_mutex_is_had_by_one_thread(path: str) -> None:
    with locks.wait_for_mutex(path):
        found: list[locks.Lock | None] = []
        thread = threading.Thread(target=lambda: found.append(locks.try_mutex(path)))
        thread.start()
        thread.join()
        assert found == [None]


def test_the_file_of_a_mutex_says_who_has_it_and_goes_with_it(path: str) -> None:
    with child(HOLD, "wait_for_mutex", path, "release") as other:
        assert other.reads() == "held"
        assert locks.holder(path) == f"process {other.pid} (-c) on {os.uname().nodename}"
        other.goes_on()
        assert other.reads() == "released"
        assert not os.path.exists(path)
        assert locks.holder(path) is None


def test_a_lock_had_alone_says_so_and_keeps_its_file(path: str) -> None:
    with locks.lock_exclusive(path):
        assert locks.holder(path) == locks.describe_holder()
    assert os.path.exists(path)
    assert not locks.is_held(path)


@pytest.mark.parametrize("kind", ["wait_for_mutex", "lock_exclusive", "lock_shared"])
def test_a_killed_holder_holds_nothing(path: str, kind: str) -> None:
    with child(HOLD, kind, path) as other:
        assert other.reads() == "held"
        other.is_killed()
    assert os.path.exists(path)
    lock = locks.try_mutex(path)
    assert lock is not None
    assert locks.holder(path) == locks.describe_holder()
    lock.release()
    assert not os.path.exists(path)


def test_a_waiter_gets_the_mutex_of_a_killed_holder(path: str) -> None:
    with child(HOLD, "wait_for_mutex", path) as holder:
        assert holder.reads() == "held"
        with child(TAKE, "wait_for_mutex", path) as waiter:
            assert waiter.reads() == "waiting"
            holder.is_killed()
            assert waiter.reads() == "held"
            assert waiter.ends() == 0


@pytest.mark.slow
def test_a_mutex_that_vanishes_all_the_time_still_excludes(path: str, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    processes, times = 6, 300
    started = [child(HAMMER, path, str(counter), str(times)) for _ in range(processes)]
    others = [each.__enter__() for each in started]
    try:
        for other in others:
            assert other.reads() == "ready"
        for other in others:
            other.goes_on()
        assert [other.ends() for other in others] == [0] * processes
    finally:
        for each in started:
            each.__exit__(None, None, None)
    assert counter.read_text() == str(processes * times)
    assert not os.path.exists(path)


def test_a_forked_child_does_not_keep_what_its_parent_lets_go(path: str) -> None:
    lock = locks.wait_for_mutex(path)
    reader, writer = os.pipe()
    forked = fork()
    if forked == 0:
        os.read(reader, 1)
        os._exit(0)
    lock.release()
    again = locks.try_mutex(path)
    os.write(writer, b"x")
    os.waitpid(forked, 0)
    assert again is not None
    again.release()


def test_a_lock_can_be_released_twice(path: str) -> None:
    lock = locks.wait_for_mutex(path)
    lock.release()
    with locks.wait_for_mutex(path):
        lock.release()
        assert locks.try_mutex(path) is None


def test_the_file_of_somebody_else_is_not_taken_away(path: str) -> None:
    lock = locks.wait_for_mutex(path)
    os.unlink(path)
    with locks.wait_for_mutex(path):
        lock.release()
        assert locks.try_mutex(path) is None


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    with locks.lock_shared(str(tmp_path / "locks/work/mutex")):
        assert (tmp_path / "locks/work/mutex").exists()


def test_what_cannot_be_locked_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = str(tmp_path / "file/mutex")
    for take in (locks.lock_shared, locks.lock_exclusive, locks.wait_for_mutex, locks.try_mutex):
        with pytest.raises(LockFailed) as caught:
            take(path)
        assert caught.value.path == path
        assert str(caught.value) == f"cannot lock `{path}`: Not a directory"


def test_a_full_disk_costs_a_lock_its_text_and_nothing_else(tmp_path: Path) -> None:
    with small_file_system(tmp_path / "disk") as disk:
        fill(disk)
        path = str(disk / "mutex")
        with locks.wait_for_mutex(path):
            assert locks.holder(path) is None
            assert locks.try_mutex(path) is None


def test_a_file_that_may_only_be_read_is_locked_all_the_same(tmp_path: Path) -> None:
    with small_file_system(tmp_path / "disk") as disk:
        (disk / "store").touch()
        from support.file_systems import remount

        remount(disk, read_only=True)
        with locks.lock_shared(str(disk / "store")), locks.lock_shared(str(disk / "store")):
            pass
        with pytest.raises(LockFailed, match="Read-only file system"):
            locks.lock_shared(str(disk / "other"))


def test_the_description_is_one_printable_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/od\udcffd\nname"])
    expected = f"process {os.getpid()} (od?d?name) on {os.uname().nodename}"
    assert locks.describe_holder() == expected
    monkeypatch.setattr(sys, "argv", [])
    assert "(python)" in locks.describe_holder()


def test_who_waits_is_told_for_whom_unless_that_is_this_very_process(tmp_path: Path) -> None:
    path = str(tmp_path / "mutex")
    told: list[Event] = []
    reporter = Remembering(told)
    for line, expected in (("process 1 (other) on host", 1), (locks.describe_holder(), 0)):
        told.clear()
        lock = locks.wait_for_mutex(path)
        Path(path).write_text(line)
        waiting = threading.Thread(
            target=lambda: locks.wait_for_mutex(path, what="it", reporter=reporter).release()
        )
        waiting.start()
        while expected and not told:
            waiting.join(0.01)
        lock.release()
        waiting.join()
        assert len(told) == expected


class Remembering:
    """A reporter that keeps what it is told."""

    def __init__(self, told: list[Event]) -> None:
        self._told = told

    def report(self, event: Event) -> None:
        self._told.append(event)
