from __future__ import annotations

import pytest

from envbuild.lockfile.parse import UnsupportedLockVersion
from envbuild.lockfile.pylock import is_pylock_name, parse_pylock
from envbuild.lockfile.tables import InvalidEntry
from envbuild.lockfile.toml import NotToml

HEAD = 'lock-version = "1.0"\ncreated-by = "test"\n'


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("pylock.toml", True),
        ("pylock.dev.toml", True),
        ("pylock.a.b.toml", False),
        ("pylock..toml", False),
        ("pylock", False),
        ("mypylock.toml", False),
        ("uv.lock", False),
        ("pyproject.toml", False),
    ],
)
def test_pylock_files_are_known_by_their_names(filename: str, expected: bool) -> None:
    assert is_pylock_name(filename) is expected


def test_a_pylock_is_read() -> None:
    lock = parse_pylock(HEAD + "packages = []\n", file="pylock.toml")
    assert lock.packages == []


def test_another_version_is_refused_by_its_number() -> None:
    with pytest.raises(UnsupportedLockVersion) as caught:
        parse_pylock('lock-version = "2.0"\ncreated-by = "x"\npackages = []\n', file="pylock.toml")
    assert caught.value.version == "2.0"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("packages = []\n", "lock-version"),
        (HEAD, "packages"),
        (HEAD + "packages = [{ name = 'A' }]\n", "packages[0].name"),
        (
            HEAD + "packages = [{ name = 'a', version = 'x' }]\n",
            "packages[0].version",
        ),
        (
            HEAD + "packages = [{ name = 'a', archive = { url = 'https://x.example/a.whl' } }]\n",
            "packages[0].archive.hashes",
        ),
        (
            HEAD + "packages = [{ name = 'a', directory = { path = '.' } }, { name = 'b', vcs ="
            " { type = 'git', url = 'https://g.example/b', commit-id = 'main' } }]\n",
            "packages[1].vcs.commit-id",
        ),
    ],
)
def test_a_fault_is_named_by_its_place(text: str, place: str) -> None:
    with pytest.raises(InvalidEntry) as caught:
        parse_pylock(text, file="pylock.toml")
    assert caught.value.place == place


def test_what_is_not_toml_is_told_as_such() -> None:
    with pytest.raises(NotToml):
        parse_pylock("packages = [", file="pylock.toml")
