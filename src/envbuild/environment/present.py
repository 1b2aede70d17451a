"""What is at the place of an environment now: nothing, one of ours, somebody else's, or no such."""

from __future__ import annotations

import os

from envbuild.environment.footprint import SKELETON, Footprint, unit_of
from envbuild.environment.installed import find_infos, read_installed
from envbuild.environment.reserved import CONFIGURATION, FOLDER
from envbuild.environment.state import State, changed_since, read_stamps, read_state
from envbuild.errors import VenvError
from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.target.model import Scheme


class NotAnEnvironment(VenvError):
    """A folder or file that is something else, and is never touched."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"`{path}` is not a virtual environment: {reason}",
            hint="name another folder with `--venv`",
        )
        self.path = path
        self.reason = reason


@frozen
class Nothing:
    """No folder, or an empty one."""


@frozen
class Ours:
    """An environment that this program made, as its state says."""

    state: State


@frozen
class Foreign:
    """A virtual environment that another program made."""


Present = Nothing | Ours | Foreign


@frozen
class Contents:
    """What is installed in an environment.

    Attributes:
        footprints: of ours as the state has them, and of everybody else's.
        damaged: names of ours that are not intact.
        strangers: names of everybody else's.
        broken: whether the environment itself is not intact, so that it has to be made anew.
        stamps: times by path as they are recorded, where they agree with what is there.
    """

    footprints: tuple[Footprint, ...]
    damaged: frozenset[str]
    strangers: frozenset[str]
    broken: bool
    stamps: Mapping[str, str] | None = None


def refuse_others(prefix: str) -> None:
    """See to it that there is nothing, an environment, or what a killed command has left of one.

    Raises:
        NotAnEnvironment: there is something else.
    """
    names = _names_in(prefix)
    if names and FOLDER not in names and CONFIGURATION not in names:
        raise NotAnEnvironment(prefix, f"it holds no `{CONFIGURATION}`")


def look(prefix: str) -> Present:
    """Return what is at `prefix`.

    Raises:
        NotAnEnvironment: there is something else.
    """
    names = _names_in(prefix)
    if not names:
        return Nothing()
    state = read_state(prefix)
    if state is not None:
        return Ours(state=state)
    if CONFIGURATION in names:
        return Foreign()
    raise NotAnEnvironment(prefix, f"it holds no `{CONFIGURATION}`")


def _names_in(prefix: str) -> list[str]:
    try:
        return os.listdir(prefix)
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        raise NotAnEnvironment(prefix, "it is a file") from None
    except OSError as error:
        raise NotAnEnvironment(prefix, f"it cannot be read: {error.strerror}") from error


def contents(prefix: str, present: Ours | Foreign, scheme: Scheme) -> Contents:
    """Return what is installed, looking as closely as the time stamps make necessary.

    Raises:
        NotRemovable: a stranger that cannot be removed.
    """
    match present:
        case Ours(state=state):
            stamps = read_stamps(prefix)
            changed = None if stamps is None else changed_since(prefix, stamps)
            if changed is not None and not changed:
                return Contents(
                    footprints=state.footprints,
                    damaged=frozenset(),
                    strangers=frozenset(
                        each.name for each in state.footprints if not each.identity
                    ),
                    broken=False,
                    stamps=stamps,
                )
            return _examine(prefix, state, changed, scheme)
        case Foreign():
            found = [read_installed(prefix, info, scheme) for info in find_infos(prefix, scheme)]
            strangers = tuple(each.footprint for each in found)
            return Contents(
                footprints=strangers,
                damaged=frozenset(),
                strangers=frozenset(each.name for each in strangers),
                broken=False,
            )


def _examine(prefix: str, state: State, changed: frozenset[str] | None, scheme: Scheme) -> Contents:
    """Compare what is there with what the state says, by names and time stamps."""
    infos = set(find_infos(prefix, scheme))
    known = {each.info: each for each in state.footprints if each.identity and each.info}
    damaged = set()
    for footprint in state.footprints:
        if footprint.name == SKELETON:
            continue
        intact = all(os.path.lexists(f"{prefix}/{unit}") for unit in footprint.units)
        untouched = changed is None or footprint.info not in changed
        if not intact or not untouched:
            damaged.add(footprint.name)
    damaged |= _robbed(prefix, state, damaged, scheme)
    strangers = {}
    for info in sorted(infos - set(known)):
        footprint = read_installed(prefix, info, scheme).footprint
        strangers[footprint.name] = footprint
    # A stranger of the same name has taken the place of ours, and speaks for what is there.
    ours = [each for each in state.footprints if each.identity and each.name not in strangers]
    skeleton = next((each for each in ours if each.name == SKELETON), None)
    broken = (
        skeleton is None
        or any(not os.path.lexists(f"{prefix}/{unit}") for unit in skeleton.units)
        or (changed is not None and CONFIGURATION in changed)
    )
    return Contents(
        footprints=tuple(sorted((*ours, *strangers.values()), key=lambda each: each.name)),
        damaged=frozenset(damaged) - frozenset(strangers),
        strangers=frozenset(strangers),
        broken=broken,
    )


def _robbed(prefix: str, state: State, damaged: set[str], scheme: Scheme) -> set[str]:
    """Return names of those that a damaged distribution has taken files along from.

    Where two have a file with equal content, an installer that removes one of them removes the file.
    """
    units = frozenset(
        unit
        for footprint in state.footprints
        if footprint.name in damaged
        for unit in footprint.units
    )
    found = set()
    for footprint in state.footprints:
        if footprint.name in damaged or not footprint.info or units.isdisjoint(footprint.units):
            continue
        if not os.path.exists(f"{prefix}/{footprint.info}/RECORD"):
            found.add(footprint.name)
            continue
        files = read_installed(prefix, footprint.info, scheme).files
        if any(unit_of(file, units) and not os.path.lexists(f"{prefix}/{file}") for file in files):
            found.add(footprint.name)
    return found
