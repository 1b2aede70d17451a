"""A `Package`: what one `[[package]]` of a `uv.lock` says.

Nothing here is computed, chosen or checked against a machine. Names of projects, extras and groups
are normalised; markers and versions are kept as text, known to be valid. Paths are written with `/`
and are relative to the lock's folder unless they are absolute. An absent list is an empty tuple, an
absent value is `None`.
"""

from __future__ import annotations

from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    DefaultGroups = tuple[str, ...] | Literal["all"]


@frozen
class Located:
    """Base of the sources that are one place and nothing more: a URL or a path."""

    location: str


class Registry(Located):
    """An index: its URL, or the folder of a local one."""

    __slots__ = ()


class Path(Located):
    """A local archive."""

    __slots__ = ()


class Directory(Located):
    """A local tree, installed as built from it."""

    __slots__ = ()


class Editable(Located):
    """A local tree, installed so that edits take effect."""

    __slots__ = ()


class Virtual(Located):
    """A local tree that has dependencies and is never installed itself."""

    __slots__ = ()


@frozen
class Git:
    """A commit of a repository.

    Attributes:
        url: the repository, and in its query how the commit was asked for, as the lock has it.
        commit: 40 hexadecimal digits.
        subdirectory: of the project in the repository, empty for its root.
        path: of an archive in the repository that is the distribution, empty where there is none.
        lfs: whether files kept by Git LFS are needed.
    """

    url: str
    commit: str
    subdirectory: str
    path: str
    lfs: bool


@frozen
class Url:
    """An archive at a URL, and the folder of the project in it."""

    url: str
    subdirectory: str


Source = Registry | Git | Url | Path | Directory | Editable | Virtual


@frozen
class Archive:
    """Base of the files of a package.

    Attributes:
        filename: percent escapes decoded.
        url: where it is remote.
        path: where it is in a local index, relative to the index unless absolute. Neither this nor
            `url` is given where the source is the archive itself.
        hash: `algorithm:hexadecimal`.
        size: in bytes.
        upload_time: as the index gave it (RFC 3339).
    """

    filename: str
    url: str | None
    path: str | None
    hash: str | None
    size: int | None
    upload_time: str | None


class Wheel(Archive):
    """A wheel."""

    __slots__ = ()


class Sdist(Archive):
    """A source distribution."""

    __slots__ = ()


@frozen
class Dependency:
    """An edge of the graph.

    Attributes:
        name: of the package it leads to.
        version: of that package; given where the name alone does not say which one.
        source: likewise.
        extras: of that package, taken along.
        marker: empty for always. It means something only to who comes from the package that the
            edge begins at, inside the environments of the lock.
    """

    name: str
    version: str | None
    source: Source | None
    extras: tuple[str, ...]
    marker: str


@frozen
class Package:
    """A node of the graph: one `[[package]]`.

    Attributes:
        version: `None` where a tree computes it.
        resolution_markers: the forks that the package belongs to; empty for all.
        optional_dependencies: extra to its edges.
        dependency_groups: group to its edges.
        default_groups: where the package is a member of the workspace and says so.
        group_requires_python: group to the specifiers it adds.
        provides_extras: the extras that its metadata declares.
        declared_groups: the groups that its metadata declares.
    """

    name: str
    version: str | None
    source: Source
    resolution_markers: tuple[str, ...]
    dependencies: tuple[Dependency, ...]
    optional_dependencies: Mapping[str, tuple[Dependency, ...]]
    dependency_groups: Mapping[str, tuple[Dependency, ...]]
    sdist: Sdist | None
    wheels: tuple[Wheel, ...]
    default_groups: DefaultGroups | None
    group_requires_python: Mapping[str, str]
    provides_extras: tuple[str, ...]
    declared_groups: tuple[str, ...]
