"""Wheels as the store has them: a tree and its blobs, in memory; and what installing one gives."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envbuild.digest import Digest, digest_of
from envbuild.environment.placement import Placement
from envbuild.environment.spread import place
from envbuild.store.tree import Entry, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envbuild.environment.written import WrittenFile
    from envbuild.store.tree import Kind
    from envbuild.target.model import Scheme


@dataclass(frozen=True)
class Unpacked:
    """A tree, and the contents of its files by digest."""

    tree: Tree
    blobs: Mapping[Digest, bytes]

    def place(
        self,
        distribution: str,
        scheme: Scheme,
        python: str = "3.13",
        excluded: tuple[str, ...] = (),
    ) -> Placement:
        return place(
            self.tree,
            digest=self.tree.digest,
            distribution=distribution,
            scheme=scheme,
            python=python,
            read=self.blobs.__getitem__,
            excluded=excluded,
        )


def unpacked(files: Mapping[str, bytes], *, executable: Iterable[str] = ()) -> Unpacked:
    """Return the tree of these files, path to content; `.data/scripts` is executable as a whole."""
    marked = set(executable)
    blobs: dict[Digest, bytes] = {}
    entries = []
    for path, content in files.items():
        digest = digest_of(content)
        blobs[digest] = content
        kind: Kind = "executable" if path in marked or ".data/scripts/" in path else "file"
        sha256 = hashlib.sha256(content).hexdigest()
        entries.append(Entry(path=path, kind=kind, digest=digest, sha256=sha256, size=len(content)))
    return Unpacked(Tree.of(entries), blobs)


def unpacked_wheel(path: str) -> Unpacked:
    """Return the tree of the wheel at `path`."""
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        return unpacked(
            {member.filename: archive.read(member) for member in members},
            executable=(m.filename for m in members if m.external_attr >> 16 & 0o111),
        )


def installed(
    placement: Placement, blobs: Mapping[Digest, bytes], written: Iterable[WrittenFile]
) -> dict[str, tuple[bytes, bool]]:
    """Return path to content and executability of everything that is linked or written."""
    files: dict[str, tuple[bytes, bool]] = {}
    for folder, links in placement.links:
        for name, blob, size in links:
            content = blobs[Digest(blob.replace("/", "").removesuffix(".x"))]
            assert len(content) == size
            path = name if folder == "." else f"{folder}/{name}"
            assert path not in files
            files[path] = content, blob.endswith(".x")
    for file in written:
        assert file.path not in files
        files[file.path] = file.data, file.executable
    return files
