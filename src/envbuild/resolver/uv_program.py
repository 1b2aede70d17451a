"""Build requirements resolved by the uv program, until this program has a resolver of its own.

uv is asked with `uv pip compile`, for the interpreter itself, so that every marker and tag is that of
the build. It reads its own credentials (environment, netrc, keyring, user settings); none of them is
on a command line. It may run the backend of a source archive whose metadata cannot be read without,
outside of any sandbox; it is first asked for an answer of wheels alone, which runs nothing.

Most packages are built with one of a few sets of requirements, so an answer is kept as long as the
program runs, and who asks the same meanwhile waits for it.
"""

from __future__ import annotations

import os
import threading

from envbuild.errors import ResolutionError
from envbuild.frozen import replace
from envbuild.index.redaction import redact
from envbuild.interruption import run_program
from envbuild.resolver.search import Unsolvable, search
from envbuild.resolver.uv_input import write_input
from envbuild.resolver.uv_output import read_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from envbuild.buildlock.pin import Candidate, Resolved
    from envbuild.buildlock.strategy import Pin, ResolutionRequest
    from envbuild.target.model import Interpreter

OLDEST = (0, 13)
"""The first version of uv whose options and settings are those used here."""

_TOLD_LINES = 30

_SECONDS = 600.0
"""Long enough for what it has to build to know its metadata."""

_UNSOLVABLE = 1
"""What uv exits with where no versions meet the requirements; for other failures it is 2."""

# These would change the answer, or where uv looks for its files, and mean another command.
_NOT_PASSED_ON = frozenset(
    {
        "UV_CONSTRAINT", "UV_CUSTOM_COMPILE_COMMAND", "UV_EXCLUDE", "UV_FORK_STRATEGY",
        "UV_NO_SOURCES", "UV_NO_SOURCES_PACKAGE", "UV_OVERRIDE", "UV_PRERELEASE", "UV_PROJECT",
        "UV_PYTHON", "UV_RESOLUTION", "UV_SYSTEM_PYTHON", "UV_TORCH_BACKEND", "UV_WORKING_DIR",
    }
)  # fmt: skip


class NoUv(ResolutionError):
    """The program that resolves build requirements is not there, or too old.

    Attributes:
        found: its version, `None` where there is none.
    """

    def __init__(self, found: str | None) -> None:
        oldest = ".".join(map(str, OLDEST))
        what = "is not installed" if found is None else f"is {found}, expected {oldest} or newer"
        super().__init__(
            f"build requirements that `envbuild.lock` does not pin are resolved by uv, which {what}",
            hint="install `envbuild[build]`, or uv itself",
        )
        self.found = found


class UvFailed(ResolutionError):
    """uv ended before it knew whether the requirements can be met.

    Attributes:
        package: whose build requirements it was asked for.
        code: that it exited with; `None` where it was ended.
        told: the last lines that it printed.
    """

    def __init__(self, package: str, code: int | None, told: str) -> None:
        ended = "" if code is None else f" (exit code {code})"
        super().__init__(f"uv failed on what `{package}` is built with{ended}: {told}")
        self.package = package
        self.code = code
        self.told = told


class UvProgram:
    """A `BuildRequirementResolver` that asks uv.

    Args:
        settings: see `envbuild.resolver.uv_settings`.
        folder: absolute path of the folder of the lock.
        environ: the environment; credentials, proxies and certificates are in it.
        offline: whether uv may only use what it has.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        folder: str,
        environ: Mapping[str, str],
        offline: bool,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._environ = {
            name: value for name, value in environ.items() if name not in _NOT_PASSED_ON
        }
        self._offline = offline
        self._mutex = threading.Lock()
        self._program: str | None = None
        self._asked: dict[object, threading.Lock] = {}
        self._answers: dict[object, tuple[Candidate, ...]] = {}

    def resolve(self, request: ResolutionRequest, interpreter: Interpreter) -> Resolved:
        """Return the versions that meet a request, see `BuildRequirementResolver`.

        Raises:
            NoUv: there is no uv, or too old a one.
            UvFailed: uv cannot tell, for instance because an index does not answer.
            Unresolvable: nothing meets the requirements.
            CannotUseLocked: something must be as locked, and cannot.
        """
        # One at a time, also because `sysconfig`, which is asked there, may be seen half made.
        with self._mutex:
            if self._program is None:
                self._program = find_uv(self._environ)
            program = self._program

        def solve(
            pins: tuple[Pin, ...], *, only_wheels: frozenset[str] | None
        ) -> tuple[Candidate, ...] | Unsolvable:
            # What differs from package to package is only how an explanation begins.
            anyone = replace(request, package="it", version=None)
            given = write_input(anyone, pins, self._settings, folder=self._folder)
            question = (given, only_wheels, interpreter.executable)
            with self._mutex:
                asked = self._asked.setdefault(question, threading.Lock())
            with asked:
                known = self._answers.get(question)
                if known is not None:
                    return known
                found = self._solve(program, request, interpreter, pins, only_wheels)
                if not isinstance(found, Unsolvable):
                    self._answers[question] = found
                return found

        return search(request, solve)

    def _solve(
        self,
        program: str,
        request: ResolutionRequest,
        interpreter: Interpreter,
        pins: tuple[Pin, ...],
        only_wheels: frozenset[str] | None,
    ) -> tuple[Candidate, ...] | Unsolvable:
        import tempfile

        given = write_input(request, pins, self._settings, folder=self._folder)
        files = {"pyproject.toml": given.project, "constraints.txt": given.constraints}
        if given.previous is not None:
            files["pylock.toml"] = given.previous
        with tempfile.TemporaryDirectory(prefix="envbuild-uv-") as temporary:
            folder = os.path.realpath(temporary)
            for name, text in files.items():
                with open(f"{folder}/{name}", "w", encoding="utf-8", newline="\n") as file:
                    file.write(text)
            try:
                done = run_program(
                    (program, *self._arguments(interpreter.executable, only_wheels)),
                    environ=self._environ,
                    folder=folder,
                    seconds=_SECONDS,
                )
            except TimeoutError:
                # It never ends where projects need one another for their metadata.
                told = f"it did not come to an end within {_SECONDS:g} s"
                raise UvFailed(request.package, None, told) from None
            if done.returncode == 0:
                with open(f"{folder}/pylock.toml", encoding="utf-8") as file:
                    return read_output(file.read(), beside=folder, folder=self._folder)
        told = _last_lines(done.stderr.decode("utf-8", "replace"))
        if done.returncode == _UNSOLVABLE:
            # The first line only says that there is no solution.
            return Unsolvable(explanation=told.partition("cause: ")[2] or told)
        raise UvFailed(request.package, done.returncode, told)

    def _arguments(self, python: str, only_wheels: frozenset[str] | None) -> list[str]:
        arguments = [
            "pip", "compile", "pyproject.toml", "--format", "pylock.toml", "-o", "pylock.toml",
            "--constraints", "constraints.txt", "--python", python, "--no-python-downloads",
            "--resolution", "highest", "--prerelease", "if-necessary",
            "--no-header", "--no-progress", "--color", "never", "--quiet",
        ]  # fmt: skip
        names = [":all:"] if only_wheels is None else sorted(only_wheels)
        for name in names:
            arguments += ["--only-binary", name]
        if self._offline:
            arguments.append("--offline")
        return arguments


def find_uv(environ: Mapping[str, str]) -> str:
    """Return the path of uv: of the one installed beside this program, or else on PATH.

    Raises:
        NoUv: there is none, or it is too old.
    """
    import shutil
    import subprocess

    try:
        from uv import find_uv_bin

        program: str | None = find_uv_bin()
    except (ImportError, FileNotFoundError):
        program = shutil.which("uv", path=environ.get("PATH"))
    if program is None:
        raise NoUv(None)
    try:
        said = subprocess.run(
            (program, "--version"), env=environ, capture_output=True, text=True, check=True
        ).stdout.split()
        version = said[1]
        numbers = tuple(int(number) for number in version.split(".")[:2])
    except (OSError, subprocess.CalledProcessError, IndexError, ValueError):
        raise NoUv("of no known version") from None
    if numbers < OLDEST:
        raise NoUv(version)
    return program


def _last_lines(text: str) -> str:
    lines = [line.rstrip() for line in redact(text).strip().splitlines()]
    return "\n".join(lines[-_TOLD_LINES:]).removeprefix("error: ")
