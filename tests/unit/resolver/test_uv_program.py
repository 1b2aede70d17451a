"""Build requirements resolved by the real uv, from an index on this machine."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envbuild.buildlock.freshness import why_stale
from envbuild.buildlock.model import ArchiveSource, BuildLock, PinnedTree
from envbuild.buildlock.parse import parse_build_lock
from envbuild.buildlock.pin import NoUsableFile, pin
from envbuild.buildlock.render import render_build_lock
from envbuild.buildlock.runtime import Runtime, runtime_of
from envbuild.buildlock.settings import parse_build_settings
from envbuild.buildlock.strategy import CannotUseLocked, Demand, request_resolution
from envbuild.frozen import replace
from envbuild.lockfile.parse import parse_lock
from envbuild.resolver.search import Unresolvable
from envbuild.resolver.uv_program import NoUv, UvFailed, UvProgram, find_uv
from envbuild.resolver.uv_settings import read_uv_settings
from envbuild.target.probe import probe
from support.build_locks import sha256
from support.index_server import IndexServer, Status
from support.interpreters import running
from support.locks import lock_text, package
from support.sdists import write_sdist
from support.source_trees import write_files
from support.wheels import build_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envbuild.buildlock.model import Build, PinnedFile, PinnedPackage
    from envbuild.target.model import Interpreter

PREFER = "[tool.envbuild]\nbuild-dependency-strategy = 'prefer-locked'\n"
REQUIRE = "[tool.envbuild]\nbuild-dependency-strategy = 'require-locked'\n"


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    return probe(running().path, cache_dir=str(tmp_path_factory.mktemp("interpreters")))


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distributions")
    for version in ("1.0", "2.0", "3.0"):
        build_wheel(folder, "backend", version, requires=["tool"])
        build_wheel(folder, "tool", version)
    build_wheel(folder, "narrow", "1.0", requires=["tool<2"])
    build_wheel(folder, "narrow", "2.0", requires=["tool<3"])
    build_wheel(folder, "mixed", "1.0")
    write_sdist(folder, "mixed", "2.0")
    write_sdist(folder, "raw", "1.0", requires=["tool<3"])
    build_wheel(folder, "torch", "1.0+gpu")
    return folder


class World:
    """A project over an index, and a uv with a cache of its own."""

    def __init__(self, folder: Path, index: IndexServer, interpreter: Interpreter) -> None:
        self.folder = folder / "project"
        self.folder.mkdir()
        self.index = index
        self.interpreter = interpreter
        self.environ = {
            "HOME": str(folder / "home"),
            "NO_PROXY": "127.0.0.1",
            "PATH": os.environ["PATH"],
            "UV_CACHE_DIR": str(folder / "cache"),
            "UV_HTTP_RETRIES": "0",
        }
        self.offline = False
        self.indexes = f'[[tool.uv.index]]\nurl = "{index.index_url}"\ndefault = true\n'

    def lock(self, *names: str) -> Runtime:
        """Return what uv locks for requirements."""
        project = self.folder / "pyproject.toml"
        requires = f">={'.'.join(self.interpreter.target.version.split('.')[:2])}"
        project.write_text(
            f'[project]\nname = "app"\nversion = "0"\nrequires-python = "{requires}"\n'
            f"dependencies = {list(names)}\n{self.indexes}"
        )
        subprocess.run(
            (find_uv(os.environ), "lock", "--python", self.interpreter.executable, "--quiet"),
            cwd=self.folder, env=self.environ, check=True,
        )  # fmt: skip
        text = (self.folder / "uv.lock").read_text()
        return runtime_of(
            lambda: parse_lock(text, file="uv.lock"), folder=str(self.folder), selected={}
        )

    def resolver(self, settings: str = "") -> UvProgram:
        table = read_uv_settings(
            settings + self.indexes, file="p", folder=str(self.folder), registries=()
        )
        return UvProgram(table, folder=str(self.folder), environ=self.environ, offline=self.offline)

    def pin(
        self,
        *requires: str,
        lock: Runtime | None = None,
        settings: str = "",
        previous: tuple[PinnedPackage, ...] = (),
    ) -> Build:
        return pin(
            demand(*requires),
            parse_build_settings(settings, file="pyproject.toml"),
            lock or runtime(),
            self.interpreter,
            self.resolver(settings),
            previous=previous,
        )


@pytest.fixture
def world(tmp_path: Path, distributions: Path, interpreter: Interpreter) -> Iterator[World]:
    with IndexServer(distributions) as index:
        yield World(tmp_path, index, interpreter)


def runtime(*packages: str) -> Runtime:
    lock = parse_lock(lock_text(*packages), file="uv.lock")
    return runtime_of(lambda: lock, folder="/srv/app", selected={})


def demand(*requires: str, **more: Any) -> Demand:
    fields: dict[str, Any] = {
        "name": "demo",
        "version": "1.0",
        "source": ArchiveSource(hash=sha256("5")),
        "operation": "wheel",
        "requires": requires,
        "sources": {},
    }
    return Demand(**{**fields, **more})


def versions(build: Build) -> dict[str, str | None]:
    return {package.name: package.version for package in build.packages}


def files(build: Build) -> list[PinnedFile]:
    return [file for package in build.packages for file in files_of(package)]


def files_of(package: PinnedPackage) -> tuple[PinnedFile, ...]:
    assert isinstance(package.content, tuple)
    return package.content


def test_the_newest_versions_are_pinned_with_all_that_it_takes_to_fetch_them(
    world: World, distributions: Path
) -> None:
    build = world.pin("backend")
    assert versions(build) == {"backend": "3.0", "tool": "3.0"}
    for file in files(build):
        assert file.url == world.index.file_url(file.filename)
        assert file.size == (distributions / file.filename).stat().st_size
        assert file.hash.startswith("sha256:")
    lock = BuildLock(builds=(build,))
    assert parse_build_lock(render_build_lock(lock), file="envbuild.lock") == lock


def test_a_requirement_that_admits_the_locked_version_takes_it(world: World) -> None:
    lock = world.lock("tool<3")
    build = world.pin("backend", lock=lock, settings=PREFER)
    assert versions(build) == {"backend": "3.0", "tool": "2.0"}
    assert build.ignored == ()
    (locked,) = lock.packages["tool"]
    assert files_of(build.packages[1]) == locked.files


def test_a_requirement_that_conflicts_with_it_ignores_the_preference(world: World) -> None:
    build = world.pin("tool>=3", "backend", lock=world.lock("tool<3"), settings=PREFER)
    assert versions(build) == {"backend": "3.0", "tool": "3.0"}
    assert build.ignored == (("tool", "2.0"),)


def test_so_does_one_of_what_is_brought_along_and_the_others_are_kept(world: World) -> None:
    lock = world.lock("tool==3.0", "backend==1.0")
    build = world.pin("narrow", "backend", lock=lock, settings=PREFER)
    assert versions(build) == {"backend": "1.0", "narrow": "2.0", "tool": "2.0"}
    assert build.ignored == (("tool", "3.0"),)


def test_require_locked_fails_with_the_reason_that_uv_has(world: World) -> None:
    lock = runtime(package("tool", "3.0"), package("narrow", "2.0"))
    with pytest.raises(CannotUseLocked) as caught:
        world.pin("narrow", lock=lock, settings=REQUIRE)
    error = caught.value
    assert (error.requirement, error.obstacle, error.versions) == ("tool", "conflict", ("3.0",))
    assert "narrow>=2.0 depends on tool<3" in error.explanation


def test_require_locked_takes_nothing_that_is_not_locked(world: World) -> None:
    assert versions(
        world.pin("backend", lock=world.lock("backend==2.0", "tool==1.0"), settings=REQUIRE)
    ) == {"backend": "2.0", "tool": "1.0"}
    with pytest.raises(CannotUseLocked, match="needs `tool`, which the lock does not hold"):
        world.pin("backend", lock=runtime(package("backend", "2.0")), settings=REQUIRE)


EXPLICIT = """
[tool.uv.extra-build-dependencies]
demo = [{{ requirement = "torch", match-runtime = true }}]
[tool.uv.sources]
torch = {{ index = "gpu" }}
[[tool.uv.index]]
name = "gpu"
url = "{url}"
explicit = true
"""


def test_match_runtime_has_the_very_version_from_the_very_index(
    world: World, tmp_path: Path
) -> None:
    build_wheel(tmp_path / "gpu", "torch", "1.0+gpu", files={"torch.py": "GPU = True"})
    build_wheel(tmp_path / "gpu", "torch", "2.0+gpu")
    with IndexServer(tmp_path / "gpu") as gpu:
        settings = EXPLICIT.format(url=gpu.index_url)
        lock = runtime(
            package("torch", "1.0+gpu", source=f'registry = "{gpu.index_url}"', wheels=())
        )
        build = world.pin("tool", lock=lock, settings=settings)
        assert versions(build) == {"tool": "3.0", "torch": "1.0+gpu"}
        assert files_of(build.packages[1])[0].url == gpu.file_url("torch-1.0+gpu-py3-none-any.whl")
        assert build.extra_requires == ("torch==1.0+gpu",)
        moved = runtime(
            package("torch", "2.0+gpu", source=f'registry = "{gpu.index_url}"', wheels=())
        )
        assert versions(world.pin("tool", lock=moved, settings=settings))["torch"] == "2.0+gpu"


def test_build_constraints_bind_what_is_built_with(world: World) -> None:
    settings = "[tool.uv]\nbuild-constraint-dependencies = ['tool<2']\n"
    build = world.pin("backend", settings=settings)
    assert versions(build) == {"backend": "3.0", "tool": "1.0"}
    assert build.constraints is not None


def test_constraints_of_the_environment_itself_do_not(world: World) -> None:
    settings = (
        "[tool.uv]\nconstraint-dependencies = ['tool<2']\noverride-dependencies = ['tool<2']\n"
    )
    assert versions(world.pin("backend", settings=settings))["tool"] == "3.0"


def test_hashes_in_build_constraints_are_enforced(world: World) -> None:
    (good,) = (file for file in files(world.pin("tool<2")))
    constraint = "[tool.uv]\nbuild-constraint-dependencies = [{{ requirement = 'tool==1.0', hashes = ['{}'] }}]\n"
    build = world.pin("tool", settings=constraint.format(good.hash))
    assert files(build) == [good]
    with pytest.raises(NoUsableFile):
        world.pin("tool", settings=constraint.format(sha256("e")))


def test_a_wheel_is_taken_before_a_newer_source_archive(world: World) -> None:
    assert versions(world.pin("mixed")) == {"mixed": "1.0"}
    assert versions(world.pin("mixed", "raw"))["mixed"] == "1.0"


def test_what_has_no_wheel_is_pinned_to_its_source_and_leads_to_a_build_of_its_own(
    world: World,
) -> None:
    build = world.pin("raw")
    assert versions(build) == {"raw": "1.0", "tool": "2.0"}
    (archive,) = files_of(build.packages[0])
    assert archive.filename == "raw-1.0.tar.gz"
    source = ArchiveSource(hash=archive.hash)
    assert build.needs() == (("raw", source, build.target, "wheel"),)


def test_what_must_be_built_is_not_taken_as_a_wheel(world: World) -> None:
    build = world.pin("mixed", settings="[tool.uv]\nno-binary-package = ['mixed']\n")
    assert [file.filename for file in files(build)] == ["mixed-2.0.tar.gz"]


def test_what_must_not_be_built_is_not_taken_as_a_source(world: World) -> None:
    with pytest.raises(Unresolvable, match="raw"):
        world.pin("raw", settings="[tool.uv]\nno-build-package = ['raw']\n")


def test_what_was_pinned_stays_when_a_backend_asks_for_more(world: World) -> None:
    before = world.pin("tool<3")
    what = demand("tool", hook_requires=("backend",))
    after = pin(
        what,
        parse_build_settings("", file="p"),
        runtime(),
        world.interpreter,
        world.resolver(),
        previous=before.packages,
    )
    assert versions(after) == {"backend": "3.0", "tool": "2.0"}
    assert after.hook_requires == ("backend",)


def test_a_tree_that_a_project_names_is_pinned_by_its_path(world: World) -> None:
    files = {
        "pyproject.toml": (
            "[build-system]\nrequires = []\nbuild-backend = 'x'\n"
            "[project]\nname = 'plugin'\nversion = '1'\ndependencies = ['tool<2']\n"
        )
    }
    write_files(world.folder / "packages" / "plugin", files)
    settings = """
[tool.uv.extra-build-dependencies]
demo = ["plugin"]
[tool.uv.sources]
plugin = { path = "packages/plugin" }
"""
    build = world.pin(settings=settings)
    assert {package.name: package.content for package in build.packages}["plugin"] == PinnedTree(
        path="packages/plugin"
    )
    assert versions(build) == {"plugin": None, "tool": "1.0"}
    member = package("plugin", source='editable = "packages/plugin"', wheels=())
    preferred = world.pin("plugin", lock=runtime(member), settings=PREFER)
    assert preferred.packages == build.packages


def test_what_uv_knows_is_resolved_again_without_a_network(world: World) -> None:
    first = world.pin("backend", "raw")
    asked = len(world.index.seen())
    world.offline = True
    assert world.pin("backend", "raw") == first
    assert len(world.index.seen()) == asked


def test_what_uv_does_not_know_cannot_be_resolved_without_a_network(world: World) -> None:
    world.offline = True
    with pytest.raises(Unresolvable, match="network was disabled"):
        world.pin("backend")


def test_what_nothing_meets_is_told_in_the_words_of_uv(world: World) -> None:
    with pytest.raises(Unresolvable) as caught:
        world.pin("backend>5", "tool")
    error = caught.value
    assert error.requirements == ("backend>5", "tool")
    assert error.message.startswith(
        "what `demo` 1.0 is built with cannot be resolved (`backend>5`, `tool`): Because only"
    )
    assert "the-build-of-demo depends on backend>5" in error.explanation


def test_an_index_that_fails_is_no_conflict(world: World) -> None:
    world.index.always("/simple/tool/", Status(503))
    with pytest.raises(UvFailed) as caught:
        world.pin("tool", lock=runtime(package("tool", "1.0")), settings=PREFER)
    assert caught.value.package == "demo"
    assert "503" in caught.value.told


def test_a_date_holds_back_what_was_uploaded_later(world: World) -> None:
    with pytest.raises(Unresolvable, match="tool"):
        world.pin("tool", settings="[tool.uv]\nexclude-newer = '2020-01-01T00:00:00Z'\n")


def test_variables_that_mean_another_command_change_nothing(world: World) -> None:
    (world.folder / "old.txt").write_text("tool<2")
    world.environ |= {
        "UV_CONSTRAINT": str(world.folder / "old.txt"),
        "UV_RESOLUTION": "lowest",
        "UV_NO_SOURCES": "1",
        "UV_PYTHON": "3.99",
    }
    assert versions(world.pin("tool")) == {"tool": "3.0"}


def test_no_credentials_are_on_the_command_line_or_in_the_lock(
    world: World, tmp_path: Path
) -> None:
    world.index.accounts["/"] = ("me", "s3cret")
    world.indexes = world.indexes.replace("http://", "http://me:s3cret@")
    recorder = tmp_path / "uv"
    recorder.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/arguments\nexec {find_uv(os.environ)} "$@"\n'
    )
    recorder.chmod(recorder.stat().st_mode | stat.S_IXUSR)
    resolver = world.resolver()
    resolver._program = str(recorder)
    build = pin(
        demand("tool"), parse_build_settings("", file="p"), runtime(), world.interpreter, resolver
    )
    assert "pip compile" in (tmp_path / "arguments").read_text()
    assert "s3cret" not in (tmp_path / "arguments").read_text()
    assert "s3cret" not in render_build_lock(BuildLock(builds=(build,)))
    world.indexes = world.indexes.replace("s3cret", "wr0ng")
    with pytest.raises((UvFailed, Unresolvable)) as caught:
        world.pin("raw")
    assert "wr0ng" not in str(caught.value)


def test_what_was_asked_before_is_not_asked_again(world: World, tmp_path: Path) -> None:
    recorder = tmp_path / "uv"
    recorder.write_text(
        f'#!/bin/sh\necho asked >> {tmp_path}/questions\nexec {find_uv(os.environ)} "$@"\n'
    )
    recorder.chmod(recorder.stat().st_mode | stat.S_IXUSR)
    resolver = world.resolver()
    resolver._program = str(recorder)
    settings = parse_build_settings("", file="p")
    for asked in (demand("tool"), replace(demand("tool"), name="other"), demand("tool<3")):
        pin(asked, settings, runtime(), world.interpreter, resolver)
    assert (tmp_path / "questions").read_text() == "asked\nasked\n"


def test_what_was_just_pinned_is_fresh(world: World) -> None:
    lock = runtime(package("tool", "2.0"), package("narrow", "9.0"))
    settings = parse_build_settings(PREFER, file="p")
    build = world.pin("narrow", "backend", lock=lock, settings=PREFER)
    target = world.interpreter.target
    request = request_resolution(demand("narrow", "backend"), settings, lock, target)
    assert build.ignored == (("narrow", "9.0"),)
    assert why_stale(build, demand("narrow", "backend"), request, target, hooks_asked=True) is None


def test_no_uv_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    with pytest.raises(NoUv) as caught:
        find_uv({"PATH": str(tmp_path)})
    assert caught.value.found is None
    assert caught.value.message == (
        "build requirements that `envbuild.lock` does not pin are resolved by uv, which is not"
        " installed"
    )
    assert caught.value.hint == "install `envbuild[build]`, or uv itself"


@pytest.mark.parametrize(
    ("said", "found"), [("uv 0.8.1", "0.8.1"), ("something else", None), ("uv x.y", None)]
)
def test_a_uv_that_is_too_old_is_told(
    said: str, found: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    program = tmp_path / "uv"
    program.write_text(f"#!/bin/sh\necho {said}\n")
    program.chmod(0o755)
    with pytest.raises(NoUv, match=r"expected 0\.13 or newer") as caught:
        find_uv({"PATH": str(tmp_path)})
    assert caught.value.found == (found or "of no known version")


def test_uv_is_found_beside_this_program_and_else_on_the_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beside = find_uv({"PATH": ""})
    monkeypatch.setitem(sys.modules, "uv", None)
    assert find_uv({"PATH": os.path.dirname(beside)}) == beside
