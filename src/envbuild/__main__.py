"""The program `envbuild`, and `python -m envbuild`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line of this process and return its exit code."""
    try:
        from envbuild.cli.main import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:  # before there was anything that could say so
        return 130


if __name__ == "__main__":
    sys.exit(main())
