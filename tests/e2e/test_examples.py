"""The examples do what their pages say, each in a copy of its folder."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.private_venv import ROOT
from support.wheels import build_wheel

if TYPE_CHECKING:
    from types import ModuleType

    from e2e.workbench import Workbench

EXAMPLES = os.path.join(ROOT, "examples")


def loaded(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.replace("/", "_")[:-3], f"{EXAMPLES}/{path}")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def copy_of(bench: Workbench, example: str) -> Workbench:
    """Return a workbench in a copy of what is committed of an example."""
    folder = bench.folder / example
    made = {"web": ["uv.lock"], "workspace": ["envbuild.lock"]}
    ignored = shutil.ignore_patterns(".venv", "__pycache__", *made.get(example, ()))
    shutil.copytree(f"{EXAMPLES}/{example}", folder, ignore=ignored)
    return replace(bench, folder=folder)


def run_all(bench: Workbench, commands: tuple[tuple[str, ...], ...]) -> list[str]:
    """Run commands as `examples/run.py` does, and return what each of them prints."""
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))
    return [bench.run(*command, environment={"PATH": path}).out for command in commands]


def test_hello_greets_without_a_network(workbench: Workbench) -> None:
    bench = copy_of(workbench, "hello")
    nowhere = "http://127.0.0.1:9"
    bench.realize(".venv", "uv.lock", http_proxy=nowhere, https_proxy=nowhere)
    shutil.rmtree(bench.folder / ".venv")
    outputs = run_all(bench, loaded("run.py").HELLO)
    assert outputs[1] == "Good evening!\nGood night!\nSleep well!\n"


def test_hello_has_an_extra_and_a_group(workbench: Workbench) -> None:
    bench = copy_of(workbench, "hello")
    bench.realize(".venv", "--extra", "colour")
    assert bench.run(".venv/bin/lantern").out == "\x1b[33mGood evening!\x1b[0m\n"
    assert bench.run(".venv/bin/lantern-check").out == "4 greetings are fine\n"
    bench.realize(".venv", "--no-dev")
    assert bench.run(".venv/bin/lantern").out == "Good evening!\n"
    assert not (bench.folder / ".venv/bin/lantern-check").exists()


def test_a_wheel_of_hello_that_changes_counts_when_it_is_pinned_anew(workbench: Workbench) -> None:
    bench = copy_of(workbench, "hello")
    first = bench.realize(".venv").json
    assert {pinned["name"] for pinned in first["pinned"]} == {
        "lantern", "lantern-check", "lantern-words"
    }  # fmt: skip
    greetings = "GREETINGS = {'en': 'Good grief!'}\n"
    build_wheel(bench.folder / "wheels", "lantern-words", "1.4",
                files={"lantern_words.py": greetings})  # fmt: skip
    shutil.rmtree(bench.folder / ".venv")
    assert bench.realize(".venv").json["digest"] == first["digest"]
    assert bench.run(".venv/bin/lantern").out == "Good evening!\n"
    bench.realize(".venv", "--refresh")
    assert bench.run(".venv/bin/lantern").out == "Good grief!\n"


def test_the_wheels_of_hello_are_what_its_script_makes(workbench: Workbench) -> None:
    made = loaded("hello/make_wheels.py").make_wheels(str(workbench.folder))
    assert len(made) == len(os.listdir(f"{EXAMPLES}/hello/wheels"))
    for path in made:
        committed = f"{EXAMPLES}/hello/wheels/{os.path.basename(path)}"
        assert members(path) == members(committed)


def members(path: str) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_workspace_builds_its_projects_without_an_index(workbench: Workbench) -> None:
    bench = copy_of(workbench, "workspace")
    outputs = run_all(bench, loaded("run.py").WORKSPACE)
    assert outputs[1] == outputs[3] == "Sail with the morning tide.\n"
    tides = bench.folder / "parts/tides/src/harbour_tides/__init__.py"
    tides.write_text(tides.read_text().replace("morning", "midnight"))
    changes = bench.realize(".venv", "--no-editable").json["changes"]
    assert [change["name"] for change in changes] == ["harbour-tides"]
    assert bench.run(".venv/bin/harbour").out == "Sail with the midnight tide.\n"


def test_everything_that_the_shipyard_of_workspace_builds_follows_its_changes(
    workbench: Workbench,
) -> None:
    bench = copy_of(workbench, "workspace")
    bench.realize(".venv", "--no-editable")
    shipyard = bench.folder / "parts/shipyard/src/harbour_shipyard.py"
    shipyard.write_text(
        shipyard.read_text().replace("Metadata-Version: 2.1", "Metadata-Version: 2.2")
    )
    changes = bench.realize(".venv", "--no-editable").json["changes"]
    assert [change["name"] for change in changes] == ["harbour", "harbour-tides"]


@pytest.mark.parametrize("example", ["hello", "workspace"])
def test_a_committed_lock_is_up_to_date(workbench: Workbench, example: str) -> None:
    copy_of(workbench, example).uv("lock", "--check", "--offline")


@pytest.mark.network
def test_web_serves_a_page(workbench: Workbench) -> None:
    bench = copy_of(workbench, "web")
    outputs = run_all(bench, loaded("run.py").WEB)
    assert outputs[2] == "<h1>Good evening, Ada!</h1>\n"
    bench.run(".venv/bin/pytest", "-q", "app.py")
