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
from _signal import SIGKILL  # type: ignore[import-not-found]  # `signal` costs 3 ms

from envbuild.forking import fork
from envbuild.store.descriptors import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from typing import NoReturn, Self, TypeVar

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
        BaseException: what `progress` raises, or an interrupt; no worker is left then, whatever it
            was at.
    """
    with _Crew() as crew:
        for _ in range(count):
            crew.fork(jobs, work)
        return crew.results(len(jobs), progress)


class _Crew:
    """Workers, a pipe from which they take the numbers of jobs, and one from each of them."""

    __slots__ = ("_buffers", "_children", "_giving", "_taking")

    def __init__(self) -> None:
        self._children: list[int] = []
        self._buffers: dict[int, bytearray] = {}
        self._taking, self._giving = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for descriptor in (self._taking, self._giving, *self._buffers):
            if descriptor >= 0:
                os.close(descriptor)
        for child in self._children:
            if error is not None:
                # Whoever gives up removes what they work in, and they must not go on in it.
                os.kill(child, SIGKILL)
            os.waitpid(child, 0)

    def fork(
        self,
        jobs: Sequence[Job],
        work: Callable[[Iterator[Job], Callable[[int], None]], Plain],
    ) -> None:
        """Start one more worker."""
        reader, writer = os.pipe()
        self._buffers[reader] = bytearray()
        try:
            child = fork()
            if child == 0:
                os.close(self._giving)
                os.close(reader)
                _work_and_exit(_taken(jobs, self._taking), work, writer)
            self._children.append(child)
        finally:
            os.close(writer)

    def results(self, jobs: int, progress: Callable[[int], None]) -> list[Plain]:
        """Hand out the numbers of so many jobs, and return what the workers come to."""
        import select

        results: list[Plain] = []
        crashes: list[str] = []
        numbers = b"".join(number.to_bytes(_NUMBER, "big") for number in range(jobs))
        while self._buffers:
            if not numbers:
                self._no_more_jobs()
            wanted = [self._giving] if numbers else []
            readable, writable, _ = select.select(list(self._buffers), wanted, [])
            if writable:
                numbers = numbers[os.write(self._giving, numbers[:_AT_ONCE]) :]
            for reader in readable:
                for kind, value in self._read(reader):
                    if kind == _PROGRESS:
                        assert isinstance(value, int)
                        progress(value)
                    elif kind == _RESULT:
                        results.append(value)
                    else:
                        crashes.append(str(value))
        if crashes:
            raise WorkerCrashed("\n".join(crashes))
        if len(results) < len(self._children):
            raise WorkerCrashed("a worker was killed")
        return results

    def _no_more_jobs(self) -> None:
        giving, self._giving = self._giving, -1
        if giving >= 0:
            os.close(giving)

    def _read(self, reader: int) -> list[tuple[str, Plain]]:
        """Return the whole messages that a worker has sent since."""
        data = os.read(reader, 1 << 16)
        if not data:
            os.close(reader)
            del self._buffers[reader]
            return []
        self._buffers[reader] += data
        return _messages(self._buffers[reader])


def _taken(jobs: Sequence[Job], queue: int) -> Iterator[Job]:
    while number := os.read(queue, _NUMBER):
        yield jobs[int.from_bytes(number, "big")]


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
