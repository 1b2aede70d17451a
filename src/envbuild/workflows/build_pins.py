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
from envbuild.buildlock.model import FILE_NAME, ArchiveSource, BuildLock, PinnedFile
from envbuild.buildlock.pin import pin
from envbuild.buildlock.strategy import Demand, request_resolution
from envbuild.errors import RealiseError
from envbuild.frozen import replace
from envbuild.realise.builder import BuildPins
from envbuild.selection.model import Sdist, SelectedPackage, Wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.buildlock.model import Build, PinnedPackage
    from envbuild.buildlock.pin import BuildRequirementResolver
    from envbuild.buildlock.runtime import Runtime
    from envbuild.buildlock.settings import BuildSettings
    from envbuild.target.model import Interpreter


class UnsupportedBuildRequirement(RealiseError):
    """Something that a package is built with, and that is neither a wheel nor a source archive."""

    def __init__(self, package: str, name: str) -> None:
        super().__init__(
            f"`{package}` is built with `{name}` from a repository or a local tree,"
            " which is not supported yet"
        )
        self.package = package
        self.name = name


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
        resolver: asked for what is not pinned, or not any more; without one, that is not known.
    """

    def __init__(
        self,
        lock: BuildLock,
        *,
        settings: BuildSettings,
        runtime: Runtime,
        interpreter: Interpreter,
        resolver: BuildRequirementResolver | None,
    ) -> None:
        self._lock = lock
        self._settings = settings
        self._runtime = runtime
        self._interpreter = interpreter
        self._resolver = resolver
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
        sha256: str,
        requires: tuple[str, ...],
        hook_requires: tuple[str, ...] | None,
    ) -> BuildPins:
        """Return what a package is built with; see `Pins`."""
        target = self._interpreter.target
        demand = Demand(
            name=package.name,
            version=package.version,
            source=ArchiveSource(
                hash=package.distribution.hash or f"sha256:{sha256}",
                subdirectory=package.subdirectory,
            ),
            operation="wheel",
            requires=requires,
            hook_requires=hook_requires or (),
            sources={},
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
        if self._resolver is None:
            return BuildPins(packages=(), requires=(), is_whole=False, reason=stale)
        previous = () if known is None else known.packages
        build = pin(
            demand,
            self._settings,
            self._runtime,
            self._interpreter,
            self._resolver,
            previous=previous,
        )
        if asked:
            # Before the backend was asked, the pins are those of half a question.
            with self._mutex:
                self._found[key] = build
        return self._pins(package, build, is_whole=asked)

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

    def _pins(self, package: SelectedPackage, build: Build, *, is_whole: bool) -> BuildPins:
        requires = {*build.requires, *build.extra_requires, *build.hook_requires}
        return BuildPins(
            packages=tuple(self._package(package.name, each) for each in build.packages),
            requires=tuple(sorted(requires)),
            is_whole=is_whole,
            extra_requires=build.extra_requires,
            hook_requires=build.hook_requires,
            strategy=build.strategy,
        )

    def _package(self, built: str, pinned: PinnedPackage) -> SelectedPackage:
        file = choose_file(pinned, self._interpreter.target)
        if file is None:
            raise UnsupportedBuildRequirement(built, pinned.name)
        return SelectedPackage(
            name=pinned.name,
            version=pinned.version or file.filename.split("-")[1],
            source="registry",
            source_location="",
            subdirectory=file.subdirectory,
            distribution=_distribution(file),
            requested=False,
        )


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
