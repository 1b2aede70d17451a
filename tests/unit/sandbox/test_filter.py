"""The filter of system calls, run by an interpreter for its instructions that is written here."""

from __future__ import annotations

import errno
import struct
from itertools import product

import pytest

from envbuild.sandbox.filter import confined_filter, is_known, sealed_filter

ALLOW = "allow"
X86_64, I386, AARCH64, RISCV64 = 0xC000003E, 0x40000003, 0xC00000B7, 0xC00000F3
CONVENTIONS = {"x86_64": X86_64, "aarch64": AARCH64, "riscv64": RISCV64, "loongarch64": 0xC0000102}
SOCKET = {"x86_64": 41, "aarch64": 198, "riscv64": 198, "loongarch64": 198}
FAMILIES = {"unix": 1, "inet": 2, "inet6": 10, "netlink": 16, "packet": 17, "alg": 38, "vsock": 40}


def judged(program: bytes, convention: int, number: int, *arguments: int) -> str:
    """Return what becomes of a system call: `allow`, or the name of an error."""
    values = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<iIQ6Q", number, convention, 0, *(each & (1 << 64) - 1 for each in values))
    instructions = list(struct.iter_unpack("<HBBI", program))
    accumulator, position = 0, 0
    while True:
        code, met, otherwise, value = instructions[position]
        position += 1
        match code:
            case 0x20:
                assert value % 4 == 0
                accumulator = int.from_bytes(data[value : value + 4], "little")
            case 0x54:
                accumulator &= value
            case 0x15:
                position += met if accumulator == value else otherwise
            case 0x35:
                position += met if accumulator >= value else otherwise
            case 0x06 if value == 0x7FFF0000:
                return ALLOW
            case 0x06:
                assert value >> 16 == 5
                return errno.errorcode[value & 0xFFFF]
            case _:
                raise AssertionError(hex(code))


def sockets(program: bytes, machine: str) -> dict[str, str]:
    convention, number = CONVENTIONS[machine], SOCKET[machine]
    return {name: judged(program, convention, number, family) for name, family in FAMILIES.items()}


@pytest.mark.parametrize("machine", CONVENTIONS)
def test_a_sealed_program_gets_sockets_of_its_own_network(machine: str) -> None:
    assert is_known(machine)
    assert sockets(sealed_filter(machine, unix=True), machine) == {
        "unix": ALLOW, "inet": ALLOW, "inet6": ALLOW, "netlink": ALLOW,
        "packet": "EAFNOSUPPORT", "alg": "EAFNOSUPPORT", "vsock": "EAFNOSUPPORT",
    }  # fmt: skip
    assert sockets(sealed_filter(machine, unix=False), machine)["unix"] == "EAFNOSUPPORT"


@pytest.mark.parametrize("machine", CONVENTIONS)
def test_a_confined_program_gets_no_socket_but_with_a_permission(machine: str) -> None:
    refused = sockets(confined_filter(machine, network=False, landlock=7), machine)
    assert refused == {
        "unix": "EAFNOSUPPORT", "inet": "ENETUNREACH", "inet6": "ENETUNREACH",
        "netlink": "EAFNOSUPPORT", "packet": "EAFNOSUPPORT", "alg": "EAFNOSUPPORT",
        "vsock": "EAFNOSUPPORT",
    }  # fmt: skip
    permitted = sockets(confined_filter(machine, network=True, landlock=7), machine)
    assert {name for name, answer in permitted.items() if answer == ALLOW} == {
        "inet", "inet6", "netlink",
    }  # fmt: skip


@pytest.mark.parametrize("family", [1, 2, 40])
def test_upper_bits_of_a_family_hide_nothing(family: int) -> None:
    # The kernel looks at the lower half alone.
    program = confined_filter("x86_64", network=False, landlock=7)
    plain = judged(program, X86_64, 41, family)
    assert judged(program, X86_64, 41, 1 << 32 | family) == plain != ALLOW


FILTERS = [
    sealed_filter("x86_64", unix=True),
    sealed_filter("x86_64", unix=False),
    *(
        confined_filter("x86_64", network=network, landlock=landlock)
        for network, landlock in product((True, False), (1, 2, 3, 7))
    ),
]


@pytest.mark.parametrize("program", FILTERS)
def test_other_conventions_of_the_processor_get_nothing(program: bytes) -> None:
    for number in range(500):
        assert judged(program, I386, number) == "ENOSYS"
        assert judged(program, X86_64, 0x40000000 | number) == "ENOSYS"


KEYS_AND_RINGS = {248, 249, 250, 425, 426, 427}
SHARED_MEMORY = {29, 64, 68, 240}
RULED_LATER = {76, 437}


@pytest.mark.parametrize("program", FILTERS)
def test_keys_and_rings_are_never_there(program: bytes) -> None:
    assert {judged(program, X86_64, number) for number in KEYS_AND_RINGS} == {"ENOSYS"}


def test_everything_else_is_allowed() -> None:
    for program in FILTERS:
        refused = {number for number in range(470) if judged(program, X86_64, number) != ALLOW} - {
            41
        }
        assert refused - KEYS_AND_RINGS - SHARED_MEMORY - RULED_LATER == set()
    assert judged(FILTERS[0], X86_64, 29) == ALLOW
    assert judged(FILTERS[-1], X86_64, 29) == "ENOSYS"


def test_limits_of_other_processes_stay_theirs() -> None:
    program = confined_filter("x86_64", network=False, landlock=7)
    assert judged(program, X86_64, 302, 0, 7) == ALLOW
    assert judged(program, X86_64, 302, 4321, 7) == "EPERM"
    assert judged(sealed_filter("x86_64", unix=True), X86_64, 302, 4321) == ALLOW


OPENS = [(2, 1), (257, 2)]


@pytest.mark.parametrize(("number", "argument"), OPENS)
@pytest.mark.parametrize("landlock", [1, 2, 3])
def test_truncation_that_an_early_landlock_does_not_rule_over_is_refused(
    number: int, argument: int, landlock: int
) -> None:
    program = confined_filter("x86_64", network=False, landlock=landlock)

    def opened(flags: int) -> str:
        return judged(program, X86_64, number, *([0] * argument), flags)

    refused = ALLOW if landlock >= 3 else "EACCES"
    truncate, create, close_on_exec = 0o1000, 0o100, 0o2000000
    for mode, more in product((0, 1, 2), (0, create, close_on_exec)):
        assert opened(mode | more) == ALLOW
        assert opened(mode | more | truncate) == (refused if mode == 0 else ALLOW)
    assert opened(3 | truncate) == refused
    assert judged(program, X86_64, 76) == refused
    assert judged(program, X86_64, 437) == (ALLOW if landlock >= 3 else "ENOSYS")


def test_there_is_no_filter_for_processors_without_a_table() -> None:
    assert not is_known("s390x")
    assert not is_known("armv7l")
