"""Wheels and source distributions that lie in git repositories."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from envbuild.errors import EnvbuildError
from envbuild.frozen import replace
from envbuild.realise.checkouts import NoSuchFile
from envbuild.selection.model import Request
from envbuild.selection.select import NoFittingWheel, NoSource
from support.git_repositories import commit, make_repository
from support.own_backend import sdist
from support.projects import lock_text, package
from support.wheels import build_wheel
from workflows.bench import Bench, bench_in

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def bench(tmp_path: Path, cache: str) -> Bench:
    made = bench_in(tmp_path)
    return Bench(folder=made.folder, options=replace(made.options, cache=cache))


def lock_file(bench: Bench, path: str, *, digest: str | None = None, stored: str = "") -> None:
    """Lock a file of a repository; `stored` is the name that it has in there, if another."""
    repository = make_repository(bench.folder.parent / "repository")
    archive = bench.folder.parent / path
    inside = f"dist/{archive.name}"
    content = archive.read_bytes()
    revision = commit(repository, {stored or inside: content})
    locked = digest or f"sha256:{hashlib.sha256(content).hexdigest()}"
    source = f'git = "file://{repository}?path={quote(inside, safe="")}#{revision}"'
    if archive.suffix == ".whl":
        files = f'wheels = [{{ filename = "{archive.name}", hash = "{locked}" }}]\n'
    else:
        files = f'sdist = {{ hash = "{locked}" }}\n'
    (bench.folder / "uv.lock").write_text(
        lock_text(package("app", 'virtual = "."', needs="demo"), package("demo", source) + files)
    )


def wheel(bench: Bench, **keywords: object) -> str:
    folder = bench.folder.parent / "made"
    return f"made/{build_wheel(folder, 'demo', '1.0', **keywords).rpartition('/')[2]}"  # type: ignore[arg-type]


def failure(bench: Bench, **options: object) -> EnvbuildError:
    with pytest.raises(EnvbuildError) as caught:
        bench.realise(**options)
    return caught.value


def test_a_wheel_in_a_commit_is_installed(bench: Bench) -> None:
    lock_file(bench, wheel(bench))
    assert bench.actions(bench.realise()) == [("demo", "added")]
    document = json.loads((bench.site / "demo-1.0.dist-info/direct_url.json").read_text())
    assert document["path"] == "dist/demo-1.0-py3-none-any.whl"
    assert document["vcs_info"]["vcs"] == "git"
    shutil.rmtree(bench.folder.parent / "repository")
    shutil.rmtree(bench.venv)
    assert bench.actions(bench.realise(offline=True)) == [("demo", "added")]
    assert bench.realise(dry_run=True).missing == ()


def test_a_source_distribution_in_a_commit_is_built(bench: Bench) -> None:
    sdist(bench.folder.parent / "made", "demo", code="X = 'built'")
    lock_file(bench, "made/demo-1.0.tar.gz")
    assert bench.realise(dry_run=True).missing[0].startswith("demo-1.0.tar.gz of file://")
    bench.realise()
    assert bench.python("import demo; print(demo.X)") == "built"
    assert 'source = { archive = "sha256:' in (bench.folder / "envbuild.lock").read_text()


def test_a_file_that_is_not_the_locked_one_is_refused(bench: Bench) -> None:
    lock_file(bench, wheel(bench), digest=f"sha256:{'0' * 64}")
    error = failure(bench)
    assert isinstance(error, NoSuchFile)
    assert "expected the hash" in str(error)


def test_a_file_that_is_not_there_is_told(bench: Bench) -> None:
    lock_file(bench, wheel(bench), stored="elsewhere")
    error = failure(bench)
    assert isinstance(error, NoSuchFile)
    assert "the commit has no such file" in str(error)


def test_a_wheel_that_does_not_fit_is_refused(bench: Bench) -> None:
    lock_file(bench, wheel(bench, tag="cp27-cp27m-win32"))
    assert isinstance(failure(bench), NoFittingWheel)


def test_what_is_permitted_holds_for_files_of_commits_as_well(bench: Bench) -> None:
    lock_file(bench, wheel(bench))
    assert isinstance(failure(bench, request=Request(no_binary=True)), NoSource)
    sdist(bench.folder.parent / "made", "demo")
    lock_file(bench, "made/demo-1.0.tar.gz")
    assert "is not permitted" in str(failure(bench, request=Request(no_build=True)))
