"""Looking into a store: which entries it has, what is in one, and what all of it amounts to."""

from __future__ import annotations

import os

from envbuild.errors import StoreError
from envbuild.frozen import frozen
from envbuild.lockfile.names import normalise
from envbuild.lockfile.versions import is_version, same_version
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.store.records import TreeOutput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envbuild.digest import Digest
    from envbuild.store.tree import Entry

_SHORTEST_PREFIX = 4


class NoStore(StoreError):
    """There is nothing where the store should be."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"there is no store at `{path}`",
            hint="`envbuild realize` makes one; name another with `--store` or `ENVBUILD_STORE`",
        )
        self.path = path


class NoSuchEntry(StoreError):
    """Nothing in the store answers to what was asked for."""

    def __init__(self, wanted: str) -> None:
        super().__init__(
            f"the store has no entry `{wanted}`",
            hint="name a digest or its beginning, a project, `project==version`, or an archive",
        )
        self.wanted = wanted


class AmbiguousEntry(StoreError):
    """Several entries answer to what was asked for."""

    def __init__(self, wanted: str, found: Sequence[StoredEntry]) -> None:
        listed = "".join(f"\n  {entry.digest}  {', '.join(entry.names)}" for entry in found)
        super().__init__(
            f"`{wanted}` may be any of {len(found)} entries:{listed}", hint="name one by its digest"
        )
        self.wanted = wanted
        self.found = tuple(found)


class DamagedEntry(StoreError):
    """The record of an entry that cannot be believed."""

    def __init__(self, digest: Digest) -> None:
        super().__init__(
            f"the record of the entry `{digest}` is damaged or gone",
            hint="`envbuild store verify` says what else is",
        )
        self.digest = digest


@frozen
class StoredEntry:
    """A tree, and what is known of where it came from.

    Attributes:
        digest: of the tree.
        names: of the archives that gave it, sorted; empty where nothing tells.
        notes: what the realisations say to their readers.
    """

    digest: Digest
    names: tuple[str, ...]
    notes: tuple[str, ...]


@frozen
class DescribedEntry:
    """An entry with what is in it.

    Attributes:
        entry: which one.
        record: absolute path of the record that describes it.
        files: sorted by path.
        size: of all files, in bytes.
    """

    entry: StoredEntry
    record: str
    files: tuple[Entry, ...]
    size: int


@frozen
class Totals:
    """What a store holds; sizes in bytes.

    Attributes:
        entries: trees.
        files: that the trees list, all together.
        files_size: their sum, as it would be without sharing.
        blobs: contents that are kept once each.
        blobs_size: their sum.
        realisations: records of work that was done.
        environments: paths of environments that have registered themselves.
        gone: how many of these are no longer there.
        quarantined: damaged files that were taken out of use.
    """

    path: str
    entries: int
    files: int
    files_size: int
    blobs: int
    blobs_size: int
    realisations: int
    environments: tuple[str, ...]
    gone: int
    quarantined: int


def open_existing(path: str) -> Store:
    """Open the store at `path`, which must be there: looking makes nothing.

    Raises:
        NoStore: there is none.
        StoreError: it cannot be opened.
    """
    if not Store.exists(path) and not (os.path.isdir(path) and os.listdir(path)):
        raise NoStore(path)
    return Store.open(path)


def entries(store: Store) -> tuple[StoredEntry, ...]:
    """Return every entry, by names and then by digest; those without a name come last."""
    names: dict[Digest, set[str]] = {}
    notes: dict[Digest, list[str]] = {}
    for path in store.walk(layout.TREES):
        digest = layout.parse_record(path)
        if digest is not None:
            names[digest] = set()
            notes[digest] = []
    for realisation in store.all_realisations():
        match realisation.output:
            case TreeOutput(digest=digest) if digest in names:
                names[digest].add(realisation.name)
                notes[digest] += realisation.notes
    found = (
        StoredEntry(
            digest=digest, names=tuple(sorted(known)), notes=tuple(dict.fromkeys(notes[digest]))
        )
        for digest, known in names.items()
    )
    return tuple(sorted(found, key=lambda entry: (not entry.names, entry.names, entry.digest)))


def find_entry(known: Iterable[StoredEntry], wanted: str) -> StoredEntry:
    """Return the one of `known` that is meant.

    Args:
        known: the entries to choose from.
        wanted: a digest or at least four digits of one, a project's name, `name==version`, or the
            name of an archive. An exact digest or archive goes before everything else.

    Raises:
        NoSuchEntry: none is.
        AmbiguousEntry: several are.
    """
    known = tuple(known)
    for matches in (_is_exactly, _is_of_project, _starts_with):
        found = [entry for entry in known if matches(entry, wanted)]
        if len(found) == 1:
            return found[0]
        if found:
            raise AmbiguousEntry(wanted, found)
    raise NoSuchEntry(wanted)


def record_of(store: Store, entry: StoredEntry) -> str:
    """Return the absolute path of the record that describes an entry."""
    return store.absolute(layout.record(layout.TREES, entry.digest))


def describe(store: Store, entry: StoredEntry) -> DescribedEntry:
    """Return an entry with its files.

    Raises:
        DamagedEntry: its record is not what its name says.
    """
    tree = store.read_tree(entry.digest)
    if tree is None:
        raise DamagedEntry(entry.digest)
    return DescribedEntry(
        entry=entry,
        record=record_of(store, entry),
        files=tree.entries,
        size=tree.size,
    )


def totals(store: Store) -> Totals:
    """Return what `store` holds. Every record is read, and the size of every blob asked for."""
    trees = [store.read_tree(entry.digest) for entry in entries(store)]
    readable = [tree for tree in trees if tree is not None]
    blobs = [
        os.lstat(store.absolute(path)).st_size
        for path in store.walk(layout.BLOBS)
        if layout.parse_blob(path) is not None
    ]
    environments = tuple(root.path for root in store.environment_roots())
    return Totals(
        path=store.path,
        entries=len(trees),
        files=sum(len(tree.entries) for tree in readable),
        files_size=sum(tree.size for tree in readable),
        blobs=len(blobs),
        blobs_size=sum(blobs),
        realisations=sum(1 for _ in store.all_realisations()),
        environments=environments,
        gone=sum(not os.path.isdir(path) for path in environments),
        quarantined=sum(1 for _ in store.walk(layout.QUARANTINE)),
    )


def _is_exactly(entry: StoredEntry, wanted: str) -> bool:
    return wanted == entry.digest or wanted in entry.names


def _is_of_project(entry: StoredEntry, wanted: str) -> bool:
    project, equals, version = wanted.partition("==")
    for name in entry.names:
        # `name-version(-build)?-python-abi-platform.whl`; no part has a hyphen of its own.
        parts = name.split("-")
        if len(parts) >= 5 and normalise(parts[0]) == normalise(project):
            if not equals or version == parts[1]:
                return True
            if is_version(version) and is_version(parts[1]) and same_version(version, parts[1]):
                return True
    return False


def _starts_with(entry: StoredEntry, wanted: str) -> bool:
    return len(wanted) >= _SHORTEST_PREFIX and entry.digest.startswith(wanted.lower())
