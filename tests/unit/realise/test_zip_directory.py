"""What the central directory of an archive may say, and what is refused for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envbuild.realise.archive_limits import Limits
from envbuild.realise.zip_directory import (
    ArchiveTooLarge,
    DamagedArchive,
    UnsafeArchive,
    read_directory,
)
from support.hostile import (
    DESCRIPTOR,
    DEVICE,
    FOLDER,
    FULL,
    LINK,
    REGULAR,
    STORED,
    Member,
    archive,
    deflated,
    zip64,
    zip64_end,
)

if TYPE_CHECKING:
    from envbuild.realise.zip_directory import Member as Found

NAME = "demo.whl"
A = Member(name="a.py", content=b"a = 1\n")
B = Member(name="b.py", content=b"b = 2\n" * 9)


def members_of(data: bytes, limits: Limits | None = None) -> tuple[Found, ...]:
    return read_directory(
        lambda size, offset: data[offset : offset + size],
        file_size=len(data),
        archive=NAME,
        methods={0, 8},
        limits=limits or Limits(),
    )


def paths_of(data: bytes, limits: Limits | None = None) -> list[str]:
    return [member.path for member in members_of(data, limits)]


@pytest.mark.parametrize(
    "path",
    [
        "a.py",
        "pkg/__init__.py",
        ".hidden/.file",
        "pkg/..data/x",
        "pkg/a..b",
        "with space/a b.txt",
        "sch\u00f6n/\u65e5\u672c.txt",
        "a/b:c",
        "x" * 255,
        "/".join("y" * 100 for _ in range(10)),
    ],
)
def test_ordinary_paths_are_taken_as_they_are(path: str) -> None:
    assert paths_of(archive([Member(name=path)])) == [path]


UNSAFE_PATHS: dict[str | bytes, str] = {
    "../a.py": "'..'",
    "pkg/../../a.py": "'..'",
    "pkg/..": "'..'",
    "..": "'..'",
    "./a.py": "'.'",
    "pkg/./a.py": "'.'",
    "/etc/passwd": "absolute",
    "//server/share": "absolute",
    "pkg//a.py": "''",
    "": "empty",
    "/": "empty",
    "pkg\\a.py": "backslash",
    "..\\a.py": "backslash",
    "C:/a.py": "drive letter",
    "c:a.py": "drive letter",
    "a\0.py": "NUL",
    "a\n.py": "control character",
    "a\x1b[2J.py": "control character",
    "a\x7f.py": "control character",
    "a\x9b2J.py": "control character",
    "x" * 256: "longer than",
    "\u00e9" * 128: "longer than",
    "/".join("y" * 100 for _ in range(30)): "longer than",
    b"caf\xe9.py": "not ASCII",
    "caf\u00e9.py".encode(): "not ASCII",
}


@pytest.mark.parametrize(("path", "reason"), UNSAFE_PATHS.items(), ids=repr)
def test_paths_that_are_no_good_anywhere_are_refused(path: str | bytes, reason: str) -> None:
    with pytest.raises(UnsafeArchive, match=reason) as caught:
        paths_of(archive([A, Member(name=path)]))
    assert caught.value.archive == NAME
    assert caught.value.member is not None


def test_a_name_marked_as_utf_8_that_is_none_is_refused() -> None:
    with pytest.raises(UnsafeArchive, match="not UTF-8"):
        paths_of(archive([Member(name=b"caf\xe9.py", flags=0x800)]))


PAIRS: dict[str, tuple[str, str, str]] = {
    "a file twice": ("a/b.py", "a/b.py", "stands twice"),
    "a folder twice": ("a/", "a/", "stands twice"),
    "a file and a folder by itself": ("a", "a/", "a file and a folder"),
    "a file and a folder by what is in it": ("a/b", "a/b/c", "a file and a folder"),
    "a file and a folder far above": ("a", "a/b/c/d", "a file and a folder"),
}


@pytest.mark.parametrize(("first", "second", "reason"), PAIRS.values(), ids=PAIRS)
def test_paths_that_exclude_one_another_are_refused(first: str, second: str, reason: str) -> None:
    for pair in ((first, second), (second, first)):
        with pytest.raises(UnsafeArchive, match=reason):
            paths_of(archive(Member(name=path, mode=0) for path in pair))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("pkg/Readme", "pkg/README"),
        ("Pkg/x", "pkg/x"),
        ("caf\u00e9", "cafe\u0301"),
        ("CAF\u00c9", "cafe\u0301"),
        ("a/B", "A/b/c"),
        ("stra\u00dfe", "STRASSE"),
    ],
)
def test_names_that_fold_together_are_refused_only_where_the_file_system_folds(
    first: str, second: str
) -> None:
    data = archive([Member(name=first), Member(name=second)])
    assert paths_of(data) == [first, second]
    with pytest.raises(UnsafeArchive, match=r"is the same file here|a file and a folder"):
        paths_of(data, Limits(folds_case=True))


def test_folders_that_fold_together_are_one_folder() -> None:
    data = archive(Member(name=name, mode=0) for name in ("Pkg/", "pkg/", "Pkg/a", "pkg/b"))
    assert paths_of(data, Limits(folds_case=True)) == ["Pkg/", "pkg/", "Pkg/a", "pkg/b"]


KINDS: dict[str, tuple[Member, str]] = {
    "a symbolic link": (Member(name="a", mode=LINK), "symbolic link"),
    "a symbolic link called as a folder": (Member(name="a/", mode=LINK), "something else"),
    "a device": (Member(name="a", mode=DEVICE), "neither a file nor a folder"),
    "a folder called as a file": (Member(name="a", mode=FOLDER), "neither a file nor a folder"),
    "a folder with content": (Member(name="a/", content=b"x", mode=FOLDER), "folder with content"),
    "a folder with hidden content": (
        Member(name="a/", mode=FOLDER, data=b"\3\0hidden"),
        "folder with content",
    ),
    "an encrypted file": (Member(name="a", flags=0x0001), "encrypted"),
    "a strongly encrypted file": (Member(name="a", flags=0x0041), "encrypted"),
    "masked headers": (Member(name="a", flags=0x2000), "encrypted"),
    "patched data": (Member(name="a", flags=0x0020), "flags 0x0020"),
    "implode": (Member(name="a", method=6), "method 6"),
    "deflate64": (Member(name="a", method=9), "method 9"),
    "bzip2": (Member(name="a", method=12), "method 12"),
    "lzma": (Member(name="a", method=14), "method 14"),
    "another volume": (Member(name="a", central={"disk": 1}), "another volume"),
    "a second name": (
        Member(name="a", extra=b"\x75\x70\x06\x00\x01....b"),
        "second name",
    ),
    "zip64 without values": (Member(name="a", central={"size": FULL}), "zip64"),
    "zip64 with too few values": (
        Member(name="a", central={"size": FULL, "packed_size": FULL}, extra=zip64(1)),
        "zip64",
    ),
    "zip64 twice": (
        Member(name="a", central={"size": FULL}, extra=zip64(0) + zip64(1)),
        "zip64",
    ),
}


@pytest.mark.parametrize(("member", "reason"), KINDS.values(), ids=KINDS)
def test_what_is_no_plain_file_or_folder_is_refused(member: Member, reason: str) -> None:
    with pytest.raises(UnsafeArchive, match=reason):
        paths_of(archive([A, member]))


@pytest.mark.parametrize(
    ("mode", "executable"),
    [
        (REGULAR, False),
        (0o100755, True),
        (0o100744, True),
        (0o100654, True),
        (0o100645, True),
        (0o755, False),
        (0, False),
    ],
)
def test_only_a_regular_file_with_an_x_bit_is_executable(mode: int, executable: bool) -> None:
    (member,) = members_of(archive([Member(name="a", mode=mode)]))
    assert member.executable is executable


FORMS: dict[str, tuple[bytes, type[Exception], str]] = {
    "nothing at all": (b"", DamagedArchive, "does not end as"),
    "no zip archive": (b"\x1f\x8b" + bytes(400), DamagedArchive, "does not end as"),
    "cut short": (archive([A, B])[:-1], DamagedArchive, "does not end as"),
    "padded": (archive([A, B]) + b"\0", DamagedArchive, "does not end as"),
    "junk behind": (archive([A, B], after=b"<script>"), DamagedArchive, "does not end as"),
    "two archives in a row": (archive([A]) + archive([B]), UnsafeArchive, "end at byte"),
    "an archive in the comment": (
        archive([A], comment=archive([B])),
        UnsafeArchive,
        "in two places",
    ),
    "something in front": (archive([A, B], before=b"#!"), UnsafeArchive, "before its first"),
    "something in front that is not counted": (
        b"#!" + archive([A, B]),
        UnsafeArchive,
        "end at byte",
    ),
    "something before the end": (
        archive([A, B], before_end=b"?"),
        UnsafeArchive,
        "end at byte",
    ),
    "a longer directory": (archive([A, B], end={"count": 1, "here": 1}), DamagedArchive, "hold 1"),
    "a shorter directory": (archive([A], end={"count": 2, "here": 2}), DamagedArchive, "early"),
    "a swollen directory": (
        archive([Member(name="a", comment=bytes(9000), extra=b"\xfe\xca\x80\x00" + bytes(128))]),
        UnsafeArchive,
        "a directory of",
    ),
    "no directory entry": (
        archive([A]).replace(b"PK\1\2", b"PK\1\3"),
        DamagedArchive,
        "cannot be read",
    ),
    "several volumes": (archive([A], end={"disk": 1}), UnsafeArchive, "volumes"),
    "entries on other volumes": (archive([A], end={"here": 0}), UnsafeArchive, "volumes"),
    "members one over another": (
        archive([A, Member(name="c.py", content=b"c", central={"offset": 20})]),
        UnsafeArchive,
        "overlaps",
    ),
    "one content twice": (
        archive([A, Member(name="c.py", content=A.content, central={"offset": 0})]),
        UnsafeArchive,
        "overlaps",
    ),
    "content up to the directory and beyond": (
        archive([Member(name="a", central={"packed_size": 400})]),
        UnsafeArchive,
        "overlaps",
    ),
    "a member behind the directory": (
        archive([A, Member(name="c.py", central={"offset": 100_000})]),
        UnsafeArchive,
        "overlaps",
    ),
}


@pytest.mark.parametrize(("data", "error", "reason"), FORMS.values(), ids=FORMS)
def test_archives_that_are_not_laid_out_as_one_are_refused(
    data: bytes, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        paths_of(data)


def test_an_archive_may_have_a_comment() -> None:
    assert paths_of(archive([A, B], comment=b"made by hand")) == ["a.py", "b.py"]


def test_an_empty_archive_has_no_members() -> None:
    assert paths_of(archive([])) == []


def test_members_come_in_the_order_in_which_they_lie() -> None:
    assert paths_of(archive([A, B], order=[1, 0])) == ["a.py", "b.py"]


def as_zip64(members: list[Member], **fields: int) -> bytes:
    """Return an archive with zip64 end records; `fields` replace some of theirs."""
    plain = archive(members)
    size, offset = (int.from_bytes(plain[at : at + 4], "little") for at in (-10, -6))
    full = {"here": 0xFFFF, "count": 0xFFFF, "size": FULL, "offset": FULL}
    return archive(members, before_end=zip64_end(len(members), size, offset, **fields), end=full)


def test_zip64_is_read() -> None:
    wide = Member(
        name="wide",
        content=b"wide" * 9,
        central={"size": FULL, "packed_size": FULL, "offset": FULL},
        extra=zip64(36, len(deflated(b"wide" * 9)), 30 + 4 + len(deflated(A.content))),
    )
    found = members_of(as_zip64([A, wide]))
    assert [(member.path, member.size) for member in found] == [("a.py", 6), ("wide", 36)]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"disk": 1}, "volumes"),
        ({"here": 0}, "volumes"),
        ({"disks": 2}, "not where it should be"),
        ({"at": 0}, "not where it should be"),
        ({"length": 45}, "unknown form"),
    ],
)
def test_a_zip64_end_that_is_not_as_it_should_be_is_refused(
    fields: dict[str, int], reason: str
) -> None:
    with pytest.raises(UnsafeArchive, match=reason):
        paths_of(as_zip64([A, B], **fields))


def test_two_end_records_must_agree() -> None:
    plain = archive([A, B])
    size, offset = (int.from_bytes(plain[at : at + 4], "little") for at in (-10, -6))
    data = archive([A, B], before_end=zip64_end(2, size, offset), end={"count": 1, "here": 1})
    with pytest.raises(UnsafeArchive, match="disagree"):
        paths_of(data)


LIMITS: dict[str, tuple[Limits, str, int]] = {
    "members": (Limits(members=1), "members", 2),
    "one file": (Limits(member_size=53), "member_size", 54),
    "all files": (Limits(total_size=59), "total_size", 60),
    "ratio": (Limits(ratio=0, ratio_from=59), "ratio", 60),
}


@pytest.mark.parametrize(("limits", "limit", "found"), LIMITS.values(), ids=LIMITS)
def test_more_than_the_limits_allow_is_refused(limits: Limits, limit: str, found: int) -> None:
    with pytest.raises(ArchiveTooLarge) as caught:
        paths_of(archive([A, B]), limits)
    assert (caught.value.limit, caught.value.found) == (limit, found)


def test_what_the_limits_just_allow_is_taken() -> None:
    limits = Limits(members=2, member_size=54, total_size=60, ratio=0, ratio_from=60)
    assert paths_of(archive([A, B]), limits) == ["a.py", "b.py"]


def test_a_bomb_is_known_by_what_it_declares() -> None:
    bomb = Member(name="bomb", content=bytes(1 << 20))
    bombs = [
        Member(name=f"bomb{number}", content=bomb.content, data=deflated(bomb.content))
        for number in range(3)
    ]
    with pytest.raises(ArchiveTooLarge, match="`ratio`"):
        paths_of(archive(bombs), Limits(ratio_from=1 << 20))


def test_a_file_of_4_gib_is_no_bomb_by_itself() -> None:
    size = 5 << 30
    giant = Member(name="giant", central={"size": FULL}, extra=zip64(size))
    limits = Limits(ratio_from=size)
    assert [member.size for member in members_of(archive([giant]), limits)] == [size]


def test_the_middle_of_the_local_header_is_foreseen_where_it_can_be() -> None:
    data = archive([A, Member(name="b", flags=DESCRIPTOR), Member(name="c", method=STORED)])
    headers = {member.path: (member.offset, member.header) for member in members_of(data)}
    for path, (offset, header) in headers.items():
        assert header == (b"" if path == "b" else data[offset + 4 : offset + 28])


def test_a_name_is_shown_without_what_could_steer_a_terminal() -> None:
    with pytest.raises(UnsafeArchive) as caught:
        paths_of(archive([Member(name="a\x1b[2J")]))
    assert "\x1b" not in str(caught.value)
    assert r"a\x1b[2J" in str(caught.value)
