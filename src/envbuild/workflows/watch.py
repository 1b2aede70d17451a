"""Taking down what a run relied on, so that a later one can tell that it would come to the same."""

from __future__ import annotations

import os

from envbuild.digest import digest_of
from envbuild.workflows.watched import Watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.digest import Digest
    from envbuild.target.discover import FoundInterpreter
    from envbuild.workflows.apply import Applied
    from envbuild.workflows.inputs import Inputs
    from envbuild.workflows.watched import Signature


def watch(
    inputs: Inputs,
    found: FoundInterpreter,
    applied: Applied,
    seen: tuple[tuple[str, Signature | None], ...],
) -> Watched:
    """Take down what a run that has just ended relied on; `seen` are signatures taken meanwhile."""
    from envbuild.environment.journal import JOURNAL
    from envbuild.environment.state import STAMPS, STATE, stamped_paths

    version_files = [path for path in found.watched if path != found.interpreter.executable]
    scheme = found.interpreter.target.scheme
    inside = [STATE, STAMPS, JOURNAL, f"{scheme.scripts}/python"]
    if not applied.stamped:
        inside += stamped_paths(applied.footprints, scheme)
    paths = [found.interpreter.executable, *(f"{inputs.prefix}/{path}" for path in inside)]
    return Watched(
        contents=(*inputs.watched, *((path, _content(path)) for path in version_files)),
        signatures=(*((path, signature(path)) for path in paths), *seen),
        stamps=f"{inputs.prefix}/{STAMPS}" if applied.stamped else None,
    )


def signature(path: str) -> Signature | None:
    """Return the numbers that tell whether the file or link at `path` was touched."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_ino, status.st_size)


def _content(path: str) -> Digest | None:
    try:
        with open(path, "rb") as file:
            return digest_of(file.read())
    except OSError:
        return None
