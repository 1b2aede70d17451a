"""Two wheels that claim one path: who has it, and what becomes of the others.

Equal content passes. Unequal content is an error, unless a policy decides: then one distribution
provides the path, and the others are placed without it. Only units that several distributions share
can hold such a path, so only those are compared. A file where another distribution needs a folder,
and a file in the metadata of another, are errors under every policy.
"""

from __future__ import annotations

from envbuild.environment.footprint import join, unit_of
from envbuild.environment.record import METADATA
from envbuild.errors import VenvError, raise_all
from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal

    from envbuild.environment.placement import Placement

    CollisionPolicy = Literal["error", "first", "last"]

_FEW = 3
"""How many paths are named where there may be hundreds: of two forks of one project, say."""


class FileCollision(VenvError):
    """Two distributions that put different things at the same paths."""

    def __init__(self, one: str, other: str, paths: tuple[str, ...], *, decidable: bool) -> None:
        super().__init__(
            f"`{one}` and `{other}` both install {_few(paths)}, with different content",
            hint="`--collisions first` takes what the first of them by name has, `last` the last"
            if decidable
            else None,
        )
        self.one = one
        self.other = other
        self.paths = paths


class FolderCollision(VenvError):
    """A distribution that puts a file where another needs a folder."""

    def __init__(self, path: str, one: str, other: str) -> None:
        super().__init__(f"`{one}` installs the file `{path}`, where `{other}` needs a folder")
        self.path = path
        self.one = one
        self.other = other


@frozen
class LeftOut:
    """A path that a distribution does without, since another one provides it."""

    name: str
    path: str
    provider: str


@frozen
class Overlaps:
    """What the distributions of an environment have in common.

    Attributes:
        tolerated: paths that several distributions place, with equal content.
        left_out: sorted by name and path.
    """

    tolerated: frozenset[str]
    left_out: tuple[LeftOut, ...]

    def excluded(self) -> dict[str, tuple[str, ...]]:
        """Return for each distribution that does without some paths which these are, sorted."""
        found: dict[str, list[str]] = {}
        for each in self.left_out:
            found.setdefault(each.name, []).append(each.path)
        return {name: tuple(paths) for name, paths in found.items()}

    def notes(self) -> tuple[str, ...]:
        """Return sentences for the user, one for each two distributions."""
        pairs: dict[tuple[str, str], list[str]] = {}
        for each in self.left_out:
            pairs.setdefault((each.name, each.provider), []).append(each.path)
        return tuple(
            f"`{name}` does without {_few(tuple(paths))}, which `{provider}` provides"
            for (name, provider), paths in pairs.items()
        )


def find_overlaps(
    shared: Mapping[str, Iterable[str]],
    placements: Mapping[str, Placement],
    policy: CollisionPolicy,
) -> Overlaps:
    """Return which paths several distributions claim, and who does without.

    Args:
        shared: units with the names of the distributions that share each.
        placements: of every distribution named there, nothing left out.
        policy: whether unequal content is an error, or the first or the last name provides it.

    Raises:
        FileCollision: two distributions place different content at one path.
        FolderCollision: one places a file where another needs a folder. `Problems` for several.
    """
    units = frozenset(shared)
    names = sorted({name for sharing in shared.values() for name in sharing})
    claims: dict[str, list[tuple[str, object]]] = {}
    folders: dict[str, str] = {}
    for name in names:
        for path, content in files_in(placements[name], units):
            claims.setdefault(path, []).append((name, content))
        for folder in placements[name].folders:
            folders.setdefault(folder, name)

    metadata = frozenset(placements[name].info for name in names)
    tolerated = set()
    left_out = []
    faults: dict[tuple[str, str, bool], list[str]] = {}
    for path in sorted(path for path, claimed in claims.items() if len(claimed) > 1):
        claimed = claims[path]
        provider, content = claimed[-1 if policy == "last" else 0]
        others = [name for name, theirs in claimed if theirs != content]
        if len(claimed) - len(others) > 1:
            tolerated.add(path)
        decidable = unit_of(path, metadata) is None
        if policy == "error" or not decidable:
            for name in others:
                faults.setdefault((provider, name, decidable), []).append(path)
        else:
            left_out += [LeftOut(name=name, path=path, provider=provider) for name in others]
    raise_all(
        [
            *(
                FileCollision(one, other, tuple(paths), decidable=decidable)
                for (one, other, decidable), paths in faults.items()
            ),
            *(
                FolderCollision(path, claims[path][0][0], folders[path])
                for path in sorted(claims.keys() & folders.keys())
            ),
        ]
    )
    left_out.sort(key=lambda each: (each.name, each.path))
    return Overlaps(tolerated=frozenset(tolerated), left_out=tuple(left_out))


def files_in(placement: Placement, units: frozenset[str]) -> list[tuple[str, object]]:
    """Return path and content of everything that `placement` has in `units`.

    Content is comparable: the name of a blob, or the text of a launcher without its first line. What
    is written into the folder of metadata equals nothing else.
    """
    found: list[tuple[str, object]] = []
    for folder, files in placement.links:
        inside = unit_of(folder, units)
        for name, blob, _ in files:
            path = join(folder, name)
            if inside or path in units:
                found.append((path, blob))
    for path, body in placement.launchers:
        if unit_of(path, units):
            found.append((path, body))
    if placement.info in units:
        found += ((f"{placement.info}/{name}", object()) for name in METADATA)
    return found


def _few(paths: tuple[str, ...]) -> str:
    """Name a few of `paths`, and say how many more there are."""
    named = [f"`{path}`" for path in paths[:_FEW]]
    if len(paths) > _FEW:
        return f"{len(paths)} files ({', '.join(named)}, …)"
    return f"{', '.join(named[:-1])} and {named[-1]}" if len(named) > 1 else named[0]
