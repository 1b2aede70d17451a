"""What an environment knows about itself: the files below `.envbuild` in its folder.

`state.json` names the environment digest and the footprints; it is written whole or not at all, as
part of each transaction. `stamps` holds the modification times of a few folders as they were when
the last command left: whoever installs, removes or reinstalls something changes one of them. It is
a hint that may be missing; then everything is looked at.
"""

from __future__ import annotations

import os

from envbuild import plain_json
from envbuild.environment.footprint import Footprint
from envbuild.environment.reserved import CONFIGURATION, FOLDER
from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.digest import Digest
    from envbuild.target.model import Scheme

STATE = f"{FOLDER}/state.json"
MANIFEST = f"{FOLDER}/manifest.json"
STAMPS = f"{FOLDER}/stamps"

FORMAT = "envbuild-state"
VERSION = 1


@frozen
class State:
    """The environment as the last transaction left it.

    Attributes:
        environment: the environment digest.
        prefix: where it was made; one that was moved has scripts that lead elsewhere.
        interpreter: path that `bin/python` leads to.
        store: the store that it is made from.
        link_mode: how files were placed.
        generation: how many transactions there have been.
        footprints: sorted by name, with the skeleton's first.
    """

    environment: Digest
    prefix: str
    interpreter: str
    store: str
    link_mode: str
    generation: int
    footprints: tuple[Footprint, ...]

    def encode(self) -> bytes:
        """Return the content of `state.json`."""
        document = {
            "format": FORMAT,
            "version": VERSION,
            "environment": self.environment,
            "prefix": self.prefix,
            "interpreter": self.interpreter,
            "store": self.store,
            "link_mode": self.link_mode,
            "generation": self.generation,
            "footprints": [footprint.as_tuple() for footprint in self.footprints],
        }
        return (plain_json.dumps(document) + "\n").encode()


def read_state(prefix: str) -> State | None:
    """Return the state of the environment at `prefix`, `None` where there is none of ours."""
    try:
        with open(f"{prefix}/{STATE}", "rb") as file:
            document = plain_json.loads(file.read().decode("ascii"))
        if (document["format"], document["version"]) != (FORMAT, VERSION):
            return None
        return State(
            environment=document["environment"],
            prefix=document["prefix"],
            interpreter=document["interpreter"],
            store=document["store"],
            link_mode=document["link_mode"],
            generation=document["generation"],
            footprints=tuple(Footprint.from_tuple(row) for row in document["footprints"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def stamped_paths(footprints: tuple[Footprint, ...], scheme: Scheme) -> tuple[str, ...]:
    """Return what is stamped: the folders that every installer changes, and each `.dist-info`."""
    folders = {scheme.purelib, scheme.platlib, scheme.scripts}
    infos = (footprint.info for footprint in footprints if footprint.info)
    return (*sorted(folders), CONFIGURATION, *infos)


def take_stamps(prefix: str, paths: tuple[str, ...], kept: Mapping[str, str]) -> bytes:
    """Return the content of `stamps`: `time path` lines.

    Args:
        prefix: of the environment, whose times are taken as they are now.
        paths: of what is stamped.
        kept: times of paths that are not to have changed since, for those that it has.
    """
    times = ((kept.get(path) or _time(f"{prefix}/{path}"), path) for path in paths)
    return "".join(f"{time} {path}\n" for time, path in times).encode()


def read_stamps(prefix: str) -> dict[str, str] | None:
    """Return the times that are recorded, by path, `None` where there are none."""
    try:
        with open(f"{prefix}/{STAMPS}", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, ValueError):
        return None
    recorded = (line.partition(" ") for line in lines)
    return {path: time for time, _, path in recorded}


def changed_since(prefix: str, stamps: Mapping[str, str]) -> frozenset[str]:
    """Return the stamped paths whose time is another now.

    An empty set means that nothing was installed or removed behind our back.
    """
    return frozenset(path for path, time in stamps.items() if time != _time(f"{prefix}/{path}"))


def _time(path: str) -> str:
    try:
        return str(os.lstat(path).st_mtime_ns)
    except OSError:
        return "-1"
