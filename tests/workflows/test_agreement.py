"""What was built says what it needs, and the lock what it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envbuild.frozen import replace
from envbuild.workflows.agreement import RequirementsDiffer
from support.git_repositories import commit, make_repository
from support.projects import lock_text, package, write_project
from workflows.bench import Bench, bench_in

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def bench(tmp_path: Path, cache: str) -> Bench:
    made = bench_in(tmp_path)
    write_project(made.folder / "lib", "lib")
    return Bench(folder=made.folder, options=replace(made.options, cache=cache))


def lock_commit(bench: Bench, *needs: str, locked: str = "lib", manifest: str = "") -> None:
    """Lock a commit of a project whose wheel needs something."""
    repository = make_repository(bench.folder.parent / "repository")
    write_project(repository, "demo", needs=needs)
    revision = commit(repository, {})
    (bench.folder / "uv.lock").write_text(
        lock_text(
            manifest,
            package("app", 'virtual = "."', needs="demo lib"),
            package("demo", f'git = "file://{repository}#{revision}"', needs=locked),
            package("lib", 'directory = "lib"'),
        )
    )


@pytest.mark.parametrize(
    "needs",
    [
        ("lib",),
        ("lib>=1", "other; python_version < '3'", "demo[more]", "another; extra == 'more'"),
        ("lib (>=1.0)",),
        ("lib @ https://index.example/lib-1.0.tar.gz",),
        ("this is no requirement",),
    ],
)
def test_what_the_lock_gives_is_all_that_is_needed(bench: Bench, needs: tuple[str, ...]) -> None:
    lock_commit(bench, *needs)
    bench.realise()
    assert bench.python("import demo; print(demo.X)") == "1"


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        ("lib>=2", "needs `lib>=2`, and the lock has 1.0"),
        ("other>1", "needs `other>1`, which the lock does not know of"),
    ],
)
def test_what_the_lock_does_not_give_is_an_error(bench: Bench, needs: str, told: str) -> None:
    lock_commit(bench, needs)
    with pytest.raises(RequirementsDiffer, match="as it was built") as caught:
        bench.realise()
    assert told in str(caught.value)
    assert not bench.venv.exists()


@pytest.mark.parametrize(
    "manifest",
    [
        'overrides = [{ name = "lib", specifier = ">=1" }]\n',
        'excludes = ["lib"]\n',
        'overrides = [{ package = { name = "demo" }, dependencies = [{ name = "lib" }] }]\n',
        '\n[[manifest.dependency-metadata]]\nname = "demo"\n',
    ],
)
def test_what_the_lock_does_on_purpose_is_no_disagreement(bench: Bench, manifest: str) -> None:
    lock_commit(bench, "lib>=2", manifest=f"\n[manifest]\n{manifest}")
    bench.realise()


def test_a_project_may_be_ahead_of_its_lock(bench: Bench) -> None:
    write_project(bench.folder, "demo", needs=["other"])
    (bench.folder / "uv.lock").write_text(lock_text(package("demo", 'editable = "."')))
    (note,) = (note for note in bench.realise().notes if "other" in note)
    assert "`demo` 1.0, as it was built, needs `other`, which the lock does not know of" in note
    assert bench.realise().changes == ()
