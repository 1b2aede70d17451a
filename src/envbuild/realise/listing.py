"""Which files of a folder are its sources: what git takes for part of it, or would.

In a work tree of git these are the files that are committed, and those that are neither committed
nor ignored, leftovers of tools aside; so they are the same in every clone. Elsewhere, or where there
is no git, `.gitignore` files are read here and everything else counts. Submodules and repositories
that lie inside are listed by their own rules.

A build lock is no source, committed or not: building writes it, and what it says that matters to a
wheel is part of the wheel's key anyway. Nor is a store of ours that lies in the folder, as it has to
where a CI system keeps nothing outside of it: every build adds to it.
"""

from __future__ import annotations

import os
import stat
from itertools import chain

from envbuild.buildlock.model import FILE_NAME
from envbuild.realise.git import Git, GitMissing
from envbuild.sources.ignore import parse_ignore_file
from envbuild.sources.leftovers import ENVIRONMENT, is_leftover
from envbuild.store.layout import FORMAT_FILE, format_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from envbuild.sources.ignore import IgnoreFile

_IGNORE = ".gitignore"
_TOP = ("pyproject.toml", "setup.py")
_LARGEST_IGNORE_FILE = 1 << 20
_LARGEST_FORMAT_FILE = 1 << 10


def list_sources(folder: str, environ: Mapping[str, str]) -> dict[str, os.stat_result]:
    """Return the paths of the sources in a folder, each with its status; links are not followed.

    A path is that of a file, a link or something else, and never of a folder. Nothing outside of
    the folder is looked at but `.gitignore` files above it.

    Args:
        folder: absolute path.
        environ: the environment, for git.

    Raises:
        OSError: a folder cannot be read.
    """
    is_unpacked_sdist = os.path.lexists(f"{folder}/PKG-INFO")
    found: dict[str, os.stat_result] = {}
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        place = f"{folder}/{inside}"
        # A folder for a submodule that was never fetched is none that git could list.
        is_asked = not inside or os.path.lexists(f"{place}.git")
        listed = _list_by_git(place, environ) if is_asked else None
        if listed is None:
            paths = _walk(place, inside, is_unpacked_sdist=is_unpacked_sdist)
        else:
            committed, others = listed
            others = [f"{inside}{path}" for path in others]
            paths = chain(
                (f"{inside}{path}" for path in committed),
                _without_leftovers(folder, others, is_unpacked_sdist=is_unpacked_sdist),
            )
        for path in paths:
            if path.rpartition("/")[2].startswith(FILE_NAME):
                # Or a draft of it, which a run that was killed has left.
                continue
            try:
                status = os.lstat(f"{folder}/{path}")
            except (FileNotFoundError, NotADirectoryError):
                # Committed, and no longer there.
                continue
            if stat.S_ISDIR(status.st_mode):
                waiting.append(f"{path.rstrip('/')}/")
            else:
                found[path] = status
    return found


def list_below(folder: str) -> Iterator[str]:
    """Yield the paths of everything below a folder that is no folder, ignored or not.

    Version control, environments and stores are left out, links are not followed.

    Raises:
        OSError: a folder cannot be read.
    """
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        with os.scandir(f"{folder}/{inside}") as entries:
            listed = list(entries)
        names = {entry.name for entry in listed}
        if inside and (ENVIRONMENT in names or _is_store(f"{folder}/{inside}", names)):
            continue
        for entry in listed:
            path = f"{inside}{entry.name}"
            if not entry.is_dir(follow_symlinks=False):
                yield path
            elif not is_leftover(path, is_unpacked_sdist=True):
                waiting.append(f"{path}/")


def _list_by_git(folder: str, environ: Mapping[str, str]) -> tuple[list[str], list[str]] | None:
    """Return what is committed, and what is neither that nor ignored; `None` if git knows nothing."""
    command = ("ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard")
    try:
        done = Git(environ, protocols=()).run(*command, folder=folder)
    except GitMissing:
        return None
    if done.returncode:
        # No work tree, or one whose repository was left behind elsewhere.
        return None
    committed: list[str] = []
    others: list[str] = []
    for row in os.fsdecode(done.stdout).split("\0")[:-1]:
        (others if row[0] == "?" else committed).append(row[2:])
    listed = {*committed, *others}
    if any(name not in listed and os.path.lexists(f"{folder}/{name}") for name in _TOP):
        # The folder as a whole is ignored in a repository that it happens to lie in.
        return None
    return committed, others


def _is_store(folder: str, names: Collection[str]) -> bool:
    """Tell whether a folder, with its final slash, in which there are these names is a store."""
    if FORMAT_FILE not in names:
        return False
    return _read_file(f"{folder}{FORMAT_FILE}", _LARGEST_FORMAT_FILE) == format_bytes()


def _without_leftovers(folder: str, paths: list[str], *, is_unpacked_sdist: bool) -> Iterator[str]:
    left_out = {path.rpartition("/")[0] for path in paths if path.endswith(f"/{ENVIRONMENT}")}
    for path in paths:
        place, slash, name = path.rpartition("/")
        if slash and name == FORMAT_FILE and _is_store(f"{folder}/{place}/", (name,)):
            left_out.add(place)
    known: dict[str, bool] = {"": False}

    def counts_for_nothing(path: str) -> bool:
        if path not in known:
            known[path] = (
                counts_for_nothing(path.rpartition("/")[0])
                or path in left_out
                or is_leftover(path, is_unpacked_sdist=is_unpacked_sdist)
            )
        return known[path]

    return (path for path in paths if not counts_for_nothing(path.rstrip("/")))


def _walk(folder: str, inside: str, *, is_unpacked_sdist: bool) -> Iterator[str]:
    """Yield what counts below `folder`, which is at `inside` in the project."""
    above = [] if inside else _ignore_files_above(folder.rstrip("/"))
    waiting: list[tuple[str, list[tuple[bytes, IgnoreFile]]]] = [("", above)]
    while waiting:
        at, rules = waiting.pop()
        with os.scandir(f"{folder}/{at}") as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        names = {entry.name for entry in listed}
        if at and (ENVIRONMENT in names or _is_store(f"{folder}/{at}", names)):
            continue
        if _IGNORE in names:
            own = _read_ignore_file(f"{folder}/{at}{_IGNORE}")
            if own is not None:
                rules = [*rules, (b"", own)]
        for entry in listed:
            path = f"{at}{entry.name}"
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_leftover(f"{inside}{path}", is_unpacked_sdist=is_unpacked_sdist):
                continue
            if rules and _is_ignored(os.fsencode(entry.name), rules, is_folder=is_folder):
                continue
            if is_folder:
                name = os.fsencode(entry.name) + b"/"
                waiting.append((f"{path}/", [(before + name, file) for before, file in rules]))
            else:
                yield f"{inside}{path}"


def _is_ignored(name: bytes, rules: list[tuple[bytes, IgnoreFile]], *, is_folder: bool) -> bool:
    """Tell whether the nearest file that says something of a name ignores it.

    Each file comes with the path from its folder to that of the name.
    """
    for before, file in reversed(rules):
        verdict = file.ignores(before + name, is_folder=is_folder)
        if verdict is not None:
            return verdict
    return False


def _ignore_files_above(folder: str) -> list[tuple[bytes, IgnoreFile]]:
    """Return the rules from the top of the work tree that a folder is in, if it is in one."""
    above: list[tuple[bytes, IgnoreFile]] = []
    before = b""
    while not os.path.lexists(f"{folder}/.git"):
        folder, _, name = folder.rpartition("/")
        if not name:
            return []
        before = os.fsencode(name) + b"/" + before
        own = _read_ignore_file(f"{folder}/{_IGNORE}")
        if own is not None:
            above.insert(0, (before, own))
    return above


def _read_ignore_file(path: str) -> IgnoreFile | None:
    """Return the rules of a file, `None` where there is none that git would read."""
    content = _read_file(path, _LARGEST_IGNORE_FILE)
    return None if content is None else parse_ignore_file(content)


def _read_file(path: str, size: int) -> bytes | None:
    """Return the content of a file, so much of it at most; `None` where that is none, or a link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, size) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    finally:
        os.close(descriptor)
