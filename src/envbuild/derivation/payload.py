"""Payload digests: what a wheel is when it is used to build something else.

`RECORD` and the line of `WHEEL` that names the generator say how a wheel came about and reach nothing
that is built with it. Left out, two builds that differ in nothing else are one input, and what
depends on them need not be built again. Specified in `store_layout/v1/derivation.md`.

A payload digest names no tree in a store: what is installed is known by the tree's own digest.
"""

from __future__ import annotations

from envbuild.digest import digest_of
from envbuild.store.tree import Entry, Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from envbuild.digest import Digest

PLACE = b"{place}"
"""Stands for the folder that an editable leads to."""

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


def symbolic_tree(tree: Tree, folder: str, read: Callable[[Digest], bytes]) -> Tree:
    """Return the tree of an editable with `PLACE` where its files name the folder they lead to.

    So it is the same for one project in every place.

    Args:
        tree: of the wheel's files.
        folder: absolute path that it leads to.
        read: gives the content of a blob.
    """
    import re

    # Part of another path it is no mention: `/src` is none in `blob/main/src`. Nor is what stands in
    # `.dist-info`, which leads nowhere and often has a whole README in it.
    place = re.compile(rb"(?<![\w.\x80-\xff-])%b(?![\w.\x80-\xff-])" % re.escape(folder.encode()))
    entries = []
    for entry in tree.entries:
        if entry.digest is not None and not _is_in_info(entry):
            content = read(entry.digest)
            replaced = place.sub(PLACE, content)
            entries.append(entry if replaced == content else _with_content(entry, replaced))
        else:
            entries.append(entry)
    return Tree(entries=tuple(entries))


def _is_in_info(entry: Entry) -> bool:
    folder, separator, _ = entry.path.partition("/")
    return bool(separator) and folder.endswith(".dist-info")


def _is_metadata(entry: Entry, names: tuple[str, ...]) -> bool:
    folder, _, name = entry.path.rpartition("/")
    return name in names and folder.endswith(".dist-info") and "/" not in folder


def _without_generator(entry: Entry, read: Callable[[Digest], bytes]) -> Entry:
    if entry.digest is None:
        return entry
    lines = read(entry.digest).splitlines(keepends=True)
    content = b"".join(line for line in lines if not line.lower().startswith(_GENERATOR))
    return _with_content(entry, content)


def _with_content(entry: Entry, content: bytes) -> Entry:
    from hashlib import sha256 as new_sha256

    return Entry(
        path=entry.path,
        kind=entry.kind,
        digest=digest_of(content),
        sha256=new_sha256(content).hexdigest(),
        size=len(content),
    )
