"""The program `envbuild`, and `python -m envbuild`."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def program() -> NoReturn:
    """Run the command line of this process and end it."""
    import gc

    # Looking for cycles after every 700 new objects takes 3 ms of a short run and finds none.
    gc.set_threshold(50_000)
    code = main()
    if code == 0:
        # All is written and closed. To take its modules apart object by object, as Python does at
        # its end, takes 2 ms where nothing was to be done, and 6 ms after a change.
        os._exit(0)
    sys.exit(code)


def main() -> int:
    """Run the command line of this process and return its exit code."""
    try:
        from envbuild.cli.recall import recall

        words = sys.argv[1:]
        text = recall(words, os.environ)
        if text is not None:
            return _print(text)

        from envbuild.cli.main import run

        return run(words)
    except KeyboardInterrupt:  # before anything had begun
        return 130


def _print(text: str) -> int:
    data = text.encode("utf-8", "surrogateescape")
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        return 1
    return 0


if __name__ == "__main__":
    program()
