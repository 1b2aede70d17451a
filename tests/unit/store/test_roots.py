"""Roots of environments."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from envbuild.digest import digest_of
from envbuild.store import layout
from envbuild.store.local import Store, StoreUnusable
from envbuild.store.root_records import EnvironmentRoot
from envbuild.store.roots import is_registered, register
from support.file_systems import fill, remount, small_file_system

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST, SECOND = b'{"first":1}', b'{"second":2}'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "store")) as opened:
        yield opened


def test_an_environment_is_registered_with_its_manifest(store: Store) -> None:
    assert not is_registered(store, "/srv/é", digest_of(FIRST))
    assert register(store, "/srv/é", FIRST)
    assert is_registered(store, "/srv/é", digest_of(FIRST))
    assert list(store.environment_roots()) == [
        EnvironmentRoot(path="/srv/é", manifest=digest_of(FIRST))
    ]
    assert store.read_record(layout.MANIFESTS, digest_of(FIRST)) == FIRST
    assert os.listdir(store.absolute(layout.STAGING)) == ["partial"]


def test_a_later_manifest_takes_the_place_of_the_one_before(store: Store) -> None:
    register(store, "/srv/a", FIRST)
    register(store, "/srv/a", SECOND)
    assert not is_registered(store, "/srv/a", digest_of(FIRST))
    assert is_registered(store, "/srv/a", digest_of(SECOND))
    assert len(list(store.environment_roots())) == 1


def test_environments_at_two_places_are_two_roots(store: Store) -> None:
    register(store, "/srv/a", FIRST)
    register(store, "/srv/b", FIRST)
    assert sorted(root.path for root in store.environment_roots()) == ["/srv/a", "/srv/b"]


@pytest.mark.parametrize("torn", ["root", "manifest"])
def test_what_is_torn_is_not_believed_and_written_again(store: Store, torn: str) -> None:
    register(store, "/srv/a", FIRST)
    root = EnvironmentRoot(path="/srv/a", manifest=digest_of(FIRST))
    manifest = layout.record(layout.MANIFESTS, digest_of(FIRST))
    path = store.absolute(root.location if torn == "root" else manifest)
    os.chmod(path, 0o644)
    os.truncate(path, 0)
    if torn == "manifest":
        os.unlink(path)
    assert not is_registered(store, "/srv/a", digest_of(FIRST))
    assert register(store, "/srv/a", FIRST)
    assert is_registered(store, "/srv/a", digest_of(FIRST))
    assert store.read_record(layout.MANIFESTS, digest_of(FIRST)) == FIRST


def test_a_path_that_is_no_text_cannot_be_registered(store: Store) -> None:
    assert not register(store, "/srv/\udcff", FIRST)
    assert not is_registered(store, "/srv/\udcff", digest_of(FIRST))


def test_a_store_that_may_only_be_read_says_so(tmp_path: Path) -> None:
    with small_file_system(tmp_path / "disk") as disk:
        with Store.open(str(disk / "store")) as store:
            register(store, "/srv/a", FIRST)
        remount(disk, read_only=True)
        with Store.open(str(disk / "store")) as store:
            assert is_registered(store, "/srv/a", digest_of(FIRST))
            assert not register(store, "/srv/b", FIRST)


def test_a_full_disk_is_an_error_and_no_read_only_store(tmp_path: Path) -> None:
    with (
        small_file_system(tmp_path / "disk") as disk,
        Store.open(str(disk / "store")) as store,
    ):
        fill(disk)
        with pytest.raises(StoreUnusable) as caught:
            register(store, "/srv/a", FIRST)
        assert caught.value.errno == errno.ENOSPC
        assert list(store.environment_roots()) == []
        assert os.listdir(store.absolute(layout.STAGING)) == ["partial"]
