"""The process beside a sandbox: starts the program, watches its limits, ends all that it started.

It is a process of its own because only that can be the parent of whatever a program leaves behind, and
because a fork in a program with threads is no place for any of this. It says its process number, reads
an order from a socket, carries it out and answers with how it ended; when the socket is closed on the
other side, however that came about, everything below is ended too.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import sys
from time import monotonic

from envbuild.sandbox.enter import ENDED, FAILED, enter
from envbuild.sandbox.processes import collect, descendants, disk_use, end_all, memory_of, more_than

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from envbuild.sandbox.control_group import ControlGroup, Limit
    from envbuild.sandbox.plan import Order

    Reason = Limit | Literal["finished", "timeout", "disk", "stopped"]
    Answer = tuple[Literal["ended"], Reason, int] | tuple[Literal["failed"], str, int]
    """How it ended and the wait status, or what failed before it began and the error number."""

_SHORTEST_WAIT = 0.2
_SHARE = 10
"""Seconds between looks at what is used; and how many times as long as a look it is at least."""

_PATIENCE = 10.0
"""Seconds after which what cannot be killed is left: it waits for a device, or multiplies too fast."""


def main(control: int) -> None:
    """Carry out the one order that comes through the socket with the descriptor `control`."""
    os.set_inheritable(control, False)
    os.write(control, os.getpid().to_bytes(4, "big"))
    size = int.from_bytes(_read(control, 4), "big")
    order: Order = marshal.loads(_read(control, size))  # noqa: S302 - written by our parent
    answer = marshal.dumps(_supervise(order, control), 4)
    try:
        os.write(control, answer)
    except OSError:
        # Nobody is there any more. All is ended, which is what matters.
        pass


def _read(control: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = os.read(control, size - len(data))
        if not more:
            sys.exit(0)
        data += more
    return data


def _supervise(order: Order, control: int) -> Answer:
    group = None
    if sys.platform == "linux":
        from envbuild.sandbox import kernel
        from envbuild.sandbox.control_group import make_group

        kernel.become_subreaper()
        # As any program's; else the kernel lets it set up no namespace.
        kernel.allow_tracing()
        group = make_group(order["memory"], order["processes"])
    statuses: dict[int, int] = {}
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    reader, report = os.pipe()
    leader = os.fork()
    if not leader:
        os.close(control)
        enter(order, report, group)
    os.close(report)
    if sys.platform == "linux":
        kernel.hide_from_tracing()
    held = frozenset() if group is None else group.held
    reason = _watch(order, held, leader, statuses, control, woken)
    if group is not None:
        group.kill()
    end_all(leader, statuses, _PATIENCE)
    os.set_blocking(reader, False)
    answer = _answer(order, reason, statuses.get(leader, signal.SIGKILL), _read_report(reader))
    if group is not None:
        answer = _with_limit_met(answer, group)
        group.remove()
    return answer


def _with_limit_met(answer: Answer, group: ControlGroup) -> Answer:
    """Name the limit that the kernel held, where the program did not get over it."""
    limit = group.limit_met()
    match answer:
        case ("ended", "finished", status) if limit is not None and status != 0:
            return ("ended", limit, status)
    return answer


def _watch(
    order: Order,
    held: frozenset[str],
    leader: int,
    statuses: dict[int, int],
    control: int,
    woken: int,
) -> Reason:
    """Wait until the first child has ended, or has to be; limits in `held` need no looking at."""
    start = monotonic()
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(woken, select.POLLIN)
    most = {
        "memory": None if "memory" in held else order["memory"],
        "processes": None if "processes" in held else order["processes"],
        "disk": order["disk"],
    }
    limited = any(limit is not None for limit in most.values())
    look = start + _SHORTEST_WAIT if limited else None
    deadline = None if order["seconds"] is None else start + order["seconds"]
    while True:
        collect(statuses)
        if leader in statuses:
            return "finished"
        now = monotonic()
        if deadline is not None and now >= deadline:
            return "timeout"
        if look is not None and now >= look:
            reason = _look(order["folder"], **most)
            if reason is not None:
                return reason
            cost = monotonic() - now
            look = monotonic() + max(_SHORTEST_WAIT, _SHARE * cost)
        moments = [moment for moment in (deadline, look) if moment is not None]
        wait = 1000 * max(0.0, min(moments) - monotonic()) if moments else None
        for descriptor, _ in poll.poll(wait):
            if descriptor == control:
                return "stopped"
            os.read(woken, 512)


def _look(
    folder: str, *, memory: int | None, processes: int | None, disk: int | None
) -> Reason | None:
    """Return which limit has been passed."""
    if memory is not None or (processes is not None and more_than(processes)):
        below = descendants(os.getpid())
        if processes is not None and len(below) > processes:
            return "processes"
        if memory is not None and memory_of(below, memory) > memory:
            return "memory"
    if disk is not None and disk_use(folder) > disk:
        return "disk"
    return None


def _read_report(reader: int) -> bytes:
    data = b""
    try:
        while more := os.read(reader, 65536):
            data += more
    except BlockingIOError:
        pass
    return data


def _answer(order: Order, reason: Reason, status: int, report: bytes) -> Answer:
    if report and not report.startswith(b"{"):
        match marshal.loads(report):  # noqa: S302 - written by our child
            case (str() as word, str() as what, int() as number) if word == FAILED:
                return ("failed", what, number)
            case (str() as word, int() as exact) if word == ENDED:
                status = exact
    else:
        set_up = order["rung"] not in {"bubblewrap", "namespaces"} or b'"exit-code"' in report
        if reason == "finished" and os.WIFEXITED(status) and not set_up:
            return ("failed", order["rung"], 0)
        if order["rung"] == "bubblewrap":
            status = _told_by_exit_code(status)
    if reason == "finished" and status != 0 and _filled_the_disk(order, status):
        reason = "disk"
    return ("ended", reason, status)


def _filled_the_disk(order: Order, status: int) -> bool:
    """Tell whether a program that failed met the limit of one file's size, which equals that of all.

    Many ignore the signal, as Python does: for them, writing fails.
    """
    if order["disk"] is None:
        return False
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXFSZ:
        return True
    return disk_use(order["folder"]) >= order["disk"]


def _told_by_exit_code(status: int) -> int:
    """Return the wait status of a program whose parent spoke of it as shells do."""
    if os.WIFEXITED(status) and 128 < os.WEXITSTATUS(status) < 128 + signal.NSIG:
        return os.WEXITSTATUS(status) - 128
    return status
