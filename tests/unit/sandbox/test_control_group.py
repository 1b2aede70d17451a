"""Limits that the kernel holds, where the tests may make control groups."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from envbuild.sandbox.control_group import ControlGroup, make_group
from envbuild.sandbox.model import LADDER, Limits
from support.sandboxes import Place, place

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = 250_000_000


@pytest.fixture
def group() -> Iterator[ControlGroup]:
    made = make_group(MEMORY, 50)
    if made is None:
        pytest.skip("no control group is delegated to whoever runs the tests")
    yield made
    made.kill()
    made.remove()


def test_no_group_is_made_without_a_limit() -> None:
    assert make_group(None, None) is None


USES = "import time; held = b'x' * 400_000_000; print('still here'); time.sleep(60)"
FORKS = """
import os, time
for _ in range(400):
    if not os.fork():
        time.sleep(60)
        os._exit(0)
"""


@pytest.fixture(params=LADDER)
def own(request: pytest.FixtureRequest, group: ControlGroup) -> Iterator[Place]:
    assert group.held == {"memory", "processes"}
    yield from place("self", request.param)


def test_too_much_memory_is_not_to_be_had(own: Place) -> None:
    ran = own.runs_python(USES, limits=Limits(memory=MEMORY, seconds=50))
    assert ran.outcome.ended == "memory"
    assert ran.lines == []


def test_too_many_processes_are_not_to_be_had(own: Place) -> None:
    ran = own.runs_python(FORKS, limits=Limits(processes=50, seconds=50))
    assert ran.outcome.ended == "processes"
    assert "BlockingIOError" in ran.log


def test_the_group_goes_with_the_program(own: Place, group: ControlGroup) -> None:
    folder = os.path.dirname(group._path)
    before = sorted(os.listdir(folder))
    assert own.runs("/bin/true").outcome.succeeded
    assert sorted(os.listdir(folder)) == before
