"""Trees: the sorted list of the files of one stored directory.

The form is specified in `store_layout/v1/tree.md`. The BLAKE3 digest of a tree's canonical JSON is
the identity of the entry. Folders are not listed: those that hold a file exist, empty ones do not.
"""

from __future__ import annotations

from envbuild import canonical
from envbuild.digest import Digest, digest_of, is_digest
from envbuild.errors import StoreError
from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from envbuild.canonical import Json

    Kind = Literal["file", "executable", "symlink"]

FORMAT = "envbuild-tree"
VERSION = 1

_OUTSIDE = "it is not a relative path that stays inside the tree"


class InvalidTree(StoreError):
    """A tree that breaks a rule of its format.

    Attributes:
        place: the field, such as `entries[3].path`; `document` for the record as a whole.
        reason: the rule that is broken.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"invalid tree: {place}: {reason}")
        self.place = place
        self.reason = reason


@frozen
class Entry:
    """One file of a tree.

    Attributes:
        path: relative, `/` between names; no name is empty, `.` or `..`.
        kind: `file`, `executable`, or `symlink`.
        digest: BLAKE3 of the content; `None` for a symbolic link.
        sha256: SHA-256 of the content, hexadecimal; `None` for a symbolic link.
        size: in bytes; `None` for a symbolic link.
        target: what a symbolic link says: a relative path that stays inside the tree and has `..`
            only in front; else `None`.
    """

    path: str
    kind: Kind
    digest: Digest | None
    sha256: str | None
    size: int | None
    target: str | None = None

    def as_json(self) -> dict[str, Json]:
        """Return the form used in records: every field, `null` for nothing."""
        return {
            "digest": self.digest,
            "kind": self.kind,
            "path": self.path,
            "sha256": self.sha256,
            "size": self.size,
            "target": self.target,
        }


@frozen
class Tree:
    """Entries sorted by path (code points), no path twice, none below another."""

    entries: tuple[Entry, ...]

    @staticmethod
    def of(entries: Iterable[Entry]) -> Tree:
        """Return the tree of `entries` in any order.

        Raises:
            InvalidTree: a path is not allowed, stands twice, or lies below a file; or a symbolic
                link may lead outside. Places count the entries in their order.
        """
        ordered = tuple(sorted(entries, key=lambda entry: entry.path))
        _check_paths(ordered)
        for number, entry in enumerate(ordered):
            if entry.kind == "symlink" and not stays_inside(entry.path, entry.target or ""):
                raise InvalidTree(f"entries[{number}].target", _OUTSIDE)
        return Tree(entries=ordered)

    @property
    def size(self) -> int:
        """Sum of the sizes of all files, in bytes."""
        return sum(entry.size or 0 for entry in self.entries)

    def encode(self) -> bytes:
        """Return the canonical bytes, whose digest is the tree's identity."""
        return canonical.encode(
            {
                "entries": [entry.as_json() for entry in self.entries],
                "format": FORMAT,
                "version": VERSION,
            }
        )

    @property
    def digest(self) -> Digest:
        """The identity of the entry that this tree describes."""
        return digest_of(self.encode())


def decode_tree(data: bytes) -> Tree:
    """Return the tree whose canonical form is `data`.

    Raises:
        InvalidTree: a field is missing, superfluous or wrong, or the version is not ours.
        NotCanonical: the bytes are another spelling of their value.
    """
    document = canonical.decode(data, what="tree")
    if not isinstance(document, dict):
        raise InvalidTree("document", "it is not an object")
    if document.get("format") != FORMAT:
        raise InvalidTree("format", f"it is not `{FORMAT}`")
    version = document.get("version")
    if version != VERSION or isinstance(version, bool):
        raise InvalidTree("version", f"it is not {VERSION}, the only one known here")
    if document.keys() != {"entries", "format", "version"}:
        raise InvalidTree("document", "its keys are not `entries`, `format` and `version`")
    rows = document["entries"]
    if not isinstance(rows, list):
        raise InvalidTree("entries", "it is not a list")
    entries = tuple(_entry(row, f"entries[{number}]") for number, row in enumerate(rows))
    for number in range(1, len(entries)):
        if entries[number - 1].path >= entries[number].path:
            raise InvalidTree(f"entries[{number}].path", "it is not greater than the one before")
    _check_paths(entries)
    return Tree(entries=entries)


def fault_of_path(path: str) -> str | None:
    """Return what is wrong with `path` as the path of an entry, `None` when nothing is."""
    if not path:
        return "it is empty"
    if path.startswith("/"):
        return "it is absolute"
    if "\\" in path or "\0" in path:
        return "it holds a backslash or a NUL"
    for name in path.split("/"):
        if name in {"", ".", ".."}:
            return f"it holds the name {name!r}"
    return None if canonical.is_text(path) else "it is not Unicode text"


def stays_inside(path: str, target: str) -> bool:
    """Tell whether a symbolic link at `path` that says `target` can only lead into its tree.

    `..` may stand in front alone: the folders above an entry are real ones, so such steps lead
    where they seem to; after a name, `..` would leave whatever folder a link of that name leads to.
    """
    if not target or target.startswith("/") or "\\" in target or "\0" in target:
        return False
    if not canonical.is_text(target):
        return False
    names = [name for name in target.split("/") if name not in {"", "."}]
    steps_up = 0
    while steps_up < len(names) and names[steps_up] == "..":
        steps_up += 1
    return steps_up <= path.count("/") and ".." not in names[steps_up:]


def _check_paths(entries: tuple[Entry, ...]) -> None:
    paths = set[str]()
    for number, entry in enumerate(entries):
        place = f"entries[{number}].path"
        fault = fault_of_path(entry.path)
        if fault:
            raise InvalidTree(place, f"`{entry.path!r}`: {fault}")
        if entry.path in paths:
            raise InvalidTree(place, f"`{entry.path}` stands twice")
        paths.add(entry.path)
    for number, entry in enumerate(entries):
        folder = entry.path.rpartition("/")[0]
        while folder:
            if folder in paths:
                raise InvalidTree(
                    f"entries[{number}].path", f"`{entry.path}` lies below the file `{folder}`"
                )
            folder = folder.rpartition("/")[0]


def _entry(row: Json, place: str) -> Entry:
    fields = {"digest", "kind", "path", "sha256", "size", "target"}
    if not isinstance(row, dict) or row.keys() != fields:
        raise InvalidTree(place, f"its keys are not {', '.join(sorted(fields))}")
    path, kind, digest, sha256, size, target = (
        row["path"],
        row["kind"],
        row["digest"],
        row["sha256"],
        row["size"],
        row["target"],
    )
    if not isinstance(path, str):
        raise InvalidTree(f"{place}.path", "it is not a string")
    match kind:
        case "file" | "executable":
            if not isinstance(digest, str) or not is_digest(digest):
                raise InvalidTree(f"{place}.digest", "it is not a BLAKE3 digest")
            if not isinstance(sha256, str) or not is_digest(sha256):
                raise InvalidTree(f"{place}.sha256", "it is not a SHA-256")
            if not isinstance(size, int) or isinstance(size, bool) or size < 0:
                raise InvalidTree(f"{place}.size", "it is not a size")
            if target is not None:
                raise InvalidTree(f"{place}.target", "only a symbolic link has one")
            return Entry(path=path, kind=kind, digest=Digest(digest), sha256=sha256, size=size)
        case "symlink":
            if not isinstance(target, str) or not stays_inside(path, target):
                raise InvalidTree(f"{place}.target", _OUTSIDE)
            if (digest, sha256, size) != (None, None, None):
                raise InvalidTree(place, "a symbolic link has no content of its own")
            return Entry(path=path, kind=kind, digest=None, sha256=None, size=None, target=target)
        case _:
            raise InvalidTree(f"{place}.kind", f"{kind!r} is not a kind")
