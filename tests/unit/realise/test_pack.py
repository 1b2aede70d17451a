"""Wheels' archives from trees: the same bytes everywhere, and what every reader makes of them."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from installer.sources import WheelFile

from envbuild.digest import Digest
from envbuild.realise.archive_limits import Limits
from envbuild.realise.pack import pack
from envbuild.realise.unpack import unpack_wheel
from envbuild.realise.zip_directory import read_directory
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from envbuild.store.tree import Entry, Tree
from support.trees import Unpacked, unpacked, unpacked_wheel
from support.wheels import build_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envbuild.realise.zip_directory import Member

FILES = {
    "demo/__init__.py": b"X = 1\n",
    "demo/zürich.txt": "grüezi\n".encode(),
    "demo-1.0.dist-info/RECORD": b"demo/__init__.py,,\n",
    "demo-1.0.dist-info/METADATA": b"Name: demo\n",
    "demo-1.0.dist-info/licenses/RECORD": b"no\n",
    "demo-1.0.data/scripts/run": b"#!python\n",
    "zzz.py": b"",
}
ORDER = [
    "demo-1.0.data/scripts/run",
    "demo/__init__.py",
    "demo/zürich.txt",
    "zzz.py",
    "demo-1.0.dist-info/METADATA",
    "demo-1.0.dist-info/licenses/RECORD",
    "demo-1.0.dist-info/RECORD",
]
SHA256 = "5fdd01afbfea0901d1cc35e5dace1becf32836e454492a71ce796f624740779c"
"""Of the archive of `FILES`. It may change on purpose alone: every wheel that was written changes with it."""

SPELLED_OUT = (
    # The file's own header, its name and its content.
    "504b0304 1400 0000 0000 0000 2200 ac2a93d8 02000000 02000000 0400 0000 612e7079 6869"
    # The directory: what the header says, and who may do what.
    "504b0102 1403 1400 0000 0000 0000 2200 ac2a93d8 02000000 02000000 0400 0000 0000 0000 0000"
    "0000a481 00000000 612e7079"
    # The end: one member, 50 bytes of directory behind 36 of members.
    "504b0506 0000 0000 0100 0100 32000000 24000000 0000"
)


def packed(wheel: Unpacked, *, compress: bool = False) -> bytes:
    file = io.BytesIO()

    def read(entry: Entry) -> Iterator[bytes]:
        assert entry.digest is not None
        content = wheel.blobs[entry.digest]
        middle = len(content) // 2
        yield from (content[:middle], content[middle:])

    pack(wheel.tree, file, read=read, compress=compress)
    return file.getvalue()


def test_an_archive_is_these_bytes() -> None:
    assert packed(unpacked({"a.py": b"hi"})) == bytes.fromhex(SPELLED_OUT)
    assert hashlib.sha256(packed(unpacked(FILES))).hexdigest() == SHA256


def test_members_stand_by_path_with_what_describes_the_wheel_behind_and_record_last() -> None:
    with zipfile.ZipFile(io.BytesIO(packed(unpacked(FILES)))) as archive:
        assert archive.namelist() == ORDER
        assert archive.testzip() is None
        for member in archive.infolist():
            assert archive.read(member) == FILES[member.filename]
            mode = 0o100755 if member.filename.endswith("/run") else 0o100644
            assert (member.date_time, member.external_attr >> 16) == ((1980, 1, 2, 0, 0, 0), mode)
            assert (member.create_system, member.extract_version, member.extra) == (3, 20, b"")


def test_a_wheel_without_files_is_an_archive() -> None:
    with zipfile.ZipFile(io.BytesIO(packed(unpacked({})))) as archive:
        assert archive.namelist() == []


def test_members_can_be_deflated() -> None:
    wheel = unpacked({"demo/long.py": b"x = 1\n" * 1000, "demo/none.py": b""})
    data = packed(wheel, compress=True)
    assert len(data) < 1000
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.read("demo/long.py") == b"x = 1\n" * 1000
        assert {each.compress_type for each in archive.infolist()} == {zipfile.ZIP_DEFLATED}


NAMES = st.text("abé.-_", min_size=1, max_size=4).filter(lambda name: name not in {".", ".."})


@given(
    contents=st.dictionaries(NAMES, st.binary(max_size=200), max_size=6),
    compress=st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_unpacking_gives_the_tree_again(contents: dict[str, bytes], compress: bool) -> None:
    with zipfile.ZipFile(io.BytesIO(packed(unpacked(contents), compress=compress))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == contents


@pytest.mark.parametrize("compress", [False, True])
def test_a_wheel_goes_into_a_store_as_the_tree_that_it_came_from(
    tmp_path: Path, compress: bool
) -> None:
    scripts = {"scripts/run": "#!python\n"}
    before = unpacked_wheel(build_wheel(tmp_path, "demo", "1.0", data=scripts))
    path = tmp_path / "again" / "demo-1.0-py3-none-any.whl"
    path.parent.mkdir()
    path.write_bytes(packed(before, compress=compress))
    with (
        Store.open(str(tmp_path / "store")) as store,
        Publication(store) as publication,
        path.open("rb") as file,
    ):
        after = unpack_wheel(
            file.fileno(),
            filename=path.name,
            distribution="demo",
            version="1.0",
            verify_record=True,
            limits=Limits(),
            blobs=publication.blobs,
        )
    assert after.tree == before.tree
    with WheelFile.open(path) as opened:
        opened.validate_record()


@pytest.mark.parametrize("program", ["unzip -tq", "bsdtar -tf"])
def test_other_programs_read_it(tmp_path: Path, program: str) -> None:
    command = program.split()
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]}")
    (tmp_path / "demo.zip").write_bytes(packed(unpacked(FILES)))
    environ = {**os.environ, "LC_ALL": "C.UTF-8"}
    subprocess.run([*command, "demo.zip"], cwd=tmp_path, env=environ, check=True)


def test_more_members_than_the_old_format_counts() -> None:
    entry = unpacked({"a": b"x"}).tree.entries[0]
    paths = [f"{number:05d}.py" for number in range(0xFFFF)]
    entries = (
        Entry(path=path, kind="file", digest=entry.digest, sha256=entry.sha256, size=1)
        for path in paths
    )
    file = io.BytesIO()
    pack(Tree(entries=tuple(entries)), file, read=lambda _: [b"x"], compress=False)
    assert [member.path for member in directory(file.getvalue())] == paths
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == paths


class Hollow(io.FileIO):
    """A file that leaves out what is zero, so that much of that takes no room."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if data.count(0) == len(data) > 1 << 16:
            self.seek(len(data), os.SEEK_CUR)
            return len(data)
        written = super().write(data)
        assert written == len(data)
        return written


def test_files_and_places_that_need_more_than_32_bits(tmp_path: Path) -> None:
    """Readers compare what both headers say of a member; its content is not looked at here."""
    size, piece = (1 << 32) + 5, bytes(1 << 20)
    digest, sha256 = Digest("0" * 64), "0" * 64
    tree = Tree(
        entries=tuple(
            Entry(path=path, kind="file", digest=digest, sha256=sha256, size=given)
            for path, given in (("large", size), ("small", 5), ("tiny", 0))
        )
    )

    def read(entry: Entry) -> Iterator[bytes]:
        if entry.size == size:
            for _ in range(size >> 20):
                yield piece
        yield bytes(5 if entry.size else 0)

    path = tmp_path / "large.zip"
    with Hollow(str(path), "x+") as file:
        pack(tree, file, read=read, compress=False)
    with path.open("rb") as opened:
        found = read_directory(
            lambda count, offset: os.pread(opened.fileno(), count, offset),
            file_size=path.stat().st_size,
            archive="large.zip",
            methods={0},
            limits=Limits(),
        )
    assert [(each.path, each.size) for each in found] == [
        ("large", size),
        ("small", 5),
        ("tiny", 0),
    ]
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("large").file_size == size
        assert archive.read("small") == bytes(5)


def directory(data: bytes) -> tuple[Member, ...]:
    return read_directory(
        lambda size, offset: data[offset : offset + size],
        file_size=len(data),
        archive="demo.zip",
        methods={0, 8},
        limits=Limits(),
    )
