"""What a `uv.lock` says, version 1: a `Lock`, and what of it belongs to no package.

The conventions of `envbuild.lockfile.package` hold here too.
"""

from __future__ import annotations

from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from envbuild.lockfile.package import DefaultGroups, Package


@frozen
class ConflictItem:
    """One of several that exclude each other: an extra, a group, or the project itself."""

    package: str
    kind: Literal["extra", "group", "project"]
    name: str


@frozen
class Requirement:
    """What the workspace or a script asks for directly, as far as choosing a package needs it."""

    name: str
    extras: tuple[str, ...]
    marker: str


@frozen
class Manifest:
    """Inputs of the resolution that belong to no package.

    Attributes:
        members: of the workspace; empty where the project is its only one.
        requirements: of a script (PEP 723).
        dependency_groups: of a workspace root that is no project.
        default_groups: of that root.
        group_requires_python: of that root.
    """

    members: tuple[str, ...]
    requirements: tuple[Requirement, ...]
    dependency_groups: Mapping[str, tuple[Requirement, ...]]
    default_groups: DefaultGroups | None
    group_requires_python: Mapping[str, str]


@frozen
class Lock:
    """A whole lock.

    Attributes:
        revision: additions to the format that the writer knew, from 0 on.
        requires_python: specifiers.
        resolution_markers: the forks of the resolution; empty for one that covers everything.
        supported_markers: the environments that the resolution was restricted to; empty for all.
        conflicts: sets of items that exclude each other.
        packages: in the order of the file.
    """

    revision: int
    requires_python: str
    resolution_markers: tuple[str, ...]
    supported_markers: tuple[str, ...]
    conflicts: tuple[tuple[ConflictItem, ...], ...]
    manifest: Manifest
    packages: tuple[Package, ...]
