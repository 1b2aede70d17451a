"""Running work: what it is about to use is protected from a collector before it is looked for.

Each command that reads or adds keeps a file below `running`, locked for as long as it lives, and
appends to it, a line each, the digests of trees and the resolved keys it relies on. A file whose
lock is free belongs to nobody and protects nothing. See `store_layout/v1/roots.md`.
"""

from __future__ import annotations

import fcntl
import os

from envbuild.store import layout
from envbuild.store.locks import describe_holder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from envbuild.digest import Digest
    from envbuild.store.local import Store


class Running:
    """One command at work on a store; a context manager.

    In a store that this process cannot write, nothing is registered: nobody collects there.
    """

    __slots__ = ("_descriptor", "_path")

    def __init__(self, store: Store) -> None:
        self._path = store.absolute(f"{layout.RUNNING}/{os.getpid()}-{os.urandom(4).hex()}")
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        try:
            self._descriptor = os.open(self._path, flags, 0o644)
        except OSError:
            self._descriptor = -1
            return
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        os.write(self._descriptor, f"holder {describe_holder()}\n".encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._descriptor >= 0:
            os.unlink(self._path)
            os.close(self._descriptor)
            self._descriptor = -1

    def needs(self, *, trees: Iterable[Digest] = (), keys: Iterable[Digest] = ()) -> None:
        """Protect trees and realisations; call it before asking the store for them."""
        if self._descriptor < 0:
            return
        lines = [f"tree {digest}\n" for digest in trees]
        lines += [f"key {digest}\n" for digest in keys]
        if lines:
            os.write(self._descriptor, "".join(lines).encode())
