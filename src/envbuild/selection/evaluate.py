"""A lock under a target, reduced to what walking its graph needs: see `evaluated` for its shape."""

from __future__ import annotations

import posixpath

from envbuild.lockfile.package import Directory, Editable, Git, Path, Registry, Url, Virtual
from envbuild.lockfile.versions import release_of, satisfies
from envbuild.selection.conditions import Judge
from envbuild.selection.wheels import WheelChooser
from envbuild.sources.git_url import transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.lockfile.model import Lock, Requirement
    from envbuild.lockfile.package import Archive, Dependency, Package, Source
    from envbuild.selection.evaluated import (
        Choice,
        Chosen,
        Commit,
        Edge,
        EvaluatedHead,
        EvaluatedPackage,
        Root,
        SourceKey,
    )
    from envbuild.target.model import Target


class Evaluator:
    """Evaluates the packages of a lock for one target."""

    __slots__ = ("_chooser", "_judge", "_python")

    def __init__(self, target: Target) -> None:
        self._judge = Judge(target.markers)
        self._chooser = WheelChooser(target.tags)
        self._python = release_of(target.version)

    def head(self, lock: Lock) -> EvaluatedHead:
        """Return what the lock says beside its packages."""
        manifest = lock.manifest
        supported = self._judge.holds_plain(lock.supported_markers)
        return (
            lock.revision,
            lock.requires_python,
            satisfies(self._python, lock.requires_python),
            self._judge.may_hold(lock.resolution_markers),
            () if supported else lock.supported_markers,
            tuple(
                tuple((item.package, item.kind, item.name) for item in items)
                for items in lock.conflicts
            ),
            manifest.members,
            self._roots(manifest.requirements),
            {
                group: self._roots(requirements)
                for group, requirements in manifest.dependency_groups.items()
            },
            manifest.default_groups,
            self._unmet(manifest.group_requires_python),
        )

    def package(self, package: Package) -> EvaluatedPackage:
        """Return what one package comes to."""
        return (
            package.name,
            package.version,
            source_key(package.source),
            self._judge.holds_plain(package.resolution_markers),
            self._edges(package.dependencies),
            {extra: self._edges(edges) for extra, edges in package.optional_dependencies.items()},
            {group: self._edges(edges) for group, edges in package.dependency_groups.items()},
            package.provides_extras,
            package.declared_groups,
            package.default_groups,
            self._unmet(package.group_requires_python),
            self._choice(package),
        )

    def _edges(self, edges: tuple[Dependency, ...]) -> tuple[Edge, ...]:
        return tuple(
            (
                edge.name,
                edge.version,
                None if edge.source is None else source_key(edge.source),
                edge.extras,
                self._judge.condition(edge.marker),
            )
            for edge in edges
        )

    def _roots(self, requirements: tuple[Requirement, ...]) -> tuple[Root, ...]:
        return tuple(
            (requirement.name, requirement.extras)
            for requirement in requirements
            if self._judge.holds_plain((requirement.marker,))
        )

    def _unmet(self, group_requires_python: Mapping[str, str]) -> dict[str, str]:
        return {
            group: specifiers
            for group, specifiers in group_requires_python.items()
            if not satisfies(self._python, specifiers)
        }

    def _choice(self, package: Package) -> Choice | None:
        if isinstance(package.source, Directory | Editable | Virtual):
            return None
        filenames = [wheel.filename for wheel in package.wheels]
        position = self._chooser.choose(filenames)
        if isinstance(package.source, Git):
            commit = _commit(package.source)
            if not package.source.path:
                return None, None, None, commit
            if position is None:
                sdist = None if package.sdist is None else _file(package.sdist, package.source)
                return None, self._chooser.miss(filenames), sdist, commit
            return _file(package.wheels[position], package.source), None, None, commit
        sdist = None if package.sdist is None else _file(package.sdist, package.source)
        if position is None:
            return None, self._chooser.miss(filenames), sdist, None
        return _file(package.wheels[position], package.source), None, sdist, None


def source_key(source: Source) -> SourceKey:
    """Return the key of a source, without credentials."""
    match source:
        case Registry(location=location):
            return "registry", split_userinfo(location)[0], ""
        case Git(url=url, commit=commit, subdirectory=subdirectory):
            return "git", f"{split_secret(url)[0]}#{commit}", subdirectory
        case Url(url=url, subdirectory=subdirectory):
            return "url", split_userinfo(url)[0], subdirectory
        case Path(location=path):
            return "path", path, ""
        case Directory(location=path):
            return "directory", path, ""
        case Editable(location=path):
            return "editable", path, ""
        case Virtual(location=path):
            return "virtual", path, ""


def split_userinfo(url: str) -> tuple[str, str]:
    """Return a URL without user and password, and these as the URL spells them."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    userinfo, at, host = authority.rpartition("@")
    return (f"{scheme}{separator}{host}{slash}{path}" if at else url), userinfo


def split_secret(url: str) -> tuple[str, str]:
    """Return the URL of a repository without user and password, and these as the URL spells them.

    The bare user name of an SSH address is part of the address and no secret; what stands alone in
    others may be a token.
    """
    plain, userinfo = split_userinfo(url)
    if ":" not in userinfo and transport(url) == "ssh":
        return url, ""
    return plain, userinfo


def _commit(source: Git) -> Commit:
    url, userinfo = split_secret(source.url.partition("?")[0])
    return url, source.commit, source.lfs, userinfo


def _file(file: Archive, source: Source) -> Chosen:
    location, userinfo = _location(file, source)
    return file.filename, location, userinfo, file.hash, file.size


def _location(file: Archive, source: Source) -> tuple[str, str]:
    """Return where a file is: a URL and its credentials, or a path and nothing."""
    match source:
        case Registry(location=folder) if file.url is None:
            assert file.path is not None
            return posixpath.normpath(posixpath.join(folder, file.path)), ""
        case Path(location=path) | Git(path=path):
            return path, ""
        case Url(url=url):
            return url_location(url)
        case _:
            assert file.url is not None
            return url_location(file.url)


def url_location(url: str) -> tuple[str, str]:
    """Return the URL and its credentials apart, or the path that a `file` URL names and nothing."""
    if not url.startswith("file://"):
        return split_userinfo(url)
    from urllib.parse import unquote

    return unquote(url.partition("#")[0].removeprefix("file://").removeprefix("localhost")), ""
