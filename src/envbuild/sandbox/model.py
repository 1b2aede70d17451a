"""What a sandbox is asked for, what it guarantees, and how a program in it ended.

Values alone: `plan` decides what they mean on a machine, `run` carries it out. The rungs are those of
one ladder, the strictest first. Two rungs that give a program the same view of the world are of one
level, and only the level takes part in what a build is known by.
"""

from __future__ import annotations

from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from envbuild.canonical import Json

    Rung = Literal["bubblewrap", "namespaces", "landlock", "none"]
    Level = Literal["sealed", "confined", "bare"]
    Ending = Literal["finished", "timeout", "memory", "output", "disk", "processes", "stopped"]

LADDER: tuple[Rung, ...] = ("bubblewrap", "namespaces", "landlock", "none")
"""Every rung, the strictest first. The first two guarantee the same."""

POLICY = 1
"""Raised by hand when what a program sees inside changes: paths, names, files, devices."""

FOLDER = "/build"
"""Where the build folder is on a rung with fixed paths."""

HOME = "home"
TEMPORARY = "tmp"
"""Names in the build folder that are the sandbox's own."""

HOST_NAME = "localhost"
USER_NAME = "builder"
USER_ID = 1000
"""Who the program is on a rung with fixed paths; the number serves for the group as well."""


@frozen
class Guarantees:
    """What holds on a rung, whatever the program does.

    Attributes:
        network: `none`, no socket leads out of the sandbox; `host`, all of the machine's network.
        files: `chosen`, nothing exists but what was listed; `confined`, nothing else can be read or
            written, though it can be seen to be there, and the modes, owners and time stamps of the
            user's own files can be changed; `open`, all that the user may do.
        processes: `hidden`, only those of the sandbox exist; `shielded`, others can be seen, but not
            traced (nor signalled, by a kernel that knows how to refuse it); `open`.
        fixed: the paths, the user and the host name are the same on every machine.
        ended: whatever was started is gone at the end; otherwise, only what neither multiplies nor
            changes its session faster than it can be found.
    """

    network: Literal["none", "host"]
    files: Literal["chosen", "confined", "open"]
    processes: Literal["hidden", "shielded", "open"]
    fixed: bool
    ended: bool

    @property
    def level(self) -> Level:
        """The name of all this, apart from the network."""
        if self.files == "chosen":
            return "sealed"
        return "confined" if self.files == "confined" else "bare"


def guarantees(rung: Rung, *, network: bool) -> Guarantees:
    """Return what `rung` guarantees; `network` says whether the program was permitted to use it."""
    shared: Literal["none", "host"] = "host" if network or rung == "none" else "none"
    match rung:
        case "bubblewrap" | "namespaces":
            return Guarantees(
                network=shared, files="chosen", processes="hidden", fixed=True, ended=True
            )
        case "landlock":
            return Guarantees(
                network=shared, files="confined", processes="shielded", fixed=False, ended=False
            )
        case "none":
            return Guarantees(
                network=shared, files="open", processes="open", fixed=False, ended=False
            )


def identity(rung: Rung, *, network: bool) -> dict[str, Json]:
    """Return what of a sandbox takes part in the identity of a build: level, network, policy."""
    held = guarantees(rung, network=network)
    return {"level": held.level, "network": held.network, "policy": POLICY}


def inside(rung: Rung, outer: str, fixed: str) -> str:
    """Return the path by which a program on `rung` knows `outer`: `fixed`, where paths can be."""
    return fixed if guarantees(rung, network=False).fixed else outer


@frozen
class Readable:
    """A file or folder that the program may read and execute.

    Attributes:
        outer: its absolute path.
        inner: its absolute path inside; the same as `outer` on a rung without fixed paths. Never
            `/`, nor in or above the build folder.
    """

    outer: str
    inner: str


@frozen
class Limits:
    """What a program may use, all processes that it starts together; `None` is no limit.

    Attributes:
        seconds: of wall-clock time.
        memory: bytes of memory that is not a cache of files. Exact where a control group is
            delegated to the user, else looked at several times a second.
        output: bytes that it may print.
        disk: bytes on disk in the build folder, looked at about every second; no single file can
            become larger.
        processes: how many may exist at a time; exact or looked at as `memory` is. Where the kernel
            counts, it counts threads as well.
    """

    seconds: float | None = None
    memory: int | None = None
    output: int = 64 * 1024 * 1024
    disk: int | None = None
    processes: int | None = 4096


@frozen
class Request:
    """One program to run. All paths but `folder` and `Readable.outer` are paths inside.

    Attributes:
        argv: the program, by path or by a name to be found on `PATH` of `variables`, and arguments.
        cwd: the working folder.
        variables: the complete environment, but for `PWD`, which is `cwd`.
        folder: absolute path of the build folder, outside. It exists and is, with `writes`, all that
            the program may write to. It has, or is given, the folders `home` and `tmp`.
        reads: what else it may read, beside the system.
        writes: absolute paths of folders that it may write to, each at the same path inside. None is
            `/`, nor in or above the build folder as it is inside.
        network: permit the use of the machine's network.
    """

    argv: tuple[str, ...]
    cwd: str
    variables: Mapping[str, str]
    folder: str
    reads: tuple[Readable, ...] = ()
    writes: tuple[str, ...] = ()
    network: bool = False
    limits: Limits = Limits()


@frozen
class Outcome:
    """How a program ended.

    Attributes:
        ended: `finished`, by itself or by a signal that the sandbox did not send; else the limit that
            it ran into, or `stopped` by request.
        exit_code: where it exited by itself.
        signal: the signal that ended it, where one did.
        duration_ms: wall-clock time in milliseconds, the sandbox's own start and end included.
        rung: where it ran.
    """

    ended: Ending
    exit_code: int | None
    signal: int | None
    duration_ms: int
    rung: Rung

    @property
    def succeeded(self) -> bool:
        """Whether it finished with exit code 0."""
        return self.ended == "finished" and self.exit_code == 0
