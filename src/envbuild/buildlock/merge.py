"""Build locks put together, and what no longer belongs in one."""

from __future__ import annotations

from envbuild.buildlock.model import BuildLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from envbuild.buildlock.model import Build, Key, Source


def merge(old: BuildLock, new: BuildLock) -> BuildLock:
    """Return the builds of both; where both have one for the same key, that of `new`.

    Nothing is dropped: what `new` does not speak of may be for another target.
    """
    return BuildLock(builds=tuple({**old.by_key, **new.by_key}.values()))


def prune(lock: BuildLock, wanted: Container[tuple[str, Source]]) -> BuildLock:
    """Return a lock without the builds that nothing leads to any more.

    Args:
        lock: to be pruned.
        wanted: name and source of whatever the runtime lock may have to build, on any target. What
            these are built with, and so on, is kept as well.
    """
    kept: dict[Key, Build] = {}
    waiting = [build.key for build in lock.builds if (build.name, build.source) in wanted]
    while waiting:
        key = waiting.pop()
        build = lock.by_key.get(key)
        if build is not None and key not in kept:
            kept[key] = build
            waiting += build.needs()
    return BuildLock(builds=tuple(kept.values()))
