"""The search for the best answer to a request, over a solver that only knows hard constraints.

A preference that cannot be kept must not cost the others, so each is tried for itself once it is
known that not all can be kept. What comes out is maximal: no preference that was given up could be
added to those that were kept. Source archives are given up likewise, one by one, until none is left
that a wheel of some version could stand for.

Nearly always the first question is the only one.
"""

from __future__ import annotations

from envbuild.buildlock.pin import Resolved
from envbuild.buildlock.strategy import CannotUseLocked
from envbuild.errors import ResolutionError, raise_all
from envbuild.frozen import frozen
from envbuild.lockfile.names import normalise
from envbuild.lockfile.versions import same_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from envbuild.buildlock.pin import Candidate
    from envbuild.buildlock.settings import Wheels
    from envbuild.buildlock.strategy import Pin, ResolutionRequest

    class Solver(Protocol):
        """Answers one question: what meets the requirements, exactly these pins, these limits?"""

        def __call__(
            self, pins: tuple[Pin, ...], *, only_wheels: frozenset[str] | None
        ) -> tuple[Candidate, ...] | Unsolvable:
            """Return an answer, or that there is none.

            Args:
                pins: that must hold where their projects turn up.
                only_wheels: the projects of which only wheels will do; `None` for all of them but
                    those of which none may be taken.
            """
            ...


@frozen
class Unsolvable:
    """There is no answer; `explanation` is the solver's, in sentences."""

    explanation: str


class Unresolvable(ResolutionError):
    """Build requirements that no versions meet.

    Attributes:
        package: what is to be built.
        requirements: of it.
        explanation: the solver's, in sentences.
    """

    def __init__(
        self, package: str, version: str | None, requirements: Iterable[str], explanation: str
    ) -> None:
        self.package = package
        self.version = version
        self.requirements = tuple(requirements)
        self.explanation = explanation
        named = f"`{package}` {version}" if version else f"`{package}`"
        listed = ", ".join(f"`{text}`" for text in self.requirements)
        super().__init__(f"what {named} is built with cannot be resolved ({listed}): {explanation}")


def search(request: ResolutionRequest, solve: Solver) -> Resolved:
    """Return the best answer to a request, as `BuildRequirementResolver` has it.

    Raises:
        Unresolvable: there is none, whatever pins are given up.
        CannotUseLocked: there is none with every pin that has a rule; `Problems` for several.
    """
    if request.wheels.any:
        found = solve(request.pins, only_wheels=None)
        if not isinstance(found, Unsolvable):
            return Resolved(candidates=found)
    found = solve(request.pins, only_wheels=frozenset())
    given_up: list[tuple[Pin, str]] = []
    if isinstance(found, Unsolvable):
        found, given_up = _with_most_pins(request, found, solve)
    raise_all(_broken_rules(request, given_up))
    names = {pin.locked.name for pin, _ in given_up}
    kept = tuple(pin for pin in request.pins if pin.locked.name not in names)
    return Resolved(
        candidates=_with_fewest_sdists(found, kept, request.wheels, solve),
        ignored=tuple((pin.locked.name, pin.locked.version) for pin, _ in given_up),
    )


def _with_most_pins(
    request: ResolutionRequest, failure: Unsolvable, solve: Solver
) -> tuple[tuple[Candidate, ...], list[tuple[Pin, str]]]:
    """Return an answer, and the pins that it does without, each with the explanation for that."""
    found = solve((), only_wheels=frozenset()) if request.pins else failure
    if isinstance(found, Unsolvable):
        raise Unresolvable(
            request.package, request.version, request.requirements, found.explanation
        )
    waiting = _in_order(request)
    kept: list[Pin] = []
    given_up: list[tuple[Pin, str]] = []
    while True:
        # A pin of a project that does not turn up is kept by every answer.
        versions = {candidate.name: candidate for candidate in found}
        pin = next((each for each in waiting if each.locked.name in versions), None)
        if pin is None:
            return found, given_up
        waiting.remove(pin)
        if not _is_met(pin, versions[pin.locked.name]):
            trial = solve((*kept, pin), only_wheels=frozenset())
            if isinstance(trial, Unsolvable):
                given_up.append((pin, trial.explanation))
                continue
            found = trial
        kept.append(pin)


def _in_order(request: ResolutionRequest) -> list[Pin]:
    """Return the pins in the order in which they may claim to be kept."""
    from packaging.requirements import Requirement

    direct = {normalise(Requirement(text).name) for text in request.requirements}
    return sorted(
        request.pins,
        key=lambda pin: (pin.rule is None, pin.locked.name not in direct, pin.locked.name),
    )


def _is_met(pin: Pin, candidate: Candidate) -> bool:
    """Tell whether an answer that was not asked for a pin keeps it anyway."""
    locked = pin.locked
    if locked.place is not None or locked.version is None or candidate.version is None:
        return False
    return same_version(locked.version, candidate.version)


def _broken_rules(
    request: ResolutionRequest, given_up: Iterable[tuple[Pin, str]]
) -> Iterable[CannotUseLocked]:
    for pin, explanation in given_up:
        if pin.rule is not None:
            yield CannotUseLocked(
                request.package,
                pin.locked.name,
                rule=pin.rule,
                obstacle="conflict",
                versions=(pin.locked.label,),
                explanation=explanation,
            )


def _with_fewest_sdists(
    found: tuple[Candidate, ...], pins: tuple[Pin, ...], wheels: Wheels, solve: Solver
) -> tuple[Candidate, ...]:
    """Return an answer in which no source archive could be spared."""
    only_wheels: frozenset[str] = frozenset()
    tried: set[str] = set()
    while True:
        sdists = sorted(
            each.name
            for each in found
            if each.sdist is not None and not each.wheels and wheels.may_be_of(each.name)
        )
        name = next((name for name in sdists if name not in tried), None)
        if name is None:
            return found
        tried.add(name)
        trial = solve(pins, only_wheels=only_wheels | {name})
        if not isinstance(trial, Unsolvable):
            found, only_wheels = trial, only_wheels | {name}
