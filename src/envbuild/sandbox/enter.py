"""From a fresh process to the program: each rung is entered from inside, step by step.

Every function here runs in a child that the supervisor has just forked, and ends in `execve`. What
fails on the way is written to the report pipe: it is a failure of the sandbox, never of the program.
"""

from __future__ import annotations

import errno
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from envbuild.sandbox.control_group import ControlGroup
    from envbuild.sandbox.plan import Mount, Order

FAILED = "failed"
"""First word of a report (what failed, the system's error number)."""

ENDED = "ended"
"""First word of a report (the program's wait status), where the supervisor cannot see it itself."""


def enter(order: Order, report: int, group: ControlGroup | None) -> NoReturn:
    """Become the program of `order`, in `group`, or write to the descriptor `report` why not."""
    import signal

    try:
        signal.set_wakeup_fd(-1)
        # Python ignores some, and whoever started the caller may have ignored or blocked others.
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.setsid()
        os.umask(0o022)
        if group is not None:
            group.join()
        _limit(order)
        match order["rung"]:
            case "bubblewrap":
                _enter_bubblewrap(order, report)
            case "namespaces":
                _enter_namespaces(order, report)
            case "landlock":
                _enter_landlock(order)
            case "none":
                _enter_nothing(order)
    except OSError as error:
        _report(report, FAILED, str(error.filename or "start"), error.errno or 0)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it must be heard of
        _report(report, FAILED, repr(error), 0)
    finally:
        os._exit(127)


def _report(report: int, *words: str | int) -> None:
    os.write(report, marshal.dumps(words, 4))


def _limit(order: Order) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if order["disk"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["disk"], order["disk"]))


def _become(order: Order) -> NoReturn:
    """Execute the program; nothing may be imported any more, the library may be out of sight."""
    os.chdir(order["cwd"])
    name, variables = order["argv"][0], order["variables"]
    places = [name]
    if "/" not in name:
        places = [f"{folder}/{name}" for folder in variables.get("PATH", "").split(":") if folder]
    failure = OSError(errno.ENOENT, "", name)
    for place in places:
        try:
            os.execve(place, order["argv"], variables)  # noqa: S606 - all of this is about that
        except OSError as error:
            # One that may not be executed is worth more than that there is none elsewhere.
            if error.errno not in {errno.ENOENT, errno.ENOTDIR}:
                failure = OSError(error.errno, "", name)
    raise failure


def _enter_nothing(order: Order) -> NoReturn:
    if sys.platform == "linux":
        from envbuild.sandbox import kernel

        kernel.die_with_parent()
        kernel.forgo_privileges()
    _become(order)


def _enter_landlock(order: Order) -> NoReturn:
    from envbuild.sandbox import kernel

    kernel.forgo_privileges()
    kernel.drop_capabilities()
    rules = order["rules"]
    assert rules is not None
    kernel.restrict(*rules)
    kernel.die_with_parent()
    kernel.install_filter(order["filter"])
    _become(order)


def _enter_bubblewrap(order: Order, report: int) -> NoReturn:
    from envbuild.sandbox import bubblewrap, kernel

    kernel.forgo_privileges()
    if order["rules"] is not None:
        kernel.restrict(*order["rules"])
    os.set_inheritable(report, True)
    words = bubblewrap.options(order, kernel.open_memory_file, report)
    # Not on the command line: whoever may list processes would read the variables.
    listed = "\0".join(words).encode("utf-8", "surrogateescape")
    descriptor = kernel.open_memory_file("options", listed)
    program = order["bubblewrap"]
    os.execve(program, (program, "--args", str(descriptor), "--", *order["argv"]), {})  # noqa: S606


def _enter_namespaces(order: Order, report: int) -> NoReturn:
    from envbuild.sandbox import kernel

    network = 0 if order["network"] else kernel.NEW_NETWORK
    kernel.unshare(kernel.NEW_NAMESPACES | network, order["user"])
    kernel.die_with_parent()
    first = os.fork()
    if first:
        # Nothing but a parent: when it ends, so do all.
        _, status = os.waitpid(first, 0)
        if os.WIFSIGNALED(status):
            _report(report, ENDED, status)
        os._exit(0)
    kernel.die_with_parent()
    if not order["network"]:
        kernel.switch_loopback_on()
    kernel.set_host_name(order["host"])
    _make_root(order)
    kernel.forgo_privileges()
    if order["rules"] is not None:
        kernel.restrict(*order["rules"])
    # Before the program is there to do it; `execve` undoes that for the program.
    kernel.hide_from_tracing()
    program = os.fork()
    if not program:
        os.setsid()
        kernel.drop_capabilities()
        if order["filter"]:
            kernel.install_filter(order["filter"])
        _become(order)
    while True:
        child, status = os.wait()
        if child == program:
            _report(report, ENDED, status)
            # The kernel kills the rest of a namespace whose first process ends.
            os._exit(0)


def _make_root(order: Order) -> None:
    """Put the mounts together in the build folder's place, and make that the root."""
    from envbuild.sandbox import kernel

    kernel.keep_mounts_private()
    # All sources first: whatever is mounted afterwards may hide some of them.
    trees = {}
    for mount in order["mounts"]:
        match mount:
            case ("bind", outer, inner, how):
                trees[inner] = kernel.take_tree(
                    outer, read_only=how == "read", devices=how == "device"
                )
            case _:
                pass
    root = order["folder"]
    kernel.mount_memory(root, 16 * 1024 * 1024)
    for mount in order["mounts"]:
        _put(root, mount, trees)
    kernel.make_read_only(root)
    kernel.enter_root(root)


def _put(root: str, mount: Mount, trees: dict[str, int]) -> None:
    import stat

    from envbuild.sandbox import kernel

    match mount:
        case ("bind", _, inner, _):
            place = root + inner
            if stat.S_ISDIR(os.fstat(trees[inner]).st_mode):
                os.makedirs(place, exist_ok=True)
            elif not os.path.exists(place):
                _make_file(place, "")
            kernel.put_tree(trees[inner], place)
            os.close(trees[inner])
        case ("link", inner, target):
            os.symlink(target, root + inner)
        case ("folder", inner):
            os.makedirs(root + inner, exist_ok=True)
        case ("text", inner, content):
            _make_file(root + inner, content)
        case ("memory", inner, size):
            os.makedirs(root + inner, exist_ok=True)
            kernel.mount_memory(root + inner, size)
        case ("proc", inner):
            os.makedirs(root + inner, exist_ok=True)
            kernel.mount_processes(root + inner)


def _make_file(path: str, content: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    os.write(descriptor, content.encode())
    os.close(descriptor)
