"""Patterns of `.gitignore`, one by one. `test_listing` holds whole files of them against git."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.sources.ignore import parse_ignore_file, parse_pattern

if TYPE_CHECKING:
    from pathlib import Path

CASES: list[tuple[str, list[str], list[str]]] = [
    ("a", ["a", "x/a", "x/y/a"], ["b", "ab", "a/b"]),
    ("/a", ["a"], ["x/a"]),
    ("a/b", ["a/b"], ["b", "x/a/b"]),
    ("*.py", ["x.py", ".py", "d/x.py"], ["x.pyc", "x.py/y"]),
    ("a/*", ["a/b"], ["a/b/c", "a"]),
    ("a/**", ["a/b", "a/b/c"], ["a"]),
    ("**/a", ["a", "x/a", "x/y/a"], ["xa", "a/x"]),
    ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
    ("a**b", ["ab", "axb", "d/axb"], ["a/b"]),
    ("/a**b", ["ab", "axb"], ["d/ab", "a/b"]),
    ("x/a**/b", ["x/a/b", "x/ay/b", "x/a/y/b", "x/ab"], ["x/b", "x/a"]),
    ("**", ["a", "a/b"], []),
    ("?", ["a", "-", "x/a"], ["", "ab"]),
    ("a?/b", ["ax/b"], ["a//b", "a/b"]),
    ("[ab]", ["a", "b"], ["c", "ab"]),
    ("[!ab]", ["c"], ["a", "b"]),
    ("[^ab]", ["c"], ["a"]),
    ("[a-c]", ["a", "b", "c"], ["d", "-"]),
    ("[c-a]", ["c"], ["a", "b", "-"]),
    ("[!c-a]", ["a", "-"], ["c"]),
    ("[a-]", ["a", "-"], ["b"]),
    ("[]a]", ["]", "a"], ["[]a]"]),
    ("[!]a]", ["b"], ["]", "a"]),
    ("[[:digit:]x]", ["0", "9", "x"], ["a", ":"]),
    ("[[:nothing:]]", [], ["n", "[[:nothing:]]"]),
    ("[[:digit]", [":", "d", "["], ["0"]),
    ("[\\]]", ["]"], ["\\"]),
    ("[a\\-c]", ["a", "-", "c"], ["b"]),
    ("[a", [], ["a", "[a"]),
    ("x/[^a]", ["x/b"], ["x//", "x/a"]),
    ("\\*", ["*"], ["a"]),
    ("a\\", [], ["a", "a\\"]),
    ("\\#a", ["#a"], ["a"]),
    ("\\!a", ["!a"], ["a"]),
    ("#a", [], ["#a", "a"]),
    ("a ", ["a"], ["a "]),
    ("a\\ ", ["a "], ["a"]),
    ("a\\\\ ", ["a\\"], ["a\\ "]),
    ("a\\ b ", ["a b"], ["a b "]),
    ("a\t", ["a\t"], ["a"]),
    ("", [], ["", "a"]),
    ("/", [], ["a", ""]),
    ("a//", [], ["a"]),
    ("schön", ["schön"], ["schon"]),
    ("sch??n", ["schön"], ["schxn"]),
    (".*", [".a"], ["a"]),
    ("(a|b)+$", ["(a|b)+$"], ["a"]),
]


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"), CASES, ids=[repr(case[0]) for case in CASES]
)
def test_a_pattern_fits_what_it_fits_for_git(
    pattern: str, fits: list[str], does_not: list[str]
) -> None:
    rules = parse_ignore_file(pattern.encode())
    for path in fits:
        assert rules.ignores(path.encode(), is_folder=False) is True, path
    for path in does_not:
        assert rules.ignores(path.encode(), is_folder=False) is None, path


def real(path: str) -> bool:
    # Git reads a colon in front, and a backslash, in ways of its own.
    return (
        bool(path)
        and "//" not in path
        and path[0] != ":"
        and not path.endswith("/")
        and "\\" not in path
    )


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"), CASES, ids=[repr(case[0]) for case in CASES]
)
def test_git_agrees(pattern: str, fits: list[str], does_not: list[str], tmp_path: Path) -> None:
    subprocess.run(("git", "init", "--quiet", str(tmp_path)), check=True)
    (tmp_path / ".gitignore").write_bytes(pattern.encode())
    # Git takes the ignored folder above a path for a reason to ignore it; here it is one path.
    asked = [path for path in (*fits, *does_not) if real(path)]
    asked = [path for path in asked if not any(p in fits for p in parents(path))]
    told = subprocess.run(
        ("git", "check-ignore", "--no-index", "-z", "--stdin"),
        cwd=tmp_path,
        input="".join(f"{path}\0" for path in asked).encode(),
        capture_output=True,
        check=False,
    ).stdout.decode()
    assert set(told.split("\0")[:-1]) == {path for path in asked if path in fits}


def parents(path: str) -> list[str]:
    names = path.split("/")[:-1]
    return ["/".join(names[: number + 1]) for number in range(len(names))]


def test_a_pattern_that_ends_in_a_slash_is_for_folders() -> None:
    rules = parse_ignore_file(b"a/\nb/c/\n")
    assert rules.ignores(b"x/a", is_folder=True) is True
    assert rules.ignores(b"x/a", is_folder=False) is None
    assert rules.ignores(b"b/c", is_folder=True) is True
    assert rules.ignores(b"x/b/c", is_folder=True) is None


def test_the_last_rule_that_fits_decides() -> None:
    rules = parse_ignore_file(b"*\n!*.py\nsecret.py\n!keep/\n")
    assert rules.ignores(b"a", is_folder=False) is True
    assert rules.ignores(b"a.py", is_folder=False) is False
    assert rules.ignores(b"secret.py", is_folder=False) is True
    assert rules.ignores(b"keep", is_folder=True) is False
    assert rules.ignores(b"keep", is_folder=False) is True


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfa\r\nb\r\n", b"a\nb", b"\n\na\r\n#\n\nb\n\n"])
def test_lines_may_end_in_any_way(content: bytes) -> None:
    rules = parse_ignore_file(content)
    assert rules.ignores(b"a", is_folder=False) is True
    assert rules.ignores(b"b", is_folder=False) is True
    assert len(rules.rules) == 2


def test_a_single_pattern_has_no_comments_and_no_exceptions() -> None:
    assert parse_pattern("#a").ignores(b"#a", is_folder=False) is True
    assert parse_pattern("!a").ignores(b"!a", is_folder=False) is True
    assert parse_pattern("a ").ignores(b"a ", is_folder=False) is True
    assert parse_pattern("[").ignores(b"[", is_folder=False) is None


@given(st.binary(max_size=60), st.binary(max_size=20), st.booleans())
def test_no_content_is_an_error(content: bytes, path: bytes, is_folder: bool) -> None:
    parse_ignore_file(content).ignores(path, is_folder=is_folder)
