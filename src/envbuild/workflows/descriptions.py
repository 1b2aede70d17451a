"""What the distributions of an environment came to, remembered from one lock of a project to the next.

After one package has changed, all others have the same trees, placements and records as before, and
need not be looked at. Everything kept here follows from what it is kept under, but for one thing
that its user has to check: that the tree is still in the store.
"""

from __future__ import annotations

import marshal

from envbuild.digest import Digest, digest_of
from envbuild.environment.collisions import LeftOut, Overlaps
from envbuild.environment.footprint import Footprint
from envbuild.environment.frame import Frame
from envbuild.frozen import frozen
from envbuild.selection.model import LocalTree, Repository, RepositoryFile
from envbuild.store.cache import read_cache, write_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from envbuild.environment.collisions import CollisionPolicy
    from envbuild.selection.model import SelectedPackage
    from envbuild.store.local import Store

_FORMAT = 3
_FRAME = "frame"


@frozen
class Described:
    """One distribution.

    Attributes:
        tree: the files of its wheel.
        excluded: paths that another distribution has instead of it, sorted.
        record: what a manifest has of it, in canonical form.
        footprint: its footprint, whose identity is the digest of that.
    """

    tree: Digest
    excluded: tuple[str, ...]
    record: bytes
    footprint: Footprint

    def as_tuple(self) -> tuple[Any, ...]:
        """Return plain values for `marshal`."""
        return self.tree, self.excluded, self.record, self.footprint.as_tuple()

    @staticmethod
    def from_tuple(values: Any) -> Described:
        """Return what `as_tuple` took apart."""
        tree, excluded, record, footprint = values
        return Described(
            tree=tree, excluded=excluded, record=record, footprint=Footprint.from_tuple(footprint)
        )


class Descriptions:
    """What is remembered for one lockfile and one set of facts about target and options."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = f"descriptions/{name}"
        self._before: dict[str, Any] = {}
        self._after: dict[str, Any] = {}
        data = read_cache(store, self._name)
        if data is not None:
            form, kept = marshal.loads(data)  # noqa: S302 - the cache vouches for it
            if form == _FORMAT:
                self._before = kept

    def tree(self, package: SelectedPackage) -> Digest | None:
        """Return the tree of a package, where it is known and still in the store."""
        kept = self._before.get(_key(package))
        if kept is None:
            return None
        tree: Digest = kept[0]
        return tree if self._store.has_tree(tree) else None

    def described(
        self, package: SelectedPackage, tree: Digest, excluded: tuple[str, ...] = ()
    ) -> Described | None:
        """Return what a package came to with that tree, and without the paths `excluded`."""
        key = _key(package, excluded)
        kept = self._before.get(key)
        if kept is None or kept[0] != tree:
            return None
        self._after[key] = kept
        return Described.from_tuple(kept)

    def keep(self, package: SelectedPackage, described: Described) -> None:
        """Remember what a package came to."""
        self._after[_key(package, described.excluded)] = described.as_tuple()

    def frame(self) -> Frame | None:
        """Return what all environments for the target have in common."""
        kept = self._before.get(_FRAME)
        if kept is None:
            return None
        self._after[_FRAME] = kept
        return Frame.from_tuple(kept)

    def keep_frame(self, frame: Frame) -> None:
        """Remember what all environments for the target have in common."""
        self._after[_FRAME] = frame.as_tuple()

    def overlaps(self, shared: str) -> Overlaps | None:
        """Return what distributions have in common, by `shared_key`."""
        kept = self._before.get(shared)
        if kept is None:
            return None
        self._after[shared] = kept
        tolerated, left_out = kept
        return Overlaps(
            tolerated=frozenset(tolerated),
            left_out=tuple(
                LeftOut(name=name, path=path, provider=provider)
                for name, path, provider in left_out
            ),
        )

    def keep_overlaps(self, shared: str, overlaps: Overlaps) -> None:
        """Remember what distributions have in common."""
        self._after[shared] = (
            tuple(sorted(overlaps.tolerated)),
            tuple((each.name, each.path, each.provider) for each in overlaps.left_out),
        )

    def agrees(self, key: Digest) -> bool:
        """Tell whether what was built is known to ask for what its lock gives it."""
        kept = self._before.get(f"agreement {key}")
        if kept is None:
            return False
        self._after[f"agreement {key}"] = kept
        return True

    def keep_agreement(self, key: Digest) -> None:
        """Remember that what was built asks for what its lock gives it."""
        self._after[f"agreement {key}"] = True

    def save(self) -> None:
        """Keep what was used or added since this was made, and nothing else."""
        if self._after != self._before:
            write_cache(self._store, self._name, marshal.dumps((_FORMAT, self._after)))


def _key(package: SelectedPackage, excluded: tuple[str, ...] = ()) -> str:
    match package.distribution:
        case Repository(url=url, commit=commit):
            comes_from = (url, commit)
        case RepositoryFile(repository=repository, path=path):
            comes_from = (f"{repository.url} {repository.commit}", path)
        case LocalTree(location=location):
            comes_from = (location, "")
        case file:
            comes_from = (file.filename, file.hash or file.location)
    key = repr(
        (
            package.name,
            package.version,
            package.source,
            package.source_location if package.source != "registry" else "",
            package.subdirectory,
            package.requested,
            *comes_from,
        )
    )
    return f"{key} without {digest_of(repr(excluded).encode())}" if excluded else key


def shared_key(
    units: Mapping[str, list[str]], trees: Mapping[str, Digest], policy: CollisionPolicy
) -> str:
    """Return what the overlaps of distributions that share units follow from."""
    names = sorted({name for sharing in units.values() for name in sharing})
    facts = (policy, sorted(units.items()), [(name, trees[name]) for name in names])
    return f"shared {digest_of(repr(facts).encode())}"
