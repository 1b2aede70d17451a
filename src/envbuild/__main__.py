"""The program `envbuild`, and `python -m envbuild`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line of this process and return its exit code."""
    from envbuild.cli.main import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
