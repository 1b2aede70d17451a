from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from envbuild.target.release import (
    asks_for_prerelease,
    contains,
    contains_some_patch,
    is_specifier_set,
    parse_release,
    release_part,
)

numbers = st.integers(min_value=0, max_value=4)
releases = st.lists(numbers, min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
operators = st.sampled_from(["~=", "==", "!=", "<=", ">=", "<", ">"])
gaps = st.sampled_from(["", " "])


@st.composite
def clauses(draw: st.DrawFn) -> str:
    operator = draw(operators)
    version = draw(releases)
    if operator == "~=" and "." not in version:
        version += ".1"
    star = ".*" if operator in {"==", "!="} and draw(st.booleans()) else ""
    return f"{draw(gaps)}{operator}{draw(gaps)}{version}{star}{draw(gaps)}"


specifier_sets = st.lists(clauses(), max_size=3).map(",".join)
prereleases = st.sampled_from(["", "a1", "b2", "rc3", ".dev4", ".post1", "+local"])


@given(specifier_sets, releases)
def test_releases_are_compared_as_packaging_compares_them(specifiers: str, version: str) -> None:
    assert contains(specifiers, version) == SpecifierSet(specifiers).contains(version)


@given(specifier_sets, releases, prereleases, clauses(), prereleases)
def test_other_versions_are_left_to_packaging(
    specifiers: str, version: str, suffix: str, clause: str, clause_suffix: str
) -> None:
    text = f"{specifiers},{clause.strip()}{clause_suffix}"
    try:
        expected = SpecifierSet(text).contains(version + suffix, prereleases=True)
    except InvalidSpecifier:
        with pytest.raises(ValueError, match=r"[Ii]nvalid specifier"):
            contains(text, version + suffix)
    else:
        assert contains(text, version + suffix) == expected


@given(specifier_sets, st.tuples(numbers, numbers))
def test_some_patch_is_found_whenever_there_is_one(specifiers: str, minor: tuple[int, int]) -> None:
    there = any(
        SpecifierSet(specifiers).contains(f"{minor[0]}.{minor[1]}.{patch}") for patch in range(9)
    )
    assert contains_some_patch(specifiers, minor) == there


@given(st.one_of(specifier_sets, st.text(alphabet="=<>~!.*,0123rc ", max_size=12)))
def test_a_specifier_set_is_what_packaging_reads(text: str) -> None:
    try:
        expected = len(SpecifierSet(text)) > 0
    except InvalidSpecifier:
        expected = False
    assert is_specifier_set(text) == expected


@pytest.mark.parametrize(
    ("specifiers", "expected"),
    [
        ("", False),
        (">=3.10,<3.14", False),
        ("==3.12.*", False),
        (">=3.15.0rc1", True),
        (">=3.10,<3.15.0a1", True),
        ("==3.12.0.post1", False),
    ],
)
def test_a_prerelease_is_asked_for_by_naming_one(specifiers: str, expected: bool) -> None:
    assert asks_for_prerelease(specifiers) is expected


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("3.12.4", "3.12.4"),
        ("3.15.0rc1", "3.15.0"),
        ("3.15.0a1", "3.15.0"),
        ("3.15.dev0", "3.15"),
        ("3.12.4+local", "3.12.4"),
    ],
)
def test_the_release_part_ends_before_the_first_letter(version: str, release: str) -> None:
    assert release_part(version) == release


@pytest.mark.parametrize("text", ["", "3.", ".3", "3.x", "v3", "3.1.rc1", "³", "3 .1"])
def test_other_forms_are_no_release(text: str) -> None:
    assert parse_release(text) is None


def test_releases_are_compared_without_loading_packaging() -> None:
    program = (
        "import sys\n"
        "from envbuild.target.release import contains, contains_some_patch\n"
        "assert contains('>=3.10, <3.14, !=3.11.0', '3.12.1')\n"
        "assert contains_some_patch('==3.12.*', (3, 12))\n"
        "assert 'packaging' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
