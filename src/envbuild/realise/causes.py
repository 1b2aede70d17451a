"""The likely cause of a failed build, read from what was printed. Pure; a guess, and called one."""

from __future__ import annotations

from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_NETWORK = (
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "Could not resolve host",
    "nodename nor servname provided",
)
_RUST = ("can't find Rust compiler", "cargo: not found", "No such file or directory: 'cargo'")
_PROJECTS = {
    "Cython": "cython",
    "cffi": "cffi",
    "distutils": "setuptools",
    "numpy": "numpy",
    "pkg_resources": "setuptools",
    "skbuild": "scikit-build",
    "yaml": "pyyaml",
}
"""Modules whose project has another name, or that has taken over what another had."""


@frozen
class Cause:
    """What probably kept a build from succeeding, and what would help, where that is known."""

    reason: str
    remedy: str | None = None


def likely_cause(lines: Sequence[str], *, package: str) -> Cause | None:
    """Return what probably made the build of `package` fail, that printed `lines`."""
    import re

    text = "\n".join(lines)
    if found := re.search(r"fatal error: (\S+?):? No such file or directory", text):
        header = found[1].rstrip(":")
        if header == "Python.h":
            return Cause(
                reason="the headers of the interpreter are not installed",
                remedy="install the development files of this Python, such as `python3-dev`",
            )
        return Cause(
            reason=f"the header `{header}` is missing",
            remedy=f"install the development package of the library that brings `{header}`",
        )
    if any(sign in text for sign in _RUST):
        return Cause(
            reason="there is no Rust compiler",
            remedy="install one where builds find it, in `/usr/local/bin` or `/usr/bin`",
        )
    if re.search(
        r"(?:gcc|cc|clang|g\+\+|c\+\+)'? failed: No such file|linker `cc` not found"
        r"|CMAKE_C(?:XX)?_COMPILER not set|Unknown compiler\(s\)"
        r"|No such file or directory: '(?:\S+-)?(?:gcc|cc|clang|g\+\+|c\+\+)'",
        text,
    ):
        return Cause(
            reason="there is no C or C++ compiler",
            remedy="install one, such as the package `build-essential` or `gcc`",
        )
    if any(sign in text for sign in _NETWORK):
        return Cause(reason="it reaches for the network, which builds do not have")
    modules = re.findall(r"(?:ModuleNotFoundError|ImportError): No module named '([\w.]+)'", text)
    if modules:
        module = modules[-1].partition(".")[0]
        project = _PROJECTS.get(module, module.replace("_", "-").lower())
        return Cause(
            reason=f"it imports `{module}`, which it does not declare to need",
            remedy=f'add `{package} = ["{project}"]` to `[tool.uv.extra-build-dependencies]`',
        )
    return None
