"""Other processes: started, waited for, killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 20.0


def fork() -> int:
    """Fork as `os.fork` does, whatever threads the test runner has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


class Child:
    """A Python process that prints lines when it has got somewhere and goes on when told to."""

    def __init__(self, code: str, *arguments: str, prefix: tuple[str, ...] = ()) -> None:
        # So that it can import what tests share.
        path = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            (*prefix, sys.executable, "-c", code, *arguments),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.pid = self._process.pid

    def reads(self) -> str:
        """Return the next line that it prints, waiting for it; empty at its end."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def goes_on(self) -> None:
        """Send it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def ends(self) -> int:
        """Wait for its end and return its code, negative for a signal."""
        self._process.communicate()
        return self._process.returncode

    def is_sent(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def is_killed(self) -> None:
        """Kill it so that it can do nothing about it."""
        self._process.send_signal(signal.SIGKILL)
        assert self.ends() == -signal.SIGKILL


def without_privileges() -> tuple[str, ...]:
    """Return what to put in front of a command so that modes count for it, even as root."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root needs `setpriv` to give privileges up")
    return ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


def processes_with(variable: str) -> list[int]:
    """Return the processes that have `NAME=value` in the environment that they were started with."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{name}/environ").read_bytes()
        except OSError:
            continue
        if variable.encode() in environment.split(b"\0"):
            found.append(int(name))
    return found


def appear(variable: str, count: int) -> None:
    """Wait until there are so many of them."""
    deadline = time.monotonic() + _PATIENCE
    while len(found := processes_with(variable)) < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def vanish(variable: str) -> None:
    """Wait until there are none of them any more."""
    deadline = time.monotonic() + _PATIENCE
    while left := processes_with(variable):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


@contextmanager
def child(code: str, *arguments: str, prefix: tuple[str, ...] = ()) -> Iterator[Child]:
    """Start a process; it is killed if it is still there in the end."""
    started = Child(code, *arguments, prefix=prefix)
    try:
        yield started
    finally:
        if started._process.poll() is None:
            started._process.kill()
        started._process.communicate()
