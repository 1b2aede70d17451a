"""Instantiations that were kept: for a lock that was seen before nothing is parsed or selected."""

from __future__ import annotations

from envbuild.digest import digest_of
from envbuild.environment.editions import INSTANTIATION, PLACEMENT, WRITER
from envbuild.environment.instantiation import Instantiation
from envbuild.frozen import frozen
from envbuild.store.cache import read_cache, write_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.selection.model import Request
    from envbuild.target.model import Target
    from envbuild.workflows.inputs import Inputs
    from envbuild.workflows.options import Pinned, RealiseOptions
    from envbuild.workflows.watched import Signature
    from envbuild.workflows.workshop import Workshop


@frozen
class Instantiated:
    """An instantiation and what it took to get there.

    Attributes:
        signatures: of paths on this machine that it rests on; `None` where there is no telling.
    """

    instantiation: Instantiation
    pinned: tuple[Pinned, ...] = ()
    fetched: int = 0
    fetched_bytes: int = 0
    signatures: tuple[tuple[str, Signature | None], ...] | None = ()


def read_kept(
    inputs: Inputs, request: Request, target: Target, workshop: Workshop
) -> Instantiation | None:
    """Return the instantiation that is kept for the inputs, if all its trees are in the store."""
    if workshop.options.refresh:
        return None
    data = read_cache(workshop.store, _name(inputs, request, target, workshop.options))
    if data is None:
        return None
    kept = Instantiation.loads(data)
    trees = [each.tree for each in kept.distributions]
    workshop.running.needs(trees=trees)
    return kept if all(map(workshop.store.has_tree, trees)) else None


def keep(
    instantiation: Instantiation,
    inputs: Inputs,
    request: Request,
    target: Target,
    workshop: Workshop,
) -> None:
    """Keep an instantiation for `read_kept`; it must follow from the other arguments alone."""
    name = _name(inputs, request, target, workshop.options)
    write_cache(workshop.store, name, instantiation.dumps())


def _name(inputs: Inputs, request: Request, target: Target, options: RealiseOptions) -> str:
    facts = (
        INSTANTIATION,
        PLACEMENT,
        WRITER,
        inputs.kind,
        inputs.lock_digest,
        target.digest,
        options.verify_record,
        options.collisions,
        request,
    )
    return f"instantiations/{digest_of(repr(facts).encode())}"
