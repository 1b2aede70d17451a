"""The interpreters of the machine that runs the tests, found by the plainest means.

It shares no code with what is tested: every `python3.N` on PATH and in the usual folders, the
versions of pyenv, the Pythons that uv manages, and the interpreter that runs the tests. So there is
always one. `ENVBUILD_TEST_PYTHONS` may add more, separated as PATH is.
"""

from __future__ import annotations

import functools
import glob
import os
import re
import subprocess
import sys
from dataclasses import dataclass

_ASK = "import sys; print(sys.implementation.name, '%d %d %d' % sys.version_info[:3])"


@dataclass(frozen=True)
class Python:
    """An interpreter outside every virtual environment, and what it said of itself."""

    path: str
    implementation: str
    version: tuple[int, int, int]

    def __str__(self) -> str:
        numbers = ".".join(map(str, self.version))
        return f"{self.implementation}-{numbers}-{os.path.dirname(self.path).strip('/')}"


@functools.cache
def pythons(oldest: tuple[int, int] = (3, 9)) -> tuple[Python, ...]:
    """Return every interpreter of at least that version, by path."""
    return tuple(python for python in _all() if python.version[:2] >= oldest)


@functools.cache
def too_old() -> tuple[Python, ...]:
    """Return the interpreters of Python 3 that are older than what is supported."""
    return tuple(python for python in _all() if (3, 0) <= python.version[:2] < (3, 9))


def running() -> Python:
    """Return the interpreter behind the environment that runs the tests."""
    path = os.path.realpath(sys.executable)
    return next(python for python in pythons() if os.path.realpath(python.path) == path)


@functools.cache
def _all() -> tuple[Python, ...]:
    home = os.path.expanduser("~")
    pyenv = os.environ.get("PYENV_ROOT", os.path.join(home, ".pyenv"))
    managed = os.environ.get("UV_PYTHON_INSTALL_DIR", os.path.join(home, ".local/share/uv/python"))
    folders = [
        *os.environ.get("PATH", "").split(os.pathsep),
        "/usr/bin",
        "/usr/local/bin",
        *glob.glob(os.path.join(pyenv, "versions", "*", "bin")),
        *glob.glob(os.path.join(managed, "*", "bin")),
    ]
    paths = [os.path.realpath(sys.executable)]
    paths += filter(None, os.environ.get("ENVBUILD_TEST_PYTHONS", "").split(os.pathsep))
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(folder, "*"))):
            is_named = re.fullmatch(r"(python|pypy)\d\.\d+[td]*", os.path.basename(path))
            if is_named and not os.path.exists(os.path.join(folder, "..", "pyvenv.cfg")):
                paths.append(path)
    unique = {os.path.realpath(path): path for path in reversed(paths)}
    found = [python for path in unique.values() if (python := _ask(path)) is not None]
    return tuple(sorted(found, key=lambda python: (python.version, python.path)))


def _ask(path: str) -> Python | None:
    try:
        with open(path, "rb") as file:
            if file.read(2) == b"#!":
                return None
        run = subprocess.run(
            [path, "-E", "-s", "-c", _ASK], capture_output=True, text=True, check=False, timeout=60
        )
    except OSError:
        return None
    if run.returncode != 0:
        return None
    implementation, *numbers = run.stdout.split()
    major, minor, micro = map(int, numbers)
    return Python(path=path, implementation=implementation, version=(major, minor, micro))
