"""The text of a lock in pieces: its head, and each package by itself.

This is what lets one changed package cost one package. Splitting is a guess by lines. The guess is
right when every piece is TOML by itself and keeps to its own tables: then no string and no array is
open where a piece ends, so the line between two pieces is the header that it looks like, and the
text as a whole says what its pieces say. Reading a piece checks that; nobody may believe the pieces
of a text of which one cannot be read.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.lockfile.model import Lock
    from envbuild.lockfile.package import Package

_HEADER = "[[package]]\n"


def split_lock(text: str) -> tuple[str, list[str]]:
    """Return what may be the head and the packages of a lock, in the order of the text."""
    head, *packages = text.split("\n" + _HEADER)
    return head, packages


def read_head(text: str) -> Lock | None:
    """Return the lock without packages that a head is, `None` where only the whole text can tell."""
    from envbuild.lockfile.parse import UnsupportedLockVersion, parse_head
    from envbuild.lockfile.tables import Faults
    from envbuild.lockfile.toml import NotToml, parse_toml

    try:
        document = parse_toml(text, file="")
    except NotToml:
        return None
    if "package" in document or "distribution" in document:
        return None
    faults = Faults("")
    try:
        head = parse_head(document, faults)
    except UnsupportedLockVersion:
        return None
    return None if faults.errors else head


def read_package(text: str) -> Package | None:
    """Return the package of one piece, `None` where only the whole text can tell what is wrong."""
    from envbuild.lockfile.parse_package import parse_package
    from envbuild.lockfile.tables import Faults
    from envbuild.lockfile.toml import NotToml, parse_toml

    try:
        document = parse_toml(_HEADER + text, file="")
    except NotToml:
        return None
    match document:
        case {"package": [dict() as table], **others} if not others:
            faults = Faults("")
            package = parse_package(table, "", faults)
            return None if faults.errors else package
        case _:
            return None
