"""The command line: which command is meant, and what becomes of its errors."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` wraps, which costs 3 ms
import os

from envbuild.cli import failures
from envbuild.cli.terminal import OutputClosed, OutputFailed, Terminal
from envbuild.errors import EnvbuildError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_ENDS = (_signal.SIGTERM, _signal.SIGHUP)
"""Signals by which others ask a program to end; to be listened to as the user is."""


class Terminated(KeyboardInterrupt):
    """Somebody asks this process to end.

    Attributes:
        number: of the signal that they sent.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def run(argv: Sequence[str]) -> int:
    """Do what the words of the command line say, and return the exit code."""
    terminal = Terminal.standard()
    terminal.set_colors(None, os.environ)
    _listen()
    try:
        code = _run(argv, terminal)
        terminal.flush()
    except OutputClosed:
        terminal.abandon_output()
        return failures.UNREAD
    except OutputFailed as error:
        terminal.abandon_output()
        failures.report(terminal, error, backtrace=_wants_backtrace())
        return failures.FAILED
    except Terminated as asked:
        terminal.complain("terminated")
        return failures.signalled(asked.number)
    except KeyboardInterrupt:
        terminal.complain("interrupted")
        return failures.INTERRUPTED
    return code


def _listen() -> None:
    for number in _ENDS:
        # One that is ignored, as below `nohup`, stays ignored.
        if _signal.getsignal(number) == _signal.SIG_DFL:
            _signal.signal(number, _terminate)


def _terminate(number: int, _: object) -> NoReturn:
    raise Terminated(number)


def _run(argv: Sequence[str], terminal: Terminal) -> int:
    try:
        return _dispatch(argv, terminal)
    except (OutputClosed, OutputFailed):
        raise
    except EnvbuildError as error:
        failures.report(terminal, error, backtrace=_wants_backtrace())
        return failures.exit_code(error)
    except Exception as error:  # noqa: BLE001 - our own mistakes are reported, not thrown about
        backtrace = _wants_backtrace() or terminal.verbosity > 0
        failures.report_bug(terminal, error, backtrace=backtrace)
        return failures.FAILED


def _dispatch(argv: Sequence[str], terminal: Terminal) -> int:
    if argv and argv[-1] in {"--version", "-V"} and all(word.startswith("-") for word in argv):
        from envbuild import __version__

        terminal.data(f"envbuild {__version__}")
        return 0

    from envbuild.cli import commands
    from envbuild.cli.arguments import help_of, parse

    name, words = commands.find(argv)
    if name not in commands.NAMES:
        if not argv:
            terminal.complain(commands.overview(name))
            return failures.REFUSED
        if "--help" in words or "-h" in words:
            terminal.data(commands.overview(name))
            return 0
        raise commands.MissingCommand(name)
    command = commands.load(name)
    arguments = parse(command, words)
    if arguments.help:
        terminal.data(help_of(command))
        return 0
    terminal.verbosity = arguments.verbose - arguments.quiet
    terminal.as_json = arguments.given.get("output-format") == "json"
    return command.run(arguments, terminal)


def _wants_backtrace() -> bool:
    return os.environ.get("ENVBUILD_BACKTRACE", "0") not in {"", "0"}
