"""The file of an archive: opened here and closed at the end, or passed in open and left so."""

from __future__ import annotations

import os

from envbuild.errors import RealiseError


class ArchiveUnreadable(RealiseError):
    """The operating system does not let an archive be read."""

    def __init__(self, archive: str, error: OSError) -> None:
        super().__init__(f"cannot read `{archive}`: {error.strerror or error}")
        self.archive = archive
        self.errno = error.errno


class ArchiveFile:
    """A file that is read at any offset.

    Attributes:
        descriptor: of it.
    """

    __slots__ = ("_owned", "descriptor")

    def __init__(self, source: str | int, name: str) -> None:
        """Open `source`, a path, unless it is a descriptor already; `name` is for errors.

        Raises:
            ArchiveUnreadable: the operating system refuses.
        """
        self._owned = isinstance(source, str)
        try:
            self.descriptor = (
                os.open(source, os.O_RDONLY | os.O_CLOEXEC) if isinstance(source, str) else source
            )
        except OSError as error:
            raise ArchiveUnreadable(name, error) from error

    def close(self) -> None:
        """Close it, unless it was passed in open."""
        if self._owned:
            os.close(self.descriptor)
            self._owned = False
