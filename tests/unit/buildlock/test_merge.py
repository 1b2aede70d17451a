from __future__ import annotations

from hypothesis import given

from envbuild.buildlock.merge import merge, prune
from envbuild.buildlock.model import ArchiveSource, BuildLock, PinnedPackage
from support.build_locks import BUILD_LOCKS, build, pinned, sdist, sha256

OTHER = "cpython-3.13-macos-arm64"


def test_a_build_for_another_target_stays() -> None:
    old = BuildLock(builds=(build("demo", pinned("a", "1")), build("demo", target=OTHER)))
    new = BuildLock(builds=(build("demo", pinned("a", "2")),))
    assert merge(old, new) == BuildLock(
        builds=(build("demo", pinned("a", "2")), build("demo", target=OTHER))
    )


@given(BUILD_LOCKS, BUILD_LOCKS)
def test_merging_keeps_every_key_and_prefers_the_new(old: BuildLock, new: BuildLock) -> None:
    merged = merge(old, new)
    assert merged.by_key.keys() == old.by_key.keys() | new.by_key.keys()
    assert all(merged.by_key[build.key] == build for build in new.builds)
    assert merge(merged, new) == merged
    assert merge(old, old) == old


def test_what_is_not_wanted_any_more_is_dropped_for_every_target() -> None:
    source = ArchiveSource(hash=sha256("5"))
    lock = BuildLock(builds=(build("old"), build("old", target=OTHER), build("demo")))
    assert prune(lock, {("demo", source)}) == BuildLock(builds=(build("demo"),))


def test_what_is_built_for_a_build_stays_as_long_as_that_does() -> None:
    archive = sdist("backend", "1")
    deeper = sdist("deeper", "1")
    needs = PinnedPackage(name="backend", version="1", content=(archive,))
    needs_deeper = PinnedPackage(name="deeper", version="1", content=(deeper,))
    top = build("demo", needs)
    middle = build("backend", needs_deeper, source=ArchiveSource(hash=archive.hash))
    bottom = build("deeper", source=ArchiveSource(hash=deeper.hash))
    elsewhere = build("backend", source=ArchiveSource(hash=archive.hash), target=OTHER)
    lock = BuildLock(builds=(top, middle, bottom, elsewhere))
    assert prune(lock, {("demo", top.source)}) == BuildLock(builds=(top, middle, bottom))
    assert prune(lock, set()) == BuildLock()


def test_a_circle_of_builds_ends() -> None:
    archive = sdist("demo", "1")
    itself = PinnedPackage(name="demo", version="1", content=(archive,))
    lock = BuildLock(builds=(build("demo", itself, source=ArchiveSource(hash=archive.hash)),))
    assert prune(lock, {("demo", lock.builds[0].source)}) == lock
