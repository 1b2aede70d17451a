from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from envbuild import interruption
from envbuild.interruption import run_program
from envbuild.store import locks
from support.processes import processes_with, vanish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MINUTES = 300


def in_a_thread(work: Callable[[], object], told: threading.Event) -> BaseException | None:
    """Run `work` in a thread that is told to give up after a moment; return what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        interruption.ask(told.is_set)
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is what is asked for
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.2)
    assert thread.is_alive()
    told.set()
    thread.join(MINUTES)
    return raised[0] if raised else None


def test_nobody_is_asked_where_nobody_was_named() -> None:
    assert not interruption.can_ask()
    interruption.give_way()


def test_a_thread_that_waits_for_a_lock_gives_up(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with locks.wait_for_mutex(path):
        error = in_a_thread(lambda: locks.wait_for_mutex(path), threading.Event())
    assert isinstance(error, KeyboardInterrupt)
    with locks.wait_for_mutex(path):
        pass


def test_a_thread_that_waits_for_a_lock_gets_it(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    held = locks.wait_for_mutex(path)
    taken = threading.Event()

    def take() -> None:
        interruption.ask(lambda: False)
        with locks.wait_for_mutex(path):
            taken.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert not taken.wait(0.2)
    held.release()
    assert taken.wait(MINUTES)
    thread.join()


def test_a_thread_that_waits_for_a_program_gives_up_and_ends_it() -> None:
    variable = f"MARK=program-{os.getpid()}"
    environ = dict([variable.split("=")])
    error = in_a_thread(
        lambda: run_program(("/bin/sleep", str(MINUTES)), environ=environ), threading.Event()
    )
    assert isinstance(error, KeyboardInterrupt)
    assert processes_with(variable) == []


def test_a_program_may_take_so_long() -> None:
    variable = f"MARK=late-{os.getpid()}"
    environ = dict([variable.split("=")])
    with pytest.raises(TimeoutError):
        run_program(("/bin/sleep", str(MINUTES)), environ=environ, seconds=0.2)
    vanish(variable)


def test_what_a_program_reads_and_prints_may_be_much(tmp_path: Path) -> None:
    code = (
        "import sys, time; data = sys.stdin.buffer.read(); time.sleep(0.3);"
        "sys.stdout.buffer.write(data[::-1]); sys.stderr.write(__import__('os').getcwd()); exit(3)"
    )
    data = os.urandom(2**20)
    done = run_program((sys.executable, "-c", code), environ={}, folder=str(tmp_path), data=data)
    assert (done.returncode, done.stdout) == (3, data[::-1])
    assert done.stderr.decode() == os.path.realpath(tmp_path)
