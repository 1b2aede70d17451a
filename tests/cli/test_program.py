"""The program as a process: streams, signals, terminals, exit codes, what it loads."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cli.desk import PROGRAM
from envbuild import __version__
from support.index_server import IndexServer, Stall

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cli.desk import Desk

BAR = "\N{BOX DRAWINGS HEAVY HORIZONTAL}"


@pytest.fixture
def slow(desk: Desk, tmp_path: Path) -> Iterator[Desk]:
    """Return a desk whose lock names a server that never finishes sending a wheel."""
    (tmp_path / "index").mkdir()
    with IndexServer(tmp_path / "index") as server:
        desk.lock((("snail", "1.0"), ("bee", "2.0")), server=server)
        server.always("*snail*", Stall(after=10))
        yield desk


@pytest.mark.parametrize("line", ["--version", "-V", "-q --version"])
def test_the_version_is_told(desk: Desk, line: str) -> None:
    ended = desk.run(*line.split())
    assert (ended.out, ended.err) == (f"envbuild {__version__}\n", "")


@pytest.mark.parametrize(
    ("line", "usage"),
    [
        ("--help", "Usage: envbuild COMMAND [OPTIONS]"),
        ("-h", "Usage: envbuild COMMAND [OPTIONS]"),
        ("help", "Usage: envbuild COMMAND [OPTIONS]"),
        ("store --help", "Usage: envbuild store COMMAND [OPTIONS]"),
        ("realize --help", "Usage: envbuild realize [OPTIONS] [LOCKFILE]"),
        ("realise -h", "Usage: envbuild realize [OPTIONS] [LOCKFILE]"),
        ("help store ls", "Usage: envbuild store ls [OPTIONS] [ENTRY]"),
        ("--help completion", "Usage: envbuild completion [OPTIONS] SHELL"),
    ],
)
def test_help_is_on_standard_output(desk: Desk, line: str, usage: str) -> None:
    ended = desk.run(*line.split())
    assert usage in ended.out.splitlines()
    assert ended.err == ""


def test_without_words_help_is_an_error(desk: Desk) -> None:
    ended = desk.run(code=2)
    assert ended.out == ""
    assert "Usage: envbuild COMMAND [OPTIONS]" in ended.err


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("relize", "there is no command `relize`", "did you mean `realize`?"),
        ("store", "`envbuild store` needs a command", "see `envbuild store --help`"),
        ("-q", "`envbuild` needs a command", "see `envbuild --help`"),
        ("realize --extr x", "unexpected option `--extr`", "did you mean `--extra`?"),
        ("realize a b", "unexpected argument `b`", "see `envbuild realize --help`"),
        ("completion", "SHELL is missing: expected one of `bash`, `zsh`, `fish`", None),
        ("realize --only-group x --dev", "`--only-group` cannot be used with `--dev`", None),
    ],
)
def test_a_wrong_command_line_ends_with_2(
    desk: Desk, line: str, message: str, hint: str | None
) -> None:
    ended = desk.run(*line.split(), code=2)
    assert ended.out == ""
    assert ended.err == f"error: {message}\n" + (f"  hint: {hint}\n" if hint else "")


def test_colours_and_no_bars_on_a_terminal_where_all_is_quick(desk: Desk) -> None:
    shown = desk.start_on_terminal("realize").end()
    assert shown.code == 0
    assert "\x1b[32m+\x1b[0m \x1b[1mant\x1b[0m==1.0" in shown.out
    assert BAR not in shown.out


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"CLICOLOR": "0"}])
def test_no_colours_where_they_are_not_wanted(desk: Desk, variables: dict[str, str]) -> None:
    desk.variables |= variables
    # What moves the cursor is none: bars may be drawn where the machine is busy.
    assert not re.search(r"\x1b\[[\d;]*m", desk.start_on_terminal("realize").end().out)


def test_colours_in_a_pipe_on_demand(desk: Desk) -> None:
    assert "\x1b[32m+" in desk.run("realize", "--color", "always").out
    shutil.rmtree(desk.project / ".venv")
    desk.variables["FORCE_COLOR"] = "1"
    assert "\x1b[32m+" in desk.run("realize").out


def test_bars_where_it_takes_long_and_an_interrupt_takes_them_away(slow: Desk) -> None:
    running = slow.start_on_terminal("realize")
    running.wait_for("Fetching")
    running.wait_for(BAR)
    running.process.send_signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 130
    assert ended.out.endswith("interrupted\r\n")
    assert ended.out.rindex("\x1b[?25h") > ended.out.rindex("\x1b[?25l")
    assert "Traceback" not in ended.out
    assert not (slow.project / ".venv").exists()


def test_no_bars_without_progress(slow: Desk) -> None:
    running = slow.start_on_terminal("realize", "--no-progress", "-v")
    running.wait_for("Unpacked bee")
    running.process.send_signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 130
    assert BAR not in ended.out
    assert "Fetching" not in ended.out


@pytest.mark.parametrize(
    ("number", "code", "told"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "terminated"),
    ],
)
def test_an_interrupt_without_a_terminal_is_one_line(
    slow: Desk, number: signal.Signals, code: int, told: str
) -> None:
    process = subprocess.Popen(
        (*PROGRAM, "realize", "-v"),
        cwd=slow.project,
        env=slow.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stderr is not None
    seen = ""
    while "Unpacked bee" not in seen:
        seen += process.stderr.readline()
    process.send_signal(number)
    out, rest = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert rest.endswith(f"{told}\n")
    assert "Traceback" not in rest


def test_a_reader_who_leaves_early_is_no_fault(desk: Desk) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        (*PROGRAM, "realize", "--help"),
        cwd=desk.project,
        env=desk.environ(),
        stdout=writer,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device")
def test_output_that_cannot_be_written_is_an_error(desk: Desk) -> None:
    ended = desk.run_command("sh", "-c", f"exec {' '.join(PROGRAM)} --help > /dev/full", code=1)
    assert ended.err == "error: cannot write the output: No space left on device\n"


def test_closed_streams_are_no_trouble(desk: Desk) -> None:
    program = " ".join(PROGRAM)
    desk.run_command("sh", "-c", f"exec {program} realize >&- 2>&-")
    desk.run_command("sh", "-c", f"exec {program} store info >&-")
    desk.run_command("sh", "-c", f"exec {program} realize absent.lock 2>&-", code=2)


LOADED = """
import sys, types

def realise(options, **_):
    print(*sorted(sys.modules), sep="\\n")
    raise SystemExit(0)

stub = types.ModuleType("envbuild.workflows.realise")
stub.realise = realise
sys.modules[stub.__name__] = stub
from envbuild.__main__ import main
sys.argv = ["envbuild", *sys.argv[1:]]
sys.exit(main())
"""
"""Runs the program up to the call of the work, and prints which modules have been loaded."""

HEAVY = {
    "argparse", "asyncio", "concurrent", "email", "hashlib", "http", "httpx", "importlib.metadata",
    "installer", "json", "logging", "packaging", "pathlib", "pickle", "rich", "shutil", "socket",
    "ssl", "subprocess", "tempfile", "threading", "tomli", "tomllib", "truststore", "typing", "urllib",
}  # fmt: skip


def loaded(desk: Desk, *arguments: str) -> set[str]:
    ended = desk.run_command(sys.executable, "-S", "-c", LOADED, *arguments)
    return set(ended.out.split())


def test_little_is_loaded_before_the_work_begins(desk: Desk) -> None:
    desk.variables["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    found = loaded(desk, "realize", "--extra", "x", "--link-mode", "copy")
    assert "envbuild.cli.realize" in found
    assert HEAVY & found == set()
    assert "envbuild.cli.store" not in found


def test_next_to_nothing_is_loaded_for_the_version(desk: Desk) -> None:
    desk.variables["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    script = (
        "import os, sys; before = set(sys.modules); sys.argv = ['envbuild', '--version'];"
        "from envbuild.__main__ import main; main();"
        "print(*sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    found = desk.run_command(sys.executable, "-S", "-c", script).err.split()
    others = {name for name in found if not name.startswith(("envbuild", "blake3"))}
    assert others == {"__future__"}


BROKEN = """
import sys, types
stub = types.ModuleType("envbuild.workflows.realise")
stub.realise = lambda options, **_: {}["no such key"]
sys.modules[stub.__name__] = stub
from envbuild.__main__ import main
sys.argv = ["envbuild", *sys.argv[1:]]
sys.exit(main())
"""
"""Runs the program with a mistake in it."""


def test_a_mistake_of_ours_asks_for_a_report(desk: Desk) -> None:
    command = (sys.executable, "-c", BROKEN, "realize")
    ended = desk.run_command(*command, code=1)
    assert ended.err == (
        "error: KeyError: 'no such key'\n"
        "  hint: this is a mistake in envbuild; please report it with what `-v` prints\n"
    )
    assert "Traceback" in desk.run_command(*command, "-v", code=1).err
    document = json.loads(desk.run_command(*command, "--json", code=1).out)
    assert document["error"]["kind"] == "KeyError"
    desk.variables["ENVBUILD_BACKTRACE"] = "1"
    assert "Traceback" in desk.run_command(*command, code=1).err


def test_where_an_error_arose_is_told_on_demand(desk: Desk) -> None:
    desk.variables["ENVBUILD_BACKTRACE"] = "1"
    assert "Traceback" in desk.run("realize", "absent.lock", code=2).err
