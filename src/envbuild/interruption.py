"""Being interrupted in threads that no signal reaches.

A signal interrupts the main thread alone. Another thread that waits, for a lock or for a program, goes
on waiting, and the main thread for it. So whoever starts threads gives each of them something to ask,
and what waits for long asks it now and then; in a thread without, all of this does nothing.
"""

from __future__ import annotations

from _thread import _local  # `threading` costs 2 ms, and locks are taken where there are no threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from subprocess import CompletedProcess

_SECONDS_BETWEEN_QUESTIONS = 0.1


class _Here(_local):
    """What this thread asks."""

    interrupted: Callable[[], bool] | None = None


_here = _Here()


def ask(interrupted: Callable[[], bool] | None) -> None:
    """Let this thread ask `interrupted` whether it is to give up, or nobody any more."""
    _here.interrupted = interrupted


def can_ask() -> bool:
    """Tell whether somebody may want this thread to give up."""
    return _here.interrupted is not None


def give_way() -> None:
    """Raise `KeyboardInterrupt` where this thread is to give up."""
    if _here.interrupted is not None and _here.interrupted():
        raise KeyboardInterrupt


def wait() -> None:
    """Let a moment pass, for something that is to be looked at again; raises as `give_way` does."""
    from time import sleep

    give_way()
    sleep(_SECONDS_BETWEEN_QUESTIONS)


def run_program(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    folder: str | None = None,
    data: bytes = b"",
    seconds: float | None = None,
) -> CompletedProcess[bytes]:
    """Run a program to its end, as `subprocess.run` does, and return what it printed.

    Args:
        command: the program and its arguments.
        environ: its environment.
        folder: to start it in, `None` for this one.
        data: that it reads.
        seconds: that it may take.

    Raises:
        KeyboardInterrupt: this thread is to give up; the program is killed.
        TimeoutError: it took longer; it is killed.
        OSError: it cannot be started.
    """
    from subprocess import PIPE, CompletedProcess, Popen, TimeoutExpired
    from time import monotonic

    start = monotonic()
    with Popen(command, cwd=folder, env=environ, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        unsent: bytes | None = data
        try:
            while True:
                try:
                    out, err = process.communicate(unsent, timeout=_SECONDS_BETWEEN_QUESTIONS)
                except TimeoutExpired:
                    unsent = None
                    give_way()
                    if seconds is not None and monotonic() - start > seconds:
                        raise TimeoutError from None
                else:
                    return CompletedProcess(command, process.returncode, out, err)
        except BaseException:
            process.kill()
            raise
