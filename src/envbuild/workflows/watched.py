"""What a run has relied on, as a value: facts that a later run can check without knowing them.

Two kinds: files with the digests of what they held (or their absence), and paths with the few
numbers by which the file system tells that they have been touched.
"""

from __future__ import annotations

from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.digest import Digest

    Signature = tuple[int, int, int]


@frozen
class Watched:
    """What a run has relied on.

    Attributes:
        contents: absolute paths of files, with the digest of their content, `None` for absence.
        signatures: absolute paths, with modification time in nanoseconds, inode number and size
            (of a link itself, not of what it leads to); `None` for absence.
        stamps: absolute path of the stamps of an environment, where what they say has to hold.
    """

    contents: tuple[tuple[str, Digest | None], ...]
    signatures: tuple[tuple[str, Signature | None], ...]
    stamps: str | None = None
