"""A run that builds is killed, at whatever moment: nothing half stays, and the next run builds."""

from __future__ import annotations

import glob
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from e2e.comparison import contents, differences, record_faults
from e2e.test_interruption import CHANGES, ENDS, RENAMES, killed, remove
from envbuild.buildlock.model import FILE_NAME
from envbuild.store import layout
from support.projects import lock_text, package, write_project

if TYPE_CHECKING:
    from e2e.workbench import Workbench

pytestmark = pytest.mark.slow

ASKED = ("--no-editable",)
STEPS = 8


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    """Return a workbench with a project, and a fresh environment of it elsewhere."""
    write_project(workbench.folder, "demo")
    (workbench.folder / "uv.lock").write_text(lock_text(package("demo", 'editable = "."')))
    workbench.realize(fresh(workbench), *ASKED, ENVBUILD_STORE=f"{workbench.store}-of-fresh")
    (workbench.folder / FILE_NAME).unlink()
    return workbench


def fresh(bench: Workbench) -> str:
    return str(bench.folder.parent / "fresh")


def arguments(bench: Workbench) -> tuple[str, ...]:
    return ("realize", "--venv", ".venv", "--python", bench.python, *ASKED)


def assert_sound(bench: Workbench) -> None:
    """The store verifies, one more run builds the environment, and no trace is left."""
    if (bench.store / layout.FORMAT_FILE).exists():
        bench.envbuild("store", "verify")
    bench.realize(".venv", *ASKED)
    bench.envbuild("store", "verify")
    environment = str(bench.folder / ".venv")
    assert differences(contents(environment), contents(fresh(bench))) == []
    assert record_faults(environment) == []
    assert bench.realize(".venv", *ASKED, "--locked").json["changes"] == []
    assert {name for name in os.listdir(bench.folder) if not name.startswith(f"{FILE_NAME}.")} == {
        ".venv", "VERSION", "backend.py", FILE_NAME, "pyproject.toml", "src", "uv.lock"
    }  # fmt: skip


@pytest.mark.parametrize("kinds", [RENAMES, CHANGES], ids=["renames", "changes"])
def test_killed_at_changes_spread_over_a_run_that_builds(bench: Workbench, kinds: str) -> None:
    count = killed(bench, kinds, 0, *arguments(bench))
    for step in range(1, count + 1, max(1, count // STEPS)):
        remove(bench.folder / ".venv")
        remove(bench.store)
        (bench.folder / FILE_NAME).unlink(missing_ok=True)
        killed(bench, kinds, step, *arguments(bench))
        assert_sound(bench)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_stopped_while_a_backend_works(bench: Workbench, number: signal.Signals) -> None:
    command = f"sleep 600.{os.getpid()}"
    body = (
        # So many that they take a while to be removed.
        "for number in range(5000): open(f'left-{number}', 'w').close()\n"
        f"import subprocess; subprocess.run({command.split()})"
    )
    write_project(bench.folder, "demo", body=body)
    process = bench.start(*arguments(bench))
    while not is_running(command):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    told = process.communicate()[1]
    assert process.returncode == ENDS.get(number, -number)
    assert "Traceback" not in told
    while is_running(command):
        time.sleep(0.01)
    if number in ENDS:
        assert os.listdir(bench.store / layout.STAGING) == ["partial"]
    write_project(bench.folder, "demo")
    assert_sound(bench)


def is_running(command: str) -> bool:
    """Tell whether there is a program with this command line."""
    for place in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(place, encoding="utf-8", errors="replace") as file:
                if file.read().replace("\0", " ").strip() == command:
                    return True
        except OSError:
            # It has ended meanwhile.
            continue
    return False
