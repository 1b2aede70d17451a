"""Forked workers: who does what is left to them, what comes of it is not."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING, cast

import pytest

from envbuild.environment.workers import WorkerCrashed, run_in_workers, worker_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from envbuild.environment.workers import Plain

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")


def collected(jobs: Iterator[int], progress: Callable[[int], None]) -> Plain:
    done: list[Plain] = []
    for job in jobs:
        progress(1)
        done.append(job)
    return done


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("jobs", [0, 1, 40_000])
def test_every_job_is_done_once_and_told_of(jobs: int, count: int) -> None:
    told: list[int] = []
    results = run_in_workers(range(jobs), count, collected, told.append)
    assert len(results) == count
    done = [job for result in results for job in cast("list[int]", result)]
    assert sorted(done) == list(range(jobs))
    assert sum(told) == jobs


def test_one_slow_job_holds_nobody_up(tmp_path: Path) -> None:
    others_are_done = tmp_path / "others are done"

    def work(jobs: Iterator[int], progress: Callable[[int], None]) -> Plain:
        done: list[Plain] = []
        for job in jobs:
            if job == 49:
                others_are_done.touch()
            while job == 0 and not others_are_done.exists():
                time.sleep(0.01)
            done.append(job)
        return done

    results = run_in_workers(range(50), 2, work, lambda _: None)
    assert [0] in results


def test_a_mistake_in_a_worker_comes_back_with_its_traceback() -> None:
    def work(jobs: Iterator[int], progress: Callable[[int], None]) -> None:
        for job in jobs:
            assert job != 3, "not this one"

    with pytest.raises(WorkerCrashed, match="not this one"):
        run_in_workers(range(5), 2, work, lambda _: None)


def test_workers_that_are_killed_are_missed_however_much_is_left_to_do() -> None:
    def work(jobs: Iterator[int], progress: Callable[[int], None]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(WorkerCrashed, match="killed"):
        run_in_workers(range(40_000), 2, work, lambda _: None)


@pytest.mark.parametrize("count", [1, 3])
def test_none_is_left_where_the_wait_for_them_is_interrupted(tmp_path: Path, count: int) -> None:
    def work(jobs: Iterator[int], progress: Callable[[int], None]) -> None:
        while True:
            progress(1)
            (tmp_path / f"{os.getpid()}-{time.monotonic_ns()}").touch()

    def progress(_: int) -> None:
        raise KeyboardInterrupt

    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(KeyboardInterrupt):
        run_in_workers(range(40_000), count, work, progress)
    # What they worked in can be removed, and nothing comes after.
    shutil.rmtree(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before
    time.sleep(0.05)
    assert not tmp_path.exists()


def test_no_descriptor_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    run_in_workers(range(3), 2, collected, lambda _: None)
    run_in_workers(range(0), 2, collected, lambda _: None)
    assert len(os.listdir("/proc/self/fd")) == before


def test_there_are_no_more_workers_than_allowed() -> None:
    assert worker_count(1) == 1
    assert 1 <= worker_count(64) <= 64
