from __future__ import annotations

import os
from pathlib import Path

import pytest

from envbuild.store.removal import remove_all
from support.processes import child, without_privileges

DEPTH = 3000


def test_what_is_not_there_is_no_hurdle(tmp_path: Path) -> None:
    remove_all(str(tmp_path / "absent"))


def test_a_folder_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "a" / "b" / "c").mkdir(parents=True)
    (folder / "a" / "b" / "file").touch()
    (folder / "d").mkdir()
    os.mkfifo(folder / "d" / "pipe")
    (folder / os.fsdecode(b"\xff")).touch()
    remove_all(str(folder))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["file", "link", "pipe"])
def test_what_is_no_folder_goes_as_well(tmp_path: Path, kind: str) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    path = tmp_path / "other"
    match kind:
        case "file":
            path.touch()
        case "link":
            path.symlink_to(kept)
        case "pipe":
            os.mkfifo(path)
    remove_all(str(path))
    assert not os.path.lexists(path)
    assert (kept / "file").exists()


def test_links_lead_nowhere(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "link").symlink_to(kept)
    (folder / "below" / "link").symlink_to(kept)
    (folder / "loop").symlink_to(folder)
    remove_all(str(folder))
    assert os.listdir(tmp_path) == ["kept"]
    assert (kept / "file").exists()


def test_depth_is_no_hurdle(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    above = os.open(folder, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir("d", dir_fd=above)
        below = os.open("d", os.O_RDONLY, dir_fd=above)
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=below))
        os.close(above)
        above = below
    os.close(above)
    remove_all(str(folder))
    assert os.listdir(tmp_path) == []


REMOVE = """
import os, sys
from envbuild.store.removal import remove_all
remove_all(sys.argv[1])
print(os.path.lexists(sys.argv[1]))
"""


def test_folders_that_are_closed_to_their_owner_are_opened(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    closed = folder / "a" / "closed"
    (closed / "below" / "deeper").mkdir(parents=True)
    (closed / "file").touch()
    (closed / "below").chmod(0)
    closed.chmod(0o400)
    (folder / "a").chmod(0o500)
    folder.chmod(0o500)
    prefix = without_privileges()
    with child(REMOVE, str(folder), prefix=prefix) as other:
        assert other.reads() == "False"
