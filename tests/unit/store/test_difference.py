"""Two trees beside each other."""

from __future__ import annotations

import pytest

from envbuild.store.difference import Parting, compare_trees, parting
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


PARTINGS: dict[str, tuple[bytes, bytes, Parting | None]] = {
    "equal": (b"a\n", b"a\n", None),
    "a line": (
        b"a\nb: 1\nc\n",
        b"a\nb: 2\nc\n",
        Parting(offset=5, line=2, before="b: 1", after="b: 2"),
    ),
    "a line more": (b"a\n", b"a\nb\n", Parting(offset=2, line=2, before=None, after="b")),
    "nothing": (b"", b"a", Parting(offset=0, line=1, before=None, after="a")),
    "no end of the last line": (b"a\n", b"a", Parting(offset=1, line=1, before="a", after="a")),
    "not UTF-8": (b"a\xff", b"a\xfe", Parting(offset=1)),
    "not text": (b"\x7fELF\0\1", b"\x7fELF\0\2", Parting(offset=5)),
    "far in": (b"\0" * 200_000 + b"a", b"\0" * 200_000 + b"b", Parting(offset=200_000)),
    "cut off": (b"\0" * 65_536, b"\0" * 65_537, Parting(offset=65_536)),
    "one of them text": (b"a", b"\0", Parting(offset=0)),
}


@pytest.mark.parametrize(("before", "after", "expected"), PARTINGS.values(), ids=PARTINGS)
def test_contents_part_at_a_byte_and_a_line(
    before: bytes, after: bytes, expected: Parting | None
) -> None:
    assert parting(before, after) == expected
