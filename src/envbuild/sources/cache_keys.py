"""`[tool.uv] cache-keys`: what a project says its build depends on.

The forms are uv's. For uv they stand for times and existence; here they stand for contents. They add
to what identifies a tree; only for an editable, whose files are not copied, are they all of it.
"""

from __future__ import annotations

from envbuild.errors import raise_all
from envbuild.frozen import frozen
from envbuild.lockfile.tables import Faults, get_list, get_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.lockfile.tables import Table

_GLOB = "*?[{"
_MOST_ALTERNATIVES = 1000


@frozen
class FileKey:
    """Files by their contents.

    Attributes:
        path: of one file, relative to the project's folder; it may lead out of it.
    """

    path: str


@frozen
class GlobKey:
    """Files by their contents.

    Attributes:
        patterns: as in `.gitignore`, each below `folder`.
        folder: relative to the project's folder; it may lead out of it.
    """

    patterns: tuple[str, ...]
    folder: str


@frozen
class FolderKey:
    """Whether a folder is there."""

    path: str


@frozen
class GitKey:
    """The state of the repository that the project is in.

    Attributes:
        commit: whether the commit that is checked out counts.
        tags: whether the tags count.
    """

    commit: bool
    tags: bool


@frozen
class VariableKey:
    """A variable of the environment."""

    name: str


CacheKey = FileKey | GlobKey | FolderKey | GitKey | VariableKey

DEFAULT: tuple[CacheKey, ...] = (
    FileKey(path="pyproject.toml"),
    FileKey(path="setup.py"),
    FileKey(path="setup.cfg"),
    FolderKey(path="src"),
)
"""What counts for an editable that says nothing."""


def parse_cache_keys(document: Table, *, file: str) -> tuple[CacheKey, ...] | None:
    """Return the keys that a `pyproject.toml` states, `None` where it states none.

    Args:
        document: the file's table.
        file: how to call it in errors.

    Raises:
        InvalidEntry: a key has none of the forms; `Problems` for several.
    """
    faults = Faults(file)
    uv = get_table(get_table(document, "tool", "", faults), "uv", "tool", faults)
    place = "tool.uv.cache-keys"
    keys = [
        key
        for number, item in enumerate(get_list(uv, "cache-keys", "tool.uv", faults))
        if (key := _parse_key(item, f"{place}[{number}]", faults)) is not None
    ]
    raise_all(faults.errors)
    return tuple(keys) if "cache-keys" in uv else None


def _parse_key(item: object, place: str, faults: Faults) -> CacheKey | None:
    match item:
        case str(path) if path:
            return _file_key(path, place, faults)
        case {"file": str(path), **rest} if path and not rest:
            return _file_key(path, place, faults)
        case {"dir": str(path), **rest} if path and not rest:
            return FolderKey(path=path)
        case {"env": str(name), **rest} if name and "\0" not in name and not rest:
            return VariableKey(name=name)
        case {"git": bool(flag), **rest} if not rest:
            return GitKey(commit=flag, tags=False)
        case {"git": {**table}, **rest} if not rest and table.keys() <= {"commit", "tags"}:
            commit, tags = table.get("commit", False), table.get("tags", False)
            if isinstance(commit, bool) and isinstance(tags, bool):
                return GitKey(commit=commit, tags=tags)
        case _:
            pass
    faults.add(place, "must be a path or a table of `file`, `dir`, `git` or `env`")
    return None


def _file_key(path: str, place: str, faults: Faults) -> CacheKey | None:
    if not any(letter in path for letter in _GLOB):
        return FileKey(path=path)
    folder = ""
    while path.startswith(("./", "../")):
        step, _, path = path.partition("/")
        folder += f"{step}/"
    patterns = _alternatives(path)
    if patterns is None:
        faults.add(place, f"has more than {_MOST_ALTERNATIVES} alternatives")
        return None
    return GlobKey(patterns=patterns, folder=folder)


def _alternatives(pattern: str) -> tuple[str, ...] | None:
    """Return the patterns that one with `{a,b}` stands for; `None` where they are too many."""
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        text = waiting.pop()
        # The last `{` holds no other one.
        start = text.rfind("{")
        end = text.find("}", start)
        if start < 0 or end < 0:
            done.append(text)
        else:
            waiting += [
                text[:start] + part + text[end + 1 :] for part in text[start + 1 : end].split(",")
            ]
        if len(done) + len(waiting) > _MOST_ALTERNATIVES:
            return None
    return tuple(sorted(set(done)))
