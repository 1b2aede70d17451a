"""What a machine offers, found out by trying: here, and in places that offer less."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envbuild.sandbox.identity import identity
from envbuild.sandbox.machine import machine_from_json
from envbuild.sandbox.model import LADDER
from support.sandboxes import machine, machine_of_nobody, needs, probed

if TYPE_CHECKING:
    from envbuild.sandbox.machine import Machine

SOURCES = str(Path(__file__).parents[3] / "src")
ASK = (
    "import json, sys; sys.path.append(sys.argv[1]); "
    "from envbuild.sandbox.probe import probe; "
    "from envbuild.sandbox.supervisors import Supervisors; "
    "supervisors = Supervisors(); "
    "print(json.dumps(probe(supervisors).as_json())); "
    "supervisors.__exit__(None, None, None)"
)

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="rungs are Linux's")


def asked_behind(*prefix: str) -> Machine:
    """Return what a process that is started by `prefix` finds out."""
    done = subprocess.run(
        (*prefix, sys.executable, "-I", "-S", "-c", ASK, SOURCES),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"`{prefix[0]}` does not work here: {done.stderr.strip()}")
    found = machine_from_json(json.loads(done.stdout))
    assert found is not None
    return found


def reasons(found: Machine) -> dict[str, str]:
    return {each.rung: each.reason for each in found.missing}


def remedies(found: Machine) -> dict[str, str | None]:
    return {each.rung: each.remedy for each in found.missing}


def test_every_rung_works_or_says_why_not() -> None:
    found = machine()
    assert set(found.rungs) | {each.rung for each in found.missing} == set(LADDER)
    assert found.rungs[-1] == "none"
    assert all(each.reason for each in found.missing)


def test_the_facts_hold_where_they_were_found_out() -> None:
    assert identity() == machine().identity
    assert asked_behind("env") == machine()


def test_they_do_not_hold_for_another_user() -> None:
    needs("nobody", "none")
    assert machine_of_nobody().identity != machine().identity


def test_nothing_is_left_of_the_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert probed() == machine()
    assert os.listdir(tmp_path) == []


@linux_only
def test_without_bubblewrap_on_the_path_the_next_rung_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = probed()
    assert found.bubblewrap is None
    assert "`bwrap`" in reasons(found)["bubblewrap"]
    assert remedies(found)["bubblewrap"] == "install the package `bubblewrap`"
    assert set(found.rungs) == set(machine().rungs) - {"bubblewrap"}
    assert found.identity != machine().identity


FAKES = {
    "echo 'bwrap: Unknown option --size' >&2; exit 1": "install bubblewrap 0.7 or newer",
    "echo 'bwrap: No permissions to create new namespace' >&2; exit 1": "seccomp=unconfined",
    "exit 0": None,
    "kill -9 $$": None,
}


@linux_only
@pytest.mark.parametrize("script", FAKES)
def test_a_bubblewrap_that_does_not_work_is_found_out(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bwrap"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = probed()
    assert found.bubblewrap == str(program)
    assert "bubblewrap" not in found.rungs
    remedy = remedies(found)["bubblewrap"]
    expected = FAKES[script]
    assert remedy is expected is None or (remedy and expected and expected in remedy)


@linux_only
def test_one_that_holds_nothing_back_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It does all that it is told to, but for the sandbox.
    program = tmp_path / "bwrap"
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        "words = open(int(sys.argv[2]), 'rb').read().decode().split('\\0')\n"
        "status = int(words[words.index('--json-status-fd') + 1])\n"
        "names = [i for i, word in enumerate(words) if word == '--setenv']\n"
        "variables = {words[i + 1]: words[i + 2] for i in names}\n"
        "outer = words[words.index('/build') - 1]\n"
        "variables['TMPDIR'] = outer + '/tmp'\n"
        "code = os.spawnve(os.P_WAIT, sys.argv[4], sys.argv[4:], variables)\n"
        "os.write(status, b'{ \"exit-code\": %d }' % code)\n"
        "sys.exit(code)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = probed()
    assert reasons(found)["bubblewrap"] == "every file can be read in it"


@linux_only
def test_where_user_namespaces_are_used_up_landlock_is_left() -> None:
    needs("self", "bubblewrap")
    found = asked_behind(
        "bwrap", "--dev-bind", "/", "/", "--unshare-user", "--disable-userns", "--"
    )  # fmt: skip
    assert {"bubblewrap", "namespaces"} & set(found.rungs) == set()
    assert "landlock" in found.rungs or "landlock" in reasons(machine())
    assert all(reasons(found).values())


@linux_only
def test_where_proc_is_partly_hidden_as_in_containers_landlock_is_left() -> None:
    needs("self", "namespaces")
    if shutil.which("unshare") is None:
        pytest.skip("there is no `unshare`")
    found = asked_behind(
        "unshare", "-Urm", "sh", "-c", 'mount -t tmpfs none /proc/tty && exec "$@"', "sh"
    )
    for rung in ("bubblewrap", "namespaces"):
        if rung in reasons(machine()):
            continue
        assert reasons(found)[rung] == "`/proc` is partly hidden, as in a container"
        assert "systempaths=unconfined" in (remedies(found)[rung] or "")
