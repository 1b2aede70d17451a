"""From a `pylock.toml` (PEP 751), a request and a target to what gets installed.

The rules are those of the PEP; wheels are chosen as for a `uv.lock`. A pylock has no roots, so
every package in it counts as asked for, and what names or narrows roots has no meaning.
"""

from __future__ import annotations

import posixpath

from envbuild.errors import SelectionError, raise_all
from envbuild.lockfile.parse_package import url_filename
from envbuild.lockfile.pylock import parse_pylock
from envbuild.selection.evaluate import split_secret, url_location
from envbuild.selection.model import (
    LocalTree,
    Repository,
    RepositoryFile,
    Sdist,
    SelectedPackage,
    Selection,
    Wheel,
)
from envbuild.selection.select import NoFittingWheel, choose
from envbuild.selection.walk import SelectedTwice
from envbuild.selection.wanted import (
    UnknownExtra,
    UnknownGroup,
    UnsupportedPlatform,
    UnsupportedPython,
)
from envbuild.selection.wheels import WheelChooser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.pylock import (
        Package,
        PackageArchive,
        PackageDirectory,
        PackageSdist,
        PackageVcs,
        PackageWheel,
        Pylock,
    )

    from envbuild.errors import EnvbuildError
    from envbuild.selection.evaluated import Chosen, Commit
    from envbuild.selection.model import Request, SourceKind
    from envbuild.target.model import Target

_HASHES = ("sha256", "sha512", "sha384", "blake2b")
"""Which of several hashes is taken, in this order: so that one file of two locks is one fetch."""


class WithoutRoots(SelectionError):
    """Something was asked of a pylock that only a lock with roots can answer."""

    def __init__(self, asked: str) -> None:
        super().__init__(f"a pylock file has no projects to start from, so {asked} means nothing")
        self.asked = asked


class UnsupportedRepository(SelectionError):
    """A package comes from a repository of a kind that cannot be read here.

    Attributes:
        name: of the package.
        kind: of the repository, as the lock has it.
    """

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(f"`{name}` comes from a `{kind}` repository, and only `git` is supported")
        self.name = name
        self.kind = kind


def select_pylock(text: str, *, file: str, request: Request, target: Target) -> Selection:
    """Return what the text of a `pylock.toml` selects.

    Args:
        text: of the lockfile.
        file: how to call it in errors.
        request: what is asked of it.
        target: what it is asked for.

    Raises:
        LockfileError: as `parse_pylock` does.
        WithoutRoots: the request names roots or wants groups alone.
        UnknownExtra, UnknownGroup: something was named that the lock does not declare.
        UnsupportedPython, UnsupportedPlatform: the lock is not for this target.
        SelectedTwice: two packages of one name apply.
        NoFittingWheel, NoSource: a package can neither be had as a wheel nor be built.
        UnsupportedRepository: a package comes from a repository, and not from one of git.
        Problems: several of these.
    """
    lock = parse_pylock(text, file=file)
    extras = _extras(lock, request)
    groups = _groups(lock, request)
    raise_all([*_meaningless(request), *_unknown(lock, request)])
    raise_all(_target_problems(lock, target))
    packages = _applicable(lock, extras, groups, target)
    _check_names(packages)
    installed = [package for package in packages if _installs(package, request)]
    return _choose(installed, request, target)


def _meaningless(request: Request) -> Iterator[EnvbuildError]:
    if request.roots is not None or request.all_packages:
        yield WithoutRoots("choosing workspace members")
    if request.only_groups or request.dev == "only":
        yield WithoutRoots("installing groups alone")


def _extras(lock: Pylock, request: Request) -> set[str]:
    wanted: set[str] = {*(lock.extras or ())} if request.all_extras else {*request.extras}
    return wanted - {*request.no_extras}


def _groups(lock: Pylock, request: Request) -> set[str]:
    wanted = {*request.groups}
    if not request.no_default_groups:
        wanted |= {*(lock.default_groups or ())}
    if request.all_groups:
        wanted |= _declared_groups(lock)
    if request.dev == "include":
        wanted.add("dev")
    return wanted - {*request.no_groups} - ({"dev"} if request.dev == "exclude" else set())


def _declared_groups(lock: Pylock) -> set[str]:
    return {*(lock.dependency_groups or ()), *(lock.default_groups or ())}


def _unknown(lock: Pylock, request: Request) -> Iterator[EnvbuildError]:
    declared: set[str] = {*(lock.extras or ())}
    for extra in dict.fromkeys((*request.extras, *request.no_extras)):
        if extra not in declared:
            yield UnknownExtra(extra, ())
    declared = _declared_groups(lock)
    for group in dict.fromkeys((*request.groups, *request.no_groups)):
        if group not in declared:
            yield UnknownGroup(group, ())


def _target_problems(lock: Pylock, target: Target) -> Iterator[EnvbuildError]:
    from packaging.markers import prepare_environment

    if lock.requires_python and not lock.requires_python.contains(target.version):
        yield UnsupportedPython(target.version, str(lock.requires_python), None)
    if lock.environments is not None:
        variables = prepare_environment({**target.markers}, context="requirement")
        if not any(marker.evaluate_prepared(variables) for marker in lock.environments):
            yield UnsupportedPlatform(tuple(str(marker) for marker in lock.environments))


def _applicable(lock: Pylock, extras: set[str], groups: set[str], target: Target) -> list[Package]:
    from packaging.markers import prepare_environment

    variables = prepare_environment(
        {**target.markers, "extras": extras, "dependency_groups": groups}, context="lock_file"
    )
    packages = [
        package
        for package in lock.packages
        if package.marker is None or package.marker.evaluate_prepared(variables)
    ]
    raise_all(
        UnsupportedPython(target.version, str(package.requires_python), None)
        for package in packages
        if package.requires_python and not package.requires_python.contains(target.version)
    )
    return packages


def _check_names(packages: Sequence[Package]) -> None:
    by_name: dict[str, list[str]] = {}
    for package in packages:
        by_name.setdefault(package.name, []).append(str(package.version or "unversioned"))
    raise_all(
        SelectedTwice(name, tuple(versions))
        for name, versions in by_name.items()
        if len(versions) > 1
    )


def _installs(package: Package, request: Request) -> bool:
    if package.name in request.no_install_packages:
        return False
    if package.directory is not None:
        is_project = posixpath.normpath(package.directory.path) == "."
        return not (
            request.no_install_local
            or request.no_install_workspace
            or (request.no_install_project and is_project)
        )
    archive = package.archive
    return not (request.no_install_local and archive is not None and archive.url is None)


def _choose(packages: Sequence[Package], request: Request, target: Target) -> Selection:
    chooser = WheelChooser(target.tags)
    selected: list[SelectedPackage] = []
    problems: list[SelectionError] = []
    for package in sorted(packages, key=lambda package: package.name):
        version = None if package.version is None else str(package.version)
        distribution: Wheel | Sdist | Repository | RepositoryFile | LocalTree | SelectionError
        if package.directory is not None:
            distribution = _tree(package.directory, package.name, request)
            if not request.builds(package.name):
                distribution = NoFittingWheel(package.name, version, None, building="refused")
        elif package.vcs is not None and package.vcs.type != "git":
            distribution = UnsupportedRepository(package.name, package.vcs.type)
        else:
            wheels = _wheels(package)
            filenames = [filename for filename, _ in wheels]
            position = chooser.choose(filenames)
            choice = (
                None if position is None else _file(*wheels[position]),
                chooser.miss(filenames) if position is None else None,
                _sdist(package),
                None if package.vcs is None else _commit(package.vcs),
            )
            distribution = choose(choice, package.name, version, request, None)
        if isinstance(distribution, SelectionError):
            problems.append(distribution)
        else:
            selected.append(_selected(package, distribution))
    raise_all(problems)
    return Selection(packages=tuple(selected))


def _tree(directory: PackageDirectory, name: str, request: Request) -> LocalTree:
    path = posixpath.join(directory.path, directory.subdirectory or "")
    return LocalTree(
        location=posixpath.normpath(path),
        editable=bool(directory.editable) and request.edits(name),
    )


def _wheels(package: Package) -> list[tuple[str, PackageWheel | PackageArchive]]:
    if package.archive is None:
        return [(wheel.filename, wheel) for wheel in package.wheels or ()]
    archive = package.archive
    filename = url_filename(archive.url) if archive.url else posixpath.basename(archive.path or "")
    return [(filename, archive)] if filename.endswith(".whl") else []


def _sdist(package: Package) -> Chosen | None:
    if package.sdist is not None:
        return _file(package.sdist.filename, package.sdist)
    archive = package.archive
    if archive is None or _wheels(package):
        return None
    filename = url_filename(archive.url) if archive.url else posixpath.basename(archive.path or "")
    return _file(filename, archive)


def _file(filename: str, file: PackageWheel | PackageSdist | PackageArchive) -> Chosen:
    if file.url is not None:
        location, userinfo = url_location(file.url)
    else:
        assert file.path is not None
        location, userinfo = posixpath.normpath(file.path), ""
    return filename, location, userinfo, _hash(file.hashes), file.size


def _commit(vcs: PackageVcs) -> Commit:
    address = (vcs.url or vcs.path or "").partition("#")[0].partition("?")[0]
    url, userinfo = split_secret(address)
    return url, vcs.commit_id, False, userinfo


def _selected(
    package: Package, distribution: Wheel | Sdist | Repository | RepositoryFile | LocalTree
) -> SelectedPackage:
    source: SourceKind = "registry"
    source_location = url_location(package.index or "")[0]
    subdirectory = ""
    version = None if package.version is None else str(package.version)
    match distribution:
        case LocalTree(location=source_location, editable=editable):
            source = "editable" if editable else "directory"
        case Repository(url=url, commit=commit):
            from urllib.parse import quote

            assert package.vcs is not None
            asked = package.vcs.requested_revision
            source = "git"
            query = f"?rev={quote(asked, safe='/')}" if asked else ""
            source_location = f"{url}{query}#{commit}"
            subdirectory = package.vcs.subdirectory or ""
        case RepositoryFile():
            # No such lock has one.
            raise AssertionError
        case Wheel() | Sdist():
            if package.archive is not None:
                source = "path" if distribution.is_local else "url"
                source_location = distribution.location
                subdirectory = package.archive.subdirectory or ""
            if version is None and isinstance(distribution, Wheel):
                version = distribution.filename.split("-")[1]
    return SelectedPackage(
        name=package.name,
        version=version,
        source=source,
        source_location=source_location,
        subdirectory=subdirectory,
        distribution=distribution,
        requested=True,
    )


def _hash(hashes: Mapping[str, str]) -> str | None:
    for algorithm in (*_HASHES, *sorted(hashes)):
        if algorithm in hashes:
            return f"{algorithm}:{hashes[algorithm].lower()}"
    return None
