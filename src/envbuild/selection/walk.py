"""From the roots along the edges that hold: the packages that belong in the environment.

Two passes, as the format demands. Where a lock declares conflicts, the condition of an edge asks
which extras are active, and extras become active by following edges; so the first pass finds all
that are, and the second collects packages with that settled. Without conflicts the first pass has
nothing to find.
"""

from __future__ import annotations

from itertools import combinations

from envbuild.errors import SelectionError, raise_all
from envbuild.selection.conditions import conjunction, disjunction, holds
from envbuild.selection.evaluated import (
    CONFLICTS,
    EXTRAS,
    GROUPS,
    IN_FORK,
    NAME,
    REQUIREMENTS,
    ROOT_GROUPS,
)
from envbuild.selection.wanted import ConflictingRequest, MissingMember

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envbuild.selection.conditions import Condition
    from envbuild.selection.evaluated import Edge, EvaluatedHead, Root
    from envbuild.selection.graph import End, Graph
    from envbuild.selection.wanted import Wanted


class SelectedTwice(SelectionError):
    """Two packages of one name belong in one environment."""

    def __init__(self, name: str, versions: tuple[str, ...]) -> None:
        listed = " and ".join(versions)
        super().__init__(f"the lock puts `{name}` into the environment more than once: {listed}")
        self.name = name
        self.versions = versions


def walk(head: EvaluatedHead, graph: Graph, wanted: Wanted) -> tuple[list[int], set[int]]:
    """Return the packages to install by position, sorted by name, and which of them a root asks for.

    Raises:
        MissingMember: a requirement of the lock itself fits no package, or several.
        ConflictingRequest: what was asked for leads to extras that exclude each other.
        SelectedTwice: two packages of one name are reached.
    """
    return _Walk(head, graph, wanted).run()


class _Walk:
    def __init__(self, head: EvaluatedHead, graph: Graph, wanted: Wanted) -> None:
        self._head = head
        self._graph = graph
        self._wanted = wanted
        self._has_conflicts = bool(head[CONFLICTS])
        self._active: set[str] = set()
        self._active_extras: set[tuple[str, str]] = set()
        self._queue: list[End] = []
        self._seen: set[End] = set()
        self._reach: dict[End, Condition] = {}
        self._reached: set[int] = set()
        self._root_ends: set[End] = set()
        self._requested: set[int] = set()

    def run(self) -> tuple[list[int], set[int]]:
        self._activate_roots()
        self._enter_roots()
        self._enter_manifest()
        if self._has_conflicts:
            self._find_active()
            self._check_conflicts()
        self._collect()
        chosen = [position for position in self._reached if self._wanted.installs(position)]
        chosen.sort(key=lambda position: (self._graph.packages[position][NAME], position))
        self._check_names(chosen)
        return chosen, self._requested

    def _activate_roots(self) -> None:
        if not self._has_conflicts:
            return
        for position in self._wanted.roots:
            if self._wanted.production:
                name = self._graph.packages[position][NAME]
                self._active.add(f"project-{len(name)}-{name}")
                for extra in self._root_extras(position):
                    self._activate_extra(name, extra)
        for position in self._group_owners():
            name = self._graph.packages[position][NAME]
            self._active.update(
                f"group-{len(name)}-{name}-{group}" for group in self._root_groups(position)
            )

    def _enter_roots(self) -> None:
        for position in self._group_owners():
            if position in self._wanted.roots and self._wanted.production:
                self._reached.add(position)
                extras = self._root_extras(position)
                ends: list[End] = [(position, None), *((position, extra) for extra in extras)]
                self._enter(ends, True)
                self._root_ends.update(ends)
            for group in self._root_groups(position):
                self._enter_group(self._graph.packages[position][GROUPS][group])

    def _enter_group(self, edges: tuple[Edge, ...]) -> None:
        for edge in edges:
            *_, condition = edge
            ends = self._graph.ends(edge)
            fresh = self._fresh_extras(ends)
            if not holds(condition, self._active | _encoded(fresh)):
                continue
            for name, extra in fresh:
                self._activate_extra(name, extra)
            target, _ = ends[0]
            self._reached.add(target)
            self._requested.add(target)
            self._enter(ends, condition)

    def _enter_manifest(self) -> None:
        for root in self._head[REQUIREMENTS]:
            self._enter_root_requirement(root, installs=self._wanted.production)
        for group, roots in self._head[ROOT_GROUPS].items():
            if self._wanted.includes(None, group):
                for root in roots:
                    name, extras = root
                    position = self._enter_root_requirement(root, installs=True)
                    for extra in self._known_extras(position, extras):
                        self._activate_extra(name, extra)

    def _enter_root_requirement(self, root: Root, *, installs: bool) -> int:
        name, extras = root
        here = [
            position
            for position in self._graph.positions(name)
            if self._graph.packages[position][IN_FORK]
        ]
        if len(here) != 1:
            raise MissingMember(name, len(here))
        position = here[0]
        if installs:
            self._reached.add(position)
        self._requested.add(position)
        known = self._known_extras(position, extras)
        self._enter([(position, None), *((position, extra) for extra in known)], True)
        return position

    def _enter(self, ends: Iterable[End], condition: Condition) -> None:
        for end in ends:
            self._reach[end] = disjunction(self._reach.get(end, False), condition)
            if end not in self._seen:
                self._seen.add(end)
                self._queue.append(end)

    def _find_active(self) -> None:
        """Follow every edge that may hold, until no more extras become active.

        An edge is judged together with how its package was reached: its own marker may have been
        shortened by what holds there anyway.
        """
        queue = self._queue.copy()
        for end in queue:  # it grows meanwhile
            reach = self._reach[end]
            for edge in self._graph.edges(*end):
                *_, condition = edge
                here = conjunction(condition, reach)
                if here is False:
                    continue
                ends = self._graph.ends(edge)
                fresh = self._fresh_extras(ends)
                if not holds(here, self._active | _encoded(fresh)):
                    continue
                for name, extra in fresh:
                    self._activate_extra(name, extra)
                for reached in ends:
                    before = self._reach.get(reached)
                    after = here if before is None else disjunction(before, here)
                    if after != before:
                        self._reach[reached] = after
                        queue.append(reached)

    def _check_conflicts(self) -> None:
        raise_all(
            ConflictingRequest((left, right))
            for items in self._head[CONFLICTS]
            for left, right in combinations(items, 2)
            if left[1] == right[1] == "extra"
            and {(left[0], left[2]), (right[0], right[2])} <= self._active_extras
        )

    def _collect(self) -> None:
        for end in self._queue:  # it grows meanwhile
            for edge in self._graph.edges(*end):
                *_, condition = edge
                if not holds(condition, self._active):
                    continue
                ends = self._graph.ends(edge)
                target, _ = ends[0]
                self._reached.add(target)
                if end in self._root_ends:
                    self._requested.add(target)
                for reached in ends:
                    if reached not in self._seen:
                        self._seen.add(reached)
                        self._queue.append(reached)

    def _check_names(self, chosen: list[int]) -> None:
        by_name: dict[str, list[str]] = {}
        for position in chosen:
            name, version, source, *_ = self._graph.packages[position]
            by_name.setdefault(name, []).append(f"{version or 'unversioned'} from `{source[1]}`")
        raise_all(
            SelectedTwice(name, tuple(versions))
            for name, versions in by_name.items()
            if len(versions) > 1
        )

    def _group_owners(self) -> tuple[int, ...]:
        group_root = self._wanted.group_root
        return self._wanted.roots if group_root is None else (*self._wanted.roots, group_root)

    def _root_extras(self, position: int) -> Iterator[str]:
        return (
            extra
            for extra in self._graph.packages[position][EXTRAS]
            if self._wanted.has_extra(extra)
        )

    def _root_groups(self, position: int) -> Iterator[str]:
        package = self._graph.packages[position]
        return (group for group in package[GROUPS] if self._wanted.includes(package[NAME], group))

    def _known_extras(self, position: int, extras: tuple[str, ...]) -> list[str]:
        return [extra for extra in extras if extra in self._graph.packages[position][EXTRAS]]

    def _fresh_extras(self, ends: Iterable[End]) -> list[tuple[str, str]]:
        pairs = [
            (self._graph.packages[position][NAME], extra)
            for position, extra in ends
            if extra is not None
        ]
        return [pair for pair in pairs if pair not in self._active_extras]

    def _activate_extra(self, name: str, extra: str) -> None:
        self._active_extras.add((name, extra))
        self._active.add(f"extra-{len(name)}-{name}-{extra}")


def _encoded(extras: Iterable[tuple[str, str]]) -> set[str]:
    return {f"extra-{len(name)}-{name}-{extra}" for name, extra in extras}
