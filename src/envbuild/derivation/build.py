"""The derivation of a wheel that is built: everything that decides what a build gives, and no more.

The form is specified in `store_layout/v1/derivation.md`, which says of each field why it is there.
What a build is *not* known by: where its sources came from and when they were touched, where store
and cache lie, who builds, how many cores there are, what time it is, the version of this program.
"""

from __future__ import annotations

from envbuild import canonical
from envbuild.derivation.fields import (
    FORMAT,
    VERSION,
    InvalidDerivation,
    check_digest,
    check_flag,
    check_keys,
    check_number,
    check_text,
)
from envbuild.derivation.sources import LocalSource, check_facts, facts_as_json
from envbuild.frozen import field, frozen
from envbuild.store.tree import fault_of_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from envbuild.canonical import Json
    from envbuild.derivation.model import Unpack
    from envbuild.derivation.sources import Checkout, UnpackSource
    from envbuild.digest import Digest
    from envbuild.sandbox.model import Rung

    ToolchainLevel = Literal["closed", "probed", "open"]

BUILDER = 1
"""Raised by hand when the meaning of building changes, so that old results are not believed."""

TOOLCHAIN_LEVELS = ("closed", "open", "probed")


@frozen
class Backend:
    """What is asked to build: `build-backend` and `backend-path` (PEP 517)."""

    name: str
    path: tuple[str, ...] = ()


@frozen
class Dependency:
    """A distribution of the build environment.

    Attributes:
        name: normalised.
        version: as pinned.
        made_by: the derivation that gives its tree.
    """

    name: str
    version: str
    made_by: Unpack | BuildWheel


@frozen
class InterpreterIdentity:
    """What of an interpreter can reach what is built with it.

    Attributes:
        implementation: such as `cpython`.
        version: with the release level, such as `3.13.0` or `3.14.0rc2`.
        cache_tag: the name that bytecode files carry.
        soabi: the ABI name of extension modules.
        ext_suffix: their file name suffix.
        abi_flags: such as `t`.
        pointer_bits: 32 or 64.
        is_debug: whether it is a debug build.
        variables: digest of what `sysconfig` tells compilers and linkers.
        headers: digest of the installed headers.
    """

    implementation: str
    version: str
    cache_tag: str
    soabi: str
    ext_suffix: str
    abi_flags: str
    pointer_bits: int
    is_debug: bool
    variables: Digest
    headers: Digest

    def as_json(self) -> dict[str, Json]:
        """Return the form that is hashed."""
        return {
            "abi_flags": self.abi_flags,
            "cache_tag": self.cache_tag,
            "ext_suffix": self.ext_suffix,
            "headers": self.headers,
            "implementation": self.implementation,
            "is_debug": self.is_debug,
            "pointer_bits": self.pointer_bits,
            "soabi": self.soabi,
            "variables": self.variables,
            "version": self.version,
        }


@frozen
class Platform:
    """What a build is for.

    Attributes:
        name: as `sysconfig.get_platform()` has it, which on macOS names the deployment target.
        libc: such as `glibc 2.36`, empty where it does not matter.
        tags: digest of the tags that the wheel may have, in their order.
    """

    name: str
    libc: str
    tags: Digest

    def as_json(self) -> dict[str, Json]:
        """Return the form that is hashed."""
        return {"libc": self.libc, "name": self.name, "tags": self.tags}


@frozen
class Program:
    """A program that builds may use: what it says of itself, and the digest of its content."""

    name: str
    version: str
    digest: Digest


@frozen
class Toolchain:
    """What is known of the programs that a build may use, beside the build environment.

    Attributes:
        level: `closed`, all that can be reached is in `programs`; `probed`, the usual ones are;
            `open`, nothing is known.
        programs: sorted by name.
    """

    level: ToolchainLevel
    programs: tuple[Program, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """Return the form that is hashed."""
        return {
            "level": self.level,
            "programs": [
                {"digest": each.digest, "name": each.name, "version": each.version}
                for each in self.programs
            ],
        }


@frozen
class BuildWheel:
    """A source tree to the tree of the wheel that its backend builds.

    Attributes:
        source: what gives the source tree.
        subdirectory: of the project in the tree, empty for its root.
        distribution: normalised name that the wheel must be of.
        version: that it must be of, as locked; `None` where the sources compute it.
        editable: absolute path of the folder, on this machine, that the wheel leads to (PEP 660);
            `None` for a wheel that stands for itself. What is editable means something here alone.
        backend: what is asked to build.
        requires: everything that the build environment must meet: what the sources declare, what the
            backend's hook returned, what the project adds. Sorted.
        environment: everything in the build environment, sorted by name.
        interpreter: that runs the backend.
        platform: that is built for.
        toolchain: what compiles.
        config_settings: name to values, handed to the backend.
        variables: that were declared for this build.
        rung: of the ladder of sandboxes; those of one level are as good as each other.
        network: whether the build may use the network.
        salt: anything: another one makes another build of it.
    """

    source: UnpackSource | Checkout | LocalSource
    subdirectory: str = ""
    distribution: str
    version: str | None
    editable: str | None = None
    backend: Backend
    requires: tuple[str, ...] = ()
    environment: tuple[Dependency, ...] = ()
    interpreter: InterpreterIdentity
    platform: Platform
    toolchain: Toolchain
    config_settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    rung: Rung
    network: bool = False
    salt: str | None = None

    def as_json(self) -> dict[str, Json]:
        """Return the form that is hashed for the derivation's name."""
        return self._form(
            {"derivation": self.source.digest},
            [
                {"derivation": each.made_by.digest, "name": each.name, "version": each.version}
                for each in self.environment
            ],
        )

    @property
    def digest(self) -> Digest:
        """The derivation's name."""
        return canonical.digest(self.as_json())

    def resolved(self, source: Digest, payloads: Mapping[str, Digest]) -> dict[str, Json]:
        """Return the resolved form.

        Args:
            source: digest of the source tree.
            payloads: by name, the payload digests of what is in the build environment.
        """
        facts = self.source.facts if isinstance(self.source, LocalSource) else ()
        return self._form(
            {"facts": facts_as_json(facts), "tree": source},
            [
                {"name": each.name, "payload": payloads[each.name], "version": each.version}
                for each in self.environment
            ],
        )

    def resolved_key(self, source: Digest, payloads: Mapping[str, Digest]) -> Digest:
        """Return the resolved key; see `resolved`."""
        return canonical.digest(self.resolved(source, payloads))

    def _form(self, source: Json, environment: list[Json]) -> dict[str, Json]:
        from envbuild.sandbox.model import identity

        return {
            "backend": {"name": self.backend.name, "path": list(self.backend.path)},
            "builder": BUILDER,
            "config_settings": [
                {"name": name, "values": list(values)}
                for name, values in sorted(self.config_settings.items())
            ],
            "distribution": self.distribution,
            "distribution_version": self.version,
            "editable": self.editable,
            "environment": environment,
            "format": FORMAT,
            "interpreter": self.interpreter.as_json(),
            "kind": "build-wheel",
            "platform": self.platform.as_json(),
            "requires": list(self.requires),
            "salt": self.salt,
            "sandbox": identity(self.rung, network=self.network),
            "source": source,
            "subdirectory": self.subdirectory,
            "toolchain": self.toolchain.as_json(),
            "variables": [
                {"name": name, "value": value} for name, value in sorted(self.variables.items())
            ],
            "version": VERSION,
        }


_FIELDS = frozenset(
    {
        "backend", "builder", "config_settings", "distribution", "distribution_version",
        "editable", "environment", "format", "interpreter", "kind", "platform", "requires", "salt",
        "sandbox", "source", "subdirectory", "toolchain", "variables", "version",
    }
)  # fmt: skip


def check_build_wheel(document: dict[str, Json]) -> None:
    """Raise where a record of this kind breaks a rule."""
    check_keys(document, set(_FIELDS))
    backend = _table(document["backend"], "backend", {"name", "path"})
    check_text(backend["name"], "backend.name")
    for number, path in enumerate(_list(backend["path"], "backend.path")):
        check_text(path, f"backend.path[{number}]")
    check_number(document["builder"], "builder")
    for place, row in _named(document["config_settings"], "config_settings", {"values"}):
        for number, value in enumerate(_list(row["values"], f"{place}.values")):
            _check_string(value, f"{place}.values[{number}]")
    check_text(document["distribution"], "distribution")
    if document["distribution_version"] is not None:
        check_text(document["distribution_version"], "distribution_version")
    editable = document["editable"]
    if editable is not None and not _is_folder(editable):
        raise InvalidDerivation("editable", "it is neither null nor an absolute path")
    is_resolved = _check_source(document["source"])
    _check_environment(document["environment"], is_resolved=is_resolved)
    _check_interpreter(document["interpreter"])
    platform = _table(document["platform"], "platform", {"libc", "name", "tags"})
    check_text(platform["name"], "platform.name")
    _check_string(platform["libc"], "platform.libc")
    check_digest(platform["tags"], "platform.tags")
    requires = _list(document["requires"], "requires")
    for number, requirement in enumerate(requires):
        check_text(requirement, f"requires[{number}]")
    _check_rising([str(each) for each in requires], "requires")
    if document["salt"] is not None:
        check_text(document["salt"], "salt")
    sandbox = _table(document["sandbox"], "sandbox", {"level", "network", "policy"})
    if sandbox["level"] not in ("bare", "confined", "sealed"):
        raise InvalidDerivation("sandbox.level", f"{sandbox['level']!r} is not a level")
    if sandbox["network"] not in ("host", "none"):
        raise InvalidDerivation("sandbox.network", "it is neither `host` nor `none`")
    check_number(sandbox["policy"], "sandbox.policy")
    subdirectory = document["subdirectory"]
    if subdirectory != "" and (not isinstance(subdirectory, str) or fault_of_path(subdirectory)):
        raise InvalidDerivation("subdirectory", "it is not the path of a folder of a tree")
    _check_toolchain(document["toolchain"])
    for place, row in _named(document["variables"], "variables", {"value"}):
        _check_string(row["value"], f"{place}.value")


def _check_source(value: Json) -> bool:
    """Return whether this is the source of a resolved form."""
    match value:
        case {"derivation": derivation, **rest} if not rest:
            check_digest(derivation, "source.derivation")
            return False
        case {"facts": facts, "tree": tree, **rest} if not rest:
            check_digest(tree, "source.tree")
            check_facts(facts, "source.facts")
            return True
        case _:
            raise InvalidDerivation("source", "it is neither a derivation nor a tree")


def _is_folder(value: Json) -> bool:
    return isinstance(value, str) and value.startswith("/") and "\0" not in value


def _check_environment(value: Json, *, is_resolved: bool) -> None:
    identified = "payload" if is_resolved else "derivation"
    for place, row in _named(value, "environment", {identified, "version"}):
        check_digest(row[identified], f"{place}.{identified}")
        check_text(row["version"], f"{place}.version")


def _check_interpreter(value: Json) -> None:
    texts = {"abi_flags", "cache_tag", "ext_suffix", "implementation", "soabi", "version"}
    digests = {"headers", "variables"}
    table = _table(value, "interpreter", texts | digests | {"is_debug", "pointer_bits"})
    for name in sorted(texts):
        _check_string(table[name], f"interpreter.{name}")
    for name in sorted(digests):
        check_digest(table[name], f"interpreter.{name}")
    check_flag(table["is_debug"], "interpreter.is_debug")
    check_number(table["pointer_bits"], "interpreter.pointer_bits")


def _check_toolchain(value: Json) -> None:
    table = _table(value, "toolchain", {"level", "programs"})
    if table["level"] not in TOOLCHAIN_LEVELS:
        raise InvalidDerivation("toolchain.level", f"{table['level']!r} is not a level")
    for place, row in _named(table["programs"], "toolchain.programs", {"digest", "version"}):
        check_digest(row["digest"], f"{place}.digest")
        _check_string(row["version"], f"{place}.version")


def _table(value: Json, place: str, keys: set[str]) -> dict[str, Json]:
    if not isinstance(value, dict) or value.keys() != keys:
        raise InvalidDerivation(place, f"its keys are not {', '.join(sorted(keys))}")
    return value


def _named(value: Json, place: str, keys: set[str]) -> list[tuple[str, dict[str, Json]]]:
    """Return the rows of a list that is sorted by names, each with its place."""
    rows = []
    for number, row in enumerate(_list(value, place)):
        where = f"{place}[{number}]"
        table = _table(row, where, keys | {"name"})
        check_text(table["name"], f"{where}.name")
        rows.append((where, table))
    _check_rising([str(row["name"]) for _, row in rows], place)
    return rows


def _list(value: Json, place: str) -> list[Json]:
    if not isinstance(value, list):
        raise InvalidDerivation(place, "it is not a list")
    return value


def _check_string(value: Json, place: str) -> None:
    if not isinstance(value, str):
        raise InvalidDerivation(place, "it is not a string")


def _check_rising(values: list[str], place: str) -> None:
    for number in range(1, len(values)):
        if values[number] <= values[number - 1]:
            raise InvalidDerivation(f"{place}[{number}]", "it is not greater than the one before")
