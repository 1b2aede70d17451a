"""The program `envbuild`, and `python -m envbuild`."""

from __future__ import annotations

import os
import sys


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
    sys.exit(main())
