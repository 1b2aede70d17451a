from __future__ import annotations

from itertools import chain, combinations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker

from envbuild.lockfile.markers import InvalidMarker
from envbuild.selection.conditions import Judge, conjunction, disjunction, holds
from support.markers import EXTRA_MARKERS, EXTRAS, MARKERS, PLAIN_MARKERS
from support.targets import make_target

if TYPE_CHECKING:
    from envbuild.selection.conditions import Condition

TARGETS = [
    make_target("3.12.4"),
    make_target("3.9.0", "windows", "AMD64"),
    make_target("3.13.1", "macos", "arm64"),
]
SUBSETS = [
    frozenset(subset)
    for subset in chain.from_iterable(combinations(EXTRAS, size) for size in range(len(EXTRAS) + 1))
]


@given(PLAIN_MARKERS, st.sampled_from(TARGETS))
def test_without_extras_the_target_decides_as_packaging_does(text: str, target: object) -> None:
    markers = target.markers  # type: ignore[attr-defined]
    assert Judge(markers).condition(text) is Marker(text).evaluate(dict(markers))


@given(MARKERS, st.sampled_from(TARGETS), st.sampled_from(SUBSETS))
def test_what_is_left_holds_where_packaging_says_so(
    text: str, target: object, active: frozenset[str]
) -> None:
    markers = target.markers  # type: ignore[attr-defined]
    condition = Judge(markers).condition(text)
    assert holds(condition, active) is Marker(text).evaluate({**markers, "extra": active})


@given(EXTRA_MARKERS, EXTRA_MARKERS)
def test_conditions_are_equal_exactly_when_they_hold_together(left: str, right: str) -> None:
    judge = Judge(TARGETS[0].markers)
    one, other = judge.condition(left), judge.condition(right)
    alike = all(holds(one, active) == holds(other, active) for active in SUBSETS)
    assert (one == other) is alike


@given(EXTRA_MARKERS, EXTRA_MARKERS, st.sampled_from(SUBSETS))
def test_combinations_hold_when_both_or_either_do(
    left: str, right: str, active: frozenset[str]
) -> None:
    judge = Judge(TARGETS[0].markers)
    one, other = judge.condition(left), judge.condition(right)
    both, either = conjunction(one, other), disjunction(one, other)
    assert holds(both, active) is (holds(one, active) and holds(other, active))
    assert holds(either, active) is (holds(one, active) or holds(other, active))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("extra == 'b' or extra != 'b'", True),
        ("extra == 'b' and extra != 'b'", False),
        ("extra == 'b'", ("b", False, True)),
        ("extra != 'b'", ("b", True, False)),
        ("extra == 'b' and sys_platform == 'linux'", ("b", False, True)),
        ("extra == 'b' and sys_platform == 'win32'", False),
        ("extra == 'b' and extra == 'a'", ("a", False, ("b", False, True))),
        ("extra == 'b' or extra == 'a'", ("a", ("b", False, True), True)),
    ],
)
def test_a_condition_is_a_reduced_tree_over_sorted_names(text: str, expected: Condition) -> None:
    assert Judge(TARGETS[0].markers).condition(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python_full_version >= '3.15'", True),
        ("python_full_version < '3.15'", False),
        ("python_version == '3.15'", True),
        ("implementation_version >= '3.15'", False),
    ],
)
def test_a_pre_release_of_python_counts_as_its_release_and_of_nothing_else(
    text: str, expected: bool
) -> None:
    assert Judge(make_target("3.15.0rc1").markers).condition(text) is expected


@pytest.mark.parametrize(
    ("system", "release", "text", "expected"),
    [
        ("macos", "21.6.0", "platform_release >= '9'", True),
        ("macos", "21.6.0", "platform_release < '21.10'", True),
        ("macos", "odd", "platform_release >= '9'", False),
        ("macos", "odd", "platform_release != '9'", False),
        ("macos", "odd", "platform_release == 'odd'", True),
        ("macos", "21.6.0", "platform_release in '21.6.0 21.7'", True),
        ("macos", "21.6.0", "platform_release in '21.6'", False),
        ("macos", "21.6.0", "'21' in platform_release", True),
        ("linux", "21.6.0", "platform_release >= '9'", False),
        ("linux", "6.1.0-18-amd64", "platform_release == '6.1.0-18-amd64'", True),
        ("linux", "6.1.0-18-amd64", "'amd64' in platform_release", True),
        ("linux", "6.1.0-18-amd64", "platform_release > '6.1'", True),
        ("linux", "6.1.0-18-amd64", "platform_release <= '6.1'", False),
        ("linux", "6.1.0-18-amd64", "platform_release < '7'", True),
        ("linux", "6.1.0-18-amd64", "platform_release >= '7'", False),
    ],
)
def test_releases_of_the_kernel_are_versions_on_darwin_alone(
    system: str, release: str, text: str, expected: bool
) -> None:
    markers = {**make_target(system=system, machine="arm64").markers, "platform_release": release}
    assert Judge(markers).condition(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python_version in '3.9 3.12'", True),
        ("python_version not in '3.9 3.12'", False),
        ("python_version in '3.9'", False),
        ("platform_machine in 'x86_64 AMD64'", True),
        ("platform_machine not in 'x86_64 AMD64'", False),
        ("'64' not in platform_machine", False),
    ],
)
def test_membership_is_by_version_or_by_part(text: str, expected: bool) -> None:
    assert Judge(TARGETS[0].markers).condition(text) is expected


def test_several_markers_may_hold_when_any_does() -> None:
    judge = Judge(TARGETS[0].markers)
    undecided = "extra == 'a'"
    assert judge.may_hold(())
    assert judge.may_hold(("os_name == 'nt'", undecided))
    assert not judge.may_hold(("os_name == 'nt'", f"os_name == 'nt' and {undecided}"))
    assert judge.holds_plain(())
    assert not judge.holds_plain(("os_name == 'nt'", undecided))
    assert judge.holds_plain(("os_name == 'nt'", "extra != 'a'"))


def test_what_is_no_marker_is_refused() -> None:
    with pytest.raises(InvalidMarker):
        Judge(TARGETS[0].markers).condition("os_name")
