"""A project of invented wheels, and the program run on it in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.wheels import build_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from support.index_server import IndexServer

PROGRAM = (sys.executable, "-m", "envbuild")
PACKAGES = (("ant", "1.0"), ("bee", "2.0"))


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(slots=True)
class Desk:
    """A folder to work in, and the variables that programs are run with there.

    What stands in the variables of this process has no influence.
    """

    root: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def store(self) -> Path:
        return self.root / "store"

    def lock(
        self, packages: Iterable[tuple[str, str]] = PACKAGES, *, server: IndexServer | None = None
    ) -> None:
        """Write a lock of `packages`, whose wheels are in a folder here or on `server`."""
        self.project.mkdir(exist_ok=True)
        folder = self.project / "wheels" if server is None else server.listings.folder
        source = "wheels" if server is None else server.index_url
        names, entries = [], []
        for name, version in packages:
            wheel = build_wheel(folder, name, version)
            file_name = os.path.basename(wheel)
            with open(wheel, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            where = f'path = "{file_name}"'
            if server is not None:
                where = f'url = "{server.file_url(file_name)}", size = {os.path.getsize(wheel)}'
            names.append(f'{{ name = "{name}" }}')
            entries.append(
                f'[[package]]\nname = "{name}"\nversion = "{version}"\n'
                f'source = {{ registry = "{source}" }}\n'
                f'wheels = [{{ {where}, hash = "sha256:{digest}" }}]\n'
            )
        project = (
            '[[package]]\nname = "project"\nversion = "0"\nsource = { virtual = "." }\n'
            f"dependencies = [{', '.join(names)}]\n"
        )
        text = "\n".join(
            ['version = 1\nrevision = 3\nrequires-python = ">=3.9"\n', *entries, project]
        )
        (self.project / "uv.lock").write_text(text, encoding="utf-8")

    def environ(self) -> dict[str, str]:
        """Return the environment variables that programs are run with."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root / "home"),
            "LANG": "C.UTF-8",
            "ENVBUILD_STORE": str(self.store),
            "ENVBUILD_PYTHON": sys.executable,
            "TERM": "xterm",
            **self.variables,
        }

    def run(self, *arguments: str, code: int = 0, cwd: Path | None = None) -> Ended:
        """Run the program to its end, which must be with `code`, without a terminal."""
        return self.run_command(*PROGRAM, *arguments, code=code, cwd=cwd)

    def run_command(self, *command: str, code: int = 0, cwd: Path | None = None) -> Ended:
        """Run any command as `run` does."""
        done = subprocess.run(
            command,
            cwd=cwd or self.project,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=120,
        )
        ended = Ended(done.returncode, done.stdout, done.stderr)
        assert ended.code == code, ended
        return ended

    def start_on_terminal(self, *arguments: str) -> OnTerminal:
        """Start the program with a terminal for everything it prints."""
        return OnTerminal(arguments, self)


class OnTerminal:
    """A running program, whose terminal is read all the time."""

    def __init__(self, arguments: Iterable[str], desk: Desk) -> None:
        self._here, there = pty.openpty()
        self.process = subprocess.Popen(
            (*PROGRAM, *arguments),
            cwd=desk.project,
            env=desk.environ(),
            stdin=there,
            stdout=there,
            stderr=there,
            start_new_session=True,
        )
        os.close(there)
        self._seen = b""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def seen(self) -> str:
        """What has been shown so far."""
        with self._changed:
            return self._seen.decode()

    def wait_for(self, text: str) -> None:
        """Wait until `text` has been shown."""
        with self._changed:
            found = self._changed.wait_for(lambda: text.encode() in self._seen, timeout=60)
        assert found, f"{text!r} is not in {self.seen!r}"

    def end(self) -> Ended:
        """Wait for the end."""
        code = self.process.wait(timeout=60)
        self._reader.join(timeout=60)
        os.close(self._here)
        return Ended(code, self.seen, "")

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._here, 1 << 16)
            except OSError:  # as a terminal ends on Linux
                return
            if not data:
                return
            with self._changed:
                self._seen += data
                self._changed.notify_all()
