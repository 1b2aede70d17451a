"""Tar archives in gzip as source distributions are, read so that no reader sees something else.

Understood are the formats of POSIX (ustar and pax) and what GNU tar writes, up to long names. The
reader goes from front to back once and holds a piece at a time. Where programs are known to differ
(a size that an extended header contradicts, two long names for one member, something behind the
end) the archive is refused; so are sparse files, devices and whatever else a source has no use for,
and what exceeds `Limits`. Owners, times and extended attributes are not looked at.

It does not use `tarfile`: that takes extended headers of any size into memory, trusts sizes, and
follows links in ways that were mended several times in patch releases of Python.
"""

from __future__ import annotations

import os

from envbuild.frozen import frozen
from envbuild.realise.archive_file import ArchiveFile, ArchiveUnreadable
from envbuild.realise.zip_directory import (
    ArchiveTooLarge,
    DamagedArchive,
    UnsafeArchive,
    fault_of_member_path,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any, Literal, NoReturn, Self

    from envbuild.realise.archive_limits import Limits

    Kind = Literal["file", "folder", "symlink", "hardlink"]

PIECE = 4 << 20
"""Members up to so many bytes may be read in one piece."""

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_CHUNK = 256 << 10
_LARGEST_PIECE = 1 << 20
_LARGEST_EXTENSION = 1 << 20
_LARGEST_OCTAL = 0o77777777777
"""What the size field of a header can say."""

_GZIP = b"\x1f\x8b"

_FILES = frozenset((0, *b"07"))
_HARDLINK, _SYMLINK, _FOLDER = b"125"
_EXTENDED, _EXTENDED_FOR_ALL = b"xg"
_LONG_PATH, _LONG_TARGET = b"LK"
_REFUSED = {
    ord("3"): "it is a device",
    ord("4"): "it is a device",
    ord("6"): "it is a named pipe",
    ord("S"): "it is a sparse file",
}


@frozen
class Member:
    """One member of an archive.

    Attributes:
        path: relative, with `/` between names; empty for the folder that everything is in.
        kind: what it is.
        size: of a file's content, in bytes; else 0.
        executable: whether it is a file that somebody may execute.
        target: what a symbolic link says, as it stands there; the path of the member that a hard
            link repeats, in the form of `path`; else empty.
    """

    path: str
    kind: Kind
    size: int
    executable: bool
    target: str


class TarArchive:
    """An archive being read from front to back.

    Use as a context manager, in one thread at a time. Where a descriptor was passed in, its
    position is neither used nor moved, and it stays open.

    Attributes:
        name: how errors call it.
    """

    __slots__ = ("_file", "_left", "_limits", "_path", "_stream", "name")

    def __init__(self, source: str | int, *, name: str, limits: Limits) -> None:
        """Open `source`, a path or a readable descriptor of a seekable file.

        Raises:
            ArchiveUnreadable: the operating system refuses.
        """
        self.name = name
        self._limits = limits
        self._file = ArchiveFile(source, name)
        self._left = 0
        self._path: str | None = None
        try:
            self._stream = _Inflated(self._file.descriptor, name, limits)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, unless it was passed in open."""
        self._file.close()

    def members(self) -> Iterator[Member]:
        """Yield the members in order, once; what is not read of one is passed over.

        Raises:
            ArchiveUnreadable: the operating system refuses.
            DamagedArchive: it is no whole tar archive in gzip.
            UnsafeArchive: a member is not as it should be.
            ArchiveTooLarge: a limit is exceeded.
        """
        limits = self._limits
        extension = _Extension()
        count = total = 0
        while True:
            self._path = None
            header = self._stream.block()
            if header is None or header == _ZEROS:
                break
            count += 1
            if count > limits.members:
                raise ArchiveTooLarge(self.name, "members", count, limits.members)
            self._check_sum(header)
            kind, size = header[156], self._number(header[124:136], "size")
            if kind in {_EXTENDED, _EXTENDED_FOR_ALL, _LONG_PATH, _LONG_TARGET}:
                self._extend(extension, kind, size)
                continue
            member = self._member(header, extension)
            extension = _Extension()
            if member.size > limits.member_size:
                raise ArchiveTooLarge(self.name, "member_size", member.size, limits.member_size)
            total += member.size
            if total > limits.total_size:
                raise ArchiveTooLarge(self.name, "total_size", total, limits.total_size)
            self._stream.expect(member.size)
            self._path = member.path
            self._left = member.size
            yield member
            for _ in self.pieces():
                pass
            self._stream.exactly(-member.size % _BLOCK)
        if extension.is_used:
            raise DamagedArchive(self.name, None, "it ends with a header that announces a member")
        self._stream.finish()

    def read(self) -> bytes:
        """Return the content of the member that was yielded last, made for small ones."""
        content = self._stream.exactly(self._left)
        self._left = 0
        return content

    def pieces(self) -> Iterator[bytes]:
        """Yield the content of the member that was yielded last, at most 1 MiB at a time."""
        while self._left:
            piece = self._stream.some(min(self._left, _LARGEST_PIECE))
            self._left -= len(piece)
            yield piece

    def _check_sum(self, header: bytes) -> None:
        stated = self._number(header[148:156], "checksum")
        unsigned = sum(header) - sum(header[148:156]) + 8 * 0x20
        if stated == unsigned:
            return
        # Some old writers added signed characters.
        above = sum(byte > 0x7F for byte in header[:148] + header[156:])
        if stated != unsigned - 0x100 * above:
            raise DamagedArchive(self.name, None, "the checksum of a header is wrong")

    def _extend(self, extension: _Extension, kind: int, size: int) -> None:
        """Take note of what a header says of the member that follows it."""
        if size > _LARGEST_EXTENSION:
            self._refuse(f"a header that announces a member has {size} bytes")
        data = self._stream.exactly(size)
        self._stream.exactly(-size % _BLOCK)
        if kind == _LONG_PATH:
            self._set(extension, "path", data.rstrip(b"\0"))
        elif kind == _LONG_TARGET:
            self._set(extension, "target", data.rstrip(b"\0"))
        else:
            for key, value in self._records(data):
                if key in _MEANINGFUL:
                    if kind == _EXTENDED_FOR_ALL:
                        self._refuse(f"a header gives all members the same `{key.decode()}`")
                    self._set(extension, _MEANINGFUL[key], value)

    def _set(self, extension: _Extension, field: str, value: bytes) -> None:
        if getattr(extension, field) is not None:
            self._refuse("two headers announce one member")
        setattr(extension, field, value)

    def _records(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the records of a pax header: `length keyword=value`, each with a line feed."""
        at = 0
        while at < len(data):
            space = data.find(b" ", at, at + 20)
            length = data[at:space] if space > 0 else b""
            end = at + int(length) if length.isdigit() else 0
            key, equals, value = data[space + 1 : end - 1].partition(b"=")
            if not space < end <= len(data) or data[end - 1 : end] != b"\n" or not equals:
                raise DamagedArchive(self.name, None, "an extended header cannot be read")
            if key.startswith(b"GNU.sparse."):
                self._refuse("a member is a sparse file")
            yield key, value
            at = end

    def _member(self, header: bytes, extension: _Extension) -> Member:
        kind, magic = header[156], header[257:265]
        name = extension.path
        if name is None:
            name = _until_nul(header[:100])
            prefix = _until_nul(header[345:500]) if magic.startswith(b"ustar\0") else b""
            if prefix:
                name = prefix + b"/" + name
        self._path = name.decode("utf-8", "backslashreplace")
        path = self._clean(name, "name")
        size = self._size(header, extension)
        self._path = path
        if kind in _FILES and not name.endswith(b"/"):
            executable = self._number(header[100:108], "mode") & 0o111 != 0
            return Member(path=path, kind="file", size=size, executable=executable, target="")
        if kind == _FOLDER or kind in _FILES:
            if size:
                self._refuse("it is a folder with content")
            return Member(path=path, kind="folder", size=0, executable=False, target="")
        if kind not in {_HARDLINK, _SYMLINK}:
            self._refuse(_REFUSED.get(kind, f"its kind {chr(kind)!r} is not supported"))
        if size:
            self._refuse("it is a link with content")
        target = extension.target
        if target is None:
            target = _until_nul(header[157:257])
        if kind == _HARDLINK:
            target_path = self._clean(target, "target")
            return Member(path=path, kind="hardlink", size=0, executable=False, target=target_path)
        text = self._decode(target, "target")
        return Member(path=path, kind="symlink", size=0, executable=False, target=text)

    def _size(self, header: bytes, extension: _Extension) -> int:
        size = self._number(header[124:136], "size")
        if extension.size is None:
            return size
        if not extension.size.isdigit() or len(extension.size) > 20:
            raise DamagedArchive(self.name, self._path, "its size is no number")
        extended = int(extension.size)
        # A reader that does not know the extension goes by the header, and would take the content
        # for members.
        if size != extended and (size or extended <= _LARGEST_OCTAL):
            self._refuse("its two sizes differ")
        return extended

    def _number(self, field: bytes, what: str) -> int:
        """Return what a numeric field says: octal digits, or binary as GNU tar writes it."""
        if field[0] == 0x80:
            return int.from_bytes(field[1:], "big")
        digits = _until_nul(field).strip(b" ")
        if digits.strip(b"01234567"):
            raise DamagedArchive(self.name, self._path, f"the {what} in its header is no number")
        return int(digits or b"0", 8)

    def _clean(self, name: bytes, what: str) -> str:
        """Return a path without what means nothing: names that are empty or `.`."""
        text = self._decode(name, what)
        if text.startswith("/"):
            self._refuse(f"its {what} is absolute")
        path = "/".join(part for part in text.split("/") if part not in {"", "."})
        fault = fault_of_member_path(path) if path else None
        if fault:
            self._refuse(fault)
        return path

    def _decode(self, text: bytes, what: str) -> str:
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError:
            self._refuse(f"its {what} is not UTF-8")

    def _refuse(self, reason: str) -> NoReturn:
        raise UnsafeArchive(self.name, self._path, reason)


class _Extension:
    """What headers have said of the member that is to follow."""

    __slots__ = ("path", "size", "target")

    def __init__(self) -> None:
        self.path: bytes | None = None
        self.size: bytes | None = None
        self.target: bytes | None = None

    @property
    def is_used(self) -> bool:
        return (self.path, self.size, self.target) != (None, None, None)


_MEANINGFUL = {b"path": "path", b"linkpath": "target", b"size": "size"}
"""Keywords of pax headers that say what a member is, and the fields that they fill."""


class _Inflated:
    """The content of a gzip file, read from front to back and held to a limit."""

    __slots__ = ("_allowed", "_at", "_buffer", "_descriptor", "_name", "_pieces", "_position")

    def __init__(self, descriptor: int, name: str, limits: Limits) -> None:
        self._descriptor = descriptor
        self._name = name
        self._buffer = b""
        self._at = 0
        self._position = 0
        try:
            file_size = os.fstat(descriptor).st_size
        except OSError as error:
            raise ArchiveUnreadable(name, error) from error
        self._allowed = max(limits.ratio_from, limits.ratio * file_size)
        self._pieces = self._inflate()

    def block(self) -> bytes | None:
        """Return the next 512 bytes, `None` where the content has ended."""
        if self._at == len(self._buffer) and not self._more():
            return None
        return self.exactly(_BLOCK)

    def exactly(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        piece = self._buffer[self._at : self._at + size]
        self._at += len(piece)
        if len(piece) == size:
            return piece
        pieces, left = [piece], size - len(piece)
        while left:
            piece = self.some(left)
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def some(self, most: int) -> bytes:
        """Return at least one byte of what follows, and at most `most`."""
        if self._at == len(self._buffer) and not self._more():
            raise DamagedArchive(self._name, None, "it ends early")
        piece = self._buffer[self._at : self._at + most]
        self._at += len(piece)
        return piece

    def expect(self, size: int) -> None:
        """Make sure that so many more bytes would not be too many."""
        found = self._position - len(self._buffer) + self._at + size
        self._check(found)

    def _check(self, found: int) -> None:
        if found > self._allowed:
            raise ArchiveTooLarge(self._name, "ratio", found, self._allowed)

    def finish(self) -> None:
        """Make sure that nothing but padding follows, up to the end of the file."""
        while True:
            if self._buffer.count(0, self._at) != len(self._buffer) - self._at:
                raise UnsafeArchive(self._name, None, "something stands behind its end")
            if not self._more():
                return

    def _more(self) -> bool:
        """Go on to the next piece; return whether there is one."""
        self._buffer = next(self._pieces, b"")
        self._at = 0
        self._position += len(self._buffer)
        self._check(self._position)
        return bool(self._buffer)

    def _inflate(self) -> Iterator[bytes]:
        """Yield the content of all parts of the file, at most 1 MiB at a time."""
        deflate = _codec()
        chunks = self._chunks()
        packed = next(chunks, b"")
        if not packed.startswith(_GZIP):
            raise DamagedArchive(self._name, None, "it is no gzip file")
        while packed.startswith(_GZIP):
            inflater = deflate.decompressobj(31)
            while not inflater.eof:
                try:
                    piece = inflater.decompress(packed, _LARGEST_PIECE)
                except deflate.error as error:
                    reason = f"its data cannot be decompressed: {error}"
                    raise DamagedArchive(self._name, None, reason) from None
                packed = inflater.unconsumed_tail
                if piece:
                    yield piece
                if not inflater.eof and not packed and len(piece) < _LARGEST_PIECE:
                    packed = next(chunks, b"")
                    if not packed:
                        raise DamagedArchive(self._name, None, "it ends early")
            packed = inflater.unused_data
            if len(packed) < len(_GZIP):
                packed += next(chunks, b"")
        while packed:
            if packed.strip(b"\0"):
                raise UnsafeArchive(self._name, None, "something stands behind its compressed data")
            packed = next(chunks, b"")

    def _chunks(self) -> Iterator[bytes]:
        at = 0
        while True:
            try:
                chunk = os.pread(self._descriptor, _CHUNK, at)
            except OSError as error:
                raise ArchiveUnreadable(self._name, error) from error
            if not chunk:
                return
            at += len(chunk)
            yield chunk


def in_one_piece(member: Member) -> bool:
    """Tell whether a member is small enough for `TarArchive.read`."""
    return member.size <= PIECE


def _codec() -> Any:
    """Return the module that inflates."""
    try:
        from isal import isal_zlib
    except ImportError:
        import zlib

        return zlib
    return isal_zlib


def _until_nul(field: bytes) -> bytes:
    return field.partition(b"\0")[0]
