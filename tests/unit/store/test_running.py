"""Running work: registered while it lives, and by nobody afterwards."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from envbuild.digest import Digest
from envbuild.events import SILENT
from envbuild.maintenance.verify import verify_store
from envbuild.store import layout, locks
from envbuild.store.local import Store, StoreUnusable
from envbuild.store.publish import Publication
from envbuild.store.records import ArchiveOutput, Realisation, TreeOutput
from envbuild.store.running import Running
from envbuild.store.tree import Tree
from support.file_systems import fill, remount, small_file_system
from support.processes import child

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TREE, KEY, OTHER = (Digest(digits * 32) for digits in ("ab", "cd", "ef"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "store")) as opened:
        yield opened


def files(store: Store) -> list[str]:
    return [store.absolute(path) for path in store.walk(layout.RUNNING)]


def lines(path: str) -> list[str]:
    with open(path, encoding="utf-8") as file:
        return file.read().split("\n")


def test_work_says_who_does_it_and_what_it_relies_on(store: Store) -> None:
    with Running(store) as running:
        (path,) = files(store)
        running.needs(trees=[TREE], keys=iter([KEY]))
        running.needs()
        running.needs(keys=[TREE])
        assert lines(path) == [
            f"holder {locks.describe_holder()}",
            f"tree {TREE}",
            f"key {KEY}",
            f"key {TREE}",
            "",
        ]


def test_what_is_found_is_protected_and_so_is_what_may_come(store: Store) -> None:
    with Publication(store) as publication:
        tree = publication.add_tree(Tree(entries=()))
        gave_a_tree = Realisation(resolved_key=KEY, output=TreeOutput(digest=tree), name="a")
        publication.add_realisation(gave_a_tree)
        fetched = ArchiveOutput(sha256="12" * 32, size=1)
        publication.add_realisation(Realisation(resolved_key=TREE, output=fetched, name="a"))
        publication.commit()
    with Running(store) as running:
        (path,) = files(store)
        assert running.find(KEY) == gave_a_tree
        assert running.find(TREE) is None
        assert running.find(OTHER) is None
        found = [f"key {KEY}", f"tree {tree}", f"key {TREE}", f"key {OTHER}", ""]
        assert lines(path)[1:] == found


def test_the_file_is_held_while_the_work_goes_on_and_gone_afterwards(store: Store) -> None:
    with Running(store), Running(store):
        assert len(files(store)) == 2
        assert all(locks.is_held(path) for path in files(store))
    assert files(store) == []


def test_the_file_goes_when_the_work_fails(store: Store) -> None:
    with pytest.raises(KeyError), Running(store):
        raise KeyError
    assert files(store) == []


WORK = """
import sys
from envbuild.digest import Digest
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from envbuild.store.records import ArchiveOutput, Realisation, TreeOutput
from envbuild.store.running import Running
from envbuild.store.tree import Tree
store = Store.open(sys.argv[1])
running = Running(store)
running.needs(trees=[Digest("ab" * 32)])
print("registered", flush=True)
sys.stdin.readline()
"""


def test_killed_work_leaves_a_file_that_nobody_holds(store: Store) -> None:
    with child(WORK, store.path) as other:
        assert other.reads() == "registered"
        (path,) = files(store)
        assert locks.is_held(path)
        assert verify_store(store, reporter=SILENT, jobs=1).leftovers == 0
        other.is_killed()
    assert not locks.is_held(path)
    assert verify_store(store, reporter=SILENT, jobs=1).leftovers == 1
    assert verify_store(store, reporter=SILENT, jobs=1).is_clean


def test_a_file_that_somebody_cleared_away_does_no_harm(store: Store) -> None:
    with Running(store):
        os.unlink(files(store)[0])


def test_the_folder_is_made_where_it_is_missing(store: Store) -> None:
    os.rmdir(store.absolute(layout.RUNNING))
    with Running(store):
        assert len(files(store)) == 1


def test_in_a_store_that_may_only_be_read_nothing_is_registered(tmp_path: Path) -> None:
    with small_file_system(tmp_path / "disk") as disk:
        Store.open(str(disk / "store")).close()
        remount(disk, read_only=True)
        with Store.open(str(disk / "store")) as store, Running(store) as running:
            running.needs(trees=[TREE])
            assert files(store) == []


def test_a_full_disk_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    with (
        small_file_system(tmp_path / "disk") as disk,
        Store.open(str(disk / "store")) as store,
    ):
        with Running(store) as running:
            fill(disk)
            with pytest.raises(StoreUnusable) as caught:
                running.needs(trees=[TREE] * 1000)
            assert caught.value.errno == errno.ENOSPC
            with pytest.raises(StoreUnusable, match="register work"):
                Running(store)
            assert len(files(store)) == 1
        assert files(store) == []
