"""`cache-keys` in all the forms that uv has."""

from __future__ import annotations

import tomllib

import pytest

from envbuild.errors import Problems
from envbuild.lockfile.tables import InvalidEntry
from envbuild.sources.cache_keys import (
    CacheKey,
    FileKey,
    FolderKey,
    GitKey,
    GlobKey,
    VariableKey,
    parse_cache_keys,
)


def parse(keys: str) -> tuple[CacheKey, ...] | None:
    document = tomllib.loads(f"[tool.uv]\ncache-keys = {keys}\n")
    return parse_cache_keys(document, file="pyproject.toml")


def glob(*patterns: str, folder: str = "") -> GlobKey:
    return GlobKey(patterns=patterns, folder=folder)


FORMS: dict[str, CacheKey] = {
    '"Cargo.lock"': FileKey(path="Cargo.lock"),
    '{ file = "Cargo.lock" }': FileKey(path="Cargo.lock"),
    '{ file = "../README.md" }': FileKey(path="../README.md"),
    '"**/*.rs"': glob("**/*.rs"),
    '"src/*.c"': glob("src/*.c"),
    '"a?"': glob("a?"),
    '"[ab]"': glob("[ab]"),
    '"*.{c,h}"': glob("*.c", "*.h"),
    '"{a,b/{c,d}}.x"': glob("a.x", "b/c.x", "b/d.x"),
    '"{a}"': glob("a"),
    '"{a"': glob("{a"),
    '"../common/**/*.c"': glob("common/**/*.c", folder="../"),
    '"./../../*.c"': glob("*.c", folder="./../../"),
    '{ dir = "src" }': FolderKey(path="src"),
    "{ git = true }": GitKey(commit=True, tags=False),
    "{ git = false }": GitKey(commit=False, tags=False),
    "{ git = { commit = true } }": GitKey(commit=True, tags=False),
    "{ git = { tags = true } }": GitKey(commit=False, tags=True),
    "{ git = { commit = true, tags = true } }": GitKey(commit=True, tags=True),
    '{ env = "BUILD_MODE" }': VariableKey(name="BUILD_MODE"),
}


@pytest.mark.parametrize(("text", "key"), FORMS.items(), ids=FORMS)
def test_a_key_has_one_of_these_forms(text: str, key: CacheKey) -> None:
    assert parse(f"[{text}]") == (key,)


def test_keys_come_in_order() -> None:
    assert parse('["a", { env = "B" }, "c"]') == (
        FileKey(path="a"),
        VariableKey(name="B"),
        FileKey(path="c"),
    )


def test_none_are_stated_or_an_empty_list_is() -> None:
    assert parse("[]") == ()
    for text in ("", "[tool]", "[tool.uv]\nmanaged = true", "[project]\nname = 'cache-keys'"):
        assert parse_cache_keys(tomllib.loads(text), file="x") is None


BROKEN = [
    "1", "true", '""', "[]", "{}", '{ file = "" }', "{ file = 1 }", '{ file = "a", env = "b" }',
    '{ dir = "" }', '{ env = "" }', '{ env = "A\\u0000" }', "{ git = 1 }",
    "{ git = { commit = 1 } }", "{ git = { branch = true } }", '{ other = "x" }',
]  # fmt: skip


@pytest.mark.parametrize("text", BROKEN)
def test_other_forms_are_faults(text: str) -> None:
    with pytest.raises(InvalidEntry) as caught:
        parse(f'["a", {text}]')
    assert caught.value.place == "tool.uv.cache-keys[1]"
    assert caught.value.reason == "must be a path or a table of `file`, `dir`, `git` or `env`"


def test_all_faults_are_told() -> None:
    with pytest.raises(Problems) as caught:
        parse('[1, "a", 2]')
    assert len(caught.value.errors) == 2
    with pytest.raises(InvalidEntry, match="must be an array"):
        parse('"a"')


def test_alternatives_without_end_are_a_fault() -> None:
    with pytest.raises(InvalidEntry, match="has more than 1000 alternatives"):
        parse(f'["{"{a,b}" * 20}"]')
