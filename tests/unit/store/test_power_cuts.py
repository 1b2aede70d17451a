"""Power cuts: what a disk held at the moment, mounted anew.

The disk is a file. What the system has not written to the disk is not in the file, so a copy of the
file is what a power cut leaves. While a store is written, somebody else makes the file system write
its journal all the time: that is when names reach the disk before what they name.
"""

from __future__ import annotations

import random
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from envbuild.events import SILENT
from envbuild.maintenance.verify import damaged_trees, verify_store
from envbuild.store import layout
from envbuild.store.local import Store
from support.file_systems import make_disk, mounted_disk
from support.processes import child

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

PUBLISH = """
import os, sys, threading
from envbuild.store import publish
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from envbuild.store.roots import register
from support.stores import add_wheel
disk, start, durable = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "durable"

def write_journal():
    number = 0
    while True:
        descriptor = os.open(f"{disk}/other", os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, str(number).encode())
        os.fsync(descriptor)
        os.close(descriptor)
        os.link(f"{disk}/other", f"{disk}/other-{number}")
        os.unlink(f"{disk}/other-{number}")
        number += 1

if not durable:
    publish.sync_file_system = lambda path: None
    publish.sync_file = lambda path: None
threading.Thread(target=write_journal, daemon=True).start()
with Store.open(f"{disk}/store") as store:
    print("ready", flush=True)
    for number in range(start, start + 10_000):
        files = {f"demo/{part}.py": b"%d " % (number * 100 + part) * 400 for part in range(10)}
        with Publication(store) as publication:
            tree = add_wheel(publication, f"demo-{number}-py3-none-any.whl", files)
            publication.commit()
        print(tree, flush=True)
"""


def cuts(tmp_path: Path, how: str, number: int) -> Iterator[Store]:
    """Yield stores as they are after a power cut, each while the next has not begun."""
    chance = random.Random(3)
    image, cut = tmp_path / "image", tmp_path / "cut"
    make_disk(image)
    with mounted_disk(image, tmp_path / "disk") as disk:
        Store.open(str(disk / "store")).close()
        for attempt in range(number):
            with child(PUBLISH, str(disk), str(attempt * 10_000), how) as other:
                assert other.reads() == "ready"
                for _ in range(chance.randrange(1, 4)):
                    assert other.reads()
                time.sleep(chance.random() * 0.02)
                other.is_killed()
                shutil.copyfile(image, cut)
            with (
                mounted_disk(cut, tmp_path / "after") as after,
                Store.open(str(after / "store")) as store,
            ):
                yield store


def test_a_power_cut_tears_nothing_that_is_referred_to(tmp_path: Path) -> None:
    trees = 0
    for store in cuts(tmp_path, "durable", 12):
        report = verify_store(store, reporter=SILENT, jobs=2)
        assert damaged_trees(report) == ()
        torn = [f for f in report.findings if not f.path.startswith(f"{layout.BLOBS}/")]
        assert torn == []
        for finding in report.findings:
            # A blob that nothing refers to yet. Whoever needs it sees its size.
            assert (finding.kind, finding.affects) == ("content", ())
        trees = max(trees, report.trees)
    assert trees > 0


def test_without_making_durable_power_cuts_would_tear(tmp_path: Path) -> None:
    """The test above can see what it looks for."""
    reports = [verify_store(store, reporter=SILENT, jobs=2) for store in cuts(tmp_path, "not", 12)]
    assert any(damaged_trees(report) for report in reports)
