"""Two wheels that claim one path: equal content passes, unequal content is an error.

Only units that several distributions share can hold such a path, so only those are compared.
"""

from __future__ import annotations

from envbuild.environment.footprint import join, unit_of
from envbuild.errors import VenvError, raise_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envbuild.environment.placement import Placement


class FileCollision(VenvError):
    """Two distributions that put different things at one path."""

    def __init__(self, path: str, one: str, other: str) -> None:
        super().__init__(f"`{one}` and `{other}` both install `{path}`, with different content")
        self.path = path
        self.one = one
        self.other = other


def tolerated_paths(
    shared: Mapping[str, Iterable[str]], placements: Mapping[str, Placement]
) -> frozenset[str]:
    """Return the paths that several distributions place, all with equal content.

    Args:
        shared: units with the names of the distributions that share each.
        placements: of every distribution named there.

    Raises:
        FileCollision: two distributions place different content at one path, or one places a file
            where another needs a folder; `Problems` where there are several.
    """
    units = frozenset(shared)
    names = sorted({name for sharing in shared.values() for name in sharing})
    placed: dict[str, tuple[str, object]] = {}
    folders: dict[str, str] = {}
    tolerated = set()
    faults = []
    for name in names:
        for path, content in files_in(placements[name], units):
            first = placed.setdefault(path, (name, content))
            if first[0] == name:
                continue
            if first[1] == content:
                tolerated.add(path)
            else:
                faults.append(FileCollision(path, first[0], name))
        for folder in placements[name].folders:
            folders.setdefault(folder, name)
    for path, (name, _) in placed.items():
        if path in folders:
            faults.append(FileCollision(path, name, folders[path]))
    raise_all(faults)
    return frozenset(tolerated)


def files_in(placement: Placement, units: frozenset[str]) -> list[tuple[str, object]]:
    """Return path and content of everything that `placement` has in `units`.

    Content is comparable: the name of a blob, or the text of a launcher without its first line.
    """
    found: list[tuple[str, object]] = []
    for folder, files in placement.links:
        inside = unit_of(folder, units)
        for name, blob, size in files:
            path = join(folder, name)
            if inside or path in units:
                found.append((path, blob if size else ""))
    for path, body in placement.launchers:
        if unit_of(path, units):
            found.append((path, body))
    return found
