"""Payload digests: what a wheel is when it is used to build something else.

`RECORD` and the line of `WHEEL` that names the generator say how a wheel came about and reach nothing
that is built with it. Left out, two builds that differ in nothing else are one input, and what
depends on them need not be built again. Specified in `store_layout/v1/derivation.md`.

A payload digest names no tree in a store: what is installed is known by the tree's own digest.
"""

from __future__ import annotations

from hashlib import sha256 as new_sha256

from envbuild.digest import digest_of
from envbuild.store.tree import Entry, Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from envbuild.digest import Digest

_RECORDS = ("RECORD", "RECORD.jws", "RECORD.p7s")
_GENERATOR = b"generator:"


def payload_digest(tree: Tree, read: Callable[[Digest], bytes]) -> Digest:
    """Return the payload digest of a wheel's tree.

    Args:
        tree: of the wheel's files.
        read: gives the content of a blob.
    """
    return Tree(
        entries=tuple(
            _without_generator(entry, read) if _is_metadata(entry, ("WHEEL",)) else entry
            for entry in tree.entries
            if not _is_metadata(entry, _RECORDS)
        )
    ).digest


def _is_metadata(entry: Entry, names: tuple[str, ...]) -> bool:
    folder, _, name = entry.path.rpartition("/")
    return name in names and folder.endswith(".dist-info") and "/" not in folder


def _without_generator(entry: Entry, read: Callable[[Digest], bytes]) -> Entry:
    if entry.digest is None:
        return entry
    lines = read(entry.digest).splitlines(keepends=True)
    content = b"".join(line for line in lines if not line.lower().startswith(_GENERATOR))
    return Entry(
        path=entry.path,
        kind=entry.kind,
        digest=digest_of(content),
        sha256=new_sha256(content).hexdigest(),
        size=len(content),
    )
