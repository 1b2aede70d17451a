"""What two trees have differently, file by file, and where two contents part."""

from __future__ import annotations

from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from envbuild.store.tree import Entry, Tree

    Action = Literal["added", "changed", "removed"]


_CHUNK = 2**16


@frozen
class FileDifference:
    """A path where two trees differ; `None` stands for the tree that has nothing there."""

    path: str
    before: Entry | None
    after: Entry | None

    @property
    def action(self) -> Action:
        """What happened on the way from one tree to the other."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"


@frozen
class Parting:
    """Where two contents part.

    Attributes:
        offset: of the first byte that differs, from 0.
        line: its number from 1 where both are text, else `None`.
        before: the line there, without its end; `None` where there is no text, or no line any more.
        after: the same of the second.
    """

    offset: int
    line: int | None = None
    before: str | None = None
    after: str | None = None


def compare_trees(before: Tree, after: Tree) -> tuple[FileDifference, ...]:
    """Return every path where two trees differ, in content, kind or what a link says; sorted."""
    first = {entry.path: entry for entry in before.entries}
    second = {entry.path: entry for entry in after.entries}
    return tuple(
        FileDifference(path=path, before=first.get(path), after=second.get(path))
        for path in sorted(first.keys() | second.keys())
        if first.get(path) != second.get(path)
    )


def parting(before: bytes, after: bytes) -> Parting | None:
    """Return where two contents part, `None` where they do not."""
    if before == after:
        return None
    offset = _first_difference(before, after)
    first, second = _lines(before), _lines(after)
    if first is None or second is None:
        return Parting(offset=offset)
    line = before.count(b"\n", 0, offset)
    return Parting(
        offset=offset,
        line=line + 1,
        before=first[line] if line < len(first) else None,
        after=second[line] if line < len(second) else None,
    )


def _first_difference(before: bytes, after: bytes) -> int:
    start = 0
    while before[start : start + _CHUNK] == after[start : start + _CHUNK]:
        start += _CHUNK
    pairs = zip(before[start : start + _CHUNK], after[start : start + _CHUNK], strict=False)
    within = (number for number, (one, other) in enumerate(pairs) if one != other)
    return start + next(within, min(len(before), len(after)) - start)


def _lines(data: bytes) -> list[str] | None:
    """Return the lines of a text, `None` for what is none."""
    if b"\0" in data:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines
