"""Mutual exclusion between processes: `flock` on files of the store.

A lock dies with its holder, however that ends. The file of an exclusive lock holds who took it, so
that whoever waits can say for whom. `store_layout/v1/locks.md` says which lock guards what and in
which order locks are taken.
"""

from __future__ import annotations

import fcntl
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


def describe_holder() -> str:
    """Return a line that tells other processes about this one."""
    return f"process {os.getpid()} ({os.path.basename(sys.argv[0]) or 'python'})"


class Lock:
    """A lock that is held until `release` or the end of the process."""

    __slots__ = ("_descriptor", "_path", "_vanishes")

    def __init__(self, descriptor: int, path: str, *, vanishes: bool) -> None:
        self._descriptor = descriptor
        self._path = path
        self._vanishes = vanishes

    def release(self) -> None:
        """Give the lock up; the file of a mutex goes with it."""
        if self._descriptor < 0:
            return
        if self._vanishes:
            # Safe while held: whoever opened the file before and locks it now
            # finds that the name no longer leads to it, and starts again.
            try:
                os.unlink(self._path)
            except OSError:
                pass
        os.close(self._descriptor)
        self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def lock_shared(path: str) -> Lock:
    """Take `path` together with other readers; waits for an exclusive holder."""
    descriptor = _open(path)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return Lock(descriptor, path, vanishes=False)


def lock_exclusive(path: str) -> Lock:
    """Take `path` alone; waits for every other holder."""
    descriptor = _open(path)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return Lock(descriptor, path, vanishes=False)


def try_mutex(path: str) -> Lock | None:
    """Take the mutex at `path`, a file that exists only while somebody wants it, or return `None`."""
    return _mutex(path, fcntl.LOCK_EX | fcntl.LOCK_NB)


def wait_for_mutex(path: str) -> Lock:
    """Take the mutex at `path`, waiting for its holder.

    Never call this while holding another mutex: two processes that wait for each other's would
    wait for ever.
    """
    lock = _mutex(path, fcntl.LOCK_EX)
    assert lock is not None
    return lock


def holder(path: str) -> str | None:
    """Return what the holder of a mutex wrote about itself, where that can be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(200).strip() or None
    except OSError:
        return None


def _mutex(path: str, operation: int) -> Lock | None:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, operation)
            if _leads_to(path, descriptor):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, describe_holder().encode(), 0)
                return Lock(descriptor, path, vanishes=True)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _leads_to(path: str, descriptor: int) -> bool:
    try:
        named = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(named, os.fstat(descriptor))


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        # A store that this process may only read: a lock on a readable file serves as well.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
