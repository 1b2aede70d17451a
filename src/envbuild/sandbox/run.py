"""Running a program in a sandbox: the side of the caller.

The work is done by a supervisor, one process for each program; how it comes to be is the business of
`supervisors`. Here its order is written, what the program prints is read as it comes, and its answer
becomes an outcome. Programs may run in several threads at once; whatever happens to this process, the
supervisor notices and ends everything.
"""

from __future__ import annotations

import marshal
import os
import signal
import stat
from contextlib import suppress
from time import monotonic

from envbuild.errors import RealiseError
from envbuild.sandbox.model import HOME, TEMPORARY, Outcome
from envbuild.sandbox.plan import (
    ACCOUNTS,
    CONFIGURATION,
    NETWORK_CONFIGURATION,
    SHARED_MEMORY,
    SYSTEM,
    System,
    plan,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import BinaryIO

    from envbuild.sandbox.machine import Machine
    from envbuild.sandbox.model import Ending, Request, Rung
    from envbuild.sandbox.plan import Order
    from envbuild.sandbox.stop import Stop
    from envbuild.sandbox.supervisors import Supervisors

_NOT_STARTED = "bwrap: execvp "
"""How bubblewrap begins to say that it is the program that could not be started."""

_GRACE = 30.0
"""Seconds for a supervisor to do what it has to; without a sandbox, a program could have stopped it."""

_NUMBER = 4
"""Bytes of the process number that a supervisor says first."""

_LONGEST_LINE = 64 * 1024


class SandboxFailed(RealiseError):
    """A sandbox that could not be set up; the program was never started.

    Attributes:
        rung: which.
        what: the step that failed, or the path that it failed on.
        errno: the system's error number, 0 where there is none.
        output: what was printed meanwhile.
    """

    def __init__(self, rung: str, what: str, number: int, output: str) -> None:
        reason = f": {os.strerror(number).lower()}" if number else ""
        shown = "".join(f"\n    {line}" for line in output.strip().splitlines()[-5:])
        super().__init__(f"the sandbox `{rung}` cannot be set up: `{what}`{reason}{shown}")
        self.rung = rung
        self.what = what
        self.errno = number
        self.output = output


def run(
    request: Request,
    rung: Rung,
    machine: Machine,
    *,
    supervisors: Supervisors,
    log: str,
    on_line: Callable[[str], None] | None = None,
    stop: Stop | None = None,
) -> Outcome:
    """Run the program of `request` on `rung` and return how it ended.

    When this returns or raises, nothing that the program started is running any more.

    Args:
        request: what to run; in its build folder, `home` and `tmp` are made where they are missing.
        rung: where, one of `machine.rungs`.
        machine: the facts.
        supervisors: start what does it.
        log: path of a file outside of the build folder; it is written anew and gets both output
            streams as they come, in their order. It ends with a line about the limit, where the
            output ran into it.
        on_line: called with every line of the output, without its end, from this thread.
        stop: ends the program from another thread.

    Raises:
        SandboxFailed: the sandbox could not be set up, or the program is not to be found.
        OSError: the log or the build folder cannot be written to.
    """
    for name in (HOME, TEMPORARY):
        _ensure_folder(os.path.join(request.folder, name))
    order = plan(request, rung, machine, look_at_system())
    start = monotonic()
    with open(log, "wb", buffering=0) as file:
        output = _Output(file, request.limits.output, on_line)
        answer = _supervised(order, output, supervisors, stop)
    match answer:
        case ("ended", str() as ended, int() as status):
            exited = os.WIFEXITED(status)
            reason: Ending = "output" if output.exceeded else ended  # type: ignore[assignment]
            return Outcome(
                ended=reason,
                exit_code=os.WEXITSTATUS(status) if exited else None,
                signal=None if exited else os.WTERMSIG(status),
                duration_ms=round(1000 * (monotonic() - start)),
                rung=rung,
            )
        case ("failed", str() as what, int() as number):
            if output.text().startswith(_NOT_STARTED):
                what = request.argv[0]
            raise SandboxFailed(rung, what, number, output.text())
        case _:
            raise SandboxFailed(rung, "supervisor", 0, output.text())


def _ensure_folder(path: str) -> None:
    """Make a folder, in place of anything else that an earlier program may have left there."""
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            return
        os.unlink(path)
    except FileNotFoundError:
        pass
    os.mkdir(path, 0o700)


def look_at_system() -> System:
    """Return which of the system's paths exist here."""
    present = set()
    links = []
    for path in {*SYSTEM, *CONFIGURATION, *NETWORK_CONFIGURATION, *ACCOUNTS, SHARED_MEMORY}:
        if not os.path.exists(path):
            continue
        if os.path.islink(path):
            links.append((path, os.readlink(path)))
        else:
            present.add(path)
    return System(present=frozenset(present), links=tuple(sorted(links)))


class _Output:
    """What a program prints: kept in the log, and told line by line."""

    def __init__(self, file: BinaryIO, limit: int, on_line: Callable[[str], None] | None) -> None:
        self._file = file
        self._left = limit
        self._on_line = on_line
        self._line = b""
        self._last = b""
        self.exceeded = False

    def take(self, data: bytes) -> None:
        """Take what was printed next."""
        if self.exceeded:
            return
        kept = data[: self._left]
        self._left -= len(kept)
        self._write(kept)
        if len(kept) < len(data):
            self.exceeded = True
            self._write(b"\n[more output than is allowed: ended here]\n")

    def finish(self) -> None:
        """Tell the last line, which may lack its end."""
        if self._line:
            self._tell(self._line)
            self._line = b""

    def text(self) -> str:
        """Return the end of what was printed."""
        return self._last.decode("utf-8", "replace")

    def _write(self, data: bytes) -> None:
        self._last = (self._last + data)[-4096:]
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        if self._on_line is None:
            return
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._tell(line)
        if len(self._line) > _LONGEST_LINE:
            self._tell(self._line)
            self._line = b""

    def _tell(self, line: bytes) -> None:
        if self._on_line is not None:
            self._on_line(line.rstrip(b"\r").decode("utf-8", "replace"))


def _supervised(
    order: Order, output: _Output, supervisors: Supervisors, stop: Stop | None
) -> object:
    """Let a supervisor carry out `order`; return its answer, or `None` if it gave none."""
    reader, writer = os.pipe()
    try:
        try:
            ours = supervisors.start(writer)
        finally:
            os.close(writer)
        said = _Said()
        try:
            _send(ours, order)
            _listen(ours, reader, said, output, stop, order["seconds"])
        finally:
            # Whatever else happened, this ends what is still running; then the supervisor is done.
            _end(ours)
            _wait(ours, said)
            ours.close()
    finally:
        os.close(reader)
    output.finish()
    return marshal.loads(said.answer) if said.answer else None  # noqa: S302 - by our supervisor


class _Said:
    """What a supervisor has said: its process number, then its answer."""

    def __init__(self) -> None:
        self._data = b""

    def take(self, data: bytes) -> None:
        self._data += data

    @property
    def process(self) -> int | None:
        number = self._data[:_NUMBER]
        return int.from_bytes(number, "big") if len(number) == _NUMBER else None

    @property
    def answer(self) -> bytes:
        return self._data[_NUMBER:]


def _send(ours: socket.socket, order: Order) -> None:
    written = marshal.dumps(order, 4)  # type: ignore[arg-type]  # a table of plain values
    try:
        ours.sendall(len(written).to_bytes(4, "big") + written)
    except BrokenPipeError:
        # It did not even start; why not is in the output.
        pass


def _wait(ours: socket.socket, said: _Said) -> None:
    """Wait until a supervisor is gone, which ends with its side of the socket."""
    ours.settimeout(_GRACE)
    for _ in ("by itself", "killed"):
        try:
            while data := ours.recv(65536):
                said.take(data)
        except TimeoutError:
            if said.process is None:
                return
            # It has not ended, so nobody else has its number.
            with suppress(ProcessLookupError):
                os.kill(said.process, signal.SIGKILL)
        except ConnectionResetError:
            return
        else:
            return


def _listen(
    ours: socket.socket,
    reader: int,
    said: _Said,
    output: _Output,
    stop: Stop | None,
    seconds: float | None,
) -> None:
    """Take the output and what the supervisor says, until all is ended or it is late."""
    import select

    deadline = None if seconds is None else monotonic() + seconds + _GRACE
    poll = select.poll()
    poll.register(ours, select.POLLIN)
    poll.register(reader, select.POLLIN)
    if stop is not None:
        poll.register(stop, select.POLLIN)
    stopping = False
    while True:
        asked = False
        left = None if deadline is None else deadline - monotonic()
        if left is not None and left <= 0:
            return
        for descriptor, _ in poll.poll(None if left is None else 1000 * left):
            if descriptor == reader:
                data = os.read(reader, 65536)
                if data:
                    output.take(data)
                else:
                    poll.unregister(reader)
            elif descriptor == ours.fileno():
                data = ours.recv(65536)
                said.take(data)
                if not data:
                    _take_rest(reader, output)
                    return
            else:
                asked = True
        if (asked or output.exceeded) and not stopping:
            stopping = True
            _end(ours)
            if stop is not None:
                poll.unregister(stop)


def _end(ours: socket.socket) -> None:
    from socket import SHUT_WR

    try:
        ours.shutdown(SHUT_WR)
    except OSError:
        # The supervisor was faster.
        pass


def _take_rest(reader: int, output: _Output) -> None:
    """Take what is left in the pipe; what could not be ended may hold its other end open."""
    os.set_blocking(reader, False)
    try:
        while data := os.read(reader, 65536):
            output.take(data)
    except BlockingIOError:
        pass
