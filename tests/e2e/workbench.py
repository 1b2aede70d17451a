"""Running envbuild and the tools it is compared with, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from uv import find_uv_bin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LEFT_OUT = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
_LEFT_OUT_PREFIXES = ("ENVBUILD_", "PYTEST_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A program that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class UnexpectedEnd(AssertionError):
    """A program that ended otherwise than the test relies on."""

    def __init__(self, arguments: tuple[str, ...], finished: Finished) -> None:
        super().__init__(
            f"`{' '.join(arguments)}` ended with {finished.code}\n{finished.out}\n{finished.err}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    """A folder to work in, one uv cache and one store; several may share the latter two.

    `python` is the interpreter that environments are made for.
    """

    folder: Path
    uv_cache: Path
    store: Path
    python: str = sys.executable

    def envbuild(self, *arguments: str, code: int | None = 0, **more: str) -> Finished:
        """Run envbuild in `folder` with the store; `more` are environment variables."""
        command = (sys.executable, "-m", "envbuild", *arguments)
        return self.run(*command, code=code, environment=more)

    def start(
        self, *arguments: str, unheard: bool = False, new_session: bool = False
    ) -> subprocess.Popen[str]:
        """Start envbuild as `envbuild` does, and leave it to the caller.

        Args:
            arguments: of its command line.
            unheard: whether what it prints is for nobody; else it is in pipes.
            new_session: whether it has a process group of its own.
        """
        printed = subprocess.DEVNULL if unheard else subprocess.PIPE
        return subprocess.Popen(
            (sys.executable, "-m", "envbuild", *arguments),
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            start_new_session=new_session,
            text=True,
        )

    def realize(self, venv: str, *arguments: str, code: int = 0, **more: str) -> Finished:
        """Run `envbuild realize` for an environment at `venv`; returns with `json` in place."""
        options = ("--json", "--venv", venv, "--python", self.python)
        return self.envbuild("realize", *arguments, *options, code=code, **more)

    def uv(self, *arguments: str, code: int = 0, **more: str) -> Finished:
        """Run uv in `folder` with the shared cache."""
        return self.run(find_uv_bin(), *arguments, code=code, environment=more)

    def pip(self, venv: str, *arguments: str) -> Finished:
        """Run a pip that stands outside on an environment."""
        python = os.path.join(self.folder, venv, "bin", "python")
        return self.run(sys.executable, "-m", "pip", "--python", python, *arguments)

    def run(
        self,
        *command: str,
        code: int | None = 0,
        environment: Mapping[str, str] | None = None,
        timeout: float = 600,
    ) -> Finished:
        """Run a program to its end.

        Raises:
            UnexpectedEnd: it ended with another code than `code`, which `None` leaves open.
        """
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        finished = Finished(code=done.returncode, out=done.stdout, err=done.stderr)
        if code is not None and finished.code != code:
            raise UnexpectedEnd(command, finished)
        return finished

    def environment(self) -> dict[str, str]:
        """Return the environment variables that programs are run with."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in _LEFT_OUT and not name.startswith(_LEFT_OUT_PREFIXES)
        }
        return {
            **kept,
            "ENVBUILD_STORE": str(self.store),
            "XDG_CACHE_HOME": str(self.store.parent / "cache"),
            "UV_CACHE_DIR": str(self.uv_cache),
            "UV_PYTHON": self.python,
            "UV_PYTHON_DOWNLOADS": "never",
            "NO_COLOR": "1",
        }


def snapshot(*folders: str | os.PathLike[str]) -> dict[str, tuple[int, int, int]]:
    """Return inode, modification time and size of everything below `folders`."""
    found = {}
    for top in folders:
        for folder, _, names in os.walk(top):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                status = os.lstat(path)
                found[path] = (status.st_ino, status.st_mtime_ns, status.st_size)
    return found
