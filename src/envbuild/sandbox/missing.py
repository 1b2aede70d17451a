"""Why a rung does not work on a machine, and what would make it work.

Pure: what was tried and what came of it arrive as arguments. A remedy is given only for causes that are
recognised; for all others, the reason is what was said when it failed.
"""

from __future__ import annotations

import errno

from envbuild.sandbox.machine import Missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.sandbox.model import Rung

CLONE = "kernel.unprivileged_userns_clone"
MAXIMUM = "user.max_user_namespaces"
APPARMOR = "kernel.apparmor_restrict_unprivileged_userns"
SETTINGS = (CLONE, MAXIMUM, APPARMOR)
"""Settings of the kernel that decide about user namespaces; not every kernel has each."""

NO_LINUX = "this system is not Linux", None
NO_BUBBLEWRAP = "there is no program `bwrap` on PATH", "install the package `bubblewrap`"
NO_LANDLOCK = (
    "the kernel has no Landlock, or a container refuses it",
    "use Linux 5.13 or newer, built with Landlock",
)
LANDLOCK_OFF = "Landlock is switched off", "add `landlock` to the kernel's parameter `lsm`"
NO_FILTER = "no filter of system calls is written for this processor", None
"""Reasons that are known without a trial, each with its remedy."""

_REFUSED = {errno.EPERM, errno.EACCES}


def explain(
    rung: Rung, *, what: str, number: int, said: str, settings: Mapping[str, str]
) -> Missing:
    """Return why a trial on `rung` failed.

    Args:
        rung: the rung.
        what: the step or the path that failed; empty where the trial itself did.
        number: the system's error number, 0 where there is none.
        said: what was printed, or the error in words; its last line counts.
        settings: those of `SETTINGS` that the kernel has, and their values.
    """
    last = said.strip().splitlines()[-1:] or ["the trial failed"]
    reason, remedy = _cause(what, number, last[0], settings) or (last[0], None)
    return Missing(rung=rung, reason=reason, remedy=remedy)


def _cause(
    what: str, number: int, said: str, settings: Mapping[str, str]
) -> tuple[str, str] | None:
    refused = number in _REFUSED or "ermission" in said or "not permitted" in said
    if settings.get(CLONE) == "0":
        return "user namespaces are switched off", f"set `{CLONE}` to 1"
    if settings.get(MAXIMUM) == "0":
        return "user namespaces are switched off", f"set `{MAXIMUM}` to some thousands"
    if settings.get(APPARMOR) == "1" and refused:
        return "AppArmor takes the rights in user namespaces away", f"set `{APPARMOR}` to 0"
    if number == errno.ENOSYS:
        return "the kernel is too old", "use Linux 5.12 or newer"
    if "nknown option" in said:
        return said, "install bubblewrap 0.7 or newer"
    if refused and (what.endswith("/proc") or "mount proc" in said):
        return (
            "`/proc` is partly hidden, as in a container",
            "start the container with `--security-opt systempaths=unconfined`",
        )
    if refused and (what == "unshare" or "new namespace" in said):
        return (
            "new namespaces are refused, as in a container",
            "start the container with `--security-opt seccomp=unconfined`",
        )
    return None
