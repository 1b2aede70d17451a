"""Adding to a store: blobs at once, everything that refers to them later and all together.

The order is the one of `store_layout/v1/invariants.md`: blobs appear whole under their names;
trees, derivations, realisations, manifests and roots wait in a staging folder; one `syncfs` makes
all of it durable; then the records get their names, referred-to before referring. Whatever moment a
kill or a power cut chooses, a record that can be seen stands for content that is there.
"""

from __future__ import annotations

import os

from envbuild.digest import digest_of
from envbuild.store import layout, locks
from envbuild.store.descriptors import write_all
from envbuild.store.local import StoreUnusable
from envbuild.store.sync import sync_file, sync_file_system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from envbuild.digest import Digest
    from envbuild.store.local import Store
    from envbuild.store.records import Realisation
    from envbuild.store.tree import Tree

_TIME = layout.TIMESTAMP * 10**9
_MODES = {False: 0o100000 | layout.FILE_MODE, True: 0o100000 | layout.EXECUTABLE_MODE}

_ORDER = (
    layout.TREES,
    layout.DERIVATIONS,
    layout.REALISATIONS,
    layout.MANIFESTS,
    layout.ROOTS,
)
"""Folders of records, those referred to before those that refer to them."""

_FEW_RECORDS = 8
"""So many small files are made durable one by one: a `syncfs` also waits for strangers' writes."""


class Blobs:
    """Puts file contents into a store. One may be used by many threads at once.

    Attributes:
        folder: absolute path of the store's folder.
        unsynced: whether blobs have appeared that a power cut may still take.
    """

    __slots__ = ("_descriptor", "_masked", "_numbers", "_staging", "folder", "unsynced")

    def __init__(self, folder: str, staging: str) -> None:
        from itertools import count

        self.folder = folder
        self._staging = staging
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._numbers = count()
        self._masked = _umask() & (layout.FILE_MODE | layout.EXECUTABLE_MODE)
        self.unsynced = False

    def close(self) -> None:
        """Give the descriptor of the store's folder back."""
        os.close(self._descriptor)

    def put(self, data: bytes, digest: Digest, *, executable: bool) -> bool:
        """Store `data`, whose digest the caller has taken, as one blob.

        Returns:
            Whether the blob is new; a sound one is left as it is.

        Raises:
            StoreUnusable: the operating system refuses, such as for a full disk.
        """
        if self.has(digest, size=len(data), executable=executable):
            return False
        try:
            name, descriptor = self._create(digest[:2], _MODES[executable] & 0o777)
            try:
                try:
                    write_all(descriptor, data)
                    self._finish(descriptor, executable=executable)
                finally:
                    # Some file systems tell only now that there is no room.
                    os.close(descriptor)
                return self.give_name(name, len(data), digest, executable=executable)
            finally:
                os.unlink(name)
        except OSError as error:
            raise StoreUnusable(self.folder, "write to", error) from error

    def has(self, digest: Digest, *, size: int, executable: bool) -> bool:
        """Tell whether a blob is there, and looks sound: of that size, with its mode and time.

        Raises:
            StoreUnusable: the operating system refuses.
        """
        path = layout.blob(digest, executable=executable)
        try:
            status = os.stat(path, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreUnusable(self.folder, f"read `{path}` of", error) from error
        return (
            status.st_size == size
            and status.st_mtime_ns == _TIME
            and status.st_mode == _MODES[executable]
        )

    def draft(self) -> BlobDraft:
        """Return a new blob to be written; its content need not be known beforehand.

        Raises:
            StoreUnusable: the operating system refuses.
        """
        try:
            number = next(self._numbers)
            name, descriptor = self._create(f"{number & 0xFF:02x}", 0o600)
        except OSError as error:
            raise StoreUnusable(self.folder, "write to", error) from error
        return BlobDraft(self, descriptor, name)

    def give_name(self, source: str, size: int, digest: Digest, *, executable: bool) -> bool:
        """Give the file at `source` its name as a blob; return whether it is new.

        Args:
            source: path of the file, which has mode and time stamp of a blob and is left there.
            size: of the file, in bytes.
            digest: of its content.
            executable: whether it is that.

        Raises:
            OSError: the operating system refuses.
        """
        path = layout.blob(digest, executable=executable)
        try:
            try:
                self._link(source, path)
            except FileNotFoundError:
                os.makedirs(f"{self.folder}/{path.rpartition('/')[0]}", exist_ok=True)
                self._link(source, path)
        except FileExistsError:
            if self.has(digest, size=size, executable=executable):
                return False
            self._replace(source, path)
        self.unsynced = True
        return True

    def _create(self, spread: str, mode: int) -> tuple[str, int]:
        """Make a file in the staging folder; return its path and a descriptor to write to it.

        File systems put a new file beside its folder's others, and ext4 passes over places that
        were freed lately, one by one. So drafts are spread over folders, as blobs are: that takes
        a third of the time of one folder, or of files without a name, which would leave nothing
        behind when this process is killed. What is left behind is removed by whoever looks next.
        """
        # Forked processes share the folder, and count for themselves.
        name = f"{self._staging}/blobs-{spread}/{os.getpid()}-{next(self._numbers)}"
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        try:
            return name, os.open(name, flags, mode)
        except FileNotFoundError:
            os.makedirs(f"{self._staging}/blobs-{spread}", exist_ok=True)
            return name, os.open(name, flags, mode)

    def _finish(self, descriptor: int, *, executable: bool) -> None:
        if self._masked:
            os.fchmod(descriptor, _MODES[executable] & 0o777)
        os.utime(descriptor, ns=(_TIME, _TIME))

    def _link(self, source: str, path: str) -> None:
        os.link(source, path, dst_dir_fd=self._descriptor, follow_symlinks=False)

    def _replace(self, source: str, path: str) -> None:
        """Put sound content in the place of the damaged blob at `path`, which is kept aside.

        The name is never gone meanwhile. Whoever has the damaged inode linked keeps it.
        """
        draft = self._staging_name()
        self._link(source, draft)
        try:
            # Trees refer to this name already, so what takes it must be durable first.
            descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            aside = f"{layout.QUARANTINE}/{path.replace('/', '-')}-{os.urandom(4).hex()}"
            try:
                os.link(
                    path,
                    aside,
                    src_dir_fd=self._descriptor,
                    dst_dir_fd=self._descriptor,
                    follow_symlinks=False,
                )
            except OSError:
                # Evidence, worth no failure: gone meanwhile, or a folder, or a full disk.
                pass
            os.replace(draft, path, dst_dir_fd=self._descriptor)
        except BaseException:
            os.unlink(draft)
            raise

    def _staging_name(self) -> str:
        return f"{self._staging}/{os.urandom(8).hex()}"


class BlobDraft:
    """A blob being written: a context manager that forgets what has not been published."""

    __slots__ = ("_blobs", "_descriptor", "_name", "_size")

    def __init__(self, blobs: Blobs, descriptor: int, name: str) -> None:
        self._blobs = blobs
        self._descriptor = descriptor
        self._name = name
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # Some file systems tell only now that there is no room.
            os.close(self._descriptor)
            os.unlink(self._name)
        except OSError as failure:
            raise StoreUnusable(self._blobs.folder, "write to", failure) from failure

    def write(self, data: bytes) -> None:
        """Append `data`; raises `StoreUnusable`, such as for a full disk."""
        try:
            write_all(self._descriptor, data)
        except OSError as error:
            raise StoreUnusable(self._blobs.folder, "write to", error) from error
        self._size += len(data)

    def publish(self, digest: Digest, *, executable: bool) -> bool:
        """Let what was written appear as the blob `digest`, whole; return whether it is new."""
        try:
            os.fchmod(self._descriptor, _MODES[executable] & 0o777)
            os.utime(self._descriptor, ns=(_TIME, _TIME))
            return self._blobs.give_name(self._name, self._size, digest, executable=executable)
        except OSError as error:
            raise StoreUnusable(self._blobs.folder, "write to", error) from error


class Publication:
    """What one piece of running work adds to a store.

    Use as a context manager; leaving it without `commit` abandons the staged records. Many threads
    may add at once; `commit` may be called several times, each time for what was added since.
    """

    def __init__(self, store: Store) -> None:
        import threading

        self._store = store
        self._mutex = threading.Lock()
        self._committing = threading.Lock()
        self._staged: list[tuple[str, str]] = []
        self._count = 0
        self._staging = store.absolute(f"{layout.STAGING}/{os.getpid()}-{os.urandom(4).hex()}")
        try:
            os.makedirs(self._staging)
        except OSError as error:
            raise StoreUnusable(store.path, "write to", error) from error
        try:
            self._owner = locks.lock_exclusive(f"{self._staging}/{layout.STAGING_OWNER}")
            self.blobs = Blobs(store.path, self._staging)
        except BaseException as error:
            _remove(self._staging)
            if isinstance(error, OSError):
                raise StoreUnusable(store.path, "write to", error) from error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.blobs.close()
        _remove(self._staging)
        self._owner.release()

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
        return self.add_record(layout.TREES, tree.encode())

    def add_record(self, kind: str, data: bytes) -> Digest:
        """Stage canonical bytes under their digest in the folder `kind`, and return the digest."""
        digest = digest_of(data)
        self._stage(layout.record(kind, digest), data)
        return digest

    def add_realisation(self, realisation: Realisation) -> None:
        """Stage a realisation; its derivation and its output must be there or staged."""
        self._stage(realisation.location, realisation.encode())

    def commit(self) -> None:
        """Make everything that was added durable, then let the staged records appear.

        Raises:
            StoreUnusable: the operating system refuses; what has not appeared stays staged.
        """
        # Two commits never overlap: the records of one may refer to those of the other.
        with self._committing:
            with self._mutex:
                batch = sorted(self._staged, key=lambda pair: _publishing_order(pair[1]))
                self._staged.clear()
            unsynced = self.blobs.unsynced
            if unsynced:
                # What other threads add from here on is theirs to commit.
                self.blobs.unsynced = False
            done = 0
            try:
                # A tree may rest on blobs of another process that has not made them durable yet.
                if unsynced or any(path.startswith(layout.TREES) for _, path in batch):
                    sync_file_system(self._store.path)
                    unsynced = False
                elif len(batch) > _FEW_RECORDS:
                    sync_file_system(self._store.path)
                else:
                    for draft, _ in batch:
                        sync_file(draft)
                for draft, path in batch:
                    _appear(draft, self._store.absolute(path))
                    done += 1
            except OSError as error:
                raise StoreUnusable(self._store.path, "write to", error) from error
            finally:
                if unsynced:
                    self.blobs.unsynced = True
                with self._mutex:
                    self._staged.extend(batch[done:])

    def _stage(self, path: str, data: bytes) -> None:
        if self._store.read(path) == data:
            return
        with self._mutex:
            self._count += 1
            draft = f"{self._staging}/{self._count}"
        try:
            _write(draft, data, durable=False)
        except OSError as error:
            raise StoreUnusable(self._store.path, "write to", error) from error
        with self._mutex:
            self._staged.append((draft, path))


def write_record(store: Store, path: str, data: bytes, *, durable: bool = True) -> None:
    """Let one record appear that waits for nothing else.

    Args:
        store: where.
        path: of the record, relative to the store; what is there is replaced.
        data: its canonical bytes.
        durable: whether to wait for the disk first; otherwise a power cut may tear the record.

    Raises:
        OSError: the operating system refuses.
    """
    draft = store.absolute(f"{layout.STAGING}/{os.getpid()}-{os.urandom(4).hex()}.json")
    try:
        _write(draft, data, durable=durable)
        _appear(draft, store.absolute(path))
    except OSError:
        _unlink(draft)
        raise


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _publishing_order(path: str) -> tuple[int, str]:
    return _ORDER.index(path.partition("/")[0]), path


def _remove(folder: str) -> None:
    from envbuild.store.removal import remove_all

    try:
        remove_all(folder)
    except OSError:
        # What stays is nobody's, and is removed by whoever looks next.
        pass


def _appear(draft: str, path: str) -> None:
    try:
        os.rename(draft, path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.rename(draft, path)


def _write(path: str, data: bytes, *, durable: bool) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:
        # Some tools that carry a store elsewhere leave empty folders behind.
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, flags, 0o600)
    try:
        write_all(descriptor, data)
        # The same for everybody, whatever the umask: the store's folders decide who reads.
        os.fchmod(descriptor, layout.FILE_MODE)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
