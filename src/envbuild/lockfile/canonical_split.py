"""The text of a lock in pieces: its head, and each package by itself.

This is what lets one changed package cost one package. A split is offered only where it is sound: the
line `[[package]]` cannot stand inside a string when no string spans lines, and in TOML it is nothing
but a header when it is not inside a string. That each piece is TOML by itself and keeps to its own
tables is checked when the piece is read; then the text as a whole says the same as its pieces do.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.lockfile.model import Lock
    from envbuild.lockfile.package import Package

_HEADER = "[[package]]\n"


def split_lock(text: str) -> tuple[str, list[str]] | None:
    """Return the head and the packages' texts in order, `None` where no sound split is known."""
    if '"""' in text or "'''" in text or "\r" in text or not text.endswith("\n"):
        return None
    head, *packages = text.split("\n" + _HEADER)
    return head, packages


def read_head(text: str) -> Lock | None:
    """Return the lock without packages that a head is, `None` where only the whole text can tell.

    Raises:
        UnsupportedLockVersion: it is of another version of the format.
    """
    from envbuild.lockfile.parse import parse_head
    from envbuild.lockfile.tables import Faults
    from envbuild.lockfile.toml import NotToml, parse_toml

    try:
        document = parse_toml(text, file="")
    except NotToml:
        return None
    if "package" in document or "distribution" in document:
        return None
    faults = Faults("")
    head = parse_head(document, faults)
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
