"""What facts about a machine's sandboxes depend on: they hold as long as all of this is the same.

That is until the machine is started again, or this process runs elsewhere in it, as in a container. It
costs next to nothing to look at, so that the facts can be kept.
"""

from __future__ import annotations

import os
import sys

from envbuild.sandbox.missing import SETTINGS

_FORMAT = "1"
"""Raised when the meaning of the facts changes."""


def identity() -> tuple[str, ...]:
    """Return what the facts depend on: they hold as long as this is the same."""
    machine = os.uname()
    place = [_FORMAT, machine.sysname, machine.release, machine.machine, str(os.geteuid())]
    if sys.platform == "linux":
        place += [read_text("/proc/sys/kernel/random/boot_id"), *kernel_settings().values()]
        place += [_link(f"/proc/self/ns/{name}") for name in ("user", "mnt", "pid", "net")]
        status = read_text("/proc/self/status").splitlines()
        place += [line for line in status if line.startswith(("CapEff", "NoNewPrivs", "Seccomp"))]
        place.append(read_text("/proc/self/attr/current"))
        program = find_bubblewrap()
        if program is not None:
            place += [program, str(os.stat(program).st_mtime_ns)]
    return tuple(place)


def find_bubblewrap() -> str | None:
    """Return the absolute path of the program, `None` where there is none on `PATH`."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, "bwrap")
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return os.path.abspath(path)
    return None


def kernel_settings() -> dict[str, str]:
    """Return the settings of the kernel that decide about user namespaces."""
    values = {}
    for name in SETTINGS:
        value = read_text("/proc/sys/" + name.replace(".", "/"))
        if value:
            values[name] = value
    return values


def read_text(path: str) -> str:
    """Return what is in a file, empty where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
