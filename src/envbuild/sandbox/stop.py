"""Ending programs from another thread."""

from __future__ import annotations

import os


class Stop:
    """Ends programs from another thread: all that were given it, those that start later as well."""

    __slots__ = ("_is_set", "_reader", "_writer")

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._is_set = False

    def set(self) -> None:
        """End them now; may be called more than once."""
        self._is_set = True
        # Never read, so every program that watches the other end sees it.
        os.write(self._writer, b"!")

    def is_set(self) -> bool:
        """Tell whether they are to end."""
        return self._is_set

    def fileno(self) -> int:
        """Return a descriptor that can be read from once it is set."""
        return self._reader

    def close(self) -> None:
        """Give the descriptors back, when no program runs any more; not those of one that was set.

        Whoever set it may have had no patience to wait for all that look at it.
        """
        if self._is_set:
            return
        os.close(self._reader)
        os.close(self._writer)
