"""Finding out what a machine offers for sandboxes, by running a small program on every rung.

The program tries to read a file and to write one that it must not reach, and to write where it may: a
rung that is set up without an error and holds nothing back is no rung. What was found out holds as long
as `identity` says the same.
"""

from __future__ import annotations

import errno
import os
import sys

from envbuild.sandbox import missing
from envbuild.sandbox.filter import is_known
from envbuild.sandbox.identity import find_bubblewrap, identity, kernel_settings, read_text
from envbuild.sandbox.machine import Machine, Missing
from envbuild.sandbox.model import FOLDER, LADDER, TEMPORARY, Limits, Request, inside
from envbuild.sandbox.run import SandboxFailed, run
from envbuild.sandbox.variables import build_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.sandbox.model import Rung
    from envbuild.sandbox.supervisors import Supervisors

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
        bubblewrap=find_bubblewrap(),
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
            said, what, number = read_text(log), "", 0
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return missing.explain(rung, what=what, number=number, said=said, settings=kernel_settings())


def _landlock() -> tuple[int, int]:
    """Return Landlock's version, or 0 and the kernel's error number."""
    from envbuild.sandbox import kernel

    try:
        return kernel.landlock_version(), 0
    except OSError as error:
        return 0, error.errno or 0
