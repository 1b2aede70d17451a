"""From what must be built to what is asked of a resolver: the strategies for build requirements.

`latest` leaves every choice to the resolver. `prefer-locked` would have what the runtime lock has:
where that holds exactly one version of a project, and nothing speaks against it, that version is
taken. `require-locked` takes nothing else. `match-runtime` is the same for a single requirement.

Whether something speaks against a version is decided here as far as requirements and constraints
name the project; what follows from the requirements of other packages, only a resolver can tell.
"""

from __future__ import annotations

from envbuild.buildlock.model import PinnedTree, plain_requirements
from envbuild.buildlock.settings import ALL_WHEELS
from envbuild.errors import ResolutionError, raise_all
from envbuild.frozen import frozen
from envbuild.lockfile.names import normalise
from envbuild.lockfile.requirements import marker_holds, parse_requirement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Literal

    from envbuild.buildlock.model import Operation, PinnedPackage, Source, Strategy
    from envbuild.buildlock.runtime import Locked, Runtime
    from envbuild.buildlock.settings import (
        BuildSettings,
        Constraint,
        ExtraRequirement,
        Sources,
        Wheels,
    )
    from envbuild.lockfile.requirements import Requirement
    from envbuild.target.model import Target

    Rule = Literal["require-locked", "match-runtime", "workspace"]
    Obstacle = Literal["absent", "several", "conflict"]


class CannotUseLocked(ResolutionError):
    """A build requirement that must come out as the runtime lock has it, and cannot.

    Attributes:
        package: what is to be built.
        requirement: of it, or of what it is built with.
        rule: what demands it.
        obstacle: the lock does not hold the project, holds several versions, or holds one that
            cannot be used.
        versions: those that the lock holds.
        explanation: why it cannot be used, as far as more is known than the requirement.
    """

    def __init__(
        self,
        package: str,
        requirement: str,
        *,
        rule: Rule,
        obstacle: Obstacle,
        versions: Sequence[str],
        explanation: str = "",
    ) -> None:
        self.package = package
        self.requirement = requirement
        self.rule: Rule = rule
        self.obstacle: Obstacle = obstacle
        self.versions = tuple(versions)
        self.explanation = explanation
        super().__init__(self._describe(), hint=self._advise())

    def _describe(self) -> str:
        listed = ", ".join(self.versions)
        match self.obstacle:
            case "absent":
                found = "which the lock does not hold"
            case "several":
                found = f"which the lock holds more than once: {listed}"
            case "conflict":
                found = f"and what the lock holds, {listed}, cannot be used"
        end = f": {self.explanation}" if self.explanation else ""
        return f"`{self.rule}`: building `{self.package}` needs `{self.requirement}`, {found}{end}"

    def _advise(self) -> str | None:
        if self.rule != "require-locked":
            return None
        key = "tool.envbuild.build-dependency-strategy-package"
        return f'`{self.package} = "prefer-locked"` in `[{key}]` takes another version there'


@frozen
class Demand:
    """What must be built, and what it asks for.

    Attributes:
        version: `None` for a tree.
        requires: what the source distribution declares, or the default where it declares nothing.
        hook_requires: what its backend returned, empty before it was asked.
        sources: where its own project says that requirements come from.
    """

    name: str
    version: str | None
    source: Source
    operation: Operation
    requires: tuple[str, ...]
    hook_requires: tuple[str, ...] = ()
    sources: Sources


@frozen
class Pin:
    """A version that the runtime lock has of a project.

    Attributes:
        rule: what demands that no other is used, `None` where it is only preferred.
    """

    locked: Locked
    rule: Rule | None


@frozen
class Place:
    """Where a project is to be taken from, whatever its version: one of the two.

    Attributes:
        reference: a URL as PEP 508 has it, or a path relative to the lock's folder.
        index: name of an index of the project.
    """

    reference: str | None = None
    index: str | None = None


@frozen
class ResolutionRequest:
    """What is asked of a resolver, for one thing to build.

    Attributes:
        package: what is to be built, and `version`; for messages.
        strategy: by which the pins came about.
        requirements: whose markers hold, in the order declared, extra, hook-returned.
        extra_requires: those that the project adds, as they stand in a build lock.
        pins: by name, none twice; they count where the project turns up at all.
        refused: name and version of preferences that are known to be in conflict.
        constraints: that every package must meet; those whose markers hold.
        places: name to where the project is to be taken from; a pin's own place comes before.
        only_locked: whether every package must have a pin.
        wheels: of what a wheel may be taken.
        previous: packages to stay with where nothing speaks against it, less than pins do.
    """

    package: str
    version: str | None
    strategy: Strategy
    requirements: tuple[str, ...]
    extra_requires: tuple[str, ...] = ()
    pins: tuple[Pin, ...] = ()
    refused: tuple[tuple[str, str | None], ...] = ()
    constraints: tuple[Constraint, ...] = ()
    places: Mapping[str, Place]
    only_locked: bool = False
    wheels: Wheels = ALL_WHEELS
    previous: tuple[PinnedPackage, ...] = ()


def request_resolution(
    demand: Demand,
    settings: BuildSettings,
    runtime: Runtime,
    target: Target,
    *,
    previous: Iterable[PinnedPackage] = (),
) -> ResolutionRequest:
    """Return what is to be asked for `demand`.

    Args:
        demand: what must be built.
        settings: of the project.
        runtime: what the lock holds.
        target: what is built for.
        previous: see `ResolutionRequest`.

    Raises:
        CannotUseLocked: what must be as locked cannot be; `Problems` for several.
    """
    strategy = settings.strategy_for(demand.name)
    extra = settings.extra_requires.get(demand.name, ())
    declared = _that_hold((*demand.requires, *demand.hook_requires), target)
    added = _that_hold((item.requirement for item in extra), target)
    limits = _that_hold((item.requirement for item in settings.constraints), target)
    problems: list[CannotUseLocked] = []
    pins = dict(_matching(demand, extra, added, runtime, problems))
    if strategy != "latest":
        rule: Rule | None = "require-locked" if strategy == "require-locked" else None
        for name in runtime.names():
            locked = runtime.sole(name)
            if locked is not None and name not in pins:
                pins[name] = Pin(locked=locked, rule=rule)
    if strategy == "require-locked":
        told = {problem.requirement for problem in problems}
        for text, requirement in {**declared, **added}.items():
            if requirement.name not in pins and text not in told:
                problems.append(unlocked(demand.name, text, "require-locked", runtime))
    refused = tuple(_refused(demand, pins, {**declared, **added, **limits}, problems))
    places = dict(_places(demand, declared, demand.sources, runtime, target, problems))
    places |= _places(demand, added, settings.sources, runtime, target, problems)
    raise_all(problems)
    return ResolutionRequest(
        package=demand.name,
        version=demand.version,
        strategy=strategy,
        requirements=(*declared, *(text for text in added if text not in declared)),
        extra_requires=plain_requirements(
            _as_pinned(item.requirement, pins)
            if item.match_runtime and item.requirement in added
            else item.requirement
            for item in extra
        ),
        pins=tuple(pins[name] for name in sorted(pins)),
        refused=refused,
        constraints=tuple(each for each in settings.constraints if each.requirement in limits),
        places=places,
        only_locked=strategy == "require-locked",
        wheels=settings.wheels,
        previous=tuple(previous),
    )


def unlocked(package: str, requirement: str, rule: Rule, runtime: Runtime) -> CannotUseLocked:
    """Return the error for a requirement that what the lock holds of its project cannot serve."""
    name = parse_requirement(requirement).name
    versions = runtime.versions(name)
    obstacle: Obstacle = "absent"
    if versions:
        obstacle = "several" if runtime.sole(name) is None else "conflict"
    return CannotUseLocked(package, requirement, rule=rule, obstacle=obstacle, versions=versions)


def _that_hold(texts: Iterable[str], target: Target) -> dict[str, Requirement]:
    """Return the requirements whose markers hold, by their texts with single spaces."""
    environment = {**target.markers, "extra": ""}
    parsed = {text: parse_requirement(text) for text in (" ".join(text.split()) for text in texts)}
    return {
        text: requirement for text, requirement in parsed.items() if requirement.holds(environment)
    }


def _matching(
    demand: Demand,
    extra: tuple[ExtraRequirement, ...],
    added: Mapping[str, Requirement],
    runtime: Runtime,
    problems: list[CannotUseLocked],
) -> Iterator[tuple[str, Pin]]:
    for item in extra:
        if item.match_runtime and item.requirement in added:
            name = added[item.requirement].name
            locked = runtime.installed(name)
            if locked is None:
                problems.append(unlocked(demand.name, item.requirement, "match-runtime", runtime))
            else:
                yield name, Pin(locked=locked, rule="match-runtime")


def _refused(
    demand: Demand,
    pins: dict[str, Pin],
    limits: Mapping[str, Requirement],
    problems: list[CannotUseLocked],
) -> Iterator[tuple[str, str | None]]:
    """Take the pins that some limit excludes out of `pins`, and yield the mere preferences."""
    for text, limit in limits.items():
        name = limit.name
        pin = pins.get(name)
        if pin is None or _admits(limit, pin.locked):
            continue
        if pin.rule is None:
            del pins[name]
            yield name, pin.locked.version
        else:
            problems.append(
                CannotUseLocked(
                    demand.name,
                    text,
                    rule=pin.rule,
                    obstacle="conflict",
                    versions=(pin.locked.label,),
                )
            )


def _admits(limit: Requirement, locked: Locked) -> bool:
    if limit.url is not None:
        return locked.place is not None and limit.url == locked.place.reference
    if locked.version is None:
        return not limit.specifiers
    return limit.admits(locked.version)


def _places(
    demand: Demand,
    requirements: Mapping[str, Requirement],
    sources: Sources,
    runtime: Runtime,
    target: Target,
    problems: list[CannotUseLocked],
) -> Iterator[tuple[str, Place]]:
    environment = {**target.markers, "extra": ""}
    for text, requirement in requirements.items():
        name = requirement.name
        for source in sources.get(name, ()):
            if not marker_holds(source.marker, environment):
                continue
            locked = runtime.sole(name)
            if not source.is_member:
                yield name, Place(reference=source.reference, index=source.index)
            elif locked is None or not isinstance(locked.place, PinnedTree):
                problems.append(unlocked(demand.name, text, "workspace", runtime))
            else:
                yield name, Place(reference=locked.place.path)
            break


def _as_pinned(text: str, pins: Mapping[str, Pin]) -> str:
    """Return a requirement that matches the runtime with the version that it thereby asks for."""
    project, _, marker = (part.strip() for part in text.partition(";"))
    pin = pins.get(normalise(project.partition("[")[0].strip()))
    version = f"=={pin.locked.version}" if pin is not None and pin.locked.version else ""
    return f"{project}{version} ; {marker}" if marker else f"{project}{version}"
