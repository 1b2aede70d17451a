"""Views of trees: read-only, shared with the blobs, made once."""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from envbuild.store import layout
from envbuild.store.local import Store, StoreUnusable
from envbuild.store.publish import Publication
from envbuild.store.tree import Tree
from envbuild.store.views import ensure_view
from support.stores import file_entry, link_entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TREE = Tree.of(
    (
        file_entry("demo/__init__.py", b""),
        file_entry("demo/code.py", b"1\n"),
        file_entry("demo/deep/er/data", b"data"),
        file_entry("run", b"#!", executable=True),
        link_entry("demo/link", "code.py"),
    )
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "store")) as opened:
        with Publication(opened) as publication:
            for content in (b"", b"1\n", b"data"):
                publication.add_blob(content)
            publication.add_blob(b"#!", executable=True)
            publication.add_tree(TREE)
            publication.commit()
        yield opened


def test_a_view_is_the_tree_and_nobody_may_write_it(store: Store) -> None:
    root = ensure_view(store, TREE.digest, TREE)
    assert root == store.absolute(layout.view(TREE.digest))
    files = {}
    for folder, _, names in os.walk(root):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o555
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                files[os.path.relpath(path, root)] = (
                    file.read(),
                    stat.S_IMODE(os.stat(path).st_mode),
                )
            assert os.stat(path).st_mtime == layout.TIMESTAMP
    assert files == {
        "demo/__init__.py": (b"", 0o444),
        "demo/code.py": (b"1\n", 0o444),
        "demo/deep/er/data": (b"data", 0o444),
        "demo/link": (b"1\n", 0o444),
        "run": (b"#!", 0o555),
    }


def test_files_are_links_to_blobs_but_for_empty_ones(store: Store) -> None:
    root = ensure_view(store, TREE.digest, TREE)
    for entry in TREE.entries:
        if entry.digest is None:
            continue
        blob = store.absolute(layout.blob(entry.digest, executable=entry.kind == "executable"))
        assert os.path.samefile(blob, f"{root}/{entry.path}") == bool(entry.size)


def test_a_view_is_made_once(store: Store) -> None:
    first = os.stat(ensure_view(store, TREE.digest, TREE)).st_ino
    assert os.stat(ensure_view(store, TREE.digest, TREE)).st_ino == first


def test_many_make_one_view_at_once(store: Store) -> None:
    found: list[str] = []

    def work() -> None:
        found.append(ensure_view(store, TREE.digest, TREE))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [store.absolute(layout.view(TREE.digest))] * 8
    assert os.listdir(store.absolute(layout.STAGING)) == ["partial"]


def test_a_blob_that_is_missing_leaves_no_half_view(store: Store) -> None:
    entry = next(entry for entry in TREE.entries if entry.path == "demo/deep/er/data")
    assert entry.digest is not None
    os.unlink(store.absolute(layout.blob(entry.digest, executable=False)))
    with pytest.raises(StoreUnusable, match="No such file"):
        ensure_view(store, TREE.digest, TREE)
    assert os.listdir(store.absolute(layout.VIEWS)) == []
    assert os.listdir(store.absolute(layout.STAGING)) == ["partial"]


@pytest.mark.slow
def test_a_blob_with_all_its_links_taken_is_copied(store: Store) -> None:
    entry = next(entry for entry in TREE.entries if entry.path == "demo/code.py")
    assert entry.digest is not None
    blob = store.absolute(layout.blob(entry.digest, executable=False))
    os.mkdir(store.absolute("cache/links"))
    for number in range(70_000):
        try:
            os.link(blob, store.absolute(f"cache/links/{number}"))
        except OSError:
            break
    else:
        pytest.skip("this file system knows no such limit")
    root = ensure_view(store, TREE.digest, TREE)
    assert not os.path.samefile(blob, f"{root}/demo/code.py")
    with open(f"{root}/demo/code.py", "rb") as file:
        assert file.read() == b"1\n"
    assert os.stat(f"{root}/demo/code.py").st_mtime == layout.TIMESTAMP
    assert stat.S_IMODE(os.stat(f"{root}/demo/code.py").st_mode) == 0o444
