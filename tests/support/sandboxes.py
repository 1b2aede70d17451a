"""Programs run in sandboxes by tests: on every rung that works here, as every user there is.

The user who runs the tests is one. Where that is the superuser, `nobody` is another, whose sandboxes
are made by a process of `nobody`'s with a copy of the sources that everyone can read; and since `nobody`
can read little else, with an interpreter of the system.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envbuild.frozen import replace
from envbuild.sandbox.machine import machine_from_json
from envbuild.sandbox.model import (
    FOLDER,
    HOME,
    LADDER,
    TEMPORARY,
    Limits,
    Outcome,
    Readable,
    Request,
    guarantees,
    inside,
)
from envbuild.sandbox.probe import probe
from envbuild.sandbox.run import SandboxFailed, run
from envbuild.sandbox.stop import Stop
from envbuild.sandbox.supervisors import Supervisors
from envbuild.sandbox.variables import build_environment
from support.interpreters import pythons

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from envbuild.sandbox.machine import Machine
    from envbuild.sandbox.model import Rung

SOURCES = Path(__file__).parents[2] / "src" / "envbuild"
USERS = ("self", "nobody")
_NOBODY = 65534
_PREFIX = ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")


@dataclass(frozen=True)
class Ran:
    """How a program ended, and what it printed."""

    outcome: Outcome
    lines: list[str]
    log: str

    @property
    def answer(self) -> Any:
        """What the program printed last, as JSON."""
        assert self.outcome.succeeded, (self.outcome, self.log)
        return json.loads(self.lines[-1])


@dataclass
class Place:
    """A folder of a user's, with a build folder and something beside it, and a rung for programs.

    Attributes:
        user: one of `USERS`.
        rung: where programs run.
        path: the folder.
        python: an interpreter that the user can start; programs can read all that it needs.
        supervisors: start programs.
        reads: what else programs can read.
        landlock: a version of Landlock to make do with, where not the machine's.
    """

    user: str
    rung: Rung
    path: Path
    python: str
    supervisors: Supervisors
    reads: list[Readable] = field(default_factory=list)
    landlock: int | None = None

    @property
    def folder(self) -> Path:
        """The build folder."""
        return self.path / "build"

    @property
    def inner(self) -> str:
        """The build folder, as programs know it."""
        return inside(self.rung, str(self.folder), FOLDER)

    def own(self, path: Path) -> Path:
        """Give `path` to the user and return it."""
        if self.user == "nobody":
            os.chown(path, _NOBODY, _NOBODY)
        return path

    def holds(self, name: str, text: str) -> Path:
        """Write a file of the user's beside the build folder."""
        path = self.path / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return self.own(path)

    def own_folder(self, name: str) -> Path:
        """Make a folder of the user's beside the build folder."""
        path = self.path / name
        path.mkdir()
        return self.own(path)

    def build_holds(self, name: str, text: str) -> str:
        """Write a file in the build folder; return its path as programs know it."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        self.own(path)
        return f"{self.inner}/{name}"

    def runs(
        self,
        *argv: str,
        network: bool = False,
        limits: Limits | None = None,
        declared: Mapping[str, str] | None = None,
        stop: Stop | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Ran:
        """Run a program and return how it ended."""
        inner = self.inner
        request = Request(
            argv=argv,
            cwd=inner,
            variables=build_environment(
                declared or {}, home=f"{inner}/{HOME}", tmp=f"{inner}/{TEMPORARY}", path=()
            ),
            folder=str(self.folder),
            reads=tuple(self.reads),
            network=network,
            limits=limits or Limits(seconds=120),
        )
        log = self.path / "log"
        if self.user == "nobody":
            assert stop is None
            assert on_line is None
            outcome, lines = _run_as_nobody(request, self.rung, log)
        else:
            lines = []

            def note(line: str) -> None:
                lines.append(line)
                if on_line is not None:
                    on_line(line)

            known = machine()
            if self.landlock is not None:
                known = replace(known, landlock=self.landlock)
            outcome = run(
                request,
                self.rung,
                known,
                supervisors=self.supervisors,
                log=str(log),
                on_line=note,
                stop=stop,
            )
        return Ran(outcome=outcome, lines=lines, log=log.read_text("utf-8", "replace"))

    def runs_python(self, code: str, *arguments: str, **options: Any) -> Ran:
        """Run a Python program, given as text."""
        script = self.build_holds("program.py", code)
        return self.runs(self.python, "-I", "-S", script, *arguments, **options)


@functools.cache
def machine() -> Machine:
    """Return what this machine offers to the user who runs the tests."""
    return probed()


def probed() -> Machine:
    """Find out what this machine offers."""
    with Supervisors() as supervisors:
        return probe(supervisors)


@functools.cache
def machine_of_nobody() -> Machine:
    """Return what this machine offers to `nobody`."""
    found = machine_from_json(_as_nobody({"do": "probe"}))
    assert found is not None
    return found


def needs(user: str, rung: Rung) -> None:
    """Skip the test where `user` cannot be had, or `rung` does not work for that user."""
    if user == "nobody":
        _needs_nobody()
    known = machine() if user == "self" else machine_of_nobody()
    for missing in known.missing:
        if missing.rung == rung:
            pytest.skip(f"{rung} as {user}: {missing.reason}")


def place(user: str, rung: Rung) -> Iterator[Place]:
    """Make a place for the programs of `user` on `rung`, and remove it."""
    needs(user, rung)
    # Not below pytest's own folder, which is closed to everyone else.
    path = Path(tempfile.mkdtemp(prefix="envbuild-sandbox-")).resolve()
    try:
        path.chmod(0o755)
        python, prefix = _python(user)
        with Supervisors() as supervisors:
            made = Place(user=user, rung=rung, path=path, python=python, supervisors=supervisors)
            if not prefix.startswith("/usr"):
                made.reads.append(Readable(outer=prefix, inner=prefix))
            made.own(path)
            made.folder.mkdir()
            made.own(made.folder)
            yield made
    finally:
        shutil.rmtree(path)


def sealed(rung: Rung) -> bool:
    """Tell whether programs on `rung` have a view of their own."""
    return guarantees(rung, network=False).level == "sealed"


ON_EVERY_RUNG = [
    pytest.param((user, rung), id=f"{rung}-{user}") for rung in LADDER for user in USERS
]
ON_EVERY_REAL_RUNG = [param for param in ON_EVERY_RUNG if "none" not in str(param.id)]


def _python(user: str) -> tuple[str, str]:
    """Return an interpreter that `user` can start, and its prefix."""
    if user == "self":
        path = os.path.realpath(sys.executable)
        return path, os.path.realpath(sys.base_prefix)
    return _needs_nobody(), "/usr"


@functools.cache
def _system_python() -> str | None:
    found = [each.path for each in pythons((3, 11)) if each.path.startswith("/usr/bin/")]
    return found[0] if found else None


def _needs_nobody() -> str:
    if os.geteuid() != 0:
        pytest.skip("only the superuser can become another user")
    if shutil.which("setpriv") is None:
        pytest.skip("becoming another user needs `setpriv`")
    python = _system_python()
    if python is None:
        pytest.skip("there is no Python of the system, 3.11 or newer, that everyone can start")
    return python


_DRIVER = """\
import json, sys
sys.path.append(sys.argv[1])
from envbuild.sandbox.machine import machine_from_json
from envbuild.sandbox.model import Limits, Readable, Request
from envbuild.sandbox.probe import probe
from envbuild.sandbox.run import SandboxFailed, run
from envbuild.sandbox.supervisors import Supervisors

order = json.load(sys.stdin)
if order["do"] == "probe":
    with Supervisors() as supervisors:
        print(json.dumps(probe(supervisors).as_json()))
    sys.exit()
request = order["request"]
request["argv"] = tuple(request["argv"])
request["reads"] = tuple(Readable(**each) for each in request["reads"])
request["limits"] = Limits(**request["limits"])
machine = machine_from_json(order["machine"])
lines = []
try:
    with Supervisors() as supervisors:
        outcome = run(
            Request(**request),
            order["rung"],
            machine,
            supervisors=supervisors,
            log=order["log"],
            on_line=lines.append,
        )
except SandboxFailed as error:
    print(json.dumps({"failed": [error.rung, error.what, error.errno, error.output]}))
else:
    names = ("ended", "exit_code", "signal", "duration_ms", "rung")
    print(json.dumps({"lines": lines, "outcome": {name: getattr(outcome, name) for name in names}}))
"""


def _run_as_nobody(request: Request, rung: Rung, log: Path) -> tuple[Outcome, list[str]]:
    order = {
        "do": "run",
        "machine": machine_of_nobody().as_json(),
        "rung": rung,
        "log": str(log),
        "request": {
            "argv": request.argv,
            "cwd": request.cwd,
            "variables": dict(request.variables),
            "folder": request.folder,
            "reads": [{"outer": each.outer, "inner": each.inner} for each in request.reads],
            "network": request.network,
            "limits": {
                "seconds": request.limits.seconds,
                "memory": request.limits.memory,
                "output": request.limits.output,
                "disk": request.limits.disk,
                "processes": request.limits.processes,
            },
        },
    }
    answer = _as_nobody(order)
    if "failed" in answer:
        raise SandboxFailed(*answer["failed"])
    return Outcome(**answer["outcome"]), answer["lines"]


def _as_nobody(order: dict[str, Any]) -> Any:
    python = _needs_nobody()
    done = subprocess.run(
        (*_PREFIX, python, "-I", "-S", "-B", "-c", _DRIVER, _sources_for_everyone()),
        input=json.dumps(order), check=True, capture_output=True, text=True, cwd="/",
        env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    return json.loads(done.stdout)


@functools.cache
def _sources_for_everyone() -> str:
    import atexit

    folder = tempfile.mkdtemp(prefix="envbuild-sources-")
    atexit.register(shutil.rmtree, folder)
    shutil.copytree(SOURCES, f"{folder}/envbuild", ignore=shutil.ignore_patterns("__pycache__"))
    # Whatever the mask of this process is.
    for path in [Path(folder), *Path(folder).rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder
