"""Runs envbuild and kills it, with SIGKILL, just before a chosen change to a file system.

    python killed.py KINDS STEP COUNT_FILE ARGUMENTS...

KINDS names functions of `os`, separated by commas; the STEP-th call of any of them, counted from 1
over all processes of the run, does not happen: the whole process group dies instead. With step 0
nothing dies, and the number of calls is written to COUNT_FILE. Nothing of envbuild is replaced:
what runs is the program, up to the instant of its death.
"""

from __future__ import annotations

import builtins
import mmap
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_COUNTER = mmap.mmap(-1, 8)  # shared with every process that is forked from this one


def main() -> None:
    kinds, step, count_file, *arguments = sys.argv[1:]
    for kind in kinds.split(","):
        setattr(os, kind, _counted(getattr(os, kind), int(step)))
    if "open" in kinds.split(","):
        builtins.open = _counted_open(builtins.open, int(step))
    sys.argv = ["envbuild", *arguments]
    from envbuild.__main__ import main as envbuild

    code: object = 0
    try:
        code = envbuild()
    except SystemExit as end:
        code = end.code
    with open(os.open(count_file, os.O_WRONLY | os.O_CREAT), "w", encoding="ascii") as file:
        file.write(str(_count()))
    sys.exit(int(str(code or 0)))


def _counted(function: Callable[..., Any], step: int) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        if function is not _OPEN or arguments[1] & (os.O_CREAT | os.O_TRUNC):
            _tick(step)
        return function(*arguments, **named)

    return counted


def _counted_open(function: Callable[..., Any], step: int) -> Callable[..., Any]:
    def counted(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if isinstance(file, (str, bytes, os.PathLike)) and set(mode) & set("wxa+"):
            _tick(step)
        return function(file, mode, *arguments, **named)

    return counted


def _tick(step: int) -> None:
    # Two processes may take one number; then one step is tried twice and another not at all.
    number = _count() + 1
    _COUNTER[:] = number.to_bytes(8, "little")
    if number == step:
        os.killpg(0, signal.SIGKILL)


def _count() -> int:
    return int.from_bytes(_COUNTER[:], "little")


_OPEN = os.open

if __name__ == "__main__":
    main()
