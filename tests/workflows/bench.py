"""A project over a folder of wheels, and what the tests do with it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from envbuild.events import SILENT
from envbuild.frozen import replace
from envbuild.workflows.options import RealiseOptions, RealiseResult
from envbuild.workflows.realise import realise
from support.wheel_locks import lock_of
from support.wheels import build_wheel


@dataclass
class Bench:
    """A project over a folder of wheels."""

    folder: Path
    options: RealiseOptions

    def wheel(self, name: str, version: str, **keywords: object) -> str:
        return build_wheel(self.folder / "wheels", name, version, **keywords)  # type: ignore[arg-type]

    def lock(self, *wheels: str, hashes: bool = True) -> None:
        text = lock_of(wheels, folder=self.folder, hashes=hashes)
        (self.folder / "uv.lock").write_text(text)

    def realise(self, **options: object) -> RealiseResult:
        return realise(
            replace(self.options, **options),
            environ=dict(os.environ),
            cwd=str(self.folder),
            reporter=SILENT,
        )

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    @property
    def site(self) -> Path:
        (found,) = self.venv.glob("lib/python*/site-packages")
        return found

    def python(self, code: str) -> str:
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        run = subprocess.run(
            [self.venv / "bin/python", "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        )
        return run.stdout.strip()

    def actions(self, result: RealiseResult) -> list[tuple[str, str]]:
        return [(change.name, change.action) for change in result.changes]


def bench_in(root: Path) -> Bench:
    """Return a project in a folder, with a store of its own beside it."""
    folder = root / "project"
    folder.mkdir()
    return Bench(
        folder=folder,
        options=RealiseOptions(
            store=str(root / "store"), cache=str(root / "cache"), python=sys.executable
        ),
    )


def uv(*words: str) -> str:
    from uv import find_uv_bin

    run = subprocess.run(
        [find_uv_bin(), *words],
        check=True,
        capture_output=True,
        text=True,
        env=offline_environment(),
    )
    return run.stdout


def uv_install(bench: Bench, *wheels: str) -> None:
    uv("pip", "install", "--offline", "--python", str(bench.venv), "--no-deps", *wheels)


def offline_environment() -> dict[str, str]:
    return {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
