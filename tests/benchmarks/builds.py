"""envbuild and uv side by side on source distributions that have to be built.

    python tests/run.py --version                    # sets `.tools/venv-test` up, once
    .tools/venv-test/bin/python tests/benchmarks/builds.py

The project is twenty source distributions in pure Python, of five backends, and five with extension
modules in C. They and the wheels of what builds them are downloaded once from the default index into
`--folder`; from then on both tools read them from a server on this machine. Both may build as many
at once as there are cores, and what they are built with are wheels. How they are measured: `turns`.

envbuild builds in a sandbox, uv without. uv has no build lock, so its own first run stands beside both
of ours, with and without one. System calls are not counted: they are those of the backends.

The versions that a package was built with are no part of what uv knows its wheel by. When one of them
changes, a plain `uv sync` finds that nothing has, and it has to be told: `--reinstall` builds everything
again; `--reinstall-package NAME` is for somebody who has found out which packages are concerned. Both
take archives from its cache, and so does envbuild from its store.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

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
    from collections.abc import Iterable

PURE = (
    "docopt==0.6.2", "six==1.17.0", "sortedcontainers==2.4.0", "certifi==2025.4.26",
    "h11==0.16.0", "sniffio==1.3.1", "zipp==3.21.0",
    "idna==3.10", "mdurl==0.1.2", "markdown-it-py==3.0.0", "jinja2==3.1.6", "tomli-w==1.2.0",
    "attrs==25.3.0", "iniconfig==2.1.0", "urllib3==2.4.0", "pygments==2.19.1", "httpcore==1.0.9",
    "crashtest==0.4.1", "rich==14.0.0",
    "marko==2.1.2",
)  # fmt: skip
"""A line each for setuptools, flit, hatchling, poetry and pdm."""

COMPILED = (
    "markupsafe==3.0.2", "wrapt==1.17.2", "simplejson==3.20.1", "xxhash==3.5.0", "multidict==6.4.3",
)  # fmt: skip
REQUIREMENTS = (
    "setuptools", "setuptools-scm", "wheel", "flit-core<4", "hatchling", "hatch-vcs==0.4.0",
    "hatch-fancy-pypi-readme", "poetry-core", "pdm-backend",
)  # fmt: skip
"""What they are built with, in versions that suit all of them."""

SCENARIOS = {
    "cold": "nothing in store or cache, no build lock",
    "pinned": "nothing in store or cache, build requirements pinned by a build lock",
    "warm": "everything built before, no environment",
    "change": "one build requirement of one package changed, uv builds everything again",
    "named": "the same, uv is told which package to build again",
}
CHANGED = "markupsafe"
CHANGING = "benchmark-requirement"
"""An invented build requirement of that package, the one that changes."""


def prepare(bench: Bench, locks: int) -> list[Path]:
    """Download everything, unless that was done before.

    Returns:
        Where locks will be, one for each version of the build requirement that changes.
    """
    archives = bench.folder / "archives"
    done = bench.folder / "downloaded.json"
    wanted = [*PURE, *COMPILED, *REQUIREMENTS, platform.python_version(), platform.machine()]
    if not done.exists() or json.loads(done.read_text()) != wanted:
        download_wheels(bench.folder / "requirements", archives, REQUIREMENTS)
        source = bench.folder / "source"
        write_project(source, (*PURE, *COMPILED), index=None, settings="")
        run_uv("lock", "-q", "--project", str(source))
        for package in tomllib.loads((source / "uv.lock").read_text())["package"]:
            if "sdist" in package:
                url = package["sdist"]["url"]
                with urlopen(url) as answer:
                    (archives / url.rpartition("/")[2]).write_bytes(answer.read())
        done.write_text(json.dumps(wanted))
    for number in range(locks):
        build_wheel(archives, CHANGING, f"1.{number}")
    return [bench.folder / "locks" / str(number) / "uv.lock" for number in range(locks)]


def lock_all(locks: list[Path], index: str) -> None:
    """Lock the project on this machine's index once for each version of what changes."""
    for number, lock in enumerate(locks):
        settings = f"""\
extra-build-dependencies = {{ {CHANGED} = ["{CHANGING}"] }}
build-constraint-dependencies = ["{CHANGING}==1.{number}"]
"""
        write_project(lock.parent, (*PURE, *COMPILED), index=index, settings=settings)
        lock.unlink(missing_ok=True)
        run_uv("lock", "-q", "--project", str(lock.parent))


def pin_all(bench: Bench, locks: list[Path]) -> list[Path]:
    """Put the build lock of the first of `locks` beside copies of all of them; return the copies."""
    setting = Setting(locks[0], bench.new_folder(), bench.new_folder())
    bench.run("envbuild", setting)
    build_lock = (bench.folder / "project" / "envbuild.lock").read_bytes()
    pinned = []
    for lock in locks:
        folder = bench.folder / "pinned" / lock.parent.name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(lock.parent, folder)
        (folder / "envbuild.lock").write_bytes(build_lock)
        pinned.append(folder / "uv.lock")
    return pinned


def measure_all(bench: Bench, locks: list[Path], scenarios: Iterable[str]) -> None:
    pinned = pin_all(bench, locks)
    made = {tool: Setting(pinned[0], bench.new_folder(), bench.new_folder()) for tool in TOOLS}
    for tool in TOOLS:
        bench.run(tool, made[tool])
    changes = iter(pinned[1:])
    changed = pinned[0]

    def cold(_: int, tool: str) -> Setting:
        return bench.empty(locks[0])

    def pinned_cold(_: int, tool: str) -> Setting:
        return bench.empty(pinned[0])

    def warm(_: int, tool: str) -> Setting:
        return replace(made[tool], env=bench.new_folder())

    def change(_: int, tool: str, told: tuple[str, ...] = ("--reinstall",)) -> Setting:
        nonlocal changed
        if tool == TOOLS[0]:
            changed = next(changes)
        return replace(made[tool], lock=changed, options=told if tool == "uv" else ())

    def named(number: int, tool: str) -> Setting:
        return change(number, tool, ("--reinstall-package", CHANGED))

    turns = {
        "cold": cold,
        "pinned": pinned_cold,
        "warm": warm,
        "change": change,
        "named": named,
    }
    for scenario in scenarios:
        bench.measure(scenario, turns[scenario], bench.rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what building costs beside uv.")
    add_options(parser, SCENARIOS, rounds=5)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        bench = Bench(
            folder,
            scenarios=SCENARIOS,
            python=sys.executable,
            rounds=options.rounds,
            trace=False,
            fresh_disk=options.fresh_disk,
        )
        # One to start from; then for each of two scenarios one to warm up, and one for each round.
        locks = prepare(bench, 1 + 2 * (options.rounds + 1))
        with served(folder / "archives") as index:
            lock_all(locks, index)
            try:
                measure_all(bench, locks, options.scenarios)
            finally:
                bench.unmount()
        report(bench, locks[0], json_file=options.json)
        shutil.rmtree(folder / "made")


if __name__ == "__main__":
    main()
