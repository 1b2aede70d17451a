"""Tar archives made block by block, so that any field can lie.

A `Member` is laid out as a correct archive would have it; what it is given beside that replaces one
field, whatever sense that makes.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BLOCK = 512
POSIX, GNU, OLD = b"ustar\x0000", b"ustar  \x00", bytes(8)

_PLACES = {
    "name": (0, 100),
    "mode": (100, 8),
    "owner": (108, 8),
    "group": (116, 8),
    "size": (124, 12),
    "time": (136, 12),
    "checksum": (148, 8),
    "kind": (156, 1),
    "target": (157, 100),
    "magic": (257, 8),
    "prefix": (345, 155),
}


@dataclass(kw_only=True)
class Member:
    """One header and what follows it.

    Attributes:
        name: as it is encoded, or text to be encoded as UTF-8.
        content: what follows the header.
        kind: type flag.
        mode: permissions.
        target: of a link.
        magic: which format the header says it is of.
        fields: bytes of other fields, or other bytes of these, by name.
    """

    name: str | bytes
    content: bytes = b""
    kind: bytes = b"0"
    mode: int = 0o644
    target: str | bytes = b""
    magic: bytes = POSIX
    fields: Mapping[str, bytes] = field(default_factory=dict)

    def blocks(self) -> bytes:
        """Return the header and the content, padded."""
        values = {
            "name": _encoded(self.name),
            "mode": octal(self.mode, 8),
            "owner": octal(0, 8),
            "group": octal(0, 8),
            "size": octal(len(self.content), 12),
            "time": octal(0, 12),
            "checksum": b" " * 8,
            "kind": self.kind,
            "target": _encoded(self.target),
            "magic": self.magic,
            **{name: value for name, value in self.fields.items() if name != "checksum"},
        }
        header = bytearray(BLOCK)
        for name, value in values.items():
            start, width = _PLACES[name]
            assert len(value) <= width
            header[start : start + width] = value.ljust(width, b"\0")
        checksum = self.fields.get("checksum") or octal(sum(header), 7) + b" "
        header[148:156] = checksum.ljust(8, b"\0")
        return bytes(header) + self.content + bytes(-len(self.content) % BLOCK)


def octal(number: int, width: int) -> bytes:
    """Return a number as headers have it."""
    return b"%0*o\0" % (width - 1, number)


def extended(records: Iterable[tuple[str, str | bytes]], kind: bytes = b"x") -> Member:
    """Return a pax header."""
    return Member(name="PaxHeader", kind=kind, content=b"".join(record(*each) for each in records))


def record(key: str, value: str | bytes) -> bytes:
    """Return one record of a pax header, which says its own length."""
    rest = b" " + key.encode() + b"=" + _encoded(value) + b"\n"
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length += 1
    return b"%d" % length + rest


def long_name(text: str | bytes, kind: bytes = b"L") -> Member:
    """Return the header by which GNU tar announces a long name, or with kind `K` a long target."""
    return Member(
        name="././@LongLink", kind=kind, content=_encoded(text) + b"\0", magic=GNU, mode=0
    )


def tar(members: Iterable[Member], *, end: bytes = bytes(2 * BLOCK)) -> bytes:
    """Return an archive that is not compressed."""
    return b"".join(member.blocks() for member in members) + end


def tar_gz(members: Iterable[Member], *, end: bytes = bytes(2 * BLOCK)) -> bytes:
    """Return an archive in gzip; equal arguments give equal bytes."""
    return gzip.compress(tar(members, end=end), mtime=0)


def _encoded(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
