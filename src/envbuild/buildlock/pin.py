"""Build requirements to pins, by way of a resolver.

A resolver knows the indexes: it says which version of which project, and which files there are of
it. Which of them may be used is decided here, by hashes, by the runtime lock and by the target; so
is whether the answer is what was asked for.
"""

from __future__ import annotations

from envbuild import canonical
from envbuild.buildlock.kind import kind_of
from envbuild.buildlock.model import (
    Build,
    PinnedCommit,
    PinnedFile,
    PinnedPackage,
    PinnedTree,
)
from envbuild.buildlock.strategy import request_resolution, unlocked
from envbuild.errors import ResolutionError, raise_all
from envbuild.frozen import frozen
from envbuild.lockfile.requirements import parse_requirement
from envbuild.selection.wheels import WheelChooser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Protocol

    from envbuild.buildlock.runtime import Locked, Runtime
    from envbuild.buildlock.settings import BuildSettings, Constraint
    from envbuild.buildlock.strategy import Demand, ResolutionRequest
    from envbuild.digest import Digest
    from envbuild.target.model import Interpreter, Target

    class BuildRequirementResolver(Protocol):
        """Finds versions for build requirements."""

        def resolve(self, request: ResolutionRequest, interpreter: Interpreter) -> Resolved:
            """Return the versions that meet a request.

            As many pins are kept as can be kept together, those with a rule before mere
            preferences, requirements that are asked for directly before others. The newest
            versions are taken of what is left, and a version with a wheel before one without.

            Args:
                request: what is asked for.
                interpreter: whose target it is asked for.

            Raises:
                CannotUseLocked: a pin with a rule cannot be kept.
                ResolutionError: nothing meets the requirements, or it cannot be found out.
            """
            ...


@frozen
class Candidate:
    """A version that a resolver has chosen, and what there is of it.

    Attributes:
        version: `None` where a tree or a commit computes it.
        wheels: that may fit the target.
        sdist: the source archive, where there is one and it may be built.
        place: the commit or tree that it is; then there are no files.
    """

    name: str
    version: str | None
    wheels: tuple[PinnedFile, ...] = ()
    sdist: PinnedFile | None = None
    place: PinnedCommit | PinnedTree | None = None


@frozen
class Resolved:
    """What a resolver found.

    Attributes:
        candidates: no name twice; everything that the requirements lead to.
        ignored: name and version of pins that could not be kept.
    """

    candidates: tuple[Candidate, ...]
    ignored: tuple[tuple[str, str | None], ...] = ()


class NoUsableFile(ResolutionError):
    """A version that was chosen, and no file of it that may be used.

    Attributes:
        package: what is to be built.
        name: of the build requirement.
        version: likewise.
        allowed: the hashes that constraints allow, `None` where they allow any.
        takes_wheels: whether a wheel may be taken.
    """

    def __init__(
        self,
        package: str,
        name: str,
        version: str | None,
        allowed: frozenset[str] | None,
        *,
        takes_wheels: bool,
    ) -> None:
        self.package = package
        self.name = name
        self.version = version
        self.allowed = allowed
        self.takes_wheels = takes_wheels
        what = "file of it" if takes_wheels else "source archive of it, which it must be built from"
        hashed = "" if allowed is None else ", of a hash that the build constraints allow,"
        super().__init__(
            f"building `{package}` needs `{name}` {version or ''}, and there is no {what}{hashed}"
            + (" that fits the target" if takes_wheels else "")
        )


def pin(
    demand: Demand,
    settings: BuildSettings,
    runtime: Runtime,
    interpreter: Interpreter,
    resolver: BuildRequirementResolver,
    *,
    previous: Iterable[PinnedPackage] = (),
) -> Build:
    """Return what `demand` is to be built with.

    Args:
        demand: what must be built, and what it asks for.
        settings: of the project.
        runtime: what the runtime lock holds.
        interpreter: that it is built for.
        resolver: is asked once.
        previous: packages to stay with where nothing speaks against it: those that the backend was
            asked with when what it returned is added, or those of a block that is out of date.

    Raises:
        ResolutionError: see `request_resolution`, `BuildRequirementResolver` and `settle`.
    """
    target = interpreter.target
    request = request_resolution(demand, settings, runtime, target, previous=previous)
    resolved = resolver.resolve(request, interpreter)
    return settle(demand, request, resolved, runtime, target)


def settle(
    demand: Demand,
    request: ResolutionRequest,
    resolved: Resolved,
    runtime: Runtime,
    target: Target,
) -> Build:
    """Return the pins that a resolver's answer comes to.

    Raises:
        CannotUseLocked: under `require-locked`, something was needed that the lock does not hold.
        NoUsableFile: a version has no file that is allowed and fits; `Problems` for several.
    """
    problems: list[ResolutionError] = []
    ignored = {name for name, _ in resolved.ignored}
    pins = {pin.locked.name: pin.locked for pin in request.pins}
    chooser = WheelChooser(target.tags)
    packages: list[PinnedPackage] = []
    for candidate in resolved.candidates:
        if request.only_locked and candidate.name not in pins:
            problems.append(unlocked(demand.name, candidate.name, "require-locked", runtime))
            continue
        allowed = _allowed_hashes(candidate.name, request.constraints)
        kept = pins.get(candidate.name) if candidate.name not in ignored else None
        takes_wheels = request.wheels.may_be_of(candidate.name)
        content = _content(candidate, kept, allowed, chooser if takes_wheels else None)
        if content is None:
            error = NoUsableFile(
                demand.name,
                candidate.name,
                candidate.version,
                allowed,
                takes_wheels=takes_wheels,
            )
            problems.append(error)
            continue
        # A tree's version is not pinned: it may change with every commit.
        version = None if isinstance(content, PinnedTree) else candidate.version
        packages.append(PinnedPackage(name=candidate.name, version=version, content=content))
    raise_all(problems)
    present = {package.name for package in packages}
    return Build(
        name=demand.name,
        version=demand.version,
        source=demand.source,
        target=kind_of(target),
        operation=demand.operation,
        strategy=request.strategy,
        constraints=constraints_digest(request.constraints, present),
        requires=demand.requires,
        extra_requires=request.extra_requires,
        hook_requires=demand.hook_requires,
        ignored=tuple(
            (name, version)
            for name, version in dict.fromkeys((*request.refused, *resolved.ignored))
            if name in present
        ),
        packages=tuple(packages),
    )


def constraints_digest(constraints: Iterable[Constraint], names: set[str]) -> Digest | None:
    """Return the digest of those constraints that concern `names`, `None` where none does."""
    concerned = sorted(
        [each.requirement, *sorted(each.hashes)] for each in constraints if _name_of(each) in names
    )
    return canonical.digest(concerned) if concerned else None


def _content(
    candidate: Candidate,
    kept: Locked | None,
    allowed: frozenset[str] | None,
    chooser: WheelChooser | None,
) -> tuple[PinnedFile, ...] | PinnedCommit | PinnedTree | None:
    """Return what is to be used of a candidate, `None` where there is nothing.

    Without a `chooser`, no wheel may be taken.
    """
    place = candidate.place
    wheels, sdist = candidate.wheels, candidate.sdist
    if kept is not None and isinstance(kept.place, PinnedCommit | PinnedTree):
        place = kept.place
    elif kept is not None and (kept.place or kept.files):
        # What is as in the runtime lock is what that lock has a hash for, whatever an index says.
        files = (kept.place,) if isinstance(kept.place, PinnedFile) else kept.files
        wheels = tuple(file for file in files if file.is_wheel) if wheels else ()
        sdist = next((file for file in files if not file.is_wheel), None) if sdist else None
    if place is not None:
        # A hash is about one file, and this is none.
        return place if allowed is None else None
    return _usable(wheels, sdist, allowed, chooser) or None


def _usable(
    wheels: Sequence[PinnedFile],
    sdist: PinnedFile | None,
    allowed: frozenset[str] | None,
    chooser: WheelChooser | None,
) -> tuple[PinnedFile, ...]:
    """Return the wheels that may be used and fit, or else the source archive."""
    fitting = tuple(
        wheel
        for wheel in wheels
        if chooser is not None
        and (allowed is None or wheel.hash in allowed)
        and chooser.choose([wheel.filename]) == 0
    )
    if fitting or sdist is None or (allowed is not None and sdist.hash not in allowed):
        return fitting
    return (sdist,)


def _allowed_hashes(name: str, constraints: Iterable[Constraint]) -> frozenset[str] | None:
    """Return the hashes that every constraint on a project allows, `None` where none has any."""
    lists = [
        frozenset(each.hashes) for each in constraints if each.hashes and _name_of(each) == name
    ]
    return frozenset.intersection(*lists) if lists else None


def _name_of(constraint: Constraint) -> str:
    return parse_requirement(constraint.requirement).name
