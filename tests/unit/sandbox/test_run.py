"""How programs end: by themselves, at a limit, from outside; and that nothing of them is left."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envbuild.sandbox.model import LADDER, Limits, Outcome, guarantees
from envbuild.sandbox.run import SandboxFailed
from envbuild.sandbox.stop import Stop
from envbuild.sandbox.supervisors import Supervisors
from support.sandboxes import ON_EVERY_RUNG, Place, machine, place, sealed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envbuild.sandbox.model import Rung


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="processes are found by `/proc`")


@pytest.fixture(params=ON_EVERY_RUNG)
def there(request: pytest.FixtureRequest) -> Iterator[Place]:
    yield from place(*request.param)


@pytest.fixture(params=LADDER)
def own(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Yield a place of the user who runs the tests, on each rung."""
    yield from place("self", request.param)


def running(marker: str) -> list[int]:
    """Return the processes on whose command line `marker` is."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            try:
                line = Path(f"/proc/{name}/cmdline").read_bytes()
                state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if marker.encode() in line and state not in "ZX":
                found.append(int(name))
    return found


def appears(marker: str) -> None:
    """Wait until a process with `marker` on its command line runs."""
    deadline = time.monotonic() + 30
    while not running(marker):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def vanishes(marker: str) -> None:
    """Wait until no process with `marker` on its command line runs."""
    deadline = time.monotonic() + 30
    while left := running(marker):
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


def outcome(ran: Outcome) -> tuple[str, int | None, int | None]:
    return (ran.ended, ran.exit_code, ran.signal)


@pytest.mark.parametrize("code", [0, 3, 127, 128])
def test_an_exit_code_is_told(own: Place, code: int) -> None:
    ran = own.runs("/bin/sh", "-c", f"exit {code}").outcome
    assert outcome(ran) == ("finished", code, None)
    assert ran.rung == own.rung
    assert ran.succeeded == (code == 0)
    assert 0 <= ran.duration_ms < 60_000


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGPIPE"])
def test_a_signal_is_told(own: Place, name: str) -> None:
    ran = own.runs("/bin/sh", "-c", f"kill -{name.removeprefix('SIG')} $$").outcome
    assert outcome(ran) == ("finished", None, getattr(signal, name))
    assert not ran.succeeded


def test_a_program_that_is_not_there_is_no_program_that_failed(there: Place) -> None:
    with pytest.raises(SandboxFailed) as caught:
        there.runs("no-such-program", "argument")
    assert caught.value.what == "no-such-program"
    assert "no-such-program" in caught.value.message


def test_a_program_is_found_on_its_own_path(own: Place) -> None:
    tool = own.folder / "tools" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    (own.folder / "plain").mkdir()
    (own.folder / "plain" / "tool").write_text("not to be executed")
    path = f"{own.inner}/absent:{own.inner}/plain:{own.inner}/tools"
    assert own.runs("tool", declared={"PATH": path}).lines == ["found"]


def test_both_streams_come_in_their_order_and_line_by_line(own: Place) -> None:
    script = "for each in 1 2 3; do echo out $each; echo err $each >&2; done; printf 'no end'"
    ran = own.runs("/bin/sh", "-c", script)
    assert ran.lines == ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3", "no end"]
    assert ran.log == "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\nno end"


def test_lines_come_while_the_program_runs(own: Place) -> None:
    seen = []
    script = "echo ready; while test ! -e go; do sleep 0.01; done; echo went"

    def note(line: str) -> None:
        seen.append(line)
        if line == "ready":
            assert (own.path / "log").read_text() == "ready\n"
            (own.folder / "go").touch()

    ran = own.runs("/bin/sh", "-c", script, on_line=note)
    assert ran.outcome.succeeded
    assert seen == ["ready", "went"]


def test_output_of_any_kind_is_kept_as_it_is(own: Place) -> None:
    (own.folder / "bytes").write_bytes(bytes(range(256)) + b"\r\n" + b"x" * 200_000 + b"\nend\r\n")
    ran = own.runs("/bin/cat", "bytes")
    assert (own.path / "log").read_bytes() == (own.folder / "bytes").read_bytes()
    assert ran.lines[-1] == "end"
    assert "".join(ran.lines).count("x") == 200_001
    assert max(len(line) for line in ran.lines) < 150_000


def test_much_output_is_no_hurdle(own: Place) -> None:
    ran = own.runs("/bin/sh", "-c", "seq 1 600000")
    assert ran.outcome.succeeded
    assert len(ran.lines) == 600_000
    assert ran.lines[-1] == "600000"


def test_too_much_output_ends_the_program_and_is_cut(there: Place) -> None:
    marker = f"noisy-{there.path.name}"
    ran = there.runs("/bin/sh", "-c", f"yes {marker}", limits=Limits(output=100_000, seconds=60))
    assert ran.outcome.ended == "output"
    log = (there.path / "log").read_bytes()
    note = b"\n[more output than is allowed: ended here]\n"
    assert log.endswith(note)
    assert len(log) == 100_000 + len(note)
    assert running(marker) == []


def test_a_program_that_hangs_is_ended(there: Place) -> None:
    marker = f"hangs-{there.path.name}"
    script = "trap '' TERM INT HUP; echo here; (sleep 300 & wait); sleep 300"
    ran = there.runs("/bin/sh", "-c", script, marker, limits=Limits(seconds=0.6))
    assert outcome(ran.outcome) == ("timeout", None, signal.SIGKILL)
    assert ran.lines == ["here"]
    assert running(marker) == []


DAEMON = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
sys.argv[0] = "daemon"
os.chdir("/")
for number in range(3):
    os.close(number)
open(sys.argv[2], "w").close()
time.sleep(300)
"""


def test_a_daemon_does_not_survive(there: Place) -> None:
    marker = f"daemon-{there.path.name}"
    script = there.build_holds("daemon.py", DAEMON)
    ran = there.runs(
        "/bin/sh", "-c",
        f"{there.python} -I -S {script} {marker} {there.inner}/there; "
        "while test ! -e there; do sleep 0.01; done; exit 4",
    )  # fmt: skip
    assert outcome(ran.outcome) == ("finished", 4, None)
    assert running(marker) == []


def test_background_programs_that_hold_the_output_do_not_survive(own: Place) -> None:
    marker = f"held-{own.path.name}"
    # Each in a session and a group of its own, a child of the one before.
    script = f"for i in 1 2 3 4 5; do setsid sh -c 'sleep 300; : {marker}' & done; echo done"
    ran = own.runs("/bin/sh", "-c", script)
    assert ran.outcome.succeeded
    assert ran.lines == ["done"]
    assert running(marker) == []


FORKS = """
import os, sys, time
made = 0
while made < 400:
    try:
        if not os.fork():
            time.sleep(300)
            os._exit(0)
        made += 1
    except OSError:
        time.sleep(0.05)
time.sleep(300)
"""


def test_too_many_processes_end_all(own: Place) -> None:
    marker = f"forks-{own.path.name}"
    ran = own.runs_python(FORKS, marker, limits=Limits(processes=50, seconds=60))
    assert ran.outcome.ended == "processes"
    assert running(marker) == []


BOMB = """
import os, sys, time
deadline = time.monotonic() + 20
count = os.open("count", os.O_CREAT | os.O_RDWR)
while time.monotonic() < deadline and os.fstat(count).st_size < 1500:
    try:
        os.fork()
        os.write(count, b"x")
        if sys.argv[2] == "sessions" and os.getpid() % 2:
            os.setsid()
    except OSError:
        pass
time.sleep(20)
"""


@pytest.mark.parametrize("kind", ["plain", "sessions"])
def test_a_fork_bomb_is_ended(own: Place, kind: str) -> None:
    marker = f"bomb-{own.path.name}"
    ran = own.runs_python(BOMB, marker, kind, limits=Limits(processes=100, seconds=60))
    assert ran.outcome.ended == "processes"
    if guarantees(own.rung, network=False).ended or kind == "plain":
        assert running(marker) == []
    else:
        vanishes(marker)


FILLS = {
    "small files": "i=0; while :; do i=$((i+1)); head -c 100000 /dev/zero >f$i; done",
    "one file": "exec head -c 1G /dev/zero >file",
    "temporary files": "i=0; while :; do i=$((i+1)); head -c 100000 /dev/zero >$TMPDIR/f$i; done",
    "deep": "while :; do mkdir d; cd d; head -c 500000 /dev/zero >file; done",
}


@pytest.mark.parametrize("how", FILLS)
def test_a_full_folder_ends_the_program(own: Place, how: str) -> None:
    limits = Limits(disk=20_000_000, seconds=60)
    ran = own.runs("/bin/sh", "-c", FILLS[how], limits=limits)
    assert ran.outcome.ended == "disk"


def test_links_are_not_counted_twice(own: Place) -> None:
    script = "head -c 3000000 /dev/zero >a; for i in 1 2 3 4 5 6 7 8 9; do ln a b$i; done; sleep 1"
    ran = own.runs("/bin/sh", "-c", script, limits=Limits(disk=10_000_000, seconds=60))
    assert ran.outcome.succeeded


USES = """
import os, sys, time
size, processes = int(sys.argv[1]), int(sys.argv[2])
held = b"x" * (size if sys.argv[3] == "shared" else 0)
for _ in range(processes - 1):
    if not os.fork():
        break
if sys.argv[3] != "shared":
    held = b"x" * size
time.sleep(float(sys.argv[4]))
"""


@pytest.mark.parametrize(("size", "processes"), [(400_000_000, 1), (60_000_000, 6)])
def test_too_much_memory_ends_the_program(there: Place, size: int, processes: int) -> None:
    ran = there.runs_python(
        USES, str(size), str(processes), "own", "60",
        limits=Limits(memory=250_000_000, seconds=50),
    )  # fmt: skip
    assert ran.outcome.ended == "memory"


def test_memory_that_processes_share_counts_once(own: Place) -> None:
    ran = own.runs_python(
        USES, "120000000", "5", "shared", "1", limits=Limits(memory=250_000_000, seconds=50)
    )
    assert ran.outcome.succeeded


def test_no_dump_is_left_of_a_crash(own: Place) -> None:
    own.runs("/bin/sh", "-c", "ulimit -c unlimited; kill -SEGV $$")
    assert sorted(os.listdir(own.folder)) == ["home", "tmp"]


def test_a_program_can_be_stopped_from_another_thread(own: Place) -> None:
    marker = f"stopped-{own.path.name}"
    stop = Stop()
    ran = own.runs(
        "/bin/sh", "-c", "echo up; sleep 300", marker, stop=stop, on_line=lambda _: stop.set()
    )
    assert outcome(ran.outcome) == ("stopped", None, signal.SIGKILL)
    assert running(marker) == []
    # All that come later are stopped as well.
    assert own.runs("/bin/sleep", "300", stop=stop).outcome.ended == "stopped"
    stop.close()


def test_programs_run_in_several_threads_at_once(own: Place) -> None:
    places = [own, *(dataclasses.replace(own, path=own.path / str(n)) for n in range(5))]
    results: dict[int, list[str]] = {}

    def work(number: int) -> None:
        here = places[number]
        here.folder.mkdir(parents=True, exist_ok=True)
        results[number] = here.runs("/bin/sh", "-c", f"sleep 0.2; echo {number}").lines

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: [str(number)] for number in range(6)}


def test_an_error_in_the_caller_ends_the_program(own: Place) -> None:
    marker = f"error-{own.path.name}"

    def fail(_: str) -> None:
        raise LookupError(marker)

    with pytest.raises(LookupError):
        own.runs("/bin/sh", "-c", "echo x; sleep 300", marker, on_line=fail)
    assert running(marker) == []


def test_nothing_is_left_open(own: Place) -> None:
    own.runs("/bin/true")
    before = sorted(os.listdir("/proc/self/fd"))
    own.runs("/bin/true")
    with pytest.raises(SandboxFailed):
        own.runs("no-such-program")
    assert sorted(os.listdir("/proc/self/fd")) == before


CALLER = """
import sys
sys.path[:0] = sys.argv[1:3]
from support.sandboxes import place
for there in place("self", sys.argv[3]):
    print(there.path, flush=True)
    there.runs("/bin/sh", "-c", "setsid sleep 300 & setsid sh -c 'sleep 300; :' " + sys.argv[4]
               + " & sleep 300; : " + sys.argv[4])
"""


@pytest.mark.parametrize("rung", LADDER)
def test_killing_the_caller_ends_the_program(rung: Rung, tmp_path: Path) -> None:
    if rung not in machine().rungs:
        pytest.skip(f"{rung} does not work here")
    marker = f"caller-{os.getpid()}-{rung}"
    tests = str(Path(__file__).parents[2])
    sources = str(Path(__file__).parents[3] / "src")
    with subprocess.Popen(
        (sys.executable, "-c", CALLER, tests, sources, rung, marker), stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)}, text=True,
    ) as caller:  # fmt: skip
        assert caller.stdout is not None
        path = caller.stdout.readline()
        deadline = time.monotonic() + 30
        while len(running(marker)) < 3:
            assert time.monotonic() < deadline, (path, running(marker))
            time.sleep(0.01)
        caller.kill()
    vanishes(marker)


def origins() -> list[int]:
    """Return the processes that the supervisors of this process's programs are copies of."""
    return [each for each in children(os.getpid()) if "sandbox.origin" in command_line(each)]


def children(of: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                text = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if text[1] == str(of):
                found.append(int(name))
    return found


def command_line(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


@linux_only
def test_killing_the_supervisor_ends_what_a_namespace_holds(own: Place) -> None:
    marker = f"orphan-{own.path.name}"
    killed: list[int] = []

    def kill(_: str) -> None:
        for origin in origins():
            for supervisor in children(origin):
                killed.append(supervisor)
                os.kill(supervisor, signal.SIGKILL)

    with pytest.raises(SandboxFailed, match="supervisor"):
        own.runs("/bin/sh", "-c", "echo up; sleep 300", marker, on_line=kill)
    assert len(killed) == 1
    vanishes(marker)


@linux_only
def test_programs_run_on_and_start_anew_where_their_origin_is_killed(own: Place) -> None:
    def kill(_: str) -> None:
        for origin in origins():
            os.kill(origin, signal.SIGKILL)

    assert own.runs("/bin/sh", "-c", "echo up; sleep 0.2; echo on", on_line=kill).lines[-1] == "on"
    before = origins()
    assert own.runs("/bin/sh", "-c", "echo again").lines == ["again"]
    assert len(origins()) == 1
    assert origins() != before


def test_one_origin_serves_all_programs(own: Place) -> None:
    own.runs("/bin/sh", "-c", ":")
    before = origins()
    own.runs("/bin/sh", "-c", ":")
    assert origins() == before


@linux_only
def test_the_origin_ends_with_those_who_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envbuild.sandbox.supervisors._ENDING", 0.5)
    before = set(origins())
    reader, writer = os.pipe()
    with Supervisors() as supervisors:
        supervisor = supervisors.start(writer)
        os.close(writer)
        number = int.from_bytes(supervisor.recv(4), "big")
        (origin,) = set(origins()) - before
        assert children(origin) == [number]
    assert set(origins()) == before
    # One that has not been told what to do ends when nobody is there any more.
    supervisor.close()
    assert os.read(reader, 1) == b""
    os.close(reader)
    assert command_line(number) == ""


STOPS = """
import os, signal, time
for name in os.listdir("/proc"):
    if name.isdecimal() and int(name) == os.getppid():
        os.kill(os.getppid(), signal.SIGSTOP)
print("done", flush=True)
time.sleep(300)
"""


def test_a_supervisor_that_was_stopped_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envbuild.sandbox.run._GRACE", 0.5)
    for own in place("self", "none"):
        marker = f"stops-{own.path.name}"
        with pytest.raises(SandboxFailed, match="supervisor"):
            own.runs_python(STOPS, marker, limits=Limits(seconds=1))
        vanishes(marker)


def test_a_full_disk_of_the_log_ends_the_program(own: Place) -> None:
    marker = f"full-{own.path.name}"
    os.symlink("/dev/full", own.path / "log")
    with pytest.raises(OSError, match="No space left"):
        own.runs("/bin/sh", "-c", "echo x; sleep 300", marker)
    assert running(marker) == []


def test_a_setting_of_the_caller_changes_nothing(
    own: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("LD_PRELOAD", "/nowhere.so")
    monkeypatch.chdir(own.path)
    mask = os.umask(0o077)
    try:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        ran = own.runs("/bin/sh", "-c", "umask; kill -USR1 $$; echo not reached")
    finally:
        os.umask(mask)
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    assert ran.lines == ["0022"]
    assert outcome(ran.outcome) == ("finished", None, signal.SIGUSR1)
    assert sealed(own.rung) or own.inner == str(own.folder)
