"""A wheel's archive from the tree of its files, byte for byte the same on every machine (PEP 427).

Members come in the order of their paths, `.dist-info` behind everything else and `RECORD` last. Each
has the same time stamp, and of its permissions only whether it may be executed. They are stored as
they are: what deflate makes of them differs from one implementation to the next. Whoever wants a small
file more than the same one can have them deflated.

The format is PKWARE's APPNOTE 6.3, zip64 where sizes ask for it. Nothing is decided here about what a
tree holds, and nothing in it is changed.
"""

from __future__ import annotations

from struct import Struct

from envbuild.frozen import frozen, replace
from envbuild.realise.zip_directory import DEFLATED, FULL, STORED, UTF_8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import BinaryIO

    from envbuild.store.tree import Entry, Tree

LEVEL = 6
"""Of deflate."""

_DATE = 1 << 5 | 2
"""1980-01-02, in the format of DOS; the time is midnight."""

_UNIX = 3 << 8
_REGULAR = 0o100000
_PLAIN, _WITH_ZIP64 = 20, 45
"""The versions of the format that a reader must know."""

_LOCAL = Struct("<4s5H3L2H")
_ENTRY = Struct("<4s6H3L5H2L")
_END = Struct("<4s4H2LH")
_END_64 = Struct("<4sQ2H2L4Q")
_LOCATOR = Struct("<4sLQL")
_MOST_MEMBERS = 0xFFFF
_ZIP64 = 1


@frozen
class _Member:
    """What the directory has to say of a member that has been written.

    Attributes:
        name: its path, encoded.
        mode: of the file.
        method: of compression.
        crc: of its content, whose size is `size`.
        packed: size of what stands for that in the archive.
        offset: where its own header begins.
    """

    name: bytes
    mode: int
    method: int
    crc: int
    size: int
    packed: int
    offset: int


def pack(
    tree: Tree,
    file: BinaryIO,
    *,
    read: Callable[[Entry], Iterable[bytes]],
    compress: bool,
) -> None:
    """Write a wheel's archive.

    Args:
        tree: of the wheel; it holds no symbolic links, as no wheel does.
        file: empty, seekable.
        read: gives the content of a file, piece by piece, all of it.
        compress: whether members are deflated; then the bytes depend on this machine's zlib.

    Raises:
        OSError: `file` cannot be written.
    """
    members = [
        _add(entry, file, read(entry), compress=compress)
        for entry in sorted(tree.entries, key=_order)
    ]
    start = file.tell()
    file.writelines(_directory_entry(member) for member in members)
    _finish(file, len(members), start)


def _order(entry: Entry) -> tuple[bool, bool, str]:
    top, _, name = entry.path.partition("/")
    is_info = top.endswith(".dist-info")
    return is_info, is_info and name == "RECORD", entry.path


def _add(entry: Entry, file: BinaryIO, pieces: Iterable[bytes], *, compress: bool) -> _Member:
    """Write a member: its header once more at the end, when it is known what it has to say."""
    from zlib import DEFLATED as DEFLATE
    from zlib import compressobj, crc32

    assert entry.size is not None
    packer = compressobj(LEVEL, DEFLATE, -15) if compress else None
    member = _Member(
        name=entry.path.encode(),
        mode=_REGULAR | (0o755 if entry.kind == "executable" else 0o644),
        method=STORED if packer is None else DEFLATED,
        crc=0,
        size=entry.size,
        packed=0,
        offset=file.tell(),
    )
    file.write(_local_header(member))
    start, crc = file.tell(), 0
    for piece in pieces:
        crc = crc32(piece, crc)
        file.write(piece if packer is None else packer.compress(piece))
    if packer is not None:
        file.write(packer.flush())
    end = file.tell()
    member = replace(member, crc=crc, packed=end - start)
    file.seek(member.offset)
    file.write(_local_header(member))
    file.seek(end)
    return member


def _is_large(member: _Member) -> bool:
    """Tell whether sizes may not fit into 32 bits; deflate can make a file larger by a thousandth."""
    return member.size + (member.size >> 10) >= FULL


def _local_header(member: _Member) -> bytes:
    is_large = _is_large(member)
    extra = Struct("<2H2Q").pack(_ZIP64, 16, member.size, member.packed) if is_large else b""
    return (
        _LOCAL.pack(
            b"PK\x03\x04",
            _WITH_ZIP64 if is_large else _PLAIN,
            _flags(member),
            member.method,
            0,
            _DATE,
            member.crc,
            FULL if is_large else member.packed,
            FULL if is_large else member.size,
            len(member.name),
            len(extra),
        )
        + member.name
        + extra
    )


def _directory_entry(member: _Member) -> bytes:
    is_large, is_far = _is_large(member), member.offset >= FULL
    values = [member.size, member.packed] * is_large + [member.offset] * is_far
    extra = b""
    if values:
        extra = Struct(f"<2H{len(values)}Q").pack(_ZIP64, 8 * len(values), *values)
    version = _WITH_ZIP64 if values else _PLAIN
    return (
        _ENTRY.pack(
            b"PK\x01\x02",
            _UNIX | version,
            version,
            _flags(member),
            member.method,
            0,
            _DATE,
            member.crc,
            FULL if is_large else member.packed,
            FULL if is_large else member.size,
            len(member.name),
            len(extra),
            0,
            0,
            0,
            member.mode << 16,
            FULL if is_far else member.offset,
        )
        + member.name
        + extra
    )


def _flags(member: _Member) -> int:
    return 0 if member.name.isascii() else UTF_8


def _finish(file: BinaryIO, count: int, start: int) -> None:
    """Write what ends the archive, whose directory of `count` members begins at `start`."""
    end = file.tell()
    size = end - start
    if count >= _MOST_MEMBERS or start >= FULL or size >= FULL:
        file.write(
            _END_64.pack(
                b"PK\x06\x06",
                _END_64.size - 12,
                _UNIX | _WITH_ZIP64,
                _WITH_ZIP64,
                0,
                0,
                count,
                count,
                size,
                start,
            )
        )
        file.write(_LOCATOR.pack(b"PK\x06\x07", 0, end, 1))
    shown = min(count, _MOST_MEMBERS)
    file.write(_END.pack(b"PK\x05\x06", 0, 0, shown, shown, min(size, FULL), min(start, FULL), 0))
