"""Executables that answer the probe script as interpreters which are not there would."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from envbuild.frozen import as_dict, replace
from envbuild.target.facts import FORMAT, Facts
from unit.target.recorded import linux_313

if TYPE_CHECKING:
    from pathlib import Path


def of_version(version: str, facts: Facts = linux_313) -> Facts:
    """Return the facts with another language version."""
    major, minor = version.split(".")[:2]
    names = {"python_full_version": version, "python_version": f"{major}.{minor}"}
    return replace(facts, markers={**facts.markers, **names}, version_nodot=major + minor)


def pretend(path: Path, facts: Facts) -> Path:
    """Write an executable that gives these facts as those of itself, and return its path."""
    answer = as_dict(replace(facts, executable=str(path), base_executable=str(path)))
    answer["macos"] = None
    answer["manylinux_refused"] = sorted(facts.manylinux_refused)
    text = json.dumps({"format": FORMAT, **answer})
    return script(path, f"cat <<'END'\n{text}\nEND")


def script(path: Path, body: str) -> Path:
    """Write a shell script and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A process that is being forked elsewhere may hold the file open, so it is never written to
    # under the name by which it is started.
    new = path.with_name(path.name + ".new")
    new.write_text(f"#!/bin/sh\n{body}\n")
    new.chmod(0o755)
    os.replace(new, path)
    return path
