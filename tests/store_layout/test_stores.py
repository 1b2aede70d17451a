"""Each tiny store is what the code makes, opens or does not, and shows the findings listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envbuild.errors import StoreError
from envbuild.events import SILENT
from envbuild.frozen import as_dict
from envbuild.maintenance.verify import damaged_trees, verify_store
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from store_layout.tiny_stores import (
    FILES,
    STORES,
    TREE,
    WHEEL,
    TinyStore,
    decode_store,
    lay_out,
    read_store,
)
from support.stores import add_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from store_layout.conftest import Golden

OPENING = [name for name, store in STORES.items() if store.opening is None]
REFUSED = [name for name, store in STORES.items() if store.opening is not None]
MENDED_BY_ADDING = ("torn-write", "torn-tree", "missing-blob", "edited-through-link",
                    "touched-blob", "dangling-realisation",
                    "realisation-without-derivation")  # fmt: skip


def vector(v1: Path, name: str) -> TinyStore:
    return decode_store((v1 / f"vectors/stores/{name}.json").read_bytes())


@pytest.mark.parametrize("name", STORES)
def test_the_store_is_written_down(name: str, golden: Golden) -> None:
    golden({f"vectors/stores/{name}.json": STORES[name].encode()})


@pytest.mark.parametrize("name", STORES)
def test_the_vector_says_what_the_store_is(name: str, v1: Path) -> None:
    assert vector(v1, name) == STORES[name]


def test_there_is_no_store_without_a_case(v1: Path) -> None:
    found = {path.name for path in (v1 / "vectors/stores").iterdir()}
    assert found == {f"{name}.json" for name in STORES}


@pytest.mark.parametrize("name", OPENING)
def test_the_store_opens_and_shows_what_is_wrong_with_it(
    name: str, v1: Path, tmp_path: Path
) -> None:
    expected = vector(v1, name)
    lay_out(expected, tmp_path / "store")
    with Store.open(str(tmp_path / "store")) as store:
        report = verify_store(store, reporter=SILENT, jobs=2)
    found = [
        {"path": each.path, "kind": each.kind, "affects": [as_dict(use) for use in each.affects]}
        for each in report.findings
    ]
    assert found == list(expected.findings)
    assert damaged_trees(report) == expected.damaged_trees
    assert report.leftovers == expected.leftovers
    assert report.is_clean == (not expected.findings)


@pytest.mark.parametrize("name", REFUSED)
def test_the_store_is_refused_and_not_touched(name: str, v1: Path, tmp_path: Path) -> None:
    expected = vector(v1, name)
    lay_out(expected, tmp_path / "store")
    before = read_store(tmp_path / "store", expected.about)
    with pytest.raises(StoreError) as caught:
        Store.open(str(tmp_path / "store"))
    assert type(caught.value).__name__ == expected.opening
    assert read_store(tmp_path / "store", expected.about) == before


@pytest.mark.parametrize("name", [*MENDED_BY_ADDING, "without-empty-folders", "leftovers"])
def test_adding_the_wheel_again_mends_what_can_be_seen(name: str, v1: Path, tmp_path: Path) -> None:
    lay_out(vector(v1, name), tmp_path / "store")
    with Store.open(str(tmp_path / "store")) as store:
        with Publication(store) as publication:
            add_wheel(publication, WHEEL, FILES)
            publication.commit()
        assert verify_store(store, reporter=SILENT, jobs=2).findings == ()
        assert store.read_tree(TREE.digest) == TREE


def test_what_cannot_be_seen_is_mended_after_the_quarantine(v1: Path, tmp_path: Path) -> None:
    expected = vector(v1, "bad-digest")
    lay_out(expected, tmp_path / "store")
    with Store.open(str(tmp_path / "store")) as store:
        for finding in verify_store(store, reporter=SILENT, jobs=2).findings:
            store.quarantine(finding.path)
        with Publication(store) as publication:
            add_wheel(publication, WHEEL, FILES)
            publication.commit()
        assert verify_store(store, reporter=SILENT, jobs=2).findings == ()
        assert len(list(store.walk(layout.QUARANTINE))) == 1


@pytest.mark.parametrize("name", ["dangling-realisation", "misplaced-realisation"])
def test_a_realisation_that_must_be_ignored_is(name: str, v1: Path, tmp_path: Path) -> None:
    lay_out(vector(v1, name), tmp_path / "store")
    with Store.open(str(tmp_path / "store")) as store:
        assert list(store.all_realisations()) == []
