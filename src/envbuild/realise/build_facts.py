"""Asks an interpreter for what reaches the things that are built with it, and remembers the answer.

A second question beside that of `probe`, since hashing headers takes a while and nobody but a build
needs to know. The answer is believed for as long as the interpreter's file is the same.
"""

from __future__ import annotations

import os

from envbuild import canonical
from envbuild.derivation.build import InterpreterIdentity
from envbuild.digest import digest_of
from envbuild.errors import TargetError
from envbuild.frozen import frozen
from envbuild.plain_json import loads
from envbuild.realise.remembered import recall, remember, stamp_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from envbuild.target.model import Interpreter

_FORMAT = 1
_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "build_script.py")
_SECONDS = 60.0


class BuildFactsMissing(TargetError):
    """An interpreter that does not say what builds have to know of it."""

    def __init__(self, path: str, said: str) -> None:
        told = f": {said}" if said else ""
        super().__init__(f"`{path}` does not tell how extension modules are built for it{told}")
        self.path = path
        self.said = said


@frozen
class BuildFacts:
    """What builds have to know of an interpreter.

    Attributes:
        identity: what of it reaches what is built.
        executable: its real path.
        folders: absolute paths of the folders that it is installed in.
    """

    identity: InterpreterIdentity
    executable: str
    folders: tuple[str, ...]


def probe_build_facts(interpreter: Interpreter, *, cache_dir: str) -> BuildFacts:
    """Return what builds have to know of an interpreter.

    Args:
        interpreter: which.
        cache_dir: the folder for what is remembered; it need not exist or be writable.

    Raises:
        BuildFactsMissing: it does not answer.
    """
    executable = os.path.realpath(interpreter.executable)
    stamp = [_FORMAT, *stamp_of(executable)]
    path = f"{cache_dir}/builds/interpreter-{digest_of(executable.encode())[:32]}.json"
    answer = recall(path, stamp)
    if answer is None:
        answer = _ask(executable)
        remember(path, stamp, answer)
    target = interpreter.target
    return BuildFacts(
        identity=InterpreterIdentity(
            implementation=target.implementation,
            version=target.version,
            cache_tag=answer["cache_tag"],
            soabi=answer["soabi"],
            ext_suffix=answer["ext_suffix"],
            abi_flags=target.abi_flags,
            pointer_bits=answer["pointer_bits"],
            is_debug=answer["is_debug"],
            variables=canonical.digest(answer["variables"]),
            headers=digest_of(answer["headers"].encode()),
        ),
        executable=executable,
        folders=tuple(answer["prefixes"]),
    )


def _ask(executable: str) -> Any:
    import subprocess

    try:
        run = subprocess.run(
            (executable, "-I", "-S", "-B", _SCRIPT),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
        answer = loads(run.stdout.rpartition("\n")[2])
        if answer["format"] == _FORMAT:
            return answer
        said = ""
    except subprocess.TimeoutExpired:
        said = f"no answer within {_SECONDS:g} s"
    except (ValueError, KeyError, TypeError):
        said = run.stderr.strip().rpartition("\n")[2]
    except OSError as error:
        said = error.strerror or str(error)
    raise BuildFactsMissing(executable, said)
