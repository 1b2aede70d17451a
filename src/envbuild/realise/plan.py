"""What of a set of derivations is realised already, and what is missing."""

from __future__ import annotations

from envbuild.frozen import frozen
from envbuild.store.records import ArchiveOutput, TreeOutput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from envbuild.derivation.compile import Node
    from envbuild.derivation.model import Fetch
    from envbuild.digest import Digest
    from envbuild.store.records import Realisation

    class Realisations(Protocol):
        """What a plan has to know of a store."""

        def realisations(self, resolved_key: Digest) -> tuple[Realisation, ...]:
            """Return what is known to have come of a resolved key."""

        def has_tree(self, digest: Digest) -> bool:
            """Tell whether a tree is there."""


_SHA256 = "sha256:"


@frozen
class RealisePlan:
    """What is there, and what has to be done.

    Attributes:
        trees: for each package that is realised, its tree.
        missing: the others, in order.
        notes: what the realisations that are used have to say, with the archive's name in front.
    """

    trees: dict[str, Digest]
    missing: tuple[Node, ...]
    notes: tuple[str, ...]


def plan_realisation(
    nodes: Iterable[Node], known: Realisations, *, refresh: tuple[str, ...] = ()
) -> RealisePlan:
    """Decide what has to be realised.

    Args:
        nodes: the packages wanted.
        known: what is there.
        refresh: names of packages whose archives have no locked hash and must be hashed anew.
    """
    trees, missing, notes = {}, [], []
    for node in nodes:
        name = node.package.name
        pinned_anew = node.fetch.hash is None and (name in refresh or "*" in refresh)
        found = None if pinned_anew else find_tree(node, known)
        if found is None:
            missing.append(node)
        else:
            tree, realisation = found
            trees[name] = tree
            notes += [f"`{realisation.name}`: {note}" for note in realisation.notes]
    return RealisePlan(trees=trees, missing=tuple(missing), notes=tuple(notes))


def find_tree(node: Node, known: Realisations) -> tuple[Digest, Realisation] | None:
    """Return the tree that an archive is known to give, and the record that says so."""
    sha256 = archive_sha256(node.fetch, known)
    if sha256 is None:
        return None
    for realisation in known.realisations(node.unpack.resolved_key(sha256)):
        match realisation.output:
            case TreeOutput(digest=digest) if known.has_tree(digest):
                return digest, realisation
    return None


def archive_sha256(fetch: Fetch, known: Realisations) -> str | None:
    """Return the SHA-256 of what a fetch gives, where the lock or an earlier fetch tells."""
    if fetch.hash is not None and fetch.hash.startswith(_SHA256):
        return fetch.hash.removeprefix(_SHA256)
    for realisation in known.realisations(fetch.digest):
        match realisation.output:
            case ArchiveOutput(sha256=sha256):
                return sha256
    return None
