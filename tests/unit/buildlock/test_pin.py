"""From a resolver's answer to pins, and whether pins are still good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from envbuild.buildlock.freshness import choose_file, why_stale, with_present
from envbuild.buildlock.model import ArchiveSource, PinnedPackage, PinnedTree
from envbuild.buildlock.pin import Candidate, NoUsableFile, Resolved, pin, settle
from envbuild.buildlock.runtime import Runtime, runtime_of
from envbuild.buildlock.settings import BuildSettings, parse_build_settings
from envbuild.buildlock.strategy import CannotUseLocked, Demand, request_resolution
from envbuild.lockfile.parse import parse_lock
from envbuild.target.model import Interpreter
from support.build_locks import file, pinned, sdist, sha256, wheel
from support.locks import lock_text, package
from support.targets import make_target

if TYPE_CHECKING:
    from envbuild.buildlock.model import Build, PinnedFile
    from envbuild.buildlock.strategy import ResolutionRequest

TARGET = make_target("3.12.4")
PREFER = "[tool.envbuild]\nbuild-dependency-strategy = 'prefer-locked'\n"
REQUIRE = "[tool.envbuild]\nbuild-dependency-strategy = 'require-locked'\n"
LINUX = "cp312-cp312-manylinux_2_17_x86_64"


def runtime(*packages: str) -> Runtime:
    lock = parse_lock(lock_text(*packages), file="uv.lock")
    return runtime_of(lambda: lock, folder="/srv/app", selected={})


def settings_of(text: str) -> BuildSettings:
    return parse_build_settings(text, file="pyproject.toml")


def demand(*requires: str, **more: Any) -> Demand:
    fields: dict[str, Any] = {
        "name": "demo",
        "version": "1.0",
        "source": ArchiveSource(hash=sha256("5")),
        "operation": "wheel",
        "requires": requires,
        "sources": {},
    }
    return Demand(**{**fields, **more})


def candidate(name: str, version: str, *wheels: PinnedFile, **more: Any) -> Candidate:
    wheels = wheels or (wheel(name, version),)
    return Candidate(name=name, version=version, wheels=wheels, **more)


def settled(
    *candidates: Candidate,
    lock: Runtime | None = None,
    settings: str = "",
    ignored: tuple[tuple[str, str | None], ...] = (),
    what: Demand | None = None,
) -> Build:
    lock = lock or runtime()
    what = what or demand(*(each.name for each in candidates))
    request = request_resolution(what, settings_of(settings), lock, TARGET)
    return settle(what, request, Resolved(candidates=candidates, ignored=ignored), lock, TARGET)


def constraint(requirement: str, *hashes: str) -> str:
    listed = ", ".join(f'"{each}"' for each in hashes)
    item = f'{{ requirement = "{requirement}", hashes = [{listed}] }}'
    return f"[tool.uv]\nbuild-constraint-dependencies = [{item}]\n"


def test_every_wheel_that_fits_is_pinned_and_no_source_archive_beside_them() -> None:
    mine, pure = wheel("ninja", "1.0", LINUX), wheel("ninja", "1.0")
    other = wheel("ninja", "1.0", "cp312-cp312-win_amd64")
    build = settled(candidate("ninja", "1.0", mine, pure, other, sdist=sdist("ninja", "1.0")))
    assert build.packages == (PinnedPackage(name="ninja", version="1.0", content=(mine, pure)),)


def test_a_source_archive_is_pinned_where_no_wheel_fits() -> None:
    other = wheel("ninja", "1.0", "cp312-cp312-win_amd64")
    archive = sdist("ninja", "1.0")
    build = settled(candidate("ninja", "1.0", other, sdist=archive))
    assert build.packages[0].content == (archive,)
    source = ArchiveSource(hash=archive.hash)
    assert build.needs() == (("ninja", source, build.target, "wheel"),)


def test_a_version_with_nothing_that_fits_is_an_error() -> None:
    with pytest.raises(NoUsableFile, match=r"needs `ninja` 1\.0, and there is no file of it that"):
        settled(candidate("ninja", "1.0", wheel("ninja", "1.0", "cp312-cp312-win_amd64")))


def test_what_is_as_locked_is_the_file_that_the_lock_has_a_hash_for() -> None:
    lock = runtime(package("ant", "1.0"))
    locked = lock.packages["ant"][0].files
    elsewhere = file("ant-1.0-py3-none-any.whl", sha256("e"))
    build = settled(candidate("ant", "1.0", elsewhere), lock=lock, settings=PREFER)
    assert build.packages[0].content == locked
    latest = settled(candidate("ant", "1.0", elsewhere), lock=lock)
    assert latest.packages[0].content == (elsewhere,)


def test_a_preference_that_was_given_up_leaves_the_index_its_files() -> None:
    lock = runtime(package("ant", "1.0"))
    build = settled(candidate("ant", "2.0"), lock=lock, settings=PREFER, ignored=(("ant", "1.0"),))
    assert build.packages == (pinned("ant", "2.0"),)
    assert build.ignored == (("ant", "1.0"),)


def test_what_was_given_up_is_only_told_of_what_is_there() -> None:
    lock = runtime(package("ant", "1.0"), package("bee", "1.0"))
    build = settled(
        candidate("ant", "2.0"),
        lock=lock,
        settings=PREFER,
        what=demand("ant>1"),
        ignored=(("bee", "1.0"),),
    )
    assert build.ignored == (("ant", "1.0"),)


def test_a_tree_of_the_lock_is_pinned_as_that_tree_without_a_version() -> None:
    lock = runtime(package("plugin", source='editable = "packages/plugin"', wheels=()))
    tree = PinnedTree(path="packages/plugin")
    build = settled(Candidate(name="plugin", version="1.0", place=tree), lock=lock, settings=PREFER)
    assert build.packages == (PinnedPackage(name="plugin", version=None, content=tree),)


def test_require_locked_refuses_what_a_requirement_brings_along() -> None:
    lock = runtime(package("hatchling"), package("numpy", "1"), package("numpy", "2"))
    what = demand("hatchling")
    with pytest.raises(CannotUseLocked, match="needs `pluggy`, which the lock does not hold"):
        settled(
            candidate("hatchling", "1.0"),
            candidate("pluggy", "1.0"),
            lock=lock,
            settings=REQUIRE,
            what=what,
        )
    with pytest.raises(CannotUseLocked, match="which the lock holds more than once: 1, 2"):
        settled(
            candidate("hatchling", "1.0"),
            candidate("numpy", "2"),
            lock=lock,
            settings=REQUIRE,
            what=what,
        )


HASHED = wheel("ant", "1.0")
ARCHIVE = sdist("ant", "1.0")


def test_a_constraint_with_hashes_admits_no_other_file() -> None:
    both = candidate("ant", "1.0", HASHED, wheel("ant", "1.0", LINUX), sdist=ARCHIVE)
    build = settled(both, settings=constraint("ant==1.0", HASHED.hash))
    assert build.packages[0].content == (HASHED,)
    from_source = settled(both, settings=constraint("ant==1.0", ARCHIVE.hash))
    assert from_source.packages[0].content == (ARCHIVE,)
    with pytest.raises(NoUsableFile, match="of a hash that the build constraints allow"):
        settled(both, settings=constraint("ant==1.0", sha256("e")))


def test_a_constraint_with_hashes_binds_what_the_lock_holds_as_well() -> None:
    lock = runtime(package("ant", "1.0"))
    with pytest.raises(NoUsableFile):
        settled(
            candidate("ant", "1.0"), lock=lock, settings=PREFER + constraint("ant", sha256("e"))
        )


def test_a_tree_has_no_hash_to_be_allowed() -> None:
    tree = Candidate(name="ant", version="1.0", place=PinnedTree(path="ant"))
    with pytest.raises(NoUsableFile):
        settled(tree, settings=constraint("ant", sha256("e")))


def test_only_constraints_on_what_is_there_are_part_of_the_digest() -> None:
    plain = settled(candidate("ant", "1.0"))
    assert plain.constraints is None
    assert settled(candidate("ant", "1.0"), settings=constraint("bee<2")) == plain
    bound = settled(candidate("ant", "1.0"), settings=constraint("ant<2"))
    hashed = settled(candidate("ant", "1.0"), settings=constraint("ant<2", HASHED.hash))
    assert len({plain.constraints, bound.constraints, hashed.constraints}) == 3


class Recorded:
    """A resolver that answers what it was told to, and keeps what it was asked."""

    def __init__(self, *candidates: Candidate) -> None:
        self.answer = Resolved(candidates=candidates)
        self.requests: list[ResolutionRequest] = []

    def resolve(self, request: ResolutionRequest, interpreter: Interpreter) -> Resolved:
        assert interpreter.target == TARGET
        self.requests.append(request)
        return self.answer


def test_a_resolver_is_asked_once_and_told_what_to_stay_with() -> None:
    resolver = Recorded(candidate("ant", "1.0"))
    interpreter = Interpreter(target=TARGET, executable="/bin/python3", home="/bin")
    previous = (pinned("ant", "0.9"),)
    build = pin(demand("ant"), settings_of(""), runtime(), interpreter, resolver, previous=previous)
    assert build.packages == (pinned("ant", "1.0"),)
    assert build.target == "cpython-3.12-linux-x86_64-glibc"
    (request,) = resolver.requests
    assert request.previous == previous


# What the block was pinned with, what is asked for now, and why it is stale, if it is.
LOCK = runtime(package("ant", "1.0"), package("bee", "1.0"))
ANT = candidate("ant", "1.0")
STALENESS: dict[str, tuple[dict[str, Any], dict[str, Any], str | None]] = {
    "nothing has changed": ({}, {}, None),
    "order and spaces say nothing": (
        {"what": demand("ant >=1", "bee")}, {"what": demand("bee", "ant  >=1")}, None,
    ),
    "another requirement": (
        {}, {"what": demand("ant", "bee")}, "it declares `ant`, `bee`, and was pinned for `ant`",
    ),
    "no requirement": ({}, {"what": demand()}, "it declares nothing, and was pinned for `ant`"),
    "an added requirement": (
        {}, {"settings": "[tool.uv.extra-build-dependencies]\ndemo = ['bee']"},
        "it is given `bee`, and was pinned for nothing",
    ),
    "the backend asks for more": (
        {}, {"what": demand("ant", hook_requires=("bee",))},
        "it asks by its backend for `bee`, and was pinned for nothing",
    ),
    "the backend was not asked yet": (
        {"what": demand("ant", hook_requires=("bee",))}, {"hooks_asked": False}, None,
    ),
    "another strategy": (
        {}, {"settings": PREFER},
        "the strategy is `prefer-locked`, and it was pinned by `latest`",
    ),
    "a constraint on something else": ({}, {"settings": constraint("bee<2")}, None),
    "a constraint": (
        {}, {"settings": constraint("ant<2")},
        "the build constraints on what it is built with have changed",
    ),
    "as the lock holds it": (
        {"settings": PREFER, "lock": LOCK}, {"settings": PREFER, "lock": LOCK}, None,
    ),
    "the locked version has moved": (
        {"settings": PREFER, "lock": LOCK},
        {"settings": PREFER, "lock": runtime(package("ant", "1.1"))},
        "`ant` is not pinned as the lock holds it: 1.0 is, and the lock has 1.1",
    ),
    "the lock holds it no more": (
        {"settings": PREFER, "lock": LOCK}, {"settings": PREFER, "lock": runtime()}, None,
    ),
    "the lock has moved, and nobody prefers it": ({"lock": LOCK}, {"lock": runtime()}, None),
    "the lock has another file": (
        {"settings": PREFER, "lock": LOCK},
        {"settings": PREFER, "lock": runtime(package("ant", wheels=("ant-1.0-1-py3-none-any.whl",)))},
        "`ant` is not pinned as the lock holds it",
    ),
    "what was given up is known to be": (
        {"settings": PREFER, "lock": runtime(package("ant", "0.5")), "ignored": (("ant", "0.5"),)},
        {"settings": PREFER, "lock": runtime(package("ant", "0.5"))}, None,
    ),
    "what was given up has moved": (
        {"settings": PREFER, "lock": runtime(package("ant", "0.5")), "ignored": (("ant", "0.5"),)},
        {"settings": PREFER, "lock": runtime(package("ant", "0.6"))},
        "`ant` is not pinned as the lock holds it: 1.0 is, and the lock has 0.6",
    ),
    "a tree of the lock": (
        {"settings": PREFER, "lock": LOCK},
        {"settings": PREFER, "lock": runtime(package("ant", source='editable = "a"', wheels=()))},
        "`ant` is not pinned as the lock holds it",
    ),
    "a marker that only holds here": (
        {"what": demand("ant", "bee; python_full_version < '3.12.4'")},
        {"target": make_target("3.12.3"), "what": demand("ant", "bee; python_full_version < '3.12.4'")},
        "it needs `bee; python_full_version < '3.12.4'` here, which is not pinned",
    ),
    "a version that is asked for only here": (
        {"what": demand("ant", "ant>1; python_full_version < '3.12.4'")},
        {"target": make_target("3.12.3"), "what": demand("ant", "ant>1; python_full_version < '3.12.4'")},
        "it needs `ant>1; python_full_version < '3.12.4'` here, and `ant` is pinned to 1.0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STALENESS)
def test_staleness(case: str) -> None:
    before, now, expected = STALENESS[case]
    what = before.get("what", demand("ant"))
    bee = (candidate("bee", "1.0"),) if len(what.requires) + len(what.hook_requires) > 1 else ()
    build = settled(
        ANT,
        *bee,
        lock=before.get("lock"),
        settings=before.get("settings", ""),
        ignored=before.get("ignored", ()),
        what=what,
    )
    if "which is not pinned" in (expected or ""):
        build = settled(ANT, what=what)
    what, target = now.get("what", what), now.get("target", TARGET)
    request = request_resolution(
        what, settings_of(now.get("settings", "")), now.get("lock") or runtime(), target
    )
    hooks_asked = now.get("hooks_asked", True)
    if not hooks_asked:
        what = demand(*what.requires)
    assert why_stale(build, what, request, target, hooks_asked=hooks_asked) == expected


# What a backend was pinned for, what it asks for where that is there, and what it needs then.
PRESENT = {
    "nothing more": (("bee",), (), ("bee",)),
    "the same": (("bee",), ("bee",), ("bee",)),
    "something else": (("bee",), ("cat",), ("bee", "cat")),
    "the same in other words": (("b_e>=1", "cat"), ("B.E>=2",), ("B.E>=2", "cat")),
}


@pytest.mark.parametrize(("pinned_for", "asked", "needed"), PRESENT.values(), ids=PRESENT)
def test_what_is_there_need_not_be_asked_for(
    pinned_for: tuple[str, ...], asked: tuple[str, ...], needed: tuple[str, ...]
) -> None:
    build = settled(ANT, what=demand("ant", hook_requires=pinned_for))
    assert with_present(asked, build) == needed


def test_what_came_along_must_be_locked_for_as_long_as_that_is_demanded() -> None:
    build = settled(ANT, candidate("bee", "1.0"), lock=LOCK, settings=REQUIRE, what=demand("ant"))
    later = runtime(package("ant", "1.0"))
    request = request_resolution(demand("ant"), settings_of(REQUIRE), later, TARGET)
    assert why_stale(build, demand("ant"), request, TARGET, hooks_asked=True) == (
        "`bee` must be as the lock holds it, and the lock does not"
    )


def test_a_machine_that_no_pinned_wheel_fits_must_ask_anew() -> None:
    build = settled(candidate("ant", "1.0", wheel("ant", "1.0", LINUX)))
    old = make_target("3.12.4", glibc=(2, 12))
    request = request_resolution(demand("ant"), settings_of(""), runtime(), old)
    assert why_stale(build, demand("ant"), request, old, hooks_asked=True) == (
        "no wheel that is pinned for `ant` fits this machine"
    )


def test_each_machine_takes_the_wheel_that_fits_it_best() -> None:
    newer = wheel("ant", "1.0", "cp312-cp312-manylinux_2_28_x86_64")
    older = wheel("ant", "1.0", "cp312-cp312-manylinux_2_17_x86_64")
    (package,) = settled(candidate("ant", "1.0", newer, older)).packages
    assert choose_file(package, make_target("3.12.4", glibc=(2, 28))) == newer
    assert choose_file(package, make_target("3.12.4", glibc=(2, 17))) == older
    assert choose_file(package, make_target("3.12.4", glibc=(2, 12))) is None


def test_a_source_archive_is_taken_whatever_the_machine() -> None:
    archive = PinnedPackage(name="ant", version="1.0", content=(ARCHIVE,))
    assert choose_file(archive, TARGET) == ARCHIVE
    tree = PinnedPackage(name="ant", version=None, content=PinnedTree(path="ant"))
    assert choose_file(tree, TARGET) is None
