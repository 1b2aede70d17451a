"""Small file systems of their own, mounted for a test."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def small_file_system(path: Path, *, size: str = "1m", options: str = "") -> Iterator[Path]:
    """Mount a memory file system of `size` at `path`; skips the test where that is impossible."""
    path.mkdir()
    wanted = ",".join(filter(None, (f"size={size}", options)))
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    done = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", wanted, "tmpfs", str(path)),
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(("umount", "--lazy", str(path)), check=True)


def remount(path: Path, *, read_only: bool) -> None:
    """Let the file system at `path` be written no more, or again."""
    option = "remount,ro" if read_only else "remount,rw"
    subprocess.run(("mount", "-o", option, str(path)), check=True)


def fill(path: Path) -> Path:
    """Leave no room on the file system of the folder `path`; return the file that takes it."""
    ballast = path / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def use_up_names(path: Path) -> Path:
    """Leave no room for another name on the file system of `path`; return the folder of them all.

    For a file system mounted with few inodes (`nr_inodes=100`).
    """
    folder = path / "names"
    folder.mkdir()
    try:
        for number in range(100_000):
            (folder / str(number)).touch()
    except OSError:
        return folder
    raise AssertionError("there was no end of names")


def make_disk(image: Path, *, megabytes: int = 48) -> None:
    """Make a disk with a journal in the file `image`; skips the test where that is impossible."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    program = shutil.which("mkfs.ext4")
    if program is None:
        pytest.skip("`mkfs.ext4` is not here")
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run((program, "-q", "-F", str(image)), check=True)


@contextmanager
def mounted_disk(image: Path, path: Path) -> Iterator[Path]:
    """Mount the disk in the file `image` at `path`; skips the test where that is impossible."""
    path.mkdir(exist_ok=True)
    done = subprocess.run(
        ("mount", "-o", "loop", str(image), str(path)),
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(("umount", str(path)), check=True)
