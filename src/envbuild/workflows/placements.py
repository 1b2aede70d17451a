"""Placements of trees: where the files of a wheel go, decided once and kept in the store's cache."""

from __future__ import annotations

import marshal
import os

from envbuild.digest import digest_of
from envbuild.environment.editions import PLACEMENT
from envbuild.environment.placement import Placement
from envbuild.store import layout
from envbuild.store.cache import read_cache, write_cache
from envbuild.store.local import StoreUnusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.digest import Digest
    from envbuild.store.local import Store
    from envbuild.store.tree import Tree
    from envbuild.target.model import Target


def load_placement(
    store: Store,
    tree: Digest,
    *,
    distribution: str,
    target: Target,
    excluded: tuple[str, ...] = (),
) -> Placement:
    """Return where the files of a tree go but for those `excluded`, from the cache or computed anew.

    Raises:
        VenvError: the tree does not fit into an environment.
        StoreUnusable: the tree is not there.
    """
    data = read_cache(store, _cache_name(tree, distribution, target, excluded))
    if data is not None:
        return Placement.from_tuple(marshal.loads(data))  # noqa: S302 - the cache vouches for it
    record = store.read_tree(tree)
    if record is None:
        missing = FileNotFoundError(2, os.strerror(2), layout.record(layout.TREES, tree))
        raise StoreUnusable(store.path, "read an entry of", missing)
    return compute_placement(
        store, record, tree, distribution=distribution, target=target, excluded=excluded
    )


def compute_placement(
    store: Store,
    tree: Tree,
    digest: Digest,
    *,
    distribution: str,
    target: Target,
    excluded: tuple[str, ...] = (),
) -> Placement:
    """Decide where the files of `tree` go, and keep that for `load_placement`.

    Raises:
        VenvError: the tree does not fit into an environment.
    """
    from envbuild.environment.spread import place

    placement = place(
        tree,
        digest=digest,
        distribution=distribution,
        scheme=target.scheme,
        python=target.markers["python_version"],
        read=store.read_blob,
        excluded=excluded,
    )
    name = _cache_name(digest, distribution, target, excluded)
    write_cache(store, name, marshal.dumps(placement.as_tuple()))
    return placement


def _cache_name(tree: Digest, distribution: str, target: Target, excluded: tuple[str, ...]) -> str:
    facts = (
        PLACEMENT,
        distribution,
        target.markers["python_version"],
        *target.scheme.as_json().values(),
        excluded,
    )
    return f"placements/{tree[:2]}/{tree[2:]}-{digest_of(repr(facts).encode())[:16]}"
