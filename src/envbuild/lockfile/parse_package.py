"""One `[[package]]` table to a `Package`, as far as the table alone decides.

What needs the other packages of the lock (that an edge leads somewhere, that no package is there
twice) is the business of `envbuild.lockfile.parse`.
"""

from __future__ import annotations

from envbuild.lockfile.markers import parse_marker
from envbuild.lockfile.package import (
    Dependency,
    Directory,
    Editable,
    Git,
    Package,
    Path,
    Registry,
    Sdist,
    Url,
    Virtual,
    Wheel,
)
from envbuild.lockfile.tables import (
    get_integer,
    get_names,
    get_table,
    get_tables,
    get_text,
    get_texts,
)
from envbuild.lockfile.versions import check_specifiers, check_version, is_version, same_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeVar

    from envbuild.lockfile.package import DefaultGroups, Source
    from envbuild.lockfile.tables import Faults, Table

    AnyArchive = TypeVar("AnyArchive", Wheel, Sdist)

_HASH_LENGTHS = {"blake2b": 128, "md5": 32, "sha256": 64, "sha384": 96, "sha512": 128}
_HEXADECIMAL = "0123456789abcdefABCDEF"
_LOCATED: dict[str, type[Registry | Path | Directory | Editable | Virtual]] = {
    "registry": Registry,
    "path": Path,
    "directory": Directory,
    "editable": Editable,
    "virtual": Virtual,
}


def parse_package(table: Table, place: str, faults: Faults) -> Package | None:
    """Return what `table` says, or `None` when it has no name or source; faults are noted."""
    name = get_text(table, "name", place, faults)
    source = parse_source(table, place, faults)
    if name is None and "name" not in table:
        faults.add(f"{place}.name", "is missing")
    if source is None and "source" not in table:
        faults.add(f"{place}.source", "is missing")
    if name is None or source is None:
        return None
    version = get_text(table, "version", place, faults)
    if version is not None:
        faults.check(version, f"{place}.version", check_version)
    elif isinstance(source, Registry) and "version" not in table:
        faults.add(f"{place}.version", "is missing, and the package comes from an index")
    metadata = get_table(table, "metadata", place, faults)
    requires_dev = _either(metadata, "requires-dev", "dependency-groups")
    return Package(
        name=faults.name(name, f"{place}.name"),
        version=version,
        source=source,
        resolution_markers=parse_markers(table, "resolution-markers", place, faults),
        dependencies=_edges(table, "dependencies", place, faults),
        optional_dependencies=_edges_by_name(table, "optional-dependencies", place, faults),
        dependency_groups=_edges_by_name(
            table, _either(table, "dev-dependencies", "dependency-groups"), place, faults
        ),
        sdist=_sdist(table, source, place, faults),
        wheels=tuple(
            wheel
            for here, item in get_tables(table, "wheels", place, faults)
            if (wheel := _wheel(item, source, version, here, faults)) is not None
        ),
        default_groups=parse_default_groups(table, place, faults),
        group_requires_python=parse_group_requires_python(table, place, faults),
        provides_extras=get_names(metadata, "provides-extras", f"{place}.metadata", faults),
        declared_groups=tuple(
            faults.name(group, f"{place}.metadata.{requires_dev}")
            for group in get_table(metadata, requires_dev, f"{place}.metadata", faults)
        ),
    )


def parse_source(table: Table, place: str, faults: Faults) -> Source | None:
    """Return the source that `table` has, `None` for none; the first key that is known decides."""
    source = get_table(table, "source", place, faults)
    if not source:
        if "source" in table and isinstance(table["source"], dict):
            faults.add(f"{place}.source", "is empty")
        return None
    place = f"{place}.source"
    for kind in ("registry", "git", "url", "path", "directory", "editable", "virtual"):
        if kind in source:
            break
    else:
        faults.add(place, f"is of no known kind, found {_listed(source)}")
        return None
    location = get_text(source, kind, place, faults)
    if location is None:
        return None
    match kind:
        case "git":
            return _git(location, f"{place}.git", faults)
        case "url":
            subdirectory = get_text(source, "subdirectory", place, faults)
            return Url(url=location, subdirectory=subdirectory or "")
        case _:
            return _LOCATED[kind](location=location)


def parse_markers(table: Table, key: str, place: str, faults: Faults) -> tuple[str, ...]:
    """Return the markers of the array under `key`, each known to be one."""
    markers = get_texts(table, key, place, faults)
    for index, marker in enumerate(markers):
        faults.check(
            marker, f"{place}.{key}[{index}]" if place else f"{key}[{index}]", parse_marker
        )
    return markers


def parse_default_groups(table: Table, place: str, faults: Faults) -> DefaultGroups | None:
    """Return `default-groups`: `"all"`, a list, or `None` when absent."""
    if "default-groups" not in table:
        return None
    if table["default-groups"] == "all":
        return "all"
    return get_names(table, "default-groups", place, faults)


def parse_group_requires_python(table: Table, place: str, faults: Faults) -> dict[str, str]:
    """Return `group-requires-python`: group to specifiers."""
    groups = get_table(table, "group-requires-python", place, faults)
    here = f"{place}.group-requires-python"
    found = {}
    for group in groups:
        specifiers = get_text(groups, group, here, faults)
        if specifiers is not None:
            faults.check(specifiers, f"{here}.{group}", check_specifiers)
            found[faults.name(group, here)] = specifiers
    return found


def _git(location: str, place: str, faults: Faults) -> Git | None:
    url, _, commit = location.partition("#")
    if not is_commit(commit):
        faults.add(place, f"must end in `#` and a full commit, found `{location}`")
        return None
    if "://" not in url:
        faults.add(place, f"must be a URL, found `{location}`")
        return None
    query: dict[str, str] = {}
    for pair in url.partition("?")[2].split("&"):
        key, _, value = pair.partition("=")
        query[key] = _unquoted(value)
    revision = query.get("rev", "")
    if is_commit(revision) and revision != commit:
        faults.add(place, f"asks for commit `{revision}` and is locked to `{commit}`")
    return Git(
        url=url,
        commit=commit,
        subdirectory=query.get("subdirectory", ""),
        path=query.get("path", ""),
        lfs=query.get("lfs", "").lower() == "true",
    )


def is_commit(text: str) -> bool:
    """Tell whether `text` is the full name of a commit."""
    return len(text) == 40 and not text.strip(_HEXADECIMAL)


def _edges_by_name(
    table: Table, key: str, place: str, faults: Faults
) -> dict[str, tuple[Dependency, ...]]:
    lists = get_table(table, key, place, faults)
    place = f"{place}.{key}"
    return {
        faults.name(name, f"{place}.{name}"): _edges(lists, name, place, faults) for name in lists
    }


def _edges(table: Table, key: str, place: str, faults: Faults) -> tuple[Dependency, ...]:
    edges: list[Dependency] = []
    for here, item in get_tables(table, key, place, faults):
        name = get_text(item, "name", here, faults)
        if name is None:
            if "name" not in item:
                faults.add(f"{here}.name", "is missing")
            continue
        version = get_text(item, "version", here, faults)
        if version is not None:
            faults.check(version, f"{here}.version", check_version)
        marker = get_text(item, "marker", here, faults) or ""
        if marker:
            faults.check(marker, f"{here}.marker", parse_marker)
        edge = Dependency(
            name=faults.name(name, f"{here}.name"),
            version=version,
            source=parse_source(item, here, faults) if "source" in item else None,
            extras=get_names(item, "extra", here, faults) if "extra" in item else (),
            marker=marker,
        )
        if edge in edges:
            faults.add(here, f"is the same edge to `{edge.name}` as an earlier one")
        edges.append(edge)
    return tuple(edges)


def _sdist(table: Table, source: Source, place: str, faults: Faults) -> Sdist | None:
    sdist = get_table(table, "sdist", place, faults)
    if not sdist:
        return None
    return _archive(Sdist, sdist, source, f"{place}.sdist", faults)


def _wheel(
    table: Table, source: Source, version: str | None, place: str, faults: Faults
) -> Wheel | None:
    match source:
        case Directory() | Editable() | Virtual():
            faults.add(place, "cannot be: the package is a local tree")
            return None
        case Git(path=""):
            faults.add(place, "cannot be: the package is a repository")
            return None
        case _:
            wheel = _archive(Wheel, table, source, place, faults)
    if wheel is not None:
        _check_wheel_filename(wheel.filename, version, place, faults)
    return wheel


def _archive(
    kind: type[AnyArchive], table: Table, source: Source, place: str, faults: Faults
) -> AnyArchive | None:
    url = get_text(table, "url", place, faults)
    path = get_text(table, "path", place, faults)
    if isinstance(source, Registry) and url is None:
        if "://" in source.location:
            faults.add(place, "has no `url`")
            return None
        if path is None:
            faults.add(place, "has neither `url` nor `path`")
            return None
    filename = get_text(table, "filename", place, faults)
    if url is not None:
        filename = url_filename(url)
    elif path is not None:
        filename = path.rpartition("/")[2]
    elif filename is None:
        filename = _source_filename(source)
    return kind(
        filename=filename,
        url=url,
        path=path,
        hash=_hash(table, source, place, faults),
        size=get_integer(table, "size", place, faults),
        upload_time=_upload_time(table, place, faults),
    )


def _source_filename(source: Source) -> str:
    match source:
        case Url(url=url):
            return url_filename(url)
        case Git(path=path):
            return path.rpartition("/")[2]
        case _:
            return source.location.rpartition("/")[2]


def url_filename(url: str) -> str:
    """Return the name of the file at `url`, percent escapes decoded."""
    if "?" in url or "#" in url:
        url = url.partition("#")[0].partition("?")[0]
    return _unquoted(url.rpartition("/")[2])


def _check_wheel_filename(filename: str, version: str | None, place: str, faults: Faults) -> None:
    stem, dot, suffix = filename.rpartition(".")
    parts = stem.split("-")
    if not dot or suffix != "whl" or not 5 <= len(parts) <= 7 or not all(parts):
        faults.add(place, f"is no wheel by its name `{filename}`")
        return
    found = parts[1]
    if version is None or found == version:
        return
    if not is_version(found):
        faults.add(place, f"has a name, `{filename}`, whose version is none")
    elif is_version(version) and not (
        same_version(found, version) or same_version(found.partition("+")[0], version)
    ):
        faults.add(place, f"is `{filename}`, and the package has version `{version}`")


def _hash(table: Table, source: Source, place: str, faults: Faults) -> str | None:
    text = get_text(table, "hash", place, faults)
    if text is None:
        if "hash" not in table and _hash_rule(source) == "required":
            faults.add(f"{place}.hash", "is missing, and the source has no other proof of content")
        return None
    if _hash_rule(source) == "forbidden":
        faults.add(f"{place}.hash", "cannot be: the package is a tree and no archive")
        return None
    algorithm, _, digest = text.partition(":")
    if len(digest) != _HASH_LENGTHS.get(algorithm) or digest.strip(_HEXADECIMAL):
        faults.add(f"{place}.hash", f"must be an algorithm and its digest, found `{text}`")
        return None
    return text if digest.islower() or digest.isdigit() else f"{algorithm}:{digest.lower()}"


def _hash_rule(source: Source) -> Literal["optional", "required", "forbidden"]:
    match source:
        case Registry():
            return "optional"
        case Url() | Path():
            return "required"
        case Git(path=path):
            return "required" if path else "forbidden"
        case _:
            return "forbidden"


def _upload_time(table: Table, place: str, faults: Faults) -> str | None:
    key = _either(table, "upload-time", "upload_time")
    return get_text(table, key, place, faults) if key in table else None


def _either(table: Table, key: str, alias: str) -> str:
    """Return `alias` when it is there in place of `key`."""
    return alias if key not in table and alias in table else key


def _unquoted(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text)


def _listed(table: Table) -> str:
    return ", ".join(f"`{key}`" for key in table)
