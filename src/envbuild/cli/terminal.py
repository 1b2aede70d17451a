"""Where the command line prints: what goes to which stream, what `-q` and `-v` leave, and colours.

Answers go to standard output; what tells of the work while it goes on, and what went wrong, goes to
standard error. `-q` leaves errors, and data that were asked for by name (`--json`, a listing);
`-qq` leaves the exit code alone.
"""

from __future__ import annotations

import io
import os
import sys

from envbuild.errors import EnvbuildError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO


class OutputClosed(Exception):
    """Whoever reads standard output has gone. No error: they have seen enough."""


class OutputFailed(EnvbuildError):
    """Standard output cannot be written, such as for a full disk."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write the output: {error.strerror or error}")


class Paint:
    """Colours for one stream, or none. Only the eight that every terminal has."""

    __slots__ = ("enabled",)

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled

    def bold(self, text: str) -> str:
        """Return `text` in bold."""
        return self._wrap("1", text)

    def dim(self, text: str) -> str:
        """Return `text` in a faint colour, for what is seldom read."""
        return self._wrap("2", text)

    def alarm(self, text: str) -> str:
        """Return `text` as for errors."""
        return self._wrap("1;31", text)

    def red(self, text: str) -> str:
        """Return `text` as for removals and damage."""
        return self._wrap("31", text)

    def green(self, text: str) -> str:
        """Return `text` as for additions."""
        return self._wrap("32", text)

    def yellow(self, text: str) -> str:
        """Return `text` as for changes and warnings."""
        return self._wrap("33", text)

    def cyan(self, text: str) -> str:
        """Return `text` as for paths and advice."""
        return self._wrap("36", text)

    def _wrap(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.enabled else text


PLAIN = Paint(enabled=False)


class Terminal:
    """The two streams of this process, and how much is to be said on them.

    Attributes:
        verbosity: -2 for nothing at all, -1 for errors and data, 0, and 1 or more for details.
        as_json: whether output is JSON, errors included.
        paint: colours of standard output.
        paint_errors: colours of standard error.
    """

    __slots__ = ("_error", "_output", "as_json", "paint", "paint_errors", "verbosity")

    def __init__(self, output: TextIO, error: TextIO) -> None:
        self._output = output
        self._error = error
        self.verbosity = 0
        self.as_json = False
        self.paint = PLAIN
        self.paint_errors = PLAIN

    @classmethod
    def standard(cls) -> Terminal:
        """Return the terminal of this process."""
        return cls(_usable(sys.stdout), _usable(sys.stderr))

    def copy_to(self, output: TextIO) -> Terminal:
        """Return a terminal that says the same, on another stream."""
        other = Terminal(output, self._error)
        other.verbosity, other.as_json = self.verbosity, self.as_json
        other.paint, other.paint_errors = self.paint, self.paint_errors
        return other

    def set_colors(self, choice: str | None, environ: Mapping[str, str]) -> None:
        """Decide about colours: `auto`, `always` or `never`, `None` for whatever is usual."""
        self.paint = Paint(enabled=_colored(self._output, choice, environ))
        self.paint_errors = Paint(enabled=_colored(self._error, choice, environ))

    @property
    def error_stream(self) -> TextIO:
        """Standard error, for a display that draws on it."""
        return self._error

    def is_live(self, environ: Mapping[str, str]) -> bool:
        """Tell whether a display may draw on standard error."""
        return _is_terminal(self._error) and environ.get("TERM") != "dumb"

    def data(self, text: str) -> None:
        """Print what was asked for by name."""
        if self.verbosity > -2:
            self._write_output(text)

    def answer(self, text: str) -> None:
        """Print what came of a command."""
        if self.verbosity > -1:
            self._write_output(text)

    def tell(self, text: str) -> None:
        """Print a line about work that goes on."""
        if self.verbosity > -1:
            self._write_error(text)

    def detail(self, text: str) -> None:
        """Print a line for those who asked for more."""
        if self.verbosity > 0:
            self._write_error(text)

    def complain(self, text: str) -> None:
        """Print what went wrong."""
        if self.verbosity > -2:
            self._write_error(text)

    def flush(self) -> None:
        """Hand all output to the operating system.

        Raises:
            OutputClosed: nobody reads it any more.
            OutputFailed: it cannot be written.
        """
        try:
            self._output.flush()
        except OSError as error:
            raise _output_error(error) from error

    def abandon_output(self) -> None:
        """Let go of output that cannot be written, so that Python does not try again at its end."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._output.fileno())
        os.close(nowhere)

    def _write_output(self, text: str) -> None:
        try:
            self._output.write(f"{text}\n")
        except OSError as error:
            raise _output_error(error) from error

    def _write_error(self, text: str) -> None:
        try:
            self._error.write(f"{text}\n")
            self._error.flush()
        except (OSError, ValueError):
            pass  # with nowhere to say it, the exit code says it


def _usable(stream: TextIO | None) -> TextIO:
    if stream is None:  # the descriptor was closed when Python started
        return open(os.devnull, "w", encoding="utf-8")
    if isinstance(stream, io.TextIOWrapper):
        # A path may hold bytes that are no text: better shown oddly than a reason to fail.
        stream.reconfigure(errors="backslashreplace")
    return stream


def _output_error(error: OSError) -> Exception:
    return OutputClosed() if isinstance(error, BrokenPipeError) else OutputFailed(error)


def visible(text: str) -> str:
    """Return `text`, some of which others wrote, without the characters that steer a terminal."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def _colored(stream: TextIO, choice: str | None, environ: Mapping[str, str]) -> bool:
    """Tell whether to colour: what was chosen, then no-color.org, force-color.org, CLICOLOR."""
    if choice in {"always", "never"}:
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR") or environ.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    if environ.get("CLICOLOR") == "0" or environ.get("TERM") == "dumb":
        return False
    return _is_terminal(stream)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False
