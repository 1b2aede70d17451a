"""Names below a prefix that belong to the environment, so that no wheel may take them.

The interpreter's names are those that uv refuses, and those that `skeleton_links` makes. All are
compared in lower case: whether a wheel can be installed must not depend on the file system.
"""

from __future__ import annotations

FOLDER = ".envbuild"
"""The folder in an environment that holds what we know of it."""

CONFIGURATION = "pyvenv.cfg"

ACTIVATION = (
    "activate",
    "activate.bat",
    "activate.csh",
    "activate.fish",
    "activate.nu",
    "activate.ps1",
    "activate.xsh",
    "activate_this.py",
    "deactivate.bat",
    "pydoc.bat",
)
"""Names of activation scripts, in the folder of scripts."""

_TOP = frozenset({FOLDER, CONFIGURATION, ".gitignore", "cachedir.tag", "lib64"})
_INTERPRETERS = frozenset({"python", "pythonw", "pypy", "pypyw", "graalpy"})


def reason_reserved(path: str, scripts: str) -> str | None:
    """Return what `path` is needed for, `None` where a wheel may have it.

    Args:
        path: relative to the prefix.
        scripts: the scheme's folder of scripts.
    """
    lowered = path.lower()
    if lowered.partition("/")[0] in _TOP:
        return "it belongs to the environment itself"
    start = f"{scripts.lower()}/"
    if not lowered.startswith(start):
        return None
    name = lowered[len(start) :].partition("/")[0]
    if name in ACTIVATION:
        return "it is an activation script"
    if _is_interpreter(name.removesuffix(".exe").removesuffix(".py")):
        return "it is the name of an interpreter"
    return None


def _is_interpreter(name: str) -> bool:
    numbered = name.removesuffix("t") if name[-2:-1].isdigit() else name
    return numbered.rstrip(".0123456789") in _INTERPRETERS
