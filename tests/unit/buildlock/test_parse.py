from __future__ import annotations

import pytest

from envbuild.buildlock.model import BuildLock
from envbuild.buildlock.parse import parse_build_lock
from envbuild.errors import EnvbuildError, Problems
from envbuild.lockfile.parse import UnsupportedLockVersion
from envbuild.lockfile.tables import InvalidEntry
from envbuild.lockfile.toml import NotToml

HASH = "sha256:" + "5" * 64
HEAD = f"""
name = "demo"
source = {{ archive = "{HASH}" }}
target = "cpython-3.12-linux-x86_64-glibc"
operation = "wheel"
strategy = "latest"
"""


def lock(body: str, head: str = HEAD) -> str:
    return f"version = 1\n[[build]]\n{head}{body}"


def package(members: str) -> str:
    return lock(f"packages = [{{ {members} }}]")


def places(text: str) -> list[str]:
    """Return where a text is at fault."""
    with pytest.raises(EnvbuildError) as caught:
        parse_build_lock(text, file="envbuild.lock")
    error = caught.value
    errors = error.errors if isinstance(error, Problems) else (error,)
    assert all(isinstance(each, InvalidEntry) for each in errors)
    return [each.place for each in errors if isinstance(each, InvalidEntry)]


WHEEL = (
    f'name = "a", version = "1", url = "https://a.example/a-1-py3-none-any.whl", hash = "{HASH}"'
)

NEXT_WHEEL = WHEEL.replace('"1"', '"2"').replace("a-1", "a-2")
ARCHIVE = WHEEL.replace("a-1-py3-none-any.whl", "a-1.tar.gz")

FAULTS = {
    "no version": ("", ["version"]),
    "an unknown key": ("version = 1\nmore = 1", ["more"]),
    "an unknown key of a build": (lock("more = 1"), ["build[0].more"]),
    "nothing that a build needs": (
        lock("", head=""),
        [f"build[0].{key}" for key in ("name", "source", "target", "operation", "strategy")],
    ),
    "a source of no kind": (
        lock("", HEAD.replace("archive", "elsewhere")),
        ["build[0].source"],
    ),
    "a source of two kinds": (
        lock("", HEAD.replace("{ ", '{ directory = ".", ')),
        ["build[0].source"],
    ),
    "a source that is no table": (
        lock("", HEAD.replace(f'{{ archive = "{HASH}" }}', "3")),
        ["build[0].source"],
    ),
    "an unknown key of a source": (
        lock("", HEAD.replace("{ ", "{ more = 1, ")),
        ["build[0].source.more"],
    ),
    "a hash that proves little": (
        lock("", HEAD.replace(HASH, "md5:" + "5" * 32)),
        ["build[0].source.archive"],
    ),
    "a commit in short": (
        lock("", HEAD.replace(f'archive = "{HASH}"', 'commit = "abc"')),
        ["build[0].source.commit"],
    ),
    "a target of no form": (
        lock("", HEAD.replace("cpython-3.12-", "CPython ")),
        ["build[0].target"],
    ),
    "an unknown operation": (lock("", HEAD.replace("wheel", "sdist")), ["build[0].operation"]),
    "an unknown strategy": (lock("", HEAD.replace("latest", "oldest")), ["build[0].strategy"]),
    "no digest": (lock('constraints = "abc"'), ["build[0].constraints"]),
    "no requirement": (lock('requires = ["a", "!"]'), ["build[0].requires[1]"]),
    "no version of what is ignored": (
        lock('ignored = [{ name = "a", version = "x" }]'),
        ["build[0].ignored[0].version"],
    ),
    "a package of no kind": (package('name = "a"'), ["build[0].packages[0]"]),
    "a package of two kinds": (
        package('name = "a", directory = "x", git = "https://a.example"'),
        ["build[0].packages[0]"],
    ),
    "a file without a hash": (
        package('name = "a", version = "1", url = "https://a.example/a.zip"'),
        ["build[0].packages[0].hash"],
    ),
    "a file without a version": (
        package(f'name = "a", url = "https://a.example/a.zip", hash = "{HASH}"'),
        ["build[0].packages[0].version"],
    ),
    "a tree with a hash": (
        package(f'name = "a", directory = "x", hash = "{HASH}"'),
        ["build[0].packages[0].hash"],
    ),
    "a password": (
        package(WHEEL.replace("a.example", "me:secret@a.example")),
        ["build[0].packages[0].url"],
    ),
    "a token": (
        package(WHEEL.replace("a.example", "secret@a.example")),
        ["build[0].packages[0].url"],
    ),
    "a file of this machine": (
        package(WHEEL.replace("https://a.example", "file:///srv")),
        ["build[0].packages[0].url"],
    ),
    "an absolute path": (
        package('name = "a", directory = "/srv/a"'),
        ["build[0].packages[0].directory"],
    ),
    "a path of another system": (
        package(r'name = "a", directory = "..\\a"'),
        ["build[0].packages[0].directory"],
    ),
    "a path with a drive": (
        package('name = "a", directory = "c:/a"'),
        ["build[0].packages[0].directory"],
    ),
    "a location without a file name": (
        package(f'name = "a", version = "1", url = "https://a.example/", hash = "{HASH}"'),
        ["build[0].packages[0].filename"],
    ),
    "a build twice": (lock("") + "[[build]]" + HEAD, ["build[1]"]),
    "a wheel twice": (
        lock(f"packages = [{{ {WHEEL} }}, {{ {WHEEL} }}]"),
        ["build[0].packages[1]"],
    ),
    "two versions of a package": (
        lock(f"packages = [{{ {WHEEL} }}, {{ {NEXT_WHEEL} }}]"),
        ["build[0].packages[1]"],
    ),
    "a wheel beside a source archive": (
        lock(f"packages = [{{ {WHEEL} }}, {{ {ARCHIVE} }}]"),
        ["build[0].packages[1]"],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_no_build_lock_can_say_is_refused_with_its_place(name: str) -> None:
    text, expected = FAULTS[name]
    assert places(text) == expected


def test_every_fault_is_told_at_once() -> None:
    assert places(lock('constraints = "x"\nrequires = ["!"]\nmore = 1')) == [
        "build[0].more",
        "build[0].constraints",
        "build[0].requires[0]",
    ]


def test_a_secret_is_not_repeated() -> None:
    with pytest.raises(InvalidEntry) as caught:
        parse_build_lock(package(WHEEL.replace("a.example", "me:secret@a.example")), file="x")
    assert "secret" not in str(caught.value)


def test_a_newer_version_of_the_format_is_refused_before_all_else() -> None:
    with pytest.raises(UnsupportedLockVersion, match="format version 2") as caught:
        parse_build_lock("version = 2\n[[later]]\n", file="envbuild.lock")
    assert caught.value.version == "2"


def test_what_is_no_toml_is_told_with_its_line() -> None:
    with pytest.raises(NotToml, match="line 2"):
        parse_build_lock("version = 1\n<<<<<<< ours\n", file="envbuild.lock")


def test_an_order_that_a_merge_left_behind_does_no_harm() -> None:
    other = "[[build]]" + HEAD.replace("demo", "aaa")
    read = parse_build_lock(lock("") + other, file="x")
    assert [build.name for build in read.builds] == ["aaa", "demo"]


def test_an_empty_lock_is_one() -> None:
    assert parse_build_lock("version = 1", file="x") == BuildLock()


def test_names_are_normalised() -> None:
    read = parse_build_lock(lock("", HEAD.replace("demo", "De_Mo")), file="x")
    assert read.builds[0].name == "de-mo"
