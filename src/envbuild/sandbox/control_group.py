"""A control group of its own for what runs in a sandbox, where the user has been given the right to one.

With it the kernel itself holds the limits of memory and processes, exactly and for all processes
together, and kills all of them at once. Version 2 of control groups alone; `Documentation/admin-guide/
cgroup-v2.rst` of the kernel is what this follows. A group may only be made in one that hands the
controllers on and holds no processes itself; the session managers of today give users such a one.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    Limit = Literal["memory", "processes"]


class ControlGroup:
    """A group that exists until `remove`.

    Attributes:
        held: the limits that the kernel holds: `memory`, `processes`.
    """

    __slots__ = ("_path", "held")

    def __init__(self, path: str, held: Iterable[str]) -> None:
        self._path = path
        self.held = frozenset(held)

    def join(self) -> None:
        """Put this process into the group."""
        _write(f"{self._path}/cgroup.procs", "0")

    def kill(self) -> None:
        """Kill every process in the group."""
        try:
            _write(f"{self._path}/cgroup.kill", "1")
        except OSError:
            # An older kernel; they are found one by one as well.
            pass

    def limit_met(self) -> Limit | None:
        """Return the limit on account of which something was killed or refused."""
        if "memory" in self.held and _count(f"{self._path}/memory.events", "oom_kill"):
            return "memory"
        if "processes" in self.held and _count(f"{self._path}/pids.events", "max"):
            return "processes"
        return None

    def remove(self) -> None:
        """Remove the group; it stays where a process could not be ended."""
        try:
            os.rmdir(self._path)
        except OSError:
            pass


def make_group(memory: int | None, processes: int | None) -> ControlGroup | None:
    """Return a new group with these limits, or `None` where it cannot be had or would hold none."""
    parent = _place()
    if parent is None or (memory is None and processes is None):
        return None
    path = f"{parent}/envbuild-{os.getpid()}"
    handed_on = _read(f"{parent}/cgroup.subtree_control").split()
    held = []
    try:
        os.mkdir(path)
    except OSError:
        return None
    group = ControlGroup(path, ())
    try:
        if memory is not None and "memory" in handed_on:
            _write(f"{path}/memory.max", str(memory))
            _write(f"{path}/memory.oom.group", "1")
            if os.path.exists(f"{path}/memory.swap.max"):
                _write(f"{path}/memory.swap.max", "0")
            held.append("memory")
        if processes is not None and "pids" in handed_on:
            _write(f"{path}/pids.max", str(processes))
            held.append("processes")
    except OSError:
        held = []
    if not held or not _can_be_joined(group):
        group.remove()
        return None
    return ControlGroup(path, held)


def _can_be_joined(group: ControlGroup) -> bool:
    """Let a child of this process try: there are more reasons to be refused than can be looked up."""
    child = os.fork()
    if not child:
        try:
            group.join()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _place() -> str | None:
    """Return the nearest group above this process in which one can be made, by its path."""
    mounted = [line.split() for line in _read("/proc/self/mounts").splitlines()]
    tops = [words[1] for words in mounted if words[2] == "cgroup2"]
    own = [line for line in _read("/proc/self/cgroup").splitlines() if line.startswith("0::/")]
    if not tops or not own:
        return None
    top = tops[0]
    path = top + own[0][3:].rstrip("/")
    while path.startswith(top):
        handed_on = _read(f"{path}/cgroup.subtree_control").split()
        if {"memory", "pids"} & set(handed_on):
            writable = os.access(path, os.W_OK) and os.access(f"{path}/cgroup.procs", os.W_OK)
            return path if writable else None
        path = os.path.dirname(path)
    return None


def _count(path: str, name: str) -> int:
    for line in _read(path).splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
