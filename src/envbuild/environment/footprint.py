"""Footprints: what is known of a distribution in an environment without listing its files.

Most of what has to be decided about an environment needs no file list: whether a distribution is
the one wanted is a comparison of identities, and which others its change may touch follows from its
*units*: top-level names such as `lib/python3.12/site-packages/idna` or `bin/httpx`. Units of two
distributions are equal or disjoint, never nested (see `envbuild.environment.placement`).
"""

from __future__ import annotations

from envbuild.frozen import frozen

SKELETON = ""
"""Name of the footprint that stands for what makes the folder a virtual environment at all."""


@frozen
class Footprint:
    """A distribution in an environment.

    Attributes:
        name: normalised; `SKELETON` for `pyvenv.cfg`, the activation scripts and their like.
        version: as its metadata has it.
        identity: digest of everything it puts into the environment, wherever that is; empty for a
            distribution that somebody else installed.
        info: its `.dist-info` folder; empty for the skeleton.
        units: sorted.
        files: how many files it has; `folders` how many folders.
    """

    name: str
    version: str
    identity: str
    info: str
    units: tuple[str, ...]
    files: int
    folders: int

    def as_tuple(self) -> tuple[str, str, str, str, tuple[str, ...], int, int]:
        """Return plain values, the form kept in caches and state files."""
        return (
            self.name,
            self.version,
            self.identity,
            self.info,
            self.units,
            self.files,
            self.folders,
        )

    @staticmethod
    def from_tuple(row: tuple[str, str, str, str, tuple[str, ...], int, int]) -> Footprint:
        """Return the footprint that `as_tuple` gave as `row`."""
        name, version, identity, info, units, files, folders = row
        return Footprint(
            name=name,
            version=version,
            identity=identity,
            info=info,
            units=tuple(units),
            files=files,
            folders=folders,
        )


def join(folder: str, name: str) -> str:
    """Return the path of a file of a folder relative to the prefix, which itself is `.`."""
    return name if folder == "." else f"{folder}/{name}"


def unit_of(path: str, units: frozenset[str]) -> str | None:
    """Return the one of `units` that is `path` or holds it."""
    while path:
        if path in units:
            return path
        path = path.rpartition("/")[0]
    return None


def owners(footprints: tuple[Footprint, ...]) -> dict[str, list[str]]:
    """Return for each unit the names of the distributions that touch it, in order."""
    found: dict[str, list[str]] = {}
    for footprint in footprints:
        for unit in footprint.units:
            found.setdefault(unit, []).append(footprint.name)
    return found
