"""Zip archives as wheels use them, read so that no other reader could see something else.

Each member's own header must say what the central directory says of it, each content must have the
size and the CRC that both declare, and nothing may lie between members: what one reader finds by
the directory, another finds by reading from front to back. Supported are stored and deflated members,
Zstandard where this Python has it, data descriptors and zip64.

It is not a writer, and it knows nothing of wheels.
"""

from __future__ import annotations

import os
import sys

from envbuild.realise.archive_file import ArchiveFile, ArchiveUnreadable
from envbuild.realise.zip_directory import (
    DEFLATED,
    DESCRIPTOR,
    STORED,
    ZSTANDARD,
    DamagedArchive,
    UnsafeArchive,
    read_directory,
    zip64_values,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Any, Protocol, Self

    from envbuild.realise.archive_limits import Limits
    from envbuild.realise.zip_directory import Member

    class _Decompressor(Protocol):
        @property
        def eof(self) -> bool: ...
        @property
        def unused_data(self) -> bytes: ...
        def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes: ...


PIECE = 4 << 20
"""Members up to so many bytes, packed and unpacked, are read in one piece."""

_CHUNK = 256 << 10
_LARGEST_PIECE = 1 << 20
_HEADER_SIZE = 30
_HEADER = b"PK\x03\x04"
_DESCRIPTOR = b"PK\x07\x08"


class Archive:
    """An open archive whose central directory has been read, checked and found safe.

    Use as a context manager, in one thread at a time. Where a descriptor was passed in, its
    position is neither used nor moved, and it stays open.

    Attributes:
        name: how errors call it.
        members: files and folders in the order in which they lie in the archive.
    """

    __slots__ = ("_crc32", "_decompressors", "_errors", "_file", "members", "name")

    def __init__(
        self, source: str | int, *, name: str, limits: Limits, symlinks: bool = False
    ) -> None:
        """Open `source`, a path or a readable descriptor of a seekable file.

        Symbolic links are refused where there may be none: `symlinks`.

        Raises:
            ArchiveUnreadable: the operating system refuses.
            DamagedArchive: it is no whole zip archive.
            UnsafeArchive: names, kinds or places of members are not as they should be.
            ArchiveTooLarge: a limit is exceeded.
        """
        self.name = name
        self._crc32, self._decompressors, self._errors = _codecs()
        self._file = ArchiveFile(source, name)
        try:
            self.members = read_directory(
                self._read_at,
                file_size=self._file_size(),
                archive=name,
                methods={STORED, *self._decompressors},
                limits=limits,
                symlinks=symlinks,
            )
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

    def read(self, member: Member) -> bytes:
        """Return the content of `member`, which is exactly what was declared.

        Made for members that are `in_one_piece`: all of it is in memory at once.

        Raises:
            DamagedArchive: the content is not what was declared.
            UnsafeArchive: the member's own header and the directory disagree.
            ArchiveUnreadable: the operating system refuses.
        """
        segment = self._read_at(member.end - member.offset, member.offset)
        start = self._check_header(member, segment)
        stop = start + member.packed_size
        if stop != len(segment) or member.flags & DESCRIPTOR:
            self._check_descriptor(member, segment[stop:])
        if member.method == STORED:
            content = segment[start:stop]
        else:
            decompressor = self._decompressors[member.method]()
            packed = memoryview(segment)[start:stop]
            try:
                content = decompressor.decompress(packed, member.size + 1)
            except self._errors as error:
                raise self._damaged(member, f"its data cannot be decompressed: {error}") from None
            if not decompressor.eof or decompressor.unused_data:
                raise self._damaged(member, "its data is shorter or longer than declared")
        if len(content) != member.size:
            raise self._damaged(member, "its size is not the one declared")
        if self._crc32(content) != member.crc:
            raise self._damaged(member, "its CRC is not the one declared")
        return content

    def pieces(self, member: Member) -> Iterator[bytes]:
        """Yield the content of `member` in pieces of at most 1 MiB; raises as `read` does.

        What has been yielded can be trusted once the iteration has ended, and not before.
        """
        head_size = min(_HEADER_SIZE + len(member.name) + 0xFFFF, member.end - member.offset)
        head = self._read_at(head_size, member.offset)
        start = member.offset + self._check_header(member, head)
        stop = start + member.packed_size
        if stop != member.end or member.flags & DESCRIPTOR:
            rest = self._read_at(min(member.end - stop, 64), stop)
            self._check_descriptor(member, rest)
        crc = size = 0
        chunks = self._chunks(start, stop)
        for piece in chunks if member.method == STORED else self._decompressed(member, chunks):
            crc = self._crc32(piece, crc)
            size += len(piece)
            yield piece
        if size != member.size:
            raise self._damaged(member, "its size is not the one declared")
        if crc != member.crc:
            raise self._damaged(member, "its CRC is not the one declared")

    def _decompressed(self, member: Member, chunks: Iterator[bytes]) -> Iterator[bytes]:
        decompressor = self._decompressors[member.method]()
        # One byte more than was declared is enough to notice a lie.
        left = member.size + 1
        packed = next(chunks, b"")
        while True:
            room = min(_LARGEST_PIECE, left)
            try:
                piece = decompressor.decompress(packed, room)
            except self._errors as error:
                raise self._damaged(member, f"its data cannot be decompressed: {error}") from None
            # zlib gives back what it had no room for, Zstandard keeps it.
            packed = getattr(decompressor, "unconsumed_tail", b"")
            left -= len(piece)
            if piece:
                yield piece
            if decompressor.eof or not left:
                break
            if not packed and len(piece) < room:
                packed = next(chunks, b"")
                if not packed:
                    break
        if not decompressor.eof or decompressor.unused_data or next(chunks, b""):
            raise self._damaged(member, "its data is shorter or longer than declared")

    def _chunks(self, start: int, stop: int) -> Iterator[bytes]:
        for at in range(start, stop, _CHUNK):
            yield self._read_at(min(_CHUNK, stop - at), at)

    def _check_header(self, member: Member, head: bytes) -> int:
        """Compare the local header that `head` begins with; return its whole size."""
        if head[:4] != _HEADER:
            raise self._unsafe(member, "its own header is not where the directory says")
        name_end = _HEADER_SIZE + len(member.name)
        if head[_HEADER_SIZE:name_end] != member.name:
            raise self._unsafe(member, "it has another name in its own header")
        start = name_end + (head[28] | head[29] << 8)
        if start + member.packed_size > member.end - member.offset:
            raise self._unsafe(member, "it overlaps what comes behind it")
        if head[4:28] != member.header or start != name_end:
            self._compare(member, head, head[name_end:start])
        return start

    def _compare(self, member: Member, head: bytes, extra: bytes) -> None:
        """Compare field by field what `Member.header` does not settle."""
        if int.from_bytes(head[26:28], "little") != len(member.name):
            raise self._unsafe(member, "it has another name in its own header")
        if int.from_bytes(head[6:8], "little") != member.flags:
            raise self._unsafe(member, "its own header has other flags than the directory")
        if int.from_bytes(head[8:10], "little") != member.method:
            raise self._unsafe(member, "its own header has another method than the directory")
        crc, packed_size, size = (
            int.from_bytes(head[at : at + 4], "little") for at in (14, 18, 22)
        )
        try:
            size, packed_size = zip64_values(extra, (size, packed_size))
        except ValueError as error:
            raise self._unsafe(member, str(error)) from None
        for what, own, declared in (
            ("CRC", crc, member.crc),
            ("packed size", packed_size, member.packed_size),
            ("size", size, member.size),
        ):
            # Whoever writes a descriptor did not know these when he wrote the header.
            if own != declared and not (member.flags & DESCRIPTOR and own == 0):
                raise self._unsafe(member, f"its own header has another {what} than the directory")

    def _check_descriptor(self, member: Member, data: bytes) -> None:
        """Compare what lies between the content of `member` and the next member."""
        if not member.flags & DESCRIPTOR:
            raise self._unsafe(member, "something stands between it and what comes behind it")
        crc, sizes = member.crc.to_bytes(4, "little"), (member.packed_size, member.size)
        for width in (4, 8):
            if max(sizes) < 1 << (8 * width):
                plain = crc + b"".join(size.to_bytes(width, "little") for size in sizes)
                if data in {plain, _DESCRIPTOR + plain}:
                    return
        raise self._unsafe(member, "its descriptor and the directory disagree")

    def _read_at(self, size: int, offset: int) -> bytes:
        try:
            descriptor = self._file.descriptor
            data = os.pread(descriptor, size, offset)
            while len(data) < size:
                more = os.pread(descriptor, size - len(data), offset + len(data))
                if not more:
                    raise DamagedArchive(self.name, None, "it ends early")
                data += more
        except OSError as error:
            raise ArchiveUnreadable(self.name, error) from error
        return data

    def _file_size(self) -> int:
        try:
            return os.fstat(self._file.descriptor).st_size
        except OSError as error:
            raise ArchiveUnreadable(self.name, error) from error

    def _damaged(self, member: Member, reason: str) -> DamagedArchive:
        return DamagedArchive(self.name, member.path, reason)

    def _unsafe(self, member: Member, reason: str) -> UnsafeArchive:
        return UnsafeArchive(self.name, member.path, reason)


def in_one_piece(member: Member) -> bool:
    """Tell whether `member` is small enough for `Archive.read`."""
    return member.size <= PIECE and member.end - member.offset <= PIECE


def _codecs() -> tuple[
    Callable[..., int], dict[int, Callable[[], _Decompressor]], tuple[type[Exception], ...]
]:
    """Return CRC-32, a maker of decompressors for each method, and the errors they raise."""
    try:
        from isal import isal_zlib as deflate
    except ImportError:
        import zlib as deflate  # type: ignore[no-redef]
    makers: dict[int, Callable[[], _Decompressor]] = {DEFLATED: lambda: deflate.decompressobj(-15)}
    errors: tuple[Any, ...] = (deflate.error,)
    if sys.version_info >= (3, 14):
        try:
            from compression import zstd
        except ImportError:
            pass
        else:
            makers[ZSTANDARD] = zstd.ZstdDecompressor
            errors = (*errors, zstd.ZstdError)
    return deflate.crc32, makers, errors
