"""An interpreter that compiles modules, one after the other, and executes nothing of them."""

from __future__ import annotations

import marshal
import os
import struct
import time

from envbuild.store import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from threading import Timer
    from types import TracebackType
    from typing import Self

    Import = tuple[int, str, tuple[str, ...]]
    """A level, a name, and names from there, as `import` statements have them."""

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bytecode_script.py")
_SECONDS = 60.0
"""For everything that one of them compiles. Nothing is lost but time where it is ended."""

_LONGEST = 4 * 2**20
"""Bytes of a module, at most: none is so long, and what is takes a hundred times as much memory."""


class Compiler:
    """A process that compiles, started when there is something to compile. Use as a context manager.

    Args:
        executable: path of the interpreter.
    """

    __slots__ = ("_deadline", "_executable", "_process", "_timer")

    def __init__(self, executable: str) -> None:
        self._executable = executable
        self._deadline = time.monotonic() + _SECONDS
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: Timer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    @property
    def is_late(self) -> bool:
        """Whether it has had its time, and compiles nothing any more."""
        return time.monotonic() >= self._deadline

    def compile(self, name: str, source: bytes) -> tuple[bytes, list[Import]]:
        """Return the bytecode file of a module, and what it imports.

        Both are empty where it cannot be compiled, whether that is refused or ends the process.

        Args:
            name: path that the bytecode says that the module has.
            source: its content.
        """
        if len(source) > _LONGEST or self.is_late:
            return b"", []
        path = os.fsencode(name)
        try:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(struct.pack("<II", len(path), len(source)) + path + source)
            process.stdin.flush()
            length = int.from_bytes(process.stdout.read(4), "little")
            answer = process.stdout.read(length)
            compiled, imports = marshal.loads(answer)  # noqa: S302 - by an interpreter of ours
        except (OSError, ValueError, EOFError):
            # The next module gets another one.
            self._end()
            return b"", []
        return compiled, imports

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            import subprocess
            from threading import Timer

            self._process = subprocess.Popen(
                (self._executable, "-I", "-S", "-B", _SCRIPT),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            left = self._deadline - time.monotonic()
            self._timer = Timer(max(0.0, left), self._process.kill)
            self._timer.daemon = True
            self._timer.start()
            assert self._process.stdin is not None
            self._process.stdin.write(struct.pack("<I", layout.TIMESTAMP))
        return self._process

    def _end(self) -> None:
        process, timer = self._process, self._timer
        self._process = self._timer = None
        if process is None:
            return
        try:
            with process:
                pass
        except OSError:
            # It was gone before it had read everything.
            pass
        if timer is not None:
            timer.cancel()
