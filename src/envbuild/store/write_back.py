"""Bringing content to the disk while more of it is written, so that in the end less is waited for.

A system keeps what is written in memory for many seconds, and the disk has nothing to do; then one
`syncfs` waits for all of it, and the processors have nothing to do. So it is asked for early, again and
again. Nothing depends on that: what makes a publication durable is its own `syncfs`.

It is asked for by a process of its own. While a system writes to its disk, whoever asked for it cannot
even be killed; so somebody who interrupts the work would wait for the disk.
"""

from __future__ import annotations

import os
import threading
from _signal import SIGKILL  # type: ignore[import-not-found]  # `signal` costs 3 ms

from envbuild.forking import can_fork, fork
from envbuild.store.sync import sync_file_system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn, Self

_ENOUGH = 64 * 2**20
"""Bytes that are worth it: while a file system commits, whoever makes files in it is held up."""

_WORD = b"!"


class WriteBack:
    """Asks for it whenever enough has come together. Use as a context manager.

    Args:
        path: of something on the file system.
        expected: bytes that will be written; where that is little, nothing is done, nor where a copy
            of this process cannot be made.
    """

    __slots__ = ("_answers", "_child", "_is_busy", "_mutex", "_orders", "_unwritten")

    def __init__(self, path: str, expected: int) -> None:
        self._mutex = threading.Lock()
        self._unwritten = 0
        self._is_busy = False
        self._child = self._orders = self._answers = -1
        if expected >= _ENOUGH and can_fork():
            self._start(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._child < 0:
            return
        self._hang_up()
        os.kill(self._child, SIGKILL)
        # Whoever gives up does not wait for a disk.
        os.waitpid(self._child, 0 if error is None else os.WNOHANG)
        self._child = -1

    def add(self, size: int) -> None:
        """Take note that so many bytes have been written; may be called from several threads."""
        with self._mutex:
            self._unwritten += size
            if self._orders >= 0 and self._unwritten >= _ENOUGH and self._is_idle():
                self._unwritten = 0
                self._order()

    def _start(self, path: str) -> None:
        theirs: list[int] = []
        try:
            orders, self._orders = os.pipe()
            theirs.append(orders)
            self._answers, answers = os.pipe()
            theirs.append(answers)
            os.set_blocking(self._answers, False)
            self._child = fork("ctypes")
            if self._child == 0:
                self._hang_up()
                _serve(path, orders, answers)
        except OSError:
            # No more processes or descriptors: then it is all waited for in the end.
            self._hang_up()
        for descriptor in theirs:
            os.close(descriptor)

    def _order(self) -> None:
        try:
            os.write(self._orders, _WORD)
            self._is_busy = True
        except BrokenPipeError:
            # Somebody killed it.
            self._hang_up()

    def _is_idle(self) -> bool:
        if self._is_busy:
            try:
                os.read(self._answers, 1)
            except BlockingIOError:
                return False
            self._is_busy = False
        return True

    def _hang_up(self) -> None:
        for descriptor in (self._orders, self._answers):
            if descriptor >= 0:
                os.close(descriptor)
        self._orders = self._answers = -1


def _serve(path: str, orders: int, answers: int) -> NoReturn:
    """Do it whenever that is ordered, until nobody can order it any more."""
    try:
        # Whoever reads what the program prints must not wait for this one's end.
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        while os.read(orders, 1):
            try:
                sync_file_system(path)
            except OSError:
                # Whoever publishes will be told.
                pass
            os.write(answers, _WORD)
    finally:
        os._exit(0)
