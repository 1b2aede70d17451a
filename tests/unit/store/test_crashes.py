"""Real kills (SIGKILL), at every step and at random: the store always opens, and holds together."""

from __future__ import annotations

import os
import random
import signal
import time
from itertools import count
from typing import TYPE_CHECKING

import pytest

from envbuild.events import SILENT
from envbuild.maintenance.verify import verify_store
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from envbuild.store.roots import is_registered, register
from envbuild.store.running import Running
from support.processes import child, fork
from support.stores import add_wheel, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from envbuild.digest import Digest
    from envbuild.maintenance.verify import StoreReport

pytestmark = pytest.mark.slow

WHEEL = "demo-1.0-py3-none-any.whl"
FILES = {"demo/__init__.py": b"", "demo/a.py": b"1\n", "demo/b.py": b"22\n"}
TREE = tree_of(FILES)
MANIFEST = b'{"trees":["%s"]}' % TREE.digest.encode()
STEPS = (
    "open",
    "write",
    "fchmod",
    "utime",
    "link",
    "rename",
    "replace",
    "mkdir",
    "unlink",
    "fsync",
)


def work(path: str) -> None:
    """Make a store, mend a blob in it, publish a wheel, register an environment."""
    with Store.open(path) as store, Running(store) as running:
        running.needs(trees=[TREE.digest])
        with Publication(store) as publication:
            add_wheel(publication, WHEEL, FILES)
            publication.commit()
        register(store, "/srv/app/.venv", MANIFEST)


def killed_before_step(number: int, doing: Callable[[], None]) -> bool:
    """Do it in another process that is killed before its step `number`; tell whether it was."""
    forked = fork()
    if forked == 0:
        steps = count(1)

        def counted(function: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **more: object) -> object:
                if next(steps) == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments, **more)

            return call

        for name in STEPS:
            setattr(os, name, counted(getattr(os, name)))
        try:
            doing()
        finally:
            os._exit(0)
    _, status = os.waitpid(forked, 0)
    return os.WIFSIGNALED(status)


def checked(store: Store) -> StoreReport:
    """Verify a store in which nothing may be wrong but for manifests that are no real ones."""
    report = verify_store(store, reporter=SILENT, jobs=1)
    wrong = [finding for finding in report.findings if not finding.path.startswith("manifests/")]
    assert wrong == []
    for realisation in store.all_realisations():
        assert store.read_tree(realisation.output.digest) is not None  # type: ignore[union-attr]
    return report


def test_a_kill_before_any_step_leaves_a_store_that_holds_together(tmp_path: Path) -> None:
    for number in count(1):
        path = str(tmp_path / str(number))
        killed = killed_before_step(number, lambda path=path: work(path))  # type: ignore[misc]
        with Store.open(path) as store:
            checked(store)
            if store.has_tree(TREE.digest):
                assert store.read_tree(TREE.digest) == TREE
        work(path)
        with Store.open(path) as store:
            report = checked(store)
            assert (report.trees, report.realisations, report.roots) == (1, 1, 1)
            assert store.read_tree(TREE.digest) == TREE
            assert is_registered(
                store, "/srv/app/.venv", next(iter(store.environment_roots())).manifest
            )
        if not killed:
            break
    assert number > 60


def test_a_kill_while_a_blob_is_replaced_leaves_the_one_or_the_other(tmp_path: Path) -> None:
    name = layout.blob(next(e.digest for e in TREE.entries if e.size == 3), executable=False)  # type: ignore[arg-type]
    for number in count(1):
        path = str(tmp_path / str(number))
        work(path)
        blob = f"{path}/{name}"
        os.chmod(blob, 0o644)
        os.truncate(blob, 1)
        killed = killed_before_step(number, lambda path=path: work(path))  # type: ignore[misc]
        with Store.open(path) as store:
            report = verify_store(store, reporter=SILENT, jobs=1)
            kinds = {(f.path, f.kind) for f in report.findings if "manifests" not in f.path}
            assert kinds in (set(), {(name, "content")})
        assert os.path.exists(blob)
        work(path)
        with Store.open(path) as store:
            checked(store)
        if not killed:
            break


PUBLISH = """
import sys
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from envbuild.store.running import Running
from support.stores import add_wheel
path, start = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
with Store.open(path) as store, Running(store):
    for number in range(start, start + 1000):
        files = {f"demo/{part}.py": b"%d" % (number * part % 97) * 50 for part in range(30)}
        with Publication(store) as publication:
            tree = add_wheel(publication, f"demo-{number}-py3-none-any.whl", files)
            publication.commit()
        print(tree, flush=True)
"""


def test_kills_at_random_moments_lose_nothing_that_was_published(tmp_path: Path) -> None:
    path = str(tmp_path / "store")
    chance = random.Random(1)
    published: set[Digest] = set()
    interrupted = 0
    for attempt in range(40):
        with child(PUBLISH, path, str(attempt * 1000)) as other:
            assert other.reads() == "ready"
            for _ in range(chance.randrange(3)):
                published.add(other.reads())  # type: ignore[arg-type]
            time.sleep(chance.random() * 0.01)
            other.is_killed()
        with Store.open(path) as store:
            report = checked(store)
            interrupted += report.leftovers > 0
            for tree in published:
                assert store.read_tree(tree) is not None
    assert interrupted > 0
    assert len(published) > 10


MAKE = """
import sys
from itertools import count
from envbuild.store.local import Store
print("ready", flush=True)
for number in count():
    Store.open(f"{sys.argv[1]}/{number}").close()
"""


def test_kills_while_stores_are_made_leave_stores_or_what_becomes_one(tmp_path: Path) -> None:
    chance = random.Random(2)
    for attempt in range(10):
        folder = tmp_path / str(attempt)
        with child(MAKE, str(folder)) as other:
            assert other.reads() == "ready"
            time.sleep(chance.random() * 0.02)
            other.is_killed()
        for path in sorted(folder.glob("*")):
            with Store.open(str(path)) as store:
                assert checked(store).leftovers == 0
