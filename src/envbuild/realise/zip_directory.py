"""The central directory of a zip archive: its members, checked before the first one is read.

The format is PKWARE's APPNOTE 6.3, zip64 included. A directory is believed only where it can be
understood in one way: members lie one behind the other from the first byte of the file to the
directory, the directory ends where its end record begins, and that ends with the file. Names that
could leave the folder an archive is unpacked to, that stand twice, or that stand for something
other than a file or a folder are refused; so is what exceeds `Limits`.

What the members' own headers say is compared by `envbuild.realise.zip`, which reads them.
"""

from __future__ import annotations

import stat
from struct import Struct

from envbuild.errors import RealiseError
from envbuild.frozen import frozen
from envbuild.store.tree import fault_of_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from typing import Any

    from envbuild.realise.archive_limits import Limits

    Read = Callable[[int, int], bytes]
    """Returns exactly so many bytes (first argument) from that offset (second)."""

FULL = 0xFFFF_FFFF
"""What a 32-bit field holds where the zip64 extra field has the value."""

DESCRIPTOR = 0x0008
"""Flag: CRC and sizes stand behind the data."""

UTF_8 = 0x0800
"""Flag: the name is UTF-8."""

# The first two are advice by the compressor.
_KNOWN_FLAGS = 0x0002 | 0x0004 | DESCRIPTOR | UTF_8
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000

STORED, DEFLATED, ZSTANDARD = 0, 8, 93

_END = Struct("<4s4H2LH")
_LOCATOR = Struct("<4sLQL")
_END_64 = Struct("<4sQ2H2L4Q")
_ENTRY = Struct("<4s6H3L5H2L")
_END_SIGNATURE = b"PK\x05\x06"
_LOCATOR_SIGNATURE = b"PK\x06\x07"
_END_64_SIGNATURE = b"PK\x06\x06"
_ENTRY_SIGNATURE = b"PK\x01\x02"
_LOCAL_HEADER_SIZE = 30
_LONGEST_COMMENT = 0xFFFF
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
_LARGEST_AVERAGE_ENTRY = 2048
_LONGEST_NAME = 255
_LONGEST_PATH = 2048


@frozen
class Member:
    """One file or folder of an archive, as the central directory has it.

    Attributes:
        path: relative, with `/` between names, safe below any folder; a folder's ends with `/`.
        size: of the content, in bytes.
        executable: whether it is declared a regular Unix file that somebody may execute.
        symlink: whether it is declared a symbolic link, whose content is what it says.
        name: the path as it is encoded.
        method: of compression.
        flags: the general purpose bits.
        crc: CRC-32 of the content.
        packed_size: of the data in the archive, in bytes.
        offset: where its local header begins.
        end: where the next member's begins, or the central directory.
        header: bytes 4 to 27 of the local header where they can be foreseen, else empty.
    """

    path: str
    size: int
    executable: bool
    symlink: bool
    name: bytes
    method: int
    flags: int
    crc: int
    packed_size: int
    offset: int
    end: int
    header: bytes


class DamagedArchive(RealiseError):
    """An archive that is no zip archive, or not a whole one.

    Attributes:
        archive: its file name.
        member: path of the member that is damaged, `None` for the archive as such.
        reason: what is wrong.
    """

    def __init__(self, archive: str, member: str | None, reason: str) -> None:
        super().__init__(f"`{archive}` is damaged: {_about(member)}{reason}")
        self.archive = archive
        self.member = member
        self.reason = reason


class UnsafeArchive(RealiseError):
    """An archive that nobody should unpack: hostile, or to be understood in two ways.

    Attributes:
        archive: its file name.
        member: path of the member at fault as well as it can be written, `None` for the archive
            as such.
        reason: what is wrong.
    """

    def __init__(self, archive: str, member: str | None, reason: str) -> None:
        super().__init__(f"`{archive}` is unsafe: {_about(member)}{reason}")
        self.archive = archive
        self.member = member
        self.reason = reason


class ArchiveTooLarge(RealiseError):
    """An archive that would unpack to more than `Limits` allow.

    Attributes:
        archive: its file name.
        limit: the field of `Limits` that it breaks.
        found: what it declares.
        allowed: what the field comes to for this archive.
    """

    def __init__(self, archive: str, limit: str, found: int, allowed: int) -> None:
        unit = "files and folders" if limit == "members" else "bytes"
        super().__init__(
            f"`{archive}` would unpack to {found} {unit}; the limit `{limit}` allows {allowed}"
        )
        self.archive = archive
        self.limit = limit
        self.found = found
        self.allowed = allowed


def read_directory(
    read: Read,
    *,
    file_size: int,
    archive: str,
    methods: Collection[int],
    limits: Limits,
    symlinks: bool = False,
) -> tuple[Member, ...]:
    """Return the members of an archive in the order in which they lie in the file.

    Args:
        read: gives bytes of the archive.
        file_size: of the archive, in bytes.
        archive: how errors call it.
        methods: of compression that are supported.
        limits: what it may unpack to.
        symlinks: whether there may be symbolic links.

    Raises:
        DamagedArchive: it is no whole zip archive.
        UnsafeArchive: names, kinds or places of members are not as they should be.
        ArchiveTooLarge: a limit is exceeded.
    """
    start, size, count = _find_directory(read, file_size, archive)
    if count > limits.members:
        raise ArchiveTooLarge(archive, "members", count, limits.members)
    if size > count * _LARGEST_AVERAGE_ENTRY:
        raise UnsafeArchive(archive, None, f"a directory of {size} bytes for {count} members")
    members = tuple(_read_members(read(size, start), count, start, archive, methods))
    if not symlinks:
        for member in members:
            if member.symlink:
                raise UnsafeArchive(archive, member.path, "it is a symbolic link")
    _check_sizes(members, file_size, archive, limits)
    check_paths((member.path for member in members), archive, folds_case=limits.folds_case)
    return members


def printable(text: str) -> str:
    """Return `text` with everything escaped that could steer a terminal."""
    return text if text.isprintable() else repr(text)[1:-1]


def extra_fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and value of each extra field; what is too short to be one ends the iteration."""
    at = 0
    while at + 4 <= len(data):
        kind, size = data[at] | data[at + 1] << 8, data[at + 2] | data[at + 3] << 8
        yield kind, data[at + 4 : at + 4 + size]
        at += 4 + size


def zip64_values(extra: bytes, fields: Sequence[int]) -> list[int]:
    """Return `fields` with each that is `FULL` replaced by its value of the zip64 extra field.

    Raises:
        ValueError: the extra field is missing or too short, or there is a second name.
    """
    full = sum(value == FULL for value in fields)
    wide: list[int] = []
    for kind, value in extra_fields(extra):
        if kind == _UNICODE_PATH:
            raise ValueError("it has a second name in an extra field")
        if kind == _ZIP64 and full:
            if wide or len(value) < 8 * full:
                raise ValueError("its zip64 extra field is not as it should be")
            wide = [int.from_bytes(value[at : at + 8], "little") for at in range(0, 8 * full, 8)]
    if len(wide) != full:
        raise ValueError("its zip64 extra field is missing")
    values = iter(wide)
    return [next(values) if value == FULL else value for value in fields]


def _find_directory(read: Read, file_size: int, archive: str) -> tuple[int, int, int]:
    """Return offset and size in bytes of the central directory, and the number of its entries."""
    tail_start = max(0, file_size - _END.size - _LONGEST_COMMENT)
    tail = read(file_size - tail_start, tail_start)
    found = [
        at
        for at in _occurrences(tail, _END_SIGNATURE)
        if at + _END.size <= len(tail)
        and at + _END.size + (tail[at + 20] | tail[at + 21] << 8) == len(tail)
    ]
    if not found:
        raise DamagedArchive(
            archive,
            None,
            "it does not end as a zip archive does: cut short, padded, or none at all",
        )
    if len(found) > 1:
        raise UnsafeArchive(archive, None, "it ends as a zip archive does in two places")
    end = tail_start + found[0]
    _, disk, first_disk, here, count, size, start, _ = _END.unpack_from(tail, found[0])
    disks = disk, first_disk, here
    if end >= _LOCATOR.size:
        locator = read(_LOCATOR.size, end - _LOCATOR.size)
        if locator.startswith(_LOCATOR_SIGNATURE):
            small = (count, 0xFFFF), (size, FULL), (start, FULL)
            end, count, size, start = _read_end_64(read, locator, end - _LOCATOR.size, archive)
            for (value, full), wide in zip(small, (count, size, start), strict=True):
                if value not in {wide, full}:
                    raise UnsafeArchive(archive, None, "its two end records disagree")
            disks = 0, 0, count
    if disks != (0, 0, count):
        raise UnsafeArchive(archive, None, "it is one of several volumes")
    if start + size != end:
        raise UnsafeArchive(
            archive, None, f"its directory should end at byte {end}, and says {start + size}"
        )
    return start, size, count


def _read_end_64(
    read: Read, locator: bytes, locator_at: int, archive: str
) -> tuple[int, int, int, int]:
    """Return where the zip64 end record begins; number of entries, size, offset of the directory."""
    _, disk, at, disks = _LOCATOR.unpack(locator)
    if disk != 0 or disks > 1 or at + _END_64.size != locator_at:
        raise UnsafeArchive(archive, None, "its zip64 end record is not where it should be")
    record = _END_64.unpack(read(_END_64.size, at))
    signature, length, _, _, disk, first_disk, here, count, size, start = record
    if signature != _END_64_SIGNATURE or length != _END_64.size - 12:
        raise UnsafeArchive(archive, None, "its zip64 end record has an unknown form")
    if (disk, first_disk, here) != (0, 0, count):
        raise UnsafeArchive(archive, None, "it is one of several volumes")
    return at, count, size, start


def _occurrences(data: bytes, part: bytes) -> Iterator[int]:
    at = data.find(part)
    while at >= 0:
        yield at
        at = data.find(part, at + 1)


def _read_members(
    data: bytes, count: int, start: int, archive: str, methods: Collection[int]
) -> list[Member]:
    """Return the members that `data`, a directory that lies at `start`, lists; by their offsets."""
    entries = []
    at = 0
    for _ in range(count):
        if len(data) - at < _ENTRY.size:
            raise DamagedArchive(archive, None, "its directory ends early")
        fields = _ENTRY.unpack_from(data, at)
        name_at = at + _ENTRY.size
        extra_at = name_at + fields[10]
        end = extra_at + fields[11] + fields[12]
        name = data[name_at:extra_at]
        extra = data[extra_at : extra_at + fields[11]]
        header = data[at + 6 : at + 30]
        entries.append(_read_entry(fields, header, name, extra, archive, methods))
        at = end
    if at != len(data):
        raise DamagedArchive(archive, None, f"its directory does not hold {count} members")
    entries.sort()
    offset, *ends = *(entry[0] for entry in entries), start
    if offset != 0:
        raise UnsafeArchive(archive, None, "something stands before its first member")
    members = []
    for entry, end in zip(entries, ends, strict=True):
        offset, path, packed_size, size, crc, flags, method, mode, name, header = entry
        if offset + _LOCAL_HEADER_SIZE + len(name) + packed_size > end:
            raise UnsafeArchive(archive, path, "it overlaps what comes behind it")
        members.append(
            Member(
                path=path,
                size=size,
                executable=stat.S_ISREG(mode) and mode & 0o111 != 0,
                symlink=stat.S_ISLNK(mode),
                name=name,
                method=method,
                flags=flags,
                crc=crc,
                packed_size=packed_size,
                offset=offset,
                end=end,
                header=header,
            )
        )
    return members


def _read_entry(
    fields: tuple[Any, ...],
    header: bytes,
    name: bytes,
    extra: bytes,
    archive: str,
    methods: Collection[int],
) -> tuple[int, str, int, int, int, int, int, int, bytes, bytes]:
    """Return offset, path, packed size, size, CRC, flags, method, mode, name, header."""
    signature, _, _, flags, method, _, _, crc, packed_size, size = fields[:10]
    disk, _, attributes, offset = fields[13:]
    if signature != _ENTRY_SIGNATURE:
        raise DamagedArchive(archive, None, "its directory cannot be read")
    try:
        path = name.decode("utf-8" if flags & UTF_8 else "ascii")
    except UnicodeDecodeError:
        shown = name.decode("utf-8", "backslashreplace")
        encoding = "UTF-8" if flags & UTF_8 else "ASCII, nor marked as UTF-8"
        raise UnsafeArchive(archive, shown, f"its name is not {encoding}") from None
    if extra or FULL in (packed_size, size, offset):
        try:
            wide = zip64_values(extra, (size, packed_size, offset))
        except ValueError as error:
            raise UnsafeArchive(archive, path, str(error)) from None
        if wide != [size, packed_size, offset]:
            size, packed_size, offset = wide
            header = b""
    mode = attributes >> 16
    fault = (
        fault_of_member_path(path)
        or _fault_of_flags(flags)
        or (None if method in methods else f"its compression method {method} is not supported")
        or _fault_of_kind(path, size, packed_size, mode)
        or ("it is on another volume" if disk else None)
    )
    if fault:
        raise UnsafeArchive(archive, path, fault)
    if flags & DESCRIPTOR:
        header = b""
    return offset, path, packed_size, size, crc, flags, method, mode, name, header


def fault_of_member_path(path: str) -> str | None:
    """Return why nothing may be unpacked to `path`, `None` where it may; folders may end in `/`."""
    # Nearly every name passes here, for a tenth of the time that looking closer takes.
    if (
        path.isascii()
        and path.isprintable()
        and path[:1] not in "/."
        and not ("\\" in path or ":" in path or "//" in path or "/." in path)
        and len(path) <= _LONGEST_NAME
    ):
        return None
    fault = fault_of_path(path.removesuffix("/"))
    if fault:
        return f"its path is not allowed: {fault}"
    if any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in path):
        return "its path holds a control character"
    if path[1:2] == ":":
        return "its path begins with a drive letter"
    longest = max(len(name.encode()) for name in path.split("/"))
    if longest > _LONGEST_NAME or len(path.encode()) > _LONGEST_PATH:
        return "its path is longer than file systems take"
    return None


def _fault_of_flags(flags: int) -> str | None:
    if not flags & ~_KNOWN_FLAGS:
        return None
    return "it is encrypted" if flags & _ENCRYPTED else f"its flags {flags:#06x} are not supported"


def _fault_of_kind(path: str, size: int, packed_size: int, mode: int) -> str | None:
    # Writers on other systems leave the mode, or its kind, at zero.
    kind = stat.S_IFMT(mode)
    if path.endswith("/"):
        if kind not in {0, stat.S_IFDIR}:
            return "it is a folder by its name and something else by its mode"
        # Compressing nothing gives two bytes.
        return "it is a folder with content" if size or packed_size > 2 else None
    if kind in {0, stat.S_IFREG, stat.S_IFLNK}:
        return None
    return "it is neither a file nor a folder"


def _check_sizes(members: Sequence[Member], file_size: int, archive: str, limits: Limits) -> None:
    total = sum(member.size for member in members)
    largest = max((member.size for member in members), default=0)
    by_ratio = max(limits.ratio_from, limits.ratio * file_size)
    for limit, found, allowed in (
        ("member_size", largest, limits.member_size),
        ("total_size", total, limits.total_size),
        ("ratio", total, by_ratio),
    ):
        if found > allowed:
            raise ArchiveTooLarge(archive, limit, found, allowed)


def check_paths(paths: Iterable[str], archive: str, *, folds_case: bool) -> None:
    """Refuse paths that could not all be files and folders of one tree; those of folders end in `/`.

    Raises:
        UnsafeArchive: a path stands twice, or for a file and a folder.
    """
    seen: dict[str, str] = {}
    for path in paths:
        key = _folded(path) if folds_case else path
        if key in seen:
            if seen[key] == path:
                raise UnsafeArchive(archive, path, "it stands twice")
            if not path.endswith("/"):
                raise UnsafeArchive(archive, path, f"`{seen[key]}` is the same file here")
        seen[key] = path
    folders: set[str] = set()
    for key in seen:
        folder = key.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    for both in sorted(folders & seen.keys()):
        raise UnsafeArchive(archive, seen[both], "it is a file and a folder")


def _folded(path: str) -> str:
    from unicodedata import normalize

    return normalize("NFC", normalize("NFD", path).casefold())


def _about(member: str | None) -> str:
    return "" if member is None else f"member `{printable(member)}`: "
