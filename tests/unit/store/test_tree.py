"""Trees: what may stand in one, and that no link leads out. The rest is in `store_layout`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envbuild.digest import digest_of
from envbuild.store.tree import (
    Entry,
    InvalidTree,
    Tree,
    decode_tree,
    fault_of_path,
    stays_inside,
)
from support.stores import file_entry, link_entry, tree_of

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = st.sampled_from(("a", "b", "c", "..", ".", ""))
TARGETS = st.lists(NAMES, min_size=1, max_size=5).map("/".join)
PATHS = st.lists(st.sampled_from(("a", "b", "c")), min_size=1, max_size=3).map("/".join)


@given(st.permutations([file_entry(path, b"") for path in ("a", "b/c", "b/d", "é")]))
def test_the_order_of_entries_does_not_matter(entries: Sequence[Entry]) -> None:
    assert Tree.of(entries) == Tree.of(reversed(entries))


def test_the_digest_is_that_of_the_canonical_form() -> None:
    tree = tree_of({"a": b"1", "b": b"22"})
    assert tree.digest == digest_of(tree.encode())
    assert tree.size == 3


def test_everything_of_an_entry_is_part_of_the_identity() -> None:
    base = file_entry("a", b"content")
    others = [
        file_entry("b", b"content"),
        file_entry("a", b"Content"),
        file_entry("a", b"content", executable=True),
        link_entry("a", "content"),
    ]
    digests = {Tree.of([entry]).digest for entry in (base, *others)}
    assert len(digests) == 5


@pytest.mark.parametrize(
    ("paths", "place"),
    [
        (("a", "a"), "entries[1].path"),
        (("b", "b/c"), "entries[1].path"),
        (("b", "b.c", "b/c/d"), "entries[2].path"),
        (("a", "/b"), "entries[0].path"),
        (("a", "b/../c"), "entries[1].path"),
        (("\udcff",), "entries[0].path"),
    ],
)
def test_a_tree_is_refused_with_the_place(paths: tuple[str, ...], place: str) -> None:
    with pytest.raises(InvalidTree) as caught:
        Tree.of(file_entry(path, b"") for path in paths)
    assert caught.value.place == place


@pytest.mark.parametrize("target", ["", "/etc", "..", "a/..", "\udcff", "a\\b", "a\0"])
def test_a_link_that_may_lead_outside_is_refused(target: str) -> None:
    with pytest.raises(InvalidTree) as caught:
        Tree.of([file_entry("a", b""), link_entry("link", target)])
    assert caught.value.place == "entries[1].target"


@given(st.lists(st.tuples(PATHS, TARGETS), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_chain_of_links_leads_out_of_a_tree(tmp_path_factory: Any, links: Any) -> None:
    try:
        tree = Tree.of(link_entry(path, target) for path, target in links)
    except InvalidTree:
        return
    root = Path(os.path.realpath(tmp_path_factory.mktemp("tree")))
    for entry in tree.entries:
        (root / entry.path).parent.mkdir(parents=True, exist_ok=True)
        (root / entry.path).symlink_to(entry.target or "")
    for entry in tree.entries:
        try:
            resolved = os.path.realpath(root / entry.path, strict=True)
        except OSError:
            # It leads nowhere, or in a circle.
            continue
        assert resolved == str(root) or resolved.startswith(f"{root}/")


def test_what_stays_inside_does_so_by_depth() -> None:
    assert stays_inside("a/b/link", "../../c")
    assert not stays_inside("a/b/link", "../../../c")
    assert not stays_inside("link", "a/../../c")


@pytest.mark.parametrize("path", ["a", "a/b", "...", "a/.hidden", "é", "a b", "a\n", "con"])
def test_a_path_may_be(path: str) -> None:
    assert fault_of_path(path) is None


@given(st.lists(st.tuples(PATHS, st.binary(max_size=3)), unique_by=lambda pair: pair[0]))
def test_whatever_can_be_made_can_be_read(files: Any) -> None:
    try:
        tree = tree_of(dict(files))
    except InvalidTree:
        return
    assert decode_tree(tree.encode()) == tree
