from __future__ import annotations

import pytest

from envbuild.errors import Problems
from envbuild.lockfile.tables import InvalidEntry
from envbuild.lockfile.toml import NotToml
from envbuild.project import Index, Project, parse_project

NOTHING = Project(
    name=None,
    requires_python=None,
    default_groups=("dev",),
    group_requires_python=(),
    is_managed=True,
    indexes=(),
)


def test_a_file_may_say_nothing() -> None:
    assert parse_project("", file="pyproject.toml") == NOTHING


def test_what_a_file_says_is_read() -> None:
    text = """
[project]
name = "My_Project"
requires-python = ">=3.11"
dependencies = ["not looked at !"]

[dependency-groups]
dev = ["x"]

[tool.uv]
default-groups = ["dev", "Docs_Two"]
managed = false
later = 1

[[tool.uv.index]]
name = "local"
url = "../wheels"
format = "flat"

[[tool.uv.index]]
url = "https://index.example/simple"

[tool.other]
managed = 3
"""
    assert parse_project(text, file="pyproject.toml") == Project(
        name="my-project",
        requires_python=">=3.11",
        default_groups=("dev", "docs-two"),
        group_requires_python=(),
        is_managed=False,
        indexes=(
            Index(name="local", url="../wheels"),
            Index(name="", url="https://index.example/simple"),
        ),
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [("", ("dev",)), ("default-groups = []", ()), ("default-groups = 'all'", None)],
)
def test_default_groups_may_be_all(said: str, expected: tuple[str, ...] | None) -> None:
    project = parse_project(f"[tool.uv]\n{said}", file="pyproject.toml")
    assert project.default_groups == expected


def test_a_group_asks_for_the_python_of_the_groups_that_it_includes() -> None:
    text = """
[dependency-groups]
a = [{ include-group = "B" }, "x"]
b = ["x", { include-group = "c" }]
c = [{ include-group = "a" }]
d = ["x"]
e = [{ include-group = "d" }]

[tool.uv.dependency-groups]
b = { requires-python = ">=3.12" }
c = { requires-python = "<4" }
f = { requires-python = ">=3.9" }
g = {}
"""
    assert parse_project(text, file="pyproject.toml").group_requires_python == (
        ("a", ">=3.12,<4"),
        ("b", ">=3.12,<4"),
        ("c", "<4,>=3.12"),
        ("f", ">=3.9"),
    )


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("project = 3", ["project"]),
        (
            "[project]\nname = 'a b'\nrequires-python = 'x'",
            ["project.requires-python", "project.name"],
        ),
        ("[tool]\nuv = 3", ["tool.uv"]),
        (
            "[tool.uv]\nmanaged = 'no'\ndefault-groups = 'some'",
            ["tool.uv.default-groups", "tool.uv.managed"],
        ),
        (
            "[[tool.uv.index]]\nname = 'a'\n[[tool.uv.index]]\nurl = 3",
            ["tool.uv.index[0].url", "tool.uv.index[1].url"],
        ),
        (
            "[tool.uv.dependency-groups]\na = { requires-python = 'x' }",
            ["tool.uv.dependency-groups.a.requires-python"],
        ),
    ],
)
def test_all_faults_are_named_by_their_places(text: str, places: list[str]) -> None:
    with pytest.raises((InvalidEntry, Problems)) as caught:
        parse_project(text, file="pyproject.toml")
    error = caught.value
    errors = error.errors if isinstance(error, Problems) else (error,)
    assert [each.place for each in errors if isinstance(each, InvalidEntry)] == places


def test_what_is_not_toml_is_told_as_such() -> None:
    with pytest.raises(NotToml):
        parse_project("[project", file="pyproject.toml")
