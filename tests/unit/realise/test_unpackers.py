"""Archives unpacked by other processes: the same outcome, the same errors, and nothing left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from envbuild import interruption
from envbuild.errors import RealiseError
from envbuild.realise.archive_limits import Limits
from envbuild.realise.record import RecordMismatch
from envbuild.realise.unpack import unpack_wheel
from envbuild.realise.unpackers import Outcome, UnpackerKilled, Unpackers, places_for
from envbuild.realise.zip_directory import UnsafeArchive
from envbuild.store.local import Store, StoreUnusable
from envbuild.store.publish import Publication
from support.hostile import archive, wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envbuild.store.publish import Blobs

FILES = {f"demo/{number}.py": b"%d" % number for number in range(40)}


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[Blobs]:
    store = Store.open(str(tmp_path / "store"))
    with Publication(store) as publication:
        yield publication.blobs
    store.close()


@contextmanager
def opened(data: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("archive")
    try:
        os.write(descriptor, data)
        yield descriptor
    finally:
        os.close(descriptor)


def ask(unpackers: Unpackers, data: bytes, name: str = "demo.whl", **changed: object) -> Outcome:
    wanted: dict[str, object] = {
        "filename": name,
        "distribution": "demo",
        "version": "1.0",
        "verify_record": True,
        "limits": Limits(),
        **changed,
    }
    with opened(data) as descriptor:
        return unpackers.unpack(descriptor, **wanted)  # type: ignore[arg-type]


def expected(data: bytes, blobs: Blobs) -> Outcome:
    """Return what unpacking here gives, in a store that has everything."""
    with opened(data) as descriptor:
        unpacked = unpack_wheel(
            descriptor,
            filename="demo.whl",
            distribution="demo",
            version="1.0",
            verify_record=True,
            limits=Limits(),
            blobs=blobs,
        )
    return Outcome(tree=unpacked.tree.encode(), notes=(), new_bytes=0, files=unpacked.files)


def children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(child) for child in file.read().split()]


@pytest.mark.parametrize("places", [1, 2, 3])
def test_the_outcome_is_the_same_in_any_place(places: int, blobs: Blobs) -> None:
    data = archive(wheel(FILES))
    with Unpackers(places, blobs) as unpackers:
        first = ask(unpackers, data)
        assert blobs.unsynced
        again = [ask(unpackers, data) for _ in range(5)]
    assert first.new_bytes > 0
    assert again == [expected(data, blobs)] * 5
    assert first.tree == again[0].tree


def test_what_has_been_written_must_be_synced_and_what_was_there_need_not(blobs: Blobs) -> None:
    data = archive(wheel(FILES))
    with Unpackers(2, blobs) as unpackers:
        ask(unpackers, data)
        assert blobs.unsynced
        blobs.unsynced = False
        ask(unpackers, data)
        assert not blobs.unsynced


def test_errors_come_back_with_all_they_carry(blobs: Blobs) -> None:
    wrong = archive(wheel(FILES, replaced={"demo/7.py": b"changed", "more.py": b""}))
    with Unpackers(2, blobs) as unpackers:
        with pytest.raises(RecordMismatch) as caught:
            ask(unpackers, wrong)
        assert caught.value.archive == "demo.whl"
        assert len(caught.value.disagreements) == 2
        assert caught.value.hint is not None
        assert str(caught.value).startswith("`demo.whl` disagrees with its RECORD:\n")
        with pytest.raises(UnsafeArchive):
            ask(unpackers, archive(wheel({"../evil": b""})))
        noted = ask(unpackers, wrong, verify_record=False)
        assert noted.notes == caught.value.disagreements


def test_a_store_that_cannot_be_written_is_told(tmp_path: Path, blobs: Blobs) -> None:
    with Unpackers(2, blobs) as unpackers:
        (tmp_path / "store" / "blobs").rename(tmp_path / "elsewhere")
        (tmp_path / "store" / "blobs").write_bytes(b"in the way")
        with pytest.raises(StoreUnusable) as caught:
            ask(unpackers, archive(wheel(FILES)))
        assert caught.value.path == str(tmp_path / "store")


def test_a_mistake_of_ours_is_told_with_its_traceback(blobs: Blobs) -> None:
    with Unpackers(2, blobs) as unpackers, pytest.raises(RuntimeError, match="Traceback"):
        ask(unpackers, archive(wheel(FILES)), version=7)


def test_many_threads_share_the_places(blobs: Blobs) -> None:
    archives = [archive(wheel({**FILES, "own.py": b"%d" % number})) for number in range(12)]
    outcomes: dict[int, Outcome] = {}
    with Unpackers(2, blobs) as unpackers:

        def work(number: int) -> None:
            outcomes[number] = ask(unpackers, archives[number])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number, data in enumerate(archives):
        assert outcomes[number].tree == expected(data, blobs).tree


def test_one_place_needs_no_process(blobs: Blobs) -> None:
    before = children()
    with Unpackers(1, blobs):
        assert children() == before


def test_where_nobody_can_fork_the_caller_works(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> int:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, "fork", refuse)
    data = archive(wheel(FILES))
    before = set(os.listdir("/proc/self/fd"))
    with Unpackers(3, blobs) as unpackers:
        assert set(os.listdir("/proc/self/fd")) == before
        ask(unpackers, data)
        assert ask(unpackers, data) == expected(data, blobs)


def test_nothing_is_left_behind(blobs: Blobs) -> None:
    processes, descriptors = children(), set(os.listdir("/proc/self/fd"))
    with Unpackers(3, blobs) as unpackers:
        assert len(children()) == len(processes) + 3
        ask(unpackers, archive(wheel(FILES)))
    assert children() == processes
    assert set(os.listdir("/proc/self/fd")) == descriptors


def test_a_killed_process_costs_one_archive(blobs: Blobs) -> None:
    data = archive(wheel(FILES))
    before = children()
    with Unpackers(2, blobs) as unpackers:
        for child in set(children()) - set(before):
            os.kill(child, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(UnpackerKilled, match=r"`demo\.whl` was killed") as caught:
                ask(unpackers, data)
            assert isinstance(caught.value, RealiseError)
        # From here on the caller does it.
        ask(unpackers, data)
        assert ask(unpackers, data) == expected(data, blobs)


def test_an_interrupt_from_the_terminal_leaves_the_decision_to_the_parent(blobs: Blobs) -> None:
    data = archive(wheel(FILES))
    before = children()
    with Unpackers(2, blobs) as unpackers:
        ask(unpackers, data)
        for child in set(children()) - set(before):
            os.kill(child, signal.SIGINT)
        for _ in range(4):
            ask(unpackers, data)


@pytest.mark.parametrize("places", [1, 2])
def test_who_is_told_to_give_up_leaves_an_archive_half_unpacked(
    tmp_path: Path, blobs: Blobs, places: int
) -> None:
    data = archive(wheel({f"demo/{number}.py": b"%d" % number for number in range(10_000)}))
    told = threading.Event()
    raised: list[BaseException] = []

    def work() -> None:
        interruption.ask(told.is_set)
        try:
            ask(unpackers, data)
        except BaseException as error:  # noqa: BLE001 - it is what is asked for
            raised.append(error)

    def stored() -> int:
        return sum(len(files) for _, _, files in os.walk(tmp_path / "store" / "blobs"))

    with Unpackers(places, blobs) as unpackers:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        while stored() == 0:
            time.sleep(0.001)
        told.set()
        unpackers.cancel()
        for thread in threads:
            thread.join()
    assert [type(error) for error in raised] == [KeyboardInterrupt] * 4
    assert stored() < 10_000


_ORPHANS = """
import os, sys, time
sys.path[:0] = sys.argv[2:]
from envbuild.realise.unpackers import Unpackers
from envbuild.store.local import Store
from envbuild.store.publish import Publication

with Publication(Store.open(sys.argv[1])) as publication:
    Unpackers(3, publication.blobs)
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        print(file.read(), flush=True)
    time.sleep(600)
"""


def test_processes_end_with_their_parent(tmp_path: Path) -> None:
    program = [sys.executable, "-c", _ORPHANS, str(tmp_path / "store"), *sys.path]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        orphans = [int(child) for child in parent.stdout.readline().split()]
        parent.kill()
    assert len(orphans) == 3
    deadline = time.monotonic() + 60
    while any(_runs(orphan) for orphan in orphans):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _runs(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(("processors", "places"), [(1, 1), (2, 2), (64, 4)])
def test_places_follow_archives_and_processors(
    processors: int, places: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))
    assert places_for(100) == places
    assert places_for(1) == 1
    assert places_for(0) == 0
