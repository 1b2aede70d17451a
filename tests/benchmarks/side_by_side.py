"""envbuild and uv side by side on one project: time, CPU, memory and system calls.

    python tests/run.py --version                    # sets `.tools/venv-test` up, once
    .tools/venv-test/bin/python tests/benchmarks/side_by_side.py

The project's wheels are downloaded once from the default index into `--folder`; from then on both
tools read them from a server on this machine. They take turns, run by run. What they install goes
into a new folder every time and is deleted at the end, since some file systems are slow for a while
after a big delete. Caches of the operating system are warm. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from uv import find_uv_bin

from support.wheels import build_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

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
TOOLS = ("envbuild", "uv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run took: seconds, seconds of user and system time, bytes."""

    wall: float
    cpu: float
    memory: int


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run is given; `storage` is the store or the cache."""

    lock: Path
    env: Path
    storage: Path


@dataclass(slots=True, kw_only=True)
class Figures:
    """The runs of one tool in one scenario."""

    runs: list[Run] = field(default_factory=list)
    system_calls: int | None = None

    def median(self, what: str) -> float:
        return float(statistics.median(getattr(run, what) for run in self.runs))


class Bench:
    """The folder in which everything happens; `python` is what environments are made for."""

    def __init__(self, folder: Path, *, python: str, rounds: int, trace: bool) -> None:
        self.folder = folder
        self.python = python
        self.rounds = rounds
        self.trace = trace
        self.figures = {name: {tool: Figures() for tool in TOOLS} for name in SCENARIOS}
        self._count = 0

    def new_folder(self) -> Path:
        self._count += 1
        path = self.folder / "made" / str(self._count)
        path.parent.mkdir(exist_ok=True)
        return path

    def command(self, tool: str, setting: Setting) -> tuple[str, ...]:
        """Return the command; the lock is put where it looks, as one project's lock changes."""
        project = self.folder / "project"
        project.mkdir(exist_ok=True)
        for name in ("pyproject.toml", "uv.lock"):
            content = (setting.lock.parent / name).read_bytes()
            if not (project / name).exists() or (project / name).read_bytes() != content:
                (project / name).write_bytes(content)
        python = ("--python", self.python)
        if tool == "uv":
            return (find_uv_bin(), "sync", "-q", "--frozen", "--project", str(project), *python)
        envbuild = os.path.join(os.path.dirname(sys.executable), "envbuild")
        lock = str(project / "uv.lock")
        return (envbuild, "realize", "-q", lock, "--venv", str(setting.env), *python)

    def environment(self, tool: str, setting: Setting) -> dict[str, str]:
        left_out = ("VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        if tool == "uv":
            more = {
                "UV_CACHE_DIR": str(setting.storage),
                "UV_PROJECT_ENVIRONMENT": str(setting.env),
            }
        else:
            more = {
                "ENVBUILD_STORE": str(setting.storage),
                "XDG_CACHE_HOME": f"{setting.storage}-cache",
            }
        return {**kept, **more, "UV_PYTHON_DOWNLOADS": "never"}

    def run(self, tool: str, setting: Setting) -> Run:
        """Run one tool to its end and measure it, its children included."""
        command = self.command(tool, setting)
        variables = self.environment(tool, setting)
        os.sync()
        started = time.perf_counter()
        process = os.posix_spawn(command[0], command, variables)
        _, status, usage = os.wait4(process, 0)
        wall = time.perf_counter() - started
        if status:
            sys.exit(f"`{' '.join(command)}` failed")
        return Run(wall=wall, cpu=usage.ru_utime + usage.ru_stime, memory=usage.ru_maxrss * 1024)

    def count_calls(self, tool: str, setting: Setting) -> int:
        """Run one tool under `strace` and return how many system calls it and its children made."""
        summary = self.folder / "calls"
        command = ("strace", "-f", "-c", "-o", str(summary), *self.command(tool, setting))
        subprocess.run(command, env=self.environment(tool, setting), check=True)
        # % time, seconds, usecs/call, calls, errors (where there are any), `total`
        total = summary.read_text().splitlines()[-1].split()
        assert total[-1] == "total"
        return int(total[3])

    def measure(self, scenario: str, turn: Callable[[int, str], Setting], rounds: int) -> None:
        """Measure a scenario: the tools take turns, after one turn that is not counted."""
        print(f"measuring: {SCENARIOS[scenario]}", file=sys.stderr)
        figures = self.figures[scenario]
        for number in range(rounds + 1):
            for tool in TOOLS:
                run = self.run(tool, turn(number, tool))
                if number:
                    figures[tool].runs.append(run)
        if self.trace:
            for tool in TOOLS:
                figures[tool].system_calls = self.count_calls(tool, turn(rounds + 1, tool))


def prepare(bench: Bench, packages: Iterable[str], locks: int) -> list[Path]:
    """Lock the project on the default index and download its wheels, unless that was done before.

    Returns:
        Where locks will be, one for each version of the package that changes.
    """
    wheels = bench.folder / "wheels"
    done = bench.folder / "downloaded.json"
    wanted = [sorted(packages), platform.python_version(), platform.machine()]
    if not done.exists() or json.loads(done.read_text()) != wanted:
        source = bench.folder / "source"
        write_project(source, packages, index=None)
        uv = find_uv_bin()
        subprocess.run((uv, "lock", "-q", "--project", str(source)), check=True)
        exported = subprocess.run(
            (uv, "export", "-q", "--frozen", "--no-hashes", "--no-emit-project",
             "--project", str(source)),
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        (source / "requirements.txt").write_text(exported.stdout)
        subprocess.run(
            (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-qq",
             "--no-deps", "--only-binary=:all:", "-d", str(wheels),
             "-r", str(source / "requirements.txt")),
            check=True,
        )  # fmt: skip
        done.write_text(json.dumps(wanted))
    for number in range(locks):
        build_wheel(wheels, CHANGING, f"1.{number}", files=subject_files(number))
    return [bench.folder / "locks" / str(number) / "uv.lock" for number in range(locks)]


def lock_all(locks: list[Path], packages: Iterable[str], index: str) -> None:
    """Lock the project on this machine's index once for each version of what changes."""
    for number, lock in enumerate(locks):
        write_project(lock.parent, (*packages, f"{CHANGING}==1.{number}"), index=index)
        lock.unlink(missing_ok=True)
        subprocess.run((find_uv_bin(), "lock", "-q", "--project", str(lock.parent)), check=True)


def subject_files(number: int) -> Mapping[str, str]:
    """Return a hundred files, ten of which differ from version to version."""
    return {
        f"benchmark_subject/part{part // 10}/module{part}.py": f"PART = {part}\n" * 40
        + (f"VERSION = {number}\n" if part % 10 == 0 else "")
        for part in range(100)
    }


def write_project(folder: Path, packages: Iterable[str], *, index: str | None) -> None:
    """Write a project for this interpreter alone: only its wheels are on this machine's index."""
    version = platform.python_version()
    here = (
        f"python_full_version == '{version}' and sys_platform == '{sys.platform}'"
        f" and platform_machine == '{platform.machine()}'"
        f" and platform_python_implementation == '{platform.python_implementation()}'"
    )
    listed = ", ".join(f'"{package}"' for package in packages)
    text = f"""\
[project]
name = "benchmark"
version = "1"
requires-python = "=={version}"
dependencies = [{listed}]

[tool.uv]
package = false
no-build = true
environments = ["{here}"]
"""
    if index is not None:
        text += f'\n[[tool.uv.index]]\nname = "local"\nurl = "{index}"\ndefault = true\n'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")


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
        return Setting(locks[0], bench.new_folder(), bench.new_folder())

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


def markdown(bench: Bench) -> str:
    """Return the figures as a table; ratios are envbuild's median to uv's."""
    lines = [
        "| envbuild / uv | wall | ratio | CPU | ratio | peak memory | system calls |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for scenario, figures in bench.figures.items():
        ours, theirs = (figures[tool] for tool in TOOLS)
        if not ours.runs:
            continue
        walls, cpus, memories = (
            [figure.median(what) for figure in (ours, theirs)] for what in ("wall", "cpu", "memory")
        )
        calls = [str(figure.system_calls or "not counted") for figure in (ours, theirs)]
        cells = (
            f"{scenario}: {SCENARIOS[scenario]}",
            " / ".join(f"{wall * 1000:.0f} ms" for wall in walls),
            f"{walls[0] / walls[1]:.2f}",
            " / ".join(f"{cpu * 1000:.0f} ms" for cpu in cpus),
            f"{cpus[0] / cpus[1]:.2f}",
            " / ".join(f"{memory / 2**20:.0f} MiB" for memory in memories),
            " / ".join(calls),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def circumstances(bench: Bench, locks: list[Path]) -> dict[str, object]:
    version = subprocess.run((find_uv_bin(), "--version"), check=True, capture_output=True)
    return {
        "python": platform.python_version(),
        "uv": version.stdout.decode().split()[1],
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "rounds": bench.rounds,
        "packages": locks[0].read_text().count("[[package]]") - 1,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure envbuild and uv side by side.")
    parser.add_argument("--packages", nargs="+", default=PACKAGES, help="what the project asks for")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each tool in each scenario")
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--folder", type=Path, help="where to work; wheels and locks stay there")
    parser.add_argument("--json", type=Path, help="write every run to this file")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        trace = shutil.which("strace") is not None
        bench = Bench(folder, python=sys.executable, rounds=options.rounds, trace=trace)
        # Two to toggle between; then for each of two scenarios one to warm up, one for each round,
        # one to count calls.
        locks = prepare(bench, options.packages, 2 + 2 * (options.rounds + 2))
        alone = [folder / "alone" / lock.parent.name / "uv.lock" for lock in locks]
        server = subprocess.Popen(
            (sys.executable, "-m", "support.index_server", "--folder", str(folder / "wheels")),
            cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert server.stdout is not None
        try:
            index = server.stdout.readline().strip()
            lock_all(locks, options.packages, index)
            lock_all(alone, (), index)
            measure_all(bench, locks, alone, options.scenarios)
        finally:
            server.terminate()
            server.wait()
        facts = circumstances(bench, locks)
        if options.json:
            report = {"circumstances": facts, "figures": {s: {t: asdict(f) for t, f in fs.items()}
                      for s, fs in bench.figures.items()}}  # fmt: skip
            options.json.write_text(json.dumps(report, indent=1) + "\n")
        print(", ".join(f"{name} {value}" for name, value in facts.items()) + "\n")
        print(markdown(bench))
        shutil.rmtree(folder / "made")


if __name__ == "__main__":
    main()
