"""Finding out what a machine offers for sandboxes, by running a small program on every rung.

The program tries to read a file and to write one that it must not reach, and to write where it may: a
rung that is set up without an error and holds nothing back is no rung. What was found out holds until
the machine is started again or this process runs elsewhere in it, as in a container: `identity` names
all of that and costs next to nothing, so the caller can keep the facts.
"""

from __future__ import annotations

import errno
import os
import sys

from envbuild.sandbox import missing
from envbuild.sandbox.filter import is_known
from envbuild.sandbox.machine import Machine, Missing
from envbuild.sandbox.model import FOLDER, LADDER, TEMPORARY, Limits, Request, inside
from envbuild.sandbox.run import SandboxFailed, run
from envbuild.sandbox.variables import build_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.sandbox.model import Rung
    from envbuild.sandbox.supervisors import Supervisors

_FORMAT = "1"
"""Raised when the meaning of the facts changes."""

_TRIAL = """\
if (: <"$1") 2>/dev/null; then echo 'every file can be read in it'; exit 1; fi
if (: >>"$1") 2>/dev/null; then echo 'every file can be written in it'; exit 1; fi
: >"$TMPDIR/trial"
"""
_SECONDS = 20.0


def probe(supervisors: Supervisors) -> Machine:
    """Try every rung, with what starts programs, and return what this machine offers."""
    machine = Machine(
        identity=identity(),
        architecture=os.uname().machine,
        landlock=0,
        bubblewrap=None,
        missing=tuple(_missing(rung, missing.NO_LINUX) for rung in LADDER if rung != "none"),
    )
    if sys.platform != "linux":
        return machine
    landlock, number = _landlock()
    known = Machine(
        identity=machine.identity,
        architecture=machine.architecture,
        landlock=landlock,
        bubblewrap=_bubblewrap(),
        missing=(),
    )
    found = []
    for rung in LADDER:
        lacking = _known_to_be_missing(known, rung, number) or _try(known, rung, supervisors)
        if lacking is not None:
            found.append(lacking)
    return Machine(
        identity=known.identity,
        architecture=known.architecture,
        landlock=landlock,
        bubblewrap=known.bubblewrap,
        missing=tuple(found),
    )


def identity() -> tuple[str, ...]:
    """Return what the facts depend on: they hold as long as this is the same."""
    machine = os.uname()
    place = [_FORMAT, machine.sysname, machine.release, machine.machine, str(os.geteuid())]
    if sys.platform == "linux":
        place += [_read("/proc/sys/kernel/random/boot_id"), *_settings().values()]
        place += [_link(f"/proc/self/ns/{name}") for name in ("user", "mnt", "pid", "net")]
        status = _read("/proc/self/status").splitlines()
        place += [line for line in status if line.startswith(("CapEff", "NoNewPrivs", "Seccomp"))]
        place.append(_read("/proc/self/attr/current"))
        program = _bubblewrap()
        if program is not None:
            place += [program, str(os.stat(program).st_mtime_ns)]
    return tuple(place)


def _missing(rung: Rung, why: tuple[str, str | None]) -> Missing:
    reason, remedy = why
    return Missing(rung=rung, reason=reason, remedy=remedy)


def _known_to_be_missing(machine: Machine, rung: Rung, number: int) -> Missing | None:
    if rung == "bubblewrap" and machine.bubblewrap is None:
        return _missing(rung, missing.NO_BUBBLEWRAP)
    if rung == "landlock" and not machine.landlock:
        switched_off = number == errno.EOPNOTSUPP
        return _missing(rung, missing.LANDLOCK_OFF if switched_off else missing.NO_LANDLOCK)
    if rung == "landlock" and not is_known(machine.architecture):
        return _missing(rung, missing.NO_FILTER)
    return None


def _try(machine: Machine, rung: Rung, supervisors: Supervisors) -> Missing | None:
    import shutil
    import tempfile

    place = tempfile.mkdtemp(prefix="envbuild-probe-")
    try:
        secret, log, folder = (f"{place}/{name}" for name in ("secret", "log", "build"))
        with open(secret, "w", encoding="utf-8") as file:
            file.write("nobody inside may read this\n")
        os.mkdir(folder)
        inner = inside(rung, folder, FOLDER)
        script = _TRIAL if rung != "none" else _TRIAL.splitlines()[-1]
        request = Request(
            argv=("/bin/sh", "-c", script, "trial", secret),
            cwd=inner,
            variables=build_environment({}, home=inner, tmp=f"{inner}/{TEMPORARY}", path=()),
            folder=folder,
            limits=Limits(seconds=_SECONDS),
        )
        try:
            outcome = run(request, rung, machine, supervisors=supervisors, log=log)
        except SandboxFailed as error:
            said = error.output or error.message
            what, number = error.what, error.errno
        else:
            if outcome.succeeded and os.path.exists(f"{folder}/{TEMPORARY}/trial"):
                return None
            said, what, number = _read(log), "", 0
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return missing.explain(rung, what=what, number=number, said=said, settings=_settings())


def _bubblewrap() -> str | None:
    import shutil

    found = shutil.which("bwrap")
    return None if found is None else os.path.abspath(found)


def _landlock() -> tuple[int, int]:
    """Return Landlock's version, or 0 and the kernel's error number."""
    from envbuild.sandbox import kernel

    try:
        return kernel.landlock_version(), 0
    except OSError as error:
        return 0, error.errno or 0


def _settings() -> dict[str, str]:
    """Return the settings of the kernel that decide about user namespaces."""
    values = {}
    for name in missing.SETTINGS:
        value = _read("/proc/sys/" + name.replace(".", "/"))
        if value:
            values[name] = value
    return values


def _read(path: str) -> str:
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
