"""The programs that a build may use beside its environment: which there are, and what they are.

Of each the content is hashed, and the first line that it says of its version is taken down: a
driver may stay the same while what it drives changes. That is what level `probed` means. It is no
more than the usual programs; what else the system has, a build may use unseen.
"""

from __future__ import annotations

import os

from blake3 import blake3

from envbuild.derivation.build import Program, Toolchain
from envbuild.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAMS = ("ar", "c++", "cargo", "cc", "cmake", "ld", "ninja", "pkg-config", "rustc")
"""Sorted, as derivations have them."""

_SECONDS = 20.0


def probe_toolchain(path: Sequence[str]) -> Toolchain:
    """Return what is known of the usual programs in the folders `path`, the first ones first."""
    found = ((name, _find(name, path)) for name in PROGRAMS)
    return Toolchain(
        level="probed",
        programs=tuple(
            Program(name=name, version=_version(place), digest=_digest(place))
            for name, place in found
            if place is not None
        ),
    )


def _find(name: str, path: Sequence[str]) -> str | None:
    for folder in path:
        place = f"{folder}/{name}"
        if os.access(place, os.X_OK) and os.path.isfile(place):
            return place
    return None


def _digest(place: str) -> Digest:
    hasher = blake3()
    with open(place, "rb") as file:
        hasher.update(file.read())
    return Digest(hasher.hexdigest())


def _version(place: str) -> str:
    """Return the first line that a program says of its version, empty where it says nothing."""
    import subprocess

    try:
        run = subprocess.run(
            (place, "--version"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"LC_ALL": "C", "PATH": os.path.dirname(place)},
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = run.stdout.decode("utf-8", "replace").strip()
    return said.partition("\n")[0].strip()
