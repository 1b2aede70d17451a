"""Which files are sources: beside git, and without it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envbuild.realise.listing import list_below, list_sources
from support.git_repositories import ENVIRONMENT, commit, git, make_repository
from support.source_trees import link, write_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.source_trees import Files

WITHOUT_GIT = {"PATH": "/nowhere"}
PROJECT: Files = {"pyproject.toml": b"", "src/demo/__init__.py": b""}


@pytest.fixture(params=["git", "no git", "no repository"])
def environ(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Have git know the folder, not be there, or not know the folder."""
    if request.param == "no git":
        monkeypatch.setenv("PATH", "/nowhere")
        return WITHOUT_GIT
    return {**ENVIRONMENT, "HOME": "/nowhere"}


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Make a project, in a repository where git is to know it."""
    folder = write_files(tmp_path / "project", PROJECT)
    callspec = getattr(request.node, "callspec", None)
    if callspec is None or callspec.params.get("environ") != "no repository":
        path, os.environ["PATH"] = os.environ["PATH"], ENVIRONMENT["PATH"]
        make_repository(folder, {})
        os.environ["PATH"] = path
    return folder


def sources(folder: Path, environ: dict[str, str] | None = None) -> set[str]:
    return set(list_sources(str(folder), environ or {**ENVIRONMENT, "HOME": "/nowhere"}))


def add(folder: Path, paths: Iterable[str]) -> None:
    write_files(folder, dict.fromkeys(paths, b""))


def test_a_build_lock_is_no_source_even_where_it_is_committed(
    project: Path, environ: dict[str, str]
) -> None:
    before = sources(project, environ)
    add(project, ["envbuild.lock", "envbuild.lock.4711", "sub/envbuild.lock"])
    assert sources(project, environ) == before
    if (project / ".git").exists():
        path, os.environ["PATH"] = os.environ["PATH"], ENVIRONMENT["PATH"]
        commit(project, {"envbuild.lock": b"version = 1\n"})
        os.environ["PATH"] = path
    assert sources(project, environ) == before


def test_everything_counts_that_is_not_ignored(project: Path, environ: dict[str, str]) -> None:
    write_files(project, {".gitignore": b"*.o\n/data/\n", "sub/.gitignore": b"!keep.o\nx\n"})
    add(project, ["a.o", "new.py", "data/a", "sub/keep.o", "sub/x", "sub/data/a", "x"])
    found = {"pyproject.toml", "src/demo/__init__.py", ".gitignore", "sub/.gitignore"}
    assert sources(project, environ) == found | {"new.py", "sub/keep.o", "sub/data/a", "x"}


def test_leftovers_do_not_count(project: Path, environ: dict[str, str]) -> None:
    before = sources(project, environ)
    leftovers = [
        "src/demo/__pycache__/a.pyc", ".venv/bin/python", ".tox/a", "src/demo.egg-info/PKG-INFO",
        "build/lib/demo/a.py", "dist/demo-1.0.tar.gz", "env/pyvenv.cfg", "env/lib/a.py",
        "env/lib/deep/b.py", "sub/env/pyvenv.cfg", "sub/env/x",
    ]  # fmt: skip
    add(project, leftovers)
    assert sources(project, environ) == before
    add(project, ["build/config.py", "dist/__init__.py", "environ/lib/a.py"])
    more = {"build/config.py", "dist/__init__.py", "environ/lib/a.py"}
    assert sources(project, environ) == before | more


def test_metadata_of_setuptools_counts_in_an_unpacked_source(
    project: Path, environ: dict[str, str]
) -> None:
    add(project, ["PKG-INFO", "src/demo.egg-info/SOURCES.txt"])
    assert "src/demo.egg-info/SOURCES.txt" in sources(project, environ)


def test_an_environment_at_the_top_is_not_taken_for_one(
    project: Path, environ: dict[str, str]
) -> None:
    add(project, ["pyvenv.cfg"])
    assert sources(project, environ) == {*PROJECT, "pyvenv.cfg"}


def test_links_are_listed_and_not_followed(project: Path, environ: dict[str, str]) -> None:
    write_files(project, {"to-file": link("src"), "to-nowhere": link("x"), "out": link("..")})
    assert sources(project, environ) == {*PROJECT, "to-file", "to-nowhere", "out"}


def test_what_is_no_file_is_not_git_s_business(project: Path, environ: dict[str, str]) -> None:
    os.mkfifo(project / "pipe")
    (project / "empty").mkdir()
    assert sources(project, environ) - {"pipe"} == set(PROJECT)


def test_names_may_be_anything(project: Path, environ: dict[str, str]) -> None:
    names = {"with space", "\u65e5\u672c", "new\nline", 'quote"', "\udcff", "-o", ":(top)x"}
    for name in names:
        (project / name).write_bytes(b"")
    assert sources(project, environ) == {*PROJECT, *names}


def test_an_ignore_file_that_is_a_link_says_nothing(project: Path, environ: dict[str, str]) -> None:
    write_files(project, {"rules": b"*\n", ".gitignore": link("rules"), "sub/.gitignore": b""})
    (project / "sub" / ".gitignore").unlink()
    (project / "sub" / ".gitignore").mkdir()
    assert sources(project, environ) == {*PROJECT, "rules", ".gitignore"}


def test_a_folder_in_a_repository_goes_by_the_rules_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repository(
        tmp_path, {".gitignore": b"*.o\n/packages/a/data\n", "packages/.gitignore": b"x\n"}
    )
    member = write_files(tmp_path / "packages" / "a", PROJECT)
    add(member, ["a.o", "data/a", "x", "sub/data/a"])
    expected = {*PROJECT, "sub/data/a"}
    assert sources(member) == expected
    monkeypatch.setenv("PATH", "/nowhere")
    assert sources(member, WITHOUT_GIT) == expected


# What only git can know.


def test_what_is_committed_counts_whatever_its_name(project: Path) -> None:
    paths = ["build/lib/a.py", "a.o", "demo.egg-info/PKG-INFO", ".venv/pyvenv.cfg", ".venv/a"]
    add(project, paths)
    git(project, "add", "--force", ".")
    write_files(project, {".gitignore": b"*.o\n.venv\n"})
    assert sources(project) == {*PROJECT, *paths, ".gitignore"}


def test_what_is_committed_and_gone_does_not_count(project: Path) -> None:
    add(project, ["a", "sub/b", "c"])
    commit(project, {})
    (project / "a").unlink()
    shutil.rmtree(project / "sub")
    (project / "sub").write_bytes(b"")
    assert sources(project) == {*PROJECT, "c", "sub"}


def test_other_rules_of_the_user_hold(project: Path, tmp_path: Path) -> None:
    write_files(tmp_path / "home", {".config/git/ignore": b"*.swp\n"})
    (project / ".git" / "info").mkdir(exist_ok=True)
    (project / ".git" / "info" / "exclude").write_text("mine\n")
    add(project, ["a.swp", "mine"])
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")}
    assert sources(project, environ) == set(PROJECT)


def test_files_in_conflict_are_listed_once(project: Path) -> None:
    commit(project, {"a": b"1"})
    git(project, "checkout", "--quiet", "-b", "other")
    commit(project, {"a": b"2"})
    git(project, "checkout", "--quiet", "-")
    commit(project, {"a": b"3"})
    with pytest.raises(AssertionError):
        git(project, "merge", "--quiet", "other")
    assert sources(project) == {*PROJECT, "a"}


def test_submodules_and_repositories_inside_go_by_their_own_rules(
    project: Path, tmp_path: Path
) -> None:
    make_repository(tmp_path / "other", {"o.txt": b"", ".gitignore": b"*.x\n"})
    git(project, "submodule", "--quiet", "add", str(tmp_path / "other"), "deps/other")
    make_repository(project / "nested", {"n.txt": b"", ".gitignore": b"*.y\n"})
    make_repository(project / "unborn")
    add(project, ["deps/other/a.x", "deps/other/a.y", "nested/a.x", "nested/a.y", "unborn/u"])
    (project / "empty").mkdir()
    git(project, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},empty")
    assert sources(project) == {
        *PROJECT, ".gitmodules", "deps/other/.gitignore", "deps/other/o.txt", "deps/other/a.y",
        "nested/.gitignore", "nested/n.txt", "nested/a.x", "unborn/u",
    }  # fmt: skip


def test_a_project_that_is_ignored_where_it_lies_is_one_of_its_own(tmp_path: Path) -> None:
    make_repository(tmp_path, {".gitignore": b"out/\n"})
    project = write_files(
        tmp_path / "out" / "project", {**PROJECT, ".gitignore": b"*.o\n", "a.o": b""}
    )
    assert sources(project) == {*PROJECT, ".gitignore"}


def test_a_repository_that_was_left_behind_is_none(project: Path) -> None:
    shutil.rmtree(project / ".git")
    (project / ".git").write_text("gitdir: /nowhere/at/all\n")
    assert sources(project) == set(PROJECT)


def test_a_work_tree_beside_the_repository_is_one(project: Path, tmp_path: Path) -> None:
    commit(project, {})
    git(project, "worktree", "add", "--quiet", "--detach", str(tmp_path / "second"))
    add(tmp_path / "second", ["a", "__pycache__/a"])
    assert sources(tmp_path / "second") == {*PROJECT, "a"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_a_repository_of_somebody_else_is_listed_like_any(project: Path) -> None:
    write_files(project, {".gitignore": b"*.o\n", "a.o": b""})
    commit(project, {})
    (project / "a.o").chmod(0o600)
    git(project, "add", "--force", "a.o")
    for place in (project, *project.rglob("*")):
        os.chown(place, 12345, 12345)
    assert sources(project) == {*PROJECT, ".gitignore", "a.o"}


def test_a_repository_runs_nothing(project: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    git(project, "config", "core.fsmonitor", f"touch {mark}")
    git(project, "config", "core.pager", f"touch {mark}")
    git(project, "config", "filter.x.clean", f"touch {mark}")
    (project / ".gitattributes").write_text("* filter=x\n")
    (project / ".git" / "hooks").mkdir(exist_ok=True)
    hook = project / ".git" / "hooks" / "post-index-change"
    hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
    hook.chmod(0o755)
    assert ".gitattributes" in sources(project)
    assert not mark.exists()


def test_variables_that_lead_git_elsewhere_are_taken_out(project: Path, tmp_path: Path) -> None:
    other = make_repository(tmp_path / "other", {"o": b""})
    environ = {
        **ENVIRONMENT,
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git" / "index"),
    }
    assert sources(project, environ) == set(PROJECT)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list_sources(str(tmp_path / "nothing"), ENVIRONMENT)


def test_everything_below_a_folder_is_there_for_patterns(project: Path) -> None:
    write_files(
        project, {".gitignore": b"*.o\n", "a.o": b"", "l": link("src"), "b.egg-info/x": b""}
    )
    add(project, ["env/pyvenv.cfg", "env/x", ".venv/x", "__pycache__/x"])
    assert set(list_below(str(project))) == {*PROJECT, ".gitignore", "a.o", "l", "b.egg-info/x"}


NAMES = st.sampled_from(
    ("a", "b", "ab", "a b", "c.o", "é", "[a]", "-", "!a", "#a", ".a", "a*", "d")
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PIECES = st.sampled_from(
    ("a", "b", "c", "d", "é", "/", "*", "**", "?", "[", "]", "[!a]", "[a-c]", "-", "\\", "!", "#", " ",
     ".", ".o", "[[:alpha:]]", "**/", "/**", "/*", "a/", "!a", "\t")
)  # fmt: skip
LINES = st.lists(PIECES, max_size=5).map("".join)
RULES = st.lists(LINES, max_size=5).map("\n".join)


@settings(max_examples=120, deadline=None)
@given(
    paths=st.lists(PATHS, min_size=1, max_size=12),
    rules=st.dictionaries(
        st.one_of(st.just(""), PATHS.map(lambda path: f"{path}/")), RULES, max_size=3
    ),
)
def test_without_git_the_same_is_ignored_as_with_it(
    paths: list[str], rules: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        folder.mkdir()
        for path, content in {
            **dict.fromkeys(paths, b""),
            **{f"{at}.gitignore": text.encode() for at, text in rules.items()},
        }.items():
            place = folder / path
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            except OSError:
                continue  # a file where a folder is, or the other way round
        without = sources(folder)
        git(folder, "init", "--quiet")
        assert sources(folder) == without
