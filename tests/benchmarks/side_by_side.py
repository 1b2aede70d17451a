"""envbuild and uv side by side on one project of wheels: time, CPU, memory and system calls.

    python tests/run.py --version                    # sets `.tools/venv-test` up, once
    .tools/venv-test/bin/python tests/benchmarks/side_by_side.py

The project's wheels are downloaded once from the default index into `--folder`; from then on both
tools read them from a server on this machine. How they are measured: `turns`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from benchmarks.turns import (
    TOOLS,
    Bench,
    Setting,
    add_options,
    download_wheels,
    report,
    run_uv,
    served,
    write_project,
)
from support.wheels import build_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PACKAGES = (
    "jupyterlab", "notebook", "pandas", "scikit-learn", "matplotlib", "django", "fastapi[standard]",
    "sqlalchemy", "boto3", "requests", "aiohttp", "rich", "typer", "pydantic", "ipython", "sphinx",
    "pytest", "hypothesis", "black", "mypy", "pylint", "tox", "networkx", "flask", "seaborn",
    "openai", "redis", "psycopg2-binary", "pymongo", "mkdocs-material",
)  # fmt: skip
CHANGING = "benchmark-subject"
"""An invented package of a hundred files, the one that changes."""

SCENARIOS = {
    "no-op": "nothing to do",
    "warm": "store or cache full, no environment",
    "toggle": "one package changed, both locks seen before",
    "change": "one package changed, lock never seen before, wheel in store or cache",
    "bump": "one package changed, neither lock nor wheel seen before",
    "cold": "store or cache empty, no environment, wheels from a server on this machine",
}


def prepare(bench: Bench, packages: Iterable[str], locks: int) -> list[Path]:
    """Lock the project on the default index and download its wheels, unless that was done before.

    Returns:
        Where locks will be, one for each version of the package that changes.
    """
    wheels = bench.folder / "wheels"
    done = bench.folder / "downloaded.json"
    wanted = [sorted(packages), platform.python_version(), platform.machine()]
    if not done.exists() or json.loads(done.read_text()) != wanted:
        download_wheels(bench.folder / "source", wheels, packages)
        done.write_text(json.dumps(wanted))
    for number in range(locks):
        build_wheel(wheels, CHANGING, f"1.{number}", files=subject_files(number))
    return [bench.folder / "locks" / str(number) / "uv.lock" for number in range(locks)]


def lock_all(locks: list[Path], packages: Iterable[str], index: str) -> None:
    """Lock the project on this machine's index once for each version of what changes."""
    for number, lock in enumerate(locks):
        asked = (*packages, f"{CHANGING}==1.{number}")
        write_project(lock.parent, asked, index=index, settings="no-build = true")
        lock.unlink(missing_ok=True)
        run_uv("lock", "-q", "--project", str(lock.parent))


def subject_files(number: int) -> Mapping[str, str]:
    """Return a hundred files, ten of which differ from version to version."""
    return {
        f"benchmark_subject/part{part // 10}/module{part}.py": f"PART = {part}\n" * 40
        + (f"VERSION = {number}\n" if part % 10 == 0 else "")
        for part in range(100)
    }


def measure_all(
    bench: Bench, locks: list[Path], alone: list[Path], scenarios: Iterable[str]
) -> None:
    """Measure `scenarios`; `alone` locks nothing but the package that changes, for each lock."""
    made = {tool: Setting(locks[0], bench.new_folder(), bench.new_folder()) for tool in TOOLS}
    fresh = len(locks) // 2 + 1
    for tool in TOOLS:
        for lock in alone[2:fresh]:
            bench.run(tool, replace(made[tool], lock=lock, env=bench.new_folder()))
        for lock in (locks[1], locks[0]):
            bench.run(tool, replace(made[tool], lock=lock))

    def no_op(_: int, tool: str) -> Setting:
        return made[tool]

    def warm(_: int, tool: str) -> Setting:
        return replace(made[tool], env=bench.new_folder())

    def toggle(number: int, tool: str) -> Setting:
        return replace(made[tool], lock=locks[(number + 1) % 2])

    def change(number: int, tool: str) -> Setting:
        return replace(made[tool], lock=locks[number + 2])

    def bump(number: int, tool: str) -> Setting:
        return replace(made[tool], lock=locks[number + fresh])

    def cold(_: int, tool: str) -> Setting:
        return bench.empty(locks[0])

    turns = {
        "no-op": (no_op, bench.rounds * 4),
        "warm": (warm, bench.rounds),
        "toggle": (toggle, bench.rounds),
        "change": (change, bench.rounds),
        "bump": (bump, bench.rounds),
        "cold": (cold, max(3, bench.rounds // 2)),
    }
    for scenario in scenarios:
        bench.measure(scenario, *turns[scenario])


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure envbuild and uv side by side.")
    parser.add_argument("--packages", nargs="+", default=PACKAGES, help="what the project asks for")
    add_options(parser, SCENARIOS, rounds=7)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        trace = shutil.which("strace") is not None
        bench = Bench(
            folder,
            scenarios=SCENARIOS,
            python=sys.executable,
            rounds=options.rounds,
            trace=trace,
            fresh_disk=options.fresh_disk,
        )
        # Two to toggle between; then for each of two scenarios one to warm up, one for each round,
        # one to count calls.
        locks = prepare(bench, options.packages, 2 + 2 * (options.rounds + 2))
        alone = [folder / "alone" / lock.parent.name / "uv.lock" for lock in locks]
        with served(folder / "wheels") as index:
            lock_all(locks, options.packages, index)
            lock_all(alone, (), index)
            try:
                measure_all(bench, locks, alone, options.scenarios)
            finally:
                bench.unmount()
        report(bench, locks[0], json_file=options.json)
        shutil.rmtree(folder / "made")


if __name__ == "__main__":
    main()
