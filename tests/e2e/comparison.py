"""What an environment holds, in a form that is equal for equal installations.

Everything below the prefix is looked at except what says who installed, why, or for which path:
byte code, activation, `pyvenv.cfg`, `INSTALLER`, `REQUESTED` (uv writes it for every package, pip
and envbuild for those that were asked for), `RECORD`'s order and its rows for such files. A launcher
is read as the entry point that it calls, since installers word them differently; any other script
without the interpreter in its first line; `direct_url.json` as the place it names.
"""

from __future__ import annotations

import base64
import configparser
import csv
import glob
import hashlib
import json
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OURS = re.compile(
    r"""
      lib64 | pyvenv\.cfg | \.gitignore | \.lock | CACHEDIR\.TAG | \.envbuild(/.*)?
    | bin/(activate.* | Activate\.ps1 | deactivate.* | pydoc\.bat | python[\d.]*t? | pypy.* | 𝜋thon)
    | (.*/)?site-packages/_virtualenv\.(py|pth)
    | .*\.dist-info/(INSTALLER | REQUESTED | uv_cache\.json | uv_build\.json)
    """,
    re.VERBOSE,
)
_LAUNCHER = re.compile(
    r"^from (?P<module>\S+) import (?P<name>\S+)$.*^ +sys\.exit\((?P<call>[\w.]+)\(\)\)",
    re.MULTILINE | re.DOTALL,
)
_LAUNCHER_LIMIT = 2000
_SHEBANG = re.compile(rb"\A#!(/bin/sh\n'''exec' .*\n' '''|.*python.*)\n")


def contents(prefix: str) -> dict[str, object]:
    """Return path below `prefix` to something that stands for the content."""
    return {path: _reading(prefix, path) for path in _files(prefix) if not _OURS.fullmatch(path)}


def differences(left: Mapping[str, object], right: Mapping[str, object]) -> list[str]:
    """Return one line for each path at which two results of `contents` are not the same."""
    found = []
    for path in sorted(left.keys() | right.keys()):
        if path not in right:
            found.append(f"{path}: only on the left")
        elif path not in left:
            found.append(f"{path}: only on the right")
        elif left[path] != right[path]:
            found.append(f"{path}: {_difference(left[path], right[path])}")
    return found


def launchers(prefix: str) -> Iterator[tuple[str, str]]:
    """Yield the path of every launcher and the object reference that it stands for."""
    for listing in sorted(glob.glob(f"{site_packages(prefix)}/*.dist-info/entry_points.txt")):
        parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read(listing, encoding="utf-8")
        for section in ("console_scripts", "gui_scripts"):
            if parser.has_section(section):
                for name, reference in parser.items(section):
                    yield f"bin/{name}", re.sub(r"\s|\[.*", "", reference)


def record_faults(prefix: str) -> list[str]:
    """Return one line for each row of a RECORD that does not fit the file that it names."""
    site = site_packages(prefix)
    found = []
    for record in sorted(glob.glob(f"{site}/*.dist-info/RECORD")):
        for path, row in _rows(record).items():
            target = os.path.normpath(os.path.join(site, path))
            if not os.path.exists(target):
                found.append(f"{record}: `{path}` is not there")
            elif row[0]:
                with open(target, "rb") as file:
                    algorithm, _, expected = row[0].partition("=")
                    digest = hashlib.file_digest(file, algorithm).digest()
                if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != expected:
                    found.append(f"{record}: `{path}` has another hash")
    return found


def site_packages(prefix: str) -> str:
    """Return the one `site-packages` folder of an environment."""
    (folder,) = glob.glob(f"{prefix}/lib/python*/site-packages")
    return folder


def _files(prefix: str) -> Iterator[str]:
    for folder, folders, names in os.walk(prefix, followlinks=True):
        folders[:] = [name for name in folders if name not in {"__pycache__", "lib64"}]
        for name in names:
            if not name.endswith(".pyc"):
                yield os.path.relpath(os.path.join(folder, name), prefix)


def _reading(prefix: str, path: str) -> object:
    full = os.path.join(prefix, path)
    with open(full, "rb") as file:
        data = file.read()
    executable = os.access(full, os.X_OK)
    if path.endswith(".dist-info/RECORD"):
        return _record(prefix, full)
    if path.endswith(".dist-info/direct_url.json"):
        return _direct_url(data)
    if path.startswith("bin/"):
        launcher = _LAUNCHER.search(data[:_LAUNCHER_LIMIT].decode("utf-8", "replace"))
        if launcher and launcher["call"].partition(".")[0] == launcher["name"]:
            return ("launcher", launcher["module"], launcher["call"], executable)
        data = _SHEBANG.sub(b"#!python\n", data)
    return ("file", hashlib.sha256(data).hexdigest(), executable)


def _record(prefix: str, record: str) -> frozenset[tuple[str, str, str]]:
    site = site_packages(prefix)
    rows = set()
    for path, (digest, size) in _rows(record).items():
        below = os.path.relpath(os.path.normpath(os.path.join(site, path)), prefix)
        if below.endswith(".pyc") or _OURS.fullmatch(below):
            continue
        written = below.startswith("bin/") or below.endswith("direct_url.json")
        rows.add((below, "", "") if written else (below, digest, size))
    return frozenset(rows)


def _rows(record: str) -> dict[str, tuple[str, str]]:
    with open(record, encoding="utf-8", newline="") as file:
        return {row[0]: (row[1], row[2]) for row in csv.reader(file) if row}


def _direct_url(data: bytes) -> object:
    value = json.loads(data)
    return (
        value["url"],
        value.get("subdirectory"),
        json.dumps(value.get("dir_info"), sort_keys=True),
        (value.get("vcs_info") or {}).get("commit_id"),
    )


def _difference(left: object, right: object) -> str:
    if isinstance(left, frozenset) and isinstance(right, frozenset):
        return f"rows {sorted(left - right)[:3]} against {sorted(right - left)[:3]}"
    return f"{left} against {right}"
