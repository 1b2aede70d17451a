"""What an order is in the words of bubblewrap's command line.

Written for version 0.7 and newer; an older one refuses an option, and is found not to work.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from envbuild.sandbox.plan import Order


def options(order: Order, describe: Callable[[str, bytes], int], status: int) -> list[str]:
    """Return the options that make the sandbox of `order`.

    Args:
        order: the order.
        describe: returns an inheritable descriptor from which a text can be read, given a name for it.
        status: an inheritable descriptor that bubblewrap is to report to.
    """
    user = str(order["user"])
    words = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts"]
    words += ["--unshare-cgroup-try", *([] if order["network"] else ["--unshare-net"])]
    words += ["--uid", user, "--gid", user, "--cap-drop", "ALL", "--hostname", order["host"]]
    words += ["--new-session", "--die-with-parent", "--json-status-fd", str(status)]
    for mount in order["mounts"]:
        match mount:
            case ("bind", outer, inner, "read"):
                words += ["--ro-bind", outer, inner]
            case ("bind", outer, inner, "write"):
                words += ["--bind", outer, inner]
            case ("bind", outer, inner, "device"):
                words += ["--dev-bind", outer, inner]
            case ("folder", inner):
                words += ["--dir", inner]
            case ("link", inner, target):
                words += ["--symlink", target, inner]
            case ("text", inner, content):
                content_of = str(describe(inner, content.encode()))
                words += ["--perms", "0644", "--file", content_of, inner]
            case ("memory", inner, size):
                words += ["--size", str(size), "--tmpfs", inner]
            case ("proc", inner):
                words += ["--proc", inner, "--remount-ro", inner]
    words += ["--remount-ro", "/", "--chdir", order["cwd"]]
    for name, value in order["variables"].items():
        words += ["--setenv", name, value]
    if order["filter"]:
        words += ["--seccomp", str(describe("filter", order["filter"]))]
    return words
