"""Two trees beside each other."""

from __future__ import annotations

from envbuild.store.difference import compare_trees
from envbuild.store.tree import Tree
from support.stores import file_entry, link_entry, tree_of

BEFORE = Tree.of(
    (
        file_entry("a.py", b"1"),
        file_entry("gone.py", b""),
        file_entry("run", b"#!"),
        file_entry("same.py", b"same"),
        link_entry("to", "a.py"),
    )
)
AFTER = Tree.of(
    (
        file_entry("a.py", b"2"),
        file_entry("new.py", b""),
        file_entry("run", b"#!", executable=True),
        file_entry("same.py", b"same"),
        link_entry("to", "run"),
    )
)


def test_every_path_that_differs_is_named_with_both_sides() -> None:
    found = compare_trees(BEFORE, AFTER)
    assert [(each.path, each.action) for each in found] == [
        ("a.py", "changed"),
        ("gone.py", "removed"),
        ("new.py", "added"),
        ("run", "changed"),
        ("to", "changed"),
    ]
    content, removed, added, mode, link = found
    assert (content.before, content.after) == (file_entry("a.py", b"1"), file_entry("a.py", b"2"))
    assert (removed.after, added.before) == (None, None)
    assert mode.before is not None
    assert mode.after is not None
    assert mode.before.digest == mode.after.digest
    assert (link.before, link.after) == (link_entry("to", "a.py"), link_entry("to", "run"))


def test_equal_trees_have_no_difference() -> None:
    assert compare_trees(BEFORE, BEFORE) == ()
    assert compare_trees(tree_of({}), tree_of({})) == ()
