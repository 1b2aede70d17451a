"""Making and changing environments: everything is staged first, then put in place by renames.

A new environment, or one for another interpreter, is built beside its place and exchanged with
whatever is there. A change is staged below the environment and carried out by its journal. The
caller holds the lock of `lock_environment` and has called `recover` since.
"""

from __future__ import annotations

import errno
import os

from envbuild.environment import journal
from envbuild.environment.footprint import SKELETON, join, unit_of
from envbuild.environment.link import Job, place, probe_mode
from envbuild.environment.moves import plan_moves
from envbuild.environment.removal import remove_tree
from envbuild.environment.reserved import FOLDER
from envbuild.environment.scheme import standing_folders
from envbuild.environment.state import (
    MANIFEST,
    STAMPS,
    STATE,
    State,
    stamped_paths,
    take_stamps,
)
from envbuild.errors import VenvError
from envbuild.events import LinksPlanned, WaitingFor
from envbuild.frozen import frozen, replace
from envbuild.store.descriptors import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from envbuild.digest import Digest
    from envbuild.environment.diff import Difference
    from envbuild.environment.footprint import Footprint
    from envbuild.environment.installed import Installed
    from envbuild.environment.link import LinkWish, PlacingMode
    from envbuild.environment.moves import Moves
    from envbuild.environment.placement import Placement
    from envbuild.environment.written import WrittenFile
    from envbuild.events import Reporter
    from envbuild.target.model import Scheme

    Skeleton = tuple[tuple[WrittenFile, ...], tuple[tuple[str, str], ...]]
    """Files, and symbolic links with what each says, of every environment."""


class EnvironmentUnusable(VenvError):
    """The operating system refuses what must be done with the environment."""

    def __init__(self, path: str, action: str, error: OSError) -> None:
        super().__init__(f"cannot {action} `{path}`: {error.strerror or error}")
        self.path = path
        self.errno = error.errno


@frozen
class Blueprint:
    """The environment that is wanted, for one prefix.

    Attributes:
        environment: its digest, and `manifest` the bytes that it is the digest of.
        interpreter: absolute path of the interpreter that it is for.
        scheme: where things go.
        footprints: sorted by name, the skeleton's first.
        skeleton: gives the files that make a folder a virtual environment, and the symbolic links.
        load: gives placement and written files of the distribution of that name.
        tolerated: paths of several distributions, with equal content.
        symlinks: in symlink mode, for each name the units that are one link, and where it leads.
        copied: names of what is copied, whatever the mode.
    """

    environment: Digest
    manifest: bytes
    interpreter: str
    scheme: Scheme
    footprints: tuple[Footprint, ...]
    skeleton: Callable[[], Skeleton]
    load: Callable[[str], tuple[Placement, tuple[WrittenFile, ...]]]
    tolerated: frozenset[str]
    symlinks: Mapping[str, tuple[tuple[str, str], ...]]
    copied: frozenset[str] = frozenset()

    def job(self, footprint: Footprint) -> Job:
        """Return the work of placing one distribution."""
        return Job(
            load=lambda: self.load(footprint.name),
            files=footprint.files,
            folders=footprint.folders,
            tolerated=self.tolerated,
            symlinks=self.symlinks.get(footprint.name, ()),
            copied=footprint.name in self.copied,
        )


@frozen
class Wish:
    """How files are to get into an environment; see `envbuild.environment.link`.

    Attributes:
        store: absolute path of the store.
        link_mode: `auto` or one mode.
        required: refuse to fall back.
        reporter: told of the progress.
    """

    store: str
    link_mode: LinkWish
    required: bool
    reporter: Reporter


@frozen
class Placed:
    """How files got into an environment.

    Attributes:
        mode: of all that could be placed that way.
        notes: sentences for the user.
        stamped: whether the stamps of the environment have been written since.
    """

    mode: PlacingMode
    notes: tuple[str, ...]
    stamped: bool = False


class EnvironmentLock:
    """Held while an environment is looked at and changed; released when the process ends."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Let others at it."""
        os.close(self._descriptor)


def lock_environment(prefix: str, reporter: Reporter) -> EnvironmentLock:
    """Wait until no other command works on the environment at `prefix`.

    The lock is on the folder that holds the environment, which stays when the environment itself
    is exchanged, and needs no file of its own.

    Raises:
        EnvironmentUnusable: the folder cannot be made or opened.
    """
    import fcntl

    parent = os.path.dirname(prefix)
    try:
        os.makedirs(parent, exist_ok=True)
        descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            reporter.report(WaitingFor(what=f"the environment `{prefix}`", holder=None))
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        raise EnvironmentUnusable(prefix, "lock", error) from error
    return EnvironmentLock(descriptor)


def recover(prefix: str) -> bool:
    """Bring an environment that a killed command left behind into one of its two states.

    Returns:
        Whether something was completed.

    Raises:
        BrokenJournal: nobody knows what was to be done.
        EnvironmentUnusable: the operating system refuses.
    """
    new, old = _beside(prefix)
    try:
        completed = False
        if not os.path.lexists(prefix):
            # Killed between the two renames of an exchange.
            if os.path.exists(f"{new}/{STATE}") and os.path.lexists(old):
                os.rename(new, prefix)
                completed = True
            elif os.path.lexists(old):
                os.rename(old, prefix)
        for leftover in (new, old):
            if os.path.lexists(leftover):
                remove_tree(leftover)
        return journal.complete(prefix) or completed
    except OSError as error:
        raise EnvironmentUnusable(prefix, "complete the last change of", error) from error


def build(prefix: str, blueprint: Blueprint, wish: Wish, *, generation: int) -> Placed:
    """Make the whole environment beside its place, and exchange it with what is there.

    Raises:
        DamagedBlobs, LinkRefused, PlacingFailed: see `place`; nothing has changed.
        EnvironmentUnusable: the operating system refuses; nothing has changed.
    """
    new, old = _beside(prefix)
    try:
        os.mkdir(new)
        try:
            placed = _stage_whole(new, prefix, blueprint, wish, generation)
            _put_in_place(new, old, prefix)
        except BaseException:
            remove_tree(new)
            raise
        if os.path.lexists(old):
            remove_tree(old)
    except OSError as error:
        raise EnvironmentUnusable(prefix, "make", error) from error
    return placed


def change(
    prefix: str,
    blueprint: Blueprint,
    wish: Wish,
    *,
    difference: Difference,
    outgoing: Mapping[str, Installed],
    generation: int,
    staying: tuple[Footprint, ...] = (),
    stamps: Mapping[str, str] | None = None,
) -> Placed:
    """Change the environment at `prefix` in place.

    Args:
        prefix: where it is.
        blueprint: what it must be afterwards.
        wish: how files are to get there.
        difference: what changes; its strays have been taken into account.
        outgoing: of each distribution that goes, what its metadata says.
        generation: number of the new state.
        staying: distributions of others that stay although the blueprint does not have them.
        stamps: times by path that were recorded and agreed with the environment a moment ago.

    Raises:
        DamagedBlobs, LinkRefused, PlacingFailed: see `place`; nothing has changed.
        EnvironmentUnusable: the operating system refuses. Before the journal is written nothing
            has changed; after that the next command completes the change.
    """
    try:
        name = journal.open_transaction(prefix)
        try:
            staging = f"{prefix}/{FOLDER}/{name}/new"
            placed = _stage_change(staging, blueprint, wish, difference)
            state = _state(prefix, blueprint, wish, placed.mode, generation, staying)
            _write_state(staging, blueprint, state)
            moves = _plan(prefix, blueprint, difference, outgoing)
            journal.begin(prefix, name, moves)
        except BaseException:
            journal.abandon(prefix, name)
            raise
        journal.complete(prefix)
    except OSError as error:
        raise EnvironmentUnusable(prefix, "change", error) from error
    # What we have not touched keeps its time: whoever has touched it meanwhile is seen next time.
    touched = {*difference.swapped, *difference.merged}
    kept = {
        path: time
        for path, time in (stamps or {}).items()
        if path.endswith(".dist-info") and path not in touched
    }
    footprints = (*blueprint.footprints, *staying)
    return replace(placed, stamped=stamp(prefix, footprints, blueprint.scheme, kept=kept))


def stamp(
    prefix: str,
    footprints: tuple[Footprint, ...],
    scheme: Scheme,
    *,
    kept: Mapping[str, str] | None = None,
) -> bool:
    """Record the time stamps by which the next command sees that nobody has been here since.

    Those `kept` are taken over as they are, by path.

    Returns:
        Whether they could be written. They are a hint: without it the next command looks at all.
    """
    paths = stamped_paths(footprints, scheme)
    draft = f"{prefix}/{STAMPS}.{os.getpid()}"
    try:
        _write(draft, take_stamps(prefix, paths, kept or {}), 0o644)
        os.rename(draft, f"{prefix}/{STAMPS}")
    except OSError:
        return False
    return True


def _stage_whole(
    root: str, prefix: str, blueprint: Blueprint, wish: Wish, generation: int
) -> Placed:
    footprints = [each for each in blueprint.footprints if each.name != SKELETON]
    _make_scheme(root, blueprint.scheme)
    _write_skeleton(root, blueprint)
    placed = _place(root, blueprint, footprints, wish)
    _write_state(root, blueprint, _state(prefix, blueprint, wish, placed.mode, generation, ()))
    stamped = stamp(root, blueprint.footprints, blueprint.scheme)
    return replace(placed, stamped=stamped)


def _stage_change(staging: str, blueprint: Blueprint, wish: Wish, difference: Difference) -> Placed:
    arriving = _arriving(blueprint, difference)
    _make_scheme(staging, blueprint.scheme)
    if any(each.name == SKELETON for each in arriving):
        _write_skeleton(staging, blueprint)
        arriving = [each for each in arriving if each.name != SKELETON]
    return _place(staging, blueprint, arriving, wish)


def _place(root: str, blueprint: Blueprint, footprints: Sequence[Footprint], wish: Wish) -> Placed:
    # Tried out where everything goes that a kill may leave behind: the next command removes it.
    mode, sentence = probe_mode(wish.store, root, wish.link_mode, required=wish.required)
    wish.reporter.report(LinksPlanned(files=sum(each.files for each in footprints)))
    notes = place(
        [blueprint.job(each) for each in footprints],
        store=wish.store,
        root=root,
        mode=mode,
        required=wish.required,
        reporter=wish.reporter,
    )
    return Placed(mode=mode, notes=(sentence, *notes) if sentence else notes)


def _plan(
    prefix: str,
    blueprint: Blueprint,
    difference: Difference,
    outgoing: Mapping[str, Installed],
) -> Moves:
    merged = frozenset(difference.merged)
    arriving = _arriving(blueprint, difference)
    return plan_moves(
        difference,
        outgoing={
            name: _leaving(prefix, installed, difference) for name, installed in outgoing.items()
        },
        incoming=_incoming(blueprint, arriving, merged),
        staying=_staying(blueprint, difference, merged),
        arriving_units=frozenset(unit for each in arriving for unit in each.units),
        state=(STATE, MANIFEST),
    )


def _arriving(blueprint: Blueprint, difference: Difference) -> list[Footprint]:
    names = difference.incoming
    return [each for each in blueprint.footprints if each.name in names]


def _incoming(
    blueprint: Blueprint, arriving: Iterable[Footprint], merged: frozenset[str]
) -> dict[str, list[str]]:
    """Return the files of each arriving distribution that lie in merged units."""
    found = {}
    for footprint in arriving:
        if footprint.name == SKELETON:
            found[SKELETON] = [unit for unit in footprint.units if unit in merged]
        elif not merged.isdisjoint(footprint.units):
            found[footprint.name] = _files_of(blueprint, footprint.name, merged)
    return found


def _staying(
    blueprint: Blueprint, difference: Difference, merged: frozenset[str]
) -> frozenset[str]:
    """Return the files in merged units that belong to a distribution that does not change."""
    if not merged:
        return frozenset()
    names = {SKELETON, *difference.incoming}
    return frozenset(
        path
        for footprint in blueprint.footprints
        if footprint.name not in names and not merged.isdisjoint(footprint.units)
        for path in _files_of(blueprint, footprint.name, merged)
    )


def _files_of(blueprint: Blueprint, name: str, units: frozenset[str]) -> list[str]:
    placement, written = blueprint.load(name)
    paths = [join(folder, file[0]) for folder, files in placement.links for file in files]
    paths += [file.path for file in written]
    return [path for path in paths if unit_of(path, units)]


def _leaving(prefix: str, installed: Installed, difference: Difference) -> set[str]:
    """Return what of a distribution has to leave by itself: its files in merged units, and bytecode.

    All sources have one time stamp, so a cached file would look fresh beside another source. The
    bytecode of a swapped folder leaves with it; that of a module of one file lies outside.
    """
    merged, swapped = frozenset(difference.merged), frozenset(difference.swapped)
    found = set()
    caches: dict[str, list[str]] = {}
    for path in installed.files:
        by_itself = unit_of(path, merged) is not None
        if by_itself:
            found.add(path)
        if path.endswith(".py") and (by_itself or path in swapped):
            folder, _, name = path.rpartition("/")
            cache = f"{folder}/__pycache__"
            if cache not in caches:
                caches[cache] = _names_in(f"{prefix}/{cache}")
            stem = name.removesuffix("py")
            found.update(
                f"{cache}/{entry}"
                for entry in caches[cache]
                if entry.startswith(stem) and entry.endswith(".pyc")
            )
    return found


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _state(
    prefix: str,
    blueprint: Blueprint,
    wish: Wish,
    mode: PlacingMode,
    generation: int,
    staying: tuple[Footprint, ...],
) -> State:
    return State(
        environment=blueprint.environment,
        prefix=prefix,
        interpreter=blueprint.interpreter,
        store=wish.store,
        link_mode=mode,
        generation=generation,
        footprints=tuple(sorted((*blueprint.footprints, *staying), key=lambda each: each.name)),
    )


def _write_state(root: str, blueprint: Blueprint, state: State) -> None:
    os.makedirs(f"{root}/{FOLDER}", exist_ok=True)
    _write(f"{root}/{MANIFEST}", blueprint.manifest, 0o644)
    # Last: a folder that has its state is a whole environment.
    _write(f"{root}/{STATE}", state.encode(), 0o644)


def _write_skeleton(root: str, blueprint: Blueprint) -> None:
    files, links = blueprint.skeleton()
    for path, target in links:
        os.makedirs(os.path.dirname(f"{root}/{path}"), exist_ok=True)
        os.symlink(target, f"{root}/{path}")
    for file in files:
        os.makedirs(os.path.dirname(f"{root}/{file.path}"), exist_ok=True)
        _write(f"{root}/{file.path}", file.data, 0o755 if file.executable else 0o644)


def _make_scheme(root: str, scheme: Scheme) -> None:
    for folder in sorted(standing_folders(scheme)):
        os.makedirs(f"{root}/{folder}", exist_ok=True)


def _write(path: str, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, mode)
    try:
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


def _beside(prefix: str) -> tuple[str, str]:
    """Return where a new environment is built, and where the one it replaces goes."""
    folder, name = os.path.split(prefix)
    return f"{folder}/.{name}.envbuild-new", f"{folder}/.{name}.envbuild-old"


def _put_in_place(new: str, old: str, prefix: str) -> None:
    if not os.path.lexists(prefix):
        os.rename(new, prefix)
        return
    if _exchange(new, prefix):
        os.rename(new, old)
        return
    os.rename(prefix, old)
    os.rename(new, prefix)


def _exchange(one: str, other: str) -> bool:
    """Exchange two folders in one step; return whether the system can do that."""
    import ctypes

    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    at_working_folder, exchange = -100, 2
    if renameat2(
        at_working_folder, os.fsencode(one), at_working_folder, os.fsencode(other), exchange
    ):
        number = ctypes.get_errno()
        if number in {errno.ENOSYS, errno.EINVAL}:
            return False
        raise OSError(number, os.strerror(number), one, None, other)
    return True
