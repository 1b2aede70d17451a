"""Threads that are waited for to their very end, whatever interrupts the wait."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Worker:
    """A thread that does one piece of work. It does not keep a process from ending.

    Up to Python 3.12, `Thread.join` takes a thread that still runs for one that has ended, from the
    moment on at which a signal interrupts it. Whoever then removes what that thread works in has it
    work there again.

    Args:
        work: called in the thread. What it raises is for whoever looks at a thread's faults.
    """

    __slots__ = ("_has_begun", "_over", "_thread", "_work")

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._over = threading.Event()
        self._has_begun = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin; to be called once.

        Raises:
            RuntimeError: the system lets this process have no more threads.
        """
        # First of all, since a signal may interrupt what waits for the thread to be there.
        self._has_begun = True
        try:
            self._thread.start()
        except RuntimeError:
            self._has_begun = False
            raise

    def wait(self) -> None:
        """Wait until the work is done; one that has not been started is."""
        if self._has_begun:
            self._over.wait()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._over.set()


def wait_for_all(workers: Iterable[Worker]) -> None:
    """Wait until all of them are done."""
    for worker in workers:
        worker.wait()
