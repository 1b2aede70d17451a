"""What a request picks from a lock for a target: the values that selection takes and gives."""

from __future__ import annotations

from envbuild.frozen import field, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    SourceKind = Literal["registry", "git", "url", "path", "directory", "editable", "virtual"]


@frozen
class Request:
    """What the user asks of a lock; every name normalised (PEP 503), semantics as uv's.

    Attributes:
        roots: workspace members to install, `None` for the project that the request comes from.
        member: folder of the workspace member that the request comes from, relative to the lock's
            folder; empty for the project that the lock lies beside.
        all_packages: every workspace member is a root.
        default_groups: groups included unless turned off; `None` means all groups. A lock that
            records default groups itself (revision 5 on) overrules this.
        no_extras: extras taken away from `extras` and `all_extras`.
        dev: the group `dev`, which need not exist: `include` adds it, `exclude` takes it away,
            `only` makes it one of `only_groups`.
        only_groups: when not empty, nothing but these groups is installed.
        no_groups: groups taken away, whatever else asks for them.
        group_requires_python: groups of the project and the specifiers they add; a lock that
            records them itself (revision 5 on) overrules this.
        no_install_packages: nodes left out of the result, their dependencies kept.
        no_build: nothing is built from source, and nothing of `no_build_packages` is; members of
            the workspace are.
        no_binary: no wheel is taken, and none of `no_binary_packages` is: they are built. Of this
            and `no_build`, what names a package overrules what names none.
        no_editable: no tree is used where it lies, and none of `no_editable_packages` is: they are
            built and installed as others are.
    """

    roots: tuple[str, ...] | None = None
    member: str = ""
    all_packages: bool = False
    extras: tuple[str, ...] = ()
    all_extras: bool = False
    no_extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    all_groups: bool = False
    no_groups: tuple[str, ...] = ()
    only_groups: tuple[str, ...] = ()
    default_groups: tuple[str, ...] | None = ("dev",)
    no_default_groups: bool = False
    dev: Literal["include", "exclude", "only"] | None = None
    group_requires_python: tuple[tuple[str, str], ...] = ()
    no_install_project: bool = False
    no_install_workspace: bool = False
    no_install_local: bool = False
    no_install_packages: tuple[str, ...] = ()
    no_build: bool = False
    no_build_packages: tuple[str, ...] = ()
    no_binary: bool = False
    no_binary_packages: tuple[str, ...] = ()
    no_editable: bool = False
    no_editable_packages: tuple[str, ...] = ()

    def builds(self, name: str) -> bool:
        """Tell whether the package called that may be built."""
        if self.no_build:
            return not self.no_binary and name in self.no_binary_packages
        return name not in self.no_build_packages

    def takes_wheels(self, name: str) -> bool:
        """Tell whether a wheel may be taken for the package called that."""
        if self.no_binary:
            return not self.no_build and name in self.no_build_packages
        return name not in self.no_binary_packages

    def edits(self, name: str) -> bool:
        """Tell whether an editable called that is used where it lies."""
        return not self.no_editable and name not in self.no_editable_packages


@frozen
class Artifact:
    """Base of the distribution files of a locked package.

    Attributes:
        filename: the file's name, percent escapes decoded.
        location: an absolute URL without credentials, or a path: relative to the lock's folder
            unless absolute.
        userinfo: user and password that the lock's URL holds, as it spells them; empty for none.
        hash: `algorithm:hexadecimal` as locked, `None` where the lock has none.
        size: in bytes, `None` where the lock has none.
    """

    filename: str
    location: str
    hash: str | None
    size: int | None
    userinfo: str = field(default="", repr=False)

    @property
    def is_local(self) -> bool:
        """Whether `location` is a path and not a URL."""
        return "://" not in self.location

    @property
    def label(self) -> str:
        """What people call it."""
        return self.filename


class Wheel(Artifact):
    """A wheel, to be unpacked."""

    __slots__ = ()


class Sdist(Artifact):
    """A source distribution, to be built."""

    __slots__ = ()


@frozen
class Repository:
    """A commit of a git repository, to be built.

    Attributes:
        url: of the repository, without credentials.
        commit: 40 hexadecimal digits.
        lfs: whether files kept by Git LFS are wanted and not their pointers.
        userinfo: user and password that the lock's URL holds, as it spells them; empty for none.
    """

    url: str
    commit: str
    lfs: bool
    userinfo: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """The URL with its credentials."""
        return self.url.replace("://", f"://{self.userinfo}@", 1) if self.userinfo else self.url

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.url}@{self.commit[:12]}"


@frozen
class RepositoryFile:
    """A wheel or source distribution that is a file of a commit.

    Attributes:
        repository: the commit.
        path: of the file in it.
        hash: `algorithm:hexadecimal` as locked, `None` where the lock has none.
    """

    repository: Repository
    path: str
    hash: str | None

    @property
    def filename(self) -> str:
        """The file's name."""
        return self.path.rpartition("/")[2]

    @property
    def is_wheel(self) -> bool:
        """Whether it need not be built."""
        return self.filename.endswith(".whl")

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.filename} of {self.repository.label}"


@frozen
class LocalTree:
    """A folder on this machine, to be built.

    Attributes:
        location: its path, relative to the lock's folder unless absolute.
        editable: whether it is used where it lies (PEP 660).
    """

    location: str
    editable: bool

    @property
    def label(self) -> str:
        """What people call it."""
        return self.location


@frozen
class SelectedPackage:
    """One package that belongs in the environment.

    Attributes:
        name: normalised.
        version: as locked; `None` where a tree computes it and it was not built yet.
        source: the kind of source it is locked from.
        source_location: the URL or path that the source names (an index, an archive, a folder),
            as the lock has it.
        subdirectory: below an archive or checkout, empty where there is none.
        distribution: the best fitting wheel, or what a wheel has to be built from.
        requested: whether it is a root, or one asks for it directly.
        needs: of what is built, the names of all that the lock gives it; `None` where the lock does not
            tell.
    """

    name: str
    version: str | None
    source: SourceKind
    source_location: str
    subdirectory: str
    distribution: Wheel | Sdist | Repository | RepositoryFile | LocalTree
    requested: bool
    needs: frozenset[str] | None = None

    @property
    def is_built(self) -> bool:
        """Whether it has to be built, or is in a repository that has to be looked into first."""
        return not isinstance(self.distribution, Wheel)


@frozen
class Selection:
    """The result: packages sorted by name, no name twice."""

    packages: tuple[SelectedPackage, ...]
