"""The files of a local tree: which there are, and what would show that one has changed.

To the sources in a project's folder (`envbuild.realise.listing`) come the files that `cache-keys` of
`[tool.uv]` names, ignored or not; what else it names are facts beside the tree. A tree whose project
needs files outside of its folder begins above that, so that a copy of it has everything in its place.

A link that leads out of the tree means something else in any other place, so a file that it leads to
stands in its stead, and a relative link to a folder becomes the sources in that folder.

Contents are not read here.
"""

from __future__ import annotations

import os
import posixpath
import stat

from envbuild import canonical
from envbuild.buildlock.model import FILE_NAME as BUILD_LOCK
from envbuild.derivation.sources import PRESENT, Fact
from envbuild.digest import digest_of
from envbuild.errors import RealiseError
from envbuild.frozen import frozen
from envbuild.realise.git import GitMissing
from envbuild.realise.git_history import read_history
from envbuild.realise.listing import list_below, list_sources
from envbuild.realise.zip_directory import printable
from envbuild.sources.cache_keys import (
    DEFAULT,
    FileKey,
    FolderKey,
    GitKey,
    GlobKey,
    VariableKey,
    parse_cache_keys,
)
from envbuild.sources.ignore import parse_pattern
from envbuild.sources.version_control import asks_repository
from envbuild.store.tree import fault_of_path, stays_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envbuild.realise.git_history import History
    from envbuild.sources.cache_keys import CacheKey

    Fingerprint = tuple[int, ...]
    """Device, inode, mode, size and both times in nanoseconds: of a link and of what it leads to."""

    Signature = tuple[int, int, int]
    """Modification time in nanoseconds, inode number and size."""

_FINGERPRINT_LENGTH = 6


class InvalidLocalTree(RealiseError):
    """A folder that cannot be a source tree.

    Attributes:
        folder: where it is.
        reasons: a sentence for everything that is wrong.
    """

    def __init__(self, folder: str, reasons: Iterable[str]) -> None:
        self.folder = folder
        self.reasons = tuple(reasons)
        super().__init__(f"`{folder}` cannot be built from: {'; '.join(self.reasons)}")


class LocalTreeUnreadable(RealiseError):
    """A file or folder of a local tree that the operating system does not let be read."""

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(f"cannot read `{path}`: {error.strerror or error}")
        self.path = path
        self.errno = error.errno


@frozen
class LocalFiles:
    """What belongs to a local tree.

    Attributes:
        folder: absolute path of the project's folder.
        subdirectory: of the project in the tree.
        items: sorted by path.
        facts: sorted by kind and name.
        signatures: for each path that may show a change its modification time, inode number and
            size, `None` where nothing is there; `None` in all where that would not show everything.
        history: of the repository that counts; `None` where none does, and for an editable.
        notes: what the user should know.
    """

    folder: str
    subdirectory: str
    items: list[LocalFile]
    facts: tuple[Fact, ...]
    signatures: tuple[tuple[str, Signature | None], ...] | None
    history: History | None
    notes: tuple[str, ...]

    def check_paths(self) -> None:
        """Make sure that a tree can hold all of them; raises `InvalidLocalTree`."""
        faults = ((item.path, fault_of_path(item.path)) for item in self.items)
        reasons = [f"`{printable(path)}`: {fault}" for path, fault in faults if fault]
        if reasons:
            raise InvalidLocalTree(self.folder, reasons)


class LocalFile:
    """One entry of the tree before its content is known. There may be very many, so it is plain.

    Attributes:
        path: in the tree.
        place: absolute path on this machine.
        fingerprint: changes whenever the content may have changed.
        target: of a link that stays one, else `None`.
    """

    __slots__ = ("fingerprint", "path", "place", "target")

    def __init__(self, path: str, place: str, fingerprint: Fingerprint, target: str | None) -> None:
        self.path = path
        self.place = place
        self.fingerprint = fingerprint
        self.target = target

    @property
    def size(self) -> int:
        """What the file's size was, in bytes."""
        return self.fingerprint[-3]

    @property
    def changed(self) -> int:
        """When the inode last changed, in nanoseconds; that of what a link leads to."""
        return self.fingerprint[-1]

    @property
    def signature(self) -> Signature:
        """Modification time in nanoseconds, inode number and size."""
        return self.fingerprint[-2], self.fingerprint[-5], self.fingerprint[-3]

    @property
    def executable(self) -> bool:
        """Whether somebody may execute the file."""
        return self.fingerprint[-4] & 0o111 != 0

    @property
    def is_followed(self) -> bool:
        """Whether it is the content of what a link leads to."""
        return len(self.fingerprint) > _FINGERPRINT_LENGTH


def find_files(folder: str, environ: Mapping[str, str], *, editable: bool) -> LocalFiles:
    """Return what belongs to the tree of a project.

    Args:
        folder: of the project.
        environ: the environment.
        editable: whether `cache-keys` alone says what counts, by default what uv looks at.

    Raises:
        InvalidLocalTree: it is no folder, or there is nothing in it.
        LocalTreeUnreadable: the operating system refuses.
        GitMissing: the state of a repository counts, and there is no git.
        NotToml, InvalidEntry: `cache-keys` cannot be read; `Problems` for several.
    """
    folder = os.path.realpath(folder)
    history: History | None = None
    if not os.path.isdir(folder):
        raise InvalidLocalTree(folder, ["it is no folder"])
    if not canonical.is_text(folder):
        raise InvalidLocalTree(printable(folder), ["its path is no Unicode text"])
    try:
        content = _project_file(folder)
        stated = _cache_keys(folder, content)
        keys = (DEFAULT if editable else ()) if stated is None else stated
        if (stated is None or not editable) and asks_repository(content):
            keys = (*keys, GitKey(commit=True, tags=True))
        if any(isinstance(key, GitKey) for key in keys):
            history = _read_history(folder, environ)
        search = _Search(folder, environ)
        if not editable:
            search.add_folder("", folder)
            search.leave_out(BUILD_LOCK)
        search.add_keyed(keys)
    except OSError as error:
        raise LocalTreeUnreadable(os.fsdecode(error.filename or folder), error) from error
    facts = {fact for key in keys for fact in _facts(key, folder, environ, history)}
    # With a history, the tree begins where its work tree does: so both are in their places.
    top = "" if editable or history is None else history.top
    subdirectory, items = search.finish(top)
    if not items and not editable:
        raise InvalidLocalTree(folder, ["there is no file in it"])
    return LocalFiles(
        folder=folder,
        subdirectory=subdirectory,
        items=items,
        facts=tuple(sorted(facts, key=lambda fact: (fact.kind, fact.name))),
        signatures=_signatures(folder, keys, items) if editable else None,
        history=None if editable else history,
        notes=tuple(sorted(search.notes)),
    )


def find_keyed(
    folder: str, environ: Mapping[str, str]
) -> tuple[tuple[CacheKey, ...], list[LocalFile]]:
    """Return what uv looks at in a project's folder, and those files of it that are there.

    Raises:
        OSError: the operating system refuses.
        NotToml, InvalidEntry: `cache-keys` cannot be read; `Problems` for several.
    """
    folder = os.path.realpath(folder)
    stated = _cache_keys(folder, _project_file(folder))
    keys = DEFAULT if stated is None else stated
    search = _Search(folder, environ)
    search.add_keyed(keys)
    return keys, search.finish("")[1]


def _project_file(folder: str) -> bytes | None:
    try:
        with open(f"{folder}/pyproject.toml", "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _cache_keys(folder: str, content: bytes | None) -> tuple[CacheKey, ...] | None:
    if content is None or b"cache-keys" not in content:
        return None
    from envbuild.lockfile.toml import parse_toml

    path = f"{folder}/pyproject.toml"
    return parse_cache_keys(parse_toml(content.decode("utf-8", "replace"), file=path), file=path)


class _Search:
    """The files found so far, by paths relative to the project's folder, which may lead out of it."""

    def __init__(self, folder: str, environ: Mapping[str, str]) -> None:
        self.notes: set[str] = set()
        self._folder = folder
        self._environ = environ
        self._items: dict[str, LocalFile] = {}
        self._above: set[str] = set()

    def add_folder(self, prefix: str, place: str) -> None:
        """Add the sources in the folder at `place`, with `prefix` in front of their paths."""
        self._above.add(place)
        for path, status in list_sources(place, self._environ).items():
            mode = status.st_mode
            whole = prefix + path
            if stat.S_ISREG(mode):
                self._items[whole] = LocalFile(whole, f"{place}/{path}", _fingerprint(status), None)
            elif stat.S_ISLNK(mode):
                self._add_link(whole, f"{place}/{path}", path, status)
            # What is neither can hold nothing that is still there when it is looked for.
        self._above.discard(place)

    def add_keyed(self, keys: Iterable[CacheKey]) -> None:
        """Add the files that `cache-keys` name."""
        for key in keys:
            match key:
                case FileKey(path=path):
                    self.add_file(os.path.join(self._folder, path))
                case GlobKey(patterns=patterns, folder=below):
                    self.add_glob(os.path.normpath(f"{self._folder}/{below}"), patterns)
                case FolderKey() | GitKey() | VariableKey():
                    pass

    def leave_out(self, path: str) -> None:
        """Take a file out again."""
        self._items.pop(path, None)

    def add_file(self, place: str) -> None:
        """Add the file at `place` by name, ignored or not; what is no file does not count."""
        above, name = os.path.split(os.path.normpath(place))
        above = os.path.realpath(above)
        path = posixpath.normpath(posixpath.join(os.path.relpath(above, self._folder), name))
        try:
            status = os.lstat(f"{above}/{name}")
            followed = os.stat(f"{above}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            return
        if stat.S_ISREG(followed.st_mode):
            fingerprint = _fingerprint(status)
            if stat.S_ISLNK(status.st_mode):
                fingerprint += _fingerprint(followed)
            self._items[path] = LocalFile(path, f"{above}/{name}", fingerprint, None)

    def add_glob(self, folder: str, patterns: Iterable[str]) -> None:
        """Add the files below `folder` that one of `patterns` fits."""
        rules = [parse_pattern(pattern) for pattern in patterns]
        try:
            for path in list_below(folder):
                encoded = os.fsencode(path)
                if any(rule.ignores(encoded, is_folder=False) for rule in rules):
                    self.add_file(f"{folder}/{path}")
        except (FileNotFoundError, NotADirectoryError):
            pass

    def finish(self, top: str) -> tuple[str, list[LocalFile]]:
        """Return the project's folder in the tree, and everything that was found, by path.

        Args:
            top: absolute path of a folder above, that has to be in the tree; empty for none.
        """
        items = self._items
        steps = max((_steps_out(path) for path in items), default=0)
        if top and self._folder.startswith(f"{top}/"):
            steps = max(steps, self._folder.count("/") - top.count("/"))
        subdirectory = ""
        if steps:
            names = self._folder.split("/")
            subdirectory = "/".join(names[len(names) - steps :])
            for item in items.values():
                item.path = posixpath.normpath(f"{subdirectory}/{item.path}")
        return subdirectory, sorted(items.values(), key=lambda item: item.path)

    def _add_link(self, path: str, place: str, inside: str, status: os.stat_result) -> None:
        """Add a link; `inside` is its path below the folder that is listed."""
        target = os.readlink(place)
        if stays_inside(inside, target):
            self._items[path] = LocalFile(path, place, _fingerprint(status), target)
            return
        try:
            followed = os.stat(place)
        except OSError:
            self._tell_left_out(path, f"leads to `{printable(target)}`, where nothing is")
            return
        if stat.S_ISREG(followed.st_mode):
            fingerprint = _fingerprint(status) + _fingerprint(followed)
            self._items[path] = LocalFile(path, place, fingerprint, None)
        elif stat.S_ISDIR(followed.st_mode):
            real = os.path.realpath(place)
            if target.startswith("/"):
                self._tell_left_out(
                    path, f"leads to the folder `{printable(target)}` of this machine"
                )
            elif any(f"{above}/".startswith(f"{real}/") for above in self._above):
                self._tell_left_out(path, f"leads to `{printable(target)}`, which it is in itself")
            else:
                self.add_folder(f"{path}/", real)

    def _tell_left_out(self, path: str, reason: str) -> None:
        self.notes.add(f"`{path}` is left out: it is a link that {reason}")


def _signatures(
    folder: str, keys: Iterable[CacheKey], items: Iterable[LocalFile]
) -> tuple[tuple[str, Signature | None], ...] | None:
    """Return what shows that an editable has changed, as it was when its files were looked at."""
    found: dict[str, Signature | None] = {f"{folder}/pyproject.toml": None}
    for key in keys:
        match key:
            case FileKey(path=path):
                found.setdefault(os.path.normpath(os.path.join(folder, path)), None)
            case FolderKey(path=path):
                place = os.path.normpath(os.path.join(folder, path))
                try:
                    status = os.lstat(place)
                except OSError:
                    found[place] = None
                else:
                    found[place] = (status.st_mtime_ns, status.st_ino, status.st_size)
            case GlobKey() | GitKey() | VariableKey():
                return None
    for item in items:
        if item.is_followed:
            return None
        found[item.place] = item.signature
    return tuple(sorted(found.items()))


def _steps_out(path: str) -> int:
    """Return how many `..` a path begins with that has them nowhere else."""
    return path.split("/").count("..") if path.startswith("..") else 0


def _fingerprint(status: os.stat_result) -> Fingerprint:
    return (
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _facts(
    key: CacheKey, folder: str, environ: Mapping[str, str], history: History | None
) -> Iterator[Fact]:
    match key:
        case FolderKey(path=path):
            there = os.path.isdir(os.path.join(folder, path))
            yield Fact(kind="folder", name=path, value=PRESENT if there else None)
        case VariableKey(name=name):
            # What it says may be a secret, and whether it is the same is all that is asked.
            value = environ.get(name)
            digest = None if value is None else digest_of(os.fsencode(value))
            yield Fact(kind="environment", name=name, value=digest)
        case GitKey(commit=commit, tags=tags):
            if commit:
                found = None if history is None else history.commit
                yield Fact(kind="git-commit", name="", value=found)
            if tags:
                digest = None if history is None else history.tags_digest
                yield Fact(kind="git-tags", name="", value=digest)
        case FileKey() | GlobKey():
            pass


def _read_history(folder: str, environ: Mapping[str, str]) -> History | None:
    try:
        return read_history(folder, environ)
    except GitMissing:
        while folder and not os.path.lexists(f"{folder}/.git"):
            folder = folder.rpartition("/")[0]
        if folder:
            raise
        return None
