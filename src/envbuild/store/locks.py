"""Mutual exclusion between processes: `flock` on files of the store.

A lock dies with its holder, however that ends. The file says who holds it alone, so that whoever
waits can say for whom. `store_layout/v1/locks.md` says which lock guards what and in which
order locks are taken.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys

from envbuild.errors import StoreError
from envbuild.events import SILENT, WaitingFor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from envbuild.events import Reporter

_NO_LOCKS_HERE = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_LONGEST_HOLDER = 200


class LockFailed(StoreError):
    """The operating system does not let a lock be taken."""

    def __init__(self, path: str, error: OSError) -> None:
        hint = "keep the store on a file system that has `flock`"
        super().__init__(
            f"cannot lock `{path}`: {error.strerror or error}",
            hint=hint if error.errno in _NO_LOCKS_HERE else None,
        )
        self.path = path
        self.errno = error.errno


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
        try:
            # Safe while held: whoever opened the file before and locks it now finds that the name
            # no longer leads to it, and starts again. A name that leads elsewhere is not ours.
            if self._vanishes and _leads_to(self._path, self._descriptor):
                os.unlink(self._path)
        except OSError:
            pass
        # Said aloud, not left to `close`: a child forked meanwhile has the same lock open.
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
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
    """Take `path` together with other readers; waits for an exclusive holder.

    Raises:
        LockFailed: the operating system refuses.
    """
    return _lock(path, fcntl.LOCK_SH)


def lock_exclusive(path: str) -> Lock:
    """Take `path` alone; waits for every other holder; raises as `lock_shared` does."""
    return _lock(path, fcntl.LOCK_EX)


def try_mutex(path: str) -> Lock | None:
    """Take the mutex at `path`, a file that exists only while it is wanted; `None` if it is held.

    Raises:
        LockFailed: the operating system refuses.
    """
    try:
        return _mutex(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


def wait_for_mutex(path: str, *, what: str = "", reporter: Reporter = SILENT) -> Lock:
    """Take the mutex at `path`, waiting for its holder; raises as `try_mutex` and `give_way` do.

    Args:
        path: of the mutex.
        what: is waited for, to be told where that takes time and somebody else has it.
        reporter: told of that.

    Never call this while holding another mutex: two processes that wait for each other's would
    wait for ever.
    """
    lock = try_mutex(path)
    if lock is not None:
        return lock
    by = holder(path)
    if by != describe_holder():
        reporter.report(WaitingFor(what=what, holder=by))
    from envbuild import interruption

    if not interruption.can_ask():
        return _mutex(path, fcntl.LOCK_EX)
    while (lock := try_mutex(path)) is None:
        interruption.wait()
    return lock


def is_held(path: str) -> bool:
    """Tell whether somebody alive holds the file at `path` alone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def holder(path: str) -> str | None:
    """Return what the holder of a lock wrote about itself, where that can be read."""
    try:
        with open(path, "rb") as file:
            return file.read(_LONGEST_HOLDER).decode("utf-8", "replace").strip() or None
    except OSError:
        return None


def describe_holder() -> str:
    """Return a line that tells other processes about this one."""
    program = os.path.basename(sys.argv[0]) if sys.argv else ""
    line = f"process {os.getpid()} ({program or 'python'}) on {os.uname().nodename}"
    return "".join(char if char.isprintable() else "?" for char in line)


def _lock(path: str, operation: int) -> Lock:
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, operation)
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, OSError):
            raise LockFailed(path, error) from error
        raise
    if operation == fcntl.LOCK_EX:
        _sign(descriptor)
    return Lock(descriptor, path, vanishes=False)


def _mutex(path: str, operation: int) -> Lock:
    while True:
        descriptor = _open(path)
        try:
            fcntl.flock(descriptor, operation)
            if _leads_to(path, descriptor):
                _sign(descriptor)
                return Lock(descriptor, path, vanishes=True)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, OSError) and not isinstance(error, BlockingIOError):
                raise LockFailed(path, error) from error
            raise
        os.close(descriptor)


def _open(path: str) -> int:
    try:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            # Some tools that carry a store elsewhere leave empty folders behind.
            os.makedirs(os.path.dirname(path), exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        # A file of somebody else's, which this process may only read, can be locked as well.
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            raise LockFailed(path, error) from error


def _sign(descriptor: int) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, describe_holder().encode(), 0)
    except OSError:
        # A full disk, or a file that may only be read: the lock holds, only its text is missing.
        pass


def _leads_to(path: str, descriptor: int) -> bool:
    try:
        named = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(named, os.fstat(descriptor))
