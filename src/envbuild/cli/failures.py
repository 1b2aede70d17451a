"""Errors as text and as JSON, and the exit codes they lead to.

0: done. 1: failed, or a check found a difference. 2: the request makes no sense, or the lock is of
a version that is not supported. 130: interrupted. 141: nobody reads the output. 128 and the signal's
number: somebody asked it to end.
"""

from __future__ import annotations

from envbuild.cli.terminal import visible
from envbuild.errors import EnvbuildError, LockfileError, Problems, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.cli.terminal import Terminal

FAILED = 1
REFUSED = 2
INTERRUPTED = 130
UNREAD = 141


def signalled(number: int) -> int:
    """Return what shells say of a program that a signal has ended."""
    return 128 + number


def exit_code(error: EnvbuildError) -> int:
    """Return 2 where all that went wrong is the request or the version of the lock, else 1."""
    match error:
        case Problems(errors=errors):
            return REFUSED if all(exit_code(each) == REFUSED for each in errors) else FAILED
        case UsageError():
            return REFUSED
        case LockfileError():
            from envbuild.lockfile.parse import UnsupportedLockVersion

            return REFUSED if isinstance(error, UnsupportedLockVersion) else FAILED
    return FAILED


def report(terminal: Terminal, error: EnvbuildError, *, backtrace: bool) -> None:
    """Print what went wrong: for people, and for programs too where they asked for JSON."""
    if terminal.as_json:
        _report_as_json(terminal, _as_json(error))
    if backtrace:
        _print_backtrace(terminal, error)
    match error:
        case Problems(errors=errors):
            complain(terminal, f"there are {len(errors)} problems")
            for each in errors:
                terminal.complain(f"  - {_text(each.message, '    ')}")
                _advise(terminal, each.hint, "    ")
        case _:
            complain(terminal, visible(error.message))
            _advise(terminal, error.hint, "  ")


def report_bug(terminal: Terminal, error: Exception, *, backtrace: bool) -> None:
    """Print that something failed which must not, and how to tell us."""
    message = f"{type(error).__name__}: {error}"
    hint = "this is a mistake in envbuild; please report it with what `-v` prints"
    if terminal.as_json:
        content = {"kind": type(error).__name__, "family": "InternalError", "message": message}
        _report_as_json(terminal, {**content, "hint": hint, "problems": []})
    if backtrace:
        _print_backtrace(terminal, error)
    complain(terminal, visible(message))
    _advise(terminal, hint, "  ")


def complain(terminal: Terminal, text: str) -> None:
    """Print one line, or several, as an error."""
    paint = terminal.paint_errors
    terminal.complain(f"{paint.alarm('error:')} {text}")


def _advise(terminal: Terminal, hint: str | None, indent: str) -> None:
    if hint is not None:
        text = _text(hint, indent)
        terminal.complain(f"{indent}{terminal.paint_errors.cyan('hint:')} {text}")


def _text(text: str, indent: str) -> str:
    """Return `text` for a terminal, further lines indented."""
    return visible(text).replace("\n", f"\n{indent}")


def _report_as_json(terminal: Terminal, content: dict[str, object]) -> None:
    from envbuild.cli.render import document

    terminal.data(document({"error": content}))


def _as_json(error: EnvbuildError) -> dict[str, object]:
    families = EnvbuildError.__subclasses__()
    problems = error.errors if isinstance(error, Problems) else ()
    return {
        "kind": type(error).__name__,
        "family": next(family.__name__ for family in families if isinstance(error, family)),
        "message": error.message,
        "hint": error.hint,
        "problems": [_as_json(each) for each in problems],
    }


def _print_backtrace(terminal: Terminal, error: Exception) -> None:
    from traceback import format_exception

    terminal.complain("".join(format_exception(error)).rstrip())
