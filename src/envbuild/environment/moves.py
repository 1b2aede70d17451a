"""From a difference to renames: what leaves the environment, what enters it, and in which order."""

from __future__ import annotations

from envbuild.environment.footprint import unit_of
from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envbuild.environment.diff import Difference


@frozen
class Moves:
    """Paths relative to the prefix; each list is carried out in its order.

    Attributes:
        outward: what leaves, files and whole folders; never one below another.
        folders: what must exist before anything enters, parents first.
        inward: what enters, from the same path of the staging folder.
        emptied: folders to remove if nothing is left in them, deepest first.
    """

    outward: tuple[str, ...]
    folders: tuple[str, ...]
    inward: tuple[str, ...]
    emptied: tuple[str, ...]


def plan_moves(
    difference: Difference,
    *,
    outgoing: Mapping[str, Iterable[str]],
    incoming: Mapping[str, Iterable[str]],
    staying: frozenset[str],
    arriving_units: frozenset[str],
    state: tuple[str, ...],
) -> Moves:
    """Plan the renames for a difference.

    Args:
        difference: what changes.
        outgoing: files of each distribution that goes, in merged units.
        incoming: files of each distribution that comes, in merged units.
        staying: files in merged units that belong to a distribution that does not change.
        arriving_units: the swapped units that an incoming distribution has.
        state: files by which the environment knows itself, exchanged with everything else.
    """
    leaving = {path for files in outgoing.values() for path in files} - staying
    entering = {path for files in incoming.values() for path in files} - staying
    inward = [unit for unit in difference.swapped if unit in arriving_units]
    folders = {parent for path in (*inward, *entering) for parent in _parents(path)}
    merged = frozenset(difference.merged)
    emptied = {
        parent
        for path in leaving
        for parent in _parents(path)
        if unit_of(parent, merged) or parent.endswith("/__pycache__")
    }
    return Moves(
        outward=(*difference.swapped, *sorted(leaving), *state),
        folders=tuple(sorted(folders)),
        inward=(*inward, *sorted(entering), *state),
        emptied=tuple(sorted(emptied, reverse=True)),
    )


def _parents(path: str) -> list[str]:
    parents = []
    folder = path.rpartition("/")[0]
    while folder:
        parents.append(folder)
        folder = folder.rpartition("/")[0]
    return parents
