"""A wheel file beside the store: the archive of an entry, written whole or not at all.

Every blob is hashed on its way, so that what the store has lost or somebody has edited never becomes
a wheel. A file that is the same already is left alone, with its times; any other is replaced.
"""

from __future__ import annotations

import os

from blake3 import blake3

from envbuild.environment.link import DamagedBlobs
from envbuild.errors import RealiseError
from envbuild.frozen import frozen
from envbuild.realise.pack import pack
from envbuild.store import layout
from envbuild.store.local import StoreUnusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from envbuild.digest import Digest
    from envbuild.store.local import Store
    from envbuild.store.tree import Entry

_PIECE = 1 << 20


class UnwritableWheel(RealiseError):
    """A wheel file that the operating system does not let be written."""

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(
            f"cannot write `{path}`: {error.strerror or error}",
            hint="name another folder with `--out-dir`",
        )
        self.path = path
        self.errno = error.errno


@frozen
class WheelFile:
    """A wheel file that is there.

    Attributes:
        path: absolute.
        sha256: of its bytes, hexadecimal.
        size: in bytes.
        action: what had to be done for it.
    """

    path: str
    sha256: str
    size: int
    action: Literal["written", "replaced", "kept"]


def write_wheel(store: Store, tree: Digest, path: str, *, compress: bool) -> WheelFile:
    """Write the wheel file of an entry.

    Args:
        store: holds the entry.
        tree: its digest.
        path: absolute path of the file, whose folder is made where it is not there. Its name
            is that of the wheel.
        compress: see `envbuild.realise.pack`.

    Raises:
        DamagedBlobs: the store has lost a part of it; there is no such file then, or the one before.
        StoreUnusable: a part of it cannot be read.
        UnwritableWheel: the operating system refuses.
    """
    folder, name = os.path.split(path)
    draft = f"{folder}/.{name}.{os.getpid()}-{os.urandom(4).hex()}"
    try:
        make_folder(folder)
        try:
            sha256, size = _write(store, tree, draft, compress=compress)
            action = _settle(draft, path, sha256)
        finally:
            if os.path.lexists(draft):
                os.unlink(draft)
    except OSError as error:
        raise UnwritableWheel(path, error) from error
    return WheelFile(path=path, sha256=sha256, size=size, action=action)


def make_folder(path: str) -> None:
    """Make a folder for wheels where there is none, one that git ignores; raises `OSError`."""
    if os.path.isdir(path):
        return
    os.makedirs(path, exist_ok=True)
    # What is built is no source of what is built next.
    with open(f"{path}/.gitignore", "w", encoding="ascii") as file:
        file.write("*\n")


def _write(store: Store, digest: Digest, path: str, *, compress: bool) -> tuple[str, int]:
    """Write the archive; return its SHA-256 and its size."""
    from hashlib import file_digest

    tree = store.read_tree(digest)
    assert tree is not None
    with open(path, "x+b") as file:
        pack(tree, file, read=lambda entry: _content(store, entry), compress=compress)
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
        file.seek(0)
        return file_digest(file, "sha256").hexdigest(), size


def _content(store: Store, entry: Entry) -> Iterator[bytes]:
    assert entry.digest is not None
    blob = layout.blob(entry.digest, executable=entry.kind == "executable")
    hasher = blake3()
    try:
        with open(store.absolute(blob), "rb") as file:
            while piece := file.read(_PIECE):
                hasher.update(piece)
                yield piece
    except FileNotFoundError:
        raise DamagedBlobs([blob.removeprefix(f"{layout.BLOBS}/")]) from None
    except OSError as error:
        raise StoreUnusable(store.path, f"read `{blob}` of", error) from error
    if hasher.hexdigest() != entry.digest:
        raise DamagedBlobs([blob.removeprefix(f"{layout.BLOBS}/")])


def _settle(draft: str, path: str, sha256: str) -> Literal["written", "replaced", "kept"]:
    """Let the draft take its place, unless what is there is the same."""
    from hashlib import file_digest

    if not os.path.lexists(path):
        os.rename(draft, path)
        return "written"
    if os.path.isfile(path) and not os.path.islink(path):
        with open(path, "rb") as file:
            if file_digest(file, "sha256").hexdigest() == sha256:
                return "kept"
    os.replace(draft, path)
    return "replaced"
