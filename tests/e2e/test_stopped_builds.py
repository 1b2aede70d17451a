"""Whatever stops a run that builds: its processes end, the store stays sound, the next run is right."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from e2e.test_interruption import CHANGES, killed, spread
from envbuild.events import SILENT
from envbuild.maintenance.verify import verify_store
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.workflows.build_log import NoLog, find_log
from support.index_server import IndexServer, Stall
from support.own_backend import lock_archives, sdist
from support.processes import appear, processes_with, vanish
from support.sandboxes import machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from e2e.workbench import Workbench

pytestmark = pytest.mark.slow

STRIDE = 5
RANDOM_MOMENTS = 5
_PATIENCE = 60.0

WAITS = """
import subprocess, sys, time
for session in (True, False, True):
    subprocess.Popen(["sleep", "300"], start_new_session=session)
print({said!r}, flush=True)
flag = os.environ.get("FLAG")
deadline = time.monotonic() + ({seconds} if flag is None else 100)
while time.monotonic() < deadline and not os.path.exists(flag or "/nowhere"):
    time.sleep(0.02)
"""
"""Leaves processes behind, says so, and waits: for a moment, or for a file where it can see one."""


@pytest.fixture
def bench(workbench: Workbench) -> Iterator[Workbench]:
    """Yield a workbench whose builds carry a mark; nothing of them is alive in the end."""
    yield workbench
    vanish(mark(workbench))


def mark(bench: Workbench) -> str:
    return f"MARK={bench.folder}"


def project(bench: Workbench, *archives: Path, flag: Path | None = None) -> None:
    lock_archives(bench.folder, *archives)
    variables = f'MARK = "{bench.folder}"' + (f', FLAG = "{flag}"' if flag else "")
    names = (archive.name.partition("-")[0] for archive in archives)
    marked = "".join(f"{name} = {{ {variables} }}\n" for name in names)
    (bench.folder / "pyproject.toml").write_text(
        f'[project]\nname = "the-project"\nversion = "0"\n[tool.uv.extra-build-variables]\n{marked}'
    )


def waiting(
    bench: Workbench, where: str, *, seconds: float = 1.5, flag: Path | None = None
) -> None:
    """Lock something that says `ready` and waits while it is built, or `asked` before that."""
    asked, ready = (
        WAITS.format(said=said, seconds=seconds) if said == where else ""
        for said in ("asked", "ready")
    )
    project(bench, sdist(bench.folder / "sdists", "made", body=ready, hook_body=asked), flag=flag)


ARGUMENTS = ("realize", "--venv", "env", "--python", sys.executable)


class Run:
    """envbuild at work, in a process group of its own."""

    def __init__(self, bench: Workbench, *options: str) -> None:
        self.process = bench.start(*ARGUMENTS, "-v", *options, new_session=True)
        self.told = ""

    def tells(self, text: str, *, times: int = 1) -> None:
        """Wait until it has said something so often."""
        assert self.process.stderr is not None
        while self.told.count(text) < times:
            line = self.process.stderr.readline()
            assert line, self.told
            self.told += line

    def ends(self, number: signal.Signals | None = None) -> int:
        """Send it a signal, and wait for its end."""
        if number is not None:
            self.process.send_signal(number)
        _, rest = self.process.communicate(timeout=_PATIENCE)
        self.told += rest
        assert "Traceback" not in self.told
        return self.process.returncode


def assert_sound(store: Path) -> None:
    """What is in the store is whole, and what was on its way there is nobody's."""
    if (store / layout.FORMAT_FILE).exists():
        with Store.open(str(store)) as opened:
            report = verify_store(opened, reporter=SILENT, jobs=1)
        assert report.findings == ()


def assert_nothing_left(store: Path) -> None:
    assert_sound(store)
    assert os.listdir(store / layout.STAGING) == ["partial"]
    for folder in (layout.RUNNING, layout.WORK_LOCKS):
        assert os.listdir(store / folder) == []


def assert_next_run_builds(bench: Workbench, *options: str) -> None:
    bench.realize("env", *options)
    python = str(bench.folder / "env" / "bin" / "python")
    assert bench.run(python, "-c", "import made; print(made.X)").out == "1\n"
    assert bench.realize("env", *options).json["changes"] == []
    assert_sound(bench.store)
    with Store.open(str(bench.store)) as store:
        assert [*store.walk(layout.WORK_LOCKS)] == []


def forget(bench: Workbench) -> None:
    """Begin anew, but for what is remembered of the machine."""
    for path in (bench.store, bench.folder / "env"):
        shutil.rmtree(path, ignore_errors=True)
    (bench.folder / "envbuild.lock").unlink(missing_ok=True)


def test_killed_at_changes_spread_over_a_build(bench: Workbench) -> None:
    project(bench, sdist(bench.folder / "sdists", "made"))
    steps = killed(bench, CHANGES, 0, *ARGUMENTS)
    assert steps > 100
    digest = bench.realize("env").json["digest"]
    for step in spread(steps)[::STRIDE]:
        forget(bench)
        killed(bench, CHANGES, step, *ARGUMENTS)
        vanish(mark(bench))
        assert_sound(bench.store)
        assert bench.realize("env").json["digest"] == digest
        assert_sound(bench.store)


def test_killed_at_random_moments_alone(bench: Workbench) -> None:
    waiting(bench, "ready", seconds=0.3)
    started = time.monotonic()
    assert Run(bench).ends() == 0
    whole = time.monotonic() - started
    moments = random.Random(17)
    for _ in range(RANDOM_MOMENTS):
        forget(bench)
        run = Run(bench)
        time.sleep(moments.uniform(0.1, whole))
        # Not its group: nobody tells the others.
        run.ends(signal.SIGKILL)
        vanish(mark(bench))
        assert_sound(bench.store)
    assert_next_run_builds(bench)


ENDS: list[tuple[str, str, signal.Signals, int, str]] = [
    ("asked", "bubblewrap", signal.SIGKILL, -9, ""),
    ("ready", "bubblewrap", signal.SIGKILL, -9, ""),
    ("ready", "namespaces", signal.SIGKILL, -9, ""),
    ("ready", "landlock", signal.SIGKILL, -9, ""),
    ("ready", "none", signal.SIGKILL, -9, ""),
    ("ready", "bubblewrap", signal.SIGINT, 130, "interrupted\n"),
    ("ready", "landlock", signal.SIGINT, 130, "interrupted\n"),
    ("asked", "none", signal.SIGTERM, 143, "terminated\n"),
    ("ready", "bubblewrap", signal.SIGTERM, 143, "terminated\n"),
    ("ready", "namespaces", signal.SIGHUP, 129, "terminated\n"),
]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ended_while_an_archive_is_on_its_way_and_another_one_is_built(
    bench: Workbench, number: signal.Signals
) -> None:
    folder = bench.folder / "sdists"
    late = sdist(folder, "late")
    project(bench, sdist(folder, "made", body=WAITS.format(said="ready", seconds=0)), late)
    with IndexServer(folder) as server:
        lock = bench.folder / "uv.lock"
        text = lock.read_text().replace('registry = "sdists"', f'registry = "{server.index_url}"')
        address = server.file_url("").rstrip("/")
        lock.write_text(text.replace('path = "', f'url = "{address}/'))
        server.always(f"*{late.name}", Stall())
        run = Run(bench)
        run.tells("Built made")
        assert run.ends(number) == 128 + number
        # It was given up at once, and not only when it had been tried as often as can be.
        assert len(server.seen(f"*{late.name}")) == 1
    vanish(mark(bench))
    assert_nothing_left(bench.store)


@pytest.mark.parametrize(("where", "rung", "number", "code", "told"), ENDS)
def test_ended_while_the_backend_works(
    bench: Workbench, where: str, rung: str, number: signal.Signals, code: int, told: str
) -> None:
    if rung not in machine().rungs:
        pytest.skip(f"{rung} does not work here")
    waiting(bench, where)
    run = Run(bench, "--sandbox", rung)
    run.tells(where)
    appear(mark(bench), 4)
    assert run.ends(number) == code
    assert run.told.endswith(told)
    assert not (bench.folder / "env").exists()
    if number != signal.SIGKILL:
        assert processes_with(mark(bench)) == []
        assert_nothing_left(bench.store)
        with Store.open(str(bench.store)) as store, pytest.raises(NoLog):
            find_log(store, "made")
    vanish(mark(bench))
    assert_sound(bench.store)
    if (where, rung) == ("ready", "bubblewrap"):
        assert_next_run_builds(bench, "--sandbox", rung)


def test_whoever_waits_for_a_build_can_leave_and_builds_when_its_holder_dies(
    bench: Workbench,
) -> None:
    flag = bench.folder.parent / "flag"
    waiting(bench, "ready", flag=flag)
    bare = ("--sandbox", "none")
    first = Run(bench, *bare)
    first.tells("ready")
    impatient, patient = (Run(bench, *bare, "--venv", name) for name in ("one", "other"))
    for run in (impatient, patient):
        run.tells("waiting for the build of made")
    assert impatient.ends(signal.SIGINT) == 130
    assert impatient.told.endswith("interrupted\n")
    first.ends(signal.SIGKILL)
    patient.tells("ready")
    flag.touch()
    assert patient.ends() == 0
    assert (bench.folder / "other").exists()
    assert not (bench.folder / "one").exists()
    assert_next_run_builds(bench, *bare)


def test_one_that_is_left_with_others_ends_all_of_them(bench: Workbench) -> None:
    folder = bench.folder / "sdists"
    body = WAITS.format(said="ready", seconds=20)
    project(bench, *(sdist(folder, name, body=body) for name in ("made", "second", "third")))
    run = Run(bench, "-j", "2")
    run.tells(": ready", times=2)
    assert run.ends(signal.SIGINT) == 130
    assert run.told.count(": ready") == 2
    assert processes_with(mark(bench)) == []
    assert_nothing_left(bench.store)


@pytest.mark.parametrize(
    ("what", "whole"), [("sources", False), ("requirements", False), ("requirements", True)]
)
def test_left_while_a_server_keeps_it_waiting(bench: Workbench, what: str, whole: bool) -> None:
    archive = sdist(bench.folder / "sdists", "made", requires=["needed"])
    project(bench, archive)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        if what == "sources":
            lock = bench.folder / "uv.lock"
            address = f'url = "{url}/made-1.0.tar.gz"'
            text = lock.read_text().replace('path = "made-1.0.tar.gz"', address)
            lock.write_text(text.replace('registry = "sdists"', f'registry = "{url}"'))
        else:
            with (bench.folder / "pyproject.toml").open("a") as file:
                file.write(f'[[tool.uv.index]]\nname = "slow"\nurl = "{url}"\ndefault = true\n')
        run = Run(bench)
        # The error output must be read meanwhile, or it may be the pipe that keeps it waiting.
        reader = threading.Thread(target=lambda: run.tells("interrupted"))
        reader.start()
        server.settimeout(_PATIENCE)
        connection, _ = server.accept()
        with connection:
            time.sleep(0.3)
            if whole:
                # As a terminal does: uv hears it as well.
                os.killpg(run.process.pid, signal.SIGINT)
            else:
                run.process.send_signal(signal.SIGINT)
            reader.join(_PATIENCE)
            assert not reader.is_alive()
            assert run.ends() == 130
    assert_nothing_left(bench.store)
