"""The cache of what can be computed again: never wrong, never in the way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envbuild.store.cache import read_cache, read_latest, write_cache
from envbuild.store.local import Store
from support.file_systems import fill, remount, small_file_system

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "store")) as opened:
        yield opened


@given(st.binary(max_size=100))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_kept_comes_back(store: Store, data: bytes) -> None:
    write_cache(store, "folder/name", data)
    assert read_cache(store, "folder/name") == data


def test_what_is_not_kept_does_not(store: Store) -> None:
    assert read_cache(store, "name") is None


def test_the_last_one_counts(store: Store) -> None:
    write_cache(store, "name", b"first")
    write_cache(store, "name", b"second")
    assert read_cache(store, "name") == b"second"
    assert os.listdir(store.absolute("cache")) == ["name"]


def test_the_latest_of_a_folder_is_what_was_kept_last(store: Store) -> None:
    assert read_latest(store, "folder") is None
    for number, name in enumerate(("b", "a", "c")):
        write_cache(store, f"folder/{name}", name.encode())
        os.utime(store.absolute(f"cache/folder/{name}"), ns=(0, 10 - number % 2))
    assert read_latest(store, "folder") in {b"b", b"c"}
    os.utime(store.absolute("cache/folder/a"), ns=(0, 20))
    assert read_latest(store, "folder") == b"a"
    with open(store.absolute("cache/folder/d.1-draft"), "wb") as file:
        file.write(b"half")
    assert read_latest(store, "folder") == b"a"


@given(st.binary(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_that_nobody_wrote_are_not_believed(store: Store, data: bytes) -> None:
    with open(store.absolute("cache/name"), "wb") as file:
        file.write(data)
    assert read_cache(store, "name") is None


def test_no_damage_of_one_byte_goes_unseen(store: Store) -> None:
    write_cache(store, "name", b"some data")
    path = store.absolute("cache/name")
    with open(path, "rb") as file:
        whole = file.read()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        with open(path, "wb") as file:
            file.write(damaged)
        assert read_cache(store, "name") is None
    for length in range(len(whole)):
        with open(path, "wb") as file:
            file.write(whole[:length])
        assert read_cache(store, "name") is None


def test_a_full_or_read_only_disk_is_no_error(tmp_path: Path) -> None:
    with small_file_system(tmp_path / "disk") as disk:
        with Store.open(str(disk / "store")) as store:
            write_cache(store, "name", b"first")
            fill(disk)
            write_cache(store, "name", b"x" * 100_000)
            write_cache(store, "other", b"x" * 100_000)
            assert read_cache(store, "name") == b"first"
            assert read_cache(store, "other") is None
            assert os.listdir(disk / "store/cache") == ["name"]
        remount(disk, read_only=True)
        with Store.open(str(disk / "store")) as store:
            write_cache(store, "name", b"third")
            assert read_cache(store, "name") == b"first"
