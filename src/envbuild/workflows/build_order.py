"""What a command is to build: projects or one archive, by which lock and settings, into which folder.

A lock counts where `realize` would find it: in the folder of the project or archive, or above. Its
folder then has the settings and the build lock. Without one, that first folder has both, but beside an
archive no build lock is made.
"""

from __future__ import annotations

import os

from envbuild.errors import UsageError
from envbuild.frozen import frozen
from envbuild.realise.declared import FILES, LONGEST, METADATA, read_declared
from envbuild.selection.model import LocalTree, Request, Sdist, SelectedPackage
from envbuild.workflows.inputs import (
    PROJECT_FILE,
    UV_LOCK,
    NoLockfile,
    inputs_without_lock,
    read_inputs,
    requires_python,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envbuild.lockfile.model import Lock
    from envbuild.lockfile.package import Package
    from envbuild.realise.archive_limits import Limits
    from envbuild.realise.declared import Declared
    from envbuild.workflows.inputs import Inputs
    from envbuild.workflows.options import RealiseOptions

DIST = "dist"
_PROJECT_FILES = (PROJECT_FILE, "setup.py")


class NothingToBuild(UsageError):
    """Something that is named to be built, and is neither a project nor an archive of one."""

    def __init__(self, path: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"`{path}` {reason}", hint=hint)
        self.path = path
        self.reason = reason


class UnknownName(UsageError):
    """A project that does not say its name where it can be read without running it."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"`{path}` does not say what its project is called where that can be read without"
            " running it",
            hint=f"put `name` under `[project]` in its `{PROJECT_FILE}`",
        )
        self.path = path


class NoWorkspace(UsageError):
    """Members of a workspace are to be built, and no lock says which there are."""

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"there is no `{UV_LOCK}` in `{folder}` or any folder above it that says which members the"
            " workspace has",
            hint="make one with `uv lock`, or name the member's folder",
        )
        self.folder = folder


class NotAMember(UsageError):
    """A project that was asked for by its name, and is not a member of the workspace.

    Attributes:
        name: of the project.
        members: of the workspace that can be built.
    """

    def __init__(self, name: str, lockfile: str, members: Sequence[str]) -> None:
        listed = ", ".join(f"`{member}`" for member in members) or "none"
        super().__init__(
            f"`{lockfile}` has no member `{name}` that can be built", hint=f"there are: {listed}"
        )
        self.name = name
        self.members = tuple(members)


@frozen
class Order:
    """What is to be built.

    Attributes:
        packages: each a tree that is not editable, or a source distribution.
        inputs: what the run starts from.
        request: whose environment it is that builds without isolation, and versions of runtime,
            are about.
        start: the folder that the search for version files begins in.
        requires_python: specifiers, `None` for none.
        out_dir: absolute path of the folder for the wheels.
        makes_build_lock: whether a build lock is made where there is none.
    """

    packages: tuple[SelectedPackage, ...]
    inputs: Inputs
    request: Request
    start: str
    requires_python: str | None
    out_dir: str
    makes_build_lock: bool


def read_order(
    source: str,
    options: RealiseOptions,
    *,
    members: Sequence[str],
    all_members: bool,
    out_dir: str | None,
    limits: Limits,
    cwd: str,
) -> Order:
    """Return what is to be built.

    Args:
        source: path of a project's folder, or of a source distribution.
        options: see `envbuild.workflows.realise.realise`.
        members: normalised names of members of the workspace, to be built in place of the project.
        all_members: whether all of them are, but those that are not meant to be built.
        out_dir: absolute path, `None` for the default.
        limits: what an archive may unpack to.
        cwd: absolute path that `source` starts from.

    Raises:
        NothingToBuild, UnknownName, NotAMember, NoWorkspace: there is nothing that could be built.
        NotToml: a project's file cannot be read.
        RealiseError: an archive cannot be read.
    """
    path = os.path.join(cwd, source)
    if os.path.isdir(path):
        folder = os.path.realpath(path)
        if members or all_members:
            return _members(folder, options, members=members, out_dir=out_dir)
        return _project(folder, options, out_dir=out_dir)
    _check_archive(path)
    if members or all_members:
        option = "--package" if members else "--all-packages"
        raise NothingToBuild(path, f"is an archive: `{option}` is for folders of workspaces")
    return _archive(path, options, out_dir=out_dir, limits=limits)


def _project(folder: str, options: RealiseOptions, *, out_dir: str | None) -> Order:
    _check_project(folder)
    try:
        inputs = read_inputs(options, cwd=folder)
    except NoLockfile:
        inputs = inputs_without_lock(folder, options, cwd=folder)
    declared = _declared(folder)
    has_lock = inputs.kind != "none"
    return Order(
        packages=(_tree(folder, declared, inputs),),
        inputs=inputs,
        request=Request(),
        start=folder,
        requires_python=requires_python(inputs) if has_lock else declared.requires_python,
        out_dir=out_dir or f"{folder}/{DIST}",
        makes_build_lock=True,
    )


def _members(
    folder: str, options: RealiseOptions, *, members: Sequence[str], out_dir: str | None
) -> Order:
    """Return what is to be built of a workspace; no `members` are all of them."""
    from envbuild.lockfile.package import Virtual
    from envbuild.lockfile.parse import parse_lock

    try:
        inputs = read_inputs(options, cwd=folder)
    except NoLockfile:
        raise NoWorkspace(folder) from None
    lock = parse_lock(inputs.text, file=inputs.lockfile)
    found = {package.name: package for package in _trees_of(lock)}
    for name in members:
        if name not in found:
            raise NotAMember(name, inputs.lockfile, [*found])
    wanted = [
        package
        for name, package in found.items()
        if name in members or (not members and not isinstance(package.source, Virtual))
    ]
    packages = []
    for package in wanted:
        place = _place(package, inputs)
        _check_project(place)
        packages.append(_tree(place, _declared(place), inputs))
    return Order(
        packages=tuple(packages),
        inputs=inputs,
        request=Request(roots=tuple(members)) if members else Request(all_packages=True),
        start=folder,
        requires_python=requires_python(inputs),
        out_dir=out_dir or f"{inputs.folder}/{DIST}",
        makes_build_lock=True,
    )


def _archive(path: str, options: RealiseOptions, *, out_dir: str | None, limits: Limits) -> Order:
    from envbuild.realise.sdist import read_top_files

    above, filename = os.path.split(path)
    folder = os.path.realpath(above)
    try:
        inputs = read_inputs(options, cwd=folder)
    except NoLockfile:
        inputs = inputs_without_lock(folder, options, cwd=folder)
    files = read_top_files(path, FILES, last=METADATA, longest=LONGEST, limits=limits)
    declared = read_declared(files, file=f"{filename}/{PROJECT_FILE}", archive=filename)
    if declared.name is None:
        raise UnknownName(path)
    sha256, size = _hash(path)
    package = SelectedPackage(
        name=declared.name,
        version=declared.version,
        source="path",
        source_location=f"{folder}/{filename}",
        subdirectory="",
        distribution=Sdist(
            filename=filename, location=f"{folder}/{filename}", hash=f"sha256:{sha256}", size=size
        ),
        requested=True,
    )
    has_lock = inputs.kind != "none"
    return Order(
        packages=(package,),
        inputs=inputs,
        request=Request(),
        start=folder,
        requires_python=requires_python(inputs) if has_lock else declared.requires_python,
        out_dir=out_dir or folder,
        makes_build_lock=has_lock,
    )


def _check_project(folder: str) -> None:
    if any(os.path.isfile(f"{folder}/{name}") for name in _PROJECT_FILES):
        return
    above = os.path.dirname(folder)
    while above != os.path.dirname(above):
        if any(os.path.isfile(f"{above}/{name}") for name in _PROJECT_FILES):
            break
        above = os.path.dirname(above)
    else:
        above = ""
    raise NothingToBuild(
        folder,
        f"is no project: it has neither `{PROJECT_FILE}` nor `setup.py`",
        hint=f"there is one above: `{above}`" if above else None,
    )


def _check_archive(path: str) -> None:
    from envbuild.realise.sdist import is_sdist_name

    if not os.path.lexists(path):
        raise NothingToBuild(path, "is not there")
    if path.endswith(".whl"):
        raise NothingToBuild(path, "is a wheel, and built already")
    if not os.path.isfile(path) or not is_sdist_name(path):
        raise NothingToBuild(
            path,
            "is neither a folder nor an archive of sources",
            hint="archives are `.tar.gz` or `.zip`",
        )


def _declared(folder: str) -> Declared:
    found: dict[str, bytes] = {}
    for name in FILES:
        try:
            with open(f"{folder}/{name}", "rb") as file:
                found[name] = file.read(LONGEST)
        except OSError:
            # Not there; or it cannot be read, as whoever reads all files will say.
            continue
    return read_declared(found, file=f"{folder}/{PROJECT_FILE}")


def _tree(folder: str, declared: Declared, inputs: Inputs) -> SelectedPackage:
    """Return a project as a lock has it, that is to be installed as others are."""
    from envbuild.buildlock.runtime import relative_to

    name, version = declared.name, declared.version
    if not declared.is_project and inputs.kind == "uv":
        # Whoever made the lock has run what is not to be run here.
        locked = _locked(folder, inputs)
        if locked is not None:
            name, version = locked.name, locked.version
    if name is None:
        raise UnknownName(folder)
    location = relative_to(inputs.folder, folder)
    return SelectedPackage(
        name=name,
        version=version,
        source="directory",
        source_location=location,
        subdirectory="",
        distribution=LocalTree(location=location, editable=False),
        requested=True,
    )


def _locked(folder: str, inputs: Inputs) -> Package | None:
    from envbuild.lockfile.parse import parse_lock

    lock = parse_lock(inputs.text, file=inputs.lockfile)
    return next((each for each in _trees_of(lock) if _place(each, inputs) == folder), None)


def _trees_of(lock: Lock) -> Iterable[Package]:
    """Return the packages of a lock that are local trees of its workspace, by their names."""
    from envbuild.lockfile.package import Directory, Editable, Virtual

    members = lock.manifest.members
    for package in sorted(lock.packages, key=lambda package: package.name):
        match package.source:
            case Editable() | Virtual() | Directory() if package.name in members or not members:
                yield package


def _place(package: Package, inputs: Inputs) -> str:
    from envbuild.lockfile.package import Directory, Editable, Virtual

    assert isinstance(package.source, Directory | Editable | Virtual)
    return os.path.realpath(os.path.join(inputs.folder, package.source.location))


def _hash(path: str) -> tuple[str, int]:
    """Return the SHA-256 of a file, and its size."""
    from hashlib import file_digest

    from envbuild.realise.archive_file import ArchiveUnreadable

    try:
        with open(path, "rb") as file:
            sha256 = file_digest(file, "sha256").hexdigest()
            return sha256, file.tell()
    except OSError as error:
        raise ArchiveUnreadable(path, error) from error
