"""From a request to an order: what exactly has to be done to run one program on one rung.

Pure: facts about the machine come in as arguments. An order is plain data and goes to a process that
has to start quickly (`supervisor`); so it is made of what `marshal` carries.

On the rungs with fixed paths, the program gets a root of its own, made of `mounts`: the system's
programs and libraries, the few files of `/etc` that they need, devices that hold nothing, what the
request lists, and the build folder. Everything but the build folder and `/dev/shm` is read-only, the
root and `/proc` as well: who is the superuser outside still owns the kernel's settings.

Landlock takes away what a program could otherwise do to the rest of the machine: on its own rung, to
read or write any other file. It adds to every rung that no abstract socket and no process outside can
be reached, where the kernel is new enough for it.
"""

from __future__ import annotations

import posixpath

from envbuild.frozen import frozen
from envbuild.sandbox.filter import confined_filter, is_known, sealed_filter
from envbuild.sandbox.model import (
    FOLDER,
    HOME,
    HOST_NAME,
    TEMPORARY,
    USER_ID,
    USER_NAME,
    guarantees,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypedDict

    from envbuild.sandbox.machine import Machine
    from envbuild.sandbox.model import Request, Rung

    Mount = (
        tuple[Literal["bind"], str, str, Literal["read", "write", "device"]]
        | tuple[Literal["folder"], str]
        | tuple[Literal["link"], str, str]
        | tuple[Literal["text"], str, str]
        | tuple[Literal["memory"], str, int]
        | tuple[Literal["proc"], str]
    )
    """One thing in the new root, the outer path or the content before or behind the inner path:

    `bind` (outer, inner, how), `folder` (inner), `link` (inner, where it leads), `text` (inner, content),
    `memory` (inner, size in bytes), `proc` (inner).
    """

    Rules = tuple[int, int, int, tuple[tuple[str, int], ...]]
    """What Landlock rules over: kinds of access to files, to the network, scopes; and exceptions, each a
    path and the kinds of access that are allowed in it."""

    class Order(TypedDict):
        """What the supervisor needs to know; paths are those inside but in `folder` and `mounts`.

        `host`, `user` and `mounts` matter on rungs with namespaces, `bubblewrap` on its own; `rules` is
        `None` and `filter` empty where nothing is to be refused.
        """

        rung: Rung
        argv: tuple[str, ...]
        cwd: str
        variables: dict[str, str]
        folder: str
        network: bool
        host: str
        user: int
        bubblewrap: str
        mounts: tuple[Mount, ...]
        rules: Rules | None
        filter: bytes
        seconds: float | None
        memory: int | None
        disk: int | None
        processes: int | None


SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
)
"""Where a system keeps programs and libraries."""

CONFIGURATION = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")
"""What programs and the linker need to find each other."""

NETWORK_CONFIGURATION = (
    "/etc/ca-certificates",
    "/etc/hosts",
    "/etc/pki",
    "/etc/resolv.conf",
    "/etc/ssl",
)
"""What those need in addition that may use the network."""

ACCOUNTS = ("/etc/group", "/etc/hosts", "/etc/nsswitch.conf", "/etc/passwd")
"""What is made up where paths can be, and shown where not."""

DEVICES = ("/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - its fixed place
_SHARED_MEMORY_SIZE = 1024**3


@frozen
class System:
    """Which of the paths above exist on a machine.

    Attributes:
        present: those that are files or folders.
        links: those that are symbolic links, and where they lead.
    """

    present: frozenset[str]
    links: tuple[tuple[str, str], ...]


def plan(request: Request, rung: Rung, machine: Machine, system: System) -> Order:
    """Return the order that carries out `request` on `rung`."""
    for each in request.reads:
        assert guarantees(rung, network=False).fixed or each.outer == each.inner
    sealed = rung in {"bubblewrap", "namespaces"}
    return {
        "rung": rung,
        "argv": request.argv,
        "cwd": request.cwd,
        # bubblewrap sets it, so all do.
        "variables": {**request.variables, "PWD": request.cwd},
        "folder": request.folder,
        "network": request.network,
        "host": HOST_NAME,
        "user": USER_ID,
        "bubblewrap": machine.bubblewrap or "",
        "mounts": _mounts(request, system) if sealed else (),
        "rules": _rules(request, rung, machine.landlock, system),
        "filter": _filter(request, rung, machine),
        "seconds": request.limits.seconds,
        "memory": request.limits.memory,
        "disk": request.limits.disk,
        "processes": request.limits.processes,
    }


def _mounts(request: Request, system: System) -> tuple[Mount, ...]:
    """Return what the root is made of, in the order in which it has to be put there."""
    mounts: list[Mount] = []
    taken = set()
    visible = [*SYSTEM, *CONFIGURATION, *(NETWORK_CONFIGURATION if request.network else ())]
    for path in visible:
        if path in system.present:
            mounts.append(("bind", path, path, "read"))
            taken.add(path)
    for path, target in system.links:
        # A link of the configuration may lead to a place that does not exist inside.
        if path in SYSTEM:
            # Relative, since until the end the new root is not at `/`.
            mounts.append(("link", path, target.lstrip("/")))
        elif path in visible:
            mounts.append(("bind", path, path, "read"))
            taken.add(path)
    for path, text in _accounts():
        if path not in taken:
            mounts.append(("text", path, text))
    mounts.append(("proc", "/proc"))
    mounts.extend(("bind", path, path, "device") for path in DEVICES)
    mounts.append(("memory", SHARED_MEMORY, _SHARED_MEMORY_SIZE))
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        mounts.append(("link", f"/dev/{name}", f"/proc/self/fd{target}"))
    places = [*(each.inner for each in request.reads), *request.writes]
    temporary = f"{request.folder}/{TEMPORARY}"
    # Nothing is ever put into a place that an earlier program could write to: it might have left a
    # link there. So a place with something to be read in it stays a folder of the root.
    mounts.extend(
        ("bind", temporary, path, "write")
        for path in ("/tmp", "/var/tmp")  # noqa: S108 - what programs use that ask for no other
        if not any(f"{place}/".startswith(f"{path}/") for place in places)
    )
    # What contains others comes before them.
    shown: list[Mount] = [("bind", each.outer, each.inner, "read") for each in request.reads]
    shown += [("bind", path, path, "write") for path in request.writes]
    mounts.extend(sorted(shown, key=_inner))
    mounts.append(("bind", request.folder, FOLDER, "write"))
    return _with_folders(mounts)


def _with_folders(mounts: list[Mount]) -> tuple[Mount, ...]:
    """Put before each mount the folders above it that are in no other mount."""
    made = {"/"}
    bound: set[str] = set()
    complete: list[Mount] = []
    for mount in mounts:
        inner = mount[2] if mount[0] == "bind" else mount[1]
        above = _folders_above(inner)
        if bound.isdisjoint(above):
            for folder in above:
                if folder not in made:
                    made.add(folder)
                    complete.append(("folder", folder))
        if mount[0] == "bind":
            bound.add(inner)
        made.add(inner)
        complete.append(mount)
    return tuple(complete)


def _folders_above(path: str) -> list[str]:
    """Return the folders that contain `path`, the outermost first, without the root."""
    names = path.strip("/").split("/")[:-1]
    return ["/" + "/".join(names[:count]) for count in range(1, len(names) + 1)]


def _inner(mount: Mount) -> str:
    assert mount[0] == "bind"
    return posixpath.normpath(mount[2])


def _accounts() -> tuple[tuple[str, str], ...]:
    """Return the files of `/etc` that are the same for everyone."""
    user = f"{USER_NAME}:x:{USER_ID}:{USER_ID}:{USER_NAME}:{FOLDER}/{HOME}:/bin/sh\n"
    return (
        ("/etc/group", f"root:x:0:\n{USER_NAME}:x:{USER_ID}:\nnogroup:x:65534:\n"),
        ("/etc/hosts", f"127.0.0.1 {HOST_NAME}\n::1 {HOST_NAME}\n"),
        ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
        (
            "/etc/passwd",
            f"root:x:0:0:root:/:/bin/sh\n{user}nobody:x:65534:65534:nobody:/:/bin/sh\n",
        ),
    )


_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FILE_NAMES = 1 << 5 | 1 << 8
_REFER, _TRUNCATE, _DEVICE_CONTROL = 1 << 13, 1 << 14, 1 << 15
_FIRST_ACCESS = (1 << 13) - 1
_ADDED_ACCESS = ((2, _REFER), (3, _TRUNCATE), (5, _DEVICE_CONTROL))
_TCP_SINCE, _TCP = 4, 0b11
_SCOPES_SINCE, _SCOPES = 6, 0b11
"""Kinds of access, and the version of Landlock since which they are ruled over."""

_READ = _EXECUTE | _READ_FILE | _READ_FOLDER


def _rules(request: Request, rung: Rung, landlock: int, system: System) -> Rules | None:
    scopes = _SCOPES if landlock >= _SCOPES_SINCE else 0
    match rung:
        case "bubblewrap" | "namespaces":
            return (0, 0, scopes, ()) if scopes else None
        case "none":
            return None
        case "landlock":
            pass
    access = _FIRST_ACCESS
    for since, kinds in _ADDED_ACCESS:
        access |= kinds if landlock >= since else 0
    network = _TCP if landlock >= _TCP_SINCE and not request.network else 0
    visible = [*SYSTEM, *CONFIGURATION, *ACCOUNTS]
    if request.network:
        visible += NETWORK_CONFIGURATION
    links = {path for path, _ in system.links}
    exceptions = [
        *((path, _READ) for path in visible if path in system.present or path in links),
        *((each.outer, _READ) for each in request.reads),
        ("/proc", _READ),
        *((path, _READ_FILE | _WRITE_FILE | _TRUNCATE | _DEVICE_CONTROL) for path in DEVICES),
        (request.folder, access),
        *((path, access) for path in request.writes),
    ]
    if SHARED_MEMORY in system.present or SHARED_MEMORY in links:
        # Without it there are no locks between processes, hence no pools of processes in Python.
        kinds = _READ_FOLDER | _READ_FILE | _WRITE_FILE | _TRUNCATE | _FILE_NAMES
        exceptions.append((SHARED_MEMORY, kinds))
    return (access, network, scopes, tuple((path, kinds & access) for path, kinds in exceptions))


def _filter(request: Request, rung: Rung, machine: Machine) -> bytes:
    if rung == "none" or not is_known(machine.architecture):
        return b""
    if rung == "landlock":
        return confined_filter(
            machine.architecture, network=request.network, landlock=machine.landlock
        )
    # With the machine's network come the abstract sockets of its services.
    unix = not request.network or machine.landlock >= _SCOPES_SINCE
    return sealed_filter(machine.architecture, unix=unix)
