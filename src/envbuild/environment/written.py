"""The files of a distribution that are written and never linked.

They differ by environment, or a tool may rewrite them: launchers, and what an installer leaves in
the `.dist-info` folder (PEP 376, PEP 610, PEP 627). With `PREFIX` and `PROJECT` in place of real
paths the same functions give the symbolic contents that a manifest speaks of.
"""

from __future__ import annotations

import posixpath

from envbuild import canonical
from envbuild.environment.record import own_row, relative, written_row, written_rows
from envbuild.frozen import frozen
from envbuild.selection.model import Sdist, Wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.canonical import Json
    from envbuild.environment.placement import Placement
    from envbuild.selection.model import SelectedPackage

PREFIX = "{prefix}"
"""Stands for the path of the environment in symbolic contents."""

PROJECT = "{project}"
"""Stands for the folder of the lock in symbolic contents."""

INSTALLER = b"envbuild\n"

_IN_PROJECT = f"file://{PROJECT}/"


@frozen
class WrittenFile:
    """A file of an environment that is written; `path` is relative to the prefix."""

    path: str
    data: bytes
    executable: bool


def written_files(
    placement: Placement,
    *,
    prefix: str,
    scripts: str,
    requested: bool,
    direct_url: bytes | None,
    uv_cache: bytes | None = None,
) -> tuple[WrittenFile, ...]:
    """Return what to write for one distribution, `RECORD` last.

    Args:
        placement: where its files go.
        prefix: absolute path of the environment, or `PREFIX`.
        scripts: the scheme's folder of scripts.
        requested: whether a root asks for it.
        direct_url: content of `direct_url.json`, `None` for what comes from an index.
        uv_cache: content of `uv_cache.json`, `None` unless it is from a local file or folder.
    """
    info = placement.info
    files = []
    if placement.launchers:
        from envbuild.environment.launchers import shebang

        start = shebang(f"{prefix}/{scripts}/python") + b"\n"
        for path, body in placement.launchers:
            files.append(WrittenFile(path=path, data=start + body, executable=True))
    for name, data in (
        ("INSTALLER", INSTALLER),
        ("REQUESTED", b"" if requested else None),
        ("direct_url.json", direct_url),
        ("uv_cache.json", uv_cache),
    ):
        if data is not None:
            files.append(WrittenFile(path=f"{info}/{name}", data=data, executable=False))

    site, _, name = info.rpartition("/")
    record = f"{name}/RECORD"
    rows = {record: own_row(record)}
    for file in files:
        row = relative(file.path, site)
        rows[row] = written_row(row, file.data)
    pieces = [placement.record[0]]
    paths = written_rows(info, (path for path, _ in placement.launchers))
    for row, following in zip(paths, placement.record[1:], strict=True):
        pieces += rows.get(row, b""), following

    files.append(WrittenFile(path=f"{site}/{record}", data=b"".join(pieces), executable=False))
    return tuple(files)


def direct_url(package: SelectedPackage, *, lock_folder: str) -> bytes | None:
    """Return the content of `direct_url.json` (PEP 610), `None` for what comes from an index.

    Paths that the lock gives relative to itself become `file` URLs below `lock_folder`; with
    `PROJECT` for it they stay as they are, and the content is the same on every machine.
    """
    location = package.source_location
    document: dict[str, Json]
    match package.source:
        case "registry" | "virtual":
            return None
        case "url":
            document = {
                "archive_info": _archive_info(package),
                "url": _without_credentials(location),
            }
        case "path":
            document = {"archive_info": _archive_info(package), "url": _file_url(location)}
        case "directory":
            # Said although it is the default: to uv, what says nothing may be an editable.
            document = {"dir_info": {"editable": False}, "url": _file_url(location)}
        case "editable":
            document = {"dir_info": {"editable": True}, "url": _file_url(location)}
        case "git":
            document = _checkout(location)
    if package.subdirectory:
        document["subdirectory"] = package.subdirectory
    symbolic = canonical.encode(document)
    return symbolic if lock_folder == PROJECT else concrete(symbolic, lock_folder=lock_folder)


def concrete(direct_url: bytes, *, lock_folder: str) -> bytes:
    """Return symbolic content of `direct_url.json` with `PROJECT` resolved to `lock_folder`."""
    head, found, rest = direct_url.decode("utf-8").partition(_IN_PROJECT)
    if not found:
        return direct_url
    from urllib.parse import quote, unquote

    path, end, tail = rest.partition('"')
    absolute = posixpath.normpath(f"{lock_folder}/{unquote(path)}")
    return f"{head}file://{quote(absolute)}{end}{tail}".encode()


def local_source(package: SelectedPackage) -> str | None:
    """Return the path of the local file or folder that `package` is locked from, as in the lock.

    `None` where it is locked from anything else: uv compares the times of just these with what it
    kept at installation, and installs anew where there is nothing to compare.
    """
    if package.source == "path":
        return package.source_location
    if package.source in {"directory", "editable"}:
        return posixpath.normpath(posixpath.join(package.source_location, package.subdirectory))
    if package.source == "url" and package.source_location.startswith("file:"):
        from urllib.parse import unquote, urlsplit

        return unquote(urlsplit(package.source_location).path)
    return None


def uv_cache(changed: int | None, folders: Mapping[str, Json] | None = None) -> bytes:
    """Return the content of `uv_cache.json`, by which uv knows what it has installed.

    Args:
        changed: when the inode of the archive, or the last one of the files that count, changed
            (`st_ctime_ns`); `None` in symbolic content.
        folders: what uv notes of folders that count, by the path that names them.
    """
    return canonical.encode(
        {
            "commit": None,
            "directories": dict(folders or {}),
            "env": {},
            "tags": None,
            "timestamp": None if changed is None else uv_timestamp(changed),
        }
    )


def uv_timestamp(nanoseconds: int) -> dict[str, Json]:
    """Return a time since the epoch as uv writes it."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return {"nanos_since_epoch": rest, "secs_since_epoch": seconds}


def _archive_info(package: SelectedPackage) -> dict[str, Json]:
    file = package.distribution
    assert isinstance(file, Wheel | Sdist)
    if file.hash is None:
        return {}
    algorithm, _, value = file.hash.partition(":")
    return {"hashes": {algorithm: value}}


def _checkout(location: str) -> dict[str, Json]:
    """Return what PEP 610 says of a git source as locks spell it: `URL?query#commit`.

    `git_lfs` and `path` are uv's additions: it takes a distribution for another without them.
    """
    from urllib.parse import parse_qs

    address, _, commit = location.partition("#")
    repository, _, query = address.partition("?")
    asked = {key: values[-1] for key, values in parse_qs(query).items()}
    vcs_info: dict[str, Json] = {"commit_id": commit, "vcs": "git"}
    for key in ("branch", "tag", "rev"):
        if key in asked:
            vcs_info["requested_revision"] = asked[key]
    if asked.get("lfs") == "true":
        vcs_info["git_lfs"] = True
    is_path = "://" not in repository and ":" not in repository.partition("/")[0]
    url = _file_url(repository) if is_path else _without_credentials(repository)
    document: dict[str, Json] = {"url": url, "vcs_info": vcs_info}
    if "path" in asked:
        document["path"] = asked["path"]
    return document


def _file_url(location: str) -> str:
    from urllib.parse import quote

    path = posixpath.normpath(location)
    return f"file://{quote(path)}" if posixpath.isabs(path) else f"{_IN_PROJECT}{quote(path)}"


def _without_credentials(url: str) -> str:
    """Drop user and password, which PEP 610 wants, but for the `git` of ssh addresses."""
    scheme, separator, rest = url.partition("://")
    end = next((index for index, char in enumerate(rest) if char in "/?#"), len(rest))
    user, at, host = rest[:end].rpartition("@")
    if not at or user == "git":
        return url
    return f"{scheme}{separator}{host}{rest[end:]}"
