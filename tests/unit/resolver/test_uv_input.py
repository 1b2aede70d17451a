from __future__ import annotations

import tomllib
from typing import Any

from envbuild.buildlock.model import PinnedCommit, PinnedFile, PinnedPackage, PinnedTree
from envbuild.buildlock.runtime import Locked
from envbuild.buildlock.settings import Constraint
from envbuild.buildlock.strategy import Pin, Place, ResolutionRequest
from envbuild.resolver.uv_input import UvInput, write_input
from support.build_locks import file, pinned, sha256

EXPLICIT = {
    "index": [
        {"name": "second", "url": "https://b.example/simple/", "explicit": True},
        {"name": "main", "url": "https://a.example/simple"},
    ]
}


def write(*pins: Locked, settings: dict[str, Any] | None = None, **more: Any) -> UvInput:
    fields: dict[str, Any] = {
        "package": "demo",
        "version": "1.0",
        "strategy": "prefer-locked",
        "requirements": (),
        "places": {},
    }
    return write_input(
        ResolutionRequest(**{**fields, **more}),
        [Pin(locked=locked, rule=None) for locked in pins],
        settings or {},
        folder="/srv/app",
    )


def project(given: UvInput) -> dict[str, Any]:
    return tomllib.loads(given.project)


def test_requirements_are_those_of_a_project_that_is_its_own_workspace() -> None:
    given = write(requirements=("a>=1", "b; python_version < '4'"), settings={"no-index": True})
    assert project(given) == {
        "project": {
            "name": "the-build-of-demo",
            "version": "0",
            "dependencies": ["a>=1", "b; python_version < '4'"],
        },
        "tool": {"uv": {"no-index": True, "sources": {}, "workspace": {}}},
    }
    assert given.previous is None


def test_pins_and_constraints_are_constraints() -> None:
    given = write(
        Locked(name="a", version="1.0+cpu"),
        Locked(name="b", version=None, place=PinnedTree(path="packages/b c")),
        Locked(
            name="c", version="1", place=PinnedCommit(url="ssh://git@g.example/c", commit="c" * 40)
        ),
        Locked(name="d", version="1", place=file("d.zip", sha256("e"))),
        Locked(
            name="e",
            version="1",
            place=PinnedFile(filename="e.zip", url=None, path="../e.zip", hash=sha256("e")),
        ),
        constraints=(Constraint(requirement="z<2", hashes=(sha256("e"),)),),
    )
    assert given.constraints.splitlines() == [
        "z<2",
        "a==1.0+cpu",
        "b @ file:///srv/app/packages/b%20c",
        f"c @ git+ssh://git@g.example/c@{'c' * 40}",
        f"d @ https://files.example/d.zip#sha256={'e' * 64}",
        "e @ file:///srv/e.zip",
    ]


def test_a_project_is_taken_from_its_place() -> None:
    given = write(
        requirements=("My_A[x,y]>=1; python_version < '4'", "b", "c"),
        places={
            "my-a": Place(reference="../a"),
            "b": Place(reference="git+https://g.example/b@main"),
            "c": Place(index="second"),
        },
        settings=EXPLICIT,
    )
    written = project(given)
    assert written["project"]["dependencies"] == [
        'my-a[x,y] @ file:///srv/a ; python_version < "4"',
        "b @ git+https://g.example/b@main",
        "c",
    ]
    assert written["tool"]["uv"]["sources"] == {"c": {"index": "second"}}


def test_the_place_of_a_pin_comes_before_that_of_the_project() -> None:
    given = write(
        Locked(name="a", version="1", place=PinnedTree(path="a")),
        Locked(name="b", version="1", place=PinnedTree(path="b")),
        requirements=("a", "b"),
        places={"a": Place(reference="git+https://g.example/a@main"), "b": Place(index="second")},
        settings=EXPLICIT,
    )
    assert project(given)["project"]["dependencies"] == ["a", "b"]
    assert project(given)["tool"]["uv"]["sources"] == {}


def test_a_pin_from_an_explicit_index_is_looked_for_there() -> None:
    given = write(
        Locked(name="a", version="1", index="https://b.example/simple"),
        Locked(name="b", version="1", index="https://a.example/simple"),
        Locked(name="c", version="1"),
        settings=EXPLICIT,
    )
    assert project(given)["tool"]["uv"]["sources"] == {"a": {"index": "second"}}


def test_what_to_stay_with_is_a_lock_of_versions() -> None:
    tree = PinnedPackage(name="b", version=None, content=PinnedTree(path="b"))
    previous = write(previous=(pinned("a", "1"), tree)).previous
    assert previous is not None
    assert tomllib.loads(previous)["packages"] == [{"name": "a", "version": "1"}]
