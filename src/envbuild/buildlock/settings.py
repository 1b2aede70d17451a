"""What a `pyproject.toml` says about building: the strategies of ours, and the settings of uv.

`[tool.uv]` is read as uv reads it. Only the file beside the lock counts, except for `sources`, which
a member of the workspace has for its own build requirements.
"""

from __future__ import annotations

import posixpath

from envbuild.buildlock.model import STRATEGIES
from envbuild.buildlock.parse import is_hash
from envbuild.errors import raise_all
from envbuild.frozen import frozen
from envbuild.lockfile.markers import parse_marker
from envbuild.lockfile.tables import (
    Faults,
    get_flag,
    get_list,
    get_names,
    get_table,
    get_text,
    get_texts,
)
from envbuild.lockfile.toml import parse_toml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.requirements import Requirement

    from envbuild.buildlock.model import Strategy
    from envbuild.lockfile.tables import Table

    Sources = Mapping[str, tuple["ProjectSource", ...]]
    """Name of a project to where it comes from; of several, the first whose marker holds."""


@frozen
class Constraint:
    """A requirement that every build environment meets, and hashes that files must have, if any.

    Requirements have single spaces, here and below.
    """

    requirement: str
    hashes: tuple[str, ...] = ()


@frozen
class ExtraRequirement:
    """A requirement that the project adds to what a source distribution declares.

    Attributes:
        requirement: as written; only a name, extras and a marker where `match_runtime` is set.
        match_runtime: whether it must come out as it does in the environment itself.
    """

    requirement: str
    match_runtime: bool


@frozen
class ProjectSource:
    """One entry of `[tool.uv.sources]`.

    Attributes:
        reference: a URL as PEP 508 has it, or a path relative to the lock's folder; `None` where the
            entry names an index or the workspace.
        index: name of the index.
        is_member: whether it is a member of the workspace.
        marker: empty for always.
    """

    reference: str | None
    index: str | None
    is_member: bool
    marker: str


@frozen
class Wheels:
    """Of which projects a wheel may be taken, where there is one; the others are built.

    Attributes:
        any: whether one may be taken of all but those in `exceptions`; else it is those alone.
        exceptions: normalised names.
    """

    any: bool
    exceptions: frozenset[str] = frozenset()

    def may_be_of(self, name: str) -> bool:
        """Tell whether a wheel of the project called that may be taken."""
        return (name in self.exceptions) != self.any


ALL_WHEELS = Wheels(any=True)


@frozen
class BuildSettings:
    """What a project and its user say about building; every name is normalised.

    Attributes:
        strategy: for all packages, but for those in `package_strategies`.
        extra_requires: package to requirements.
        variables: package to environment variables.
        config_settings: for every backend; `package_config_settings` come on top, by package.
        no_isolation: whether nothing is built in isolation; `no_isolation_packages` never are.
        wheels: of what a wheel may be taken.
    """

    strategy: Strategy = "latest"
    package_strategies: Mapping[str, Strategy]
    constraints: tuple[Constraint, ...] = ()
    extra_requires: Mapping[str, tuple[ExtraRequirement, ...]]
    variables: Mapping[str, Mapping[str, str]]
    config_settings: Mapping[str, str | tuple[str, ...]]
    package_config_settings: Mapping[str, Mapping[str, str | tuple[str, ...]]]
    no_isolation: bool = False
    no_isolation_packages: tuple[str, ...] = ()
    wheels: Wheels = ALL_WHEELS
    sources: Sources

    def strategy_for(self, package: str) -> Strategy:
        """Return the strategy for what `package` is built with."""
        return self.package_strategies.get(package, self.strategy)


NO_SETTINGS = BuildSettings(
    package_strategies={},
    extra_requires={},
    variables={},
    config_settings={},
    package_config_settings={},
    sources={},
)
"""What a project says that says nothing."""


def parse_build_settings(text: str, *, file: str, folder: str = "") -> BuildSettings:
    """Return what the text of a `pyproject.toml` says about building.

    Args:
        text: of the file.
        file: how to call it in errors.
        folder: of the file, relative to the lock's; empty for that itself.

    Raises:
        NotToml: `text` is not TOML.
        InvalidEntry: an entry that is read here cannot be; `Problems` for several.
    """
    document = parse_toml(text, file=file)
    faults = Faults(file)
    tool = get_table(document, "tool", "", faults)
    uv = get_table(tool, "uv", "tool", faults)
    ours = get_table(tool, "envbuild", "tool", faults)
    settings = BuildSettings(
        strategy=_strategy(ours, "build-dependency-strategy", "tool.envbuild", faults) or "latest",
        package_strategies=dict(_package_strategies(ours, faults)),
        constraints=tuple(_constraints(uv, faults)),
        extra_requires=dict(_extra_requires(uv, faults)),
        variables=dict(_variables(uv, faults)),
        config_settings=_config_settings(uv, "config-settings", "tool.uv", faults),
        package_config_settings=dict(_package_config_settings(uv, faults)),
        no_isolation=get_flag(uv, "no-build-isolation", "tool.uv", faults) or False,
        no_isolation_packages=get_names(uv, "no-build-isolation-package", "tool.uv", faults),
        sources=dict(_sources(uv, folder, faults)),
    )
    raise_all(faults.errors)
    return settings


def parse_sources(text: str, *, file: str, folder: str) -> Sources:
    """Return what the text of a `pyproject.toml` says about where requirements come from.

    Args and errors are those of `parse_build_settings`.
    """
    document = parse_toml(text, file=file)
    faults = Faults(file)
    uv = get_table(get_table(document, "tool", "", faults), "uv", "tool", faults)
    sources = dict(_sources(uv, folder, faults))
    raise_all(faults.errors)
    return sources


def pairs_of(texts: Iterable[str]) -> dict[str, str | tuple[str, ...]]:
    """Return config settings given as `KEY=VALUE`; a key that is there several times has them all."""
    found: dict[str, str | tuple[str, ...]] = {}
    for text in texts:
        key, _, value = text.partition("=")
        before = found.get(key, ())
        if key in found:
            found[key] = (*((before,) if isinstance(before, str) else before), value)
        else:
            found[key] = value
    return found


def _strategy(table: Table, key: str, place: str, faults: Faults) -> Strategy | None:
    text = get_text(table, key, place, faults)
    for strategy in STRATEGIES:
        if text == strategy:
            return strategy
    if text is not None:
        expected = ", ".join(f"`{strategy}`" for strategy in STRATEGIES)
        faults.add(f"{place}.{key}", f"must be one of {expected}, found `{text}`")
    return None


def _package_strategies(ours: Table, faults: Faults) -> Iterator[tuple[str, Strategy]]:
    # A key cannot be both a text and a table in TOML, so the table has a name of its own.
    place = "tool.envbuild.build-dependency-strategy-package"
    table = get_table(ours, "build-dependency-strategy-package", "tool.envbuild", faults)
    for name in table:
        strategy = _strategy(table, name, place, faults)
        if strategy is not None:
            yield faults.name(name, f"{place}.{name}"), strategy


def _constraints(uv: Table, faults: Faults) -> Iterator[Constraint]:
    items = get_list(uv, "build-constraint-dependencies", "tool.uv", faults)
    for index, item in enumerate(items):
        place = f"tool.uv.build-constraint-dependencies[{index}]"
        match item:
            case str() if _requirement(item, place, faults):
                yield Constraint(requirement=_plain(item))
            case {"requirement": str(text), "hashes": list(digests)}:
                hashes = get_texts({"hashes": digests}, "hashes", place, faults)
                for position, digest in enumerate(hashes):
                    if not is_hash(digest):
                        reason = f"must be an algorithm and its digest, found `{digest}`"
                        faults.add(f"{place}.hashes[{position}]", reason)
                if _requirement(text, f"{place}.requirement", faults):
                    yield Constraint(requirement=_plain(text), hashes=hashes)
            case str():
                pass
            case _:
                faults.add(place, "must be a requirement, or a table of `requirement` and `hashes`")


def _extra_requires(
    uv: Table, faults: Faults
) -> Iterator[tuple[str, tuple[ExtraRequirement, ...]]]:
    table = get_table(uv, "extra-build-dependencies", "tool.uv", faults)
    for name in table:
        place = f"tool.uv.extra-build-dependencies.{name}"
        items = get_list(table, name, "tool.uv.extra-build-dependencies", faults)
        found = [
            _extra_requirement(item, f"{place}[{index}]", faults)
            for index, item in enumerate(items)
        ]
        yield faults.name(name, place), tuple(item for item in found if item is not None)


def _extra_requirement(item: object, place: str, faults: Faults) -> ExtraRequirement | None:
    match item:
        case str():
            text, match_runtime = item, False
        case {"requirement": str(text), "match-runtime": bool(match_runtime)}:
            place = f"{place}.requirement"
        case _:
            faults.add(
                place, "must be a requirement, or a table of `requirement` and `match-runtime`"
            )
            return None
    requirement = _requirement(text, place, faults)
    if requirement is None:
        return None
    if match_runtime and (requirement.specifier or requirement.url):
        faults.add(place, f"must leave the version to `match-runtime`, found `{text}`")
        return None
    return ExtraRequirement(requirement=_plain(text), match_runtime=match_runtime)


def _variables(uv: Table, faults: Faults) -> Iterator[tuple[str, dict[str, str]]]:
    place = "tool.uv.extra-build-variables"
    packages = get_table(uv, "extra-build-variables", "tool.uv", faults)
    for name in packages:
        table = get_table(packages, name, place, faults)
        texts = (
            (variable, get_text(table, variable, f"{place}.{name}", faults)) for variable in table
        )
        yield (
            faults.name(name, f"{place}.{name}"),
            {variable: text for variable, text in texts if text is not None},
        )


def _package_config_settings(
    uv: Table, faults: Faults
) -> Iterator[tuple[str, dict[str, str | tuple[str, ...]]]]:
    place = "tool.uv.config-settings-package"
    table = get_table(uv, "config-settings-package", "tool.uv", faults)
    for name in table:
        yield faults.name(name, f"{place}.{name}"), _config_settings(table, name, place, faults)


def _config_settings(
    table: Table, key: str, place: str, faults: Faults
) -> dict[str, str | tuple[str, ...]]:
    found: dict[str, str | tuple[str, ...]] = {}
    place = f"{place}.{key}"
    settings = get_table(table, key, place.rpartition(".")[0], faults)
    for setting, value in settings.items():
        match value:
            case str():
                found[setting] = value
            case list():
                found[setting] = get_texts(settings, setting, place, faults)
            case _:
                faults.add(f"{place}.{setting}", "must be a string or an array of strings")
    return found


def _sources(
    uv: Table, folder: str, faults: Faults
) -> Iterator[tuple[str, tuple[ProjectSource, ...]]]:
    table = get_table(uv, "sources", "tool.uv", faults)
    for name, value in table.items():
        place = f"tool.uv.sources.{name}"
        items = value if isinstance(value, list) else [value]
        found = [_source(item, folder, place, faults) for item in items]
        yield faults.name(name, place), tuple(item for item in found if item is not None)


def _source(item: object, folder: str, place: str, faults: Faults) -> ProjectSource | None:
    """Return an entry, `None` for one that is about an extra or a group: those build nothing."""
    if not isinstance(item, dict):
        faults.add(place, "must be a table")
        return None
    if "extra" in item or "group" in item:
        return None
    marker = get_text(item, "marker", place, faults) or ""
    if marker:
        faults.check(marker, f"{place}.marker", parse_marker)
    reference, index = None, get_text(item, "index", place, faults)
    is_member = get_flag(item, "workspace", place, faults) or False
    for kind in ("git", "url", "path"):
        location = get_text(item, kind, place, faults)
        if location is not None:
            reference = _reference(kind, location, item, folder, place, faults)
    if reference is None and index is None and not is_member:
        faults.add(place, "must have one of `git`, `index`, `path`, `url` and `workspace`")
        return None
    return ProjectSource(reference=reference, index=index, is_member=is_member, marker=marker)


def _reference(
    kind: str, location: str, item: Table, folder: str, place: str, faults: Faults
) -> str:
    if kind == "path":
        return posixpath.normpath(posixpath.join(folder, location))
    subdirectory = get_text(item, "subdirectory", place, faults)
    fragment = f"#subdirectory={subdirectory}" if subdirectory else ""
    if kind == "url":
        return location + fragment
    refs = (get_text(item, key, place, faults) for key in ("rev", "tag", "branch"))
    ref = next((f"@{ref}" for ref in refs if ref is not None), "")
    return f"git+{location}{ref}{fragment}"


def _plain(text: str) -> str:
    return " ".join(text.split())


def _requirement(text: str, place: str, faults: Faults) -> Requirement | None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement as error:
        faults.add(place, f"is `{text}`: {str(error).partition(chr(10))[0]}")
        return None
