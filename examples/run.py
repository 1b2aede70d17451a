"""Set up envbuild in `.tools/`, realize an example, and run what it installs.

python3 examples/run.py            the `hello` example: no network but for the set-up
python3 examples/run.py workspace  a project and its members, built here: no index
python3 examples/run.py web        packages from the default index, locked by uv on first use
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))

from support.private_venv import ROOT, private_python

HELLO = (
    ("envbuild", "realize", "uv.lock"),
    (".venv/bin/lantern", "--farewell"),
    ("envbuild", "realize", "uv.lock"),
)
WORKSPACE = (
    ("envbuild", "realize", "uv.lock"),
    (".venv/bin/harbour",),
    ("envbuild", "realize", "--no-editable", "uv.lock"),
    (".venv/bin/harbour",),
)
WEB = (
    ("uv", "lock", "--quiet"),
    ("envbuild", "realize", "uv.lock"),
    (".venv/bin/python", "app.py"),
)


def main() -> None:
    match sys.argv[1:]:
        case [] | ["hello"]:
            run("hello", HELLO, private_python())
        case ["workspace"]:
            run("workspace", WORKSPACE, private_python("test"))
        case ["web"]:
            run("web", WEB, private_python("test"))
        case _:
            sys.exit(f"usage: {sys.argv[0]} [hello|workspace|web]")


def run(example: str, commands: tuple[tuple[str, ...], ...], python: str) -> None:
    os.chdir(os.path.join(ROOT, "examples", example))
    os.environ["PATH"] = os.pathsep.join((os.path.dirname(python), os.environ["PATH"]))
    print(f"in examples/{example}")
    for command in commands:
        print(f"$ {shlex.join(command)}", flush=True)
        finished = subprocess.run(command, check=False)
        if finished.returncode != 0:
            sys.exit(finished.returncode)


if __name__ == "__main__":
    main()
