"""Why a rung is missing, in words, and what would help."""

from __future__ import annotations

import errno

import pytest

from envbuild.sandbox.machine import Machine, Missing, SandboxUnavailable, choose, machine_from_json
from envbuild.sandbox.missing import APPARMOR, CLONE, MAXIMUM, explain

CASES = [
    ("unshare", errno.EPERM, "", {}, "refused, as in a container", "seccomp=unconfined"),
    ("unshare", errno.EPERM, "", {CLONE: "0"}, "switched off", f"set `{CLONE}` to 1"),
    ("unshare", errno.ENOSPC, "", {MAXIMUM: "0"}, "switched off", f"set `{MAXIMUM}`"),
    ("/proc/self/uid_map", errno.EACCES, "", {APPARMOR: "1"}, "AppArmor", f"set `{APPARMOR}` to 0"),
    ("mount", errno.ENOSYS, "", {}, "too old", "5.12"),
    ("/x/proc", errno.EPERM, "", {}, "partly hidden", "systempaths=unconfined"),
    (
        "bubblewrap", 0, "bwrap: Can't mount proc on /newroot/proc: Operation not permitted", {},
        "partly hidden", "systempaths=unconfined",
    ),
    (
        "bubblewrap", 0, "bwrap: No permissions to create new namespace, likely because …", {},
        "refused, as in a container", "seccomp=unconfined",
    ),
    (
        "bubblewrap", 0, "bwrap: setting up uid map: Permission denied", {APPARMOR: "1"},
        "AppArmor", f"set `{APPARMOR}` to 0",
    ),
    ("bubblewrap", 0, "bwrap: Unknown option --size", {}, "Unknown option", "0.7 or newer"),
    ("bubblewrap", 0, "bwrap: something new\n", {}, "bwrap: something new", None),
    ("", 0, "line\nevery file can be read in it\n", {}, "every file can be read in it", None),
    ("", 0, "", {}, "the trial failed", None),
]  # fmt: skip


@pytest.mark.parametrize(("what", "number", "said", "settings", "reason", "remedy"), CASES)
def test_a_cause_is_recognised(
    what: str, number: int, said: str, settings: dict[str, str], reason: str, remedy: str | None
) -> None:
    found = explain("namespaces", what=what, number=number, said=said, settings=settings)
    assert found.rung == "namespaces"
    assert reason in found.reason
    if remedy is None:
        assert found.remedy is None
    else:
        assert found.remedy is not None
        assert remedy in found.remedy


def machine(*missing: Missing) -> Machine:
    return Machine(
        identity=("a", "b"), architecture="x86_64", landlock=7, bubblewrap="/usr/bin/bwrap",
        missing=missing,
    )  # fmt: skip


NO_BUBBLEWRAP = Missing(rung="bubblewrap", reason="no `bwrap`", remedy="install it")
NO_NAMESPACES = Missing(rung="namespaces", reason="refused", remedy="permit them")
NO_LANDLOCK = Missing(rung="landlock", reason="too old", remedy=None)


def test_the_strictest_rung_that_works_is_chosen() -> None:
    assert choose(machine()) == "bubblewrap"
    assert choose(machine(NO_BUBBLEWRAP)) == "namespaces"
    assert choose(machine(NO_BUBBLEWRAP, NO_NAMESPACES, NO_LANDLOCK)) == "none"
    assert choose(machine(), {"landlock", "none"}) == "landlock"


def test_what_is_missing_is_told_for_every_rung_that_would_have_done() -> None:
    known = machine(NO_BUBBLEWRAP, NO_NAMESPACES, NO_LANDLOCK)
    with pytest.raises(SandboxUnavailable) as caught:
        choose(known, {"namespaces", "bubblewrap"})
    error = caught.value
    assert error.accepted == ("bubblewrap", "namespaces")
    assert "`bubblewrap`: no `bwrap`\n" in error.message
    assert "`namespaces`: refused" in error.message
    assert "which has `none`" in error.message
    assert "landlock" not in error.message
    assert error.hint == "install it; or permit them"


@pytest.mark.parametrize(
    "known", [machine(), machine(NO_BUBBLEWRAP, NO_LANDLOCK)], ids=["complete", "partial"]
)
def test_a_machine_is_remembered(known: Machine) -> None:
    assert machine_from_json(known.as_json()) == known


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {**machine().as_json(), "landlock": "7"},
        {**machine().as_json(), "missing": [["unheard-of", "x", None]]},
        {**machine().as_json(), "missing": [["none", 1, None]]},
    ],
)
def test_anything_else_is_no_machine(data: object) -> None:
    assert machine_from_json(data) is None  # type: ignore[arg-type]
