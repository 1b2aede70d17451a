"""Names of what counts for nothing, and names that only look like it."""

from __future__ import annotations

import pytest

from envbuild.sources.leftovers import is_leftover

ALWAYS = [
    ".git", "sub/.git", ".hg", ".venv", "__pycache__", "src/demo/__pycache__", ".mypy_cache",
    ".ruff_cache", ".pytest_cache", ".tox", ".nox", ".eggs", ".DS_Store", "build/lib",
    "build/lib.linux-x86_64-cpython-311", "build/temp.linux-x86_64-cpython-311",
    "build/bdist.linux-x86_64", "dist/demo-1.0.tar.gz", "dist/demo-1.0-py3-none-any.whl",
]  # fmt: skip
NEVER = [
    "src", "src/demo/build", "build", "dist", "build/config.py", "build/library", "src/build/lib",
    "dist/__init__.py", "src/dist/demo.whl", "venv", "env", "node_modules", "a.pyc", ".gitignore",
    ".github", ".python-version", "git", "x.egg", "lib", "demo.egg-infos",
]  # fmt: skip


@pytest.mark.parametrize("path", ALWAYS)
def test_leftovers_are_known_by_name(path: str) -> None:
    assert is_leftover(path, is_unpacked_sdist=False)
    assert is_leftover(path, is_unpacked_sdist=True)


@pytest.mark.parametrize("path", NEVER)
def test_what_may_be_a_source_is_one(path: str) -> None:
    assert not is_leftover(path, is_unpacked_sdist=False)


@pytest.mark.parametrize("path", ["demo.egg-info", "src/demo.egg-info"])
def test_metadata_of_setuptools_counts_where_it_came_with_the_sources(path: str) -> None:
    assert is_leftover(path, is_unpacked_sdist=False)
    assert not is_leftover(path, is_unpacked_sdist=True)
