"""The runtime lock as build requirements see it: which versions it holds, and where they are from.

Whether a package is selected for the target matters for `match-runtime` alone. What a preference
comes to must not depend on which extras and groups somebody installs.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from envbuild.buildlock.model import (
    ArchiveSource,
    CommitSource,
    PinnedCommit,
    PinnedFile,
    PinnedTree,
    TreeSource,
)
from envbuild.buildlock.parse import is_hash
from envbuild.frozen import field, frozen
from envbuild.lockfile.package import Directory, Editable, Git, Path, Registry, Url, Virtual
from envbuild.lockfile.versions import same_version
from envbuild.selection.evaluate import split_secret, split_userinfo, url_location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envbuild.buildlock.model import Source
    from envbuild.lockfile.model import Lock
    from envbuild.lockfile.package import Archive, Package


@frozen
class Locked:
    """A package of the runtime lock.

    Attributes:
        version: `None` where a tree computes it.
        index: the URL or folder of the index it is from; `None` where it is from elsewhere or from
            several.
        files: those of an index that the lock has a hash for.
        place: where it is from no index, all that it can be built or installed from.
    """

    name: str
    version: str | None
    index: str | None = None
    files: tuple[PinnedFile, ...] = ()
    place: PinnedFile | PinnedCommit | PinnedTree | None = None

    @property
    def label(self) -> str:
        """Its version, as messages have it."""
        return self.version or "a local tree"


@frozen
class Runtime:
    """What the lock holds.

    Attributes:
        packages: by name; of every name at least one.
        selected: name to version of what is in the environment itself.
    """

    packages: Mapping[str, tuple[Locked, ...]]
    selected: Mapping[str, str | None] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        """Return the names of all packages, sorted."""
        return tuple(sorted(self.packages))

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions that the lock holds of a project, each once, in the lock's order."""
        locked = self.packages.get(name, ())
        return tuple(dict.fromkeys(each.label for each in locked))

    def sole(self, name: str) -> Locked | None:
        """Return what the lock holds of a project, `None` unless that is exactly one version."""
        return _one(self.packages.get(name, ()))

    def installed(self, name: str) -> Locked | None:
        """Return what is in the environment itself, or else what it could only be."""
        if name not in self.selected:
            return self.sole(name)
        version = self.selected[name]
        return _one(
            tuple(each for each in self.packages.get(name, ()) if _is_version(each, version))
        )


class _Unread(Mapping[str, tuple[Locked, ...]]):
    """The packages of a lock that is read when somebody asks for one: many builds never do."""

    def __init__(self, read: Callable[[], Lock], folder: str) -> None:
        self._read = read
        self._folder = folder
        self._packages: dict[str, tuple[Locked, ...]] | None = None

    def __getitem__(self, name: str) -> tuple[Locked, ...]:
        return self._known()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def _known(self) -> dict[str, tuple[Locked, ...]]:
        if self._packages is None:
            packages: dict[str, tuple[Locked, ...]] = {}
            for package in self._read().packages:
                locked = _locked(package, self._folder)
                if locked is not None:
                    packages[package.name] = (*packages.get(package.name, ()), locked)
            self._packages = packages
        return self._packages


def runtime_of(
    read: Callable[[], Lock], *, folder: str, selected: Mapping[str, str | None]
) -> Runtime:
    """Return what a lock holds.

    Args:
        read: returns the runtime lock; not called before somebody asks what that holds.
        folder: absolute path of the folder that holds it.
        selected: name to version of what is in the environment itself.
    """
    return Runtime(packages=_Unread(read, folder), selected=selected)


def sources_of(lock: Lock, *, folder: str) -> frozenset[tuple[str, Source]]:
    """Return name and source of whatever a lock may have to build, on any target.

    Args:
        lock: the runtime lock.
        folder: absolute path of the folder that holds it.
    """
    found = ((package.name, source_of(package, folder=folder)) for package in lock.packages)
    return frozenset((name, source) for name, source in found if source is not None)


def source_of(package: Package, *, folder: str) -> Source | None:
    """Return what a package is built from, `None` where it never is, or where no hash is locked."""
    match package.source:
        case Directory(location=path) | Editable(location=path):
            return TreeSource(path=relative_to(folder, path))
        case Git(commit=commit, subdirectory=subdirectory, path=""):
            return CommitSource(commit=commit, subdirectory=subdirectory)
        case Virtual():
            return None
        case source:
            if package.sdist is None or package.sdist.hash is None:
                return None
            subdirectory = source.subdirectory if isinstance(source, Url | Git) else ""
            return ArchiveSource(hash=package.sdist.hash, subdirectory=subdirectory)


def relative_to(folder: str, path: str) -> str:
    """Return a path as a build lock has it: relative to `folder`, with `/` between names."""
    return posixpath.relpath(path, folder) if posixpath.isabs(path) else posixpath.normpath(path)


def repository_url(url: str) -> str:
    """Return the address of a repository without credentials, and without a lock's additions."""
    return split_secret(url.partition("#")[0].partition("?")[0])[0]


def _one(candidates: tuple[Locked, ...]) -> Locked | None:
    """Return what is there of one version; from several indexes it is from none in particular."""
    if not candidates:
        return None
    first, *others = candidates
    if not others:
        return first
    if any(other.place or not _is_version(other, first.version) for other in candidates):
        return None
    return Locked(name=first.name, version=first.version)


def _is_version(locked: Locked, version: str | None) -> bool:
    if locked.version is None or version is None:
        return locked.version is version
    return same_version(locked.version, version)


def _locked(package: Package, folder: str) -> Locked | None:
    """Return what a package is to a build, `None` for what no build can use."""
    name, version = package.name, package.version
    match package.source:
        case Registry(location=location):
            return Locked(
                name=name,
                version=version,
                index=split_userinfo(location)[0] if "://" in location else location,
                files=tuple(_files(package, location, folder)),
            )
        case Directory(location=path) | Editable(location=path):
            tree = PinnedTree(path=relative_to(folder, path))
            return Locked(name=name, version=version, place=tree)
        case Path() | Url() as source:
            archive = package.sdist or next(iter(package.wheels), None)
            if archive is None or archive.hash is None:
                return None
            file = PinnedFile(
                filename=archive.filename,
                url=split_userinfo(source.url)[0] if isinstance(source, Url) else None,
                path=None if isinstance(source, Url) else relative_to(folder, source.location),
                hash=archive.hash,
                size=archive.size,
                subdirectory=source.subdirectory if isinstance(source, Url) else "",
            )
            return Locked(name=name, version=version, place=file)
        case Git(url=url, commit=commit, subdirectory=subdirectory, path="", lfs=lfs):
            place = PinnedCommit(
                url=repository_url(url), commit=commit, subdirectory=subdirectory, lfs=lfs
            )
            return Locked(name=name, version=version, place=place)
        case Git() | Virtual():
            return None


def _files(package: Package, index: str, folder: str) -> Iterator[PinnedFile]:
    archives: list[Archive] = [*package.wheels]
    if package.sdist is not None:
        archives.append(package.sdist)
    for archive in archives:
        if archive.hash is None or not is_hash(archive.hash):
            continue
        if archive.url is not None:
            location = url_location(archive.url)[0]
        else:
            location = posixpath.join(index, archive.path or "")
        is_remote = "://" in location
        yield PinnedFile(
            filename=archive.filename,
            url=location if is_remote else None,
            path=None if is_remote else relative_to(folder, location),
            hash=archive.hash,
            size=archive.size,
        )
