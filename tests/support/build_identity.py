"""One build, and for each input that it is known by another one that differs in nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    from envbuild.canonical import Json

    Form = dict[str, Json]


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


def form(changed: BuildWheel, tree: Digest = TREE, **payloads: Digest) -> Form:
    return changed.resolved(tree, PAYLOADS | payloads)


def inside(field: str, **changes: Any) -> BuildWheel:
    return replace(BASE, **{field: replace(getattr(BASE, field), **changes)})


def with_fact(value: str | None) -> Form:
    fact = Fact(kind="folder", name="src", value=value)
    return form(replace(BASE, source=LocalSource(tree=TREE, facts=(fact,))))


MATTERS: dict[str, Form] = {
    "source tree": form(BASE, tree=digest("9")),
    "fact beside the sources": with_fact(PRESENT),
    "fact that changed": with_fact(None),
    "subdirectory": form(replace(BASE, subdirectory="python")),
    "name": form(replace(BASE, distribution="other")),
    "version": form(replace(BASE, version="1.1")),
    "version that the sources compute": form(replace(BASE, version=None)),
    "editable": form(replace(BASE, editable="/srv/app")),
    "editable elsewhere": form(replace(BASE, editable="/srv/copy of app")),
    "backend": form(inside("backend", name="setuptools.build_meta:__legacy__")),
    "backend path": form(inside("backend", path=("tools",))),
    "requirement": form(replace(BASE, requires=("setuptools>=41",))),
    "requirement more": form(replace(BASE, requires=("setuptools>=40", "wheel"))),
    "payload of a dependency": form(BASE, setuptools=digest("9")),
    "version of a dependency": form(
        replace(BASE, environment=(replace(SETUPTOOLS, version="1.1"),))
    ),
    "dependency more": form(
        replace(BASE, environment=(SETUPTOOLS, replace(SETUPTOOLS, name="wheel")))
    ),
    "dependency less": form(replace(BASE, environment=())),
    "implementation": form(inside("interpreter", implementation="pypy")),
    "interpreter's version": form(inside("interpreter", version="3.12.2")),
    "cache tag": form(inside("interpreter", cache_tag="cpython-312d")),
    "SOABI": form(inside("interpreter", soabi="cpython-312")),
    "suffix of extensions": form(inside("interpreter", ext_suffix=".so")),
    "ABI flags": form(inside("interpreter", abi_flags="t")),
    "pointer size": form(inside("interpreter", pointer_bits=32)),
    "debug build": form(inside("interpreter", is_debug=True)),
    "build variables": form(inside("interpreter", variables=digest("9"))),
    "headers": form(inside("interpreter", headers=digest("9"))),
    "platform": form(inside("platform", name="linux-aarch64")),
    "C library": form(inside("platform", libc="musl 1.2")),
    "tags": form(inside("platform", tags=digest("9"))),
    "level of the toolchain": form(inside("toolchain", level="closed")),
    "compiler's content": form(
        inside("toolchain", programs=(Program(name="cc", version="cc 12", digest=digest("9")),))
    ),
    "compiler's version": form(
        inside("toolchain", programs=(Program(name="cc", version="cc 13", digest=digest("7")),))
    ),
    "no compiler": form(inside("toolchain", programs=())),
    "config setting": form(replace(BASE, config_settings={"a": ("1",)})),
    "variable": form(replace(BASE, variables={"CFLAGS": "-O1"})),
    "level of the sandbox": form(replace(BASE, rung="landlock")),
    "no sandbox": form(replace(BASE, rung="none")),
    "network": form(replace(BASE, network=True)),
    "number of the builder": {**form(BASE), "builder": 2},
    "salt": form(replace(BASE, salt="1")),
}
