"""What packages are built with: pinned by `envbuild.lock`, and where it says nothing, resolved.

What was resolved is used at once, and written beside the lock at the end. Whatever the build lock
says that still holds is believed, so that with it neither a resolver nor an index is needed.
"""

from __future__ import annotations

import os
import threading

from envbuild.buildlock.freshness import choose_file, why_stale, with_present
from envbuild.buildlock.kind import kind_of
from envbuild.buildlock.merge import merge
from envbuild.buildlock.model import (
    FILE_NAME,
    ArchiveSource,
    BuildLock,
    CommitSource,
    PinnedCommit,
    PinnedTree,
    TreeSource,
)
from envbuild.buildlock.pin import pin
from envbuild.buildlock.runtime import relative_to
from envbuild.buildlock.settings import parse_sources
from envbuild.buildlock.strategy import Demand, request_resolution
from envbuild.derivation.sources import Checkout, LocalSource, UnpackSource
from envbuild.errors import RealiseError, raise_all
from envbuild.frozen import replace
from envbuild.realise.built import BuildPins
from envbuild.selection.model import LocalTree, Repository, Sdist, SelectedPackage, Wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envbuild.buildlock.model import Build, Operation, PinnedFile, PinnedPackage, Source
    from envbuild.buildlock.pin import BuildRequirementResolver
    from envbuild.buildlock.runtime import Runtime
    from envbuild.buildlock.settings import BuildSettings, Sources
    from envbuild.realise.source_trees import SourceTree
    from envbuild.selection.model import Request
    from envbuild.target.model import Interpreter


class NotPinned(RealiseError):
    """Something that would have to be resolved, in a run that takes what is pinned and nothing else.

    Attributes:
        package: that is to be built.
        reason: why what is pinned does not do.
    """

    def __init__(self, package: str, reason: str) -> None:
        super().__init__(
            f"`--locked`: {reason}",
            hint=f"run once without `--locked`, and keep `{FILE_NAME}` beside the lock",
        )
        self.package = package
        self.reason = reason


class RequirementNotBuildable(RealiseError):
    """Something that a package is built with, which must not be built and has no wheel.

    Attributes:
        package: that is to be built.
        name: of what it is built with.
        version: likewise, `None` where a tree computes it.
    """

    def __init__(self, package: str, name: str, version: str | None) -> None:
        what = f"`{name}` {version}" if version else f"`{name}`"
        super().__init__(
            f"`{package}` is built with {what}, and building that from source is not permitted"
        )
        self.package = package
        self.name = name
        self.version = version


class UnwritableBuildLock(RealiseError):
    """A build lock that cannot be written."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"cannot write `{path}`: {reason}")
        self.path = path
        self.reason = reason


class LockedPins:
    """The `Pins` of a builder, from a build lock and a resolver.

    Args:
        lock: what is pinned.
        settings: of the project.
        runtime: what the runtime lock holds.
        interpreter: that is built for.
        folder: of the lock.
        selected: everything that is in the environment that is built for.
        request: says what may be built.
        members: returns the names of the projects of the workspace, which may always be.
        is_locked: whether it is an error that something is not pinned.
        resolver: makes what is asked for what is not pinned, or not any more; without it, that is
            not known.
    """

    def __init__(
        self,
        lock: BuildLock,
        *,
        settings: BuildSettings,
        runtime: Runtime,
        interpreter: Interpreter,
        folder: str,
        selected: tuple[SelectedPackage, ...],
        request: Request,
        members: Callable[[], frozenset[str]],
        is_locked: bool,
        resolver: Callable[[], BuildRequirementResolver] | None,
    ) -> None:
        self._lock = lock
        self._folder = folder
        self._selected = selected
        self._request = request
        self._members = members
        self._is_locked = is_locked
        self._settings = settings
        self._runtime = runtime
        self._interpreter = interpreter
        self._make_resolver = resolver
        self._resolver: BuildRequirementResolver | None = None
        self._mutex = threading.Lock()
        self._found: dict[object, Build] = {}

    @property
    def found(self) -> BuildLock:
        """What was resolved because it was not pinned."""
        with self._mutex:
            return BuildLock(builds=tuple(self._found.values()))

    def environment(
        self,
        package: SelectedPackage,
        source: SourceTree,
        requires: tuple[str, ...],
        hook_requires: tuple[str, ...] | None,
    ) -> BuildPins:
        """Return what a package is built with; see `Pins`."""
        if not self._is_isolated(package.name):
            return self._beside(package)
        target = self._interpreter.target
        local = package.distribution
        operation: Operation = "wheel"
        if isinstance(local, LocalTree) and local.editable:
            operation = "editable"
        demand = Demand(
            name=package.name,
            version=None if isinstance(local, LocalTree) else package.version,
            source=self._source(package, source),
            operation=operation,
            requires=requires,
            hook_requires=hook_requires or (),
            sources=self._sources(source),
        )
        key = (demand.name, demand.source, kind_of(target), demand.operation)
        asked = hook_requires is not None
        with self._mutex:
            known = self._found.get(key) or self._lock.by_key.get(key)
        if known is not None and asked and self._holds(known, demand):
            demand = replace(demand, hook_requires=with_present(demand.hook_requires, known))
        request = request_resolution(demand, self._settings, self._runtime, target)
        stale = f"`{FILE_NAME}` does not say what `{package.name}` is built with on this machine"
        if known is not None:
            reason = why_stale(known, demand, request, target, hooks_asked=asked)
            if reason is None:
                return self._pins(package, known, is_whole=True)
            stale = f"what `{FILE_NAME}` says of `{package.name}` does not hold any more: {reason}"
        if self._is_locked:
            raise NotPinned(package.name, stale)
        resolver = self._obtain_resolver()
        if resolver is None:
            return BuildPins(packages=(), requires=(), is_whole=False, reason=stale)
        previous = () if known is None else known.packages
        build = pin(
            demand,
            self._settings,
            self._runtime,
            self._interpreter,
            resolver,
            previous=previous,
        )
        if asked:
            # Before the backend was asked, the pins are those of half a question.
            with self._mutex:
                self._found[key] = build
        return self._pins(package, build, is_whole=asked)

    def _obtain_resolver(self) -> BuildRequirementResolver | None:
        with self._mutex:
            if self._resolver is None and self._make_resolver is not None:
                self._resolver = self._make_resolver()
            return self._resolver

    def _holds(self, known: Build, demand: Demand) -> bool:
        """Tell whether a block was believed before the backend was asked."""
        target = self._interpreter.target
        before = replace(demand, hook_requires=())
        request = request_resolution(before, self._settings, self._runtime, target)
        return why_stale(known, before, request, target, hooks_asked=False) is None

    def variables(self, name: str) -> Mapping[str, str]:
        """Return the variables that are declared for the build of a package."""
        return self._settings.variables.get(name, {})

    def config_settings(self, name: str) -> Mapping[str, tuple[str, ...]]:
        """Return what the backend of a package is to be told."""
        settings = {
            **self._settings.config_settings,
            **self._settings.package_config_settings.get(name, {}),
        }
        return {
            key: (value,) if isinstance(value, str) else value for key, value in settings.items()
        }

    def _is_isolated(self, name: str) -> bool:
        settings = self._settings
        return not settings.no_isolation and name not in settings.no_isolation_packages

    def _beside(self, package: SelectedPackage) -> BuildPins:
        """Return what a package is built with that is not to be isolated from the environment.

        That is everything in the environment but what is built in this way itself: what a build in
        the environment would find there, once all others have been installed.
        """
        others = (
            each
            for each in self._selected
            if each.name != package.name and self._is_isolated(each.name)
        )
        return BuildPins(packages=tuple(map(_uneditable, others)), requires=(), is_whole=True)

    def _source(self, package: SelectedPackage, source: SourceTree) -> Source:
        match source.made_by:
            case Checkout(commit=commit):
                return CommitSource(commit=commit, subdirectory=package.subdirectory)
            case LocalSource():
                assert source.folder is not None
                return TreeSource(path=relative_to(self._folder, source.folder))
            case UnpackSource():
                archive = package.distribution
                assert not isinstance(archive, Repository | LocalTree)
                return ArchiveSource(
                    hash=archive.hash or f"sha256:{source.sha256}",
                    subdirectory=package.subdirectory,
                )

    def _sources(self, source: SourceTree) -> Sources:
        """Return where a project on this machine says that what it is built with comes from."""
        if source.folder is None or source.project_file is None:
            return {}
        inside = relative_to(self._folder, source.folder)
        file = f"{source.folder}/pyproject.toml"
        own = parse_sources(
            source.project_file.decode("utf-8", "replace"), file=file, folder=inside
        )
        return {**self._settings.sources, **own}

    def _pins(self, package: SelectedPackage, build: Build, *, is_whole: bool) -> BuildPins:
        requires = {*build.requires, *build.extra_requires, *build.hook_requires}
        packages = tuple(self._package(package.name, each) for each in build.packages)
        raise_all(
            RequirementNotBuildable(package.name, each.name, each.version)
            for each in packages
            if each.is_built and not self._may_be_built(each)
        )
        return BuildPins(
            packages=packages,
            requires=tuple(sorted(requires)),
            is_whole=is_whole,
            extra_requires=build.extra_requires,
            hook_requires=build.hook_requires,
            strategy=build.strategy,
        )

    def _may_be_built(self, package: SelectedPackage) -> bool:
        is_member = isinstance(package.distribution, LocalTree) and package.name in self._members()
        return is_member or self._request.builds(package.name)

    def _package(self, built: str, pinned: PinnedPackage) -> SelectedPackage:
        match pinned.content:
            case PinnedCommit(url=url, commit=commit, subdirectory=subdirectory, lfs=lfs):
                return _selected(
                    pinned, Repository(url=url, commit=commit, lfs=lfs), subdirectory=subdirectory
                )
            case PinnedTree(path=path):
                return _selected(pinned, LocalTree(location=path, editable=False))
            case _:
                file = choose_file(pinned, self._interpreter.target)
                # What does not fit this machine has made the pins stale before.
                assert file is not None, built
                return _selected(pinned, _distribution(file), subdirectory=file.subdirectory)


def _selected(
    pinned: PinnedPackage,
    distribution: Wheel | Sdist | Repository | LocalTree,
    *,
    subdirectory: str = "",
) -> SelectedPackage:
    version = pinned.version
    if version is None and isinstance(distribution, Wheel):
        version = distribution.filename.split("-")[1]
    return SelectedPackage(
        name=pinned.name,
        version=version,
        source="registry",
        source_location="",
        subdirectory=subdirectory,
        distribution=distribution,
        requested=False,
    )


def _uneditable(package: SelectedPackage) -> SelectedPackage:
    match package.distribution:
        case LocalTree(location=location, editable=True):
            return replace(package, distribution=LocalTree(location=location, editable=False))
        case _:
            return package


def _distribution(file: PinnedFile) -> Wheel | Sdist:
    kind = Wheel if file.is_wheel else Sdist
    return kind(
        filename=file.filename,
        location=file.url or file.path or "",
        hash=file.hash,
        size=file.size,
    )


def read_build_lock(path: str) -> BuildLock:
    """Return the build lock at a path, an empty one where there is none.

    Raises:
        LockfileError: it is there and cannot be read, or does not hold together.
    """
    from envbuild.buildlock.parse import parse_build_lock

    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return BuildLock()
    return parse_build_lock(text, file=path)


def write_build_lock(path: str, found: BuildLock) -> bool:
    """Add what was found to the build lock at a path; return whether that changed it.

    It is read anew before, since another run may have added to it meanwhile.

    Raises:
        UnwritableBuildLock: the operating system refuses.
    """
    from envbuild.buildlock.render import render_build_lock

    if not found.builds:
        return False
    before = read_build_lock(path)
    after = merge(before, found)
    if after == before:
        return False
    draft = f"{path}.{os.getpid()}"
    try:
        with open(draft, "w", encoding="utf-8", newline="\n") as file:
            file.write(render_build_lock(after))
        os.replace(draft, path)
    except OSError as error:
        raise UnwritableBuildLock(path, error.strerror or str(error)) from error
    return True
