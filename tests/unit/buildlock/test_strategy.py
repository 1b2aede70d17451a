"""What each strategy asks of a resolver."""

from __future__ import annotations

from typing import Any

import pytest

from envbuild.buildlock.model import ArchiveSource
from envbuild.buildlock.runtime import Runtime, runtime_of
from envbuild.buildlock.settings import parse_build_settings
from envbuild.buildlock.strategy import (
    CannotUseLocked,
    Demand,
    Place,
    ResolutionRequest,
    request_resolution,
)
from envbuild.errors import EnvbuildError, Problems
from envbuild.lockfile.parse import parse_lock
from support.build_locks import sha256
from support.locks import lock_text, package
from support.targets import make_target

TARGET = make_target("3.12.4")
SETUPTOOLS = package("setuptools", "80.9.0")


def runtime(*packages: str, **selected: str | None) -> Runtime:
    lock = parse_lock(lock_text(*packages), file="uv.lock")
    return runtime_of(lambda: lock, folder="/srv/app", selected=selected)


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


def ask(what: Demand, lock: Runtime, settings: str = "") -> ResolutionRequest:
    return request_resolution(
        what, parse_build_settings(settings, file="pyproject.toml"), lock, TARGET
    )


def strategy(word: str) -> str:
    return f"[tool.envbuild]\nbuild-dependency-strategy = '{word}'\n"


LATEST, PREFER, REQUIRE = map(strategy, ("latest", "prefer-locked", "require-locked"))
MATCH = """
[tool.uv.extra-build-dependencies]
demo = ["ninja", { requirement = "torch[cuda]", match-runtime = true }]
"""

# Strategy, what is required, what the lock holds, what must come out as locked, what is given up.
CASES = {
    "latest takes nothing from the lock": (
        LATEST, ["setuptools"], [SETUPTOOLS], {}, (),
    ),
    "a requirement that admits the locked version takes it": (
        PREFER, ["setuptools>=60"], [SETUPTOOLS], {"setuptools": "80.9.0"}, (),
    ),
    "one that conflicts with it ignores the preference": (
        PREFER, ["setuptools<80"], [SETUPTOOLS], {}, (("setuptools", "80.9.0"),),
    ),
    "a pre-release that is locked is admitted": (
        PREFER, ["setuptools"], [package("setuptools", "81.0rc1")], {"setuptools": "81.0rc1"}, (),
    ),
    "a local version is admitted by its public one": (
        PREFER, ["torch==2.7.0"], [package("torch", "2.7.0+cu128")], {"torch": "2.7.0+cu128"}, (),
    ),
    "two versions in the lock make the preference void": (
        PREFER, ["numpy"], [package("numpy", "1.26"), package("numpy", "2.0")], {}, (),
    ),
    "a project that the lock does not hold has no preference": (
        PREFER, ["hatchling"], [SETUPTOOLS], {"setuptools": "80.9.0"}, (),
    ),
    "a preference holds for what others require, too": (
        PREFER, ["hatchling"], [package("packaging", "24.0")], {"packaging": "24.0"}, (),
    ),
    "a requirement for another system says nothing": (
        PREFER, ["setuptools<80; sys_platform == 'win32'"], [SETUPTOOLS],
        {"setuptools": "80.9.0"}, (),
    ),
    "names are compared as they are normalised": (
        PREFER, ["Setup_Tools>=1"], [package("setup-tools", "3")], {"setup-tools": "3"}, (),
    ),
    "a place that a requirement names is not the lock's": (
        PREFER, ["setuptools @ https://a.example/setuptools.zip"], [SETUPTOOLS],
        {}, (("setuptools", "80.9.0"),),
    ),
    "a tree of no known version is admitted by a bare name": (
        PREFER, ["plugin"], [package("plugin", "", source='directory = "p"', wheels=())],
        {"plugin": None}, (),
    ),
    "a tree of no known version is not admitted by a bound": (
        PREFER, ["plugin>=1"], [package("plugin", "", source='directory = "p"', wheels=())],
        {}, (("plugin", None),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_strategies(case: str) -> None:
    settings, requires, packages, pins, refused = CASES[case]
    request = ask(demand(*requires), runtime(*packages), settings)
    assert {pin.locked.name: pin.locked.version for pin in request.pins} == pins
    assert request.refused == refused
    assert all(pin.rule is None for pin in request.pins)


def test_what_hooks_return_is_treated_as_what_is_declared() -> None:
    request = ask(
        demand("setuptools", hook_requires=("setuptools<80", "wheel")), runtime(SETUPTOOLS), PREFER
    )
    assert request.requirements == ("setuptools", "setuptools<80", "wheel")
    assert request.refused == (("setuptools", "80.9.0"),)


def test_a_package_may_have_a_strategy_of_its_own() -> None:
    settings = f"{PREFER}[tool.envbuild.build-dependency-strategy-package]\nDemo = 'latest'"
    assert ask(demand("setuptools"), runtime(SETUPTOOLS), settings).pins == ()
    other = ask(demand("setuptools", name="other"), runtime(SETUPTOOLS), settings)
    assert len(other.pins) == 1


# What is required, what the lock holds, and the obstacle of each requirement that fails.
REQUIRED = {
    "what is locked is demanded": (["setuptools"], [SETUPTOOLS], {}),
    "absent": (["setuptools", "wheel>=1"], [SETUPTOOLS], {"wheel>=1": "absent"}),
    "several": (
        ["numpy>=1"],
        [package("numpy", "1.26"), package("numpy", "2.0")],
        {"numpy>=1": "several"},
    ),
    "conflict": (["setuptools<80"], [SETUPTOOLS], {"setuptools<80": "conflict"}),
    "all at once": (
        ["a", "setuptools<80", "b"],
        [SETUPTOOLS],
        {"a": "absent", "b": "absent", "setuptools<80": "conflict"},
    ),
}


@pytest.mark.parametrize("case", REQUIRED)
def test_require_locked_says_which_requirement_cannot_use_the_locked_version(case: str) -> None:
    requires, packages, obstacles = REQUIRED[case]
    if not obstacles:
        request = ask(demand(*requires), runtime(*packages), REQUIRE)
        assert [pin.rule for pin in request.pins] == ["require-locked"]
        assert request.only_locked
        return
    assert {
        error.requirement: error.obstacle for error in refusals(requires, packages, REQUIRE)
    } == (obstacles)


def refusals(requires: list[str], packages: list[str], settings: str) -> list[CannotUseLocked]:
    with pytest.raises(EnvbuildError) as caught:
        ask(demand(*requires), runtime(*packages), settings)
    errors = caught.value.errors if isinstance(caught.value, Problems) else (caught.value,)
    assert all(isinstance(error, CannotUseLocked) for error in errors)
    return [error for error in errors if isinstance(error, CannotUseLocked)]


MESSAGES = {
    "absent": (
        ["wheel"],
        [SETUPTOOLS],
        "`require-locked`: building `demo` needs `wheel`, which the lock does not hold",
    ),
    "several": (
        ["numpy"],
        [package("numpy", "1.26"), package("numpy", "2.0")],
        "`require-locked`: building `demo` needs `numpy`, which the lock holds more than once: 1.26, 2.0",
    ),
    "conflict": (
        ["setuptools<80"],
        [SETUPTOOLS],
        (
            "`require-locked`: building `demo` needs `setuptools<80`,"
            " and what the lock holds, 80.9.0, cannot be used"
        ),
    ),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_the_message_names_package_requirement_and_reason(case: str) -> None:
    requires, packages, message = MESSAGES[case]
    (error,) = refusals(requires, packages, REQUIRE)
    assert error.message == message
    assert error.hint == (
        '`demo = "prefer-locked"` in `[tool.envbuild.build-dependency-strategy-package]` takes'
        " another version there"
    )


def test_a_constraint_excludes_a_preference_and_contradicts_a_demand() -> None:
    constraint = "[tool.uv]\nbuild-constraint-dependencies = ['setuptools<80']\n"
    request = ask(demand("setuptools"), runtime(SETUPTOOLS), PREFER + constraint)
    assert request.refused == (("setuptools", "80.9.0"),)
    (error,) = refusals(["setuptools"], [SETUPTOOLS], REQUIRE + constraint)
    assert (error.requirement, error.obstacle) == ("setuptools<80", "conflict")


def test_constraints_for_other_systems_are_left_out() -> None:
    constraint = """
[tool.uv]
build-constraint-dependencies = ["a<1 ; sys_platform == 'win32'", "b<1 ; sys_platform == 'linux'"]
"""
    request = ask(demand("a", "b"), runtime(), constraint)
    assert [each.requirement for each in request.constraints] == ["b<1 ; sys_platform == 'linux'"]


def test_match_runtime_has_the_very_version_of_runtime_whatever_the_strategy() -> None:
    request = ask(demand("setuptools"), runtime(SETUPTOOLS, package("torch", "2.7.0")), MATCH)
    assert [(pin.locked.name, pin.locked.version, pin.rule) for pin in request.pins] == [
        ("torch", "2.7.0", "match-runtime")
    ]
    assert request.requirements == ("setuptools", "ninja", "torch[cuda]")
    assert request.extra_requires == ("ninja", "torch[cuda]==2.7.0")


def test_a_marker_stays_beside_the_version() -> None:
    settings = """
[tool.uv.extra-build-dependencies]
demo = [{ requirement = "My.Torch [cuda]; sys_platform == 'linux'", match-runtime = true }]
"""
    request = ask(demand(), runtime(package("my-torch", "2.7.0")), settings)
    assert request.extra_requires == ("My.Torch [cuda]==2.7.0 ; sys_platform == 'linux'",)


def test_match_runtime_takes_of_several_versions_the_one_that_is_selected() -> None:
    packages = (package("torch", "2.7.0"), package("torch", "2.6.0"))
    request = ask(demand(), runtime(*packages, torch="2.6.0"), MATCH)
    assert [pin.locked.version for pin in request.pins] == ["2.6.0"]
    (error,) = refusals([], list(packages), MATCH)
    assert (error.rule, error.obstacle, error.versions) == (
        "match-runtime", "several", ("2.7.0", "2.6.0"),
    )  # fmt: skip


def test_match_runtime_fails_where_runtime_has_none() -> None:
    (error,) = refusals(["setuptools"], [SETUPTOOLS], MATCH)
    assert error.message == (
        "`match-runtime`: building `demo` needs `torch[cuda]`, which the lock does not hold"
    )
    assert error.hint is None


def test_match_runtime_fails_once_under_require_locked() -> None:
    (torch, ninja) = refusals(["setuptools"], [SETUPTOOLS], REQUIRE + MATCH)
    assert (torch.rule, torch.requirement) == ("match-runtime", "torch[cuda]")
    assert (ninja.rule, ninja.requirement) == ("require-locked", "ninja")


def test_match_runtime_contradicts_what_is_declared() -> None:
    (error,) = refusals(["torch<2"], [package("torch", "2.7.0")], MATCH)
    assert (error.rule, error.requirement, error.obstacle) == (
        "match-runtime", "torch<2", "conflict",
    )  # fmt: skip


def test_match_runtime_is_nothing_where_its_marker_does_not_hold() -> None:
    settings = """
[tool.uv.extra-build-dependencies]
demo = [{ requirement = "torch ; sys_platform == 'win32'", match-runtime = true }]
"""
    request = ask(demand("setuptools"), runtime(SETUPTOOLS), settings)
    assert request.requirements == ("setuptools",)
    assert request.extra_requires == ("torch ; sys_platform == 'win32'",)


def test_what_is_added_for_one_package_is_not_added_for_another() -> None:
    assert ask(demand("setuptools", name="other"), runtime(), MATCH).requirements == ("setuptools",)


def test_an_added_requirement_comes_from_where_the_project_says() -> None:
    settings = """
[tool.uv.extra-build-dependencies]
demo = ["a", "b", "c"]
[tool.uv.sources]
a = { index = "second" }
b = [{ url = "https://a.example/w.zip", marker = "sys_platform == 'win32'" },
     { path = "libs/b", marker = "sys_platform == 'linux'" }]
c = { workspace = true }
d = { index = "second" }
"""
    member = package("c", source='editable = "packages/c"', wheels=())
    request = ask(demand("d"), runtime(member), settings)
    assert request.places == {
        "a": Place(index="second"),
        "b": Place(reference="libs/b"),
        "c": Place(reference="packages/c"),
    }


def test_what_a_tree_declares_comes_from_where_it_says() -> None:
    sources = parse_build_settings(
        "[tool.uv.sources]\nd = { path = '../d' }", file="p", folder="packages/demo"
    ).sources
    request = ask(demand("d", "e", sources=sources), runtime())
    assert request.places == {"d": Place(reference="packages/d")}


def test_a_member_that_is_none_is_not_looked_for_on_an_index() -> None:
    settings = """
[tool.uv.extra-build-dependencies]
demo = ["c"]
[tool.uv.sources]
c = { workspace = true }
"""
    (error,) = refusals([], [package("c")], settings)
    assert error.message == (
        "`workspace`: building `demo` needs `c`, and what the lock holds, 1.0, cannot be used"
    )
