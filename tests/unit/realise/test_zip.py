"""Members read from an archive, and archives whose parts disagree."""

from __future__ import annotations

import importlib
import io
import os
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.errors import RealiseError
from envbuild.realise import zip as zip_module
from envbuild.realise.archive_file import ArchiveUnreadable
from envbuild.realise.archive_limits import Limits
from envbuild.realise.zip import Archive, in_one_piece
from envbuild.realise.zip_directory import DamagedArchive, UnsafeArchive
from support.hostile import (
    DEFLATED,
    DESCRIPTOR,
    FULL,
    STORED,
    Member,
    archive,
    deflated,
    descriptor,
    zip64,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = b"".join(b"line %d of a text\n" % number for number in range(400))
BEFORE = Member(name="before", content=b"before")
AFTER = Member(name="after", content=b"after")


@pytest.fixture(params=["isal", "zlib"])
def inflater(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with either library that can inflate."""
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)


def contents_of(data: bytes) -> dict[str, bytes]:
    """Read everything in `data` in both ways, which must agree."""
    descriptor = os.memfd_create("archive")
    try:
        os.write(descriptor, data)
        with Archive(descriptor, name="demo.whl", limits=Limits()) as opened:
            contents = {}
            for member in opened.members:
                contents[member.path] = whole = opened.read(member)
                pieces = list(opened.pieces(member))
                assert b"".join(pieces) == whole
                assert all(0 < len(piece) <= 1 << 20 for piece in pieces)
            return contents
    finally:
        os.close(descriptor)


def fault_of(data: bytes) -> RealiseError:
    """Return how `data` is refused, in both ways of reading."""
    descriptor = os.memfd_create("archive")
    try:
        os.write(descriptor, data)
        with Archive(descriptor, name="demo.whl", limits=Limits()) as opened:
            found = []
            for member in opened.members:
                whole = _fault(lambda member=member: opened.read(member))  # type: ignore[misc]
                pieces = _fault(lambda member=member: list(opened.pieces(member)))  # type: ignore[misc]
                assert (type(whole), str(whole)) == (type(pieces), str(pieces))
                found.append(whole)
            (fault,) = filter(None, found)
            return fault
    finally:
        os.close(descriptor)


def _fault(act: Callable[[], object]) -> RealiseError | None:
    try:
        act()
    except RealiseError as error:
        return error
    return None


PACKED = deflated(TEXT)
GOOD: dict[str, Member] = {
    "deflated": Member(name="a", content=TEXT),
    "stored": Member(name="a", content=TEXT, method=STORED),
    "empty and deflated": Member(name="a"),
    "empty and stored": Member(name="a", method=STORED),
    "larger than a piece": Member(name="a", content=bytes(3 << 20) + TEXT),
    "stored and larger than a piece": Member(name="a", content=TEXT * 200, method=STORED),
    "a folder": Member(name="a/", mode=0, method=STORED),
    "another version": Member(name="a", content=TEXT, local={"version": 45}),
    "another time": Member(name="a", content=TEXT, local={"time": 7, "date": 7}),
    "extra fields": Member(
        name="a", content=TEXT, local_extra=b"UT\5\0\3....", extra=b"UT\1\0\3", comment=b"!"
    ),
    "a stub of an extra field": Member(name="a", content=TEXT, local_extra=b"\0\0\0"),
    "a zip64 field that is not needed": Member(
        name="a", content=TEXT, local_extra=zip64(len(TEXT), len(PACKED))
    ),
    "zip64": Member(
        name="a",
        content=TEXT,
        local={"size": FULL, "packed_size": FULL},
        local_extra=zip64(len(TEXT), len(PACKED)),
        central={"size": FULL, "packed_size": FULL},
        extra=zip64(len(TEXT), len(PACKED)),
    ),
    "zip64 in its own header alone": Member(
        name="a",
        content=TEXT,
        local={"size": FULL, "packed_size": FULL},
        local_extra=zip64(len(TEXT), len(PACKED)),
    ),
    "a descriptor that repeats the header": Member(
        name="a", content=TEXT, flags=DESCRIPTOR, after=descriptor(TEXT, len(PACKED))
    ),
}
UNKNOWN = {"crc": 0, "size": 0, "packed_size": 0}
for _width in (4, 8):
    for _signature in (True, False):
        GOOD[f"a descriptor of width {_width}, signature {_signature}"] = Member(
            name="a",
            content=TEXT,
            flags=DESCRIPTOR,
            local=UNKNOWN,
            after=descriptor(TEXT, len(PACKED), width=_width, signature=_signature),
        )
        GOOD[f"stored, a descriptor of width {_width}, signature {_signature}"] = Member(
            name="a",
            content=TEXT,
            method=STORED,
            flags=DESCRIPTOR,
            local=UNKNOWN,
            after=descriptor(TEXT, len(TEXT), width=_width, signature=_signature),
        )


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("member", GOOD.values(), ids=GOOD)
def test_what_is_whole_is_read(member: Member) -> None:
    found = contents_of(archive([BEFORE, member, AFTER]))
    assert found == {"before": b"before", str(member.name): member.content, "after": b"after"}


BOMB = deflated(bytes(50 << 20))
BAD: dict[str, tuple[Member, type[RealiseError], str]] = {
    "no header": (Member(name="a", before=b"PK"), UnsafeArchive, "something stands between"),
    "another name in its header": (
        Member(name="a", local_name=b"b"),
        UnsafeArchive,
        "another name",
    ),
    "a longer name in its header": (
        Member(name="a", local_name=b"ab"),
        UnsafeArchive,
        "another name",
    ),
    "a shorter name in its header": (
        Member(name="ab", local_name=b"a", local_extra=b"b", local={"extra_length": 0}),
        UnsafeArchive,
        "another name",
    ),
    "a second name in its header": (
        Member(name="a", local_extra=b"\x75\x70\x06\x00\x01....b"),
        UnsafeArchive,
        "second name",
    ),
    "another method in its header": (
        Member(name="a", content=TEXT, local={"method": STORED}),
        UnsafeArchive,
        "another method",
    ),
    "other flags in its header": (
        Member(name="a", content=TEXT, local={"flags": DESCRIPTOR}),
        UnsafeArchive,
        "other flags",
    ),
    "encrypted in its header": (
        Member(name="a", content=TEXT, local={"flags": 1}),
        UnsafeArchive,
        "other flags",
    ),
    "another size in its header": (
        Member(name="a", content=TEXT, local={"size": 1}),
        UnsafeArchive,
        "another size",
    ),
    "another packed size in its header": (
        Member(name="a", content=TEXT, local={"packed_size": 1}),
        UnsafeArchive,
        "another packed size",
    ),
    "another CRC in its header": (
        Member(name="a", content=TEXT, local={"crc": 1}),
        UnsafeArchive,
        "another CRC",
    ),
    "no sizes in its header, and no descriptor": (
        Member(name="a", content=TEXT, local=UNKNOWN),
        UnsafeArchive,
        "another CRC",
    ),
    "zip64 without values in its header": (
        Member(name="a", content=TEXT, local={"size": FULL}),
        UnsafeArchive,
        "zip64",
    ),
    "other zip64 values in its header": (
        Member(
            name="a", content=TEXT, local={"size": FULL, "packed_size": FULL},
            local_extra=zip64(1, len(PACKED)),
        ),
        UnsafeArchive,
        "another size",
    ),
    "something behind its data": (
        Member(name="a", content=TEXT, after=b"\0"),
        UnsafeArchive,
        "something stands between",
    ),
    "a member in no directory behind its data": (
        Member(name="a", content=TEXT, after=archive([Member(name="hidden")])[:40]),
        UnsafeArchive,
        "something stands between",
    ),
    "an extra field that reaches beyond": (
        Member(name="a", content=TEXT, local={"extra_length": 60_000}),
        UnsafeArchive,
        "overlaps",
    ),
    "no descriptor": (
        Member(name="a", content=TEXT, flags=DESCRIPTOR),
        UnsafeArchive,
        "descriptor",
    ),
    "another descriptor": (
        Member(name="a", content=TEXT, flags=DESCRIPTOR, after=descriptor(TEXT, 1)),
        UnsafeArchive,
        "descriptor",
    ),
    "a descriptor that was not announced": (
        Member(name="a", content=TEXT, after=descriptor(TEXT, len(PACKED))),
        UnsafeArchive,
        "something stands between",
    ),
    "a descriptor and more": (
        Member(
            name="a", content=TEXT, flags=DESCRIPTOR,
            after=descriptor(TEXT, len(PACKED)) + bytes(100),
        ),
        UnsafeArchive,
        "descriptor",
    ),
    "more than declared": (
        Member(name="a", content=b"", data=deflated(b"x")),
        DamagedArchive,
        "its size",
    ),
    "a bomb that declares a byte": (
        Member(name="a", content=b"\0", data=BOMB),
        DamagedArchive,
        "shorter or longer",
    ),
    "less than declared": (
        Member(name="a", content=TEXT, data=deflated(TEXT[:-1])),
        DamagedArchive,
        "its size",
    ),
    "stored, and less than declared": (
        Member(name="a", content=TEXT, data=TEXT[:-1], method=STORED),
        DamagedArchive,
        "its size",
    ),
    "stored, and more than declared": (
        Member(name="a", content=TEXT[:-1], data=TEXT, method=STORED),
        DamagedArchive,
        "its size",
    ),
    "another content": (
        Member(name="a", content=TEXT, data=deflated(TEXT[::-1])),
        DamagedArchive,
        "its CRC",
    ),
    "stored, and another content": (
        Member(name="a", content=TEXT, data=TEXT[::-1], method=STORED),
        DamagedArchive,
        "its CRC",
    ),
    "data cut short": (
        Member(name="a", content=TEXT, data=PACKED[:-3]),
        DamagedArchive,
        "shorter or longer",
    ),
    "data followed by more": (
        Member(name="a", content=TEXT, data=PACKED + b"hidden"),
        DamagedArchive,
        "shorter or longer",
    ),
    "no data": (
        Member(name="a", content=TEXT, data=b""),
        DamagedArchive,
        "shorter or longer",
    ),
    "data that is no deflate stream": (
        Member(name="a", content=TEXT, data=b"\xff" * 50),
        DamagedArchive,
        "cannot be decompressed",
    ),
}  # fmt: skip


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize(("member", "error", "reason"), BAD.values(), ids=BAD)
def test_what_does_not_agree_is_refused(
    member: Member, error: type[RealiseError], reason: str
) -> None:
    # What goes wrong in front of a member is seen at the member before it.
    fault = fault_of(archive([BEFORE, member, AFTER]))
    assert isinstance(fault, error)
    assert reason in str(fault)


def test_a_folder_must_agree_as_well() -> None:
    fault = fault_of(archive([Member(name="a/", mode=0, local_name=b"b/")]))
    assert isinstance(fault, UnsafeArchive)


def test_an_archive_is_opened_by_path_or_by_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "demo.whl"
    path.write_bytes(archive([BEFORE]))
    with Archive(str(path), name="demo.whl", limits=Limits()) as opened:
        assert opened.read(opened.members[0]) == b"before"
    with path.open("rb") as file:
        file.seek(7)
        with Archive(file.fileno(), name="demo.whl", limits=Limits()) as opened:
            assert opened.read(opened.members[0]) == b"before"
        assert file.tell() == 7


def test_an_archive_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    for source in (tmp_path / "missing.whl", tmp_path):
        with pytest.raises(ArchiveUnreadable, match=r"demo\.whl"):
            Archive(str(source), name="demo.whl", limits=Limits())


def test_a_refused_archive_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "demo.whl"
    path.write_bytes(archive([Member(name="../a")]))
    before = os.listdir("/proc/self/fd")
    with pytest.raises(UnsafeArchive):
        Archive(str(path), name="demo.whl", limits=Limits())
    assert os.listdir("/proc/self/fd") == before


def test_an_archive_that_shrinks_meanwhile_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "demo.whl"
    path.write_bytes(archive([Member(name="a", content=TEXT)]))
    with Archive(str(path), name="demo.whl", limits=Limits()) as opened:
        os.truncate(path, 40)
        with pytest.raises(DamagedArchive, match="ends early"):
            opened.read(opened.members[0])


@pytest.mark.usefixtures("inflater")
def test_members_beyond_a_size_are_not_for_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_module, "PIECE", 100)
    members = [
        Member(name="small", content=b"small"),
        Member(name="large", content=bytes(101)),
        Member(name="packed", content=b"", data=b"\0\0\0\xff\xff" * 20 + deflated(b"")),
    ]
    descriptor = os.memfd_create("archive")
    os.write(descriptor, archive(members))
    with Archive(descriptor, name="demo.whl", limits=Limits()) as opened:
        assert [in_one_piece(member) for member in opened.members] == [True, False, False]
        assert [b"".join(opened.pieces(member)) for member in opened.members] == [
            member.content for member in members
        ]
    os.close(descriptor)


NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\:"),
    min_size=1,
    max_size=20,
).filter(lambda name: name not in {".", ".."} and name.isprintable())
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CONTENTS = st.one_of(
    st.binary(max_size=200),
    st.binary(min_size=1, max_size=8).map(lambda part: part * 40_000),
)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, bytes]:
    """Draw files that can all be in one tree."""
    files = draw(st.dictionaries(PATHS, CONTENTS, max_size=6))
    folders = {
        "/".join(path.split("/")[:end]) for path in files for end in range(1, path.count("/") + 1)
    }
    return {path: content for path, content in files.items() if path not in folders}


class Unseekable(io.RawIOBase):
    """A file that can only be appended to, so that sizes come after the data."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += memoryview(data)  # type: ignore[arg-type]
        return len(memoryview(data))  # type: ignore[arg-type]


def zipped(files: dict[str, bytes], *, method: int, streamed: bool, zip64: bool) -> bytes:
    """Return `files` as the standard library zips them."""
    target = Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as made:
        for path, content in files.items():
            member = zipfile.ZipInfo(path)
            member.compress_type = method
            with made.open(member, "w", force_zip64=zip64) as file:
                file.write(content)
    return bytes(target.data if isinstance(target, Unseekable) else target.getvalue())


@given(
    files=trees(),
    method=st.sampled_from([STORED, DEFLATED]),
    streamed=st.booleans(),
    zip64=st.booleans(),
)
def test_what_the_standard_library_zips_is_read(
    files: dict[str, bytes], method: int, streamed: bool, zip64: bool
) -> None:
    data = zipped(files, method=method, streamed=streamed, zip64=zip64)
    assert contents_of(data) == files


@given(
    files=trees(),
    streamed=st.booleans(),
    changes=st.lists(
        st.tuples(st.integers(min_value=0), st.integers(min_value=1, max_value=255)),
        min_size=1,
        max_size=4,
    ),
)
def test_a_changed_archive_is_refused_or_reads_the_same(
    files: dict[str, bytes], streamed: bool, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(zipped(files, method=DEFLATED, streamed=streamed, zip64=False))
    for at, mask in changes:
        data[at % len(data)] ^= mask
    try:
        found = contents_of(bytes(data))
    except RealiseError:
        return
    assert found == files


@given(data=st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(RealiseError):
        contents_of(data)


def test_zstandard_is_read_where_python_has_it() -> None:
    try:
        zstandard = importlib.import_module("compression.zstd")
    except ImportError:
        data = archive([Member(name="a", content=TEXT, method=93, data=b"")])
        with pytest.raises(UnsafeArchive, match="method 93 is not supported"):
            contents_of(data)
    else:
        packed = zstandard.compress(TEXT)
        data = archive([Member(name="a", content=TEXT, method=93, data=packed)])
        assert contents_of(data) == {"a": TEXT}
