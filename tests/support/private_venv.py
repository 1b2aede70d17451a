"""The clone's private environment: envbuild, editable, with the dependency groups that are asked for.

It lies in the git-ignored folder `.tools/` and is made anew when the declared dependencies or the
interpreter change. Standard library and pip only (22.3 or later, for `--python`), so that it runs
on a machine where nothing has been set up; the environment needs no pip of its own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def private_python(*groups: str) -> str:
    """Return the interpreter of the private environment that holds these dependency groups."""
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        project = tomllib.load(file)
    requirements = sorted({r for group in groups for r in _requirements(project, group)})
    inputs = [
        project["project"],
        project["build-system"],
        requirements,
        sys.version,
        sys.base_prefix,
    ]
    stamp = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()

    prefix = os.path.join(ROOT, ".tools", "-".join(("venv", *groups)))
    python = os.path.join(prefix, "bin", "python")
    stamp_file = os.path.join(prefix, "envbuild-inputs.txt")
    if _text(stamp_file) != stamp:
        print(f"setting up {os.path.relpath(prefix, ROOT)}", file=sys.stderr, flush=True)
        shutil.rmtree(prefix, ignore_errors=True)
        venv.create(prefix, symlinks=True)
        pip = (_python_with_pip(), "-m", "pip", "--disable-pip-version-check", "--python", python)
        subprocess.run([*pip, "install", "-qq", "-e", ROOT, *requirements], check=True)
        with open(stamp_file, "w", encoding="ascii") as file:
            file.write(stamp)
    return python


def become(python: str, *arguments: str) -> None:
    """Replace this process by `python` with these arguments, its scripts first on PATH."""
    folder = os.path.dirname(python)
    os.environ["PATH"] = os.pathsep.join((folder, os.environ.get("PATH", os.defpath)))
    os.execv(python, [python, *arguments])


def _python_with_pip() -> str:
    """Return this interpreter, or the one below it where this is an environment without pip."""
    if importlib.util.find_spec("pip"):
        return sys.executable
    return str(getattr(sys, "_base_executable", sys.executable))


def _requirements(project: dict[str, Any], group: str) -> list[str]:
    """Return the requirements of a dependency group (PEP 735), those of included groups too."""
    found: list[str] = []
    for item in project["dependency-groups"][group]:
        if isinstance(item, str):
            found.append(item)
        else:
            found += _requirements(project, item["include-group"])
    return found


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return None
