"""A store on this machine: opening it, asking what it holds, reading its records.

What is written goes through `envbuild.store.publish`. Records are believed only where their digest
agrees with their name (trees, derivations, manifests) or their form is whole (realisations, roots):
a file cut short by a power failure is as good as absent, and is never taken for something else.
"""

from __future__ import annotations

import os

from envbuild.digest import Digest, digest_of
from envbuild.errors import StoreError
from envbuild.store import layout, locks
from envbuild.store.records import (
    EnvironmentRoot,
    Realisation,
    decode_environment_root,
    decode_realisation,
)
from envbuild.store.tree import Tree, decode_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


_DRAFT = f"{layout.FORMAT_FILE}."


class NotAStore(StoreError):
    """A folder that holds something, and not a store."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"`{path}` is not a store: {reason}",
            hint="name an empty or new folder with `--store` or `ENVBUILD_STORE`",
        )
        self.path = path


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
        super().__init__(f"cannot {action} the store `{path}`: {reason}")
        self.path = path
        self.errno = error.errno


class Store:
    """An open store. Cheap to make; many processes may have the same one open.

    Attributes:
        path: absolute path of the store's folder.
    """

    __slots__ = ("_users_lock", "path")

    def __init__(self, path: str, users_lock: locks.Lock | None) -> None:
        self.path = path
        self._users_lock = users_lock

    @staticmethod
    def open(path: str) -> Store:
        """Open the store at `path`, and make it where there is nothing or an empty folder.

        The shared lock of the store is held until `close`: a collector removes nothing meanwhile.

        Raises:
            NotAStore: the folder holds something else.
            UnsupportedStore: the format is not ours.
            StoreUnusable: the operating system refuses.
        """
        path = os.path.abspath(path)
        try:
            found = _format_of(path)
            if found is None:
                _create(path)
            elif found != (layout.FORMAT, layout.VERSION):
                raise UnsupportedStore(path, found)
            return Store(path, _lock_for_use(path))
        except OSError as error:
            raise StoreUnusable(path, "open", error) from error

    def close(self) -> None:
        """Give the shared lock up."""
        if self._users_lock is not None:
            self._users_lock.release()
            self._users_lock = None

    def absolute(self, relative: str) -> str:
        """Return the absolute path of something that `envbuild.store.layout` names."""
        return f"{self.path}/{relative}"

    def has_tree(self, digest: Digest) -> bool:
        """Tell whether the record of a tree is there; its blobs are, since they came first."""
        return os.path.exists(self.absolute(layout.record(layout.TREES, digest)))

    def read_tree(self, digest: Digest) -> Tree | None:
        """Return the tree named `digest`, `None` where the store has none that can be believed."""
        data = self.read_record(layout.TREES, digest)
        return None if data is None else decode_tree(data)

    def read_record(self, kind: str, digest: Digest) -> bytes | None:
        """Return the bytes named `digest` in the folder `kind`, `None` where absent or damaged."""
        data = self._read(layout.record(kind, digest))
        return data if data is not None and digest_of(data) == digest else None

    def realisations(self, resolved_key: Digest) -> tuple[Realisation, ...]:
        """Return what is known to have come of a resolved key, in the order of the outputs' names.

        More than one means that the work is not reproducible. Records that cannot be believed are
        left out.
        """
        folder = layout.realisations(resolved_key)
        try:
            names = sorted(os.listdir(self.absolute(folder)))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        found = []
        for name in names:
            realisation = self._realisation(f"{folder}/{name}")
            if realisation is not None and realisation.resolved_key == resolved_key:
                found.append(realisation)
        return tuple(found)

    def all_realisations(self) -> Iterator[Realisation]:
        """Yield every realisation that can be believed, in the order of their paths."""
        for path in self.walk(layout.REALISATIONS):
            realisation = self._realisation(path)
            if realisation is not None:
                yield realisation

    def environment_roots(self) -> Iterator[EnvironmentRoot]:
        """Yield the environments that have registered themselves, in the order of their records."""
        for path in self.walk(layout.ENVIRONMENT_ROOTS):
            data = self._read(path)
            if data is not None:
                try:
                    yield decode_environment_root(data)
                except StoreError:
                    continue

    def walk(self, folder: str) -> Iterator[str]:
        """Yield the paths of all files below `folder`, sorted, relative to the store."""
        try:
            with os.scandir(self.absolute(folder)) as scan:
                found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in scan)
        except FileNotFoundError:
            return
        for name, is_folder in found:
            if is_folder:
                yield from self.walk(f"{folder}/{name}")
            else:
                yield f"{folder}/{name}"

    def quarantine(self, relative: str) -> None:
        """Take a damaged file out of use, keeping it to be looked at."""
        name = relative.replace("/", "-")
        try:
            os.replace(self.absolute(relative), self.absolute(f"{layout.QUARANTINE}/{name}"))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StoreUnusable(self.path, f"take `{relative}` out of", error) from error

    def _realisation(self, path: str) -> Realisation | None:
        data = self._read(path)
        if data is None:
            return None
        try:
            return decode_realisation(data)
        except StoreError:
            return None

    def _read(self, relative: str) -> bytes | None:
        try:
            with open(self.absolute(relative), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnusable(self.path, f"read `{relative}` of", error) from error


def _format_of(path: str) -> tuple[object, object] | None:
    """Return format and version of the store at `path`, `None` where a new one may be made."""
    try:
        with open(f"{path}/{layout.FORMAT_FILE}", "rb") as file:
            data = file.read()
    except FileNotFoundError:
        try:
            names = set(os.listdir(path))
        except FileNotFoundError:
            return None
        except NotADirectoryError as error:
            raise NotAStore(path, "it is a file") from error
        # Folders of ours without the format file: somebody was interrupted while making it.
        ours = {folder.partition("/")[0] for folder in layout.FOLDERS}
        if all(name in ours or name.startswith(_DRAFT) for name in names):
            return None
        raise NotAStore(path, f"it holds no `{layout.FORMAT_FILE}`") from None
    except NotADirectoryError as error:
        raise NotAStore(path, "it is a file") from error
    expected = _format_bytes()
    if data == expected:
        return (layout.FORMAT, layout.VERSION)
    import json

    try:
        document = json.loads(data)
        return (document["format"], document["version"])
    except (ValueError, TypeError, KeyError):
        raise NotAStore(path, f"its `{layout.FORMAT_FILE}` cannot be read") from None


def _format_bytes() -> bytes:
    return b'{"format":"%s","version":%d}\n' % (layout.FORMAT.encode(), layout.VERSION)


def _create(path: str) -> None:
    os.makedirs(path, exist_ok=True)
    for folder in (*layout.FOLDERS, *layout.shards()):
        os.makedirs(f"{path}/{folder}", exist_ok=True)
    # The format file comes last and whole: a folder that has one is a whole store.
    draft = f"{path}/{_DRAFT}{os.getpid()}"
    with open(draft, "wb") as file:
        file.write(_format_bytes())
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, f"{path}/{layout.FORMAT_FILE}")


def _lock_for_use(path: str) -> locks.Lock | None:
    try:
        return locks.lock_shared(f"{path}/{layout.STORE_LOCK}")
    except OSError as error:
        import errno

        # No lock file, and none can be made: nobody collects in a store that cannot be written.
        if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT}:
            return None
        raise
