"""Projects whose build asks the repository that they are in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from envbuild.frozen import replace
from envbuild.selection.model import Request
from support.git_repositories import commit, git, make_repository
from support.projects import lock_text, package, write_project
from workflows.bench import Bench, bench_in

if TYPE_CHECKING:
    from pathlib import Path

ASK = """\
import subprocess
def ask(*words):
    done = subprocess.run(["git", *words], capture_output=True, text=True)
    return done.stdout + done.stderr
files["told"] = (
    ask("describe", "--tags", "--long", "--dirty") + ask("status", "--porcelain") + ask("ls-files")
).encode()
"""
COUNTS = "[tool.uv]\ncache-keys = [{ git = { commit = true, tags = true } }]\n"
LOCK = lock_text(
    package("app", 'virtual = "."', needs="demo"),
    package("demo", 'directory = "packages/demo"', version=None),
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def bench(tmp_path: Path, cache: str) -> Bench:
    """A repository with a project in a folder of it, which asks for its version."""
    made = bench_in(tmp_path)
    make_repository(made.folder)
    write_project(made.folder / "packages/demo", "demo", body=ASK, more=COUNTS)
    (made.folder / "beside.txt").write_text("beside")
    (made.folder / "uv.lock").write_text(LOCK)
    commit(made.folder, {".gitignore": b".venv\nenvbuild.lock\n__pycache__\n"})
    git(made.folder, "tag", "-a", "v1.0", "-m", "first")
    return Bench(folder=made.folder, options=replace(made.options, cache=cache))


def told(bench: Bench, **options: object) -> list[str]:
    bench.realise(**options)
    return (bench.site / "told").read_text().splitlines()


def described(bench: Bench, folder: Path | None = None) -> str:
    return git(folder or bench.folder, "describe", "--tags", "--long", "--dirty")


def test_it_is_told_what_git_would_tell(bench: Bench) -> None:
    description, *files = told(bench)
    assert description == described(bench)
    assert description.startswith("v1.0-0-g")
    assert "backend.py" in files
    assert not any("beside" in path for path in files), "what is listed is that of its own folder"


def test_another_commit_and_another_tag_are_another_build(bench: Bench) -> None:
    first = told(bench)
    commit(bench.folder, {"beside.txt": b"changed"})
    second = told(bench)
    assert second[0] == described(bench) != first[0]
    git(bench.folder, "tag", "v2.0")
    assert told(bench)[0] == described(bench).replace("-dirty", "")
    assert told(bench)[0].startswith("v2.0-0-g")


def test_changes_of_the_project_make_it_dirty_and_changes_beside_it_do_not(bench: Bench) -> None:
    (bench.folder / "beside.txt").write_text("changed")
    assert not told(bench)[0].endswith("-dirty")
    (bench.folder / "packages/demo/src/demo/__init__.py").write_text("X = 2\n")
    description, status, *_ = told(bench)
    assert description == described(bench)
    assert description.endswith("-dirty")
    assert status == " M packages/demo/src/demo/__init__.py"


def test_who_does_not_ask_sees_no_repository_and_is_not_built_for_a_commit(bench: Bench) -> None:
    write_project(bench.folder / "packages/demo", "demo", body=ASK)
    (description, *_) = told(bench)
    assert "not a git repository" in description
    commit(bench.folder, {"beside.txt": b"changed"})
    assert bench.realise().changes == ()


@pytest.mark.parametrize("kind", ["work tree", "borrowing clone", "shallow clone"])
def test_repositories_of_every_kind_can_be_asked(bench: Bench, tmp_path: Path, kind: str) -> None:
    commit(bench.folder, {"beside.txt": b"second"})
    folder = tmp_path / "other"
    match kind:
        case "work tree":
            git(bench.folder, "worktree", "add", "--quiet", str(folder))
        case "borrowing clone":
            git(tmp_path, "clone", "--quiet", "--shared", str(bench.folder), str(folder))
        case _:
            address = f"file://{bench.folder}"
            git(tmp_path, "clone", "--quiet", "--depth=2", address, str(folder))
            git(folder, "fetch", "--quiet", "--tags")
    other = Bench(folder=folder, options=bench.options)
    assert told(other)[0] == described(other)


def test_an_editable_asks_the_repository_itself(bench: Bench) -> None:
    (bench.folder / "uv.lock").write_text(
        LOCK.replace('directory = "packages/demo"', 'editable = "packages/demo"')
    )
    assert told(bench)[0] == described(bench)


def test_a_commit_is_told_the_locked_version(tmp_path: Path, cache: str) -> None:
    repository = make_repository(tmp_path / "repository")
    answer = 'os.environ.get("SETUPTOOLS_SCM_PRETEND_VERSION_FOR_DEMO", "nothing")'
    write_project(
        repository,
        "demo",
        body=f'{ASK}\nfiles["version"] = {answer}.encode()',
        more='[tool.hatch.version]\nsource = "vcs"\n',
    )
    revision = commit(repository, {})
    made = bench_in(tmp_path)
    bench = Bench(folder=made.folder, options=replace(made.options, cache=cache))
    source = f'git = "file://{repository}#{revision}"'
    (bench.folder / "uv.lock").write_text(
        lock_text(package("app", 'virtual = "."', needs="demo"), package("demo", source))
    )
    assert "backend.py" in told(bench)
    assert (bench.site / "version").read_text() == "1.0"


def test_the_build_lock_makes_nothing_dirty(bench: Bench) -> None:
    folder = bench.folder / "packages/demo"
    (folder / "uv.lock").write_text(lock_text(package("demo", 'editable = "."', version=None)))
    commit(
        bench.folder, {".gitignore": b".venv\n", "packages/demo/envbuild.lock": b"version = 1\n"}
    )
    own = Bench(folder=folder, options=bench.options)
    for _ in range(2):
        assert told(own, request=Request(no_editable=True))[0] == described(own).removesuffix(
            "-dirty"
        )
    assert os.path.getsize(folder / "envbuild.lock") > len("version = 1\n")
