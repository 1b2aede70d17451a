"""Whatever stops a run, at whatever moment: the store stays sound and the next run is right."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from e2e.comparison import contents, differences, record_faults
from envbuild.store import layout

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.shop import Shop
    from e2e.workbench import Workbench

pytestmark = pytest.mark.slow

RENAMES = "rename,replace,unlink,rmdir,symlink"
CHANGES = "rename,replace,unlink,rmdir,symlink,mkdir,link,open,write,utime,fchmod,chmod"
RANDOM_MOMENTS = 12
SPREAD_STEPS = 40
ENDS = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.fixture
def bench(workbench: Workbench, shop: Shop) -> Workbench:
    """Return a workbench whose store is empty, and whose folder holds a fresh copy of each state."""
    for name, lock in (("fresh-first", shop.first), ("fresh-second", shop.second)):
        workbench.realize(name, lock, ENVBUILD_STORE=f"{workbench.store}-of-fresh")
    return workbench


def killed(bench: Workbench, kinds: str, step: int, *arguments: str) -> int:
    """Run envbuild until just before its `step`-th change; return how many there were for 0."""
    script = os.path.join(os.path.dirname(__file__), "killed.py")
    count = bench.folder.parent / "count"
    command = (sys.executable, script, kinds, str(step), str(count), *arguments)
    done = subprocess.run(
        command,
        cwd=bench.folder,
        env=bench.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,
        check=False,
    )
    if step:
        assert done.returncode in {0, -signal.SIGKILL}, done.stderr
        return 0
    assert done.returncode == 0, done.stderr
    return int(count.read_text())


def realize_arguments(bench: Workbench, lock: str) -> tuple[str, ...]:
    return ("realize", lock, "--venv", "env", "--python", bench.python)


def spread(count: int) -> list[int]:
    """Return at most `SPREAD_STEPS` numbers from 1 to `count`, spread evenly."""
    stride = max(1, count // SPREAD_STEPS)
    return list(range(1, count + 1, stride))


def assert_sound(bench: Workbench, lock: str, fresh: str) -> None:
    """The store verifies, one more run makes the environment right, and no trace is left."""
    if (bench.store / layout.FORMAT_FILE).exists():
        bench.envbuild("store", "verify")
    bench.realize("env", lock)
    bench.envbuild("store", "verify")
    ours, theirs = (contents(str(bench.folder / name)) for name in ("env", fresh))
    assert differences(ours, theirs) == []
    assert record_faults(str(bench.folder / "env")) == []
    assert bench.realize("env", lock).json["changes"] == []
    left = {name for name in os.listdir(bench.folder) if not name.startswith("fresh-")}
    assert left == {"env"}


def remove(path: Path) -> None:
    subprocess.run(["rm", "-rf", path], check=True)


def test_killed_at_every_rename_of_a_first_run(bench: Workbench, shop: Shop) -> None:
    arguments = realize_arguments(bench, shop.first)
    steps = killed(bench, RENAMES, 0, *arguments)
    assert steps > 5
    for step in range(1, steps + 1):
        remove(bench.folder / "env")
        remove(bench.store)
        killed(bench, RENAMES, step, *arguments)
        assert_sound(bench, shop.first, "fresh-first")


def test_killed_at_changes_spread_over_a_first_run(bench: Workbench, shop: Shop) -> None:
    arguments = realize_arguments(bench, shop.first)
    for step in spread(killed(bench, CHANGES, 0, *arguments)):
        remove(bench.folder / "env")
        remove(bench.store)
        killed(bench, CHANGES, step, *arguments)
        assert_sound(bench, shop.first, "fresh-first")


def test_killed_at_every_change_of_a_transaction(bench: Workbench, shop: Shop) -> None:
    bench.realize("env", shop.second)
    bench.realize("env", shop.first)
    arguments = realize_arguments(bench, shop.second)
    steps = killed(bench, RENAMES, 0, *arguments)
    assert steps > 10
    for step in range(1, steps + 1):
        bench.realize("env", shop.first)
        killed(bench, RENAMES, step, *arguments)
        assert_sound(bench, shop.second, "fresh-second")


def test_killed_in_a_transaction_and_then_sent_back(bench: Workbench, shop: Shop) -> None:
    bench.realize("env", shop.second)
    bench.realize("env", shop.first)
    arguments = realize_arguments(bench, shop.second)
    for step in spread(killed(bench, RENAMES, 0, *arguments)):
        bench.realize("env", shop.first)
        killed(bench, RENAMES, step, *arguments)
        assert_sound(bench, shop.first, "fresh-first")


def test_killed_again_while_recovering(bench: Workbench, shop: Shop) -> None:
    bench.realize("env", shop.second)
    bench.realize("env", shop.first)
    arguments = realize_arguments(bench, shop.second)
    steps = killed(bench, RENAMES, 0, *arguments)
    for step in spread(steps):
        bench.realize("env", shop.first)
        for again in (step, steps // 2, steps // 3, 2, 1):
            killed(bench, RENAMES, again, *arguments)
        assert_sound(bench, shop.second, "fresh-second")


def test_killed_at_random_moments(bench: Workbench, shop: Shop) -> None:
    arguments = realize_arguments(bench, shop.first)
    started = time.monotonic()
    bench.envbuild(*arguments)
    whole = time.monotonic() - started
    moments = random.Random(11)
    for number in range(RANDOM_MOMENTS):
        if number % 2:
            remove(bench.folder / "env")
            remove(bench.store)
        else:
            bench.realize("env", shop.second)
        process = bench.start(*arguments, unheard=True, new_session=True)
        time.sleep(moments.uniform(0, whole))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert_sound(bench, shop.first, "fresh-first")


def test_only_the_first_process_is_killed_and_its_workers_go_on(
    bench: Workbench, shop: Shop
) -> None:
    # As the system does when memory runs out: it picks one process, not the group.
    bench.realize("fresh-large", shop.large, ENVBUILD_STORE=f"{bench.store}-of-fresh")
    arguments = realize_arguments(bench, shop.large)
    moments = random.Random(13)
    for number in range(RANDOM_MOMENTS // 2):
        remove(bench.folder / "env")
        if number % 2:
            remove(bench.store)
        process = bench.start(*arguments, unheard=True)
        time.sleep(moments.uniform(0.05, 0.5))
        process.kill()
        process.wait()
        assert_sound(bench, shop.large, "fresh-large")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_while_workers_place_files(
    bench: Workbench, shop: Shop, number: signal.Signals
) -> None:
    # The signal is for the first process alone, as a supervisor of services sends it.
    bench.realize("fresh-large", shop.large, ENVBUILD_STORE=f"{bench.store}-of-fresh")
    arguments = realize_arguments(bench, shop.large)
    bench.envbuild(*arguments)
    moments = random.Random(17)
    for _ in range(RANDOM_MOMENTS):
        remove(bench.folder / "env")
        before = set(os.listdir(bench.folder))
        process = bench.start(*arguments)
        while process.poll() is None and set(os.listdir(bench.folder)) == before:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.1))
        process.send_signal(number)
        _, errors = process.communicate()
        assert process.returncode in {0, ENDS[number]}, errors
        assert "Traceback" not in errors
        assert set(os.listdir(bench.folder)) <= before | {"env"}
        assert os.listdir(bench.store / layout.STAGING) == ["partial"]
    assert_sound(bench, shop.large, "fresh-large")


def test_interrupted_from_the_keyboard(bench: Workbench, shop: Shop) -> None:
    arguments = realize_arguments(bench, shop.first)
    for delay in (0.1, 0.2, 0.4):
        remove(bench.folder / "env")
        remove(bench.store)
        process = bench.start(*arguments)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        assert process.returncode in {0, 130, -signal.SIGINT}
        assert "Traceback" not in errors
        assert_sound(bench, shop.first, "fresh-first")
