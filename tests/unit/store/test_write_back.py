"""Bringing content to the disk early: by another process, whenever enough has come together."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from envbuild.store import sync, write_back
from envbuild.store.write_back import WriteBack
from support.processes import child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")

MANY = 10**12
ENOUGH = write_back._ENOUGH
PATIENCE = 60.0


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file that gets a line whenever something is brought to the disk, and by whom."""
    path = tmp_path / "log"
    path.touch()
    whole = sync.sync_file_system

    def sync_file_system(folder: str) -> None:
        whole(folder)
        with open(path, "a", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")

    # Processes that are forked have it as well.
    monkeypatch.setattr(write_back, "sync_file_system", sync_file_system)
    return path


def wait_for(log: Path, lines: int, *, meanwhile: Callable[[], None] = lambda: None) -> list[str]:
    deadline = time.monotonic() + PATIENCE
    while len(found := log.read_text().split()) < lines:
        assert time.monotonic() < deadline
        meanwhile()
        time.sleep(0.005)
    return found


def children() -> list[str]:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return file.read().split()


def test_it_is_done_elsewhere_whenever_enough_has_come_together(tmp_path: Path, log: Path) -> None:
    with WriteBack(str(tmp_path), MANY) as it:
        it.add(ENOUGH - 1)
        it.add(1)
        (first,) = wait_for(log, 1)
        assert first != str(os.getpid())
        it.add(ENOUGH - 1)
        time.sleep(0.05)
        assert log.read_text().split() == [first]
        it.add(1)
        # Where the first is not known to be done yet, it is looked at again with what comes next.
        assert wait_for(log, 2, meanwhile=lambda: it.add(0)) == [first, first]


def test_where_little_is_expected_nothing_is_started(tmp_path: Path) -> None:
    before, descriptors = children(), os.listdir("/proc/self/fd")
    with WriteBack(str(tmp_path), ENOUGH - 1) as it:
        assert children() == before
        it.add(MANY)
        assert os.listdir("/proc/self/fd") == descriptors


def test_nothing_is_left_behind(tmp_path: Path, log: Path) -> None:
    before, descriptors = children(), os.listdir("/proc/self/fd")
    with WriteBack(str(tmp_path), MANY) as it:
        assert len(children()) == len(before) + 1
        it.add(MANY)
    assert children() == before
    assert os.listdir("/proc/self/fd") == descriptors
    assert len(log.read_text().split()) <= 1


def test_whoever_gives_up_does_not_wait_for_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = tmp_path / "reached"

    def forever(_: str) -> None:
        # What is in the middle of a `syncfs` hears no signal; neither does this.
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
        reached.touch()
        time.sleep(PATIENCE)

    monkeypatch.setattr(write_back, "sync_file_system", forever)
    monkeypatch.setattr(write_back, "SIGKILL", 0)
    before = set(children())

    def give_up() -> None:
        with WriteBack(str(tmp_path), MANY) as it:
            it.add(MANY)
            while not reached.exists():
                time.sleep(0.005)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        give_up()
    (left,) = set(children()) - before
    os.kill(int(left), signal.SIGKILL)
    os.waitpid(int(left), 0)


def test_a_disk_that_fails_is_for_whoever_publishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = tmp_path / "done"

    def fail(_: str) -> None:
        done.touch()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(write_back, "sync_file_system", fail)
    for _ in range(2):
        with WriteBack(str(tmp_path), MANY) as it:
            it.add(MANY)
            while not done.exists():
                time.sleep(0.005)
            done.unlink()
            while not done.exists():
                it.add(ENOUGH)
        done.unlink()


def test_one_that_was_killed_is_done_without(tmp_path: Path, log: Path) -> None:
    before = set(children())
    with WriteBack(str(tmp_path), MANY) as it:
        (process,) = set(children()) - before
        os.kill(int(process), signal.SIGKILL)
        os.waitid(os.P_PID, int(process), os.WEXITED | os.WNOWAIT)
        for _ in range(3):
            it.add(MANY)
    assert log.read_text() == ""


def test_where_no_process_can_be_had_it_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> int:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, "fork", refuse)
    descriptors = os.listdir("/proc/self/fd")
    with WriteBack(str(tmp_path), MANY) as it:
        it.add(MANY)
    assert os.listdir("/proc/self/fd") == descriptors


@pytest.mark.parametrize("pipes", [0, 1])
def test_where_no_pipe_can_be_had_it_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipes: int
) -> None:
    left, pipe = iter(range(pipes)), os.pipe

    def refuse() -> tuple[int, int]:
        if next(left, None) is None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return pipe()

    monkeypatch.setattr(os, "pipe", refuse)
    descriptors = os.listdir("/proc/self/fd")
    with WriteBack(str(tmp_path), MANY) as it:
        it.add(MANY)
    assert os.listdir("/proc/self/fd") == descriptors


_BUSY = """
import os, signal, sys, time
from envbuild.store import write_back

def forever(path):
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    with open(f"{path}/reached", "w") as file:
        file.write(str(os.getpid()))
    os.rename(f"{path}/reached", f"{path}/busy")
    time.sleep(60)

write_back.sync_file_system = forever
write_back.SIGKILL = 0
try:
    with write_back.WriteBack(sys.argv[1], 10**12) as it:
        it.add(10**12)
        while not os.path.exists(f"{sys.argv[1]}/busy"):
            time.sleep(0.005)
        raise KeyboardInterrupt
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_whoever_reads_what_is_printed_does_not_wait_for_it_either(tmp_path: Path) -> None:
    with child(_BUSY, str(tmp_path)) as process:
        assert process.reads() == "interrupted"
        # That is the end of what is printed, and the one that is busy is still there.
        assert process.reads() == ""
        busy = int((tmp_path / "busy").read_text())
        os.kill(busy, signal.SIGKILL)


_ORPHAN = """
import os, sys, time
from envbuild.store.write_back import WriteBack
WriteBack(sys.argv[1], 10**12)
with open(f"/proc/self/task/{os.getpid()}/children") as file:
    print(file.read(), flush=True)
time.sleep(600)
"""


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    with child(_ORPHAN, str(tmp_path)) as parent:
        orphan = int(parent.reads())
        parent.is_killed()
    deadline = time.monotonic() + PATIENCE
    while os.path.exists(f"/proc/{orphan}/exe"):
        assert time.monotonic() < deadline
        time.sleep(0.005)
