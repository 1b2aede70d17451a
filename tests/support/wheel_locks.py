"""Lockfiles over a folder of wheels, in the layout that uv writes, without asking uv."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def lock_of(wheels: Iterable[str | Path], *, folder: Path, hashes: bool = True) -> str:
    """Return a lock of a virtual project that requires every one of `wheels`.

    Args:
        wheels: paths; of every name one version.
        folder: where the lock is going to be, which the paths in it are relative to.
        hashes: whether the lock has hashes; uv writes none for a local folder of wheels.
    """
    packages = []
    for wheel in sorted(map(Path, wheels), key=lambda path: path.name):
        name, version, *_ = wheel.name.split("-")
        name = name.replace("_", "-")
        index = os.path.relpath(wheel.parent, folder)
        artifact = f'{{ path = "{wheel.name}"'
        if hashes:
            artifact += f', hash = "sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"'
        packages.append(
            f"""
[[package]]
name = "{name}"
version = "{version}"
source = {{ registry = "{index}" }}
wheels = [
    {artifact} }},
]
"""
        )
    edges = "".join(
        f'    {{ name = "{Path(wheel).name.split("-")[0].replace("_", "-")}" }},\n'
        for wheel in sorted(map(Path, wheels), key=lambda path: path.name)
    )
    root = f"""
[[package]]
name = "the-project"
version = "0.1.0"
source = {{ virtual = "." }}
dependencies = [
{edges}]
"""
    head = 'version = 1\nrevision = 3\nrequires-python = ">=3.9"\n'
    return head + "".join(packages) + root
