"""Tar archives: what is read of them, and what is refused."""

from __future__ import annotations

import gzip
import io
import os
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.errors import RealiseError
from envbuild.realise.archive_file import ArchiveUnreadable
from envbuild.realise.archive_limits import Limits
from envbuild.realise.tar import TarArchive
from envbuild.realise.zip_directory import ArchiveTooLarge, DamagedArchive, UnsafeArchive
from support.hostile_tar import (
    BLOCK,
    GNU,
    OLD,
    Member,
    extended,
    long_name,
    octal,
    record,
    tar,
    tar_gz,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NAME = "demo-1.0.tar.gz"
LONG = "/".join(["a-folder-with-a-name-of-its-own"] * 9)
TEXT = b"".join(b"line %d of a text\n" % number for number in range(4_000))


@pytest.fixture(params=["isal", "zlib"])
def _inflater(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with either library that can inflate."""
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)


def read(data: bytes, limits: Limits | None = None) -> list[tuple[str, str, bytes, bool, str]]:
    """Return path, kind, content, executability and target of each member."""
    descriptor = os.memfd_create("archive")
    try:
        os.write(descriptor, data)
        found: list[tuple[str, str, bytes, bool, str]] = []
        with TarArchive(descriptor, name=NAME, limits=limits or Limits()) as archive:
            for number, member in enumerate(archive.members()):
                content = archive.read() if number % 2 else b"".join(archive.pieces())
                assert len(content) == member.size
                found.append((member.path, member.kind, content, member.executable, member.target))
        return found
    finally:
        os.close(descriptor)


def paths(members: Iterable[Member]) -> list[str]:
    return [path for path, *_ in read(tar_gz(members))]


GOOD: dict[str, tuple[list[Member], tuple[str, str, bytes, bool, str]]] = {
    "a file": ([Member(name="d/a", content=b"x")], ("d/a", "file", b"x", False, "")),
    "an empty file": ([Member(name="d/a")], ("d/a", "file", b"", False, "")),
    "a block": ([Member(name="d/a", content=b"x" * 512)], ("d/a", "file", b"x" * 512, False, "")),
    "a large file": (
        [Member(name="d/a", content=TEXT * 60)],
        ("d/a", "file", TEXT * 60, False, ""),
    ),
    "a kind of long ago": (
        [Member(name="a", kind=b"\0", magic=OLD)],
        ("a", "file", b"", False, ""),
    ),
    "a file in one piece": ([Member(name="a", kind=b"7")], ("a", "file", b"", False, "")),
    "executable for its owner": ([Member(name="a", mode=0o744)], ("a", "file", b"", True, "")),
    "executable for others": ([Member(name="a", mode=0o645)], ("a", "file", b"", True, "")),
    "a mode with a kind": ([Member(name="a", mode=0o100644)], ("a", "file", b"", False, "")),
    "a mode in spaces": (
        [Member(name="a", fields={"mode": b"   755 "})],
        ("a", "file", b"", True, ""),
    ),
    "an owner that is nonsense": (
        [Member(name="a", fields={"owner": b"somebody", "time": b"-1"})],
        ("a", "file", b"", False, ""),
    ),
    "a size in binary": (
        [Member(name="a", content=b"xyz", fields={"size": b"\x80" + (3).to_bytes(11, "big")})],
        ("a", "file", b"xyz", False, ""),
    ),
    "a folder": ([Member(name="d/", kind=b"5")], ("d", "folder", b"", False, "")),
    "a folder without a slash": ([Member(name="d", kind=b"5")], ("d", "folder", b"", False, "")),
    "a folder by its slash": ([Member(name="d/", kind=b"\0")], ("d", "folder", b"", False, "")),
    "the folder itself": ([Member(name="./", kind=b"5")], ("", "folder", b"", False, "")),
    "a path that begins with a dot": ([Member(name="./d/a")], ("d/a", "file", b"", False, "")),
    "needless parts of a path": ([Member(name="d/.//a")], ("d/a", "file", b"", False, "")),
    "a path in two parts": (
        [Member(name="b/a", fields={"prefix": b"top/" + b"c" * 99})],
        ("top/" + "c" * 99 + "/b/a", "file", b"", False, ""),
    ),
    "a prefix that is none in this format": (
        [Member(name="a", magic=GNU, fields={"prefix": octal(7, 12)})],
        ("a", "file", b"", False, ""),
    ),
    "a name that fills its field": ([Member(name="n" * 100)], ("n" * 100, "file", b"", False, "")),
    "letters beyond ASCII": ([Member(name="schön/日本")], ("schön/日本", "file", b"", False, "")),
    "a long name, by pax": (
        [extended([("path", LONG), ("mtime", "1.5")]), Member(name="short")],
        (LONG, "file", b"", False, ""),
    ),
    "a long name, by GNU": (
        [long_name(LONG), Member(name=LONG[:100], magic=GNU)],
        (LONG, "file", b"", False, ""),
    ),
    "attributes that mean nothing here": (
        [
            extended([("SCHILY.xattr.user.x", b"\xff\n=\0"), ("comment", ""), ("uname", "me")]),
            Member(name="a"),
        ],
        ("a", "file", b"", False, ""),
    ),
    "a comment on all, as git writes it": (
        [extended([("comment", "ab" * 20)], b"g"), Member(name="a")],
        ("a", "file", b"", False, ""),
    ),
    "a size said twice": (
        [extended([("size", "3")]), Member(name="a", content=b"xyz")],
        ("a", "file", b"xyz", False, ""),
    ),
    "a symbolic link": (
        [Member(name="d/a", kind=b"2", target="../b")],
        ("d/a", "symlink", b"", False, "../b"),
    ),
    "a long symbolic link, by pax": (
        [extended([("linkpath", LONG)]), Member(name="a", kind=b"2")],
        ("a", "symlink", b"", False, LONG),
    ),
    "a long symbolic link, by GNU": (
        [long_name(LONG, b"K"), long_name(LONG), Member(name="a", kind=b"2", magic=GNU)],
        (LONG, "symlink", b"", False, LONG),
    ),
    "a hard link": (
        [Member(name="d/b", kind=b"1", target="./d/a")],
        ("d/b", "hardlink", b"", False, "d/a"),
    ),
}


@pytest.mark.usefixtures("_inflater")
@pytest.mark.parametrize(("members", "expected"), GOOD.values(), ids=GOOD)
def test_a_member_is_what_its_headers_say(
    members: list[Member], expected: tuple[str, str, bytes, bool, str]
) -> None:
    before, after = Member(name="before", content=b"-"), Member(name="after", content=b"+" * 600)
    found = read(tar_gz([before, *members, after]))
    assert found == [
        ("before", "file", b"-", False, ""),
        expected,
        ("after", "file", b"+" * 600, False, ""),
    ]


def test_a_member_that_is_not_read_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(tar_gz([Member(name="a", content=TEXT), Member(name="b", content=b"b")]))
    with TarArchive(str(path), name=NAME, limits=Limits()) as archive:
        assert [member.path for member in archive.members()] == ["a", "b"]


UNSAFE: dict[str, tuple[list[Member], str]] = {
    "upwards": ([Member(name="../a")], "'..'"),
    "upwards inside": ([Member(name="d/../../a")], "'..'"),
    "absolute": ([Member(name="/etc/passwd")], "absolute"),
    "absolute by pax": ([extended([("path", "/etc/passwd")]), Member(name="a")], "absolute"),
    "absolute by GNU": ([long_name("/etc/passwd"), Member(name="a")], "absolute"),
    "a backslash": ([Member(name="..\\a")], "backslash"),
    "a drive": ([Member(name="c:a")], "drive letter"),
    "a control character": ([Member(name="a\x1b[2J")], "control character"),
    "NUL by pax": ([extended([("path", b"a\0b")]), Member(name="a")], "NUL"),
    "a name that is too long": ([extended([("path", "n" * 256)]), Member(name="a")], "longer"),
    "Latin-1": ([Member(name=b"caf\xe9")], "name is not UTF-8"),
    "Latin-1 by pax": ([extended([("path", b"caf\xe9")]), Member(name="a")], "not UTF-8"),
    "surrogates": ([Member(name=b"\xed\xa0\x80")], "not UTF-8"),
    "a target that is not UTF-8": (
        [Member(name="a", kind=b"2", target=b"\xff")],
        "target is not UTF-8",
    ),
    "a hard link upwards": ([Member(name="a", kind=b"1", target="../b")], "'..'"),
    "an absolute hard link": (
        [Member(name="a", kind=b"1", target="/etc/passwd")],
        "target is absolute",
    ),
    "a character device": ([Member(name="a", kind=b"3")], "a device"),
    "a block device": ([Member(name="a", kind=b"4")], "a device"),
    "a named pipe": ([Member(name="a", kind=b"6")], "a named pipe"),
    "a sparse file, by GNU": ([Member(name="a", kind=b"S", content=b"x")], "a sparse file"),
    "a sparse file, by pax": (
        [extended([("GNU.sparse.major", "1")]), Member(name="a", content=b"x")],
        "a sparse file",
    ),
    "a sparse file's name, by pax": (
        [extended([("GNU.sparse.name", "b")]), Member(name="a")],
        "a sparse file",
    ),
    "several volumes": ([Member(name="a", kind=b"M")], "its kind 'M' is not supported"),
    "a folder with content": ([Member(name="d/", kind=b"5", content=b"x")], "with content"),
    "a symbolic link with content": (
        [Member(name="a", kind=b"2", target="b", content=b"x")],
        "with content",
    ),
    "a hard link with content": (
        [Member(name="a", kind=b"1", target="b", content=b"x")],
        "with content",
    ),
    "a size that other readers take for nothing": (
        [extended([("size", "512")]), Member(name="a", fields={"size": octal(0, 12)})],
        "two sizes differ",
    ),
    "a size that other readers do not see": (
        [extended([("size", "0")]), Member(name="a", content=bytes(512))],
        "two sizes differ",
    ),
    "two long names": (
        [long_name("x"), extended([("path", "y")]), Member(name="a")],
        "two headers announce one member",
    ),
    "two long names of one kind": (
        [extended([("path", "x"), ("path", "y")]), Member(name="a")],
        "two headers announce one member",
    ),
    "a path for all": (
        [extended([("path", "x")], b"g"), Member(name="a"), Member(name="b")],
        "all members the same `path`",
    ),
    "an endless announcement": (
        [long_name(b"x" * (1 << 20)), Member(name="a")],
        "announces a member has 1048577 bytes",
    ),
}


@pytest.mark.parametrize(("members", "reason"), UNSAFE.values(), ids=UNSAFE)
def test_what_no_source_needs_is_refused(members: list[Member], reason: str) -> None:
    with pytest.raises(UnsafeArchive, match=reason) as caught:
        read(tar_gz([Member(name="before"), *members]))
    assert caught.value.archive == NAME


def test_what_stands_behind_the_end_is_refused() -> None:
    hidden = Member(name="hidden", content=b"x").blocks()
    for end in (bytes(BLOCK) + hidden, bytes(2 * BLOCK) + hidden, bytes(20 * BLOCK) + b"x"):
        with pytest.raises(UnsafeArchive, match="something stands behind its end"):
            read(tar_gz([Member(name="a")], end=end))


def test_padding_may_be_of_any_length() -> None:
    for end in (b"", bytes(BLOCK), bytes(2 * BLOCK), bytes(20 * BLOCK), bytes(BLOCK + 3)):
        assert len(read(tar_gz([Member(name="a")], end=end))) == 1


@pytest.mark.usefixtures("_inflater")
def test_compressed_data_may_come_in_parts() -> None:
    plain = tar([Member(name="a", content=TEXT), Member(name="b", content=TEXT)])
    for at in (0, 1, 700, len(plain)):
        parts = gzip.compress(plain[:at]) + gzip.compress(plain[at:]) + gzip.compress(b"")
        assert [path for path, *_ in read(parts)] == ["a", "b"]
        assert [path for path, *_ in read(parts + bytes(1000))] == ["a", "b"]


@pytest.mark.usefixtures("_inflater")
@pytest.mark.parametrize("behind", [b"x", b"\0x", b"\x1f", bytes(300_000) + b"x"])
def test_what_stands_behind_the_compressed_data_is_refused(behind: bytes) -> None:
    with pytest.raises(UnsafeArchive, match="something stands behind its compressed data"):
        read(tar_gz([Member(name="a")]) + behind)


WHOLE = tar_gz([Member(name="a", content=TEXT), Member(name="b", content=TEXT)])
DAMAGED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it is no gzip file"),
    "text": (b"<!doctype html>", "it is no gzip file"),
    "no gzip": (tar([Member(name="a")]), "it is no gzip file"),
    "gzip cut short": (WHOLE[:-9], "it ends early"),
    "no trailer": (WHOLE[:-8], "it ends early"),
    "half a trailer": (WHOLE[:-3], "it ends early"),
    "a wrong checksum": (WHOLE[:-8] + bytes(4) + WHOLE[-4:], "cannot be decompressed"),
    "a wrong length": (WHOLE[:-4] + bytes(4), "cannot be decompressed"),
    "a start of another part": (WHOLE + b"\x1f\x8b", "it ends early"),
    "half a header": (gzip.compress(Member(name="a").blocks()[:300]), "it ends early"),
    "half a content": (gzip.compress(Member(name="a", content=TEXT).blocks()[:900]), "ends early"),
    "no padding": (gzip.compress(Member(name="a", content=b"x").blocks()[:513]), "ends early"),
    "text in gzip": (gzip.compress(TEXT), "the checksum in its header is no number"),
    "a wrong checksum of a header": (
        tar_gz([Member(name="a", fields={"checksum": octal(5, 8)})]),
        "the checksum of a header is wrong",
    ),
    "a size that is no number": (
        tar_gz([Member(name="a", fields={"size": b"12x"})]),
        "the size in its header is no number",
    ),
    "a negative size": (
        tar_gz([Member(name="a", fields={"size": b"\xff" * 12})]),
        "the size in its header is no number",
    ),
    "a mode that is no number": (
        tar_gz([Member(name="a", fields={"mode": b"rwx"})]),
        "the mode in its header is no number",
    ),
    "an extended size that is no number": (
        tar_gz([extended([("size", "-1")]), Member(name="a")]),
        "its size is no number",
    ),
    "a name for nobody": (tar_gz([long_name("x")]), "a header that announces a member"),
    "an extended header for nobody": (
        tar_gz([extended([("path", "x")])]),
        "a header that announces a member",
    ),
    **{
        f"a record that is {what}": (
            tar_gz([Member(name="x", kind=b"x", content=content), Member(name="a")]),
            "an extended header cannot be read",
        )
        for what, content in {
            "text": b"hello\n",
            "without a length": b" path=x\n",
            "longer than the header": b"99 path=x\n",
            "shorter than itself": b"3 path=x\n",
            "without a line feed": b"9 path=x ",
            "without a value": b"7 path\n",
            "of no length": b"0 path=x\n",
            "of a negative length": b"-9 path=x\n",
            "endless": b"9" * 400 + b" path=x\n",
        }.items()
    },
}


@pytest.mark.usefixtures("_inflater")
@pytest.mark.parametrize(("data", "reason"), DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_whole_archive_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(DamagedArchive, match=reason):
        read(data)


def test_checksums_of_signed_characters_as_writers_of_old_took_them_are_right() -> None:
    header = Member(name="é").blocks()
    unsigned = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    assert paths([Member(name="é", fields={"checksum": octal(unsigned - 2 * 0x100, 8)})]) == ["é"]


LIMITED: dict[str, tuple[Limits, str, int, int]] = {
    "members": (Limits(members=1), "members", 2, 1),
    "a member's size": (Limits(member_size=999), "member_size", 1000, 999),
    "the total": (Limits(total_size=1499), "total_size", 2000, 1499),
}


@pytest.mark.parametrize(("limits", "limit", "found", "allowed"), LIMITED.values(), ids=LIMITED)
def test_limits_hold_before_anything_is_unpacked(
    limits: Limits, limit: str, found: int, allowed: int
) -> None:
    data = tar_gz([Member(name="a", content=bytes(1000)), Member(name="b", content=bytes(1000))])
    with pytest.raises(ArchiveTooLarge) as caught:
        read(data, limits)
    assert (caught.value.limit, caught.value.found, caught.value.allowed) == (limit, found, allowed)


def test_a_bomb_is_noticed_by_what_it_declares() -> None:
    limits = Limits(ratio=10, ratio_from=1 << 20)
    huge = Member(name="a", content=bytes(8192), fields={"size": octal(1 << 32, 12)})
    with pytest.raises(ArchiveTooLarge) as caught:
        read(tar_gz([huge]), limits)
    assert (caught.value.limit, caught.value.found) == ("ratio", (1 << 32) + BLOCK)


@pytest.mark.parametrize(
    "data",
    [
        tar_gz([Member(name="a")], end=bytes(1 << 20)),
        tar_gz([extended([("comment", b"x" * 900_000)]), Member(name="a")]),
    ],
    ids=["padding", "announcements"],
)
def test_a_bomb_that_declares_nothing_is_noticed_on_the_way(data: bytes) -> None:
    with pytest.raises(ArchiveTooLarge, match="`ratio`"):
        read(data, Limits(ratio=10, ratio_from=4096))


def test_an_archive_that_is_not_there_is_an_error_of_reading() -> None:
    with pytest.raises(ArchiveUnreadable, match=f"cannot read `{NAME}`"):
        TarArchive("/nowhere/at/all", name=NAME, limits=Limits())


FILES = st.dictionaries(
    st.lists(st.text("abcé日", min_size=1, max_size=60), min_size=1, max_size=4).map("/".join),
    st.binary(max_size=1200),
    max_size=6,
)


@given(FILES, st.sampled_from((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)))
def test_what_tarfile_writes_is_read_as_it_reads_it(files: dict[str, bytes], kind: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=kind) as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            try:
                archive.addfile(info, io.BytesIO(content))
            except ValueError:
                return  # too long for this format
    assert {path: content for path, _, content, _, _ in read(buffer.getvalue())} == files


@given(st.data())
def test_damage_anywhere_is_an_error_or_nothing(data: st.DataObject) -> None:
    plain = bytearray(
        tar(
            [
                extended([("path", LONG), ("size", "5")]),
                Member(name="a", content=b"hello"),
                long_name("b"),
                Member(name="x", kind=b"2", target="a"),
                Member(name="c", kind=b"1", target="b"),
            ]
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        plain[data.draw(st.integers(0, len(plain) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(gzip.compress(bytes(plain)))
    except RealiseError:
        pass


def test_a_record_says_its_own_length() -> None:
    assert record("path", "x" * 90) == b"99 path=" + b"x" * 90 + b"\n"
    assert record("path", "x" * 91) == b"101 path=" + b"x" * 91 + b"\n"
