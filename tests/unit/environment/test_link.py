"""Placing files: real blobs, real links, real other devices, an inode with all its links taken."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from envbuild.digest import Digest, digest_of
from envbuild.environment.link import (
    DamagedBlobs,
    Job,
    LinkRefused,
    PlacingFailed,
    place,
    probe_mode,
)
from envbuild.environment.placement import Placement
from envbuild.environment.written import WrittenFile
from envbuild.events import SILENT, Event, FilesLinked
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.store.publish import Publication

SITE = "lib/python3.12/site-packages"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "store"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / SITE).mkdir(parents=True)
    (folder / "bin").mkdir()
    return folder


def placement(store: Store, files: dict[str, bytes], *, executable: bool = False) -> Placement:
    groups: dict[str, list[tuple[str, str, int]]] = {}
    with Publication(store) as publication:
        for path, data in sorted(files.items()):
            digest = publication.add_blob(data, executable=executable)
            blob = layout.blob(digest, executable=executable).removeprefix("blobs/")
            folder, _, name = path.rpartition("/")
            groups.setdefault(folder, []).append((name, blob, len(data)))
    folders = {folder for folder in groups if folder not in {SITE, "bin"}}
    return Placement(
        tree=Digest("0" * 64),
        info=f"{SITE}/demo-1.dist-info",
        folders=tuple(sorted(folders)),
        links=tuple((folder, tuple(group)) for folder, group in sorted(groups.items())),
        launchers=(),
        record=(),
        units=(),
    )


def job(
    made: Placement,
    *written: WrittenFile,
    tolerated: frozenset[str] = frozenset(),
    copied: bool = False,
) -> Job:
    return Job(
        load=lambda: (made, written),
        files=sum(len(files) for _, files in made.links),
        folders=len(made.folders),
        tolerated=tolerated,
        copied=copied,
    )


def put(
    store: Store, root: Path, *jobs: Job, mode: str = "hardlink", required: bool = False
) -> tuple[str, ...]:
    return place(
        jobs,
        store=store.path,
        root=str(root),
        mode=mode,  # type: ignore[arg-type]  # spelled out by the test
        required=required,
        reporter=SILENT,
    )


FILES = {
    f"{SITE}/demo/__init__.py": b"",
    f"{SITE}/demo/core.py": b"answer = 42\n",
    f"{SITE}/demo/deep/data.bin": bytes(range(256)) * 100,
}


def blob_of(store: Store, data: bytes, *, executable: bool = False) -> str:
    return store.absolute(layout.blob(digest_of(data), executable=executable))


@pytest.mark.parametrize("mode", ["hardlink", "copy", "symlink"])
def test_files_have_the_content_of_their_blobs(store: Store, root: Path, mode: str) -> None:
    put(store, root, job(placement(store, FILES)), mode=mode)
    assert {path: (root / path).read_bytes() for path in FILES} == FILES


def test_a_hard_link_is_the_blob_itself_read_only_with_the_one_time(
    store: Store, root: Path
) -> None:
    put(store, root, job(placement(store, FILES)))
    status = (root / SITE / "demo/core.py").stat()
    assert os.path.samestat(status, os.stat(blob_of(store, FILES[f"{SITE}/demo/core.py"])))
    assert stat.S_IMODE(status.st_mode) == 0o444
    assert status.st_mtime == layout.TIMESTAMP


def test_an_empty_file_is_never_linked(store: Store, root: Path) -> None:
    put(store, root, job(placement(store, FILES)))
    assert (root / SITE / "demo/__init__.py").stat().st_nlink == 1


def test_a_copy_may_be_edited_and_carries_the_one_time(store: Store, root: Path) -> None:
    put(store, root, job(placement(store, FILES)), mode="copy")
    path = root / SITE / "demo/core.py"
    assert path.stat().st_nlink == 1
    assert path.stat().st_mtime == layout.TIMESTAMP
    assert stat.S_IMODE(path.stat().st_mode) & 0o200


def test_executables_stay_executable_in_every_mode(store: Store, root: Path) -> None:
    made = placement(store, {"bin/tool": b"#!/bin/sh\nexit 0\n"}, executable=True)
    for mode in ("hardlink", "copy", "symlink"):
        put(store, root, job(made), mode=mode)
        assert os.access(root / "bin/tool", os.X_OK)
        (root / "bin/tool").unlink()


@pytest.mark.parametrize("mode", ["hardlink", "reflink", "copy", "symlink"])
def test_what_is_copied_shares_nothing_with_the_store_in_any_mode(
    store: Store, root: Path, mode: str
) -> None:
    put(store, root, job(placement(store, FILES), copied=True), mode=mode)
    for path, data in FILES.items():
        status = (root / path).lstat()
        assert (root / path).read_bytes() == data
        assert stat.S_ISREG(status.st_mode)
        assert status.st_nlink == 1
        assert stat.S_IMODE(status.st_mode) & 0o200
        assert os.stat(blob_of(store, data)).st_nlink == 1


def test_only_what_is_to_be_copied_is(store: Store, root: Path) -> None:
    other = {f"{SITE}/other.py": b"other = 1\n"}
    jobs = (job(placement(store, FILES), copied=True), job(placement(store, other)))
    put(store, root, *jobs, mode="hardlink")
    assert (root / SITE / "demo/core.py").stat().st_nlink == 1
    assert (root / SITE / "other.py").stat().st_nlink == 2


def test_written_files_are_written_with_their_modes(store: Store, root: Path) -> None:
    launcher = WrittenFile(path="bin/demo", data=b"#!x\n", executable=True)
    note = WrittenFile(path=f"{SITE}/note", data=b"text", executable=False)
    put(store, root, job(placement(store, {}), launcher, note))
    assert stat.S_IMODE((root / "bin/demo").stat().st_mode) & 0o111
    assert not stat.S_IMODE((root / SITE / "note").stat().st_mode) & 0o111
    assert (root / SITE / "note").read_bytes() == b"text"


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"edited through a link"),
        os.utime,
        lambda path: path.chmod(0o644),
        lambda path: path.unlink(),
    ],
    ids=["edited", "touched", "made writable", "gone"],
)
@pytest.mark.parametrize("copied", [False, True], ids=["as the mode says", "copied"])
@pytest.mark.parametrize("mode", ["hardlink", "copy", "symlink"])
def test_a_damaged_blob_is_never_placed(  # type: ignore[no-untyped-def]
    store: Store, root: Path, damage, mode: str, copied: bool
) -> None:
    made = placement(store, FILES)
    blob = Path(blob_of(store, FILES[f"{SITE}/demo/core.py"]))
    os.chmod(blob, 0o644)
    os.chmod(blob, 0o444)
    damage(blob)
    with pytest.raises(DamagedBlobs) as caught:
        put(store, root, job(made, copied=copied), mode=mode)
    assert caught.value.blobs == (str(blob.relative_to(store.path + "/blobs")),)
    assert not os.path.lexists(root / SITE / "demo/core.py")
    assert (root / SITE / "demo/deep/data.bin").exists()


def test_a_path_of_two_jobs_must_be_tolerated(store: Store, root: Path) -> None:
    made = placement(store, FILES)
    with pytest.raises(PlacingFailed) as caught:
        put(store, root, job(made), job(made))
    assert caught.value.errno == errno.EEXIST


def test_a_tolerated_path_may_be_placed_twice(store: Store, root: Path) -> None:
    made = placement(store, FILES)
    both = frozenset(FILES)
    put(store, root, job(made, tolerated=both), job(made, tolerated=both))
    assert {path: (root / path).read_bytes() for path in FILES} == FILES


def test_many_files_are_shared_out_among_workers_and_reported(store: Store, root: Path) -> None:
    jobs = [
        job(placement(store, {f"{SITE}/p{n}/m{k}.py": b"%d %d" % (n, k) for k in range(300)}))
        for n in range(8)
    ]
    counts: list[int] = []

    class Listening:
        def report(self, event: Event) -> None:
            assert isinstance(event, FilesLinked)
            counts.append(event.count)

    place(
        jobs,
        store=store.path,
        root=str(root),
        mode="hardlink",
        required=False,
        reporter=Listening(),
    )
    assert sum(counts) == 2400
    assert (root / SITE / "p7/m299.py").read_bytes() == b"7 299"


def test_what_a_worker_meets_is_raised_here(store: Store, root: Path) -> None:
    jobs = [
        job(placement(store, {f"{SITE}/p{n}/m{k}.py": b"%d %d" % (n, k) for k in range(300)}))
        for n in range(8)
    ]
    blob = Path(blob_of(store, b"5 5"))
    blob.unlink()
    with pytest.raises(DamagedBlobs) as caught:
        put(store, root, *jobs)
    assert caught.value.blobs == (str(blob.relative_to(store.path + "/blobs")),)


OTHER_DEVICE = Path("/dev/shm")


@pytest.fixture
def elsewhere(store: Store, tmp_path: Path) -> Path:
    if not OTHER_DEVICE.is_dir() or OTHER_DEVICE.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second file system")
    folder = OTHER_DEVICE / f"envbuild-test-{os.getpid()}"
    folder.mkdir()
    (folder / SITE).mkdir(parents=True)
    return folder


def test_on_another_device_files_are_copied_and_that_is_told(store: Store, elsewhere: Path) -> None:
    try:
        mode, sentence = probe_mode(store.path, str(elsewhere), "auto", required=False)
        assert mode == "copy"
        assert "copied" in sentence
        with pytest.raises(LinkRefused):
            probe_mode(store.path, str(elsewhere), "auto", required=True)
        with pytest.raises(LinkRefused):
            probe_mode(store.path, str(elsewhere), "hardlink", required=True)
    finally:
        os.system(f"rm -rf {elsewhere}")


def test_the_probe_leaves_nothing(store: Store, root: Path) -> None:
    mode, sentence = probe_mode(store.path, str(root), "auto", required=True)
    assert mode in {"reflink", "hardlink"}
    assert sentence == ""
    assert sorted(os.listdir(root)) == ["bin", "lib"]


@pytest.mark.slow
def test_an_inode_with_all_its_links_taken_gets_a_fresh_one(
    store: Store, root: Path, tmp_path: Path
) -> None:
    made = placement(store, FILES)
    blob = blob_of(store, FILES[f"{SITE}/demo/core.py"])
    many = tmp_path / "many"
    many.mkdir()
    old = os.stat(blob).st_ino
    taken = 0
    while taken < 70_000 and _linked(blob, many / str(taken)):
        taken += 1
    if taken == 70_000:
        pytest.skip("this file system allows more links than are worth trying")
    put(store, root, job(made))
    assert (root / SITE / "demo/core.py").read_bytes() == FILES[f"{SITE}/demo/core.py"]
    fresh = os.stat(blob)
    assert fresh.st_ino != old
    assert fresh.st_nlink == 2
    assert stat.S_IMODE(fresh.st_mode) == 0o444
    assert fresh.st_mtime == layout.TIMESTAMP


def _linked(blob: str, path: Path) -> bool:
    try:
        os.link(blob, path)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        return False
    return True
