"""Objects of a git repository, each checked against its name; and the files of a commit.

A commit's name is the hash of what it says, which names its tree, which names the rest. So whatever
lies in a repository, and whoever sent it, what is read here is what the commit stands for. Names
that are fit for no folder are refused. Nothing is checked out: no filter, hook or link of the
repository gets a chance to do anything.
"""

from __future__ import annotations

import os
from hashlib import sha1

from envbuild.errors import RealiseError
from envbuild.frozen import frozen
from envbuild.realise.zip_directory import (
    ArchiveTooLarge,
    UnsafeArchive,
    check_paths,
    fault_of_member_path,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from subprocess import Popen
    from types import TracebackType
    from typing import IO, Literal, Self

    from envbuild.realise.archive_limits import Limits
    from envbuild.realise.git import Git

    Kind = Literal["file", "executable", "symlink", "submodule"]

PIECE = 4 << 20
"""Objects up to so many bytes may be read in one piece."""

_LARGEST_PIECE = 1 << 20
_ASKED_AT_ONCE = 256
"""So many requests fit into a pipe, whatever the system, while nobody reads from it."""

_LARGEST_DESCRIPTION = 64 << 20
"""So many bytes may a commit or a tree have; a million files come to less."""

_KIND_BITS = 0o170000
_NAME_SIZE = 20


class DamagedRepository(RealiseError):
    """A repository in which something is missing or is not what its name says.

    Attributes:
        folder: of the repository.
        object: name of the object.
    """

    def __init__(self, folder: str, name: str, reason: str) -> None:
        super().__init__(f"the repository `{folder}` is damaged: object `{name}` {reason}")
        self.folder = folder
        self.object = name
        self.reason = reason


@frozen
class Item:
    """One file of a commit.

    Attributes:
        path: relative, with `/` between names, safe below any folder.
        kind: what it is.
        object: name of the object that has its content; of a submodule, the commit.
    """

    path: str
    kind: Kind
    object: str


class Objects:
    """The objects of one repository, read through one `git cat-file`. A context manager.

    Attributes:
        folder: of the repository.
    """

    __slots__ = ("_input", "_output", "_process", "folder")

    def __init__(self, git: Git, folder: str) -> None:
        self.folder = folder
        self._process: Popen[bytes] = git.start("cat-file", "--batch", folder=folder)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input: IO[bytes] = self._process.stdin
        self._output: IO[bytes] = self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Whatever it has left to say, nobody wants to hear.
        self._process.kill()
        self._output.close()
        try:
            self._input.close()
        except BrokenPipeError:
            pass
        self._process.wait()

    def read(self, name: str, kind: str) -> bytes:
        """Return the content of one object.

        Raises:
            DamagedRepository: it is not there, of another kind, or not what its name says.
        """
        ((_, pieces),) = self.read_all((name,), kind)
        return b"".join(pieces)

    def read_all(self, names: Sequence[str], kind: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Yield size and content, in pieces of at most 1 MiB, of each object in turn.

        All pieces of one must be taken before the next. They can be trusted once the last of them
        has been taken, and not before. Raises as `read` does.
        """
        for start in range(0, len(names), _ASKED_AT_ONCE):
            asked = names[start : start + _ASKED_AT_ONCE]
            try:
                self._input.write("".join(f"{name}\n" for name in asked).encode())
                self._input.flush()
            except BrokenPipeError:
                raise DamagedRepository(self.folder, asked[0], "cannot be read") from None
            for name in asked:
                size = self._size(name, kind)
                yield size, self._pieces(name, kind, size)

    def _size(self, name: str, kind: str) -> int:
        answer = self._output.readline().split()
        if len(answer) != 3 or answer[0] != name.encode() or not answer[2].isdigit():
            raise DamagedRepository(self.folder, name, "is missing")
        if answer[1] != kind.encode():
            raise DamagedRepository(self.folder, name, f"is no {kind}")
        size = int(answer[2])
        if kind != "blob" and size > _LARGEST_DESCRIPTION:
            raise DamagedRepository(self.folder, name, f"has {size} bytes")
        return size

    def _pieces(self, name: str, kind: str, size: int) -> Iterator[bytes]:
        hasher = sha1(f"{kind} {size}\0".encode(), usedforsecurity=False)
        left = size
        while left:
            piece = self._output.read(min(left, _LARGEST_PIECE))
            if not piece:
                raise DamagedRepository(self.folder, name, "cannot be read")
            left -= len(piece)
            hasher.update(piece)
            yield piece
        if self._output.read(1) != b"\n" or hasher.hexdigest() != name:
            raise DamagedRepository(self.folder, name, "is not what its name says")


def list_files(objects: Objects, commit: str, *, label: str, limits: Limits) -> list[Item]:
    """Return the files of a commit, in no order that means anything.

    Args:
        objects: of a repository that has the commit.
        commit: its full name.
        label: how errors call it.
        limits: how many files and folders there may be.

    Raises:
        DamagedRepository: something is missing, or not what its name says.
        UnsafeArchive: a path or a kind is not as it should be.
        ArchiveTooLarge: there are too many.
    """
    first, _, _ = objects.read(commit, "commit").partition(b"\n")
    word, _, root = first.partition(b" ")
    if word != b"tree":
        raise DamagedRepository(objects.folder, commit, "names no tree")
    items: list[Item] = []
    folders = [("", root.decode("ascii", "replace"))]
    count = 0
    while folders:
        names = list(dict.fromkeys(name for _, name in folders))
        trees = dict(zip(names, _read_trees(objects, names), strict=True))
        below: list[tuple[str, str]] = []
        for folder, tree in folders:
            # Trees may repeat one another to any number of files: what counts is what comes of it.
            count += len(trees[tree])
            if count > limits.members:
                raise ArchiveTooLarge(label, "members", count, limits.members)
            for mode, name, target in trees[tree]:
                path = _path(folder, name, label)
                match mode & _KIND_BITS:
                    case 0o040000:
                        below.append((path, target))
                    case 0o100000:
                        kind: Kind = "executable" if mode & 0o111 else "file"
                        items.append(Item(path=path, kind=kind, object=target))
                    case 0o120000:
                        items.append(Item(path=path, kind="symlink", object=target))
                    case 0o160000:
                        items.append(Item(path=path, kind="submodule", object=target))
                    case _:
                        raise UnsafeArchive(label, path, f"its mode {mode:o} is not known")
        folders = below
    check_paths((item.path for item in items), label, folds_case=limits.folds_case)
    return items


def _read_trees(objects: Objects, names: Sequence[str]) -> Iterable[list[tuple[int, bytes, str]]]:
    for name, (_, pieces) in zip(names, objects.read_all(names, "tree"), strict=True):
        yield _parse_tree(b"".join(pieces), objects.folder, name)


def _parse_tree(data: bytes, folder: str, tree: str) -> list[tuple[int, bytes, str]]:
    """Return mode, file name and object of each entry of a tree object."""
    entries = []
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 8)
        end = data.find(b"\0", space)
        mode = data[at:space]
        if space < 0 or end < 0 or len(data) - end - 1 < _NAME_SIZE or mode.strip(b"01234567"):
            raise DamagedRepository(folder, tree, "is no tree")
        name = data[end + 1 : end + 1 + _NAME_SIZE].hex()
        entries.append((int(mode or b"0", 8), data[space + 1 : end], name))
        at = end + 1 + _NAME_SIZE
    return entries


def _path(folder: str, name: bytes, label: str) -> str:
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        shown = os.path.join(folder, name.decode("utf-8", "backslashreplace"))
        raise UnsafeArchive(label, shown, "its name is not UTF-8") from None
    path = f"{folder}/{text}" if folder else text
    if "/" in text or text.lower() == ".git":
        raise UnsafeArchive(label, path, "it is no name for a file")
    fault = fault_of_member_path(path)
    if fault:
        raise UnsafeArchive(label, path, fault)
    return path
