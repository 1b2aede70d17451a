"""Projects that lie on this machine: built from what they hold now, or used where they lie."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from envbuild.environment.manifest import decode_manifest
from envbuild.errors import EnvbuildError
from envbuild.frozen import replace
from envbuild.realise.built_wheels import WrongWheel
from envbuild.realise.needs import BuildCycle
from envbuild.selection.model import Request
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.workflows.build_pins import NotPinned, RequirementNotBuildable
from support.git_repositories import commit, make_repository
from support.own_backend import sdist
from support.projects import lock_text, package, write_project
from support.sandboxes import machine
from workflows.bench import Bench, bench_in

if TYPE_CHECKING:
    from pathlib import Path

    from envbuild.workflows.options import RealiseResult

EDITABLE = package("demo", 'editable = "."')
DIRECTORY = package("app", 'virtual = "."', needs="demo") + package("demo", 'directory = "demo"')


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is remembered of this machine, found out once."""
    return str(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def bench(tmp_path: Path, cache: str) -> Bench:
    made = bench_in(tmp_path)
    return Bench(folder=made.folder, options=replace(made.options, cache=cache))


@pytest.fixture
def editable(bench: Bench) -> Bench:
    """A project that is locked as uv locks it: as an editable."""
    write_project(bench.folder, "demo")
    (bench.folder / "uv.lock").write_text(lock_text(EDITABLE))
    return bench


@pytest.fixture
def directory(bench: Bench) -> Bench:
    """A project that needs a tree beside it."""
    write_project(bench.folder / "demo", "demo")
    (bench.folder / "uv.lock").write_text(lock_text(DIRECTORY))
    return bench


def builds(bench: Bench) -> int:
    with Store.open(bench.options.store) as store:
        return sum(1 for _ in store.walk(layout.LOGS))


def built_again(bench: Bench, **options: object) -> bool:
    before = builds(bench)
    bench.realise(**options)
    return builds(bench) > before


def failure(bench: Bench, **options: object) -> EnvbuildError:
    with pytest.raises(EnvbuildError) as caught:
        bench.realise(**options)
    return caught.value


def rewrite(path: Path, text: str) -> None:
    path.write_text(text)


def test_the_project_is_used_where_it_lies(editable: Bench) -> None:
    result = editable.realise()
    assert editable.actions(result) == [("demo", "added")]
    assert result.changes[0].origin == f"file://{editable.folder}"
    assert editable.python("import demo; print(demo.X)") == "1"
    # Of another size, since bytecode of the same second is taken for that of the new source.
    rewrite(editable.folder / "src/demo/__init__.py", "X = 1 + 1\n")
    assert editable.python("import demo; print(demo.X)") == "2"
    document = json.loads((editable.site / "demo-1.0.dist-info/direct_url.json").read_text())
    assert document == {"dir_info": {"editable": True}, "url": f"file://{editable.folder}"}


def test_an_editable_is_built_again_for_what_its_cache_keys_name(editable: Bench) -> None:
    editable.realise()
    os.utime(editable.folder / "pyproject.toml")
    rewrite(editable.folder / "src/demo/__init__.py", "X = 2\n")
    assert not built_again(editable)
    with (editable.folder / "pyproject.toml").open("a") as file:
        file.write("# something else\n")
    assert built_again(editable)


def test_the_manifest_says_what_is_editable_and_names_no_folder_of_this_machine(
    editable: Bench,
) -> None:
    result = editable.realise()
    with Store.open(editable.options.store) as store:
        assert result.digest is not None
        data = store.read(layout.record(layout.MANIFESTS, result.digest))
    assert data is not None
    (distribution,) = decode_manifest(data).distributions
    assert distribution.tree is None
    assert distribution.editable is not None
    assert distribution.editable.folder == "."
    assert str(editable.folder).encode() not in data


def test_checkouts_in_two_places_have_one_environment_digest_and_lead_each_to_its_own(
    editable: Bench,
) -> None:
    first = editable.realise()
    folder = editable.folder.parent / "another" / "place"
    shutil.copytree(editable.folder, folder, ignore=shutil.ignore_patterns(".venv"))
    other = Bench(folder=folder, options=editable.options)
    assert other.realise().digest == first.digest
    for bench in (editable, other):
        place = bench.python("import demo; print(demo.__file__)")
        assert place == f"{bench.folder}/src/demo/__init__.py"


def test_an_environment_that_two_checkouts_share_leads_to_the_last_one(editable: Bench) -> None:
    folder = editable.folder.parent / "another"
    shutil.copytree(editable.folder, folder)
    editable.realise()
    other = Bench(folder=folder, options=replace(editable.options, venv=str(editable.venv)))
    assert other.actions(other.realise()) == [("demo", "replaced")]
    place = editable.python("import demo; print(demo.__file__)")
    assert place == f"{folder}/src/demo/__init__.py"


@pytest.mark.parametrize("mode", ["hardlink", "symlink", "copy"])
def test_files_that_lead_somewhere_are_shared_with_nobody(editable: Bench, mode: str) -> None:
    editable.realise(link_mode=mode)
    status = (editable.site / "_demo.pth").lstat()
    assert (status.st_nlink, (editable.site / "_demo.pth").is_symlink()) == (1, False)


def test_an_editable_may_write_to_its_own_folder_and_to_nothing_beside_it(bench: Bench) -> None:
    folder = bench.folder / "packages" / "demo"
    body = """\
open("made", "w").close()
try:
    open("../beside", "w").close()
except OSError:
    pass
"""
    write_project(folder, "demo", body=body)
    (bench.folder / "uv.lock").write_text(
        lock_text(
            package("app", 'virtual = "."', needs="demo"),
            package("demo", 'editable = "packages/demo"'),
        )
    )
    bench.realise()
    assert (folder / "made").exists()
    if bench.realise().link_mode is None and _is_sealed(bench):
        assert not (folder.parent / "beside").exists()


def _is_sealed(bench: Bench) -> bool:
    from envbuild.sandbox.machine import choose

    return choose(machine()) != "none"


@pytest.mark.parametrize(
    "request_", [Request(no_editable=True), Request(no_editable_packages=("demo",))]
)
def test_an_editable_can_be_installed_as_others_are(editable: Bench, request_: Request) -> None:
    editable.realise(request=request_)
    place = editable.python("import demo; print(demo.__file__)")
    assert place == f"{editable.site}/demo/__init__.py"
    document = json.loads((editable.site / "demo-1.0.dist-info/direct_url.json").read_text())
    assert document == {"dir_info": {"editable": False}, "url": f"file://{editable.folder}"}
    assert editable.actions(editable.realise()) == [("demo", "replaced")]


def test_the_build_lock_that_a_build_writes_is_no_reason_for_another(editable: Bench) -> None:
    every = Request(no_editable=True)
    editable.realise(request=every)
    assert (editable.folder / "envbuild.lock").exists()
    assert not built_again(editable, request=every)


def test_a_tree_is_built_from_what_its_files_hold_and_not_from_when_they_were_touched(
    directory: Bench,
) -> None:
    assert directory.actions(directory.realise()) == [("demo", "added")]
    for path in (directory.folder / "demo").rglob("*"):
        os.utime(path)
    assert not built_again(directory)
    rewrite(directory.folder / "demo/src/demo/__init__.py", "X = 2\n")
    assert built_again(directory)
    assert directory.python("import demo; print(demo.X)") == "2"
    rewrite(directory.folder / "demo/src/demo/__init__.py", "X = 1\n")
    assert not built_again(directory), "what was built before is still there"
    assert directory.python("import demo; print(demo.X)") == "1"


def test_what_builds_are_pinned_by_is_no_part_of_the_project_that_is_built(editable: Bench) -> None:
    built = Request(no_editable=True)
    editable.realise(request=built)
    assert (editable.folder / "envbuild.lock").exists()
    assert not built_again(editable, request=built)
    assert editable.realise(request=built, check=True).changes == ()


def test_what_git_ignores_is_no_part_of_a_tree(directory: Bench) -> None:
    folder = make_repository(directory.folder / "demo")
    commit(folder, {".gitignore": b"*.log\n"})
    directory.realise()
    (folder / "some.log").write_text("ignored")
    assert not built_again(directory)
    (folder / "some.txt").write_text("not ignored")
    assert built_again(directory)


def test_one_tree_in_two_places_is_one_build(directory: Bench) -> None:
    directory.realise()
    folder = directory.folder.parent / "another"
    shutil.copytree(directory.folder, folder, ignore=shutil.ignore_patterns(".venv"))
    assert not built_again(Bench(folder=folder, options=directory.options))


def test_a_variable_that_a_project_names_is_seen_by_its_build_and_part_of_it(
    directory: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(
        directory.folder / "demo",
        "demo",
        body='files["demo/__init__.py"] = repr(os.environ.get("FLAVOUR")).join(["X = ", "\\n"]).encode()',
        more='[tool.uv]\ncache-keys = [{ env = "FLAVOUR" }]\n',
    )
    for flavour in ("sour", "sweet"):
        monkeypatch.setenv("FLAVOUR", flavour)
        assert directory.realise().changes
        assert directory.python("import demo; print(demo.X)") == flavour
    with Store.open(directory.options.store) as store:
        records = b"".join(
            store.read(f"{layout.DERIVATIONS}/{path}") or b""
            for path in store.walk(layout.DERIVATIONS)
        )
    assert b"sweet" not in records, "it may be a secret"


def test_a_version_that_the_project_computes_is_that_of_what_was_built(bench: Bench) -> None:
    write_project(bench.folder, "demo", version="3.4")
    (bench.folder / "uv.lock").write_text(
        lock_text(package("demo", 'editable = "."', version=None))
    )
    result = bench.realise()
    assert [(change.name, change.after) for change in result.changes] == [("demo", "3.4")]
    rewrite(bench.folder / "VERSION", "3.5\n")
    (bench.folder / "setup.cfg").write_text("")
    assert [change.after for change in bench.realise().changes] == ["3.5"]


def test_a_version_that_is_not_the_locked_one_says_that_the_lock_is_old(editable: Bench) -> None:
    rewrite(editable.folder / "VERSION", "2.0\n")
    error = failure(editable)
    assert isinstance(error, WrongWheel)
    assert "another version than the lock has" in str(error)
    assert error.hint is not None
    assert "lock it again" in error.hint


def test_members_are_built_side_by_side_and_with_one_another(bench: Bench) -> None:
    sources = "[tool.uv.sources]\ntool = { workspace = true }\n"
    write_project(bench.folder, "demo", more="[tool.uv.workspace]\nmembers = ['members/*']\n")
    write_project(
        bench.folder / "members/user",
        "user",
        requires=["tool"],
        body='import tool; files["made"] = tool.X.encode()',
        more=sources,
    )
    write_project(bench.folder / "members/tool", "tool", code="X = 'by the tool'\n")
    (bench.folder / "uv.lock").write_text(
        lock_text(
            '\n[manifest]\nmembers = ["demo", "tool", "user"]\n',
            package("demo", 'editable = "."'),
            package("tool", 'editable = "members/tool"'),
            package("user", 'editable = "members/user"'),
        )
    )
    every = Request(all_packages=True, no_editable_packages=("user",))
    bench.realise(request=every)
    assert (bench.site / "made").read_text() == "by the tool"
    rewrite(bench.folder / "members/tool/src/tool/__init__.py", "X = 'by another one'\n")
    bench.realise(request=every)
    assert (bench.site / "made").read_text() == "by another one"


def test_members_that_are_built_with_one_another_are_refused_by_name(bench: Bench) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        write_project(
            bench.folder / name,
            name,
            is_static=True,
            requires=[other],
            more=f'[tool.uv.sources]\n{other} = {{ path = "../{other}" }}\n',
        )
    (bench.folder / "uv.lock").write_text(
        lock_text(package("app", 'virtual = "."', needs="one"), package("one", 'directory = "one"'))
    )
    error = failure(bench)
    assert isinstance(error, BuildCycle)
    assert set(error.names) == {"one", "two"}


def test_without_isolation_a_build_sees_what_the_environment_holds(
    bench: Bench, tmp_path: Path
) -> None:
    write_project(bench.folder / "demo", "demo", body='import lib; files["seen"] = lib.X.encode()')
    write_project(bench.folder / "lib", "lib", code="X = 'first'\n")
    (bench.folder / "uv.lock").write_text(
        lock_text(
            package("app", 'virtual = "."', needs="demo lib"),
            package("demo", 'directory = "demo"'),
            package("lib", 'editable = "lib"'),
        )
    )
    assert "No module named 'lib'" in str(failure(bench))
    bench.realise(no_build_isolation_packages=("demo",))
    assert (bench.site / "seen").read_text() == "first"
    rewrite(bench.folder / "lib/src/lib/__init__.py", "X = 'second'\n")
    bench.realise(no_build_isolation_packages=("demo",))
    assert (bench.site / "seen").read_text() == "second"


def test_what_is_pinned_is_demanded_by_locked(editable: Bench) -> None:
    error = failure(editable, locked=True)
    assert isinstance(error, NotPinned)
    assert not (editable.folder / "envbuild.lock").exists()
    editable.realise()
    assert 'source = { directory = "." }' in (editable.folder / "envbuild.lock").read_text()
    shutil.rmtree(editable.options.store)
    shutil.rmtree(editable.venv)
    assert editable.actions(editable.realise(locked=True)) == [("demo", "added")]


@pytest.mark.parametrize("no_build", [Request(no_build=True), Request(no_build_packages=("demo",))])
def test_the_project_is_built_whatever_may_not_be_built(editable: Bench, no_build: Request) -> None:
    assert editable.actions(editable.realise(request=no_build)) == [("demo", "added")]


def test_what_a_local_tree_is_built_with_is_not_built_where_that_is_not_permitted(
    bench: Bench,
) -> None:
    sdist(bench.folder / "index", "tool")
    index = '[[tool.uv.index]]\nurl = "index"\nformat = "flat"\ndefault = true\n'
    write_project(bench.folder, "demo", requires=["tool"], more=index)
    (bench.folder / "uv.lock").write_text(lock_text(EDITABLE))
    assert "cannot be resolved" in str(failure(bench, request=Request(no_build=True)))
    bench.realise()
    for request in (Request(no_build=True), Request(no_build_packages=("tool",))):
        error = failure(bench, request=request)
        assert isinstance(error, RequirementNotBuildable)
        assert (error.package, error.name) == ("demo", "tool")
    bench.realise(request=Request(no_build=True, no_binary_packages=("tool",)))


def test_a_member_may_be_built_with_another_one_whatever_may_not_be_built(bench: Bench) -> None:
    more = "[tool.uv.workspace]\nmembers = ['tool']\n[tool.uv.sources]\ntool = {workspace = true}\n"
    write_project(bench.folder, "demo", requires=["tool"], more=more)
    write_project(bench.folder / "tool", "tool")
    (bench.folder / "uv.lock").write_text(
        lock_text(
            '\n[manifest]\nmembers = ["demo", "tool"]\n',
            EDITABLE,
            package("tool", 'editable = "tool"'),
        )
    )
    assert bench.realise(request=Request(no_build=True)).changes


def lock_commit(bench: Bench, repository: Path, revision: str, *, subdirectory: str = "") -> None:
    query = f"?subdirectory={subdirectory}&rev=main" if subdirectory else "?rev=main"
    source = f'git = "file://{repository}{query}#{revision}"'
    (bench.folder / "uv.lock").write_text(
        lock_text(package("app", 'virtual = "."', needs="demo"), package("demo", source))
    )


def repository_of_demo(folder: Path, inside: str = "") -> tuple[Path, str]:
    repository = make_repository(folder)
    write_project(repository / inside, "demo", code="X = 'committed'\n")
    return repository, commit(repository, {})


@pytest.mark.parametrize("inside", ["", "python"])
def test_a_commit_is_built(bench: Bench, tmp_path: Path, inside: str) -> None:
    repository, revision = repository_of_demo(tmp_path / "repository", inside)
    write_project(repository / inside, "demo", code="X = 'later'\n")
    commit(repository, {})
    lock_commit(bench, repository, revision, subdirectory=inside)
    result = bench.realise()
    assert bench.actions(result) == [("demo", "added")]
    assert bench.python("import demo; print(demo.X)") == "committed"
    document = json.loads((bench.site / "demo-1.0.dist-info/direct_url.json").read_text())
    assert document["vcs_info"] == {
        "commit_id": revision,
        "requested_revision": "main",
        "vcs": "git",
    }
    assert document.get("subdirectory", "") == inside
    assert f'commit = "{revision}"' in (bench.folder / "envbuild.lock").read_text()


def test_a_commit_that_was_built_needs_no_repository(bench: Bench, tmp_path: Path) -> None:
    repository, revision = repository_of_demo(tmp_path / "repository")
    lock_commit(bench, repository, revision)
    bench.realise()
    repository.rename(tmp_path / "elsewhere")
    shutil.rmtree(bench.venv)
    assert not built_again(bench, offline=True, locked=True)
    lock_commit(bench, tmp_path / "elsewhere", revision)
    assert not built_again(bench), "where a commit comes from is no part of it"


def test_a_commit_is_not_built_where_that_is_not_permitted(bench: Bench, tmp_path: Path) -> None:
    repository, revision = repository_of_demo(tmp_path / "repository")
    lock_commit(bench, repository, revision)
    assert "is not permitted" in str(failure(bench, request=Request(no_build=True)))


def test_a_dry_run_says_what_would_be_built(directory: Bench) -> None:
    result = directory.realise(dry_run=True)
    assert result.missing == ("demo",)
    assert not (directory.folder / "envbuild.lock").exists()
    directory.realise()
    assert _missing(directory.realise(dry_run=True)) == ()
    rewrite(directory.folder / "demo/src/demo/__init__.py", "X = 2\n")
    assert _missing(directory.realise(dry_run=True)) == ("demo",)


def test_a_dry_run_leaves_a_computed_version_alone_where_something_else_is_missing(
    bench: Bench,
) -> None:
    write_project(bench.folder / "demo", "demo", version="3.4")
    write_project(bench.folder / "other", "other")
    (bench.folder / "uv.lock").write_text(
        lock_text(
            package("app", 'virtual = "."', needs="demo other"),
            package("demo", 'directory = "demo"', version=None),
            package("other", 'directory = "other"'),
        )
    )
    bench.realise()
    rewrite(bench.folder / "other/src/other/__init__.py", "X = 2\n")
    assert bench.actions(bench.realise(dry_run=True)) == [("other", "replaced")]


def _missing(result: RealiseResult) -> tuple[str, ...]:
    return result.missing
