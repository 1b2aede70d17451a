"""A folder on this machine as a source tree: its identity, and the tree in the store.

A local tree is identified by the contents of its files (`envbuild.realise.local_files` says which
these are), by what links say and what is executable; never by times. What has been hashed once is
remembered with size, times, inode and mode of the file, and believed as long as these stay, unless
the file was changed so shortly before it was hashed that another change could look the same (git
calls this racy). The memory can be deleted at any time.
"""

from __future__ import annotations

import marshal
import os
import time

from blake3 import blake3

from envbuild.derivation.sources import LocalSource
from envbuild.digest import Digest, digest_of
from envbuild.frozen import frozen
from envbuild.realise.local_files import LocalTreeUnreadable, find_files
from envbuild.store.cache import read_cache, write_cache
from envbuild.store.tree import Entry, Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envbuild.realise.git_history import History
    from envbuild.realise.local_files import Fingerprint, LocalFile, Signature
    from envbuild.realise.unpack import Unpacked
    from envbuild.store.local import Store
    from envbuild.store.publish import Blobs

_MEMORY_VERSION = 1
_PIECE = 4 << 20
_LARGEST_PIECE = 1 << 20
_RACY = 2 * 10**9
"""In nanoseconds: no file system's times are coarser."""


@frozen
class IdentifiedTree:
    """What a local tree is at this moment.

    Attributes:
        source: its derivation.
        subdirectory: of the project in the tree; empty where the tree is the project's folder.
        files: number of its files.
        read: how many of them had to be read.
        signatures: paths with modification time, inode number and size: the tree is this one as long
            as none of them changes; `None` where that cannot be said.
        history: of the repository that counts, `None` where none does.
        notes: what the user should know of it.
    """

    source: LocalSource
    subdirectory: str
    files: int
    read: int
    history: History | None
    signatures: tuple[tuple[str, Signature | None], ...] | None
    notes: tuple[str, ...]


@frozen
class IngestedTree:
    """A local tree that is in the store.

    Attributes:
        source: its derivation, of what was read.
        subdirectory: of the project in the tree; empty where the tree is the project's folder.
        history: of the repository that counts, `None` where none does.
        unpacked: the tree, and what putting it there added.
    """

    source: LocalSource
    subdirectory: str
    history: History | None
    unpacked: Unpacked


def identify_tree(
    folder: str, *, editable: bool, environ: Mapping[str, str], store: Store
) -> IdentifiedTree:
    """Say what a local tree is, reading as little as possible of it.

    Args:
        folder: of the project.
        editable: whether it is used where it lies: then what `cache-keys` names counts and nothing
            else, by default what uv looks at.
        environ: the environment.
        store: keeps what is remembered.

    Raises:
        InvalidLocalTree: it has files that no tree can hold, or no files at all.
        LocalTreeUnreadable: the operating system refuses.
        GitMissing: the state of a repository counts, and there is no git.
        NotToml, InvalidEntry: `cache-keys` cannot be read; `Problems` for several.
    """
    now = time.time_ns()
    found = find_files(folder, environ, editable=editable)
    fingerprints = {item.path: item.fingerprint for item in found.items}
    kind = "editable" if editable else "whole"
    name = f"sources/{digest_of(os.fsencode(found.folder))}-{kind}"
    memory = _recall(store, name)
    if memory is not None and memory.fingerprints == fingerprints:
        tree, read = memory.tree, 0
    else:
        found.check_paths()
        known = {} if memory is None else memory.known(fingerprints)
        entries = [known.get(item.path) or _hash(item) for item in found.items]
        tree = Tree.of(entries).digest
        read = len(entries) - len(known)
        _remember(store, name, fingerprints, entries, tree, until=now - _RACY)
    return IdentifiedTree(
        source=LocalSource(tree=tree, facts=found.facts),
        subdirectory=found.subdirectory,
        files=len(found.items),
        read=read,
        history=found.history,
        signatures=found.signatures if _are_settled(found.signatures, now - _RACY) else None,
        notes=found.notes,
    )


def ingest_tree(folder: str, *, environ: Mapping[str, str], blobs: Blobs) -> IngestedTree:
    """Put the files of a local tree into the store and return the tree that they make.

    All of it is read. If the tree changes meanwhile, what was read is what counts: the identity that
    is returned is that of the tree that is returned.

    Args:
        folder: of the project.
        environ: the environment.
        blobs: where the files go.

    Raises:
        InvalidLocalTree, LocalTreeUnreadable, GitMissing, NotToml, InvalidEntry: as `identify_tree`.
        StoreUnusable: the store cannot be written to.
    """
    from envbuild.realise.tree_draft import TreeDraft

    found = find_files(folder, environ, editable=False)
    found.check_paths()
    draft = TreeDraft(blobs)
    for item in found.items:
        if item.target is not None:
            draft.add_symlink(item.path, item.target)
        elif item.size <= _PIECE:
            draft.add(item.path, b"".join(_read(item)), executable=item.executable)
        else:
            draft.add_in_pieces(item.path, _read(item), executable=item.executable)
    unpacked = draft.finish(found.notes)
    return IngestedTree(
        source=LocalSource(tree=unpacked.tree.digest, facts=found.facts),
        subdirectory=found.subdirectory,
        history=found.history,
        unpacked=unpacked,
    )


def _are_settled(signatures: Iterable[tuple[str, Signature | None]] | None, until: int) -> bool:
    """Tell whether none of the files was changed so late that another change could look the same."""
    return all(each is None or each[0] < until for _, each in signatures or ())


def _hash(item: LocalFile) -> Entry:
    if item.target is not None:
        return Entry(
            path=item.path, kind="symlink", digest=None, sha256=None, size=None, target=item.target
        )
    # An import that those who need not hash anything do without.
    from hashlib import sha256 as new_sha256

    hasher, sha256, size = blake3(), new_sha256(), 0
    for piece in _read(item):
        hasher.update(piece)
        sha256.update(piece)
        size += len(piece)
    return Entry(
        path=item.path,
        kind="executable" if item.executable else "file",
        digest=Digest(hasher.hexdigest()),
        sha256=sha256.hexdigest(),
        size=size,
    )


def _read(item: LocalFile) -> Iterator[bytes]:
    """Yield the content of a file, at most 1 MiB at a time."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(item.place, flags if item.is_followed else flags | os.O_NOFOLLOW)
        with open(descriptor, "rb", buffering=0) as file:
            while piece := file.read(_LARGEST_PIECE):
                yield piece
    except OSError as error:
        raise LocalTreeUnreadable(item.place, error) from error


class _Memory:
    """What was found at an earlier time.

    Attributes:
        fingerprints: path to fingerprint; an empty one where it must not be believed.
        tree: digest of the whole.
    """

    __slots__ = ("_entries", "fingerprints", "tree")

    def __init__(self, fingerprints: dict[str, Fingerprint], tree: Digest, entries: bytes) -> None:
        self.fingerprints = fingerprints
        self.tree = tree
        self._entries = entries

    def known(self, fingerprints: Mapping[str, Fingerprint]) -> dict[str, Entry]:
        """Return the entries of files that have not changed, by path."""
        return {
            path: Entry(
                path=path, kind=kind, digest=digest, sha256=sha256, size=size, target=target
            )
            for path, kind, digest, sha256, size, target in marshal.loads(self._entries)  # noqa: S302 - our own
            if self.fingerprints[path] == fingerprints.get(path)
        }


def _recall(store: Store, name: str) -> _Memory | None:
    data = read_cache(store, name)
    if data is None:
        return None
    version, *rest = marshal.loads(data)  # noqa: S302 - our own
    return _Memory(*rest) if version == _MEMORY_VERSION else None


def _remember(
    store: Store,
    name: str,
    fingerprints: Mapping[str, Fingerprint],
    entries: Iterable[Entry],
    tree: Digest,
    *,
    until: int,
) -> None:
    """Keep what was found; not to be believed of a file is what has a time after `until`.

    Such a file may be changed once more without its times showing it.
    """
    settled = {
        path: fingerprint if max(fingerprint[-2:] + fingerprint[4:6]) < until else ()
        for path, fingerprint in fingerprints.items()
    }
    rows = [(e.path, e.kind, e.digest, e.sha256, e.size, e.target) for e in entries]
    write_cache(store, name, marshal.dumps((_MEMORY_VERSION, settled, tree, marshal.dumps(rows))))
