"""A store on this machine: opening it, asking what it holds, reading its records.

What is written goes through `envbuild.store.publish`. Records are believed only where their digest
agrees with their name (trees, derivations, manifests) or their form is whole and what they say
agrees with their name (realisations, roots): a file cut short by a power failure is as good as
absent, and is never taken for something else.
"""

from __future__ import annotations

import errno
import os

from envbuild.digest import Digest, digest_of
from envbuild.errors import StoreError
from envbuild.store import layout, locks
from envbuild.store.descriptors import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from envbuild.store.records import Realisation
    from envbuild.store.root_records import EnvironmentRoot
    from envbuild.store.tree import Tree

_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


class NotAStore(StoreError):
    """A folder that holds something, and not a store."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"`{path}` is not a store: {reason}",
            hint="name an empty or new folder with `--store` or `ENVBUILD_STORE`",
        )
        self.path = path
        self.reason = reason


class UnsupportedStore(StoreError):
    """A store of a format that this version does not speak."""

    def __init__(self, path: str, found: object) -> None:
        super().__init__(
            f"the store `{path}` has format {found!r}, not `{layout.FORMAT}` {layout.VERSION}",
            hint="use the envbuild that made it, or name another folder with `--store`",
        )
        self.path = path
        self.found = found


class StoreUnusable(StoreError):
    """The operating system refuses what must be done with the store."""

    def __init__(self, path: str, action: str, error: OSError) -> None:
        reason = error.strerror or str(error)
        super().__init__(
            f"cannot {action} the store `{path}`: {reason}",
            hint="free space there, and run the same again" if error.errno in _FULL else None,
        )
        self.path = path
        self.errno = error.errno


class Store:
    """An open store. Cheap to make; many processes may have the same one open.

    A context manager that closes it.

    Attributes:
        path: absolute path of the store's folder.
    """

    __slots__ = ("_users_lock", "path")

    def __init__(self, path: str, users_lock: locks.Lock | None) -> None:
        self.path = path
        self._users_lock = users_lock

    @staticmethod
    def exists(path: str) -> bool:
        """Tell whether there is a store at `path`, of whatever format."""
        return os.path.exists(f"{path}/{layout.FORMAT_FILE}")

    @staticmethod
    def open(path: str) -> Store:
        """Open the store at `path`, and make it where there is nothing or an empty folder.

        The shared lock of the store is held until `close`: a collector removes nothing meanwhile.

        Raises:
            NotAStore: the folder holds something else.
            UnsupportedStore: the format is not ours.
            LockFailed, StoreUnusable: the operating system refuses.
        """
        path = os.path.abspath(path)
        try:
            if not _is_store(path):
                _create(path)
        except OSError as error:
            raise StoreUnusable(path, "open", error) from error
        return Store(path, _lock_for_use(f"{path}/{layout.STORE_LOCK}"))

    def close(self) -> None:
        """Give the shared lock up."""
        if self._users_lock is not None:
            self._users_lock.release()
            self._users_lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def absolute(self, relative: str) -> str:
        """Return the absolute path of something that `envbuild.store.layout` names."""
        return f"{self.path}/{relative}"

    def has_tree(self, digest: Digest) -> bool:
        """Tell whether the record of a tree is there; its blobs are, since they came first."""
        return self._has(layout.record(layout.TREES, digest))

    def read_tree(self, digest: Digest) -> Tree | None:
        """Return the tree named `digest`, `None` where the store has none that can be believed.

        Raises:
            InvalidTree, NotCanonical: the record is what its name says, and no tree.
            StoreUnusable: the operating system refuses.
        """
        from envbuild.store.tree import decode_tree

        data = self.read_record(layout.TREES, digest)
        return None if data is None else decode_tree(data)

    def read_record(self, kind: str, digest: Digest) -> bytes | None:
        """Return the bytes named `digest` in the folder `kind`, `None` where absent or damaged.

        Raises:
            StoreUnusable: the operating system refuses.
        """
        data = self.read(layout.record(kind, digest))
        return data if data is not None and digest_of(data) == digest else None

    def realisations(self, resolved_key: Digest) -> tuple[Realisation, ...]:
        """Return what is known to have come of a resolved key, what is to be used first.

        That is in the order of the outputs' names, what only came of doing the work again at the
        end. More than one means that the work is not reproducible. Records that cannot be believed,
        or whose tree is gone, are left out.

        Raises:
            StoreUnusable: the operating system refuses.
        """
        from envbuild.store.records import RebuildOutput

        folder = layout.realisations(resolved_key)
        try:
            names = sorted(os.listdir(self.absolute(folder)))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise StoreUnusable(self.path, f"read `{folder}` of", error) from error
        found = (self._realisation(f"{folder}/{name}") for name in names)
        known = [realisation for realisation in found if realisation is not None]
        return tuple(sorted(known, key=lambda each: isinstance(each.output, RebuildOutput)))

    def read_blob(self, digest: Digest) -> bytes:
        """Return the content of a blob, whichever of its two names it has.

        Raises:
            StoreUnusable: it is not there, or cannot be read.
        """
        for executable in (False, True):
            data = self.read(layout.blob(digest, executable=executable))
            if data is not None:
                return data
        missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        raise StoreUnusable(self.path, f"read the blob `{digest}` of", missing)

    def restore_blob(self, digest: Digest, *, executable: bool) -> None:
        """Give a blob whose content is right the mode and the time stamp that it must have.

        Raises:
            StoreUnusable: the operating system refuses.
        """
        path = self.absolute(layout.blob(digest, executable=executable))
        try:
            os.chmod(path, layout.EXECUTABLE_MODE if executable else layout.FILE_MODE)
            os.utime(path, (layout.TIMESTAMP, layout.TIMESTAMP))
        except OSError as error:
            raise StoreUnusable(self.path, "write to", error) from error

    def forget(self, resolved_key: Digest) -> None:
        """Remove what is known to have come of a resolved key, so that it is found out anew.

        Nothing refers to a realisation, so this needs no lock.

        Raises:
            StoreUnusable: the operating system refuses.
        """
        for path in self.walk(layout.realisations(resolved_key)):
            try:
                os.unlink(self.absolute(path))
            except FileNotFoundError:
                pass
            except OSError as error:
                raise StoreUnusable(self.path, f"remove `{path}` from", error) from error

    def all_realisations(self) -> Iterator[Realisation]:
        """Yield every realisation that `realisations` would give, in the order of their paths."""
        for path in self.walk(layout.REALISATIONS):
            realisation = self._realisation(path)
            if realisation is not None:
                yield realisation

    def environment_roots(self) -> Iterator[EnvironmentRoot]:
        """Yield the environments that have registered themselves, in the order of their records."""
        from envbuild.store.records import decode_root
        from envbuild.store.root_records import EnvironmentRoot

        for path in self.walk(layout.ENVIRONMENT_ROOTS):
            data = self.read(path)
            if data is None:
                continue
            try:
                root = decode_root(data)
            except StoreError:
                continue
            if isinstance(root, EnvironmentRoot) and root.location == path:
                yield root

    def walk(self, folder: str) -> Iterator[str]:
        """Yield the paths of all files below `folder`, sorted, relative to the store.

        Raises:
            StoreUnusable: the operating system refuses.
        """
        try:
            with os.scandir(self.absolute(folder)) as scan:
                found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in scan)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreUnusable(self.path, f"read `{folder}` of", error) from error
        for name, is_folder in found:
            if is_folder:
                yield from self.walk(f"{folder}/{name}")
            else:
                yield f"{folder}/{name}"

    def read(self, relative: str) -> bytes | None:
        """Return what the file at `relative` holds, `None` where there is none.

        Raises:
            StoreUnusable: the operating system refuses.
        """
        try:
            with open(self.absolute(relative), "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreUnusable(self.path, f"read `{relative}` of", error) from error

    def quarantine(self, relative: str) -> None:
        """Take a damaged file out of use, keeping it to be looked at.

        Raises:
            StoreUnusable: the operating system refuses.
        """
        aside = f"{layout.QUARANTINE}/{relative.replace('/', '-')}-{os.urandom(4).hex()}"
        try:
            os.makedirs(self.absolute(layout.QUARANTINE), exist_ok=True)
            os.rename(self.absolute(relative), self.absolute(aside))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StoreUnusable(self.path, f"take `{relative}` out of", error) from error

    def _has(self, relative: str) -> bool:
        path = self.absolute(relative)
        # Asked for every tree of an environment; half of what `stat` takes goes into its result.
        if os.access(path, os.F_OK):
            return True
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise StoreUnusable(self.path, f"read `{relative}` of", error) from error
        return True

    def _realisation(self, path: str) -> Realisation | None:
        from envbuild.store.records import TreeOutput, decode_realisation

        data = self.read(path)
        if data is None:
            return None
        try:
            realisation = decode_realisation(data)
        except StoreError:
            return None
        if realisation.location != path:
            return None
        match realisation.output:
            case TreeOutput(digest=tree) if not self.has_tree(tree):
                return None
        return realisation


def _is_store(path: str) -> bool:
    """Tell whether there is a store at `path`; `False` where one may be made."""
    try:
        with open(f"{path}/{layout.FORMAT_FILE}", "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return _is_store_by_now(path)
    except NotADirectoryError as error:
        raise NotAStore(path, "it is a file, or lies below one") from error
    if data == layout.format_bytes():
        return True
    import json

    try:
        document = json.loads(data)
        found = (document["format"], document["version"])
    except (ValueError, TypeError, KeyError, RecursionError):
        found = None
    if found is None or found == (layout.FORMAT, layout.VERSION):
        raise NotAStore(path, f"its `{layout.FORMAT_FILE}` is not as envbuild writes it")
    raise UnsupportedStore(path, found)


def _is_store_by_now(path: str) -> bool:
    try:
        names = set(os.listdir(path))
    except FileNotFoundError:
        return False
    if layout.FORMAT_FILE in names:
        # Somebody has made the store between the two looks.
        return _is_store(path)
    names.discard("lost+found")
    if not names:
        return False
    # A draft of the format file is the first thing that whoever makes a store puts there, so a
    # folder that holds one and nothing strange belongs to somebody who works on it or was killed.
    strange = {name for name in names if not name.startswith(layout.FORMAT_DRAFT)}
    if strange == names or strange - {folder.partition("/")[0] for folder in layout.FOLDERS}:
        raise NotAStore(path, f"it holds no `{layout.FORMAT_FILE}`")
    return False


def _create(path: str) -> None:
    """Make a store of `path`, a folder that may be made, unless another process is faster."""
    os.makedirs(path, exist_ok=True)
    draft = f"{path}/{layout.FORMAT_DRAFT}{os.urandom(8).hex()}"
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, layout.format_bytes())
        os.fchmod(descriptor, layout.FILE_MODE)
        for folder in layout.FOLDERS:
            os.makedirs(f"{path}/{folder}", exist_ok=True)
        lock = f"{path}/{layout.STORE_LOCK}"
        # Made here, so that those who may only read the store find it and can hold it shared.
        os.close(os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666))
        # The format file comes last and whole: a folder that has one is a whole store.
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.rename(draft, f"{path}/{layout.FORMAT_FILE}")
    except FileNotFoundError:
        # Whoever was faster has cleared our draft away.
        assert os.path.exists(f"{path}/{layout.FORMAT_FILE}")
    for name in os.listdir(path):
        if name.startswith(layout.FORMAT_DRAFT):
            try:
                os.unlink(f"{path}/{name}")
            except FileNotFoundError:
                pass


def _lock_for_use(path: str) -> locks.Lock | None:
    try:
        return locks.lock_shared(path)
    except locks.LockFailed as error:
        # No lock file, and none can be made: nobody collects in a store that cannot be written.
        if error.errno in _READ_ONLY:
            return None
        raise
