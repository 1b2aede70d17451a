"""What of a project's `[tool.uv]` the uv program is told when it resolves build requirements.

That is what says where packages come from and how they are built. What uv applies to the environment
itself is left out (constraints, overrides, pre-releases, resolution modes): uv does not apply it to
build environments either.
"""

from __future__ import annotations

import posixpath

from envbuild.errors import raise_all
from envbuild.lockfile.tables import (
    Faults,
    get_list,
    get_table,
    get_tables,
    get_text,
    get_texts,
)
from envbuild.lockfile.toml import parse_toml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_AS_WRITTEN = (
    "allow-insecure-host",
    "build-constraint-dependencies",
    "config-settings",
    "config-settings-package",
    "dependency-metadata",
    "exclude-newer",
    "exclude-newer-package",
    "extra-build-variables",
    "index-strategy",
    "keyring-provider",
    "native-tls",
    "no-binary",
    "no-binary-package",
    "no-build",
    "no-build-package",
    "no-index",
    "system-certs",
)
_INDEXES = frozenset({"extra-index-url", "find-links", "index", "index-url", "no-index"})


def read_uv_settings(
    text: str, *, file: str, folder: str, registries: Sequence[str]
) -> dict[str, Any]:
    """Return the table for uv, paths in it absolute.

    Args:
        text: of the `pyproject.toml` beside the lock, empty where there is none.
        file: how to call it in errors.
        folder: absolute path of its folder.
        registries: addresses of the indexes that the lock's packages are from, one for each
            package. Where the project names no index, the one that is there most often is the
            default: a lock may be used without its project.

    Raises:
        NotToml: `text` is not TOML.
        InvalidEntry: an entry that is read here cannot be; `Problems` for several.
    """
    faults = Faults(file)
    tool = get_table(parse_toml(text, file=file), "tool", "", faults)
    uv = get_table(tool, "uv", "tool", faults)
    settings: dict[str, Any] = {key: uv[key] for key in _AS_WRITTEN if key in uv}
    for key in ("find-links", "extra-index-url"):
        if key in uv:
            texts = get_texts(uv, key, "tool.uv", faults)
            settings[key] = [_absolute(each, folder) for each in texts]
    default = get_text(uv, "index-url", "tool.uv", faults)
    if default is not None:
        settings["index-url"] = _absolute(default, folder)
    if "index" in uv:
        settings["index"] = [
            {**table, "url": _absolute(get_text(table, "url", place, faults) or "", folder)}
            for place, table in get_tables(uv, "index", "tool.uv", faults)
        ]
    extra = get_table(uv, "extra-build-dependencies", "tool.uv", faults)
    if extra:
        place = "tool.uv.extra-build-dependencies"
        settings["extra-build-dependencies"] = {
            name: [item for item in get_list(extra, name, place, faults) if not _matches(item)]
            for name in extra
        }
    raise_all(faults.errors)
    if _INDEXES.isdisjoint(uv) and registries:
        url = min(registries, key=lambda each: (-registries.count(each), each))
        index: dict[str, Any] = {"url": _absolute(url, folder), "default": True}
        if "://" not in url:
            # A folder of files: what a lock calls a registry then.
            index["format"] = "flat"
        settings["index"] = [index]
    return settings


def _matches(item: object) -> bool:
    """Tell whether a requirement matches the runtime, of which uv knows nothing here."""
    return isinstance(item, dict) and bool(item.get("match-runtime"))


def _absolute(location: str, folder: str) -> str:
    return location if "://" in location else posixpath.normpath(posixpath.join(folder, location))
