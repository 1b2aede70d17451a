"""What two trees have differently, file by file."""

from __future__ import annotations

from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from envbuild.store.tree import Entry, Tree

    Action = Literal["added", "changed", "removed"]


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


def compare_trees(before: Tree, after: Tree) -> tuple[FileDifference, ...]:
    """Return every path where two trees differ, in content, kind or what a link says; sorted."""
    first = {entry.path: entry for entry in before.entries}
    second = {entry.path: entry for entry in after.entries}
    return tuple(
        FileDifference(path=path, before=first.get(path), after=second.get(path))
        for path in sorted(first.keys() | second.keys())
        if first.get(path) != second.get(path)
    )
