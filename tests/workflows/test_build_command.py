"""`build`: projects and source distributions to wheel files, by the same keys as environments."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from installer.sources import WheelFile

from envbuild.errors import EnvbuildError
from envbuild.events import SILENT
from envbuild.frozen import replace
from envbuild.realise.build import BuildFailed
from envbuild.realise.built_wheels import WrongWheel
from envbuild.realise.zip_directory import DamagedArchive
from envbuild.selection.model import Request
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.target.search import NoFittingInterpreter
from envbuild.workflows.build_order import NotAMember, UnknownName
from envbuild.workflows.build_pins import NotPinned
from envbuild.workflows.build_wheels import BuildResult, BuiltWheel, build_wheels
from support.own_backend import lock_archives, sdist
from support.projects import lock_text, package, write_project
from support.source_trees import sdist_tar, sdist_zip, write_files
from support.wheels import build_wheel
from workflows.bench import Bench, bench_in, uv_install

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.events import Event

WHEEL = "demo-1.0-py3-none-any.whl"
NO_EDITABLE = Request(no_editable=True)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is remembered of this machine, found out once."""
    return str(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def bench(tmp_path: Path, cache: str) -> Bench:
    made = bench_in(tmp_path)
    return Bench(folder=made.folder, options=replace(made.options, cache=cache))


@pytest.fixture
def demo(bench: Bench) -> Bench:
    """A project without a lock."""
    write_project(bench.folder, "demo", is_static=True)
    return bench


@pytest.fixture
def workspace(bench: Bench) -> Bench:
    """A workspace: a root that is no project to be built, two members, and a tree beside them."""
    folder = bench.folder
    (folder / "pyproject.toml").write_text("[tool.uv.workspace]\nmembers = ['packages/*']\n")
    for name in ("one", "two"):
        write_project(folder / "packages" / name, name, is_static=True)
    write_project(folder / "beside", "beside")
    (folder / "app").mkdir()
    (folder / "app" / "pyproject.toml").write_text("[project]\nname = 'app'\nversion = '1'\n")
    members = '[manifest]\nmembers = ["app", "one", "two"]\n'
    text = lock_text(
        package("app", 'virtual = "app"', version="1"),
        package("beside", 'directory = "beside"', version=None),
        package("one", 'editable = "packages/one"'),
        package("two", 'editable = "packages/two"'),
    )
    (folder / "uv.lock").write_text(text.replace("\n\n", f"\n\n{members}\n", 1))
    return bench


class Told:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def report(self, event: Event) -> None:
        self.events.append(event)


def build(bench: Bench, source: str | Path = ".", **options: Any) -> BuildResult:
    own = ("members", "all_members", "out_dir", "compress")
    given = {name: options.pop(name) for name in own if name in options}
    return build_wheels(
        str(source),
        replace(bench.options, **options),
        environ=dict(os.environ),
        cwd=str(bench.folder),
        reporter=SILENT,
        **given,
    )


def one(bench: Bench, source: str | Path = ".", **options: Any) -> BuiltWheel:
    (wheel,) = build(bench, source, **options).wheels
    return wheel


def failure(bench: Bench, source: str | Path = ".", **options: Any) -> EnvbuildError:
    with pytest.raises(EnvbuildError) as caught:
        build(bench, source, **options)
    return caught.value


def builds(bench: Bench) -> int:
    with Store.open(bench.options.store) as store:
        return sum(1 for _ in store.walk(layout.LOGS))


def content(wheel: BuiltWheel, path: str) -> str:
    with zipfile.ZipFile(wheel.file.path) as archive:
        return archive.read(path).decode()


def add(bench: Bench, text: str) -> None:
    with (bench.folder / "pyproject.toml").open("a") as file:
        file.write(text)


def test_a_project_becomes_a_wheel_file_and_an_entry(demo: Bench) -> None:
    result = build(demo)
    (wheel,) = result.wheels
    assert (result.lockfile, wheel.name, wheel.version, wheel.is_new) == (None, "demo", "1.0", True)
    assert wheel.file.path == str(demo.folder / "dist" / WHEEL)
    with WheelFile.open(Path(wheel.file.path)) as opened:
        opened.validate_record()
    with Store.open(demo.options.store) as store:
        tree = store.read_tree(wheel.entry)
        (realisation,) = store.realisations(wheel.key)
    assert tree is not None
    assert realisation.name == WHEEL
    with zipfile.ZipFile(wheel.file.path) as archive:
        assert sorted(archive.namelist()) == [entry.path for entry in tree.entries]
    assert Path(wheel.log).is_file()


def test_a_second_build_builds_nothing_and_touches_nothing(demo: Bench) -> None:
    first = one(demo)
    before = os.stat(first.file.path)
    second = one(demo, locked=True, offline=True)
    assert (second.is_new, second.file.action, builds(demo)) == (False, "kept", 1)
    after = os.stat(second.file.path)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (second.key, second.duration_ms, second.log) == (
        first.key,
        first.duration_ms,
        first.log,
    )


def test_one_byte_of_a_source_is_another_wheel(demo: Bench) -> None:
    first = one(demo)
    (demo.folder / "src/demo/__init__.py").write_text("X = 2\n")
    second = one(demo)
    assert (second.is_new, second.file.action) == (True, "replaced")
    assert second.key != first.key
    assert content(second, "demo/__init__.py") == "X = 2\n"


def test_environments_and_wheel_files_share_builds_either_way(demo: Bench) -> None:
    (demo.folder / "uv.lock").write_text(lock_text(package("demo", 'editable = "."')))
    wheel = one(demo)
    demo.realise(request=NO_EDITABLE)
    assert builds(demo) == 1
    (demo.folder / "src/demo/__init__.py").write_text("X = 2\n")
    demo.realise(request=NO_EDITABLE)
    again = one(demo)
    assert (again.is_new, builds(demo)) == (False, 2)
    assert again.key != wheel.key


def test_two_machines_write_the_same_bytes(demo: Bench, tmp_path: Path) -> None:
    first = one(demo)
    elsewhere = tmp_path / "another" / "place"
    shutil.copytree(demo.folder, elsewhere, ignore=shutil.ignore_patterns("dist"))
    second = one(demo, elsewhere, store=str(tmp_path / "another-store"))
    assert second.is_new
    assert (second.key, second.entry) == (first.key, first.entry)
    assert second.file.sha256 == first.file.sha256
    data = Path(second.file.path).read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (second.file.sha256, second.file.size)


def test_other_tools_install_the_file(demo: Bench, tmp_path: Path) -> None:
    wheel = one(demo)
    bench = Bench(folder=tmp_path / "user", options=demo.options)
    bench.folder.mkdir()
    (bench.folder / "uv.lock").write_text(lock_text())
    (bench.folder / "pyproject.toml").write_text("")
    bench.realise()
    uv_install(bench, wheel.file.path)
    assert bench.python("import demo; print(demo.X)") == "1"


def test_without_a_lock_the_build_lock_lies_beside_the_project(demo: Bench) -> None:
    error = failure(demo, locked=True)
    assert isinstance(error, NotPinned)
    one(demo)
    assert 'source = { directory = "." }' in (demo.folder / "envbuild.lock").read_text()
    shutil.rmtree(demo.options.store)
    assert one(demo, locked=True, offline=True).is_new


def test_what_a_project_is_built_with_is_pinned(demo: Bench) -> None:
    write_project(demo.folder, "demo", is_static=True, requires=["maker"], body="import maker")
    index = demo.folder.parent / "index"
    build_wheel(index, "maker", "1.0")
    add(demo, f"[tool.uv]\nno-index = true\nfind-links = ['{index}']\n")
    first = one(demo)
    assert 'name = "maker"' in (demo.folder / "envbuild.lock").read_text()
    build_wheel(index, "maker", "2.0")
    assert one(demo).key == first.key
    (demo.folder / "envbuild.lock").unlink()
    second = one(demo)
    assert second.is_new
    assert second.key != first.key


def test_a_lock_above_has_settings_and_build_lock(workspace: Bench) -> None:
    add(workspace, "[tool.uv.extra-build-variables]\none = { MODE = 'fast' }\n")
    folder = workspace.folder / "packages" / "one"
    write_project(folder, "one", is_static=True, body='files["mode"] = os.environ["MODE"].encode()')
    result = build(workspace, "packages/one")
    assert result.lockfile == str(workspace.folder / "uv.lock")
    (wheel,) = result.wheels
    assert wheel.file.path == str(folder / "dist" / "one-1.0-py3-none-any.whl")
    assert content(wheel, "mode") == "fast"
    assert 'directory = "packages/one"' in (workspace.folder / "envbuild.lock").read_text()
    assert not (folder / "envbuild.lock").exists()
    workspace.realise(request=Request(roots=("one",), no_editable=True))
    assert builds(workspace) == 1


def test_a_tree_that_no_lock_knows_is_built_by_the_lock_above(workspace: Bench) -> None:
    write_project(workspace.folder / "vendor" / "thing", "thing")
    wheel = one(workspace, "vendor/thing")
    assert (wheel.name, wheel.version) == ("thing", "1.0")
    assert 'directory = "vendor/thing"' in (workspace.folder / "envbuild.lock").read_text()


def test_members_are_built_together_or_by_name(workspace: Bench) -> None:
    result = build(workspace, all_members=True)
    dist = workspace.folder / "dist"
    assert [wheel.name for wheel in result.wheels] == ["one", "two"]
    assert sorted(os.listdir(dist)) == [
        ".gitignore",
        "one-1.0-py3-none-any.whl",
        "two-1.0-py3-none-any.whl",
    ]
    # From within a member it is the same workspace.
    wheel = one(workspace, "packages/one", members=("two",))
    assert (wheel.name, wheel.is_new, wheel.file.action) == ("two", False, "kept")
    for name in ("beside", "nobody"):
        error = failure(workspace, members=(name,))
        assert isinstance(error, NotAMember)
        assert error.hint == "there are: `app`, `one`, `two`"


def test_what_fails_does_not_keep_others_from_being_built(workspace: Bench) -> None:
    write_project(workspace.folder / "packages" / "one", "one", body="raise ValueError('no')")
    error = failure(workspace, all_members=True)
    assert isinstance(error, BuildFailed)
    assert error.name == "one"
    assert one(workspace, "packages/two").is_new is False


def test_a_link_to_a_project_is_that_project(demo: Bench, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(demo.folder)
    wheel = one(demo, "../link")
    assert wheel.file.path == str(demo.folder / "dist" / WHEEL)
    assert one(demo).is_new is False


def test_a_version_that_is_computed_is_that_of_the_wheel(bench: Bench) -> None:
    write_project(bench.folder, "demo", version="1.2.dev3")
    assert one(bench).version == "1.2.dev3"
    (bench.folder / "VERSION").write_text("2.0\n")
    assert one(bench).version == "2.0"


def test_a_project_ahead_of_its_lock_is_built_as_it_is(demo: Bench) -> None:
    (demo.folder / "uv.lock").write_text(lock_text(package("demo", 'editable = "."')))
    write_project(demo.folder, "demo", version="1.1", is_static=True)
    assert one(demo).version == "1.1"


def test_a_wheel_of_another_version_than_the_project_says_is_refused(bench: Bench) -> None:
    write_project(bench.folder, "demo", version="2.0", is_static=True)
    (bench.folder / "VERSION").write_text("3.0\n")
    assert isinstance(failure(bench), WrongWheel)


def legacy(folder: Path, script: str, version: str = "1.0") -> None:
    """Make a project of an older kind, with a backend that needs nothing."""
    write_project(folder, "demo", version=version)
    text = (folder / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(text[text.index("[build-system]") :])
    (folder / "setup.py").write_text(script)


def test_an_older_project_has_the_name_that_it_is_given(bench: Bench) -> None:
    legacy(bench.folder, "from setuptools import setup\nsetup(name='demo')\n")
    assert one(bench).name == "demo"


def test_a_name_that_is_computed_is_that_of_the_lock(bench: Bench) -> None:
    legacy(bench.folder, "from setuptools import setup\nsetup(name=''.join('demo'))\n")
    assert isinstance(failure(bench), UnknownName)
    (bench.folder / "uv.lock").write_text(lock_text(package("demo", 'directory = "."')))
    assert one(bench).name == "demo"
    bench.realise()
    assert builds(bench) == 1


ARCHIVES: Mapping[str, str] = {
    "tar": "made-1.0.tar.gz",
    "zip": "made-1.0.zip",
    "without metadata": "made-main.tar.gz",
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_becomes_a_wheel_file_beside_it(bench: Bench, tmp_path: Path, kind: str) -> None:
    whole = sdist(tmp_path / "whole", "made")
    shutil.unpack_archive(whole, tmp_path / "unpacked")
    files: dict[str, bytes | str] = {
        path.name: path.read_bytes() for path in (tmp_path / "unpacked/made-1.0").iterdir()
    }
    if kind == "without metadata":
        del files["PKG-INFO"]
    archive = tmp_path / "sdists" / ARCHIVES[kind]
    archive.parent.mkdir()
    make = sdist_zip if kind == "zip" else sdist_tar
    archive.write_bytes(make(files, top="made-1.0"))
    wheel = one(bench, archive)
    assert (wheel.name, wheel.version, wheel.is_new) == ("made", "1.0", True)
    assert sorted(os.listdir(archive.parent)) == ["made-1.0-py3-none-any.whl", archive.name]
    assert one(bench, archive).is_new is False


def test_an_archive_of_a_lock_is_the_same_build(bench: Bench, tmp_path: Path) -> None:
    archive = sdist(tmp_path / "sdists", "made")
    lock_archives(bench.folder, archive)
    bench.realise()
    assert one(bench, archive, out_dir=str(tmp_path / "out")).is_new is False
    assert builds(bench) == 1
    assert not (archive.parent / "envbuild.lock").exists()


def test_a_build_lock_beside_an_archive_is_used_where_it_is_there(
    bench: Bench, tmp_path: Path
) -> None:
    archive, told = sdist(tmp_path / "sdists", "made"), Told()
    build_wheels(str(archive), bench.options, environ=dict(os.environ), cwd="/", reporter=told)
    assert "is not pinned" in str(told.events)
    path = archive.parent / "envbuild.lock"
    assert not path.exists()
    path.write_text("version = 1\n")
    one(bench, archive)
    assert 'name = "made"' in path.read_text()
    assert one(bench, archive, locked=True, offline=True).is_new is False


def test_an_archive_in_a_project_goes_by_its_lock(demo: Bench, tmp_path: Path) -> None:
    (demo.folder / "uv.lock").write_text(lock_text(package("demo", 'editable = "."')))
    archive = sdist(demo.folder / "dist", "made")
    wheel = one(demo, archive)
    assert os.path.dirname(wheel.file.path) == str(archive.parent)
    assert 'name = "made"' in (demo.folder / "envbuild.lock").read_text()


def test_an_archive_that_is_none_is_refused(bench: Bench) -> None:
    (bench.folder / "made-1.0.tar.gz").write_bytes(b"no archive")
    assert isinstance(failure(bench, "made-1.0.tar.gz"), DamagedArchive)


def test_an_interpreter_that_the_project_does_not_allow_is_refused(demo: Bench) -> None:
    text = (demo.folder / "pyproject.toml").read_text()
    text = text.replace("[project]\n", '[project]\nrequires-python = "<3"\n')
    (demo.folder / "pyproject.toml").write_text(text)
    error = failure(demo, python=None)
    assert isinstance(error, NoFittingInterpreter)
    assert "the project requires Python `<3`" in str(error)


def test_config_settings_and_variables_are_part_of_what_is_built(demo: Bench) -> None:
    body = 'files["told"] = repr(config_settings).encode()'
    write_project(demo.folder, "demo", is_static=True, body=body)
    first = one(demo, config_settings=("mode=fast",))
    assert content(first, "told") == "{'mode': 'fast'}"
    second = one(demo, package_config_settings=("demo:mode=slow",))
    assert content(second, "told") == "{'mode': 'slow'}"
    assert one(demo, config_settings=("mode=fast",)).is_new is False


def test_without_isolation_a_build_sees_what_the_lock_has(bench: Bench) -> None:
    body = 'import lib; files["seen"] = lib.X.encode()'
    write_project(bench.folder, "demo", is_static=True, body=body)
    write_project(bench.folder / "parts" / "its", "lib", code="X = 'here'\n")
    (bench.folder / "uv.lock").write_text(
        lock_text(
            package("demo", 'editable = "."', needs="lib"),
            package("lib", 'directory = "parts/its"'),
        )
    )
    assert isinstance(failure(bench), BuildFailed)
    wheel = one(bench, no_build_isolation_packages=("demo",))
    assert content(wheel, "seen") == "here"


def test_what_the_store_has_lost_is_built_again(demo: Bench) -> None:
    first = one(demo)
    with Store.open(demo.options.store) as store:
        tree = store.read_tree(first.entry)
        assert tree is not None
        (entry,) = (entry for entry in tree.entries if entry.path == "demo/__init__.py")
        assert entry.digest is not None
        blob = Path(store.absolute(layout.blob(entry.digest, executable=False)))
    blob.chmod(0o644)
    blob.write_text("X = 666\n")
    os.unlink(first.file.path)
    second = one(demo)
    assert (second.is_new, second.file.action) == (True, "written")
    assert second.file.sha256 == first.file.sha256


def test_two_that_want_the_same_build_once(demo: Bench) -> None:
    results: list[BuiltWheel] = []
    threads = [
        threading.Thread(target=lambda: results.append(one(demo, locked=False))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wheel.is_new for wheel in results) == [False, True]
    assert len({wheel.file.sha256 for wheel in results}) == 1
    assert sorted(os.listdir(demo.folder / "dist")) == [".gitignore", WHEEL]


def test_a_file_beside_the_tree_is_no_source_of_the_next_build(demo: Bench) -> None:
    for place in ("dist", "some/where"):
        first = one(demo, out_dir=str(demo.folder / place))
        write_files(demo.folder / place, {"other-1.0-py3-none-any.whl": b""})
        assert one(demo, out_dir=str(demo.folder / place)).key == first.key
