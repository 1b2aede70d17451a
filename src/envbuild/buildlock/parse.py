"""The text of an `envbuild.lock` to a `BuildLock`.

What is not known is refused: a key that is passed over may have been what keeps a build right, and
it would be lost when the file is written again.
"""

from __future__ import annotations

from envbuild.buildlock.kind import is_kind
from envbuild.buildlock.model import (
    OPERATIONS,
    STRATEGIES,
    VERSION,
    ArchiveSource,
    Build,
    BuildLock,
    CommitSource,
    PinnedCommit,
    PinnedFile,
    PinnedPackage,
    PinnedTree,
    TreeSource,
    location_filename,
)
from envbuild.digest import is_digest
from envbuild.errors import raise_all
from envbuild.lockfile.parse import UnsupportedLockVersion
from envbuild.lockfile.requirements import parse_requirement
from envbuild.lockfile.tables import (
    Faults,
    get_flag,
    get_integer,
    get_table,
    get_tables,
    get_text,
    get_texts,
)
from envbuild.lockfile.toml import parse_toml
from envbuild.lockfile.versions import check_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import TypeVar

    from envbuild.buildlock.model import Source
    from envbuild.lockfile.tables import Table

    Word = TypeVar("Word", bound=str)

HASH_LENGTHS = {"blake2b": 128, "sha256": 64, "sha384": 96, "sha512": 128}
"""The algorithms that a build is trusted to, and how many digits each gives."""

_HEXADECIMAL = "0123456789abcdef"
_BUILD_KEYS = frozenset(
    {
        "constraints", "extra-requires", "hook-requires", "ignored", "name", "operation",
        "packages", "requires", "source", "strategy", "target", "version",
    }
)  # fmt: skip
_FILE_KEYS = frozenset({"filename", "hash", "name", "size", "subdirectory", "version"})
_COMMIT_KEYS = frozenset({"commit", "git", "lfs", "name", "subdirectory", "version"})
_TREE_KEYS = frozenset({"directory", "name", "version"})


def parse_build_lock(text: str, *, file: str) -> BuildLock:
    """Return the build lock that `text` is.

    Args:
        text: of the file.
        file: how to call it in errors.

    Raises:
        NotToml: `text` is not TOML.
        UnsupportedLockVersion: it is of another version of the format.
        InvalidEntry: it says what no build lock can say; `Problems` for several.
    """
    document = parse_toml(text, file=file)
    faults = Faults(file)
    version = get_integer(document, "version", "", faults)
    if version is not None and version != VERSION:
        raise UnsupportedLockVersion(file, str(version), str(VERSION))
    if "version" not in document:
        faults.add("version", "is missing")
    _check_keys(document, "", {"build", "version"}, faults)
    builds: list[Build] = []
    for place, table in get_tables(document, "build", "", faults):
        build = _build(table, place, faults)
        if build is None:
            continue
        if any(build.key == other.key for other in builds):
            faults.add(place, f"is `{build.name}` once more, with equal source and target")
        builds.append(build)
    raise_all(faults.errors)
    return BuildLock(builds=tuple(builds))


def _build(table: Table, place: str, faults: Faults) -> Build | None:
    _check_keys(table, place, _BUILD_KEYS, faults)
    name = _name(table, place, faults)
    source = _source(table, place, faults)
    target = _needed(table, "target", place, faults)
    if target is not None and not is_kind(target):
        faults.add(f"{place}.target", f"must be a kind of target, found `{target}`")
    constraints = get_text(table, "constraints", place, faults)
    if constraints is not None and not is_digest(constraints):
        faults.add(f"{place}.constraints", f"must be a BLAKE3 digest, found `{constraints}`")
    operation = _one_of(table, "operation", OPERATIONS, place, faults)
    strategy = _one_of(table, "strategy", STRATEGIES, place, faults)
    version = _version(table, place, faults)
    requires = _requirements(table, "requires", place, faults)
    extra_requires = _requirements(table, "extra-requires", place, faults)
    hook_requires = _requirements(table, "hook-requires", place, faults)
    ignored = tuple(_ignored(table, place, faults))
    packages = _packages(table, place, faults)
    if name is None or source is None or target is None or operation is None or strategy is None:
        return None
    return Build(
        name=name,
        version=version,
        source=source,
        target=target,
        operation=operation,
        strategy=strategy,
        constraints=constraints,
        requires=requires,
        extra_requires=extra_requires,
        hook_requires=hook_requires,
        ignored=ignored,
        packages=packages,
    )


def _source(table: Table, place: str, faults: Faults) -> Source | None:
    source = get_table(table, "source", place, faults)
    if not source:
        if isinstance(table.get("source", {}), dict):
            faults.add(f"{place}.source", "is missing")
        return None
    place = f"{place}.source"
    kinds = [kind for kind in ("archive", "commit", "directory") if kind in source]
    if len(kinds) != 1:
        listed = ", ".join(f"`{key}`" for key in source)
        faults.add(place, f"must have one of `archive`, `commit` and `directory`, found {listed}")
        return None
    (kind,) = kinds
    _check_keys(source, place, {kind} if kind == "directory" else {kind, "subdirectory"}, faults)
    subdirectory = _path(source, "subdirectory", place, faults) or ""
    match kind:
        case "archive":
            digest = _hash(source, "archive", place, faults)
            return None if digest is None else ArchiveSource(hash=digest, subdirectory=subdirectory)
        case "commit":
            commit = _commit(source, place, faults)
            return (
                None if commit is None else CommitSource(commit=commit, subdirectory=subdirectory)
            )
        case _:
            path = _path(source, "directory", place, faults)
            return None if path is None else TreeSource(path=path)


def _packages(table: Table, place: str, faults: Faults) -> tuple[PinnedPackage, ...]:
    """Return the packages that the rows make up: those of one name belong together."""
    packages: dict[str, PinnedPackage] = {}
    for here, row in get_tables(table, "packages", place, faults):
        package = _package(row, here, faults)
        if package is None:
            continue
        other = packages.get(package.name)
        if other is None:
            packages[package.name] = package
        elif _are_wheels_of_one(other, package):
            assert isinstance(other.content, tuple)
            assert isinstance(package.content, tuple)
            packages[package.name] = PinnedPackage(
                name=package.name,
                version=package.version,
                content=(*other.content, *package.content),
            )
        else:
            faults.add(here, f"is `{package.name}` once more, and not another wheel of its version")
    return tuple(packages.values())


def _are_wheels_of_one(left: PinnedPackage, right: PinnedPackage) -> bool:
    if not isinstance(left.content, tuple) or not isinstance(right.content, tuple):
        return False
    files = (*left.content, *right.content)
    return (
        left.version == right.version
        and all(file.is_wheel for file in files)
        and len({file.filename for file in files}) == len(files)
    )


def _package(row: Table, place: str, faults: Faults) -> PinnedPackage | None:
    name = _name(row, place, faults)
    version = _version(row, place, faults)
    kinds = [kind for kind in ("url", "path", "git", "directory") if kind in row]
    if len(kinds) != 1:
        faults.add(place, "must have one of `url`, `path`, `git` and `directory`")
        return None
    content: tuple[PinnedFile, ...] | PinnedCommit | PinnedTree | None
    match kinds[0]:
        case "directory":
            _check_keys(row, place, _TREE_KEYS, faults)
            path = _path(row, "directory", place, faults)
            content = None if path is None else PinnedTree(path=path)
        case "git":
            _check_keys(row, place, _COMMIT_KEYS, faults)
            content = _pinned_commit(row, place, faults)
        case kind:
            _check_keys(row, place, {kind, *_FILE_KEYS}, faults)
            if version is None and "version" not in row:
                faults.add(f"{place}.version", "is missing")
            file = _pinned_file(row, kind, place, faults)
            content = None if file is None else (file,)
    if name is None or content is None:
        return None
    return PinnedPackage(name=name, version=version, content=content)


def _pinned_commit(row: Table, place: str, faults: Faults) -> PinnedCommit | None:
    url = _url(row, "git", place, faults)
    commit = _commit(row, place, faults)
    subdirectory = _path(row, "subdirectory", place, faults) or ""
    lfs = get_flag(row, "lfs", place, faults) or False
    if url is None or commit is None:
        return None
    return PinnedCommit(url=url, commit=commit, subdirectory=subdirectory, lfs=lfs)


def _pinned_file(row: Table, kind: str, place: str, faults: Faults) -> PinnedFile | None:
    url = _url(row, "url", place, faults) if kind == "url" else None
    path = _path(row, "path", place, faults) if kind == "path" else None
    digest = _hash(row, "hash", place, faults)
    size = get_integer(row, "size", place, faults)
    subdirectory = _path(row, "subdirectory", place, faults) or ""
    filename = get_text(row, "filename", place, faults)
    if (url is None and path is None) or digest is None:
        return None
    if filename is None:
        filename = location_filename(url, path)
    if not filename or "/" in filename:
        faults.add(f"{place}.filename", f"must be a file name, found `{filename}`")
        return None
    return PinnedFile(
        filename=filename, url=url, path=path, hash=digest, size=size, subdirectory=subdirectory
    )


def _ignored(table: Table, place: str, faults: Faults) -> Iterator[tuple[str, str | None]]:
    for here, row in get_tables(table, "ignored", place, faults):
        _check_keys(row, here, {"name", "version"}, faults)
        name, version = _name(row, here, faults), _version(row, here, faults)
        if name is not None:
            yield name, version


def _requirements(table: Table, key: str, place: str, faults: Faults) -> tuple[str, ...]:
    texts = get_texts(table, key, place, faults)
    for index, text in enumerate(texts):
        faults.check(text, f"{place}.{key}[{index}]", parse_requirement)
    return texts


def _name(table: Table, place: str, faults: Faults) -> str | None:
    text = _needed(table, "name", place, faults)
    return None if text is None else faults.name(text, f"{place}.name")


def _version(table: Table, place: str, faults: Faults) -> str | None:
    text = get_text(table, "version", place, faults)
    if text is not None:
        faults.check(text, f"{place}.version", check_version)
    return text


def _needed(table: Table, key: str, place: str, faults: Faults) -> str | None:
    text = get_text(table, key, place, faults)
    if key not in table:
        faults.add(f"{place}.{key}", "is missing")
    return text


def _one_of(
    table: Table, key: str, words: tuple[Word, ...], place: str, faults: Faults
) -> Word | None:
    text = _needed(table, key, place, faults)
    for word in words:
        if text == word:
            return word
    if text is not None:
        expected = ", ".join(f"`{word}`" for word in words)
        faults.add(f"{place}.{key}", f"must be one of {expected}, found `{text}`")
    return None


def _hash(table: Table, key: str, place: str, faults: Faults) -> str | None:
    text = _needed(table, key, place, faults)
    if text is not None and not is_hash(text):
        faults.add(f"{place}.{key}", f"must be an algorithm and its digest, found `{text}`")
        return None
    return text


def is_hash(text: str) -> bool:
    """Tell whether `text` is `algorithm:hexadecimal`, of an algorithm that builds are trusted to."""
    algorithm, _, digest = text.partition(":")
    return len(digest) == HASH_LENGTHS.get(algorithm) and not digest.strip(_HEXADECIMAL)


def _commit(table: Table, place: str, faults: Faults) -> str | None:
    text = _needed(table, "commit", place, faults)
    if text is not None and (len(text) != 40 or text.strip(_HEXADECIMAL)):
        faults.add(f"{place}.commit", f"must be a full commit, found `{text}`")
        return None
    return text


def _url(table: Table, key: str, place: str, faults: Faults) -> str | None:
    text = _needed(table, key, place, faults)
    if text is None:
        return None
    scheme, separator, rest = text.partition("://")
    # A repository may be one of this machine, where its user has asked for that.
    if not separator or not scheme or (scheme == "file" and key != "git"):
        faults.add(f"{place}.{key}", f"must be a URL of something remote, found `{text}`")
        return None
    userinfo = rest.partition("/")[0].rpartition("@")[0]
    # The bare user name of an SSH address is part of the address; elsewhere it may be a token.
    if ":" in userinfo or (userinfo and scheme in {"http", "https"}):
        # The text is not shown: it holds a secret.
        faults.add(f"{place}.{key}", "holds credentials, which do not belong into a file to share")
        return None
    return text


def _path(table: Table, key: str, place: str, faults: Faults) -> str | None:
    """Return a path below or beside the lock's folder; one that only one machine has is a fault."""
    text = get_text(table, key, place, faults)
    if text is None:
        return None
    if not text or text.startswith("/") or "\\" in text or text[1:2] == ":":
        faults.add(f"{place}.{key}", f"must be a relative path with `/` in it, found `{text}`")
        return None
    return text


def _check_keys(table: Table, place: str, known: Collection[str], faults: Faults) -> None:
    for key in table:
        if key not in known:
            faults.add(f"{place}.{key}" if place else key, "is not known to this version")
