"""Asks a backend what it needs, and where that is what was expected, has it build at once.

Run by the interpreter of the build environment, with nothing but its standard library, beside the
script of `pyproject_hooks`, which does the asking. Each hook has a process of its own, as PEP 517 would
have it: the first runs in a copy of this process, made when the backend had just been imported.
What a start and that import cost is paid once.

Arguments: the folder, which has a folder of each hook's name with its input, and `expected.json`;
the hook that asks; the hook that builds. What was imported is left in the folder as `imported.json`.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from types import ModuleType


def main(folder: str, asking: str, building: str) -> None:
    # What is beside this script is not for a backend to find, and nothing is to be left there.
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    run_hook = importlib.import_module("run_hook")
    sys.dont_write_bytecode = before
    del sys.path[0]
    import_backend()
    if not is_alone():
        # A copy would lack the other threads; so each hook has to start anew.
        ask(run_hook, folder, asking)
        return
    copy = os.fork()
    if not copy:
        ask(run_hook, folder, asking)
        return
    _, status = os.waitpid(copy, 0)
    if status:
        end_likewise(status)
    if is_as_expected(folder, asking):
        sys.stdout.write("# " + building + "\n")
        sys.stdout.flush()
        ask(run_hook, folder, building)
        note_imports(folder)


def import_backend() -> None:
    """Import the backend, where that is one of the environment; what fails is told by the hook."""
    if not os.environ.get("_PYPROJECT_HOOKS_BACKEND_PATH_JSON"):
        try:
            importlib.import_module(os.environ["_PYPROJECT_HOOKS_BUILD_BACKEND"].partition(":")[0])
        except Exception:  # noqa: BLE001, S110 - a backend may do whatever it likes
            pass


def is_alone() -> bool:
    """Tell whether this process is known to have no other thread, whoever started it."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        # Some systems have libraries that do not survive a copy, even so.
        return False


def ask(run_hook: ModuleType, folder: str, hook: str) -> None:
    sys.argv[:] = [str(run_hook.__file__), hook, os.path.join(folder, hook)]
    run_hook.main()


def end_likewise(status: int) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def is_as_expected(folder: str, asking: str) -> bool:
    with open(os.path.join(folder, "expected.json"), encoding="utf-8") as file:
        expected = json.load(file)
    with open(os.path.join(folder, asking, "output.json"), encoding="utf-8") as file:
        found = json.load(file).get("return_val")
    if not isinstance(found, list):
        return False
    return bool(sorted({" ".join(str(text).split()) for text in found}) == expected)


def note_imports(folder: str) -> None:
    """Write down which modules of the environment have been imported; no attribute is computed."""
    above = os.path.join(sys.prefix, "")
    files = [
        vars(each).get("__file__") for each in sys.modules.values() if type(each) is ModuleType
    ]
    names = [file[len(above) :] for file in files if type(file) is str and file.startswith(above)]
    with open(os.path.join(folder, "imported.json"), "w", encoding="utf-8") as file:
        json.dump(sorted(names), file)


if __name__ == "__main__":
    main(*sys.argv[1:])
