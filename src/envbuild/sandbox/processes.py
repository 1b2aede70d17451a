"""The processes below this one: finding them, weighing them and their folder, ending them.

What ends is a direct child of the one who ends it, always: such a process cannot be gone and its number
taken by another before its parent has seen it end. Since the supervisor is a subreaper, every process
that loses its parent becomes its child, so what is below is reached step by step, daemons included.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRST_PAUSE = 0.0005
_PAGE = os.sysconf("SC_PAGE_SIZE")


def descendants(parent: int) -> list[int]:
    """Return the processes below `parent`, in no order."""
    children: dict[int, list[int]] = {}
    for process, its_parent in _parents():
        children.setdefault(its_parent, []).append(process)
    found: list[int] = []
    waiting = [parent]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _parents() -> Iterable[tuple[int, int]]:
    if sys.platform != "linux":
        return
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                text = file.read()
        except OSError:
            continue
        # The second field is the program's name in brackets, and may hold anything.
        yield int(name), int(text[text.rindex(b")") + 2 :].split(None, 2)[1])


def more_than(count: int) -> bool:
    """Tell whether the whole machine has more than `count` processes: quickly, unlike `descendants`."""
    return sys.platform == "linux" and len(os.listdir("/proc")) > count


def memory_of(processes: Iterable[int], limit: int) -> int:
    """Return how many bytes of memory `processes` hold that belong to no file.

    Exact only when near `limit`: what several of them share is counted for each at first.
    """
    chosen = list(processes)
    held = sum(_memory_at_most(process) for process in chosen)
    if held <= limit:
        return held
    return sum(_memory_shared_out(process) for process in chosen)


def _memory_at_most(process: int) -> int:
    try:
        with open(f"/proc/{process}/statm", "rb") as file:
            _, resident, of_files, *_ = file.read().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(of_files)) * _PAGE


def _memory_shared_out(process: int) -> int:
    try:
        with open(f"/proc/{process}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss_Anon:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return _memory_at_most(process)


def disk_use(folder: str) -> int:
    """Return how many bytes the files below `folder` take on disk, each counted once."""
    used = 0
    linked = set()
    folders = [folder]
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except OSError:
            # Gone since it was seen, or closed even to its owner.
            continue
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif status.st_nlink > 1:
                if status.st_ino in linked:
                    continue
                linked.add(status.st_ino)
            used += status.st_blocks * 512
    return used


def end_all(leader: int, statuses: dict[int, int], patience: float) -> None:
    """End every process below this one.

    Args:
        leader: the child that was started first, leader of its session.
        statuses: gets the wait status of every child that has ended.
        patience: seconds after which what does not end is left.
    """
    from time import monotonic, sleep

    if leader not in statuses:
        _end(leader)
    elif sys.platform != "linux":
        _kill_group(leader)
    deadline = monotonic() + patience
    pause = _FIRST_PAUSE
    while collect(statuses) and monotonic() < deadline:
        # A namespace ends by itself when the first of its processes has; give it the time.
        if pause > 4 * _FIRST_PAUSE:
            for child in _children():
                _end(child)
        sleep(pause)
        pause = min(2 * pause, 0.05)


def collect(statuses: dict[int, int]) -> bool:
    """Note the wait statuses of children that have ended; return whether there are others."""
    while True:
        try:
            child, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if not child:
            return True
        statuses[child] = status


def _children() -> list[int]:
    this = os.getpid()
    return [process for process, parent in _parents() if parent == this]


def _end(child: int) -> None:
    """Kill a child that has not been reaped, with its process group."""
    group = os.getpgid(child)
    if group != os.getpgrp():
        _kill_group(group)
    os.kill(child, signal.SIGKILL)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # All of it has ended; some systems call that forbidden.
        pass
