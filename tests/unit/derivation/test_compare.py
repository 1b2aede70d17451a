"""Every input of a build, changed alone, is the one difference that is found, and has words."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from envbuild.derivation.build import (
    Backend,
    BuildWheel,
    Dependency,
    InterpreterIdentity,
    Platform,
    Program,
    Toolchain,
)
from envbuild.derivation.compare import Difference, compare, in_words
from envbuild.derivation.model import Fetch, Unpack
from envbuild.derivation.sources import PRESENT, Fact, LocalSource
from envbuild.digest import Digest
from envbuild.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OTHER = Digest("9" * 64)
TREE = Digest("1" * 64)
PAYLOADS = {"setuptools": Digest("2" * 64), "wheel": Digest("3" * 64)}
WHEEL = Fetch(name="setuptools-1.0-py3-none-any.whl", hash="sha256:" + "a" * 64, location=None)
DEPENDENCY = Dependency(
    name="setuptools",
    version="1.0",
    made_by=Unpack(source=WHEEL, distribution="setuptools", version="1.0"),
)
FACTS = (
    Fact(kind="environment", name="MODE", value="8" * 64),
    Fact(kind="folder", name="src", value=PRESENT),
    Fact(kind="git-commit", name="", value="c0" * 20),
    Fact(kind="git-tags", name="", value="8" * 64),
)
CC = Program(name="cc", version="cc 12", digest=Digest("7" * 64))
FULL = BuildWheel(
    source=LocalSource(tree=TREE, facts=FACTS),
    distribution="made",
    version="1.0",
    backend=Backend(name="setuptools.build_meta"),
    requires=("setuptools>=40",),
    environment=(DEPENDENCY,),
    interpreter=InterpreterIdentity(
        implementation="cpython",
        version="3.12.1",
        cache_tag="cpython-312",
        soabi="cpython-312-x86_64-linux-gnu",
        ext_suffix=".cpython-312-x86_64-linux-gnu.so",
        abi_flags="",
        pointer_bits=64,
        is_debug=False,
        variables=Digest("4" * 64),
        headers=Digest("5" * 64),
    ),
    platform=Platform(name="linux-x86_64", libc="glibc 2.36", tags=Digest("6" * 64)),
    toolchain=Toolchain(level="probed", programs=(CC,)),
    config_settings={"opt": ("1",)},
    variables={"CFLAGS": "-O1"},
    rung="bubblewrap",
)


def form(build: BuildWheel, *, tree: Digest = TREE, **payloads: Digest) -> dict[str, Any]:
    return build.resolved(tree, PAYLOADS | payloads)


def changed(**changes: Any) -> dict[str, Any]:
    return form(replace(FULL, **changes))


def within(field: str, **changes: Any) -> dict[str, Any]:
    return form(replace(FULL, **{field: replace(getattr(FULL, field), **changes)}))


def fact(number: int, value: str | None) -> dict[str, Any]:
    facts = list(FACTS)
    facts[number] = replace(facts[number], value=value)
    return changed(source=LocalSource(tree=TREE, facts=tuple(facts)))


ONE_CHANGE: Mapping[str, tuple[dict[str, Any], str]] = {
    "source.tree": (form(FULL, tree=OTHER), "the source tree differs"),
    "source.facts[environment MODE]": (
        fact(0, "9" * 64),
        "environment variable `MODE` differs",
    ),
    "source.facts[folder src]": (fact(1, None), "folder `src` present → nothing"),
    "source.facts[folder more]": (
        changed(
            source=LocalSource(
                tree=TREE,
                facts=(FACTS[0], Fact(kind="folder", name="more", value=None), *FACTS[1:]),
            )
        ),
        "folder `more` counts now",
    ),
    "source.facts[git-commit]": (
        fact(2, "c1" * 20),
        f"commit of the repository {'c0' * 20} → {'c1' * 20}",
    ),
    "source.facts[git-tags]": (fact(3, None), "set of the repository's tags differs"),
    "subdirectory": (
        changed(subdirectory="python"),
        "folder of the project in its sources nothing → python",
    ),
    "distribution": (changed(distribution="other"), "name made → other"),
    "distribution_version": (changed(version=None), "version 1.0 → nothing"),
    "editable": (changed(editable="/srv/app"), "folder that it leads to nothing → /srv/app"),
    "backend.name": (
        within("backend", name="hatchling.build"),
        "build backend setuptools.build_meta → hatchling.build",
    ),
    "backend.path": (
        within("backend", path=("tools", "more")),
        "path of the build backend nothing → tools, more",
    ),
    "requires[setuptools]": (
        changed(requires=("Setuptools >= 41",)),
        "build requirement `setuptools>=40` → `Setuptools >= 41`",
    ),
    "requires[wheel[all]]": (
        changed(requires=("setuptools>=40", "wheel[all]")),
        "build requirement `wheel[all]` is new",
    ),
    "requires[setuptools>=40]": (
        changed(requires=()),
        "build requirement `setuptools>=40` is gone",
    ),
    "environment[setuptools]": (
        changed(environment=(replace(DEPENDENCY, version="1.1"),)),
        "setuptools 1.0 → 1.1 in the build environment",
    ),
    "environment[wheel]": (
        changed(environment=(DEPENDENCY, replace(DEPENDENCY, name="wheel", version="2"))),
        "wheel 2 is new in the build environment",
    ),
    "interpreter.implementation": (
        within("interpreter", implementation="pypy"),
        "implementation of the interpreter cpython → pypy",
    ),
    "interpreter.version": (
        within("interpreter", version="3.13.0"),
        "interpreter 3.12.1 → 3.13.0",
    ),
    "interpreter.cache_tag": (
        within("interpreter", cache_tag="cpython-312d"),
        "tag of bytecode files cpython-312 → cpython-312d",
    ),
    "interpreter.soabi": (
        within("interpreter", soabi="cpython-312"),
        "ABI of extension modules cpython-312-x86_64-linux-gnu → cpython-312",
    ),
    "interpreter.ext_suffix": (
        within("interpreter", ext_suffix=".so"),
        "suffix of extension modules .cpython-312-x86_64-linux-gnu.so → .so",
    ),
    "interpreter.abi_flags": (
        within("interpreter", abi_flags="t"),
        "ABI flags of the interpreter nothing → t",
    ),
    "interpreter.pointer_bits": (
        within("interpreter", pointer_bits=32),
        "bits of a pointer 64 → 32",
    ),
    "interpreter.is_debug": (
        within("interpreter", is_debug=True),
        "debug build of the interpreter no → yes",
    ),
    "interpreter.variables": (
        within("interpreter", variables=OTHER),
        "what the interpreter tells compilers differs",
    ),
    "interpreter.headers": (
        within("interpreter", headers=OTHER),
        "the headers of the interpreter differ",
    ),
    "platform.name": (
        within("platform", name="linux-aarch64"),
        "platform linux-x86_64 → linux-aarch64",
    ),
    "platform.libc": (within("platform", libc="musl 1.2"), "C library glibc 2.36 → musl 1.2"),
    "platform.tags": (
        within("platform", tags=OTHER),
        "the tags that the wheel may have differ",
    ),
    "toolchain.level": (
        within("toolchain", level="open"),
        "what is known of the toolchain probed → open",
    ),
    "toolchain.programs[cc]": (
        within("toolchain", programs=(replace(CC, version="cc 13"),)),
        "`cc` cc 12 → cc 13 in the toolchain",
    ),
    "toolchain.programs[ld]": (
        within("toolchain", programs=(CC, replace(CC, name="ld"))),
        "`ld` cc 12 is new in the toolchain",
    ),
    "config_settings[opt]": (
        changed(config_settings={"opt": ("1", "2")}),
        "config setting `opt` 1 → 1, 2",
    ),
    "config_settings[more]": (
        changed(config_settings={"opt": ("1",), "more": ("x",)}),
        "config setting `more` is new: x",
    ),
    "variables[CFLAGS]": (changed(variables={}), "variable `CFLAGS` is gone, and was -O1"),
    "variables[LDFLAGS]": (
        changed(variables={"CFLAGS": "-O1", "LDFLAGS": ""}),
        "variable `LDFLAGS` is new: nothing",
    ),
    "sandbox.level": (changed(rung="landlock"), "sandbox sealed → confined"),
    "sandbox.network": (changed(network=True), "network of the sandbox none → host"),
    "sandbox.policy": (
        form(FULL) | {"sandbox": {"level": "sealed", "network": "none", "policy": 2}},
        "number of the sandbox's policy 1 → 2",
    ),
    "builder": (form(FULL) | {"builder": 2}, "number of the builder 1 → 2"),
    "salt": (changed(salt="again"), "salt nothing → again"),
}


@pytest.mark.parametrize("place", ONE_CHANGE)
def test_each_input_is_told_by_itself(place: str) -> None:
    after, words = ONE_CHANGE[place]
    (found,) = compare(form(FULL), after)
    assert (found.place, in_words(found), found.follows) == (place, words, False)
    (back,) = compare(after, form(FULL))
    assert (back.place, back.before, back.after) == (place, found.after, found.before)
    assert in_words(back)


SAME_VERSION: Mapping[str, tuple[dict[str, Any], str]] = {
    "environment[setuptools]": (
        form(FULL, setuptools=OTHER),
        "setuptools 1.0 has another content in the build environment",
    ),
    "toolchain.programs[cc]": (
        within("toolchain", programs=(replace(CC, digest=OTHER),)),
        "`cc` cc 12 has another content in the toolchain",
    ),
}


@pytest.mark.parametrize("place", SAME_VERSION)
def test_another_content_of_one_version_is_told_as_that(place: str) -> None:
    after, words = SAME_VERSION[place]
    (found,) = compare(form(FULL), after)
    assert (found.place, in_words(found)) == (place, words)


def places(value: Any, prefix: str = "") -> Iterator[str]:
    """Yield the places of all leaves of a form, items of lists by their numbers."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, each in pairs:
        place = f"{prefix}{name}"
        if isinstance(each, (dict, list)) and each:
            yield from places(each, f"{place}/")
        else:
            yield place


LEAVES = [place for place in places(form(FULL)) if place not in {"format", "version", "kind"}]


@pytest.mark.parametrize("place", LEAVES)
def test_no_member_of_a_form_goes_unnoticed(place: str) -> None:
    after = copy.deepcopy(form(FULL))
    at: Any = after
    *way, last = place.split("/")
    for step in way:
        at = at[int(step) if isinstance(at, list) else step]
    at[int(last) if isinstance(at, list) else last] = "something else"
    found = compare(form(FULL), after)
    assert found
    for each in found:
        assert "`" not in in_words(each).partition(" ")[0] or "[" in each.place, "it has no words"


def test_equal_forms_have_no_difference() -> None:
    assert compare(form(FULL), form(FULL)) == ()


def test_what_follows_from_another_difference_is_marked() -> None:
    found = compare(
        form(FULL),
        form(
            replace(
                FULL,
                interpreter=replace(
                    FULL.interpreter,
                    version="3.13.0",
                    soabi="cpython-313",
                    pointer_bits=32,
                    headers=OTHER,
                ),
                platform=replace(FULL.platform, tags=OTHER, libc="musl 1.2"),
            ),
            tree=OTHER,
        ),
    )
    assert {each.place for each in found if each.follows} == {
        "interpreter.soabi",
        "interpreter.headers",
        "platform.tags",
    }
    assert {each.place for each in found if not each.follows} == {
        "interpreter.version",
        "interpreter.pointer_bits",
        "platform.libc",
        "source.tree",
    }
    released = compare(form(FULL), form(replace(FULL, version="1.1"), tree=OTHER))
    assert [(each.place, each.follows) for each in released] == [
        ("distribution_version", False),
        ("source.tree", True),
    ]


def test_what_matters_most_comes_first() -> None:
    after = form(replace(FULL, salt="x", requires=(), rung="none"), tree=OTHER, setuptools=OTHER)
    assert [each.place for each in compare(form(FULL), after)] == [
        "source.tree",
        "requires[setuptools>=40]",
        "environment[setuptools]",
        "sandbox.level",
        "sandbox.network",
        "salt",
    ]


def test_requirements_of_one_project_that_are_several_are_not_paired() -> None:
    before = form(replace(FULL, requires=("a<2; python_version<'3'", "a>=2")))
    after = form(replace(FULL, requires=("a>=3",)))
    assert [in_words(each) for each in compare(before, after)] == [
        "build requirement `a<2; python_version<'3'` is gone",
        "build requirement `a>=2` is gone",
        "build requirement `a>=3` is new",
    ]


def test_wheels_that_are_taken_compare_by_their_archives() -> None:
    def unpack(version: str, *, verify: bool = True) -> Unpack:
        name = f"made-{version}-py3-none-any.whl"
        source = Fetch(name=name, hash="sha256:" + "a" * 64, location=None)
        return Unpack(source=source, distribution="made", version=version, verify_record=verify)

    before = unpack("1.0").resolved("a" * 64)
    assert [in_words(each) for each in compare(before, unpack("1.0").resolved("b" * 64))] == [
        "the archive is another"
    ]
    found = compare(before, unpack("1.1", verify=False).resolved("b" * 64))
    assert [in_words(each) for each in found if not each.follows] == [
        "version 1.0 → 1.1",
        "whether RECORD must agree yes → no",
    ]
    assert compare(before, form(FULL)) == (
        Difference(place="kind", before="unpack", after="build-wheel"),
    )
    (other,) = compare(before, form(FULL))
    assert in_words(other) == "it is built; before, it comes as a wheel"


def test_members_that_are_not_known_here_count() -> None:
    before, after = form(FULL), form(FULL)
    before["source"] = {"tree": TREE, "facts": [{"kind": "moon", "name": "face", "value": None}]}
    after["source"] = {"tree": TREE, "facts": [{"kind": "moon", "name": "face", "value": "full"}]}
    after["later"] = ["1", {"a": True}]
    assert [in_words(each) for each in compare(before, after)] == [
        "`source.facts[moon face]` value nothing → value full",
        "`later` nothing → 1, a yes",
    ]


def test_what_is_long_is_shortened() -> None:
    (found,) = compare(form(FULL), changed(variables={"CFLAGS": "-O2 " * 40}))
    assert len(in_words(found)) < 100
    (found,) = compare(form(FULL), form(FULL) | {"later": OTHER})
    assert in_words(found) == "`later` nothing → 999999999999"
