"""Kinds of targets: what of a target decides which pins hold for it.

A kind is spelled `implementation-python-system-machine[-libc]`, such as
`cpython-3.12-linux-x86_64-glibc` or `cpython-3.13t-macos-arm64`. Patch levels of Python, the version
of the C library, of macOS and of the kernel are no part of it: which of several wheels a machine
takes may depend on them, which version of a package is pinned does not.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.target.model import Target

_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789._"

# Each with the system that it stands for and the C library that it promises; what follows is a
# version of two parts and the machine.
_VERSIONED = {
    "manylinux_": ("linux", "-glibc"),
    "musllinux_": ("linux", "-musl"),
    "macosx_": ("macos", ""),
    "ios_": ("ios", ""),
}


def kind_of(target: Target) -> str:
    """Return the kind that a target is of."""
    python = f"{target.markers['python_version']}{target.abi_flags}"
    # What wheels fit is the fact that matters: a 32-bit interpreter on a 64-bit kernel is another
    # kind, and so is one that no wheel for its C library fits.
    platform = target.tags[0].rpartition("-")[2]
    return f"{target.implementation}-{python}-{_platform(platform)}"


def is_kind(text: str) -> bool:
    """Tell whether `text` may be the spelling of a kind, known here or not."""
    parts = text.split("-")
    return len(parts) >= 3 and all(part and not part.strip(_CHARACTERS) for part in parts)


def _platform(tag: str) -> str:
    for prefix, (system, libc) in _VERSIONED.items():
        if tag.startswith(prefix):
            machine = tag.removeprefix(prefix).split("_", 2)[2]
            return f"{system}-{machine}{libc}"
    system, _, machine = tag.partition("_")
    return f"{system}-{machine}" if machine else system
