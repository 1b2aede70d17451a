"""Verifying a store. What is found in which store is listed in `store_layout/v1/vectors/stores`."""

from __future__ import annotations

import os
import threading
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from envbuild.digest import digest_of
from envbuild.environment.manifest import Manifest
from envbuild.events import SILENT, BlobsChecked, Event, StoreCheckPlanned
from envbuild.frozen import replace
from envbuild.maintenance.verify import (
    Finding,
    StoreReport,
    Use,
    damaged_trees,
    verify_store,
)
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.store.publish import Publication, write_record
from envbuild.store.roots import register
from envbuild.store.tree import Entry, Tree
from store_layout.formats import LIVE, SMALL
from support.processes import child, without_privileges
from support.stores import add_files, add_wheel, file_entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envbuild.digest import Digest

FIRST = {"a.py": b"1\n", "shared.py": b"shared\n"}
SECOND = {"b.py": b"2\n", "again/shared.py": b"shared\n"}
SHARED = layout.blob(digest_of(b"shared\n"), executable=False)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "store")) as opened:
        yield opened


def add_both(store: Store) -> tuple[Digest, Digest]:
    with Publication(store) as publication:
        first = add_wheel(publication, "first-1-py3-none-any.whl", FIRST)
        second = add_wheel(publication, "second-2-py3-none-any.whl", SECOND)
        publication.commit()
    return first, second


def verify(store: Store, jobs: int = 2) -> StoreReport:
    return verify_store(store, reporter=SILENT, jobs=jobs)


def write(store: Store, path: str, data: bytes) -> None:
    """Write over a file of the store, read-only as it is."""
    os.unlink(store.absolute(path))
    with open(store.absolute(path), "wb") as file:
        file.write(data)


def test_a_sound_store_is_counted(store: Store) -> None:
    add_both(store)
    assert verify(store) == StoreReport(
        blobs=3,
        bytes=11,
        trees=2,
        derivations=6,
        realisations=2,
        manifests=0,
        roots=0,
        leftovers=0,
        findings=(),
    )
    assert verify(store).is_clean


def test_a_finding_says_where_what_and_for_whom(store: Store) -> None:
    first, second = add_both(store)
    write(store, SHARED, b"changed")
    report = verify(store)
    assert report.findings == (
        Finding(
            path=SHARED,
            kind="content",
            expected=digest_of(b"shared\n"),
            found=digest_of(b"changed"),
            affects=(
                Use(name="first-1-py3-none-any.whl", tree=first, path="shared.py"),
                Use(name="second-2-py3-none-any.whl", tree=second, path="again/shared.py"),
            ),
        ),
    )
    assert not report.is_clean
    assert damaged_trees(report) == tuple(sorted((first, second)))


def test_a_time_stamp_is_told_to_the_nanosecond(store: Store) -> None:
    add_both(store)
    os.utime(store.absolute(SHARED), ns=(0, layout.TIMESTAMP * 10**9 + 1))
    (finding,) = verify(store).findings
    assert (finding.kind, finding.expected) == ("time", "1980-01-02T00:00:00Z")
    assert finding.found == "1980-01-02T00:00:00.000000001Z"


def test_a_mode_is_told_in_octal(store: Store) -> None:
    add_both(store)
    os.chmod(store.absolute(SHARED), 0o4755)
    (finding,) = verify(store).findings
    assert (finding.kind, finding.expected, finding.found) == ("mode", "0444", "4755")


def test_all_damage_is_told_at_once_and_in_order(store: Store) -> None:
    first, second = add_both(store)
    os.unlink(store.absolute(SHARED))
    write(store, layout.record(layout.TREES, first), b"{}")
    write(store, layout.FORMAT_FILE, b"{}")
    write_record(store, "stranger", b"")
    report = verify(store)
    found = [(finding.path, finding.kind) for finding in report.findings]
    assert found == sorted(found)
    assert set(found) == {
        (SHARED, "missing"),
        (layout.record(layout.TREES, first), "content"),
        (layout.FORMAT_FILE, "content"),
        ("stranger", "stranger"),
    }
    assert damaged_trees(report) == tuple(sorted((first, second)))


def manifest_of(*, tree: Digest) -> Manifest:
    """Return a manifest with a wheel's tree, and an editable, which has none."""
    wheel = replace(SMALL.distributions[0], tree=tree)
    return replace(SMALL, distributions=(wheel, LIVE))


def test_an_editable_needs_no_tree(store: Store) -> None:
    first, _ = add_both(store)
    assert register(store, "/srv/app/.venv", manifest_of(tree=first).encode())
    report = verify(store)
    assert (report.manifests, report.roots, report.findings) == (1, 1, ())


def test_what_stands_beside_an_editable_needs_its_tree(store: Store) -> None:
    gone = digest_of(b"gone")
    assert register(store, "/srv/app/.venv", manifest_of(tree=gone).encode())
    (finding,) = verify(store).findings
    assert (finding.path, finding.kind) == (layout.record(layout.TREES, gone), "missing")
    assert finding.affects == (Use(name="demo 1.0", tree=gone, path=""),)


def test_threads_change_nothing(store: Store) -> None:
    add_both(store)
    write(store, SHARED, b"changed")
    assert verify(store, jobs=1) == verify(store, jobs=7)


def test_progress_adds_up(store: Store) -> None:
    class Listener:
        def __init__(self) -> None:
            self.events: list[Event] = []

        def report(self, event: Event) -> None:
            self.events.append(event)

    add_both(store)
    listener = Listener()
    verify_store(store, reporter=listener, jobs=2)
    planned, *checked = listener.events
    assert planned == StoreCheckPlanned(blobs=3)
    assert sum(each.count for each in checked if isinstance(each, BlobsChecked)) == 3


def test_a_tree_that_lies_about_a_size_is_invalid(store: Store) -> None:
    entry = file_entry("a.py", b"1\n")
    lie = Entry(
        path="a.py", kind="file", digest=entry.digest, sha256=entry.sha256, size=3
    )  # fmt: skip
    with Publication(store) as publication:
        publication.add_blob(b"1\n")
        tree = publication.add_tree(Tree.of([lie]))
        publication.commit()
    report = verify(store)
    (finding,) = report.findings
    assert (finding.path, finding.kind) == (layout.record(layout.TREES, tree), "invalid")
    assert damaged_trees(report) == (tree,)


def test_a_large_blob_is_not_read_into_memory(store: Store) -> None:
    size = 48 << 20
    draft = store.absolute("staging/large")
    with open(draft, "wb") as file:
        file.truncate(size)
    # The same zeros, hashed in one go.
    digest = digest_of(bytes(size))
    path = store.absolute(layout.blob(digest, executable=False))
    os.makedirs(os.path.dirname(path))
    os.chmod(draft, layout.FILE_MODE)
    os.utime(draft, (layout.TIMESTAMP, layout.TIMESTAMP))
    os.rename(draft, path)
    tracemalloc.start()
    try:
        report = verify(store)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (report.blobs, report.bytes, report.findings) == (1, size, ())
    assert peak < 8 << 20


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_file_is_not_followed_and_not_waited_for(store: Store, kind: str) -> None:
    add_both(store)
    path = store.absolute(SHARED)
    os.unlink(path)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "link":
            os.symlink("/dev/zero", path)
        case "folder":
            os.mkdir(path)
    findings = verify(store).findings
    assert [(finding.path, finding.kind) for finding in findings] == [(SHARED, "unreadable")]


VERIFY = """
import sys
from envbuild.events import SILENT
from envbuild.maintenance.verify import verify_store
from envbuild.store.local import Store
with Store.open(sys.argv[1]) as store:
    for finding in verify_store(store, reporter=SILENT, jobs=2).findings:
        print(finding.kind, finding.path, finding.found, flush=True)
"""


def test_what_may_not_be_read_is_told(store: Store) -> None:
    first, _ = add_both(store)
    hidden = (SHARED, layout.record(layout.TREES, first))
    for path in hidden:
        os.chmod(store.absolute(path), 0)
    closed = layout.realisations(digest_of(b""))
    os.makedirs(store.absolute(closed))
    os.chmod(store.absolute(closed), 0)
    with child(VERIFY, store.path, prefix=without_privileges()) as other:
        lines = {other.reads() for _ in range(3)}
        assert other.ends() == 0
    assert lines == {f"unreadable {path} Permission denied" for path in (*hidden, closed)}
    os.chmod(store.absolute(closed), 0o755)


PUBLISH = """
import sys
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from support.stores import add_wheel
print("ready", flush=True)
with Store.open(sys.argv[1]) as store:
    for number in range(60):
        files = {f"{part}.py": b"%d" % (number * part % 31) for part in range(20)}
        with Publication(store) as publication:
            add_wheel(publication, f"demo-{number}-py3-none-any.whl", files)
            publication.commit()
print("done", flush=True)
"""


@pytest.mark.slow
def test_a_store_is_verified_while_others_add_to_it(store: Store) -> None:
    done = threading.Event()
    reports: list[StoreReport] = []

    def watch() -> None:
        while not done.is_set():
            reports.append(verify(store))

    with child(PUBLISH, store.path) as other:
        assert other.reads() == "ready"
        watcher = threading.Thread(target=watch)
        watcher.start()
        assert other.reads() == "done"
        done.set()
        watcher.join()
    assert [report.findings for report in reports if not report.is_clean] == []
    assert reports
    assert verify(store).realisations == 60


def test_views_cache_trash_and_quarantine_are_not_looked_at(store: Store) -> None:
    for folder in (layout.VIEWS, layout.CACHE, layout.TRASH, layout.QUARANTINE):
        write_record(store, f"{folder}/anything", b"at all")
    assert verify(store).is_clean


def test_an_empty_tree_and_its_store_are_sound(store: Store) -> None:
    with Publication(store) as publication:
        add_files(publication, {})
        publication.commit()
    assert verify(store).findings == ()
