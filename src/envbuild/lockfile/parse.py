"""The text of a `uv.lock` to a `Lock`.

Version 1 of the format is read, with any revision; keys that are not known are passed over, so that
what later revisions add does no harm. Nothing is installed or chosen here.
"""

from __future__ import annotations

from envbuild.errors import LockfileError, raise_all
from envbuild.frozen import replace
from envbuild.lockfile.markers import parse_marker
from envbuild.lockfile.model import ConflictItem, Lock, Manifest, Requirement
from envbuild.lockfile.package import Directory, Editable, Virtual
from envbuild.lockfile.parse_package import (
    parse_default_groups,
    parse_group_requires_python,
    parse_markers,
    parse_package,
)
from envbuild.lockfile.tables import (
    Faults,
    get_integer,
    get_list,
    get_names,
    get_table,
    get_tables,
    get_text,
)
from envbuild.lockfile.toml import parse_toml
from envbuild.lockfile.versions import check_specifiers, same_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from envbuild.lockfile.package import Dependency, Package
    from envbuild.lockfile.tables import Table

VERSION = 1


class UnsupportedLockVersion(LockfileError):
    """A lock of a format version that is not read here."""

    def __init__(self, file: str, version: str, supported: str) -> None:
        super().__init__(
            f"`{file}` has format version {version}, and only version {supported} is supported"
        )
        self.file = file
        self.version = version
        self.supported = supported


def parse_lock(text: str, *, file: str) -> Lock:
    """Return the lock that `text` is.

    Args:
        text: of the lockfile.
        file: how to call it in errors.

    Raises:
        NotToml: `text` is not TOML.
        UnsupportedLockVersion: it is of another version of the format.
        InvalidEntry: it says what no lock can say; `Problems` when it does so in several places.
    """
    document = parse_toml(text, file=file)
    faults = Faults(file)
    head = parse_head(document, faults)
    places: list[str] = []
    packages: list[Package] = []
    for place, table in _package_tables(document, faults):
        package = parse_package(table, place, faults)
        if package is not None:
            places.append(place)
            packages.append(package)
    if not faults.errors:
        _check_packages(packages, places, faults)
    raise_all(faults.errors)
    return replace(head, packages=tuple(packages))


def parse_head(document: Table, faults: Faults) -> Lock:
    """Return what `document` says beside its packages, as a lock without any.

    Raises:
        UnsupportedLockVersion: as `parse_lock` does.
    """
    version = get_integer(document, "version", "", faults)
    if version is None:
        if "version" not in document:
            faults.add("version", "is missing")
    elif version != VERSION:
        raise UnsupportedLockVersion(faults.file, str(version), str(VERSION))
    requires_python = get_text(document, "requires-python", "", faults)
    if requires_python is not None:
        faults.check(requires_python, "requires-python", check_specifiers)
    elif "requires-python" not in document:
        faults.add("requires-python", "is missing")
    return Lock(
        revision=get_integer(document, "revision", "", faults) or 0,
        requires_python=requires_python or "",
        resolution_markers=parse_markers(document, "resolution-markers", "", faults),
        supported_markers=parse_markers(document, "supported-markers", "", faults),
        conflicts=_conflicts(document, faults),
        manifest=_manifest(get_table(document, "manifest", "", faults), faults),
        packages=(),
    )


def _conflicts(document: Table, faults: Faults) -> tuple[tuple[ConflictItem, ...], ...]:
    sets: list[tuple[ConflictItem, ...]] = []
    for index, items in enumerate(get_list(document, "conflicts", "", faults)):
        place = f"conflicts[{index}]"
        tables = get_tables({place: items}, place, "", faults)
        found = [_conflict_item(table, here, faults) for here, table in tables]
        sets.append(tuple(item for item in found if item is not None))
    return tuple(sets)


def _conflict_item(table: Table, place: str, faults: Faults) -> ConflictItem | None:
    package = get_text(table, "package", place, faults)
    extra = get_text(table, "extra", place, faults)
    group = get_text(table, "group", place, faults)
    if package is None:
        if "package" not in table:
            faults.add(f"{place}.package", "is missing")
        return None
    package = faults.name(package, f"{place}.package")
    if extra is not None and group is not None:
        faults.add(place, "names both an extra and a group")
    if extra is not None:
        return ConflictItem(package=package, kind="extra", name=faults.name(extra, place))
    if group is not None:
        return ConflictItem(package=package, kind="group", name=faults.name(group, place))
    return ConflictItem(package=package, kind="project", name="")


def _manifest(table: Table, faults: Faults) -> Manifest:
    groups = get_table(table, "dependency-groups", "manifest", faults)
    place = "manifest.dependency-groups"
    return Manifest(
        members=get_names(table, "members", "manifest", faults),
        requirements=_requirements(table, "requirements", "manifest", faults),
        dependency_groups={
            faults.name(group, place): _requirements(groups, group, place, faults)
            for group in groups
        },
        default_groups=parse_default_groups(table, "manifest", faults),
        group_requires_python=parse_group_requires_python(table, "manifest", faults),
    )


def _requirements(table: Table, key: str, place: str, faults: Faults) -> tuple[Requirement, ...]:
    requirements: list[Requirement] = []
    for here, item in get_tables(table, key, place, faults):
        name = get_text(item, "name", here, faults)
        marker = get_text(item, "marker", here, faults) or ""
        if marker:
            faults.check(marker, f"{here}.marker", parse_marker)
        if name is not None:
            requirements.append(
                Requirement(
                    name=faults.name(name, f"{here}.name"),
                    extras=get_names(item, "extras", here, faults),
                    marker=marker,
                )
            )
        elif "name" not in item:
            faults.add(f"{here}.name", "is missing")
    return tuple(requirements)


def _package_tables(document: Table, faults: Faults) -> list[tuple[str, dict[str, object]]]:
    # `[[distribution]]` is what the earliest writers called it.
    key = "distribution" if "package" not in document and "distribution" in document else "package"
    return get_tables(document, key, "", faults)


def _check_packages(packages: list[Package], places: list[str], faults: Faults) -> None:
    """Note the packages that are there twice and the edges that lead to none or to several."""
    by_name: dict[str, list[Package]] = {}
    for package, place in zip(packages, places, strict=True):
        namesakes = by_name.setdefault(package.name, [])
        if any(
            _is_version_of(package.version, other) and package.source == other.source
            for other in namesakes
        ):
            faults.add(place, f"is `{package.name}` once more, of equal version and source")
        namesakes.append(package)
    for package, place in zip(packages, places, strict=True):
        for here, edge in _edges(package):
            if (
                len(by_name.get(edge.name, ())) == 1
                and edge.version is None
                and edge.source is None
            ):
                continue
            reason = _why_unresolved(edge, by_name.get(edge.name, []))
            if reason:
                faults.add(f"{place}.{here}", reason)


def _edges(package: Package) -> Iterator[tuple[str, Dependency]]:
    for index, edge in enumerate(package.dependencies):
        yield f"dependencies[{index}]", edge
    for extra, edges in package.optional_dependencies.items():
        for index, edge in enumerate(edges):
            yield f"optional-dependencies.{extra}[{index}]", edge
    for group, edges in package.dependency_groups.items():
        for index, edge in enumerate(edges):
            yield f"dev-dependencies.{group}[{index}]", edge


def _why_unresolved(edge: Dependency, candidates: list[Package]) -> str | None:
    """Return why `edge` does not lead to exactly one package, `None` when it does."""
    if not candidates:
        return f"leads to `{edge.name}`, which is not in the lock"
    if len(candidates) > 1:
        if edge.source is None:
            return f"has no `source`, and `{edge.name}` is in the lock {len(candidates)} times"
        if edge.version is None and not isinstance(edge.source, Directory | Editable | Virtual):
            return f"has no `version`, and `{edge.name}` is in the lock {len(candidates)} times"
    exact = len(candidates) > 1
    for package in candidates:
        if edge.source is not None and edge.source != package.source:
            continue
        if edge.version is None and not exact:
            return None
        if _is_version_of(edge.version, package):
            return None
    version = f" {edge.version}" if edge.version is not None else ""
    return f"leads to `{edge.name}`{version}, and the lock has it only in other versions or sources"


def _is_version_of(version: str | None, package: Package) -> bool:
    if version is None or package.version is None:
        return version == package.version
    return same_version(version, package.version)
