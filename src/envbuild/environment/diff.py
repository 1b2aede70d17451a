"""What has to change: two sets of footprints to the distributions and units that differ.

A unit of which everything changes is *swapped*: one rename, whatever it holds. A unit that holds files
of a distribution that stays, or of none, is *merged*, file by file.
"""

from __future__ import annotations

from envbuild.environment.footprint import SKELETON, Footprint, owners
from envbuild.frozen import frozen


@frozen
class Difference:
    """What distinguishes an environment from the one that is wanted.

    Attributes:
        removed, added: names of distributions that only one of the two has, sorted.
        replaced: names of those that both have and that differ, sorted.
        repaired: names of those that are the right ones, but not intact, sorted.
        moved: names of those that are right and intact, but have to be placed again, sorted.
        swapped: units to be exchanged as a whole, sorted.
        merged: units to be changed file by file, sorted.
    """

    removed: tuple[str, ...]
    added: tuple[str, ...]
    replaced: tuple[str, ...]
    repaired: tuple[str, ...]
    moved: tuple[str, ...]
    swapped: tuple[str, ...]
    merged: tuple[str, ...]

    @property
    def outgoing(self) -> frozenset[str]:
        """Names of the distributions whose present files go."""
        return frozenset((*self.removed, *self.replaced, *self.repaired, *self.moved))

    @property
    def incoming(self) -> frozenset[str]:
        """Names of the distributions whose files have to be placed."""
        return frozenset((*self.added, *self.replaced, *self.repaired, *self.moved))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.outgoing and not self.incoming


def compare(
    present: tuple[Footprint, ...],
    wanted: tuple[Footprint, ...],
    *,
    damaged: frozenset[str] = frozenset(),
    moved: frozenset[str] = frozenset(),
    strays: frozenset[str] = frozenset(),
) -> Difference:
    """Compare what is present with what is wanted.

    Args:
        present: no name twice.
        wanted: no name twice.
        damaged: names whose files cannot be relied on, though their identity is right.
        moved: names whose files have to be placed again, though nothing is wrong with them.
        strays: units that hold files of no distribution, which have to stay.
    """
    before = {footprint.name: footprint for footprint in present}
    after = {footprint.name: footprint for footprint in wanted}
    removed = {name for name in before if name not in after}
    added = {name for name in after if name not in before}
    both = [name for name in before if name in after]
    replaced = {name for name in both if before[name].identity != after[name].identity}
    repaired = {name for name in both if name in damaged and name not in replaced}
    again = {name for name in both if name in moved} - replaced - repaired
    changed = removed | added | replaced | repaired | again

    swapped = set[str]()
    merged = set[str]()
    touched = {
        unit
        for footprint in (*present, *wanted)
        if footprint.name in changed
        for unit in footprint.units
    }
    owners_before, owners_after = (
        owners(tuple(each for each in footprints if not touched.isdisjoint(each.units)))
        for footprints in (present, wanted)
    )
    for unit in touched:
        sharing = (*owners_before.get(unit, ()), *owners_after.get(unit, ()))
        whole = changed.issuperset(sharing) and unit not in strays
        (swapped if whole else merged).add(unit)
    return Difference(
        removed=_sorted(removed),
        added=_sorted(added),
        replaced=_sorted(replaced),
        repaired=_sorted(repaired),
        moved=_sorted(again),
        swapped=_sorted(swapped),
        merged=_sorted(merged),
    )


def _sorted(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: (name != SKELETON, name)))
