"""Adding to a store: what appears, when, with which modes, and what is left when it goes wrong."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from envbuild.digest import Digest, digest_of
from envbuild.events import SILENT
from envbuild.maintenance.verify import verify_store
from envbuild.store import layout, locks, publish, sync
from envbuild.store.local import Store, StoreUnusable
from envbuild.store.publish import Publication, write_record
from envbuild.store.records import Realisation, TreeOutput
from support.file_systems import fill, small_file_system, use_up_names
from support.processes import child
from support.stores import add_files, add_wheel, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = b"content\n"
DIGEST = digest_of(DATA)
FILES = {"a/b.py": b"1\n", "a/c.py": b"2\n", "d": b""}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "store")) as opened:
        yield opened


def blob(store: Store, digest: Digest = DIGEST, *, executable: bool = False) -> str:
    return store.absolute(layout.blob(digest, executable=executable))


def files_below(folder: str) -> list[str]:
    return [name for _, _, names in os.walk(folder) for name in names]


def faults(store: Store) -> list[tuple[str, str]]:
    report = verify_store(store, reporter=SILENT, jobs=2)
    return [(finding.path, finding.kind) for finding in report.findings]


@pytest.mark.parametrize(("executable", "mode"), [(False, 0o444), (True, 0o555)])
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_blob_has_its_mode_and_time_whatever_the_umask(
    store: Store, executable: bool, mode: int, umask: int
) -> None:
    before = os.umask(umask)
    try:
        with Publication(store) as publication:
            assert publication.add_blob(DATA, executable=executable) == DIGEST
    finally:
        os.umask(before)
    status = os.stat(blob(store, executable=executable))
    assert stat.S_IMODE(status.st_mode) == mode
    assert status.st_mtime_ns == layout.TIMESTAMP * 10**9
    assert status.st_nlink == 1
    assert store.read_blob(DIGEST) == DATA


def test_a_blob_is_new_once(store: Store) -> None:
    with Publication(store) as publication:
        assert publication.blobs.put(DATA, DIGEST, executable=False)
        inode = os.stat(blob(store)).st_ino
        assert not publication.blobs.put(DATA, DIGEST, executable=False)
        assert publication.blobs.put(DATA, DIGEST, executable=True)
    assert os.stat(blob(store)).st_ino == inode


def test_a_draft_is_published_or_forgotten(store: Store) -> None:
    with Publication(store) as publication:
        with publication.blobs.draft() as draft:
            draft.write(DATA[:3])
        assert files_below(publication.staging) == [layout.STAGING_OWNER]
        with publication.blobs.draft() as draft:
            draft.write(DATA[:3])
            draft.write(DATA[3:])
            assert draft.publish(DIGEST, executable=False)
        assert files_below(publication.staging) == [layout.STAGING_OWNER]
    assert store.read_blob(DIGEST) == DATA
    assert os.listdir(store.absolute(layout.STAGING)) == ["partial"]


def test_two_drafts_of_one_blob_do_no_harm(store: Store) -> None:
    with (
        Publication(store) as publication,
        publication.blobs.draft() as first,
        publication.blobs.draft() as second,
    ):
        first.write(DATA)
        second.write(DATA)
        assert first.publish(DIGEST, executable=False)
        assert not second.publish(DIGEST, executable=False)
    assert faults(store) == []


@pytest.mark.parametrize("missing", ["descriptors", "names"])
def test_where_a_file_cannot_be_named_later_it_is_named_first(
    store: Store, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    link = os.link

    def without_proc(source: str, *arguments: object, **more: object) -> None:
        # What a container without /proc does, or a file system that does not link such files.
        if source.startswith("/proc/"):
            number = errno.ENOENT if missing == "names" else errno.EXDEV
            raise OSError(number, os.strerror(number), source)
        link(source, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", without_proc)
    with Publication(store) as publication:
        publication.add_blob(DATA)
        assert files_below(publication.staging) == [layout.STAGING_OWNER]
    assert store.read_blob(DIGEST) == DATA


def spoil(path: str, how: str) -> None:
    os.chmod(path, 0o644)
    match how:
        case "empty":
            os.truncate(path, 0)
        case "longer":
            with open(path, "ab") as file:
                file.write(b"more")
        case "touched":
            os.chmod(path, 0o444)
            os.utime(path)
        case "mode":
            os.utime(path, (layout.TIMESTAMP, layout.TIMESTAMP))
        case "link":
            os.unlink(path)
            os.symlink("/etc/passwd", path)


@pytest.mark.parametrize("how", ["empty", "longer", "touched", "mode", "link"])
def test_a_blob_that_looks_damaged_is_replaced_and_kept_aside(store: Store, how: str) -> None:
    with Publication(store) as publication:
        publication.add_blob(DATA)
        environment = store.absolute("cache/linked")
        os.link(blob(store), environment)
        spoil(blob(store), how)
        spoiled = os.lstat(blob(store))
        assert not publication.blobs.has(DIGEST, size=len(DATA), executable=False)
        assert publication.blobs.put(DATA, DIGEST, executable=False)
        assert publication.blobs.has(DIGEST, size=len(DATA), executable=False)
        assert files_below(publication.staging) == [layout.STAGING_OWNER]
    assert store.read_blob(DIGEST) == DATA
    (kept,) = store.walk(layout.QUARANTINE)
    assert os.lstat(store.absolute(kept)).st_ino == spoiled.st_ino
    assert os.stat(environment).st_ino != os.stat(blob(store)).st_ino
    assert faults(store) == []


def test_records_appear_at_the_commit_and_not_before(store: Store) -> None:
    with Publication(store) as publication:
        tree = add_files(publication, FILES)
        assert not store.has_tree(tree)
        publication.commit()
        assert store.read_tree(tree) == tree_of(FILES)
    assert faults(store) == []


def test_what_is_not_committed_is_abandoned(store: Store) -> None:
    with Publication(store) as publication:
        tree = add_files(publication, FILES)
    assert not store.has_tree(tree)
    assert os.listdir(store.absolute(layout.STAGING)) == ["partial"]
    assert faults(store) == []


def test_each_commit_is_for_what_was_added_since(store: Store) -> None:
    with Publication(store) as publication:
        first = add_files(publication, FILES)
        publication.commit()
        second = add_files(publication, {"e": b"3\n"})
        assert store.has_tree(first)
        assert not store.has_tree(second)
        publication.commit()
        publication.commit()
        assert store.has_tree(second)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_record_may_be_read_by_whoever_reaches_it_and_written_by_nobody(
    store: Store, umask: int
) -> None:
    before = os.umask(umask)
    try:
        with Publication(store) as publication:
            tree = add_files(publication, FILES)
            publication.commit()
    finally:
        os.umask(before)
    path = store.absolute(layout.record(layout.TREES, tree))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o444


def test_referred_to_appears_before_referring(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    rename = os.rename

    def watched(source: str, target: str) -> None:
        relative = os.path.relpath(target, store.path)
        if not seen:
            assert not os.path.exists(store.absolute(layout.record(layout.TREES, tree)))
        rename(source, target)
        seen.append(relative.partition("/")[0])

    with Publication(store) as publication:
        tree = add_wheel(publication, "demo-1.0-py3-none-any.whl", FILES)
        publication.add_record(layout.MANIFESTS, b"{}")
        monkeypatch.setattr(os, "rename", watched)
        publication.commit()
    order = [layout.TREES, layout.DERIVATIONS, layout.REALISATIONS, layout.MANIFESTS]
    assert seen == sorted(seen, key=order.index)
    assert set(seen) == set(order)


def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that tells from now on what is made durable."""
    calls: list[str] = []
    whole, one = sync.sync_file_system, sync.sync_file

    def sync_file_system(path: str) -> None:
        calls.append("all")
        whole(path)

    def sync_file(path: str) -> None:
        calls.append("one")
        one(path)

    monkeypatch.setattr(publish, "sync_file_system", sync_file_system)
    monkeypatch.setattr(publish, "sync_file", sync_file)
    return calls


def test_a_tree_appears_after_everything_is_durable(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Publication(store) as publication:
        add_files(publication, FILES)
        calls = synced(monkeypatch)
        publication.commit()
        assert calls == ["all"]
        publication.commit()
        assert calls == ["all"]


def test_a_tree_whose_blobs_others_wrote_waits_for_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Publication(store) as publication:
        for content in FILES.values():
            publication.add_blob(content)
    with Publication(store) as publication:
        add_files(publication, FILES)
        assert not publication.blobs.unsynced
        calls = synced(monkeypatch)
        publication.commit()
    assert calls == ["all"]


def test_a_blob_that_was_missing_is_made_durable_though_its_tree_was_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Publication(store) as publication:
        add_files(publication, FILES)
        publication.commit()
    os.unlink(blob(store, digest_of(b"1\n")))
    with Publication(store) as publication:
        add_files(publication, FILES)
        calls = synced(monkeypatch)
        publication.commit()
    assert calls == ["all"]
    assert faults(store) == []


def test_few_small_records_do_not_wait_for_the_writes_of_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Publication(store) as publication:
        tree = add_files(publication, FILES)
        publication.commit()
        calls = synced(monkeypatch)
        key = publication.add_record(layout.DERIVATIONS, b'{"some":"thing"}')
        output = TreeOutput(digest=tree)
        publication.add_realisation(Realisation(resolved_key=key, output=output, name="a"))
        publication.commit()
        assert calls == ["one", "one"]
        for number in range(9):
            publication.add_record(layout.MANIFESTS, b'{"number":%d}' % number)
        publication.commit()
        assert calls == ["one", "one", "all"]


def test_what_is_there_is_not_written_again(store: Store) -> None:
    with Publication(store) as publication:
        tree = add_files(publication, FILES)
        publication.commit()
    path = store.absolute(layout.record(layout.TREES, tree))
    inode = os.stat(path).st_ino
    with Publication(store) as publication:
        assert add_files(publication, FILES) == tree
        publication.commit()
    assert os.stat(path).st_ino == inode


def test_a_damaged_record_is_replaced(store: Store) -> None:
    path = layout.record(layout.TREES, tree_of(FILES).digest)
    write_record(store, path, b"")
    with Publication(store) as publication:
        add_files(publication, FILES)
        publication.commit()
    assert store.read(path) == tree_of(FILES).encode()


def test_the_staging_folder_says_that_its_owner_is_alive(store: Store) -> None:
    with Publication(store) as publication:
        owner = f"{publication.staging}/{layout.STAGING_OWNER}"
        assert locks.is_held(owner)
        assert locks.holder(owner) == locks.describe_holder()
        assert os.path.dirname(publication.staging) == store.absolute(layout.STAGING)
    assert not os.path.exists(publication.staging)


def test_folders_that_are_missing_are_made(store: Store) -> None:
    for folder in reversed(layout.FOLDERS):
        if folder != layout.LOCKS:
            os.rmdir(store.absolute(folder))
    with Publication(store) as publication:
        add_wheel(publication, "demo-1.0-py3-none-any.whl", FILES)
        publication.commit()
    assert faults(store) == []
    path = layout.record(layout.MANIFESTS, digest_of(b"{}"))
    write_record(store, path, b"{}")
    store.quarantine(path)
    assert [store.read(kept) for kept in store.walk(layout.QUARANTINE)] == [b"{}"]


def test_threads_share_a_publication(store: Store) -> None:
    failures: list[BaseException] = []

    def work(publication: Publication, worker: int) -> None:
        try:
            for number in range(20):
                name = f"demo-{worker}.{number}-py3-none-any.whl"
                files = {f"{worker}/{number}": b"%d %d" % (worker, number), "same": b"same"}
                add_wheel(publication, name, files)
                if number % 7 == worker:
                    publication.commit()
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            failures.append(error)

    with Publication(store) as publication:
        threads = [threading.Thread(target=work, args=(publication, n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        publication.commit()
    assert failures == []
    assert len(list(store.all_realisations())) == 80
    assert faults(store) == []


def add_second(store: Store) -> Digest:
    with Publication(store) as publication:
        tree = add_wheel(publication, "second-1-py3-none-any.whl", {"b": b"b" * 50_000})
        publication.commit()
    return tree


def test_a_full_disk_fails_and_leaves_a_sound_store(tmp_path: Path) -> None:
    with (
        small_file_system(tmp_path / "disk", size="2m") as disk,
        Store.open(str(disk / "store")) as store,
    ):
        with Publication(store) as publication:
            first = add_wheel(publication, "first-1-py3-none-any.whl", {"a": b"a" * 5000})
            publication.commit()
        ballast = fill(disk)
        for _ in range(2):
            with pytest.raises(StoreUnusable) as caught:
                add_second(store)
            assert caught.value.errno == errno.ENOSPC
        assert faults(store) == []
        ballast.unlink()
        assert store.has_tree(add_second(store))
        assert store.has_tree(first)
        assert faults(store) == []
        assert os.listdir(store.absolute(layout.STAGING)) == ["partial"]


def test_a_disk_that_fills_anywhere_on_the_way_leaves_a_sound_store(tmp_path: Path) -> None:
    """The same work with a little more room each time, until there is enough."""
    with (
        small_file_system(tmp_path / "disk", size="2m") as disk,
        Store.open(str(disk / "store")) as store,
    ):
        tree = None
        room = 0
        while tree is None:
            ballast = fill(disk)
            os.truncate(ballast, max(0, ballast.stat().st_size - room))
            try:
                tree = add_second(store)
            except StoreUnusable as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017 - it may also succeed
                room += 4096
            ballast.unlink()
            assert faults(store) == []
        assert room > 4 * 4096
        assert len(list(store.all_realisations())) == 1


def test_a_commit_that_failed_can_be_repeated(tmp_path: Path) -> None:
    with (
        small_file_system(tmp_path / "disk", options="nr_inodes=200") as disk,
        Store.open(str(disk / "store")) as store,
        Publication(store) as publication,
    ):
        tree = add_wheel(publication, "demo-1-py3-none-any.whl", FILES)
        names = use_up_names(disk)
        with pytest.raises(StoreUnusable) as caught:
            publication.commit()
        assert caught.value.errno == errno.ENOSPC
        assert faults(store) == []
        shutil.rmtree(names)
        publication.commit()
        assert store.read_tree(tree) == tree_of(FILES)
        assert len(list(store.all_realisations())) == 1
        assert faults(store) == []


ADD = """
import sys
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from support.stores import add_wheel
print("ready", flush=True)
sys.stdin.readline()
new = 0
with Store.open(sys.argv[1]) as store:
    for number in range(40):
        files = {f"a/{number}/{part}": b"%d %d" % (number, part) for part in range(20)}
        with Publication(store) as publication:
            add_wheel(publication, f"demo-{number}-py3-none-any.whl", files, {"run": b"#!"})
            publication.commit()
print("done", flush=True)
"""


@pytest.mark.slow
def test_many_processes_add_the_same_at_once(store: Store) -> None:
    with child(ADD, store.path) as a, child(ADD, store.path) as b, child(ADD, store.path) as c:
        others = (a, b, c)
        assert [other.reads() for other in others] == ["ready"] * 3
        for other in others:
            other.goes_on()
        assert [other.reads() for other in others] == ["done"] * 3
        assert [other.ends() for other in others] == [0] * 3
    report = verify_store(store, reporter=SILENT, jobs=2)
    assert report.findings == ()
    assert (report.trees, report.realisations, report.blobs) == (40, 40, 801)
    assert report.leftovers == 0


def test_what_is_missing_in_the_way_is_told(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "store")) as store:
        os.rmdir(store.absolute(layout.PARTIAL))
        os.rmdir(store.absolute(layout.STAGING))
        (tmp_path / "store" / layout.STAGING).touch()
        with pytest.raises(StoreUnusable, match="Not a directory"):
            Publication(store)


def test_a_folder_in_the_place_of_a_blob_is_told(store: Store) -> None:
    os.makedirs(blob(store))
    with Publication(store) as publication, pytest.raises(StoreUnusable, match="Is a directory"):
        publication.add_blob(DATA)
