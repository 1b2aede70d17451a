"""Starting supervisors: one process for each program, all of them copies of one that is started first.

What they do is said in `supervisor`, how they come to be in `origin`. Whatever happens to this process,
each of them notices, and ends what it has started.
"""

from __future__ import annotations

import os
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import subprocess
    from types import TracebackType
    from typing import Self

_START = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from envbuild.sandbox.origin import main; main(int(sys.argv[2]))"
)
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_LIBRARIES = ("DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH")
"""What some interpreters cannot start without; it is for the supervisors alone."""

_ENDING = 10.0
"""Seconds for that process to end once it is not needed: it has nothing to do but that."""


class Supervisors:
    """Starts supervisors. Use as a context manager; many threads may call `start`."""

    __slots__ = ("_control", "_mutex", "_origin")

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._origin: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Start no more of them; those that there are go on."""
        with self._mutex:
            self._end()

    def start(self, output: int) -> socket.socket:
        """Start a supervisor and return the socket that it is spoken to through.

        It first says its process number, in four bytes; then it waits for an order. Where it could
        not be started there is nothing to be read, and `output` says why.

        Args:
            output: descriptor of the pipe that everything is printed into.
        """
        import socket

        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = [theirs.fileno(), output]
            try:
                with self._mutex:
                    try:
                        socket.send_fds(self._connected(output), [b"!"], descriptors)
                    except (BrokenPipeError, ConnectionResetError):
                        # Somebody killed it.
                        self._end()
                        socket.send_fds(self._connected(output), [b"!"], descriptors)
            except (BrokenPipeError, ConnectionResetError):
                # It does not even start; why not is in the output.
                pass
            except BaseException:
                ours.close()
                raise
        return ours

    def _connected(self, output: int) -> socket.socket:
        if self._control is None:
            import socket
            import subprocess

            ours, theirs = socket.socketpair()
            with theirs:
                self._origin = subprocess.Popen(
                    (sys.executable, "-I", "-S", "-c", _START, _ROOT, str(theirs.fileno())),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={name: os.environ[name] for name in _LIBRARIES if name in os.environ},
                    cwd="/",
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            self._control = ours
        return self._control

    def _end(self) -> None:
        if self._control is None or self._origin is None:
            return
        import subprocess

        self._control.close()
        self._control = None
        try:
            self._origin.wait(_ENDING)
        except subprocess.TimeoutExpired:
            self._origin.kill()
            self._origin.wait()
        self._origin = None
