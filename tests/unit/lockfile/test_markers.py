from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import InvalidMarker as PackagingInvalidMarker
from packaging.markers import Marker

from envbuild.lockfile.markers import InvalidMarker, parse_marker
from support.markers import MARKERS


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("sys_platform == 'linux'", ("sys_platform", "==", "linux")),
        ('sys_platform=="linux"', ("sys_platform", "==", "linux")),
        ("'linux' == sys_platform", ("sys_platform", "==", "linux")),
        ("'3.9' <= python_version", ("python_version", ">=", "3.9")),
        ("'4' > python_version", ("python_version", "<", "4")),
        ("'lin' in sys_platform", ("sys_platform", "contains", "lin")),
        ("'lin' not in sys_platform", ("sys_platform", "not contains", "lin")),
        ("platform_machine in 'x86_64 AMD64'", ("platform_machine", "in", "x86_64 AMD64")),
        ("os_name not  in 'nt'", ("os_name", "not in", "nt")),
        ("python_version in '3.9 3.10'", ("python_version", "in", "3.9 3.10")),
        ("extra == 'Fast_One'", ("extra", "==", "fast-one")),
        ("extra != 'a'", ("extra", "!=", "a")),
        ("sys.platform == 'win32'", ("sys_platform", "==", "win32")),
        ('platform_version == "it\'s"', ("platform_version", "==", "it's")),
        ("os_name == ''", ("os_name", "==", "")),
        (
            "os_name == 'a' and os_name == 'b' or os_name == 'c'",
            (
                "or",
                (("and", (("os_name", "==", "a"), ("os_name", "==", "b"))), ("os_name", "==", "c")),
            ),
        ),
        (
            "os_name == 'a' and (os_name == 'b' or os_name == 'c')",
            (
                "and",
                (("os_name", "==", "a"), ("or", (("os_name", "==", "b"), ("os_name", "==", "c")))),
            ),
        ),
        ("((os_name == 'a'))", ("os_name", "==", "a")),
        ("python_full_version == '3.14.*'", ("python_full_version", "==", "3.14.*")),
        ("python_full_version ~= '3.14.1'", ("python_full_version", "~=", "3.14.1")),
    ],
)
def test_a_marker_becomes_a_tree(text: str, tree: object) -> None:
    assert parse_marker(text) == tree


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it ends in the middle"),
        ("os_name", "it ends in the middle"),
        ("os_name ==", "it ends in the middle"),
        ("os_name == 'a", "never closed"),
        ("(os_name == 'a'", "a parenthesis is never closed"),
        ("os_name == 'a')", "`)` follows after the end"),
        ("os_name == 'a' os_name == 'b'", "`os_name` follows after the end"),
        ("os_name == 'a' and", "it ends in the middle"),
        ("os_name == 'a' nor os_name == 'b'", "`nor` follows after the end"),
        ("'a' == 'b'", "must stand between a variable and a quoted value"),
        ("os_name == sys_platform", "must stand between a variable and a quoted value"),
        ("colour == 'red'", "`colour` is not a marker variable"),
        ("extras == 'a'", "`extras` is not a marker variable"),
        ("os_name ~= 'a'", "cannot be compared by `~=`"),
        ("os_name === 'a'", "cannot be compared by `===`"),
        ("os_name is 'a'", "cannot be compared by `is`"),
        ("'a' ~= os_name", "`~=` cannot stand between"),
        ("extra > 'a'", "`extra` cannot be compared by `>`"),
        ("extra == '-'", "`-` is not the name of an extra"),
        ("python_version >= 'three'", "`>=three` is not a version specifier"),
        ("python_version > '3.*'", "`>3.*` is not a version specifier"),
        ("python_version in '3.9 x'", "`x` is not a version"),
        ("python_version === '3'", "cannot be compared by `===`"),
        ("os_name == 'a' ; b", "`;` at column 16 has no meaning"),
        ("(" * 101 + "os_name == 'a'" + ")" * 101, "it nests more than 100 parentheses"),
    ],
)
def test_what_is_no_marker_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(
        InvalidMarker, match=reason.replace("(", r"\(").replace("*", r"\*").replace(")", r"\)")
    ):
        parse_marker(text)


def test_parentheses_may_be_nested() -> None:
    text = "(" * 100 + "os_name == 'a'" + ")" * 100
    assert parse_marker(text) == ("os_name", "==", "a")


@given(MARKERS)
def test_every_marker_of_the_standard_is_read(text: str) -> None:
    parse_marker(text)


@given(st.text(alphabet="os_namextr '\"()=<>! andor3.", max_size=40))
def test_a_text_that_packaging_refuses_is_refused(text: str) -> None:
    try:
        Marker(text)
    except PackagingInvalidMarker:
        with pytest.raises(InvalidMarker):
            parse_marker(text)
