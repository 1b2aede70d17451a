"""The packages of a lock joined by their edges."""

from __future__ import annotations

from envbuild.lockfile.versions import same_version
from envbuild.selection.evaluated import DEPENDENCIES, EXTRAS, GROUPS, NAME, SOURCE, VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from envbuild.selection.evaluated import Edge, EvaluatedPackage

    End = tuple[int, str | None]
    """A package by position, and one of its extras or `None` for the package itself."""

_TREES = frozenset({"directory", "editable", "virtual"})


class Graph:
    """Finds packages by name and the ends of edges."""

    __slots__ = ("_by_name", "packages")

    def __init__(self, packages: Sequence[EvaluatedPackage]) -> None:
        self.packages = packages
        self._by_name: dict[str, list[int]] = {}
        for position, package in enumerate(packages):
            self._by_name.setdefault(package[NAME], []).append(position)

    def is_whole(self) -> bool:
        """Tell whether no package is there twice and every edge leads to exactly one."""
        for positions in self._by_name.values():
            for index, position in enumerate(positions):
                for other in positions[:index]:
                    if self._is(
                        position, self.packages[other][VERSION], self.packages[other][SOURCE]
                    ):
                        return False
        return all(
            self._leads_somewhere(edge)
            for package in self.packages
            for edges in (
                package[DEPENDENCIES],
                *package[EXTRAS].values(),
                *package[GROUPS].values(),
            )
            for edge in edges
        )

    def positions(self, name: str) -> Sequence[int]:
        """Return the positions of all packages of that name, in the order of the lock."""
        return self._by_name.get(name, ())

    def edges(self, position: int, extra: str | None) -> tuple[Edge, ...]:
        """Return the edges of a package, or those that one of its extras adds."""
        package = self.packages[position]
        return package[DEPENDENCIES] if extra is None else package[EXTRAS].get(extra, ())

    def target(self, edge: Edge) -> int:
        """Return the package that an edge leads to, in a graph that is whole."""
        name, version, source, _, _ = edge
        positions = self._by_name[name]
        if len(positions) == 1:
            return positions[0]
        return next(
            position
            for position in positions
            if source is not None and self._is(position, version, source)
        )

    def ends(self, edge: Edge) -> list[End]:
        """Return what an edge leads to: a package, then those of the edge's extras that it has."""
        position = self.target(edge)
        known = self.packages[position][EXTRAS]
        _, _, _, extras, _ = edge
        return [(position, None), *((position, extra) for extra in extras if extra in known)]

    def _leads_somewhere(self, edge: Edge) -> bool:
        name, version, source, _, _ = edge
        positions = self._by_name.get(name, ())
        if len(positions) == 1:
            _, own_version, own_source, *_ = self.packages[positions[0]]
            return (source is None or source == own_source) and (
                version is None or _same(version, own_version)
            )
        if source is None or (version is None and source[0] not in _TREES):
            return False
        return any(self._is(position, version, source) for position in positions)

    def _is(self, position: int, version: str | None, source: tuple[str, str, str]) -> bool:
        _, own_version, own_source, *_ = self.packages[position]
        return source == own_source and _same(version, own_version)


def _same(left: str | None, right: str | None) -> bool:
    if left is None or right is None:
        return left == right
    return same_version(left, right)
