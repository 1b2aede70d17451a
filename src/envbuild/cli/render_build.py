"""What came of `build`, as text for people and as JSON for programs."""

from __future__ import annotations

import os

from envbuild.cli.render import document
from envbuild.cli.terminal import visible
from envbuild.cli.wording import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from envbuild.cli.terminal import Paint
    from envbuild.workflows.build_wheels import BuildResult, BuiltWheel

_FILES = {"written": "", "replaced": ", in place of another one", "kept": ", as it was"}


def build_as_text(result: BuildResult, paint: Paint, *, cwd: str) -> str:
    """Return what was built and where it is; paths below `cwd` are relative to it."""
    return "\n".join(line for wheel in result.wheels for line in _wheel(wheel, paint, cwd))


def build_as_json(result: BuildResult) -> str:
    """Return everything that there is to know, as one JSON document."""
    return document(
        {
            "command": "build",
            "lockfile": result.lockfile,
            "python": result.python,
            "interpreter": result.interpreter,
            "wheels": [
                {
                    "name": wheel.name,
                    "version": wheel.version,
                    "path": wheel.file.path,
                    "sha256": wheel.file.sha256,
                    "size": wheel.file.size,
                    "file": wheel.file.action,
                    "built": wheel.is_new,
                    "entry": wheel.entry,
                    "key": wheel.key,
                    "duration_ms": wheel.duration_ms,
                    "sandbox": wheel.rung,
                    "log": wheel.log,
                    "notes": list(wheel.notes),
                }
                for wheel in result.wheels
            ],
        }
    )


def _wheel(wheel: BuiltWheel, paint: Paint, cwd: str) -> Iterator[str]:
    name = f"{paint.bold(wheel.name)} {visible(wheel.version)}"
    done = f"Built {name}" if wheel.is_new else f"Found {name}, built before"
    path = wheel.file.path
    if path.startswith(f"{cwd}/"):
        path = os.path.relpath(path, cwd)
    about = f"{size(wheel.file.size)}{_FILES[wheel.file.action]}"
    yield f"{done}: {paint.cyan(visible(path))} ({about})"
    yield from (f"{paint.cyan('note')} {visible(note)}" for note in wheel.notes)
