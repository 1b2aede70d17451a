"""Unpackers: places where archives are unpacked, several at once, each in a process of its own.

Unpacking is system calls and short calls into C with little Python in between, so two threads spend
their time handing the interpreter's lock to one another: `docs/decisions/unpackers.md` has the
figures. The processes are forked before there are other threads, get each archive as a descriptor
through a socket, and send back the encoded tree. What they write is blobs, which may be interrupted
at any instant: so they are simply killed in the end.

Where there is one place only, or forking is not safe, the calling thread does the work.
"""

from __future__ import annotations

import os
from _signal import SIGKILL  # type: ignore[import-not-found]  # `signal` costs 3 ms

from envbuild.digest import digest_of
from envbuild.errors import EnvbuildError, RealiseError
from envbuild.forking import can_fork, fork
from envbuild.frozen import frozen
from envbuild.interruption import give_way
from envbuild.realise.unpack import unpack_wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from queue import SimpleQueue
    from types import TracebackType
    from typing import Any, NoReturn, Self

    from envbuild.digest import Digest
    from envbuild.realise.archive_limits import Limits
    from envbuild.store.publish import Blobs
    from envbuild.store.tree import Tree

_LENGTH = 8
_MODULES = ("csv", "gc", "io", "isal.isal_zlib", "pickle", "signal", "traceback")
_MOST_PLACES = 4
"""A process has 20 MiB of its own, and the next bound is the file system's."""


class UnpackerKilled(RealiseError):
    """The process that unpacked an archive is gone; the system may have run out of memory."""

    def __init__(self, archive: str) -> None:
        super().__init__(f"the process that unpacked `{archive}` was killed")
        self.archive = archive


@frozen
class Outcome:
    """What came of an archive.

    Attributes:
        tree: canonical bytes of the tree of its files, whose blobs are in the store.
        notes: what the user should know of it.
        new_bytes: bytes of the blobs that were not in the store before.
        files: number of its files.
    """

    tree: bytes
    notes: tuple[str, ...]
    new_bytes: int
    files: int


def places_for(archives: int) -> int:
    """Return in how many places so many archives are best unpacked."""
    if not hasattr(os, "sched_getaffinity"):
        return min(archives, 2)
    return min(archives, len(os.sched_getaffinity(0)), _MOST_PLACES)


class Unpackers:
    """So many places to unpack in. Use as a context manager; many threads may call `unpack`."""

    __slots__ = ("_afterwards", "_blobs", "_idle", "_processes")

    def __init__(
        self,
        places: int,
        blobs: Blobs,
        afterwards: Callable[[str, Tree, Digest], None] | None = None,
    ) -> None:
        """Fork what is needed; to be called before other threads run.

        Args:
            places: how many archives may be unpacked at once.
            blobs: where the files go; must stay open until the end.
            afterwards: called where an archive was unpacked, with the name of the distribution, the
                tree and its digest: for what else can be worked out from these and kept.
        """
        from queue import SimpleQueue

        forks = places > 1 and can_fork()
        self._blobs = blobs
        self._afterwards = afterwards
        self._idle: SimpleQueue[_Process | None] = SimpleQueue()
        self._processes: list[_Process] = []
        for _ in range(places):
            process = None
            if forks:
                try:
                    process = _Process(blobs, afterwards, self._processes)
                    self._processes.append(process)
                except OSError:
                    # No more processes or descriptors: then as if forking were not safe.
                    forks = False
            self._idle.put(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def cancel(self) -> None:
        """End the processes, whatever they are doing. Threads in `unpack` have been told to give up."""
        for process in self._processes:
            process.kill()

    def close(self) -> None:
        """The same; no thread may be in `unpack` any more."""
        for process in self._processes:
            process.end()
        self._processes.clear()

    def unpack(
        self,
        archive: int,
        *,
        filename: str,
        distribution: str,
        version: str,
        verify_record: bool,
        limits: Limits,
    ) -> Outcome:
        """Do what `unpack_wheel` does, once one of the places is free.

        Args:
            archive: descriptor of the archive that can be read at any offset.
            filename: see `unpack_wheel`, as for all that follow.
            distribution: see there.
            version: see there.
            verify_record: see there.
            limits: see there.

        Raises:
            UnpackerKilled: somebody ended the process that was at it.
            KeyboardInterrupt: this thread is to give up.
            RealiseError, StoreUnusable: what `unpack_wheel` raises.
        """
        wanted = {
            "filename": filename,
            "distribution": distribution,
            "version": version,
            "verify_record": verify_record,
            "limits": limits,
        }
        process = self._idle.get()
        alive = process
        try:
            give_way()
            if process is None:
                return _unpack(archive, wanted, self._blobs, self._afterwards)
            try:
                kind, value, unsynced = process.ask(archive, wanted)
            except OSError as error:
                # Nobody can fork now that there are threads, so this place is the caller's.
                alive = None
                give_way()
                raise UnpackerKilled(filename) from error
            if unsynced:
                self._blobs.unsynced = True
            return _outcome(kind, value)
        finally:
            self._idle.put(alive)


class _Process:
    """A forked process that unpacks one archive after the other."""

    __slots__ = ("_child", "_socket")

    def __init__(
        self,
        blobs: Blobs,
        afterwards: Callable[[str, Tree, Digest], None] | None,
        others: list[_Process],
    ) -> None:
        import socket

        self._socket, theirs = socket.socketpair()
        try:
            self._child = fork(*_MODULES)
        except OSError:
            self._socket.close()
            theirs.close()
            raise
        if self._child == 0:
            # As long as anybody else holds our end of a socket, it cannot tell that we are gone.
            for process in (self, *others):
                process.hang_up()
            _serve(theirs, blobs, afterwards)
        theirs.close()

    def ask(self, archive: int, wanted: dict[str, Any]) -> tuple[str, Any, bool]:
        """Have an archive unpacked; return what `_serve` answers.

        Raises:
            OSError: the process is gone.
        """
        import pickle
        import socket

        message = pickle.dumps(wanted)
        socket.send_fds(self._socket, [len(message).to_bytes(_LENGTH, "big")], [archive])
        self._socket.sendall(message)
        size = int.from_bytes(_receive(self._socket, _LENGTH), "big")
        answer: tuple[str, Any, bool] = pickle.loads(_receive(self._socket, size))  # noqa: S301
        return answer

    def hang_up(self) -> None:
        """Close this end of the socket."""
        self._socket.close()

    def kill(self) -> None:
        """End the process; whoever asks it notices."""
        os.kill(self._child, SIGKILL)

    def end(self) -> None:
        """End the process and wait until it has ended."""
        self.hang_up()
        self.kill()
        os.waitpid(self._child, 0)


def _serve(
    connection: socket.socket,
    blobs: Blobs,
    afterwards: Callable[[str, Tree, Digest], None] | None,
) -> NoReturn:
    """Answer what `ask` asks until the other end is closed: kind, value, whether blobs are new."""
    import gc
    import pickle
    import signal
    import socket
    import traceback

    try:
        # The parent says when to stop; an interrupt from the terminal reaches everybody.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Nothing that lasts is made here, so there is nothing to collect; and what is here already
        # stays shared with the parent as long as no collection touches it.
        gc.disable()
        while True:
            head, descriptors, _, _ = socket.recv_fds(connection, _LENGTH, 1)
            head += _receive(connection, _LENGTH - len(head))
            wanted = pickle.loads(_receive(connection, int.from_bytes(head, "big")))  # noqa: S301
            blobs.unsynced = False
            kind: str
            value: object
            try:
                kind, value = "outcome", _unpack(descriptors[0], wanted, blobs, afterwards)
            except EnvbuildError as error:
                # Errors are made from other arguments than those that they carry.
                kind, value = "error", (type(error), error.args, error.__dict__)
            except BaseException:  # noqa: BLE001 - whatever it is, the parent must hear of it
                kind, value = "crash", traceback.format_exc()
            os.close(descriptors[0])
            message = pickle.dumps((kind, value, blobs.unsynced))
            connection.sendall(len(message).to_bytes(_LENGTH, "big") + message)
    except OSError:
        pass
    finally:
        os._exit(0)


def _receive(connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = connection.recv_into(view)
        if count == 0:
            raise ConnectionError
        view = view[count:]
    return data


def _unpack(
    archive: int,
    wanted: dict[str, Any],
    blobs: Blobs,
    afterwards: Callable[[str, Tree, Digest], None] | None,
) -> Outcome:
    unpacked = unpack_wheel(archive, blobs=blobs, **wanted)
    tree = unpacked.tree.encode()
    if afterwards is not None:
        afterwards(wanted["distribution"], unpacked.tree, digest_of(tree))
    return Outcome(
        tree=tree,
        notes=unpacked.notes,
        new_bytes=unpacked.new_bytes,
        files=unpacked.files,
    )


def _outcome(kind: str, value: Any) -> Outcome:
    match kind:
        case "outcome":
            outcome: Outcome = value
            return outcome
        case "error":
            family, arguments, fields = value
            error: EnvbuildError = family.__new__(family, *arguments)
            error.__dict__.update(fields)
            raise error
        case _:
            raise RuntimeError(value)
