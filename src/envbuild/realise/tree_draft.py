"""A tree in the making: contents go into the store as they come, entries are kept for the end.

Each content is read once: the same bytes are hashed twice and written. What has been put and is
never referred to, since something was refused later, is nothing.
"""

from __future__ import annotations

from hashlib import sha256 as new_sha256

from blake3 import blake3

from envbuild.digest import Digest
from envbuild.interruption import give_way
from envbuild.realise.unpack import Unpacked
from envbuild.store.tree import Entry, Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from envbuild.store.publish import Blobs
    from envbuild.store.tree import Kind


class TreeDraft:
    """Entries so far, and what putting their contents added to the store.

    Paths and targets are the caller's to check.

    Attributes:
        entries: in the order in which they were added.
        new_bytes: bytes of the blobs that were not in the store before.
    """

    __slots__ = ("_blobs", "_known", "entries", "new_bytes")

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._known: set[tuple[str, bool]] = set()
        self.entries: list[Entry] = []
        self.new_bytes = 0

    def add(self, path: str, content: bytes, *, executable: bool) -> Entry:
        """Add a file with `content`.

        Raises:
            StoreUnusable: the store cannot be written to.
            KeyboardInterrupt: this thread is to give up.
        """
        give_way()
        digest = Digest(blake3(content).hexdigest())
        is_new = (digest, executable) not in self._known and self._blobs.put(
            content, digest, executable=executable
        )
        sha256 = new_sha256(content).hexdigest()
        return self._add(path, digest, sha256, len(content), executable, is_new)

    def add_in_pieces(self, path: str, pieces: Iterable[bytes], *, executable: bool) -> Entry:
        """Add a file whose content comes in pieces; raises as `add` does, and as `pieces` does."""
        hasher, sha256, size = blake3(), new_sha256(), 0
        with self._blobs.draft() as draft:
            for piece in pieces:
                give_way()
                hasher.update(piece)
                sha256.update(piece)
                size += len(piece)
                draft.write(piece)
            digest = Digest(hasher.hexdigest())
            is_new = not self._blobs.has(
                digest, size=size, executable=executable
            ) and draft.publish(digest, executable=executable)
        return self._add(path, digest, sha256.hexdigest(), size, executable, is_new)

    def add_symlink(self, path: str, target: str) -> Entry:
        """Add a symbolic link."""
        entry = Entry(path=path, kind="symlink", digest=None, sha256=None, size=None, target=target)
        self.entries.append(entry)
        return entry

    def add_like(self, path: str, other: Entry) -> Entry:
        """Add at `path` what `other` is, which has been added before."""
        entry = Entry(
            path=path,
            kind=other.kind,
            digest=other.digest,
            sha256=other.sha256,
            size=other.size,
            target=other.target,
        )
        self.entries.append(entry)
        return entry

    def finish(self, notes: Iterable[str] = ()) -> Unpacked:
        """Return the tree of everything that was added; `notes` are for the user.

        Raises:
            InvalidTree: paths exclude one another, or a link leads outside.
        """
        return Unpacked(
            tree=Tree.of(self.entries),
            notes=tuple(notes),
            new_bytes=self.new_bytes,
            files=len(self.entries),
        )

    def _add(
        self, path: str, digest: Digest, sha256: str, size: int, executable: bool, is_new: bool
    ) -> Entry:
        self._known.add((digest, executable))
        if is_new:
            self.new_bytes += size
        kind: Kind = "executable" if executable else "file"
        entry = Entry(path=path, kind=kind, digest=digest, sha256=sha256, size=size)
        self.entries.append(entry)
        return entry
