"""A `BuildLock` to the text of an `envbuild.lock`: equal values give equal bytes.

The layout is made to be read and compared line by line: a block for each build, a line for each
requirement and for each file. `tomli-w` has another opinion on when a table goes on one line.
"""

from __future__ import annotations

from envbuild.buildlock.model import (
    VERSION,
    ArchiveSource,
    CommitSource,
    PinnedCommit,
    PinnedTree,
    TreeSource,
    location_filename,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envbuild.buildlock.model import Build, BuildLock, PinnedFile, PinnedPackage, Source

    Scalar = str | int | bool
    Row = list[tuple[str, Scalar]]

_HEAD = f"""\
# What the source distributions of this project are built with. Written by envbuild.
version = {VERSION}
"""

_ESCAPES = {
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
    '"': '\\"',
    "\\": "\\\\",
}


def render_build_lock(lock: BuildLock) -> str:
    """Return the text of a lock, with a line feed at its end."""
    return "\n".join((_HEAD, *map(_block, lock.builds)))


def _block(build: Build) -> str:
    return "".join(f"{line}\n" for line in _lines(build))


def _lines(build: Build) -> Iterator[str]:
    yield "[[build]]"
    yield f"name = {_value(build.name)}"
    if build.version is not None:
        yield f"version = {_value(build.version)}"
    yield f"source = {_table(_source(build.source))}"
    yield f"target = {_value(build.target)}"
    yield f"operation = {_value(build.operation)}"
    yield f"strategy = {_value(build.strategy)}"
    if build.constraints is not None:
        yield f"constraints = {_value(build.constraints)}"
    yield from _array("requires", map(_value, build.requires))
    yield from _array("extra-requires", map(_value, build.extra_requires))
    yield from _array("hook-requires", map(_value, build.hook_requires))
    ignored = ([("name", name), *_given(version=version)] for name, version in build.ignored)
    yield from _array("ignored", map(_table, ignored))
    rows = (row for package in build.packages for row in _rows(package))
    yield from _array("packages", map(_table, rows))


def _source(source: Source) -> Row:
    match source:
        case ArchiveSource(hash=digest, subdirectory=subdirectory):
            return [("archive", digest), *_given(subdirectory=subdirectory)]
        case CommitSource(commit=commit, subdirectory=subdirectory):
            return [("commit", commit), *_given(subdirectory=subdirectory)]
        case TreeSource(path=path):
            return [("directory", path)]


def _rows(package: PinnedPackage) -> Iterator[Row]:
    """Yield what becomes a line each: one for a file, so a package with two wheels has two."""
    start: Row = [("name", package.name), *_given(version=package.version)]
    match package.content:
        case PinnedTree(path=path):
            yield [*start, ("directory", path)]
        case PinnedCommit(url=url, commit=commit, subdirectory=subdirectory, lfs=lfs):
            end = _given(subdirectory=subdirectory, lfs=lfs)
            yield [*start, ("git", url), ("commit", commit), *end]
        case tuple() as files:
            for file in files:
                yield [*start, *_file(file)]


def _file(file: PinnedFile) -> Row:
    location = file.url if file.url is not None else file.path
    assert location is not None
    implied = location_filename(file.url, file.path) == file.filename
    return [
        ("url" if file.url is not None else "path", location),
        *_given(
            filename=None if implied else file.filename,
            hash=file.hash,
            size=file.size,
            subdirectory=file.subdirectory,
        ),
    ]


def _given(**members: Scalar | None) -> Row:
    """Return the members that say something: neither absent nor empty nor false."""
    return [
        (name, value)
        for name, value in members.items()
        if value is not None and value is not False and value != ""
    ]


def _array(key: str, items: Iterable[str]) -> Iterator[str]:
    rows = [f"    {item}," for item in items]
    if rows:
        yield f"{key} = ["
        yield from rows
        yield "]"


def _table(row: Row) -> str:
    return "{ " + ", ".join(f"{key} = {_value(value)}" for key, value in row) + " }"


def _value(value: Scalar) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case _:
            return f'"{"".join(map(_escaped, value))}"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    # TOML wants the other control characters escaped, and a lone surrogate cannot be in a file.
    return f"\\u{ord(character):04X}" if character < " " or character == "\x7f" else character
