from __future__ import annotations

import io
import os

import pytest

from envbuild.cli.terminal import OutputClosed, OutputFailed, Paint, Terminal, visible


class Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("choice", "environ", "on_terminal", "elsewhere"),
    [
        (None, {}, True, False),
        ("auto", {}, True, False),
        ("always", {}, True, True),
        ("never", {}, False, False),
        (None, {"NO_COLOR": "1"}, False, False),
        (None, {"NO_COLOR": ""}, True, False),
        (None, {"FORCE_COLOR": "1"}, True, True),
        (None, {"FORCE_COLOR": ""}, True, False),
        (None, {"CLICOLOR_FORCE": "1"}, True, True),
        (None, {"CLICOLOR_FORCE": "0"}, True, False),
        (None, {"CLICOLOR": "0"}, False, False),
        (None, {"CLICOLOR": "1"}, True, False),
        (None, {"TERM": "dumb"}, False, False),
        (None, {"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
        (None, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ("always", {"NO_COLOR": "1"}, True, True),
        ("never", {"FORCE_COLOR": "1"}, False, False),
    ],
)
def test_colours_are_for_those_who_can_see_them(
    choice: str | None, environ: dict[str, str], on_terminal: bool, elsewhere: bool
) -> None:
    terminal = Terminal(Stream(terminal=True), Stream(terminal=False))
    terminal.set_colors(choice, environ)
    assert terminal.paint.enabled is on_terminal
    assert terminal.paint_errors.enabled is elsewhere


@pytest.mark.parametrize(
    ("verbosity", "output", "error"),
    [
        (0, "data\nanswer\n", "tell\ncomplain\n"),
        (1, "data\nanswer\n", "tell\ndetail\ncomplain\n"),
        (-1, "data\n", "complain\n"),
        (-2, "", ""),
        (-3, "", ""),
    ],
)
def test_quiet_leaves_what_was_asked_for_and_errors(
    verbosity: int, output: str, error: str
) -> None:
    streams = io.StringIO(), io.StringIO()
    terminal = Terminal(*streams)
    terminal.verbosity = verbosity
    terminal.data("data")
    terminal.answer("answer")
    terminal.tell("tell")
    terminal.detail("detail")
    terminal.complain("complain")
    assert tuple(stream.getvalue() for stream in streams) == (output, error)


@pytest.mark.parametrize(
    ("terminal", "environ", "live"),
    [(True, {}, True), (False, {}, False), (True, {"TERM": "dumb"}, False)],
)
def test_a_display_needs_a_terminal(terminal: bool, environ: dict[str, str], live: bool) -> None:
    assert Terminal(io.StringIO(), Stream(terminal=terminal)).is_live(environ) is live


def test_a_reader_who_has_gone_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as stream:
        terminal = Terminal(stream, io.StringIO())
        terminal.data("x")
        with pytest.raises(OutputClosed):
            terminal.flush()
        terminal.abandon_output()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device")
def test_a_full_disk_is_an_error() -> None:
    with open("/dev/full", "w", encoding="utf-8") as stream:
        terminal = Terminal(stream, io.StringIO())
        terminal.data("x")
        with pytest.raises(OutputFailed, match="cannot write the output: No space left on device"):
            terminal.flush()
        terminal.abandon_output()


def test_nothing_is_painted_without_colours() -> None:
    plain, painted = Paint(enabled=False), Paint(enabled=True)
    for name in ("bold", "dim", "alarm", "red", "green", "yellow", "cyan"):
        assert getattr(plain, name)("x") == "x"
        text = getattr(painted, name)("x")
        assert text.startswith("\x1b[")
        assert text.endswith("x\x1b[0m")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("two\nlines\tand", "two\nlines\tand"),
        ("\x1b[31mred\x07", "\ufffd[31mred\ufffd"),
        ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"),
        ("a\u202eb\r", "a\ufffdb\ufffd"),
    ],
)
def test_what_others_wrote_cannot_steer_the_terminal(text: str, shown: str) -> None:
    assert visible(text) == shown
