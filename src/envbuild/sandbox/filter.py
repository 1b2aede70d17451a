"""The system calls that a program in a sandbox is refused: a seccomp program, assembled.

It closes what namespaces and Landlock leave open. Sockets of a virtual machine's host (`AF_VSOCK`) are
in no network namespace; the kernel's key rings are in no namespace of the user's; `io_uring` opens
sockets that no filter sees. Without a network namespace, it is the filter alone that refuses sockets.
Whatever is refused looks like a kernel that does not have it, or like a machine without a network, so
that programs take the way they have for that.

The form is classic BPF, as `seccomp(2)` takes it: instructions of eight bytes, in the byte order of the
machine; every machine in the table below is little-endian.
"""

from __future__ import annotations

from struct import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_X86_64 = {
    "socket": 41,
    "shmget": 29,
    "semget": 64,
    "msgget": 68,
    "mq_open": 240,
    "prlimit64": 302,
    "truncate": 76,
    "open": 2,
    "openat": 257,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
}
_GENERIC = {
    "socket": 198,
    "shmget": 194,
    "semget": 190,
    "msgget": 186,
    "mq_open": 180,
    "prlimit64": 261,
    "truncate": 45,
    "openat": 56,
    "add_key": 217,
    "request_key": 218,
    "keyctl": 219,
}
_EVERYWHERE = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "openat2": 437,
}
_MACHINES = {
    "x86_64": (0xC000003E, _X86_64),
    "aarch64": (0xC00000B7, _GENERIC),
    "riscv64": (0xC00000F3, _GENERIC),
    "loongarch64": (0xC0000102, _GENERIC),
}
"""The number of the calling convention (`AUDIT_ARCH_…`), and those of its system calls."""

_X32 = 0x40000000
"""Where the numbers of a second convention begin that x86-64 reports under the name of the first."""

_KEYS = ("add_key", "request_key", "keyctl")
_RINGS = ("io_uring_setup", "io_uring_enter", "io_uring_register")
_SHARED = ("shmget", "semget", "msgget", "mq_open")

_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_EPERM, _EACCES, _ENOSYS, _EAFNOSUPPORT, _ENETUNREACH = 1, 13, 38, 97, 101
_ACCESS_MODE, _TRUNCATE = 3, 0o1000
"""Bits of `open`'s flags; the same on all machines of the table."""

_TRUNCATE_RULED = 3
"""The version of Landlock that rules over truncation."""

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
"""Offsets in what a filter is given to look at."""


def is_known(machine: str) -> bool:
    """Tell whether there is a filter for `machine`, named as by `uname`."""
    return machine in _MACHINES


def sealed_filter(machine: str, *, unix: bool) -> bytes:
    """Return the filter for a program in namespaces of its own; `unix` permits named sockets."""
    families = (_INET, _INET6, _NETLINK, *((_UNIX,) if unix else ()))
    return _assemble(machine, refused=(*_KEYS, *_RINGS), families=families)


def confined_filter(machine: str, *, network: bool, landlock: int) -> bytes:
    """Return the filter for a program that shares the machine's namespaces.

    Named sockets are refused with the rest: Landlock does not rule over them, and one of them may be
    that of a service which does everything it is asked to.

    Args:
        machine: as `uname` names it.
        network: permit Internet sockets.
        landlock: the version of Landlock; what an early one does not rule over is refused here.
    """
    return _assemble(
        machine,
        refused=(*_KEYS, *_RINGS, *_SHARED),
        families=(_INET, _INET6, _NETLINK) if network else (),
        shared=True,
        truncation=landlock < _TRUNCATE_RULED,
    )


def _assemble(
    machine: str,
    *,
    refused: Iterable[str],
    families: Iterable[int],
    shared: bool = False,
    truncation: bool = False,
) -> bytes:
    convention, numbers = _MACHINES[machine]
    numbers = numbers | _EVERYWHERE
    program = [
        _instruction(_LOAD, _MACHINE),
        # Programs for another convention, 32-bit ones, get no system call at all.
        *_unless(_JUMP_EQUAL, convention, _refuse(_ENOSYS)),
        _instruction(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        program += _when(_JUMP_AT_LEAST, _X32, [_refuse(_ENOSYS)])
    for name in refused:
        program += _when(_JUMP_EQUAL, numbers[name], [_refuse(_ENOSYS)])
    if shared:
        program += _when(_JUMP_EQUAL, numbers["prlimit64"], _own_limits())
    if truncation:
        program += _when(_JUMP_EQUAL, numbers["truncate"], [_refuse(_EACCES)])
        program += _when(_JUMP_EQUAL, numbers["openat2"], [_refuse(_ENOSYS)])
        program += _when(_JUMP_EQUAL, numbers["openat"], _no_truncation(argument=2))
        if "open" in numbers:
            program += _when(_JUMP_EQUAL, numbers["open"], _no_truncation(argument=1))
    program += _when(_JUMP_EQUAL, numbers["socket"], _only(families))
    program.append(_instruction(_RETURN, _ALLOW))
    return b"".join(program)


def _own_limits() -> list[bytes]:
    """Refuse to change the limits of another process, which would be a way to end it."""
    return [
        _instruction(_LOAD, _ARGUMENTS),
        *_unless(_JUMP_EQUAL, 0, _refuse(_EPERM)),
        _instruction(_RETURN, _ALLOW),
    ]


def _no_truncation(argument: int) -> list[bytes]:
    """Refuse to open a file to be truncated, unless it is opened for writing, which is ruled over."""
    return [
        _instruction(_LOAD, _ARGUMENTS + 8 * argument),
        _instruction(_AND, _ACCESS_MODE | _TRUNCATE),
        *_when(_JUMP_EQUAL, _TRUNCATE, [_refuse(_EACCES)]),
        *_when(_JUMP_EQUAL, _TRUNCATE | _ACCESS_MODE, [_refuse(_EACCES)]),
        _instruction(_RETURN, _ALLOW),
    ]


def _only(families: Iterable[int]) -> list[bytes]:
    """Allow sockets of `families` alone."""
    program = [_instruction(_LOAD, _ARGUMENTS)]
    for family in families:
        program += _when(_JUMP_EQUAL, family, [_instruction(_RETURN, _ALLOW)])
    for family in (_INET, _INET6):
        program += _when(_JUMP_EQUAL, family, [_refuse(_ENETUNREACH)])
    program.append(_refuse(_EAFNOSUPPORT))
    return program


def _when(test: int, value: int, then: list[bytes]) -> list[bytes]:
    return [_instruction(test, value, otherwise=len(then)), *then]


def _unless(test: int, value: int, then: bytes) -> list[bytes]:
    return [_instruction(test, value, met=1), then]


def _refuse(number: int) -> bytes:
    return _instruction(_RETURN, _REFUSE | number)


def _instruction(code: int, value: int, *, met: int = 0, otherwise: int = 0) -> bytes:
    """Return one instruction; a jump skips `met` or `otherwise` instructions."""
    return pack("<HBBI", code, met, otherwise, value)
