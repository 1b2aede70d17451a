"""Real projects: what envbuild realizes is what uv installs, and everything in it works."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from e2e.comparison import contents, differences, launchers, record_faults
from e2e.projects import PROJECTS, Project
from e2e.workbench import Workbench, snapshot

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.network, pytest.mark.slow]

# Programs that take no notice of `--help` and wait, and what shows that they have started.
SERVERS: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A project that envbuild has realized into `ours` and uv has synced into `theirs`."""

    project: Project
    bench: Workbench

    def prefix(self, name: str) -> str:
        return str(self.bench.folder / name)


@pytest.fixture(
    scope="module",
    params=[pytest.param(p, id=p.name, marks=pytest.mark.xdist_group(p.name)) for p in PROJECTS],
)
def installed(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    shared_folder: Path,
    uv_cache: Path,
) -> Installed:
    project: Project = request.param
    folder = tmp_path_factory.mktemp(project.name)
    bench = Workbench(folder=folder, uv_cache=uv_cache, store=shared_folder / "store")
    write(project, folder)
    bench.uv("lock")
    install(bench, "ours", "theirs", project.variants[0])
    return Installed(project=project, bench=bench)


def write(project: Project, folder: Path) -> None:
    for path, text in {"pyproject.toml": project.pyproject, **project.files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def install(bench: Workbench, ours: str, theirs: str, arguments: tuple[str, ...]) -> None:
    bench.realize(ours, *arguments)
    bench.uv("sync", "--frozen", *arguments, UV_PROJECT_ENVIRONMENT=theirs)


def test_every_file_is_the_one_that_uv_installs(installed: Installed) -> None:
    ours, theirs = (contents(installed.prefix(name)) for name in ("ours", "theirs"))
    assert differences(ours, theirs) == []
    assert ours


def test_every_record_is_true(installed: Installed) -> None:
    assert record_faults(installed.prefix("ours")) == []


def test_uv_and_pip_find_nothing_to_complain_of(installed: Installed) -> None:
    bench, arguments = installed.bench, installed.project.variants[0]
    bench.uv("pip", "check", "--python", "ours/bin/python")
    bench.pip("ours", "check")
    bench.uv("sync", "--frozen", "--check", *arguments, UV_PROJECT_ENVIRONMENT="ours")


def test_a_second_run_has_nothing_to_do(installed: Installed) -> None:
    before = snapshot(installed.prefix("ours"))
    again = installed.bench.realize("ours", *installed.project.variants[0]).json
    assert again["changes"] == []
    assert snapshot(installed.prefix("ours")) == before


def test_modules_can_be_imported(installed: Installed) -> None:
    statements = "; ".join(f"import {module}" for module in installed.project.imports)
    installed.bench.run("ours/bin/python", "-I", "-c", statements)


def test_every_console_script_starts(installed: Installed) -> None:
    # A script that does not answer `--help` with success must end as it does in uv's environment.
    scripts = sorted({path for path, _ in launchers(installed.prefix("ours"))})
    with ThreadPoolExecutor(2) as pool:
        faults = list(filter(None, pool.map(lambda path: start(installed, path), scripts)))
    assert faults == []


def start(installed: Installed, script: str) -> str | None:
    ours = asked_for_help(installed, "ours", script)
    if ours[0] == 0 or ours == asked_for_help(installed, "theirs", script):
        return None
    return f"{script}: {ours}"


def asked_for_help(installed: Installed, name: str, script: str) -> tuple[int, str]:
    try:
        done = installed.bench.run(
            f"{name}/{script}",
            "--help",
            code=None,
            timeout=60,
            environment={"HOME": "/nonexistent"},
        )
    except subprocess.TimeoutExpired:
        return (-1, "still running after a minute")
    last = (done.err.strip().splitlines() or [""])[-1]
    return (done.code, last.replace(installed.prefix(name), "PREFIX"))


def test_bytecode_that_programs_wrote_is_no_difference(installed: Installed) -> None:
    installed.bench.run("ours/bin/python", "-c", f"import {installed.project.imports[0]}")
    again = installed.bench.realize("ours", *installed.project.variants[0]).json
    assert again["changes"] == []
    theirs = contents(installed.prefix("theirs"))
    assert differences(contents(installed.prefix("ours")), theirs) == []


def test_every_variant_is_reached_from_any_other(installed: Installed) -> None:
    for arguments in (*installed.project.variants[1:], installed.project.variants[0]):
        install(installed.bench, "ours", "theirs", arguments)
        ours, theirs = (contents(installed.prefix(name)) for name in ("ours", "theirs"))
        assert differences(ours, theirs) == [], arguments
        assert record_faults(installed.prefix("ours")) == []


def test_an_environment_of_uv_is_taken_over_with_clear(installed: Installed) -> None:
    arguments = installed.project.variants[0]
    installed.bench.realize("theirs", "--clear", *arguments)
    ours = contents(installed.prefix("ours"))
    assert differences(contents(installed.prefix("theirs")), ours) == []


def test_another_store_gives_the_same_digest(installed: Installed, tmp_path: Path) -> None:
    bench, arguments = installed.bench, installed.project.variants[0]
    here = bench.realize("ours", *arguments).json
    there = bench.realize(os.fspath(tmp_path / "a place elsewhere"), *arguments).json
    assert there["digest"] == here["digest"]
