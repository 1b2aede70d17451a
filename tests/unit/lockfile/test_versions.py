from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from envbuild.lockfile.versions import (
    OPERATORS,
    InvalidComparison,
    check_specifiers,
    clauses,
    compare,
    is_version,
    release_of,
    same_version,
    satisfies,
)

RELEASES = st.lists(st.integers(0, 13), min_size=1, max_size=4).map(
    lambda parts: ".".join(map(str, parts))
)
VERSIONS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", "", "1!"]),
        RELEASES,
        st.sampled_from(["", "", "", "a1", "b2", "rc3", ".rc1", "-alpha"]),
        st.sampled_from(["", "", "", ".post1", "-2"]),
        st.sampled_from(["", "", "", ".dev4"]),
        st.sampled_from(["", "", "", "+cpu", "+ubuntu.1"]),
    ),
)
BOUNDS = st.one_of(VERSIONS, RELEASES.map(lambda release: f"{release}.*"), st.text(max_size=4))


@given(VERSIONS | st.text(alphabet="0123456789.abrcpostdev+-_! ", max_size=10))
def test_what_is_a_version_is_as_packaging_says(text: str) -> None:
    try:
        Version(text)
    except InvalidVersion:
        assert not is_version(text)
    else:
        assert is_version(text)


@given(VERSIONS, VERSIONS)
def test_equality_of_versions_is_as_packaging_says(left: str, right: str) -> None:
    assert same_version(left, right) == (Version(left) == Version(right))


@given(VERSIONS, st.sampled_from(OPERATORS), BOUNDS)
def test_comparisons_are_as_packaging_says(version: str, operator: str, bound: str) -> None:
    try:
        expected = Specifier(operator + bound).contains(version, prereleases=True)
    except InvalidSpecifier:
        with pytest.raises(InvalidComparison):
            compare(version, operator, bound)
    else:
        assert compare(version, operator, bound) == expected


@pytest.mark.parametrize(
    ("specifiers", "version", "expected"),
    [
        ("", "3.12", True),
        (">=3.9", "3.9", True),
        (">=3.9", "3.8.18", False),
        (">=3.9, <4", "3.13.0", True),
        (">=3.10,<3.13", "3.13.0", False),
        ("==3.12.*", "3.12.4", True),
        ("!=3.12.*", "3.12.4", False),
        ("==3.12", "3.12.0", True),
        ("~=3.11", "3.12.1", True),
        ("~=3.11.2", "3.12.1", False),
        (">=3.13.0rc1", "3.13.0", True),
        (">=3.11,", "3.12", True),
        ("===3.12", "3.12", True),
    ],
)
def test_specifiers_are_met_when_each_clause_is(
    specifiers: str, version: str, expected: bool
) -> None:
    assert satisfies(version, specifiers) is expected
    assert SpecifierSet(specifiers).contains(version, prereleases=True) is expected


@pytest.mark.parametrize("specifiers", ["3.9", ">=", ">=x", "=3.9", ">=3.9 <4", ">3.*"])
def test_what_is_no_specifier_is_refused(specifiers: str) -> None:
    with pytest.raises(InvalidComparison):
        check_specifiers(specifiers)


def test_clauses_come_in_the_order_of_the_text() -> None:
    assert list(clauses(" >=3.9 , !=3.10.*,<4")) == [(">=", "3.9"), ("!=", "3.10.*"), ("<", "4")]


@pytest.mark.parametrize(
    ("version", "release"),
    [("3.12.4", "3.12.4"), ("3.15.0rc1", "3.15.0"), ("3.14.0a2.dev1", "3.14.0")],
)
def test_the_release_of_a_version_has_no_marks(version: str, release: str) -> None:
    assert release_of(version) == release
