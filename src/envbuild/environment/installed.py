"""What is in an environment according to its own metadata, whoever installed it.

The database of installed distributions is specified in "Recording installed projects": a
`.dist-info` folder each, with `METADATA` and, unless an installer forbids removal, `RECORD`.
"""

from __future__ import annotations

import os

from envbuild.environment.footprint import Footprint
from envbuild.environment.scheme import real, scheme_folders, unit_for
from envbuild.errors import VenvError
from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from envbuild.target.model import Scheme


class NotRemovable(VenvError):
    """A distribution that somebody else installed in a way that tells nobody how to remove it."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(
            f"`{what}` cannot be removed: {reason}",
            hint="`--clear` replaces the whole environment",
        )
        self.what = what
        self.reason = reason


@frozen
class Installed:
    """A distribution as its metadata describes it.

    Attributes:
        footprint: with an empty identity: nobody vouches for the content.
        files: the files it owns, relative to the prefix.
    """

    footprint: Footprint
    files: tuple[str, ...]


def find_infos(prefix: str, scheme: Scheme) -> tuple[str, ...]:
    """Return the `.dist-info` folders of an environment, relative to its prefix, sorted.

    Raises:
        NotRemovable: there is metadata of an older form, which lists no files.
    """
    found = []
    for folder in sorted({scheme.purelib, scheme.platlib}):
        try:
            names = os.listdir(f"{prefix}/{folder}")
        except FileNotFoundError:
            continue
        for name in names:
            if name.endswith(".dist-info"):
                found.append(f"{folder}/{name}")
            elif name.endswith((".egg-info", ".egg-link", ".egg")):
                raise NotRemovable(name, "it has no RECORD")
    return tuple(sorted(found))


def read_installed(prefix: str, info: str, scheme: Scheme) -> Installed:
    """Return what the `.dist-info` folder `info` says.

    Raises:
        NotRemovable: RECORD is missing, cannot be read, or names files outside of the prefix.
    """
    site = info.rpartition("/")[0]
    files = set()
    for path in _recorded_paths(prefix, info):
        relative = f"{site}/{path}"
        if ".." in path or path.startswith("/"):
            relative = _relative(path, site, prefix)
            if relative.startswith("../") or relative in {"..", "."}:
                raise NotRemovable(info, f"its RECORD names `{path}`, outside of the environment")
        files.add(real(relative))
    name, version = _name_and_version(prefix, info)
    folders = {file.rpartition("/")[0] for file in files}
    footprint = Footprint(
        name=name,
        version=version,
        identity="",
        info=info,
        units=units_of(files, scheme),
        files=len(files),
        folders=len(folders),
    )
    return Installed(footprint=footprint, files=tuple(sorted(files)))


def _recorded_paths(prefix: str, info: str) -> list[str]:
    try:
        with open(f"{prefix}/{info}/RECORD", encoding="utf-8", newline="") as file:
            text = file.read()
    except FileNotFoundError:
        raise NotRemovable(info, "it has no RECORD") from None
    except (OSError, ValueError) as error:
        raise NotRemovable(info, f"its RECORD cannot be read: {error}") from error
    if '"' not in text:
        return [line.rsplit(",", 2)[0] for line in text.splitlines() if line]
    import csv

    try:
        return [row[0] for row in csv.reader(text.splitlines(keepends=True)) if row]
    except csv.Error as error:
        raise NotRemovable(info, f"its RECORD cannot be read: {error}") from error


def _relative(path: str, site: str, prefix: str) -> str:
    import posixpath

    if path.startswith("/"):
        return posixpath.relpath(posixpath.normpath(path), prefix)
    return posixpath.normpath(posixpath.join(site, path))


def strays_in(prefix: str, units: Iterable[str], known: frozenset[str]) -> frozenset[str]:
    """Return those of `units` that are folders with a file that is not `known`, bytecode aside."""
    return frozenset(unit for unit in units if _has_stray(f"{prefix}/{unit}", unit, known))


def _has_stray(path: str, relative: str, known: frozenset[str]) -> bool:
    if os.path.islink(path) or not os.path.isdir(path):
        return False
    with os.scandir(path) as scan:
        for entry in scan:
            name = f"{relative}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__" and _has_stray(entry.path, name, known):
                    return True
            elif name not in known:
                return True
    return False


def units_of(files: Iterable[str], scheme: Scheme) -> tuple[str, ...]:
    """Return the units that `files` lie in, sorted."""
    shared = scheme_folders(scheme)
    return tuple(sorted({unit_for(path, shared) for path in files}))


def _name_and_version(prefix: str, info: str) -> tuple[str, str]:
    """Read the two header fields that identify a distribution (core metadata specification)."""
    fields: dict[str, str] = {}
    try:
        with open(f"{prefix}/{info}/METADATA", encoding="utf-8", errors="replace") as file:
            for line in file:
                key, colon, value = line.partition(":")
                if not colon:
                    break
                fields.setdefault(key.strip().lower(), value.strip())
    except OSError:
        pass
    stem = info.rpartition("/")[2].removesuffix(".dist-info")
    name = fields.get("name") or stem.partition("-")[0]
    normalised = "-".join(
        part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part
    )
    return normalised, fields.get("version") or stem.partition("-")[2]
