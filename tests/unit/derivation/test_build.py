"""What a build is known by: every field of it, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from envbuild import __version__, canonical
from envbuild.derivation import build as build_module
from envbuild.derivation.build import (
    Backend,
    BuildWheel,
    Dependency,
    InterpreterIdentity,
    Platform,
    Program,
    Toolchain,
)
from envbuild.derivation.model import Fetch, Unpack
from envbuild.derivation.sources import PRESENT, Fact, LocalSource, UnpackSource
from envbuild.digest import Digest
from envbuild.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Callable


def digest(digit: str) -> Digest:
    return Digest(digit * 64)


def unpack(name: str, version: str = "1.0", sha256: str = "a" * 64) -> Unpack:
    file = f"{name}-{version}-py3-none-any.whl"
    source = Fetch(name=file, hash=f"sha256:{sha256}", location=None)
    return Unpack(source=source, distribution=name, version=version)


def fetched(name: str, *, hash_: str | None = "sha256:" + "b" * 64) -> UnpackSource:
    location = None if hash_ else f"https://index.example/{name}"
    source = Fetch(name=name, hash=hash_, location=location)
    return UnpackSource(source=source, distribution="made", version="1.0")


SETUPTOOLS = Dependency(name="setuptools", version="1.0", made_by=unpack("setuptools"))
TREE = digest("1")
PAYLOADS = {"setuptools": digest("2"), "wheel": digest("3")}
BASE = BuildWheel(
    source=fetched("made-1.0.tar.gz"),
    distribution="made",
    version="1.0",
    backend=Backend(name="setuptools.build_meta"),
    requires=("setuptools>=40",),
    environment=(SETUPTOOLS,),
    interpreter=InterpreterIdentity(
        implementation="cpython",
        version="3.12.1",
        cache_tag="cpython-312",
        soabi="cpython-312-x86_64-linux-gnu",
        ext_suffix=".cpython-312-x86_64-linux-gnu.so",
        abi_flags="",
        pointer_bits=64,
        is_debug=False,
        variables=digest("4"),
        headers=digest("5"),
    ),
    platform=Platform(name="linux-x86_64", libc="glibc 2.36", tags=digest("6")),
    toolchain=Toolchain(
        level="probed", programs=(Program(name="cc", version="cc 12", digest=digest("7")),)
    ),
    rung="bubblewrap",
)
KEY = BASE.resolved_key(TREE, PAYLOADS)


def key(changed: BuildWheel, tree: Digest = TREE, **payloads: Digest) -> Digest:
    return changed.resolved_key(tree, PAYLOADS | payloads)


def inside(field: str, **changes: Any) -> BuildWheel:
    return replace(BASE, **{field: replace(getattr(BASE, field), **changes)})


def with_fact(value: str | None) -> Digest:
    fact = Fact(kind="folder", name="src", value=value)
    return key(replace(BASE, source=LocalSource(tree=TREE, facts=(fact,))))


MATTERS: dict[str, Callable[[], Digest]] = {
    "source tree": lambda: key(BASE, tree=digest("9")),
    "fact beside the sources": lambda: with_fact(PRESENT),
    "fact that changed": lambda: with_fact(None),
    "subdirectory": lambda: key(replace(BASE, subdirectory="python")),
    "name": lambda: key(replace(BASE, distribution="other")),
    "version": lambda: key(replace(BASE, version="1.1")),
    "version that the sources compute": lambda: key(replace(BASE, version=None)),
    "editable": lambda: key(replace(BASE, editable="/srv/app")),
    "editable elsewhere": lambda: key(replace(BASE, editable="/srv/copy of app")),
    "backend": lambda: key(inside("backend", name="setuptools.build_meta:__legacy__")),
    "backend path": lambda: key(inside("backend", path=("tools",))),
    "requirement": lambda: key(replace(BASE, requires=("setuptools>=41",))),
    "requirement more": lambda: key(replace(BASE, requires=("setuptools>=40", "wheel"))),
    "payload of a dependency": lambda: key(BASE, setuptools=digest("9")),
    "version of a dependency": lambda: key(
        replace(BASE, environment=(replace(SETUPTOOLS, version="1.1"),))
    ),
    "dependency more": lambda: key(
        replace(BASE, environment=(SETUPTOOLS, replace(SETUPTOOLS, name="wheel")))
    ),
    "dependency less": lambda: key(replace(BASE, environment=())),
    "implementation": lambda: key(inside("interpreter", implementation="pypy")),
    "interpreter's version": lambda: key(inside("interpreter", version="3.12.2")),
    "cache tag": lambda: key(inside("interpreter", cache_tag="cpython-312d")),
    "SOABI": lambda: key(inside("interpreter", soabi="cpython-312")),
    "suffix of extensions": lambda: key(inside("interpreter", ext_suffix=".so")),
    "ABI flags": lambda: key(inside("interpreter", abi_flags="t")),
    "pointer size": lambda: key(inside("interpreter", pointer_bits=32)),
    "debug build": lambda: key(inside("interpreter", is_debug=True)),
    "build variables": lambda: key(inside("interpreter", variables=digest("9"))),
    "headers": lambda: key(inside("interpreter", headers=digest("9"))),
    "platform": lambda: key(inside("platform", name="linux-aarch64")),
    "C library": lambda: key(inside("platform", libc="musl 1.2")),
    "tags": lambda: key(inside("platform", tags=digest("9"))),
    "level of the toolchain": lambda: key(inside("toolchain", level="closed")),
    "compiler's content": lambda: key(
        inside("toolchain", programs=(Program(name="cc", version="cc 12", digest=digest("9")),))
    ),
    "compiler's version": lambda: key(
        inside("toolchain", programs=(Program(name="cc", version="cc 13", digest=digest("7")),))
    ),
    "no compiler": lambda: key(inside("toolchain", programs=())),
    "config setting": lambda: key(replace(BASE, config_settings={"a": ("1",)})),
    "variable": lambda: key(replace(BASE, variables={"CFLAGS": "-O1"})),
    "level of the sandbox": lambda: key(replace(BASE, rung="landlock")),
    "no sandbox": lambda: key(replace(BASE, rung="none")),
    "network": lambda: key(replace(BASE, network=True)),
    "salt": lambda: key(replace(BASE, salt="1")),
}


@pytest.mark.parametrize("change", MATTERS.values(), ids=MATTERS)
def test_another_input_is_another_build(change: Callable[[], Digest]) -> None:
    assert change() != KEY


def test_no_two_changes_come_to_the_same() -> None:
    keys = [change() for change in MATTERS.values()]
    assert len({*keys, KEY}) == len(keys) + 1


def test_the_number_of_the_builder_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "BUILDER", build_module.BUILDER + 1)
    assert key(BASE) != KEY


DOES_NOT_MATTER: dict[str, BuildWheel] = {
    "name of the source archive": replace(BASE, source=fetched("renamed.tar.gz")),
    "hash of the source archive": replace(BASE, source=fetched("made-1.0.tar.gz", hash_=None)),
    "kind of source": replace(BASE, source=LocalSource(tree=digest("8"))),
    "archive of a dependency": replace(
        BASE,
        environment=(replace(SETUPTOOLS, made_by=unpack("setuptools", sha256="c" * 64)),),
    ),
    "how a dependency was made": replace(
        BASE, environment=(replace(SETUPTOOLS, made_by=replace(BASE, distribution="setuptools")),)
    ),
    "rung of one level": replace(BASE, rung="namespaces"),
}


@pytest.mark.parametrize("changed", DOES_NOT_MATTER.values(), ids=DOES_NOT_MATTER)
def test_how_equal_inputs_came_about_does_not_matter(changed: BuildWheel) -> None:
    assert key(changed) == KEY


def test_order_of_settings_does_not_matter() -> None:
    one, other = {"a": ("1",), "b": ("2",)}, {"b": ("2",), "a": ("1",)}
    assert key(replace(BASE, config_settings=one)) == key(replace(BASE, config_settings=other))
    assert key(replace(BASE, config_settings={"a": ("1", "2")})) != key(
        replace(BASE, config_settings={"a": ("2", "1")})
    )


def test_neither_places_nor_our_own_version_are_in_it() -> None:
    text = canonical.encode(BASE.resolved(TREE, PAYLOADS)).decode()
    assert __version__ not in text
    assert "/" not in text.replace("packages/", "")


def test_an_editable_names_the_one_place_that_it_means_something_in() -> None:
    form = replace(BASE, editable="/srv/app").resolved(TREE, PAYLOADS)
    assert form == BASE.resolved(TREE, PAYLOADS) | {"editable": "/srv/app"}


def test_facts_are_in_the_resolved_form_as_in_that_of_the_source() -> None:
    source = LocalSource(
        tree=TREE,
        facts=(
            Fact(kind="environment", name="MODE", value=None),
            Fact(kind="git-commit", name="", value="c0" * 20),
        ),
    )
    form = replace(BASE, source=source).resolved(TREE, PAYLOADS)
    assert form["source"] == {"facts": source.as_json()["facts"], "tree": TREE}
    assert BASE.resolved(TREE, PAYLOADS)["source"] == {"facts": [], "tree": TREE}


def test_the_name_depends_on_how_inputs_are_made() -> None:
    same = {DOES_NOT_MATTER[name].digest for name in ("rung of one level",)}
    assert same == {BASE.digest}
    assert DOES_NOT_MATTER["archive of a dependency"].digest != BASE.digest
    assert DOES_NOT_MATTER["kind of source"].digest != BASE.digest
