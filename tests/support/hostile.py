"""Zip archives made byte by byte, so that any field can lie.

`archive` lays out what it is given as a correct archive would be; each argument in `local`,
`central` and `end` replaces one field by its name here, whatever sense that makes.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

STORED, DEFLATED = 0, 8
DESCRIPTOR, UTF_8 = 0x0008, 0x0800
REGULAR, FOLDER, LINK, DEVICE = 0o100644, 0o040755, 0o120777, 0o020644
FULL = 0xFFFF_FFFF

_LOCAL = (
    "version",
    "flags",
    "method",
    "time",
    "date",
    "crc",
    "packed_size",
    "size",
    "name_length",
    "extra_length",
)
_CENTRAL = (
    "made_by", "version", "flags", "method", "time", "date", "crc", "packed_size", "size",
    "name_length", "extra_length", "comment_length", "disk", "internal", "external", "offset",
)  # fmt: skip
_END = ("disk", "first_disk", "here", "count", "size", "offset", "comment_length")


@dataclass(kw_only=True)
class Member:
    """One member; by default what an honest writer makes of `name` and `content`.

    Attributes:
        name: as it is encoded, or text to be encoded as UTF-8.
        content: what is compressed.
        method: how.
        flags: general purpose bits; `UTF_8` comes by itself for text that is not ASCII.
        mode: the Unix mode, in the upper half of the external attributes.
        data: in place of the compressed content.
        extra: extra field of the central directory.
        local_extra: extra field of the local header.
        comment: of the member.
        before: bytes in front of the local header.
        after: bytes behind the data, such as a descriptor.
        local: fields of the local header to be replaced.
        local_name: name in the local header where it is another.
        central: fields of the central directory to be replaced.
    """

    name: str | bytes
    content: bytes = b""
    method: int = DEFLATED
    flags: int = 0
    mode: int = REGULAR
    data: bytes | None = None
    extra: bytes = b""
    local_extra: bytes = b""
    comment: bytes = b""
    before: bytes = b""
    after: bytes = b""
    local: Mapping[str, int] = field(default_factory=dict)
    local_name: bytes | None = None
    central: Mapping[str, int] = field(default_factory=dict)


def archive(
    members: Iterable[Member],
    *,
    before: bytes = b"",
    before_directory: bytes = b"",
    before_end: bytes = b"",
    comment: bytes = b"",
    after: bytes = b"",
    end: Mapping[str, int] | None = None,
    order: Sequence[int] | None = None,
) -> bytes:
    """Return an archive.

    Args:
        members: in the order in which they lie in the archive.
        before: bytes before everything else, which the offsets count.
        before_directory: bytes between the last member and the directory.
        before_end: bytes between the directory and the end record.
        comment: of the archive.
        after: bytes behind the end record.
        end: fields of the end record to be replaced.
        order: of the members in the directory where it is another, by their numbers.
    """
    data = bytearray(before)
    entries = []
    for member in members:
        data += member.before
        name = member.name if isinstance(member.name, bytes) else member.name.encode()
        is_text = isinstance(member.name, str) and not member.name.isascii()
        packed = _packed(member) if member.data is None else member.data
        fields = {
            "made_by": 3 << 8 | 20,
            "version": 20,
            "flags": member.flags | (UTF_8 if is_text else 0),
            "method": member.method,
            "time": 0,
            "date": 2 | 1 << 5,
            "crc": zlib.crc32(member.content),
            "packed_size": len(packed),
            "size": len(member.content),
            "name_length": len(name),
            "extra_length": len(member.extra),
            "comment_length": len(member.comment),
            "disk": 0,
            "internal": 0,
            "external": member.mode << 16,
            "offset": len(data),
        }
        local_name = name if member.local_name is None else member.local_name
        own = fields | {
            "name_length": len(local_name),
            "extra_length": len(member.local_extra),
            **member.local,
        }
        data += b"PK\3\4" + struct.pack("<5H3L2H", *(own[key] for key in _LOCAL))
        data += local_name + member.local_extra + packed + member.after
        listed = {**fields, **member.central}
        entry = b"PK\1\2" + struct.pack("<6H3L5H2L", *(listed[key] for key in _CENTRAL))
        entries.append(entry + name + member.extra + member.comment)
    data += before_directory
    directory = b"".join(entries if order is None else (entries[number] for number in order))
    fields = {
        "disk": 0,
        "first_disk": 0,
        "here": len(entries),
        "count": len(entries),
        "size": len(directory),
        "offset": len(data),
        "comment_length": len(comment),
        **(end or {}),
    }
    data += directory + before_end
    data += b"PK\5\6" + struct.pack("<4H2LH", *(fields[key] for key in _END)) + comment + after
    return bytes(data)


def zip64(*values: int) -> bytes:
    """Return a zip64 extra field."""
    return struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values)


def zip64_end(count: int, size: int, offset: int, **fields: int) -> bytes:
    """Return the two zip64 end records of a directory of `size` bytes at `offset`."""
    own = {
        "length": 44, "disk": 0, "first_disk": 0, "here": count, "count": count, "at": offset + size,
        "disks": 1, **fields,
    }  # fmt: skip
    record = b"PK\6\6" + struct.pack(
        "<Q2H2L4Q", own["length"], 45, 45, own["disk"], own["first_disk"], own["here"],
        own["count"], size, offset,
    )  # fmt: skip
    return record + b"PK\6\7" + struct.pack("<LQL", 0, own["at"], own["disks"])


def descriptor(
    content: bytes, packed_size: int, *, signature: bool = True, width: int = 4
) -> bytes:
    """Return the data descriptor of a member."""
    sizes = (size.to_bytes(width, "little") for size in (packed_size, len(content)))
    crc = zlib.crc32(content).to_bytes(4, "little")
    return (b"PK\7\x08" if signature else b"") + crc + b"".join(sizes)


def deflated(content: bytes) -> bytes:
    """Return `content` as raw deflate data."""
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(content) + compressor.flush()


def wheel(
    files: Mapping[str, bytes],
    *,
    name: str = "demo",
    version: str = "1.0",
    record: bytes | None = None,
    replaced: Mapping[str, bytes | None] | None = None,
) -> list[Member]:
    """Return the members of a wheel.

    Args:
        files: path to content, of everything but the `.dist-info` folder.
        name: of the distribution, as its folder and METADATA have it.
        version: of it.
        record: content of RECORD in place of the right one.
        replaced: path to content of files that are not as RECORD says; `None` where one is missing.
    """
    info = f"{name}-{version}.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if record is None:
        record = record_of(contents, info)
    changed = {**contents, f"{info}/RECORD": record, **(replaced or {})}
    return [
        Member(name=path, content=content)
        for path, content in changed.items()
        if content is not None
    ]


def record_of(contents: Mapping[str, bytes], info: str) -> bytes:
    """Return the RECORD of files."""
    rows = [f"{path},{record_hash(content)},{len(content)}" for path, content in contents.items()]
    return "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()


def record_hash(content: bytes, algorithm: str = "sha256") -> str:
    """Return a hash as RECORD spells it."""
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest())
    return f"{algorithm}={digest.decode().rstrip('=')}"


def _packed(member: Member) -> bytes:
    return member.content if member.method == STORED else deflated(member.content)
