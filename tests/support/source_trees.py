"""Source trees: folders and archives made of them, and what a store holds of a tree."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zipfile
from typing import TYPE_CHECKING

from envbuild.digest import digest_of
from envbuild.store import layout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envbuild.store.local import Store
    from envbuild.store.tree import Tree

    Files = Mapping[str, bytes | str]
    """Path to content, to `link:` and a target, or to `run:` and the text of an executable file."""

EPOCH = (1980, 1, 2, 0, 0, 0)


def executable(content: str) -> str:
    """Return how `Files` has an executable file."""
    return f"run:{content}"


def link(target: str) -> str:
    """Return how `Files` has a symbolic link."""
    return f"link:{target}"


def write_files(folder: Path, files: Files) -> Path:
    """Write `files` below `folder`, which is made, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        match content:
            case bytes():
                place.write_bytes(content)
            case _ if content.startswith("link:"):
                place.symlink_to(content.removeprefix("link:"))
            case _:
                place.write_text(content.removeprefix("run:"))
                place.chmod(0o755)
    return folder


def sdist_tar(files: Files, *, top: str = "demo-1.0", form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a `.tar.gz` of `files` in the folder `top`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(f"{top}/{path}")
            data = content if isinstance(content, bytes) else b""
            if isinstance(content, str) and content.startswith("link:"):
                info.type, info.linkname = tarfile.SYMTYPE, content.removeprefix("link:")
            elif isinstance(content, str):
                data, info.mode = content.removeprefix("run:").encode(), 0o755
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0)


def sdist_zip(files: Files, *, top: str = "demo-1.0") -> bytes:
    """Return a `.zip` of `files` in the folder `top`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            info = zipfile.ZipInfo(f"{top}/{path}", EPOCH)
            info.create_system, mode = 3, 0o100644
            data = content if isinstance(content, bytes) else b""
            if isinstance(content, str) and content.startswith("link:"):
                data, mode = content.removeprefix("link:").encode(), 0o120777
            elif isinstance(content, str):
                data, mode = content.removeprefix("run:").encode(), 0o100755
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return buffer.getvalue()


def files_of(tree: Tree, store: Store) -> dict[str, bytes | str]:
    """Return what a store holds of a tree in the form of `Files`, each blob checked."""
    found: dict[str, bytes | str] = {}
    for entry in tree.entries:
        if entry.digest is None:
            found[entry.path] = link(entry.target or "")
            continue
        is_executable = entry.kind == "executable"
        path = store.absolute(layout.blob(entry.digest, executable=is_executable))
        with open(path, "rb") as file:
            content = file.read()
        assert os.stat(path).st_mode & 0o777 == (0o555 if is_executable else 0o444)
        assert os.stat(path).st_mtime == layout.TIMESTAMP
        assert entry.digest == digest_of(content)
        assert entry.sha256 == hashlib.sha256(content).hexdigest()
        assert entry.size == len(content)
        found[entry.path] = executable(content.decode()) if is_executable else content
    return found


def files_below(folder: Path) -> dict[str, bytes | str]:
    """Return the files below a folder of the disk in the form of `Files`."""
    found: dict[str, bytes | str] = {}
    for place in sorted(folder.rglob("*")):
        path = place.relative_to(folder).as_posix()
        if place.is_symlink():
            found[path] = link(os.readlink(place))
        elif place.is_file() and place.stat().st_mode & 0o111:
            found[path] = executable(place.read_text())
        elif place.is_file():
            found[path] = place.read_bytes()
    return found
