"""envbuild and uv taking turns on one project: what the benchmarks here measure with.

Both tools read a server on this machine. What they install goes into a new folder every time and is
deleted at the end, since some file systems are slow for a while after a big delete: ext4 passes over
what was freed in the last minutes, one by one. Building deletes much as well, and each tool would pay for
the other. So runs that begin with nothing may have a file system of their own, made anew for each: the
option `--fresh-disk`. Caches of the operating system are warm. Run on a quiet machine.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from uv import find_uv_bin

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping

TOOLS = ("envbuild", "uv")
_DISK_SIZE = 8 * 2**30
PROJECT_FILES = ("pyproject.toml", "uv.lock", "envbuild.lock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run took: seconds, seconds of user and system time, bytes."""

    wall: float
    cpu: float
    memory: int


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run is given.

    Attributes:
        lock: the lock, with the other files of its project beside it.
        env: where the environment is or will be.
        storage: the store or the cache.
        options: more words for the command.
    """

    lock: Path
    env: Path
    storage: Path
    options: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Figures:
    """The runs of one tool in one scenario."""

    runs: list[Run] = field(default_factory=list)
    system_calls: int | None = None

    def median(self, what: str) -> float:
        return float(statistics.median(getattr(run, what) for run in self.runs))


class Bench:
    """The folder in which everything happens.

    Args:
        folder: that one.
        scenarios: what is measured, name to sentence.
        python: what environments are made for.
        rounds: turns of each tool in each scenario.
        trace: whether system calls are counted.
        fresh_disk: whether runs that begin with nothing have a file system of their own.
    """

    def __init__(
        self,
        folder: Path,
        *,
        scenarios: Mapping[str, str],
        python: str,
        rounds: int,
        trace: bool,
        fresh_disk: bool = False,
    ) -> None:
        self.folder = folder
        self.scenarios = scenarios
        self.python = python
        self.rounds = rounds
        self.trace = trace
        self.figures = {name: {tool: Figures() for tool in TOOLS} for name in scenarios}
        self.fresh_disk = fresh_disk
        self._count = 0

    def empty(self, lock: Path) -> Setting:
        """Return a setting in which neither an environment is there nor anything else."""
        if not self.fresh_disk:
            return Setting(lock, self.new_folder(), self.new_folder())
        disk = self._mount_new_disk()
        return Setting(lock, disk / "env", disk / "storage")

    def _mount_new_disk(self) -> Path:
        """Make a file system in a file of the folder and mount it, in place of the last one."""
        self.unmount()
        place, image = self.folder / "disk", self.folder / "disk-image"
        place.mkdir(exist_ok=True)
        image.unlink(missing_ok=True)
        with image.open("wb") as file:
            file.truncate(_DISK_SIZE)
        whole = "lazy_itable_init=0,lazy_journal_init=0"
        subprocess.run(("mkfs.ext4", "-q", "-E", whole, str(image)), check=True)
        subprocess.run(("mount", "-o", "loop", str(image), str(place)), check=True)
        return place

    def unmount(self) -> None:
        """Give up the last of those file systems."""
        if os.path.ismount(self.folder / "disk"):
            subprocess.run(("umount", str(self.folder / "disk")), check=True)
            (self.folder / "disk-image").unlink()

    def new_folder(self) -> Path:
        self._count += 1
        path = self.folder / "made" / str(self._count)
        path.parent.mkdir(exist_ok=True)
        return path

    def command(self, tool: str, setting: Setting) -> tuple[str, ...]:
        """Return the command; the lock is put where it looks, as one project's lock changes."""
        project = self.folder / "project"
        project.mkdir(exist_ok=True)
        for name in PROJECT_FILES:
            given, place = setting.lock.parent / name, project / name
            if not given.exists():
                place.unlink(missing_ok=True)
            elif not place.exists() or place.read_bytes() != given.read_bytes():
                place.write_bytes(given.read_bytes())
        more = ("--python", self.python, *setting.options)
        if tool == "uv":
            return (find_uv_bin(), "sync", "-q", "--frozen", "--project", str(project), *more)
        envbuild = os.path.join(os.path.dirname(sys.executable), "envbuild")
        lock = str(project / "uv.lock")
        return (envbuild, "realize", "-q", lock, "--venv", str(setting.env), *more)

    def environment(self, tool: str, setting: Setting) -> dict[str, str]:
        left_out = ("VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        if tool == "uv":
            more = {
                "UV_CACHE_DIR": str(setting.storage),
                "UV_PROJECT_ENVIRONMENT": str(setting.env),
                "UV_CONCURRENT_BUILDS": str(os.cpu_count()),
            }
        else:
            more = {
                "ENVBUILD_STORE": str(setting.storage),
                "XDG_CACHE_HOME": f"{setting.storage}-cache",
                # That of the uv that resolves build requirements.
                "UV_CACHE_DIR": f"{setting.storage}-cache/uv",
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
        print(f"measuring: {self.scenarios[scenario]}", file=sys.stderr)
        figures = self.figures[scenario]
        for number in range(rounds + 1):
            for tool in TOOLS:
                run = self.run(tool, turn(number, tool))
                if number:
                    figures[tool].runs.append(run)
        if self.trace:
            for tool in TOOLS:
                figures[tool].system_calls = self.count_calls(tool, turn(rounds + 1, tool))


def add_options(parser: argparse.ArgumentParser, scenarios: Iterable[str], *, rounds: int) -> None:
    """Add the options that all benchmarks have; `rounds` are made where nobody says how many."""
    parser.add_argument(
        "--rounds", type=int, default=rounds, help="runs of each tool in each scenario"
    )
    parser.add_argument("--scenarios", nargs="+", choices=list(scenarios), default=list(scenarios))
    parser.add_argument("--folder", type=Path, help="where to work; what is downloaded stays there")
    parser.add_argument("--json", type=Path, help="write every run to this file")
    parser.add_argument(
        "--fresh-disk",
        action="store_true",
        help="give each run that begins with nothing an ext4 file system of its own;"
        " needs the superuser",
    )


def download_wheels(folder: Path, wheels: Path, packages: Iterable[str]) -> None:
    """Lock `packages` on the default index and download wheels of all that they lead to.

    Args:
        folder: where the lock goes.
        wheels: where the wheels go.
        packages: requirements.
    """
    write_project(folder, packages, index=None, settings="no-build = true")
    run_uv("lock", "-q", "--project", str(folder))
    options = ("-q", "--frozen", "--no-hashes", "--no-emit-project")
    exported = run_uv("export", *options, "--project", str(folder))
    (folder / "requirements.txt").write_text(exported)
    subprocess.run(
        (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-qq",
         "--no-deps", "--only-binary=:all:", "-d", str(wheels),
         "-r", str(folder / "requirements.txt")),
        check=True,
    )  # fmt: skip


def run_uv(*words: str) -> str:
    done = subprocess.run((find_uv_bin(), *words), check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def write_project(
    folder: Path, packages: Iterable[str], *, index: str | None, settings: str
) -> None:
    """Write a project for this interpreter alone: only its wheels are on this machine's index.

    Args:
        folder: of the project.
        packages: that it asks for.
        index: the only one, `None` for the default.
        settings: more lines of `[tool.uv]`.
    """
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
environments = ["{here}"]
{settings}
"""
    if index is not None:
        text += f'\n[[tool.uv.index]]\nname = "local"\nurl = "{index}"\ndefault = true\n'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder of distributions from this machine, and give the address of the index."""
    server = subprocess.Popen(
        (sys.executable, "-m", "support.index_server", "--folder", str(folder)),
        cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()


def markdown(bench: Bench) -> str:
    """Return the figures as a table; ratios are envbuild's median to uv's."""
    titles = ["envbuild / uv", "wall", "ratio", "CPU", "ratio", "peak memory"]
    titles += ["system calls"] * bench.trace
    lines = [f"| {' | '.join(titles)} |", f"| {' | '.join(['---'] * len(titles))} |"]
    for scenario, figures in bench.figures.items():
        ours, theirs = (figures[tool] for tool in TOOLS)
        if not ours.runs:
            continue
        walls, cpus, memories = (
            [figure.median(what) for figure in (ours, theirs)] for what in ("wall", "cpu", "memory")
        )
        cells = (
            f"{scenario}: {bench.scenarios[scenario]}",
            " / ".join(f"{wall * 1000:.0f} ms" for wall in walls),
            f"{walls[0] / walls[1]:.2f}",
            " / ".join(f"{cpu * 1000:.0f} ms" for cpu in cpus),
            f"{cpus[0] / cpus[1]:.2f}",
            " / ".join(f"{memory / 2**20:.0f} MiB" for memory in memories),
            *[f"{ours.system_calls} / {theirs.system_calls}"] * bench.trace,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def circumstances(bench: Bench, lock: Path) -> dict[str, object]:
    return {
        "disks": "fresh" if bench.fresh_disk else "one",
        "python": platform.python_version(),
        "uv": run_uv("--version").split()[1],
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "rounds": bench.rounds,
        "packages": lock.read_text().count("[[package]]") - 1,
    }


def report(bench: Bench, lock: Path, *, json_file: Path | None) -> None:
    """Print the table, and write every run to a file where one is named."""
    facts = circumstances(bench, lock)
    if json_file is not None:
        figures = {
            scenario: {tool: asdict(each) for tool, each in by_tool.items()}
            for scenario, by_tool in bench.figures.items()
        }
        written = json.dumps({"circumstances": facts, "figures": figures}, indent=1)
        json_file.write_text(written + "\n")
    print(", ".join(f"{name} {value}" for name, value in facts.items()) + "\n")
    print(markdown(bench))
