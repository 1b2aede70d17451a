from __future__ import annotations

from typing import Any

import pytest

from envbuild.lockfile.tables import InvalidEntry
from envbuild.resolver.uv_settings import read_uv_settings


def read(text: str, *registries: str) -> dict[str, Any]:
    return read_uv_settings(text, file="pyproject.toml", folder="/srv/app", registries=registries)


def test_what_says_where_packages_come_from_is_passed_on_with_absolute_paths() -> None:
    text = """
[tool.uv]
exclude-newer = "2025-01-01"
find-links = ["wheels", "https://a.example/links"]
index-url = "../simple"
extra-index-url = ["https://b.example/simple", "more"]
build-constraint-dependencies = ["setuptools<80"]

[[tool.uv.index]]
name = "local"
url = "wheels"
format = "flat"

[[tool.uv.index]]
url = "https://c.example/simple"
explicit = true
"""
    assert read(text) == {
        "exclude-newer": "2025-01-01",
        "find-links": ["/srv/app/wheels", "https://a.example/links"],
        "index-url": "/srv/simple",
        "extra-index-url": ["https://b.example/simple", "/srv/app/more"],
        "build-constraint-dependencies": ["setuptools<80"],
        "index": [
            {"name": "local", "url": "/srv/app/wheels", "format": "flat"},
            {"url": "https://c.example/simple", "explicit": True},
        ],
    }


def test_what_is_about_the_environment_itself_is_left_out() -> None:
    text = """
[tool.uv]
constraint-dependencies = ["a<1"]
override-dependencies = ["a<1"]
exclude-dependencies = ["a"]
prerelease = "allow"
resolution = "lowest"
environments = ["sys_platform == 'linux'"]
default-groups = ["x"]
[tool.uv.workspace]
members = ["packages/*"]
[tool.uv.sources]
a = { workspace = true }
[tool.uv.pip]
universal = true
"""
    assert read(text) == {}


def test_what_matches_the_runtime_is_no_business_of_uv() -> None:
    text = """
[tool.uv.extra-build-dependencies]
a = ["b", { requirement = "torch", match-runtime = true }, { requirement = "c", match-runtime = false }]
"""
    assert read(text) == {
        "extra-build-dependencies": {"a": ["b", {"requirement": "c", "match-runtime": False}]}
    }


MANY = ("https://b.example/simple", "https://a.example/simple", "https://b.example/simple")


def test_a_lock_without_indexes_in_its_project_brings_the_one_that_most_of_it_is_from() -> None:
    assert read("", *MANY) == {"index": [{"url": "https://b.example/simple", "default": True}]}


@pytest.mark.parametrize(
    "said", ["no-index = true", "index-url = 'x'", "find-links = ['x']", "index = []"]
)
def test_a_project_that_names_its_indexes_is_believed(said: str) -> None:
    assert {"url": "https://b.example/simple", "default": True} not in read(
        f"[tool.uv]\n{said}", *MANY
    ).get("index", [])


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("find-links = 'x'", "tool.uv.find-links"),
        ("extra-index-url = [1]", "tool.uv.extra-index-url[0]"),
        ("index-url = 1", "tool.uv.index-url"),
        ("index = 'x'", "tool.uv.index"),
        ("index = [{ url = 1 }]", "tool.uv.index[0].url"),
        ("extra-build-dependencies = { a = 'b' }", "tool.uv.extra-build-dependencies.a"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(said: str, place: str) -> None:
    with pytest.raises(InvalidEntry) as caught:
        read(f"[tool.uv]\n{said}")
    assert caught.value.place == place
