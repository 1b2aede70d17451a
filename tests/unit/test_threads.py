"""Threads that are waited for: an interrupted wait has to be begun again, not to be believed."""

from __future__ import annotations

import signal
import threading
from queue import SimpleQueue

import pytest

from envbuild.threads import Worker, wait_for_all
from support.processes import child

MINUTES = 300

INTERRUPTED = """
import signal, sys, time
from envbuild.threads import Worker, wait_for_all

class Asked(BaseException):
    pass

def asked(number, frame):
    raise Asked

signal.signal(signal.SIGTERM, asked)
done = []

def work():
    sys.stdin.readline()
    time.sleep(0.2)
    done.append(True)

workers = [Worker(work), Worker(lambda: None)]
for worker in workers:
    worker.start()
for _ in range(2):
    try:
        print("waiting", flush=True)
        wait_for_all(workers)
    except Asked:
        print("interrupted", flush=True)
wait_for_all(workers)
print(done, flush=True)
"""


def test_a_wait_that_is_interrupted_can_be_begun_again() -> None:
    with child(INTERRUPTED) as process:
        for _ in range(2):
            assert process.reads() == "waiting"
            process.is_sent(signal.SIGTERM)
            assert process.reads() == "interrupted"
        process.goes_on()
        assert process.reads() == "[True]"
        assert process.ends() == 0


def test_what_has_not_been_started_is_not_waited_for() -> None:
    wait_for_all([Worker(lambda: None)])


def test_work_that_fails_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    told: SimpleQueue[type[BaseException]] = SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", lambda fault: told.put(fault.exc_type))

    def fail() -> None:
        raise ValueError

    worker = Worker(fail)
    worker.start()
    worker.wait()
    assert told.get(timeout=MINUTES) is ValueError
