"""Adding to a store: blobs at once, everything that refers to them later and all together.

The order is the one of `store_layout/v1/invariants.md`: blobs appear whole under their names;
trees, derivations, realisations and manifests wait in a staging folder; one `syncfs` makes all of
it durable; then the records get their names, referred-to before referring. Whatever moment a kill
or a power cut chooses, a name that can be seen stands for content that is there.
"""

from __future__ import annotations

import errno
import os

from envbuild.digest import digest_of
from envbuild.store import layout
from envbuild.store.descriptors import write_all
from envbuild.store.local import StoreUnusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from envbuild.digest import Digest
    from envbuild.store.local import Store
    from envbuild.store.records import Realisation
    from envbuild.store.tree import Tree

_TIMES = (layout.TIMESTAMP * 10**9, layout.TIMESTAMP * 10**9)
_RECORD_MODE = 0o444
_NO_ANONYMOUS_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}


class Blobs:
    """Puts file contents into a store. One may be used by many threads at once."""

    __slots__ = ("_anonymous", "_descriptor", "_folder", "_staging")

    def __init__(self, folder: str, staging: str) -> None:
        self._folder = folder
        self._staging = staging
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._anonymous = hasattr(os, "O_TMPFILE")

    def close(self) -> None:
        """Give the descriptor of the store's folder back."""
        os.close(self._descriptor)

    def put(self, data: bytes, digest: Digest, *, executable: bool) -> bool:
        """Store `data`, whose digest the caller has taken, as one blob.

        Returns:
            Whether the blob is new; what is there already is left as it is.

        Raises:
            StoreUnusable: the operating system refuses, such as for a full disk.
        """
        if self.has(digest, size=len(data), executable=executable):
            return False
        with self.draft() as draft:
            draft.write(data)
            return draft.publish(digest, executable=executable)

    def has(self, digest: Digest, *, size: int, executable: bool) -> bool:
        """Tell whether a blob is there; one whose size shows it damaged goes out of use first."""
        path = layout.blob(digest, executable=executable)
        try:
            status = os.stat(path, dir_fd=self._descriptor, follow_symlinks=False)
            if status.st_size == size:
                return True
            # Cut short by a power failure, or edited: whoever has it linked keeps that inode.
            aside = f"{layout.QUARANTINE}/{path.replace('/', '-')}"
            os.replace(path, aside, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StoreUnusable(self._folder, "write to", error) from error
        return False

    def draft(self) -> BlobDraft:
        """Return a new blob to be written; its content need not be known beforehand.

        Raises:
            StoreUnusable: the operating system refuses.
        """
        try:
            if self._anonymous:
                # A file without a name leaves nothing behind when this process is killed.
                try:
                    flags = os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC
                    descriptor = os.open(self._folder, flags, 0o600)
                    return BlobDraft(self._folder, self._descriptor, descriptor, "")
                except OSError as error:
                    if error.errno not in _NO_ANONYMOUS_FILES:
                        raise
                    self._anonymous = False
            name = f"{self._staging}/{os.urandom(8).hex()}"
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            descriptor = os.open(name, flags, 0o600)
            return BlobDraft(self._folder, self._descriptor, descriptor, name)
        except OSError as error:
            raise StoreUnusable(self._folder, "write to", error) from error


class BlobDraft:
    """A blob being written: a context manager that forgets what has not been published."""

    __slots__ = ("_descriptor", "_folder", "_folder_descriptor", "_name")

    def __init__(self, folder: str, folder_descriptor: int, descriptor: int, name: str) -> None:
        self._folder = folder
        self._folder_descriptor = folder_descriptor
        self._descriptor = descriptor
        self._name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)
        if self._name:
            os.unlink(self._name)

    def write(self, data: bytes) -> None:
        """Append `data`; raises `StoreUnusable`, such as for a full disk."""
        try:
            write_all(self._descriptor, data)
        except OSError as error:
            raise StoreUnusable(self._folder, "write to", error) from error

    def publish(self, digest: Digest, *, executable: bool) -> bool:
        """Let what was written appear as the blob `digest`, whole; return whether it is new."""
        try:
            os.fchmod(self._descriptor, layout.EXECUTABLE_MODE if executable else layout.FILE_MODE)
            os.utime(self._descriptor, ns=_TIMES)
            os.link(
                self._name or f"/proc/self/fd/{self._descriptor}",
                layout.blob(digest, executable=executable),
                dst_dir_fd=self._folder_descriptor,
                follow_symlinks=True,
            )
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreUnusable(self._folder, "write to", error) from error
        return True


class Publication:
    """What one piece of running work adds to a store.

    Use as a context manager; leaving it without `commit` abandons the staged records. Many threads
    may add at once; `commit` may be called several times, each time for what was added since.
    """

    def __init__(self, store: Store) -> None:
        import threading

        self._store = store
        self._mutex = threading.Lock()
        self._staged: list[tuple[str, str]] = []
        self._staging = store.absolute(f"{layout.STAGING}/{os.getpid()}-{os.urandom(4).hex()}")
        self._count = 0
        try:
            os.mkdir(self._staging)
        except OSError as error:
            raise StoreUnusable(store.path, "write to", error) from error
        self.blobs = Blobs(store.path, self._staging)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import shutil

        self.blobs.close()
        shutil.rmtree(self._staging, ignore_errors=True)

    @property
    def staging(self) -> str:
        """A folder of the store's file system for files on the way; gone when this closes."""
        return self._staging

    def add_blob(self, data: bytes, *, executable: bool = False) -> Digest:
        """Store `data` as one blob and return its digest."""
        digest = digest_of(data)
        self.blobs.put(data, digest, executable=executable)
        return digest

    def add_tree(self, tree: Tree) -> Digest:
        """Stage the record of `tree`, whose blobs have been put, and return its digest."""
        data = tree.encode()
        digest = digest_of(data)
        self._stage(layout.record(layout.TREES, digest), data)
        return digest

    def add_record(self, kind: str, data: bytes) -> Digest:
        """Stage canonical bytes under their digest in the folder `kind`, and return the digest."""
        digest = digest_of(data)
        self._stage(layout.record(kind, digest), data)
        return digest

    def add_realisation(self, realisation: Realisation) -> None:
        """Stage a realisation; its derivation and its output must be there or staged."""
        path = layout.realisation(realisation.resolved_key, realisation.output_name)
        self._stage(path, realisation.encode())

    def commit(self) -> None:
        """Make everything that was added durable, then let the staged records appear.

        Raises:
            StoreUnusable: the operating system refuses; what has not appeared stays staged.
        """
        with self._mutex:
            if not self._staged:
                return
            try:
                _sync_file_system(self._store.path)
                self._staged.sort(key=lambda pair: _publishing_order(pair[1]))
                while self._staged:
                    draft, path = self._staged[0]
                    _appear(draft, self._store.absolute(path))
                    self._staged.pop(0)
            except OSError as error:
                raise StoreUnusable(self._store.path, "write to", error) from error

    def _stage(self, path: str, data: bytes) -> None:
        if os.path.exists(self._store.absolute(path)) and self._is_whole(path, data):
            return
        with self._mutex:
            self._count += 1
            draft = f"{self._staging}/{self._count}"
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            descriptor = os.open(draft, flags, _RECORD_MODE)
            try:
                write_all(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StoreUnusable(self._store.path, "write to", error) from error
        with self._mutex:
            self._staged.append((draft, path))

    def _is_whole(self, path: str, data: bytes) -> bool:
        with open(self._store.absolute(path), "rb") as file:
            return file.read() == data


_ORDER = (
    layout.TREES,
    layout.DERIVATIONS,
    layout.REALISATIONS,
    layout.MANIFESTS,
    layout.ENVIRONMENT_ROOTS,
)


def _publishing_order(path: str) -> tuple[int, str]:
    return next(rank for rank, folder in enumerate(_ORDER) if path.startswith(folder)), path


def _appear(draft: str, path: str) -> None:
    try:
        os.rename(draft, path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.rename(draft, path)


def _sync_file_system(path: str) -> None:
    """Make everything written so far to the file system of `path` durable."""
    import ctypes

    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)
