"""The process that supervisors are copies of, so that only the first waits for Python to start.

It has one thread and does nothing but fork. For every pair of descriptors that comes through its
socket, an order's socket and where output goes, there is one copy, which becomes a supervisor; when
the socket is closed on the other side, it waits for them and ends. They do not depend on it; but what
they and the programs have used is counted for whoever started this process, as it is for any children.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys

from envbuild.sandbox import supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


def main(control: int) -> NoReturn:
    """Fork supervisors for those at the other end of the socket with the descriptor `control`."""
    connection = socket.socket(fileno=control)
    connection.set_inheritable(False)
    # What was printed so far, by a start that failed, was for whoever wanted the first supervisor.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: _reap(os.WNOHANG))
    if sys.platform == "linux":
        import resource  # noqa: F401 - as all of these, for the copies

        from envbuild.sandbox import bubblewrap, control_group, kernel  # noqa: F401

        kernel.hide_from_tracing()
    # Objects that are never looked at stay shared with the copies.
    gc.freeze()
    while True:
        data, descriptors, _, _ = socket.recv_fds(connection, 1, 2, _CLOSE_ON_EXEC)
        if not data:
            connection.close()
            _reap(0)
            os._exit(0)
        if len(descriptors) == 2:
            _copy(connection, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _reap(how: int) -> None:
    try:
        while os.waitpid(-1, how)[0]:
            pass
    except ChildProcessError:
        pass


def _copy(connection: socket.socket, order: int, output: int) -> None:
    try:
        if os.fork():
            return
    except OSError as error:
        os.write(output, f"no process can be started: {error.strerror}\n".encode())
        return
    code = 1
    try:
        connection.close()
        os.setsid()
        for stream in (1, 2):
            os.dup2(output, stream)
        os.close(output)
        supervisor.main(order)
        code = 0
    except SystemExit:
        pass
    except BaseException:  # noqa: BLE001 - told to whoever wanted a supervisor, as any start's fault
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(code)
