"""Bytes from an address into a file, verified while they arrive.

A transfer that breaks goes on where it stopped, in this run or a later one: what has come is kept
under the name of the hash that it is meant to have, and an exclusive lock on that file keeps two
processes from filling it at once. Whatever the way, the hash is that of the whole file, and a file
that disagrees is never handed out. Local files are read where they are.

What is not here: the wire (`index.client`), unpacking, and the store, which only lends a folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import re
import stat
import sys
import threading
from contextlib import ExitStack, suppress
from itertools import count, pairwise
from typing import TYPE_CHECKING

from envbuild.errors import RealiseError, StoreError
from envbuild.events import (
    SILENT,
    BytesFetched,
    FetchFinished,
    FetchRetried,
    FetchStarted,
    Notice,
    WaitingFor,
)
from envbuild.frozen import frozen
from envbuild.index.answer import TransferFailed
from envbuild.index.client import Offline
from envbuild.index.locations import is_remote, resolve
from envbuild.index.mirrors import Mirrors
from envbuild.index.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO, Self

    from envbuild.events import Reporter
    from envbuild.index.answer import Answer
    from envbuild.index.client import Client

ALGORITHMS = ("md5", "sha256", "sha384", "sha512", "blake2b")
"""Those that locks may use; the same as uv's, weak ones included, since the lock is trusted."""

_BLOCK = 1 << 17
_SMALL = 1 << 20
"""Archives up to this size stay in memory: a file costs as much as the request for it."""
_ENOUGH = 1 << 20
"""An attempt that brought so many bytes does not count as a failed one."""
_LONGEST_DELAY = 10.0
_serial = count()


class FetchFailed(RealiseError):
    """An archive that cannot be had.

    Attributes:
        name: of the archive.
        url: where it was sought, without credentials; a path for a local one.
        reason: why the last attempt failed.
        attempts: how many there were.
        status: that of the last answer, `None` where there was none.
    """

    def __init__(
        self,
        name: str,
        url: str,
        reason: str,
        *,
        attempts: int = 1,
        status: int | None = None,
        hint: str | None = None,
    ) -> None:
        self.name = name
        self.url = redact(url)
        self.reason = reason
        self.attempts = attempts
        self.status = status
        tried = f" ({attempts} attempts)" if attempts > 1 else ""
        super().__init__(f"cannot fetch `{name}` from `{self.url}`: {reason}{tried}", hint=hint)


class HashMismatch(RealiseError):
    """An archive with another content than locked; both hashes as `algorithm:hexadecimal`."""

    def __init__(self, name: str, url: str, expected: str, found: str) -> None:
        self.name = name
        self.url = redact(url)
        self.expected = expected
        self.found = found
        super().__init__(
            f"`{name}` from `{self.url}` has the wrong hash: expected `{expected}`, found `{found}`"
        )


class SizeMismatch(RealiseError):
    """An archive of another size than locked, both in bytes.

    `found` is what the server announced, or what had come when the transfer was given up.
    """

    def __init__(self, name: str, url: str, expected: int, found: int) -> None:
        self.name = name
        self.url = redact(url)
        self.expected = expected
        self.found = found
        super().__init__(
            f"`{name}` from `{self.url}` has the wrong size: expected {expected} bytes,"
            f" found {found}"
        )


class UnsupportedHash(RealiseError):
    """A hash of an algorithm that is not accepted."""

    def __init__(self, name: str, locked_hash: str) -> None:
        self.name = name
        self.hash = locked_hash
        known = ", ".join(f"`{algorithm}`" for algorithm in ALGORITHMS)
        super().__init__(f"`{name}` is locked with hash `{locked_hash}`: expected one of {known}")


class FetchCancelled(RealiseError):
    """A transfer that was given up because the whole work was."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"fetching `{name}` was cancelled")


class PartialUnwritable(StoreError):
    """The file that takes an archive cannot be written."""

    def __init__(self, path: str, error: OSError) -> None:
        self.path = path
        self.errno = error.errno
        super().__init__(f"cannot write `{path}`: {error.strerror}")


class Fetched:
    """A verified archive, open until `close`; use it as a context manager.

    Attributes:
        file: the content from offset 0, seekable, with a descriptor of its own.
        sha256: of the content, hexadecimal.
        size: in bytes.
    """

    __slots__ = ("_name", "_path", "_remove", "_stamp", "file", "sha256", "size")

    def __init__(
        self, name: str, file: BinaryIO, *, sha256: str, size: int, path: str | None, remove: bool
    ) -> None:
        self.file = file
        self.sha256 = sha256
        self.size = size
        self._name = name
        self._path = path
        self._remove = remove
        self._stamp = _stamp(file)

    def close(self) -> None:
        """Let the file go, and remove it where it was fetched.

        Raises:
            FetchFailed: a local file was changed since it was verified; what was read from it in
                the meantime must not be believed.
        """
        with self.file:
            if self._path is None:
                return
            if self._remove:
                with suppress(FileNotFoundError):
                    os.unlink(self._path)
            elif _stamp(self.file) != self._stamp:
                raise FetchFailed(self._name, self._path, "it changed while it was read")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Fetcher:
    """Fetches archives; one for a whole command, used from as many threads as wanted.

    Args:
        client: for the wire.
        folder: where unfinished files are kept; made when needed. Any file in it may be removed
            whenever nobody holds its lock.
        mirrors: other addresses to read from.
        reporter: hears of progress, from the thread that fetches.
    """

    def __init__(
        self,
        client: Client,
        *,
        folder: str,
        mirrors: Mirrors = Mirrors(),  # noqa: B008 - a frozen value
        reporter: Reporter = SILENT,
    ) -> None:
        self._client = client
        self._folder = folder
        self._mirrors = mirrors
        self._reporter = reporter
        self._cancelled = threading.Event()

    @property
    def is_cancelled(self) -> bool:
        """Whether every transfer is to stop."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Make every transfer stop as soon as it notices; each raises `FetchCancelled`."""
        self._cancelled.set()
        self._client.abort()

    def fetch(
        self, location: str, *, name: str, locked_hash: str | None, locked_size: int | None
    ) -> Fetched:
        """Return the archive that is at `location`.

        Args:
            location: as `index.locations.resolve` gives it: an `http` or `https` URL, or an
                absolute path.
            name: how to call it in events and errors.
            locked_hash: `algorithm:hexadecimal` that it must have, `None` where there is none.
            locked_size: in bytes that it must have, `None` where there is none.

        Raises:
            FetchFailed: it cannot be had, retries included.
            HashMismatch: it is another content.
            SizeMismatch: it is another size.
            UnsupportedHash: the algorithm is none of `ALGORITHMS`.
            Offline: a request would be needed and is forbidden.
            FetchCancelled: `cancel` was called.
            PartialUnwritable: no room or no right to keep it.
        """
        wanted = _Wanted.of(name, locked_hash, locked_size)
        addresses = self._mirrors.addresses(location) if is_remote(location) else (location,)
        for address, following in pairwise(addresses):
            try:
                return self._fetch(address, wanted)
            except (FetchFailed, HashMismatch, SizeMismatch, Offline) as error:
                self._reporter.report(Notice(text=f"{error}; trying `{redact(following)}`"))
        return self._fetch(addresses[-1], wanted)

    def _fetch(self, address: str, wanted: _Wanted) -> Fetched:
        location = resolve(address, folder="/")
        if is_remote(location):
            return self._remote(location, wanted)
        return self._local(location, wanted)

    def _local(self, path: str, wanted: _Wanted) -> Fetched:
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise FetchFailed(wanted.name, path, "it is not a file")
            with ExitStack() as unless_handed_over:
                file = unless_handed_over.enter_context(open(path, "rb"))
                fetched = self._verified(file, path, wanted)
                unless_handed_over.pop_all()
        except OSError as error:
            raise FetchFailed(wanted.name, path, error.strerror or str(error)) from error
        self._reporter.report(FetchFinished(name=wanted.name, size=fetched.size))
        return fetched

    def _verified(self, file: BinaryIO, path: str, wanted: _Wanted) -> Fetched:
        size = os.fstat(file.fileno()).st_size
        wanted.check_size(size, path)
        self._reporter.report(FetchStarted(name=wanted.name, size=size, offset=0))
        hashes = _Hashes(wanted)
        for block in _blocks(file.fileno()):
            self._check_cancelled(wanted)
            hashes.update(block)
            self._reporter.report(BytesFetched(name=wanted.name, count=len(block)))
        wanted.check_hash(hashes, path)
        file.seek(0)
        return Fetched(wanted.name, file, sha256=hashes.sha256, size=size, path=path, remove=False)

    def _remote(self, url: str, wanted: _Wanted) -> Fetched:
        partial = self._open_partial(wanted)
        try:
            self._fill(partial, url, wanted)
            fetched = partial.finished()
        except (HashMismatch, SizeMismatch):
            partial.remove()
            raise
        except BaseException:
            partial.leave()
            raise
        self._reporter.report(FetchFinished(name=wanted.name, size=fetched.size))
        return fetched

    def _open_partial(self, wanted: _Wanted) -> _Partial:
        if wanted.size is not None and wanted.size <= _SMALL and sys.platform == "linux":
            return _Partial(None, os.memfd_create("envbuild"), wanted)
        path = os.path.join(self._folder, wanted.file_name)
        delay = 0.01
        try:
            os.makedirs(self._folder, exist_ok=True)
            while (fd := _locked(path)) is None:
                if delay == 0.01:
                    self._reporter.report(WaitingFor(what=wanted.name, holder=None))
                self._pause(delay, wanted)
                delay = min(delay * 2, 0.5)
            return _Partial(path, fd, wanted)
        except OSError as error:
            raise PartialUnwritable(path, error) from error

    def _fill(self, partial: _Partial, url: str, wanted: _Wanted) -> None:
        """Fetch what is missing, trying again where that may help, and verify the whole."""
        attempts = failures = 0
        started_over = False
        while True:
            self._check_cancelled(wanted)
            attempts += 1
            before = partial.size
            try:
                if self._transfer(partial, url, wanted):
                    wanted.check_hash(partial.hashes, url)
                    return
            except HashMismatch:
                # Pieces of two files, or of one that a crash has torn: only a whole one tells.
                if not partial.pieced or started_over:
                    raise
                partial.restart()
                started_over = True
            except TransferFailed as error:
                self._check_cancelled(wanted)
                failures = 1 if partial.size - before >= _ENOUGH else failures + 1
                if not error.passing or failures > self._client.settings.retries:
                    raise FetchFailed(
                        wanted.name,
                        url,
                        error.reason,
                        attempts=attempts,
                        status=error.status,
                        hint=error.hint,
                    ) from error
                delay = max(error.wait, self._backoff(failures))
                self._reporter.report(
                    FetchRetried(
                        name=wanted.name, reason=error.reason, attempt=attempts, delay=delay
                    )
                )
                self._pause(delay, wanted)

    def _transfer(self, partial: _Partial, url: str, wanted: _Wanted) -> bool:
        """Ask once for what is missing, and append what comes until it ends or breaks.

        Returns:
            Whether all is here; if not, what was here did not fit what is there, and was dropped.
        """
        if partial.size and partial.size == wanted.size:
            return True
        headers = {"Accept-Encoding": "identity"}
        if not partial.can_be_continued:
            partial.restart()
        if partial.size:
            headers["Range"] = f"bytes={partial.size}-"
            if partial.tag is not None:
                headers["If-Range"] = partial.tag
        with self._client.get(url, headers) as answer:
            match answer.status:
                case 200:
                    partial.restart()
                    partial.tag = _strong(answer.header("ETag"))
                case 206 if _range(answer)[0] == partial.size:
                    partial.pieced = True
                case 416 if partial.size and _range(answer)[1] == partial.size:
                    wanted.check_size(partial.size, url)
                    return True
                case 206 | 416 if partial.size:
                    partial.restart()
                    return False
                case _:
                    raise answer.failure()
            announced = answer.header("Content-Length") or ""
            size = partial.size + int(announced) if announced.isdecimal() else wanted.size
            if size is not None:
                wanted.check_size(size, url)
            self._reporter.report(FetchStarted(name=wanted.name, size=size, offset=partial.size))
            self._append(partial, answer, url, wanted)
        if wanted.size is not None and partial.size < wanted.size:
            reason = f"the answer ends after {partial.size} of {wanted.size} bytes"
            raise TransferFailed(url, reason, passing=True)
        return True

    def _append(self, partial: _Partial, answer: Answer, url: str, wanted: _Wanted) -> None:
        """Append the body in blocks, since each turn of this loop costs as much as its bytes."""
        block: list[bytes] = []
        length = 0
        try:
            for chunk in answer.chunks():
                block.append(chunk)
                length += len(chunk)
                if length >= _BLOCK:
                    self._check_cancelled(wanted)
                    self._append_block(partial, block, url, wanted)
                    length = 0
        finally:
            self._append_block(partial, block, url, wanted)

    def _append_block(
        self, partial: _Partial, block: list[bytes], url: str, wanted: _Wanted
    ) -> None:
        if not block:
            return
        data = b"".join(block)
        block.clear()
        partial.append(data)
        if wanted.size is not None and partial.size > wanted.size:
            wanted.check_size(partial.size, url)
        self._reporter.report(BytesFetched(name=wanted.name, count=len(data)))

    def _backoff(self, failures: int) -> float:
        """Return seconds: twice as many after each failure, spread so that clients drift apart."""
        spread = random.uniform(0.75, 1.25)  # noqa: S311 - nobody gains from guessing it
        doubled: float = self._client.settings.backoff * 2 ** (failures - 1)
        return min(doubled, _LONGEST_DELAY) * spread

    def _pause(self, seconds: float, wanted: _Wanted) -> None:
        if self._cancelled.wait(seconds):
            raise FetchCancelled(wanted.name)

    def _check_cancelled(self, wanted: _Wanted) -> None:
        if self._cancelled.is_set():
            raise FetchCancelled(wanted.name)


@frozen
class _Wanted:
    """What the lock says of an archive."""

    name: str
    algorithm: str | None
    digest: str | None
    size: int | None

    @classmethod
    def of(cls, name: str, locked_hash: str | None, locked_size: int | None) -> _Wanted:
        if locked_hash is None:
            return cls(name=name, algorithm=None, digest=None, size=locked_size)
        algorithm, _, digest = locked_hash.lower().partition(":")
        if algorithm not in ALGORITHMS or not re.fullmatch(r"(?:[0-9a-f]{2}){1,64}", digest):
            raise UnsupportedHash(name, locked_hash)
        return cls(name=name, algorithm=algorithm, digest=digest, size=locked_size)

    @property
    def file_name(self) -> str:
        """Name of the unfinished file: the same in every run, unless there is no hash."""
        if self.digest is None:
            return f"unlocked-{os.getpid()}-{next(_serial)}"
        return f"{self.algorithm}-{self.digest}"

    def check_size(self, found: int, url: str) -> None:
        if self.size is not None and found != self.size:
            raise SizeMismatch(self.name, url, self.size, found)

    def check_hash(self, hashes: _Hashes, url: str) -> None:
        if self.digest is not None and hashes.locked != self.digest:
            expected = f"{self.algorithm}:{self.digest}"
            raise HashMismatch(self.name, url, expected, f"{self.algorithm}:{hashes.locked}")


class _Hashes:
    """SHA-256 of what has come so far, and the hash that the lock uses where it is another."""

    __slots__ = ("_locked", "_sha256")

    def __init__(self, wanted: _Wanted) -> None:
        self._sha256 = hashlib.sha256()
        self._locked: hashlib._Hash | hashlib.blake2b | None
        match wanted.algorithm:
            case None | "sha256":
                self._locked = None
            case "blake2b":
                assert wanted.digest is not None
                self._locked = hashlib.blake2b(digest_size=len(wanted.digest) // 2)
            case algorithm:
                self._locked = hashlib.new(algorithm, usedforsecurity=False)

    def update(self, data: bytes) -> None:
        self._sha256.update(data)
        if self._locked is not None:
            self._locked.update(data)

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    @property
    def locked(self) -> str:
        return (self._locked or self._sha256).hexdigest()


class _Partial:
    """An unfinished file that is ours alone, with the hashes of what is in it.

    It is in memory where it has no path. Else it is under our lock.

    Attributes:
        size: bytes that are here.
        pieced: whether they came in more than one transfer.
        tag: the strong entity tag of what is being transferred, where there is one.
    """

    __slots__ = ("_fd", "_path", "_wanted", "hashes", "pieced", "size", "tag")

    def __init__(self, path: str | None, fd: int, wanted: _Wanted) -> None:
        self._path = path
        self._fd = fd
        self._wanted = wanted
        self.hashes = _Hashes(wanted)
        self.size = 0
        for block in _blocks(fd):
            self.hashes.update(block)
            self.size += len(block)
        self.pieced = self.size > 0
        self.tag: str | None = None
        if wanted.size is not None and self.size > wanted.size:
            self.restart()

    @property
    def can_be_continued(self) -> bool:
        """Whether a later check would tell that the rest belongs to another content."""
        return self._wanted.digest is not None or self.tag is not None

    def append(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            self.restart()
            raise PartialUnwritable(self._path or "memory", error) from error
        self.hashes.update(data)
        self.size += len(data)

    def restart(self) -> None:
        """Forget what is here."""
        if self.size:
            self.hashes = _Hashes(self._wanted)
            self.size = 0
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.pieced = False
        self.tag = None

    def finished(self) -> Fetched:
        """Hand the file over."""
        os.lseek(self._fd, 0, os.SEEK_SET)
        return Fetched(
            self._wanted.name,
            os.fdopen(self._fd, "rb"),
            sha256=self.hashes.sha256,
            size=self.size,
            path=self._path,
            remove=True,
        )

    def leave(self) -> None:
        """Let go of the file; what came stays where a later run can verify it."""
        if self.size and self._wanted.digest is not None:
            os.close(self._fd)
        else:
            self.remove()

    def remove(self) -> None:
        if self._path is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._path)
        os.close(self._fd)


def _locked(path: str) -> int | None:
    """Return a descriptor of the file at `path` under an exclusive lock, `None` if another has it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), os.stat(path)):
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _blocks(fd: int) -> Iterator[bytes]:
    while block := os.read(fd, _BLOCK):
        yield block


def _stamp(file: BinaryIO) -> tuple[int, int]:
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns


def _strong(tag: str | None) -> str | None:
    """Return an entity tag that promises equal bytes (RFC 9110, 8.8.1)."""
    return tag if tag is not None and tag.startswith('"') else None


def _range(answer: Answer) -> tuple[int | None, int | None]:
    """Return the first offset that is sent and the size of the whole, as far as they are said."""
    found = re.fullmatch(
        r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", answer.header("Content-Range") or ""
    )
    if found is None:
        return None, None
    first, whole = found.groups()
    return (None if first is None else int(first), None if whole is None else int(whole))
