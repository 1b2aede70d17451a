from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from envbuild.digest import Digest
from envbuild.store import layout
from envbuild.store.local import NotAStore, Store
from envbuild.store.publish import Publication
from envbuild.workflows.store import (
    AmbiguousEntry,
    DamagedEntry,
    NoStore,
    NoSuchEntry,
    StoredEntry,
    describe,
    entries,
    find_entry,
    open_existing,
    totals,
)
from support.stores import add_files, add_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = (
    "demo-1.0-py3-none-any.whl",
    "demo-2.0-py3-none-any.whl",
    "other_name-3.0-1-cp311-cp311-linux_x86_64.whl",
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return a store with an entry for each of `NAMES`, and one that no archive is known of."""
    with Store.open(str(tmp_path / "store")) as store, Publication(store) as publication:
        for name in NAMES:
            project = name.split("-")[0]
            files = {f"{project}/__init__.py": name.encode(), f"{project}/same.py": b"same"}
            add_wheel(publication, name, files, {f"{project}/run": b"#!run"})
        add_files(publication, {"lonely.py": b"lonely"})
        publication.commit()
        yield store


def test_entries_are_sorted_by_name_and_nameless_ones_come_last(store: Store) -> None:
    assert [entry.names for entry in entries(store)] == [*((name,) for name in NAMES), ()]


def test_one_content_may_have_several_names(store: Store) -> None:
    with Publication(store) as publication:
        for name in ("twin-1.0-py3-none-any.whl", "twin-1.0-py2.py3-none-any.whl"):
            add_wheel(publication, name, {"twin.py": b"equal"})
        publication.commit()
    names = [entry.names for entry in entries(store)]
    assert ("twin-1.0-py2.py3-none-any.whl", "twin-1.0-py3-none-any.whl") in names


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("demo==1.0", NAMES[0]),
        ("demo==1", NAMES[0]),
        ("Demo==2.0.0", NAMES[1]),
        (NAMES[0], NAMES[0]),
        ("other-name", NAMES[2]),
        ("Other.Name==3.0", NAMES[2]),
    ],
)
def test_an_entry_is_found_by_what_people_call_it(store: Store, wanted: str, name: str) -> None:
    assert find_entry(entries(store), wanted).names == (name,)


def test_an_entry_is_found_by_its_digest_or_the_beginning_of_it(store: Store) -> None:
    known = entries(store)
    for entry in known:
        assert find_entry(known, entry.digest) == entry
        assert find_entry(known, entry.digest[:12]) == entry
        assert find_entry(known, entry.digest[:12].upper()) == entry


@pytest.mark.parametrize("wanted", ["", "dem", "demo==3", "demo==x", "==1.0", "00", "demo==1.0==1"])
def test_what_is_not_there_is_not_found(store: Store, wanted: str) -> None:
    with pytest.raises(NoSuchEntry):
        find_entry(entries(store), wanted)


def test_several_fitting_entries_are_all_named(store: Store) -> None:
    with pytest.raises(AmbiguousEntry) as caught:
        find_entry(entries(store), "demo")
    assert [entry.names[0] for entry in caught.value.found] == list(NAMES[:2])
    for entry in caught.value.found:
        assert f"\n  {entry.digest}  {entry.names[0]}" in caught.value.message


def test_a_project_goes_before_a_digest_that_begins_alike() -> None:
    named = StoredEntry(digest=Digest("1" * 64), names=("face-1-py3-none-any.whl",), notes=())
    alike = StoredEntry(digest=Digest("face" + "0" * 60), names=(), notes=())
    assert find_entry((alike, named), "face") == named


def test_an_entry_is_described_with_its_files(store: Store) -> None:
    entry = describe(store, find_entry(entries(store), "demo==1.0"))
    assert [file.path for file in entry.files] == ["demo/__init__.py", "demo/run", "demo/same.py"]
    assert entry.size == len(NAMES[0]) + len("#!run") + len("same")
    assert os.path.isfile(entry.record)


def test_a_damaged_record_is_not_described(store: Store) -> None:
    entry = find_entry(entries(store), "demo==1.0")
    record = store.absolute(layout.record(layout.TREES, entry.digest))
    os.chmod(record, 0o644)
    with open(record, "ab") as file:
        file.write(b" ")
    with pytest.raises(DamagedEntry) as caught:
        describe(store, entry)
    assert caught.value.digest == entry.digest


def test_totals_tell_what_sharing_saves(store: Store) -> None:
    found = totals(store)
    contents = [*NAMES, "same", "#!run", "lonely"]
    assert (found.entries, found.files, found.blobs) == (4, 10, 6)
    assert found.blobs_size == sum(map(len, contents))
    assert found.files_size == found.blobs_size + 2 * len("same" + "#!run")
    assert found.realisations == 3
    assert (found.environments, found.gone, found.quarantined) == ((), 0, 0)


def test_looking_makes_no_store(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "absent"):
        with pytest.raises(NoStore):
            open_existing(str(tmp_path / name))
    assert list((tmp_path / "empty").iterdir()) == []
    assert not (tmp_path / "absent").exists()


def test_another_folder_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "letters").touch()
    with pytest.raises(NotAStore):
        open_existing(str(tmp_path))
