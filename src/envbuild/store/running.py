"""Running work: what it is about to use is protected from a collector before it is looked for.

Each command that reads or adds keeps a file below `running`, locked for as long as it lives, and
appends to it, a line each, the digests of trees and the resolved keys it relies on. A file whose
lock is free belongs to nobody and protects nothing. See `store_layout/v1/roots.md`.
"""

from __future__ import annotations

import errno
import fcntl
import os

from envbuild.store import layout
from envbuild.store.descriptors import write_all
from envbuild.store.local import StoreUnusable
from envbuild.store.locks import describe_holder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from envbuild.digest import Digest
    from envbuild.store.local import Store
    from envbuild.store.records import Realisation

_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


class Running:
    """One command at work on a store; a context manager.

    In a store that this process cannot write nothing is registered, and the shared lock that an
    open store holds must do.

    Raises:
        StoreUnusable: the operating system refuses, for another reason than that.
    """

    __slots__ = ("_descriptor", "_path", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._path = store.absolute(f"{layout.RUNNING}/{os.getpid()}-{os.urandom(4).hex()}")
        self._descriptor = -1
        try:
            self._descriptor = _create(self._path)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            write_all(self._descriptor, f"holder {describe_holder()}\n".encode())
        except OSError as error:
            self._drop()
            if error.errno not in _READ_ONLY:
                raise StoreUnusable(store.path, "register work in", error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._drop()

    def needs(self, *, trees: Iterable[Digest] = (), keys: Iterable[Digest] = ()) -> None:
        """Protect trees and realisations; call it before asking the store for them.

        Raises:
            StoreUnusable: the operating system refuses, such as for a full disk.
        """
        if self._descriptor < 0:
            return
        lines = [f"tree {digest}\n" for digest in trees]
        lines += [f"key {digest}\n" for digest in keys]
        if not lines:
            return
        try:
            write_all(self._descriptor, "".join(lines).encode())
        except OSError as error:
            raise StoreUnusable(self._store.path, "register work in", error) from error

    def find(self, resolved_key: Digest) -> Realisation | None:
        """Return a realisation that gave a tree, which is there and protected from now on.

        Raises:
            StoreUnusable: the operating system refuses.
        """
        from envbuild.store.records import TreeOutput

        self.needs(keys=[resolved_key])
        for realisation in self._store.realisations(resolved_key):
            match realisation.output:
                case TreeOutput(digest=tree):
                    self.needs(trees=[tree])
                    if self._store.has_tree(tree):
                        return realisation
        return None

    def _drop(self) -> None:
        if self._descriptor < 0:
            return
        try:
            # While it is still locked: a file that is free is for anybody to clear away.
            os.unlink(self._path)
        except OSError:
            pass
        os.close(self._descriptor)
        self._descriptor = -1


def _create(path: str) -> int:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o644)
    except FileNotFoundError:
        # Some tools that carry a store elsewhere leave empty folders behind.
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, flags, 0o644)
