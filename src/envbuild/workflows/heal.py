"""Putting damaged blobs aside, so that the next attempt realises again what held them.

A blob is damaged when an ordinary edit through some environment's hard link has reached it, or a
disk has lost it. Where only its mode or time stamp is wrong, that is set right; where its content
is, the blob goes to the quarantine together with the records of the trees that hold it, which makes
those trees missing. Environments that have the damaged inode keep it: `envbuild store verify` and a
`realize` with `--clear` deal with those.
"""

from __future__ import annotations

from blake3 import blake3

from envbuild.store import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from envbuild.store.local import Store

_BLOCK = 1 << 20


def heal(store: Store, blobs: Iterable[str]) -> None:
    """Set right or put aside `blobs`, paths below the folder of blobs.

    Raises:
        StoreUnusable: the store cannot be written.
    """
    lost = set()
    for blob in blobs:
        path = f"{layout.BLOBS}/{blob}"
        parsed = layout.parse_blob(path)
        assert parsed is not None
        digest, executable = parsed
        if _content_digest(store.absolute(path)) == digest:
            store.restore_blob(digest, executable=executable)
        else:
            store.quarantine(path)
            lost.add((digest, executable))
    if not lost:
        return
    for path in store.walk(layout.TREES):
        name = layout.parse_record(path)
        tree = None if name is None else store.read_tree(name)
        if tree is not None and any(
            (entry.digest, entry.kind == "executable") in lost for entry in tree.entries
        ):
            store.quarantine(path)


def _content_digest(path: str) -> str | None:
    hasher = blake3()
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                hasher.update(block)
    except OSError:
        return None
    return hasher.hexdigest()
