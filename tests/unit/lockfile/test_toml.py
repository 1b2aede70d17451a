from __future__ import annotations

import sys

import pytest

from envbuild.lockfile.toml import NotToml, parse_toml

BROKEN = [
    ("a = 1\nb = = 2\n", 2, 5),
    ("a = [\n", 2, 1),
    ("a = 1\na = 2\n", 2, 6),
    ("", None, None),
]


@pytest.fixture(params=["tomli", "tomllib"])
def _reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "tomllib":
        monkeypatch.setitem(sys.modules, "tomli", None)


@pytest.mark.usefixtures("_reader")
@pytest.mark.parametrize(("text", "line", "column"), BROKEN)
def test_the_place_where_a_text_is_not_toml_is_told(
    text: str, line: int | None, column: int | None
) -> None:
    if line is None:
        assert parse_toml(text, file="uv.lock") == {}
        return
    with pytest.raises(NotToml) as caught:
        parse_toml(text, file="uv.lock")
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(f"`uv.lock` is not TOML: line {line}, column {column}: ")


@pytest.mark.usefixtures("_reader")
def test_what_nests_too_deeply_is_told_like_any_other_fault() -> None:
    with pytest.raises(NotToml, match=r": line 2, column 1: \w.+"):
        parse_toml("a = " + "[" * 50_000 + "]" * 50_000 + "\n", file="uv.lock")
