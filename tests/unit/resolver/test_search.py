"""The search, over a solver that tries everything."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.buildlock.pin import Candidate, Resolved
from envbuild.buildlock.runtime import Locked
from envbuild.buildlock.settings import ALL_WHEELS, Wheels
from envbuild.buildlock.strategy import CannotUseLocked, Pin, ResolutionRequest
from envbuild.errors import Problems
from envbuild.frozen import frozen
from envbuild.resolver.search import Unresolvable, Unsolvable, search
from support.build_locks import sdist, wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envbuild.buildlock.strategy import Rule

    Index = Mapping[str, Mapping[int, "Release"]]
    Needs = Mapping[str, frozenset[int]]


@frozen
class Release:
    """A version of a project: which versions of others it needs, and whether it has a wheel."""

    needs: Needs
    has_wheel: bool


class Everything:
    """A solver that looks at every assignment, the newest versions of the first names first."""

    def __init__(self, index: Index, needs: Needs) -> None:
        self.index = index
        self.needs = needs
        self.questions = 0

    def __call__(
        self, pins: tuple[Pin, ...], *, only_wheels: frozenset[str] | None
    ) -> tuple[Candidate, ...] | Unsolvable:
        self.questions += 1
        pinned = {pin.locked.name: int(pin.locked.version or 0) for pin in pins}
        for versions in self._assignments():
            needed = self._needed(versions)
            if needed is None or any(
                pinned.get(name, versions[name]) != versions[name] for name in needed
            ):
                continue
            releases = {name: self.index[name][versions[name]] for name in needed}
            if all(
                release.has_wheel or (only_wheels is not None and name not in only_wheels)
                for name, release in releases.items()
            ):
                return tuple(
                    candidate(name, versions[name], has_wheel=release.has_wheel)
                    for name, release in sorted(releases.items())
                )
        return Unsolvable(explanation="tried everything")

    def _assignments(self) -> Iterator[dict[str, int]]:
        names = sorted(self.index)
        for versions in itertools.product(*(sorted(self.index[name])[::-1] for name in names)):
            yield dict(zip(names, versions, strict=True))

    def _needed(self, versions: Mapping[str, int]) -> set[str] | None:
        """Return the names that `versions` come to, `None` where they do not hold together."""
        needed: set[str] = set()
        waiting = [self.needs]
        while waiting:
            for name, allowed in waiting.pop().items():
                if versions[name] not in allowed:
                    return None
                if name not in needed:
                    needed.add(name)
                    waiting.append(self.index[name][versions[name]].needs)
        return needed


def candidate(name: str, version: int, *, has_wheel: bool = True) -> Candidate:
    return Candidate(
        name=name,
        version=str(version),
        wheels=(wheel(name, str(version)),) if has_wheel else (),
        sdist=sdist(name, str(version)),
    )


def pin(name: str, version: int, rule: Rule | None = None) -> Pin:
    return Pin(locked=Locked(name=name, version=str(version)), rule=rule)


def request(
    *pins: Pin, requires: tuple[str, ...] = (), wheels: Wheels = ALL_WHEELS
) -> ResolutionRequest:
    return ResolutionRequest(
        package="demo",
        version="1.0",
        strategy="prefer-locked",
        requirements=requires,
        pins=pins,
        places={},
        wheels=wheels,
    )


NAMES = ("a", "b", "c", "d")
VERSIONS = (1, 2, 3)
NEEDS = st.dictionaries(
    st.sampled_from(NAMES), st.frozensets(st.sampled_from(VERSIONS), min_size=1), max_size=2
)
INDEXES = st.fixed_dictionaries(
    {
        name: st.fixed_dictionaries(
            {
                version: st.builds(
                    Release, needs=NEEDS, has_wheel=st.sampled_from([True, True, False])
                )
                for version in VERSIONS
            }
        )
        for name in NAMES
    }
)
PINS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VERSIONS)).map(
    lambda pins: tuple(pin(name, version) for name, version in sorted(pins.items()))
)


@given(INDEXES, NEEDS, PINS)
def test_no_preference_that_was_given_up_could_have_been_kept(
    index: Index, needs: Needs, pins: tuple[Pin, ...]
) -> None:
    solve = Everything(index, needs)
    asked = request(*pins, requires=tuple(needs))
    try:
        resolved = search(asked, solve)
    except Unresolvable:
        assert isinstance(solve((), only_wheels=frozenset()), Unsolvable)
        return
    given_up = {name for name, _ in resolved.ignored}
    kept = tuple(each for each in pins if each.locked.name not in given_up)
    versions = {each.name: each.version for each in resolved.candidates}
    assert all(
        versions.get(each.locked.name, each.locked.version) == each.locked.version for each in kept
    )
    for each in pins:
        if each.locked.name in given_up:
            assert isinstance(solve((*kept, each), only_wheels=frozenset()), Unsolvable)


@given(INDEXES, NEEDS, PINS)
def test_there_is_no_source_archive_where_wheels_would_do(
    index: Index, needs: Needs, pins: tuple[Pin, ...]
) -> None:
    solve = Everything(index, needs)
    try:
        resolved = search(request(*pins, requires=tuple(needs)), solve)
    except Unresolvable:
        return
    given_up = {name for name, _ in resolved.ignored}
    kept = tuple(each for each in pins if each.locked.name not in given_up)
    if not isinstance(solve(kept, only_wheels=None), Unsolvable):
        assert all(each.wheels for each in resolved.candidates)


def release(has_wheel: bool = True, **needs: set[int]) -> Release:
    return Release(
        needs={name: frozenset(each) for name, each in needs.items()}, has_wheel=has_wheel
    )


PLAIN = {name: {version: release() for version in VERSIONS} for name in NAMES}
ANY = frozenset(VERSIONS)


def test_the_first_question_is_the_only_one_where_all_preferences_can_be_kept() -> None:
    solve = Everything(PLAIN, {"a": ANY, "b": ANY})
    resolved = search(request(pin("a", 1), pin("b", 2), pin("c", 1)), solve)
    assert resolved.candidates == (candidate("a", 1), candidate("b", 2))
    assert resolved.ignored == ()
    assert solve.questions == 1


def test_only_the_preference_that_conflicts_is_given_up() -> None:
    index = {**PLAIN, "a": {version: release(b={3}) for version in VERSIONS}}
    resolved = search(
        request(pin("a", 1), pin("b", 1), pin("c", 1), requires=("a", "c")),
        Everything(index, {"a": ANY, "c": ANY}),
    )
    assert resolved.candidates == (candidate("a", 1), candidate("b", 3), candidate("c", 1))
    assert resolved.ignored == (("b", "1"),)


def test_another_version_of_a_project_goes_down_for_the_sake_of_a_preference() -> None:
    index = {**PLAIN, "a": {1: release(b={1}), 2: release(b={2}), 3: release(b={3})}}
    resolved = search(
        request(pin("b", 1), pin("c", 1), requires=("a", "c")),
        Everything(index, {"a": ANY, "c": frozenset({2})}),
    )
    assert resolved.candidates == (candidate("a", 1), candidate("b", 1), candidate("c", 2))
    assert resolved.ignored == (("c", "1"),)


def test_what_is_asked_for_directly_is_kept_before_what_it_brings_along() -> None:
    # Both cannot be: the version of `z` that is locked needs another `a` than the one locked.
    index = {"z": {1: release(a={2}), 2: release(a={1})}, "a": {1: release(), 2: release()}}
    resolved = search(
        request(pin("a", 1), pin("z", 1), requires=("z",)),
        Everything(index, {"z": frozenset({1, 2})}),
    )
    assert resolved.ignored == (("a", "1"),)


def test_a_rule_is_kept_before_a_preference() -> None:
    index = {"z": {1: release(a={2}), 2: release(a={1})}, "a": {1: release(), 2: release()}}
    resolved = search(
        request(pin("a", 1, "match-runtime"), pin("z", 1), requires=("z",)),
        Everything(index, {"z": frozenset({1, 2})}),
    )
    assert resolved.ignored == (("z", "1"),)


def test_a_rule_that_cannot_be_kept_is_an_error_with_the_explanation() -> None:
    index = {**PLAIN, "a": {version: release(b={3}) for version in VERSIONS}}
    asked = request(pin("a", 1, "require-locked"), pin("b", 1, "require-locked"), requires=("a",))
    with pytest.raises(CannotUseLocked) as caught:
        search(asked, Everything(index, {"a": ANY}))
    assert (caught.value.requirement, caught.value.obstacle) == ("b", "conflict")
    assert caught.value.explanation == "tried everything"


def test_every_rule_that_cannot_be_kept_is_told() -> None:
    index = {**PLAIN, "a": {version: release(b={3}, c={3}) for version in VERSIONS}}
    asked = request(*(pin(name, 1, "require-locked") for name in "abc"), requires=("a",))
    with pytest.raises(Problems) as caught:
        search(asked, Everything(index, {"a": ANY}))
    assert len(caught.value.errors) == 2


def test_an_older_wheel_is_taken_before_a_newer_source_archive() -> None:
    index = {**PLAIN, "a": {1: release(), 2: release(), 3: release(has_wheel=False)}}
    solve = Everything(index, {"a": ANY})
    assert search(request(), solve).candidates == (candidate("a", 2),)
    assert solve.questions == 1


def test_one_project_without_wheels_does_not_let_others_come_as_source_archives() -> None:
    index = {
        **PLAIN,
        "a": {version: release(has_wheel=False) for version in VERSIONS},
        "b": {1: release(), 2: release(), 3: release(has_wheel=False)},
    }
    resolved = search(request(requires=("a", "b")), Everything(index, {"a": ANY, "b": ANY}))
    assert resolved.candidates == (candidate("a", 3, has_wheel=False), candidate("b", 2))


def test_a_preference_goes_before_a_wheel() -> None:
    index = {**PLAIN, "a": {1: release(has_wheel=False), 2: release(), 3: release()}}
    resolved = search(request(pin("a", 1), requires=("a",)), Everything(index, {"a": ANY}))
    assert resolved.candidates == (candidate("a", 1, has_wheel=False),)
    assert resolved.ignored == ()


def test_what_nothing_meets_is_told_with_what_asked_for_it() -> None:
    index = {**PLAIN, "a": {version: release(b={3}) for version in VERSIONS}}
    with pytest.raises(Unresolvable) as caught:
        search(
            request(pin("c", 1), requires=("a", "b<3")),
            Everything(index, {"a": ANY, "b": frozenset({1})}),
        )
    assert caught.value.message == (
        "what `demo` 1.0 is built with cannot be resolved (`a`, `b<3`): tried everything"
    )


def chosen(resolved: Resolved) -> dict[str, str | None]:
    return {each.name: each.version for each in resolved.candidates}


def test_no_wheel_is_looked_for_of_what_must_be_built() -> None:
    index = {
        **PLAIN,
        "a": {1: release(), 2: release(has_wheel=False)},
        "b": {1: release(), 2: release(has_wheel=False)},
    }
    solve = Everything(index, {"a": ANY, "b": ANY})
    wheels = Wheels(any=True, exceptions=frozenset({"a"}))
    resolved = search(request(requires=("a", "b"), wheels=wheels), solve)
    # The solver of these tests knows nothing of exceptions to its first question.
    assert chosen(resolved) == {"a": "1", "b": "1"}
    solve = Everything(index, {"a": frozenset({2}), "b": ANY})
    resolved = search(request(requires=("a", "b"), wheels=wheels), solve)
    assert chosen(resolved) == {"a": "2", "b": "1"}
    solve = Everything(index, {"a": ANY, "b": ANY})
    resolved = search(request(requires=("a", "b"), wheels=Wheels(any=False)), solve)
    assert (chosen(resolved), solve.questions) == ({"a": "2", "b": "2"}, 1)
