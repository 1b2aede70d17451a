"""Forked workers: sharing system calls out among processes that are gone when they are done.

Threads would take turns at the interpreter's lock between any two system calls; forked children
share nothing and start within a millisecond. A child takes one job after the other, so that all end
together however busy the machine is, makes system calls, sends what came of them through a pipe as
plain values, and exits without running anything else of the parent's.
"""

from __future__ import annotations

import marshal
import os
import sys

from envbuild.store.descriptors import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import NoReturn, TypeVar

    Job = TypeVar("Job")

    Plain = None | bool | int | str | list["Plain"] | tuple["Plain", ...]
    """What `marshal` carries between processes of one interpreter."""

_PROGRESS = "progress"
_RESULT = "result"
_CRASH = "crash"

_NUMBER = 4
_AT_ONCE = 128 * _NUMBER
"""Bytes that every system writes into a pipe as a whole, without waiting (POSIX)."""


class WorkerCrashed(RuntimeError):
    """A worker failed in a way that is a mistake of ours; carries its traceback."""


def worker_count(most: int) -> int:
    """Return how many workers may run at once, at most `most`; 1 where forking is not safe."""
    if sys.platform != "linux":
        return 1
    return max(1, min(most, len(os.sched_getaffinity(0))))


def run_in_workers(
    jobs: Sequence[Job],
    count: int,
    work: Callable[[Iterator[Job], Callable[[int], None]], Plain],
    progress: Callable[[int], None],
) -> list[Plain]:
    """Run `work` in forked workers, each on the jobs that it gets around to taking.

    Args:
        jobs: handed out in this order: the longest first, and all end at about the same time.
        count: of workers.
        work: called in each worker with jobs as they are taken, and a function that reports progress.
        progress: called here with what workers report.

    Returns:
        What `work` returned, in the order in which the workers finished.

    Raises:
        WorkerCrashed: a worker raised, or was killed.
    """
    import select

    buffers: dict[int, bytearray] = {}
    children = []
    taking, giving = os.pipe()
    for _ in range(count):
        reader, writer = os.pipe()
        child = _fork()
        if child == 0:
            os.close(giving)
            os.close(reader)
            _work_and_exit(_taken(jobs, taking), work, writer)
        os.close(writer)
        buffers[reader] = bytearray()
        children.append(child)
    results: list[Plain] = []
    crashes: list[str] = []
    numbers = b"".join(number.to_bytes(_NUMBER, "big") for number in range(len(jobs)))
    if not numbers:
        os.close(giving)
    while buffers:
        readable, writable, _ = select.select(list(buffers), [giving] if numbers else [], [])
        if writable:
            numbers = numbers[os.write(giving, numbers[:_AT_ONCE]) :]
            if not numbers:
                os.close(giving)
        for reader in readable:
            data = os.read(reader, 1 << 16)
            if not data:
                os.close(reader)
                del buffers[reader]
                continue
            buffers[reader] += data
            for kind, value in _messages(buffers[reader]):
                if kind == _PROGRESS:
                    assert isinstance(value, int)
                    progress(value)
                elif kind == _RESULT:
                    results.append(value)
                else:
                    crashes.append(str(value))
    os.close(taking)
    if numbers:
        os.close(giving)
    for child in children:
        os.waitpid(child, 0)
    if crashes:
        raise WorkerCrashed("\n".join(crashes))
    if len(results) < len(children):
        raise WorkerCrashed("a worker was killed")
    return results


def _taken(jobs: Sequence[Job], queue: int) -> Iterator[Job]:
    while number := os.read(queue, _NUMBER):
        yield jobs[int.from_bytes(number, "big")]


def _fork() -> int:
    import warnings

    with warnings.catch_warnings():
        # Python warns where other threads run. The child never waits for a lock that another
        # thread could have held at this moment.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _work_and_exit(
    jobs: Iterator[Job],
    work: Callable[[Iterator[Job], Callable[[int], None]], Plain],
    writer: int,
) -> NoReturn:
    try:
        try:
            _send(writer, _RESULT, work(jobs, lambda count: _send(writer, _PROGRESS, count)))
        except BaseException:  # noqa: BLE001 - whatever it is, the parent must hear of it
            import traceback

            _send(writer, _CRASH, traceback.format_exc())
    finally:
        os._exit(0)


def _send(writer: int, kind: str, value: Plain) -> None:
    data = marshal.dumps((kind, value))
    write_all(writer, len(data).to_bytes(4, "big") + data)


def _messages(buffer: bytearray) -> list[tuple[str, Plain]]:
    """Take the whole messages out of `buffer`."""
    found: list[tuple[str, Plain]] = []
    while len(buffer) >= 4:
        end = 4 + int.from_bytes(buffer[:4], "big")
        if len(buffer) < end:
            break
        found.append(marshal.loads(bytes(buffer[4:end])))  # noqa: S302 - written by our own child
        del buffer[:end]
    return found
