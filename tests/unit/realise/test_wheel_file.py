"""Wheel files beside the store: whole or not there, and left alone where nothing changes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from envbuild.environment.link import DamagedBlobs
from envbuild.realise.archive_limits import Limits
from envbuild.realise.unpack import unpack_wheel
from envbuild.realise.wheel_file import UnwritableWheel, WheelFile, write_wheel
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from support.wheels import build_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envbuild.digest import Digest

NAME = "demo-1.0-py3-none-any.whl"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "store")) as opened:
        yield opened


@pytest.fixture
def tree(store: Store, tmp_path: Path) -> Digest:
    return stored(store, tmp_path / "first", "X = 1\n")


def stored(store: Store, folder: Path, code: str) -> Digest:
    path = build_wheel(folder, "demo", "1.0", files={"demo.py": code})
    with Publication(store) as publication, open(path, "rb") as file:
        unpacked = unpack_wheel(
            file.fileno(),
            filename=NAME,
            distribution="demo",
            version="1.0",
            verify_record=True,
            limits=Limits(),
            blobs=publication.blobs,
        )
        digest = publication.add_tree(unpacked.tree)
        publication.commit()
    return digest


def write(store: Store, tree: Digest, folder: Path) -> WheelFile:
    return write_wheel(store, tree, str(folder / NAME), compress=False)


def damage(store: Store, tree: Digest) -> str:
    """Edit a file of an entry, as through a hard link, and return the path of its blob."""
    listed = store.read_tree(tree)
    assert listed is not None
    (entry,) = (entry for entry in listed.entries if entry.path == "demo.py")
    assert entry.digest is not None
    path = store.absolute(layout.blob(entry.digest, executable=False))
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.write(b"Y")
    return path


def test_a_folder_is_made_that_git_ignores(store: Store, tree: Digest, tmp_path: Path) -> None:
    folder = tmp_path / "some" / "dist"
    written = write(store, tree, folder)
    assert written.action == "written"
    assert written.size == (folder / NAME).stat().st_size
    assert sorted(os.listdir(folder)) == [".gitignore", NAME]
    assert (folder / ".gitignore").read_text() == "*\n"


def test_a_folder_that_is_there_gets_nothing_else(
    store: Store, tree: Digest, tmp_path: Path
) -> None:
    folder = tmp_path / "dist"
    folder.mkdir()
    write(store, tree, folder)
    assert os.listdir(folder) == [NAME]


def test_a_file_that_is_the_same_is_left_alone(store: Store, tree: Digest, tmp_path: Path) -> None:
    first = write(store, tree, tmp_path / "dist")
    os.utime(first.path, (1, 1))
    before = os.stat(first.path)
    second = write(store, tree, tmp_path / "dist")
    assert second == WheelFile(path=first.path, sha256=first.sha256, size=first.size, action="kept")
    after = os.stat(first.path)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_another_file_is_replaced(store: Store, tree: Digest, tmp_path: Path) -> None:
    first = write(store, tree, tmp_path / "dist")
    second = write(store, stored(store, tmp_path / "second", "X = 2\n"), tmp_path / "dist")
    assert second.action == "replaced"
    assert second.sha256 != first.sha256
    assert sorted(os.listdir(tmp_path / "dist")) == [".gitignore", NAME]


def test_a_link_is_replaced_and_what_it_leads_to_is_not(
    store: Store, tree: Digest, tmp_path: Path
) -> None:
    folder, target = tmp_path / "dist", tmp_path / "elsewhere.whl"
    first = write(store, tree, folder)
    os.rename(first.path, target)
    os.symlink(target, first.path)
    assert write(store, tree, folder).action == "replaced"
    assert not os.path.islink(first.path)


def test_what_the_store_has_lost_becomes_no_wheel(
    store: Store, tree: Digest, tmp_path: Path
) -> None:
    path = damage(store, tree)
    with pytest.raises(DamagedBlobs) as caught:
        write(store, tree, tmp_path / "dist")
    assert [store.absolute(f"{layout.BLOBS}/{blob}") for blob in caught.value.blobs] == [path]
    os.unlink(path)
    with pytest.raises(DamagedBlobs):
        write(store, tree, tmp_path / "dist")
    assert os.listdir(tmp_path / "dist") == [".gitignore"]


@pytest.mark.parametrize("kind", ["file as folder", "file above", "folder as file"])
def test_a_place_that_cannot_be_written_to_is_named(
    store: Store, tree: Digest, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "dist"
    match kind:
        case "file as folder":
            folder.write_bytes(b"")
        case "file above":
            folder.write_bytes(b"")
            folder = folder / "below"
        case _:
            (folder / NAME / "full").mkdir(parents=True)
    with pytest.raises(UnwritableWheel) as caught:
        write(store, tree, folder)
    assert str(folder / NAME) in caught.value.message
    assert caught.value.hint is not None
    if folder.is_dir():
        assert os.listdir(folder) == [NAME]
