"""What an `envbuild.lock` says: a `BuildLock`, and in it for each thing to build what it is built with.

`store_layout/v1/build-lock.md` specifies the text. Nothing here is chosen or checked against a
machine. Names are normalised; requirements are PEP 508 texts, each with single spaces; paths are
written with `/` and are relative to the lock's folder. Lists that are sets are sorted by the values
themselves, so that equal content is an equal value, whatever the order it was given in.
"""

from __future__ import annotations

from envbuild.frozen import field, frozen
from envbuild.lockfile.parse_package import url_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal

    Operation = Literal["wheel", "editable"]
    Strategy = Literal["latest", "prefer-locked", "require-locked"]

    Key = tuple[str, "Source", str, "Operation"]
    """Name, source, kind of target, operation."""

FILE_NAME = "envbuild.lock"
"""It lies beside the runtime lock."""

VERSION = 1
"""Of the format."""

OPERATIONS: tuple[Operation, ...] = ("editable", "wheel")
STRATEGIES: tuple[Strategy, ...] = ("latest", "prefer-locked", "require-locked")

_set = object.__setattr__


@frozen
class ArchiveSource:
    """An archive, by its hash (`algorithm:hexadecimal`), and the folder of the project in it."""

    hash: str
    subdirectory: str = ""


@frozen
class CommitSource:
    """A commit of some repository, 40 hexadecimal digits, and the folder of the project in it."""

    commit: str
    subdirectory: str = ""


@frozen
class TreeSource:
    """A local tree, `.` for the lock's own folder. What is in it is no part of this identity."""

    path: str


Source = ArchiveSource | CommitSource | TreeSource


@frozen
class PinnedFile:
    """A distribution file that may be used.

    Attributes:
        filename: percent escapes decoded.
        url: where it is remote, without credentials; exactly one of `url` and `path` is given.
        path: where it is local.
        hash: `algorithm:hexadecimal`.
        size: in bytes, `None` where nobody said.
        subdirectory: of the project in a source archive, empty for its root.
    """

    filename: str
    url: str | None
    path: str | None
    hash: str
    size: int | None = None
    subdirectory: str = ""

    def __post_init__(self) -> None:
        assert (self.url is None) != (self.path is None)

    @property
    def is_wheel(self) -> bool:
        """Whether it need not be built."""
        return self.filename.endswith(".whl")

    @property
    def reference(self) -> str:
        """The URL that PEP 508 has after `@`; for a local file, its path."""
        if self.url is None:
            assert self.path is not None
            return self.path
        return _with_fragment(self.url, self.hash.replace(":", "="), self.subdirectory)


@frozen
class PinnedCommit:
    """A commit of a repository, whose URL is without credentials."""

    url: str
    commit: str
    subdirectory: str = ""
    lfs: bool = False

    @property
    def reference(self) -> str:
        """The URL that PEP 508 has after `@`."""
        return _with_fragment(f"git+{self.url}@{self.commit}", "", self.subdirectory)


@frozen
class PinnedTree:
    """A local tree."""

    path: str

    @property
    def reference(self) -> str:
        """Its path."""
        return self.path


@frozen
class PinnedPackage:
    """One distribution of a build environment.

    Attributes:
        version: `None` where a tree or a commit computes it.
        content: a commit, a tree, or files: either wheels, of which a machine takes the one that
            fits it best, or one source archive.
    """

    name: str
    version: str | None
    content: tuple[PinnedFile, ...] | PinnedCommit | PinnedTree

    def __post_init__(self) -> None:
        if isinstance(self.content, tuple):
            files = sorted(self.content, key=lambda file: file.filename)
            assert files
            assert len(files) == 1 or all(file.is_wheel for file in files)
            _set(self, "content", tuple(files))

    @property
    def source(self) -> Source | None:
        """What it is built from, `None` where it is a wheel."""
        match self.content:
            case PinnedCommit(commit=commit, subdirectory=subdirectory):
                return CommitSource(commit=commit, subdirectory=subdirectory)
            case PinnedTree(path=path):
                return TreeSource(path=path)
            case (file, *_) if not file.is_wheel:
                return ArchiveSource(hash=file.hash, subdirectory=file.subdirectory)
            case _:
                return None


@frozen
class Build:
    """What one source distribution is built with, on one kind of target.

    Attributes:
        version: of what is built; `None` for trees, whose version may change with every commit.
        target: the kind of target, see `envbuild.buildlock.kind`.
        operation: which of the backend's products this is for.
        strategy: by which the pins were found.
        constraints: digest of the constraints that concern the packages here, `None` for none.
        requires: what the source distribution declares.
        extra_requires: what the project adds to that.
        hook_requires: what the backend asks for when it is run.
        ignored: name and version of what the strategy would have preferred and could not use; the
            version is `None` where a tree computes it.
        packages: the whole build environment, no name twice.
    """

    name: str
    version: str | None
    source: Source
    target: str
    operation: Operation
    strategy: Strategy
    constraints: str | None = None
    requires: tuple[str, ...] = ()
    extra_requires: tuple[str, ...] = ()
    hook_requires: tuple[str, ...] = ()
    ignored: tuple[tuple[str, str | None], ...] = ()
    packages: tuple[PinnedPackage, ...] = ()

    def __post_init__(self) -> None:
        _set(self, "requires", plain_requirements(self.requires))
        _set(self, "extra_requires", plain_requirements(self.extra_requires))
        _set(self, "hook_requires", plain_requirements(self.hook_requires))
        _set(
            self, "ignored", tuple(sorted(self.ignored, key=lambda each: (each[0], each[1] or "")))
        )
        _set(self, "packages", tuple(sorted(self.packages, key=lambda package: package.name)))
        assert len({package.name for package in self.packages}) == len(self.packages)

    @property
    def key(self) -> Key:
        """What the block is found by."""
        return self.name, self.source, self.target, self.operation

    def needs(self) -> tuple[Key, ...]:
        """Return the keys of the blocks for those packages that must be built themselves."""
        sources = ((package.name, package.source) for package in self.packages)
        return tuple(
            (name, source, self.target, "wheel") for name, source in sources if source is not None
        )


@frozen
class BuildLock:
    """A whole build lock; no key is there twice."""

    builds: tuple[Build, ...] = ()
    _by_key: Mapping[Key, Build] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        _set(self, "builds", tuple(sorted(self.builds, key=_order)))
        _set(self, "_by_key", {build.key: build for build in self.builds})
        assert len(self.by_key) == len(self.builds)

    @property
    def by_key(self) -> Mapping[Key, Build]:
        """The builds by their keys."""
        assert self._by_key is not None
        return self._by_key


def plain_requirements(texts: Iterable[str]) -> tuple[str, ...]:
    """Return requirements as builds have them: single spaces, sorted, none twice."""
    return tuple(sorted({" ".join(text.split()) for text in texts}))


def location_filename(url: str | None, path: str | None) -> str:
    """Return the file name that a location ends in, percent escapes of URLs decoded."""
    return url_filename(url) if url is not None else (path or "").rpartition("/")[2]


def _with_fragment(url: str, digest: str, subdirectory: str) -> str:
    parts = [digest, f"subdirectory={subdirectory}" if subdirectory else ""]
    fragment = "&".join(filter(None, parts))
    return f"{url}#{fragment}" if fragment else url


def _order(build: Build) -> tuple[str, ...]:
    return (
        build.name,
        build.version or "",
        *_order_of_source(build.source),
        build.target,
        build.operation,
    )


def _order_of_source(source: Source) -> tuple[str, str, str]:
    match source:
        case ArchiveSource(hash=digest, subdirectory=subdirectory):
            return "archive", digest, subdirectory
        case CommitSource(commit=commit, subdirectory=subdirectory):
            return "commit", commit, subdirectory
        case TreeSource(path=path):
            return "directory", path, ""
