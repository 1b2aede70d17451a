"""Files that Git LFS keeps: pointers to them, and their content, fetched by `git lfs`.

A pointer says hash and size (the LFS specification, version 1), so what is put in its place is
checked like everything else.
"""

from __future__ import annotations

import os
from hashlib import sha256 as new_sha256

from envbuild.errors import RealiseError
from envbuild.frozen import frozen
from envbuild.realise.git import GitFailed, last_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from envbuild.realise.git import Git
    from envbuild.sources.git_url import Address

LARGEST_POINTER = 1024

_LARGEST_PIECE = 1 << 20
_VERSIONS = ("https://git-lfs.github.com/spec/v1", "https://hawser.github.com/spec/v1")


class LfsMissing(RealiseError):
    """There is no `git lfs`, and a repository needs it."""

    def __init__(self, repository: str) -> None:
        super().__init__(
            f"files of `{repository}` are kept by Git LFS, and there is no `git lfs` here",
            hint="install git-lfs",
        )
        self.repository = repository


class LfsFileMissing(RealiseError):
    """A file that Git LFS should keep and does not have, or has with another content."""

    def __init__(self, repository: str, path: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"`{path}` of `{repository}`, kept by Git LFS, {reason}", hint=hint)
        self.repository = repository
        self.path = path
        self.reason = reason


@frozen
class Pointer:
    """What stands in a repository in place of a file.

    Attributes:
        sha256: of the file.
        size: of the file, in bytes.
    """

    sha256: str
    size: int


def parse_pointer(content: bytes) -> Pointer | None:
    """Return the pointer that `content` is, `None` where it is none: then it is the file itself."""
    if len(content) > LARGEST_POINTER:
        return None
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return None
    fields = dict(line.partition(" ")[::2] for line in lines)
    algorithm, _, digest = fields.get("oid", "").partition(":")
    size = fields.get("size", "")
    if (
        fields.get("version") not in _VERSIONS
        or (algorithm, len(digest), digest.strip("0123456789abcdef")) != ("sha256", 64, "")
        or not (size.isascii() and size.isdecimal())
    ):
        return None
    return Pointer(sha256=digest, size=int(size))


def fetch_files(
    git: Git, folder: str, address: Address, commit: str, pointers: Collection[Pointer]
) -> None:
    """Make the content of `pointers` be in the repository at `folder`, as far as it can be had.

    Raises:
        LfsMissing: something must be fetched, and there is no `git lfs`.
        GitFailed: it says that it cannot.
    """
    if all(os.path.exists(_place(folder, pointer)) for pointer in pointers):
        return
    if git.run("lfs", "version", folder=folder).returncode:
        raise LfsMissing(address.url)
    done = git.run("lfs", "fetch", address.url, commit, folder=folder)
    if done.returncode:
        words = last_words(done)
        raise GitFailed("fetch files that Git LFS keeps from", address.url, words)


def read_file(
    folder: str, pointer: Pointer, *, path: str, repository: str, offline: bool
) -> Iterator[bytes]:
    """Yield the content that a pointer stands for, which is right once all of it has been taken.

    Args:
        folder: of the repository.
        pointer: says what is wanted.
        path: how errors call the file.
        repository: how errors call the repository.
        offline: whether nothing could be fetched.

    Raises:
        LfsFileMissing: it is not there, or not what the pointer says.
    """
    hasher, size = new_sha256(), 0
    try:
        with open(_place(folder, pointer), "rb") as file:
            while piece := file.read(_LARGEST_PIECE):
                hasher.update(piece)
                size += len(piece)
                yield piece
    except FileNotFoundError:
        if offline:
            reason, hint = "is not here, and the network is off", "run once without `--offline`"
            raise LfsFileMissing(repository, path, reason, hint=hint) from None
        raise LfsFileMissing(repository, path, "is not to be had") from None
    except OSError as error:
        raise LfsFileMissing(repository, path, f"cannot be read: {error.strerror}") from error
    if (hasher.hexdigest(), size) != (pointer.sha256, pointer.size):
        raise LfsFileMissing(repository, path, "is not what its pointer says")


def _place(folder: str, pointer: Pointer) -> str:
    digest = pointer.sha256
    return f"{folder}/lfs/objects/{digest[:2]}/{digest[2:4]}/{digest}"
