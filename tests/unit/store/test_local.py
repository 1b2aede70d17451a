"""Opening a store and reading it, with everything in the way that can be."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from envbuild.digest import Digest, digest_of
from envbuild.store import layout
from envbuild.store.local import NotAStore, Store, StoreUnusable, UnsupportedStore
from envbuild.store.publish import Publication, write_record
from envbuild.store.records import (
    ArchiveOutput,
    BuildOutput,
    Realisation,
    RebuildOutput,
    TreeOutput,
)
from envbuild.store.root_records import EnvironmentRoot, NamedRoot
from envbuild.store.tree import InvalidTree, Tree
from support.file_systems import fill, remount, small_file_system
from support.processes import child, without_privileges
from support.stores import add_files, tree_of

if TYPE_CHECKING:
    from pathlib import Path

KEY = Digest("ab" * 32)
FILES = {"a/b.py": b"1\n", "c": b""}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "store"))


def publish(store: Store) -> Digest:
    with Publication(store) as publication:
        tree = add_files(publication, FILES)
        publication.commit()
    return tree


def test_a_store_is_made_where_nothing_is(tmp_path: Path) -> None:
    path = tmp_path / "not/there/yet"
    with Store.open(str(path)) as store:
        assert store.path == str(path)
    assert (path / layout.FORMAT_FILE).read_bytes() == layout.format_bytes()
    assert (path / layout.FORMAT_FILE).stat().st_mode & 0o777 == layout.FILE_MODE
    for folder in layout.FOLDERS:
        assert (path / folder).is_dir()
    assert sorted(os.listdir(path)) == sorted(
        {layout.FORMAT_FILE, *(folder.partition("/")[0] for folder in layout.FOLDERS)}
    )


def test_a_store_is_made_in_an_empty_folder_and_on_an_empty_disk(tmp_path: Path) -> None:
    (tmp_path / "store/lost+found").mkdir(parents=True)
    Store.open(str(tmp_path / "store")).close()
    assert (tmp_path / "store" / layout.FORMAT_FILE).exists()


def test_a_path_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.open("store") as store:
        assert store.path == str(tmp_path / "store")
        assert store.absolute("blobs") == str(tmp_path / "store/blobs")


def test_a_store_is_opened_many_times_at_once(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "s")) as one, Store.open(str(tmp_path / "s")) as other:
        assert publish(one) == publish(other)


@pytest.mark.parametrize("name", ["thesis.txt", "cache", "blobs", ".git"])
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(NotAStore) as caught:
        Store.open(str(tmp_path))
    assert caught.value.reason == "it holds no `format.json`"
    assert os.listdir(tmp_path) == [name]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in ("file", "file/store"):
        with pytest.raises(NotAStore) as caught:
            Store.open(str(tmp_path / path))
        assert caught.value.path == str(tmp_path / path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b'{"format":"envbuild-store","version":2}\n', ("envbuild-store", 2)),
        (b'{"format":"other","version":1}', ("other", 1)),
        (b'{"format":"envbuild-store","version":"1"}\n', ("envbuild-store", "1")),
    ],
)
def test_another_format_is_refused(tmp_path: Path, content: bytes, found: object) -> None:
    (tmp_path / layout.FORMAT_FILE).write_bytes(content)
    with pytest.raises(UnsupportedStore) as caught:
        Store.open(str(tmp_path))
    assert caught.value.found == found


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"format":"envbuild-store","version":1}',
        b'{"format":"envbuild-store","version":1.0}\n',
        b'{"format":"envbuild-store","version":true}\n',
    ],
)
def test_a_format_file_that_is_not_ours_to_the_byte_is_refused(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / layout.FORMAT_FILE).write_bytes(content)
    with pytest.raises(NotAStore, match=r"`format\.json` is not as envbuild writes it"):
        Store.open(str(tmp_path))


OPEN = """
import sys
from envbuild.store.local import Store
print("ready", flush=True)
sys.stdin.readline()
for number in range(30):
    Store.open(f"{sys.argv[1]}/{number}").close()
"""


@pytest.mark.slow
def test_many_may_make_one_store_at_once(tmp_path: Path) -> None:
    with child(OPEN, str(tmp_path)) as a, child(OPEN, str(tmp_path)) as b, child(
        OPEN, str(tmp_path)
    ) as c:  # fmt: skip
        for other in (a, b, c):
            assert other.reads() == "ready"
        for other in (a, b, c):
            other.goes_on()
        assert [a.ends(), b.ends(), c.ends()] == [0, 0, 0]
    expected = {layout.FORMAT_FILE, *(folder.partition("/")[0] for folder in layout.FOLDERS)}
    for number in range(30):
        assert set(os.listdir(tmp_path / str(number))) == expected


def test_making_a_store_on_a_full_disk_says_so_and_goes_on_later(tmp_path: Path) -> None:
    with small_file_system(tmp_path / "disk") as disk:
        ballast = fill(disk)
        with pytest.raises(StoreUnusable) as caught:
            Store.open(str(disk / "store"))
        assert caught.value.errno == errno.ENOSPC
        assert str(caught.value) == (
            f"cannot open the store `{disk}/store`: No space left on device"
        )
        assert caught.value.hint is not None
        ballast.unlink()
        with Store.open(str(disk / "store")) as store:
            publish(store)


def test_a_store_that_may_only_be_read_is_read(tmp_path: Path) -> None:
    with small_file_system(tmp_path / "disk") as disk:
        with Store.open(str(disk / "store")) as store:
            tree = publish(store)
        remount(disk, read_only=True)
        with Store.open(str(disk / "store")) as store:
            assert store.read_tree(tree) == tree_of(FILES)
            with pytest.raises(StoreUnusable, match="Read-only file system"):
                Publication(store)
            with pytest.raises(StoreUnusable, match="Read-only file system"):
                store.quarantine(layout.record(layout.TREES, tree))


def test_a_store_without_its_lock_may_be_read_where_it_cannot_be_made(tmp_path: Path) -> None:
    with small_file_system(tmp_path / "disk") as disk:
        Store.open(str(disk / "store")).close()
        (disk / "store" / layout.STORE_LOCK).unlink()
        remount(disk, read_only=True)
        Store.open(str(disk / "store")).close()


READ_ONLY = """
import sys
from envbuild.digest import Digest
from envbuild.store.local import Store, StoreUnusable
from envbuild.store.publish import Publication
from envbuild.store.roots import register
from envbuild.store.running import Running
with Store.open(sys.argv[1]) as store, Running(store) as running:
    running.needs(trees=[Digest(sys.argv[2])])
    print(store.has_tree(Digest(sys.argv[2])), register(store, "/srv/a", b"{}"), flush=True)
    try:
        Publication(store)
    except StoreUnusable as error:
        print(error, flush=True)
"""


def test_a_store_of_somebody_else_is_read_and_not_written(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with Store.open(str(path)) as store:
        tree = publish(store)
    everything = [path, *path.rglob("*")]
    for each in everything:
        each.chmod(each.stat().st_mode & ~0o222)
    before = sorted(path.rglob("*"))
    with child(READ_ONLY, str(path), tree, prefix=without_privileges()) as other:
        assert other.reads() == "True False"
        assert other.reads() == f"cannot write to the store `{path}`: Permission denied"
        assert other.ends() == 0
    assert sorted(path.rglob("*")) == before
    for each in everything:
        each.chmod(each.stat().st_mode | 0o200)


def test_what_is_there_is_found(store: Store) -> None:
    tree = publish(store)
    assert store.has_tree(tree)
    assert store.read_tree(tree) == tree_of(FILES)
    assert store.read_record(layout.TREES, tree) == tree_of(FILES).encode()
    assert store.read_blob(digest_of(b"1\n")) == b"1\n"


def test_what_is_not_there_is_not_found(store: Store) -> None:
    assert not store.has_tree(KEY)
    assert store.read_tree(KEY) is None
    assert store.read_record(layout.MANIFESTS, KEY) is None
    assert store.realisations(KEY) == ()
    assert list(store.all_realisations()) == []
    assert list(store.environment_roots()) == []
    assert store.read("cache/none") is None
    assert list(store.walk("nowhere")) == []
    with pytest.raises(StoreUnusable, match="No such file"):
        store.read_blob(KEY)


@pytest.mark.parametrize("content", [b"", b"torn", b"{}"])
def test_a_record_that_is_not_what_its_name_says_is_not_believed(
    store: Store, content: bytes
) -> None:
    write_record(store, layout.record(layout.TREES, KEY), content)
    assert store.read_record(layout.TREES, KEY) is None
    assert store.read_tree(KEY) is None


def test_a_record_that_is_no_tree_says_so(store: Store) -> None:
    data = b'{"entries":[],"format":"envbuild-tree","version":2}'
    write_record(store, layout.record(layout.TREES, digest_of(data)), data)
    with pytest.raises(InvalidTree) as caught:
        store.read_tree(digest_of(data))
    assert caught.value.place == "version"


def test_realisations_come_in_the_order_of_their_outputs(store: Store) -> None:
    outputs = [ArchiveOutput(sha256=digit * 64, size=1) for digit in "c0a"]
    with Publication(store) as publication:
        for output in outputs:
            realisation = Realisation(resolved_key=KEY, output=output, name="a")
            publication.add_realisation(realisation)
        publication.commit()
    found = store.realisations(KEY)
    assert [each.output_name[0] for each in found] == ["0", "a", "c"]
    assert list(store.all_realisations()) == list(found)


def test_what_came_of_building_again_comes_last(store: Store) -> None:
    def built(kind: type[BuildOutput], tree: Digest) -> Realisation:
        output = kind(
            digest=tree, archive="12" * 32, duration_ms=1, log=tree, payload=tree, rung="none"
        )
        return Realisation(resolved_key=KEY, output=output, name="a")

    with Publication(store) as publication:
        first, second = sorted(add_files(publication, {"a": each}) for each in (b"1", b"2"))
        evidence, used = built(RebuildOutput, first), built(BuildOutput, second)
        publication.add_realisation(evidence)
        publication.add_realisation(used)
        publication.commit()
    assert store.realisations(KEY) == (used, evidence)


def test_realisations_that_cannot_be_believed_are_left_out(store: Store) -> None:
    tree = publish(store)
    sound = Realisation(resolved_key=KEY, output=TreeOutput(digest=tree), name="a")
    lost = Realisation(resolved_key=KEY, output=TreeOutput(digest=Digest("cd" * 32)), name="b")
    with Publication(store) as publication:
        publication.add_realisation(sound)
        publication.add_realisation(lost)
        publication.commit()
    folder = layout.realisations(KEY)
    write_record(store, f"{folder}/{'ef' * 32}.json", sound.encode())
    write_record(store, f"{folder}/{'01' * 32}.json", b"")
    write_record(store, f"{folder}/notes", b"not ours")
    assert store.realisations(KEY) == (sound,)
    assert list(store.all_realisations()) == [sound]


def test_realisations_are_forgotten(store: Store) -> None:
    output = ArchiveOutput(sha256="ab" * 32, size=1)
    with Publication(store) as publication:
        for key in (KEY, Digest("cd" * 32)):
            publication.add_realisation(Realisation(resolved_key=key, output=output, name="a"))
        publication.commit()
    store.forget(KEY)
    store.forget(KEY)
    assert store.realisations(KEY) == ()
    assert len(store.realisations(Digest("cd" * 32))) == 1


def test_roots_of_environments_are_those_in_their_places(store: Store) -> None:
    root = EnvironmentRoot(path="/srv/a", manifest=KEY)
    write_record(store, root.location, root.encode())
    write_record(store, layout.environment_root(KEY), root.encode())
    write_record(store, layout.environment_root(Digest("cd" * 32)), b"torn")
    named = NamedRoot(name="a", manifest=KEY)
    write_record(store, layout.environment_root(Digest("ef" * 32)), named.encode())
    assert list(store.environment_roots()) == [root]


def test_walking_is_sorted_and_follows_no_links(store: Store, tmp_path: Path) -> None:
    (tmp_path / "elsewhere/folder").mkdir(parents=True)
    for name in ("b/2", "b/1", "a", "c/d/e"):
        path = tmp_path / "store/cache" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "store/cache/link").symlink_to(tmp_path / "elsewhere")
    found = list(store.walk("cache"))
    assert found == ["cache/a", "cache/b/1", "cache/b/2", "cache/c/d/e", "cache/link"]


def test_a_quarantined_file_is_kept_and_out_of_the_way(store: Store) -> None:
    tree = publish(store)
    path = layout.record(layout.TREES, tree)
    for _ in range(2):
        store.quarantine(path)
        assert not store.has_tree(tree)
        assert publish(store) == tree
    store.quarantine("trees/not/there")
    kept = list(store.walk(layout.QUARANTINE))
    assert len(kept) == 2
    for each in kept:
        assert path.replace("/", "-") in each
        assert store.read(each) == tree_of(FILES).encode()


@pytest.mark.parametrize("executable", [False, True])
def test_mode_and_time_of_a_blob_are_set_right(store: Store, executable: bool) -> None:
    with Publication(store) as publication:
        digest = publication.add_blob(b"1\n", executable=executable)
        path = store.absolute(layout.blob(digest, executable=executable))
        os.chmod(path, 0o640)
        os.utime(path)
        assert not publication.blobs.has(digest, size=2, executable=executable)
        store.restore_blob(digest, executable=executable)
        assert publication.blobs.has(digest, size=2, executable=executable)


def test_a_folder_in_the_place_of_a_record_is_an_error(store: Store) -> None:
    os.makedirs(store.absolute(layout.record(layout.TREES, KEY)))
    with pytest.raises(StoreUnusable, match="Is a directory"):
        store.read_tree(KEY)


def test_closing_twice_does_no_harm(store: Store) -> None:
    store.close()
    store.close()


def test_an_empty_tree_is_a_tree(store: Store) -> None:
    with Publication(store) as publication:
        digest = publication.add_tree(Tree(entries=()))
        publication.commit()
    assert store.read_tree(digest) == Tree(entries=())
