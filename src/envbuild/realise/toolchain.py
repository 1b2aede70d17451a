"""The programs that a build may use beside its environment: which there are, and what they are.

Of each the content is hashed, and the first line that it says of its version is taken down: a
driver may stay the same while what it drives changes. That is what level `probed` means. Of the system
it is no more than the usual programs; what else there is, a build may use unseen. Of a folder that the
user has named, it is every program.

What was found of a file is remembered for as long as it is the same file. What it says of its version
is so only where it speaks for itself: a script, or a program that stands in for another one, such as
those of `ccache` and `rustup`, is asked each time.
"""

from __future__ import annotations

import os

from blake3 import blake3

from envbuild.derivation.build import Program, Toolchain
from envbuild.digest import Digest, digest_of
from envbuild.errors import RealiseError
from envbuild.realise.remembered import recall, remember, stamp_of
from envbuild.sandbox.model import FOLDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_FORMAT = 1
PROGRAMS = ("ar", "c++", "cargo", "cc", "cmake", "ld", "ninja", "pkg-config", "rustc")
"""Sorted, as derivations have them."""

SANDBOX = "bwrap"
"""The program that decides, by being there, how much a build is shut in."""

_SECONDS = 20.0
_SPEAKING_FOR_THEMSELVES = (
    r"(?:.+-)?(?:ar|clang|clang\+\+|cmake|g\+\+|gcc|ld(?:\.bfd|\.gold)?|ninja|pkg-config|pkgconf)"
    r"(?:-[0-9.]+)?"
)
"""Real names of programs that print their own version, built in."""


class UnusableTools(RealiseError):
    """A folder that was named for its programs, and cannot be used."""

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(
            f"builds cannot use the programs of `{folder}`: {reason}",
            hint="name the folder that `bin` is in, such as what `rustc --print sysroot` prints",
        )
        self.folder = folder
        self.reason = reason


def find_tools(folders: Sequence[str]) -> tuple[str, ...]:
    """Return the real paths of folders that have programs in their `bin`.

    Raises:
        UnusableTools: one has none, or holds what builds are not to see.
    """
    found = []
    for folder in folders:
        path = os.path.realpath(folder)
        if path == "/" or f"{path}/".startswith(f"{FOLDER}/"):
            raise UnusableTools(folder, "it is where their own root is, or what they build")
        if not _programs(f"{path}/bin"):
            raise UnusableTools(folder, "there is none in its `bin`")
        found.append(path)
    return tuple(found)


def probe_toolchain(tools: Sequence[str], path: Sequence[str], *, cache_dir: str) -> Toolchain:
    """Return what is known of the programs that a build may use, the first ones first.

    Args:
        tools: folders that were named; all programs in their `bin` count.
        path: folders of the system; the usual programs in them count.
        cache_dir: the folder for what is remembered; it need not exist or be writable.
    """
    places: dict[str, str] = {}
    for folder in tools:
        for name in _programs(f"{folder}/bin"):
            places.setdefault(name, f"{folder}/bin/{name}")
    for folder in path:
        for name in PROGRAMS:
            if _is_program(place := f"{folder}/{name}"):
                places.setdefault(name, place)
    return Toolchain(
        level="probed",
        programs=tuple(
            _probe(name, place, f"{cache_dir}/builds") for name, place in sorted(places.items())
        ),
    )


def find_places(tools: Sequence[str], path: Sequence[str]) -> tuple[str, ...]:
    """Return the paths at which it shows that `probe_toolchain` would find other programs.

    These are all places where a program may be, whether there is one or not, and whatever a link in
    such a place leads to, link by link. The arguments are those of `probe_toolchain`.
    """
    found: dict[str, None] = {}
    waiting = [f"{folder}/{name}" for folder in path for name in (*PROGRAMS, SANDBOX)]
    for folder in tools:
        waiting += [
            f"{folder}/bin",
            *(f"{folder}/bin/{name}" for name in _programs(f"{folder}/bin")),
        ]
    for place in waiting:
        if place not in found:
            found[place] = None
            if os.path.islink(place):
                waiting.append(os.path.join(os.path.dirname(place), os.readlink(place)))
    return tuple(found)


def _probe(name: str, place: str, memory: str) -> Program:
    stamp = [_FORMAT, *stamp_of(place)]
    path = f"{memory}/program-{digest_of(place.encode())[:32]}.json"
    match recall(path, stamp):
        case {"digest": str() as digest, "version": str() | None as version}:
            pass
        case _:
            digest, version = _digest(place), None
            if name in PROGRAMS and _speaks_for_itself(place):
                version = _version(place)
            remember(path, stamp, {"digest": digest, "version": version})
    if version is None:
        version = _version(place) if name in PROGRAMS else ""
    return Program(name=name, version=version, digest=Digest(digest))


def _speaks_for_itself(place: str) -> bool:
    import re

    if not re.fullmatch(_SPEAKING_FOR_THEMSELVES, os.path.basename(os.path.realpath(place))):
        return False
    with open(place, "rb") as file:
        return file.read(4) == b"\x7fELF"


def _programs(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if _is_program(f"{folder}/{name}")]
    except OSError:
        return []


def _is_program(place: str) -> bool:
    return os.access(place, os.X_OK) and os.path.isfile(place)


def _digest(place: str) -> Digest:
    hasher = blake3()
    with open(place, "rb") as file:
        hasher.update(file.read())
    return Digest(hasher.hexdigest())


def _version(place: str) -> str:
    """Return the first line that a program says of its version, empty where it says nothing."""
    import subprocess

    try:
        run = subprocess.run(
            (place, "--version"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"LC_ALL": "C", "PATH": os.path.dirname(place)},
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = run.stdout.decode("utf-8", "replace").strip()
    return said.partition("\n")[0].strip()
