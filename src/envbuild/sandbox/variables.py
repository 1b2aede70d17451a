"""The environment variables that a build gets: complete, the same for everyone.

Nothing is inherited. What a build sees is the fixed base below, the folders of this build, and what
was declared for it; so no credential, proxy or personal setting can reach it unless someone wrote it
down, and what was written down is part of the build's identity.
"""

from __future__ import annotations

from envbuild.errors import UsageError
from envbuild.sandbox.model import USER_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
"""Where programs are found when no `PATH` is declared."""

BASE = {
    # 1980-01-02: the earliest whole day that a zip archive can hold in every time zone.
    "SOURCE_DATE_EPOCH": "315619200",
    "PYTHONHASHSEED": "0",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    # What the backend prints and what its compilers print come in the order in which it happened.
    "PYTHONUNBUFFERED": "1",
    # Nobody is there to answer a question about a password.
    "GIT_TERMINAL_PROMPT": "0",
}
"""What every build gets unless it is declared otherwise."""

RESERVED = {
    "HOME": "it is the private folder of the build",
    "TMPDIR": "it is the private folder of the build",
    "TMP": "it is the private folder of the build",
    "TEMP": "it is the private folder of the build",
    "USER": "the user who builds does not matter",
    "LOGNAME": "the user who builds does not matter",
    "PYTHONHOME": "the build environment has its own interpreter",
    "PYTHONPATH": "the build environment is all that can be imported",
    "PYTHONNOUSERSITE": "the build environment is all that can be imported",
    "PYTHONUSERBASE": "the build environment is all that can be imported",
    "VIRTUAL_ENV": "it is the build environment",
}
"""What cannot be declared, and why."""


class VariablesReserved(UsageError):
    """Declared variables that would undo the isolation of a build.

    Attributes:
        names: the variables, sorted.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        reasons = "; ".join(f"`{name}`: {RESERVED[name]}" for name in self.names)
        super().__init__(f"variables that no build may have declared: {reasons}")


def build_environment(
    declared: Mapping[str, str], *, home: str, tmp: str, path: Sequence[str]
) -> dict[str, str]:
    """Return the complete environment of a build, sorted by name.

    Args:
        declared: variables that were declared for this build; they win over the base. The folders of
            a declared `PATH` stand in for those of the system, after `path`.
        home: the private home folder, as the build knows it.
        tmp: the private folder for temporary files, as the build knows it.
        path: folders with the programs of the build environment; they come first on `PATH`.

    Raises:
        VariablesReserved: a declared variable would undo the isolation.
    """
    reserved = sorted(RESERVED.keys() & declared.keys())
    if reserved:
        raise VariablesReserved(reserved)
    programs = [*path, declared.get("PATH") or ":".join(SYSTEM_PATH)]
    variables = {
        **BASE,
        **declared,
        "HOME": home,
        "LOGNAME": USER_NAME,
        "PATH": ":".join(programs),
        "PYTHONNOUSERSITE": "1",
        "TEMP": tmp,
        "TMP": tmp,
        "TMPDIR": tmp,
        "USER": USER_NAME,
    }
    return dict(sorted(variables.items()))
