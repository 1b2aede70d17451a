"""What rungs guarantee, and what of that a build is known by."""

from __future__ import annotations

import pytest

from envbuild import canonical
from envbuild.sandbox.model import LADDER, Outcome, guarantees, identity, inside

LEVELS = {"bubblewrap": "sealed", "namespaces": "sealed", "landlock": "confined", "none": "bare"}


def test_every_rung_has_its_level() -> None:
    assert {rung: guarantees(rung, network=False).level for rung in LADDER} == LEVELS


def test_rungs_of_one_level_are_one_identity_and_others_are_not() -> None:
    known = {rung: canonical.encode(identity(rung, network=False)) for rung in LADDER}
    assert known["bubblewrap"] == known["namespaces"]
    assert len(set(known.values())) == 3


@pytest.mark.parametrize("rung", ["bubblewrap", "namespaces", "landlock"])
def test_a_permission_to_use_the_network_is_another_identity(rung: str) -> None:
    assert guarantees(rung, network=False).network == "none"  # type: ignore[arg-type]
    assert guarantees(rung, network=True).network == "host"  # type: ignore[arg-type]
    assert identity(rung, network=False) != identity(rung, network=True)  # type: ignore[arg-type]


def test_without_a_sandbox_the_network_is_always_there() -> None:
    assert identity("none", network=False) == identity("none", network=True)
    assert identity("none", network=False) == {"level": "bare", "network": "host", "policy": 1}


def test_paths_are_fixed_where_they_can_be() -> None:
    assert [inside(rung, "/outer/x", "/build") for rung in LADDER] == [
        "/build", "/build", "/outer/x", "/outer/x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ended", "exit_code", "succeeded"),
    [("finished", 0, True), ("finished", 1, False), ("finished", None, False), ("disk", 0, False)],
)
def test_only_what_finished_with_code_0_succeeded(
    ended: str, exit_code: int | None, succeeded: bool
) -> None:
    outcome = Outcome(
        ended=ended,  # type: ignore[arg-type]
        exit_code=exit_code,
        signal=None,
        duration_ms=1,
        rung="none",
    )
    assert outcome.succeeded is succeeded
