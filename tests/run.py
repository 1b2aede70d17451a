"""Set up what the tests need in `.tools/`, then run pytest with the arguments given here.

python3 tests/run.py                       everything
python3 tests/run.py -m "not network"      what needs no index
python3 tests/run.py tests/unit/store -q
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from support.private_venv import ROOT, become, private_python


def main() -> None:
    python = private_python("test")
    os.chdir(ROOT)
    become(python, "-m", "pytest", *sys.argv[1:])


if __name__ == "__main__":
    main()
