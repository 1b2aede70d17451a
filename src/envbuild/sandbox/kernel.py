"""System calls of Linux that Python has no function for, by `ctypes`.

Thin: each function is one call, or the few that belong together, and raises `OSError` with the kernel's
number and what it was about. The numbers of the newer calls are the same on every machine.
"""

from __future__ import annotations

import ctypes
import os
import sys

_libc = ctypes.CDLL(None, use_errno=True)

_PRCTL_DEATH_SIGNAL, _PRCTL_DUMPABLE, _PRCTL_SECCOMP = 1, 4, 22
_PRCTL_SUBREAPER, _PRCTL_NO_NEW_PRIVILEGES, _PRCTL_AMBIENT = 36, 38, 47
_KILL = 9
_SECCOMP_FILTER = 2
_AMBIENT_CLEAR = 4
_CAPABILITIES_VERSION = 0x20080522

NEW_NAMESPACES = 0x10000000 | 0x20000 | 0x20000000 | 0x8000000 | 0x4000000 | 0x2000000
"""Of users, mounts, processes, IPC, host names and control groups."""

NEW_NETWORK = 0x40000000

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_PRIVATE, _MS_REC = 2, 4, 8, 1 << 18, 1 << 14
_DETACH = 2

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_HERE = -100
_EMPTY_PATH, _RECURSIVE, _CLONE_TREE, _CLOSE_ON_EXEC = 0x1000, 0x8000, 1, 0o2000000
_MOVE_FROM_DESCRIPTOR = 4
_READ_ONLY, _NO_SUID, _NO_DEVICES = 1, 2, 4

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION = 1
_LANDLOCK_BELOW = 1

_SOCKET_DATAGRAM, _INET = 2, 2
_SET_INTERFACE_FLAGS = 0x8914
_INTERFACE_UP = 1


def _checked(result: int, about: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), about)
    return result


def _prctl(option: int, about: str, *arguments: int) -> None:
    values = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    _checked(_libc.prctl(option, *values), about)


def _call(number: int, about: str, *arguments: object) -> int:
    values = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *values), about)


def become_subreaper() -> None:
    """Become the parent of every process below this one whose own parent ends."""
    _prctl(_PRCTL_SUBREAPER, "subreaper", 1)


def die_with_parent() -> None:
    """Be killed when the parent ends."""
    _prctl(_PRCTL_DEATH_SIGNAL, "death signal", _KILL)


def hide_from_tracing() -> None:
    """Let no process of the same user trace this one."""
    _prctl(_PRCTL_DUMPABLE, "dumpable", 0)


def allow_tracing() -> None:
    """Undo `hide_from_tracing`."""
    _prctl(_PRCTL_DUMPABLE, "dumpable", 1)


def forgo_privileges() -> None:
    """Let no program that is executed from now on get more rights than this process has."""
    _prctl(_PRCTL_NO_NEW_PRIVILEGES, "no_new_privs", 1)


def drop_capabilities() -> None:
    """Give up every capability; after `forgo_privileges`, no program gets one back."""
    _prctl(_PRCTL_AMBIENT, "ambient capabilities", _AMBIENT_CLEAR)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    _checked(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


def install_filter(program: bytes) -> None:
    """Let every system call from now on pass through a seccomp program."""

    class _Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))

    form = _Program(len(program) // 8, program)
    result = _libc.prctl(_PRCTL_SECCOMP, ctypes.c_ulong(_SECCOMP_FILTER), ctypes.byref(form), 0, 0)
    _checked(result, "seccomp")


def landlock_version() -> int:
    """Return the version of Landlock; fails where the kernel has none or it is switched off."""
    return _call(_LANDLOCK_CREATE, "landlock", None, 0, _LANDLOCK_VERSION)


def restrict(
    files: int, network: int, scopes: int, exceptions: tuple[tuple[str, int], ...]
) -> None:
    """Take away kinds of access, but for exceptions, by Landlock; needs `forgo_privileges`."""
    import stat

    ruled = (ctypes.c_uint64 * 3)(files, network, scopes)
    ruleset = _call(_LANDLOCK_CREATE, "landlock", ctypes.byref(ruled), ctypes.sizeof(ruled), 0)
    for path, kinds in exceptions:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        allowed = kinds if folder else kinds & _KINDS_OF_FILES
        rule = allowed.to_bytes(8, sys.byteorder) + descriptor.to_bytes(4, sys.byteorder)
        _call(_LANDLOCK_ADD, path, ruleset, _LANDLOCK_BELOW, ctypes.c_char_p(rule), 0)
        os.close(descriptor)
    _call(_LANDLOCK_RESTRICT, "landlock", ruleset, 0)
    os.close(ruleset)


_KINDS_OF_FILES = 0b111 | 1 << 14 | 1 << 15
"""Execute, write, read, truncate, control a device: the rest is for folders."""


def unshare(namespaces: int, user: int) -> None:
    """Leave namespaces for new ones, and be `user`, user and group, in that of users.

    Of the namespace of processes, it is only children who leave.
    """
    outer_user, outer_group = os.geteuid(), os.getegid()
    _checked(_libc.unshare(namespaces), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {outer_user} 1\n"),
        ("gid_map", f"{user} {outer_group} 1\n"),
    ):
        _write(f"/proc/self/{name}", text)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(descriptor)


def set_host_name(name: str) -> None:
    """Change the host name of the new namespace."""
    data = name.encode()
    _checked(_libc.sethostname(data, len(data)), "sethostname")


def switch_loopback_on() -> None:
    """Let processes of the new network namespace reach each other at 127.0.0.1."""
    import fcntl
    import struct

    descriptor = _checked(_libc.socket(_INET, _SOCKET_DATAGRAM, 0), "socket")
    fcntl.ioctl(descriptor, _SET_INTERFACE_FLAGS, struct.pack("16sH14x", b"lo", _INTERFACE_UP))
    os.close(descriptor)


def keep_mounts_private() -> None:
    """Let nothing that is mounted here appear elsewhere."""
    _mount(None, "/", None, _MS_PRIVATE | _MS_REC)


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    _checked(_libc.mount(*texts, ctypes.c_ulong(flags), data.encode()), target)


def mount_memory(target: str, size: int) -> None:
    """Mount an empty file system in memory, of at most `size` bytes."""
    _mount("tmpfs", target, "tmpfs", _MS_NOSUID | _MS_NODEV, f"mode=0755,size={size}")


def mount_processes(target: str) -> None:
    """Mount `/proc` for the process namespace of this process, read-only."""
    _mount("proc", target, "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    make_read_only(target)


def make_read_only(target: str) -> None:
    """Make the mount at `target` read-only, but none below it."""
    _set_attributes(_HERE, target, 0, _READ_ONLY)


def take_tree(path: str, *, read_only: bool, devices: bool) -> int:
    """Return a descriptor of a copy of the mounts at and below `path`, attached nowhere."""
    flags = _CLONE_TREE | _RECURSIVE | _CLOSE_ON_EXEC
    descriptor = _call(_OPEN_TREE, path, _HERE, os.fsencode(path), flags)
    attributes = _NO_SUID | (_READ_ONLY if read_only else 0) | (0 if devices else _NO_DEVICES)
    _set_attributes(descriptor, "", _EMPTY_PATH | _RECURSIVE, attributes)
    return descriptor


def _set_attributes(folder: int, path: str, flags: int, attributes: int) -> None:
    form = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    size = ctypes.sizeof(form)
    about = path or "mount"
    _call(_MOUNT_SETATTR, about, folder, os.fsencode(path), flags, ctypes.byref(form), size)


def put_tree(descriptor: int, target: str) -> None:
    """Attach what `take_tree` returned at `target`, which exists."""
    place = os.fsencode(target)
    _call(_MOVE_MOUNT, target, descriptor, b"", _HERE, place, _MOVE_FROM_DESCRIPTOR)


def enter_root(root: str) -> None:
    """Make the mount at `root` the root of everything, and forget what was there before."""
    os.chdir(root)
    _checked(_libc.pivot_root(b".", b"."), root)
    _checked(_libc.umount2(b".", _DETACH), root)
    os.chdir("/")


def open_memory_file(name: str, data: bytes) -> int:
    """Return an inheritable descriptor from which `data` can be read."""
    descriptor = os.memfd_create(name, 0)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
