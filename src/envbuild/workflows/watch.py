"""What a run has relied on, so that a later one can tell that it would come to the same.

Two kinds of facts: files with the digests of what they held (or their absence), and paths with the
few numbers by which the file system tells that they have been touched. Checking them costs a few
system calls and no knowledge of what they mean.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from envbuild.digest import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.digest import Digest
    from envbuild.target.discover import FoundInterpreter
    from envbuild.workflows.apply import Applied
    from envbuild.workflows.inputs import Inputs

    Signature = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a run has relied on.

    Attributes:
        contents: absolute paths of files, with the digest of their content, `None` for absence.
        signatures: absolute paths, with modification time in nanoseconds, inode number and size
            (of a link itself, not of what it leads to); `None` for absence.
    """

    contents: tuple[tuple[str, Digest | None], ...]
    signatures: tuple[tuple[str, Signature | None], ...]


def watch(inputs: Inputs, found: FoundInterpreter, applied: Applied) -> Watched:
    """Take down what a run that has just ended relied on."""
    from envbuild.environment.journal import JOURNAL
    from envbuild.environment.state import STAMPS, STATE, stamped_paths

    version_files = [path for path in found.watched if path != found.interpreter.executable]
    scheme = found.interpreter.target.scheme
    inside = [STATE, STAMPS, JOURNAL, f"{scheme.scripts}/python"]
    inside += stamped_paths(applied.footprints, scheme)
    paths = [found.interpreter.executable, *(f"{inputs.prefix}/{path}" for path in inside)]
    return Watched(
        contents=(*inputs.watched, *((path, _content(path)) for path in version_files)),
        signatures=tuple((path, signature(path)) for path in paths),
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
