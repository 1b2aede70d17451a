"""TOML text to a table, and where it is not TOML."""

from __future__ import annotations

from envbuild.errors import LockfileError
from envbuild.lockfile.plain_toml import parse_plain_toml


class NotToml(LockfileError):
    """A text that is not TOML.

    Attributes:
        line: counted from 1.
        column: counted from 1.
    """

    def __init__(self, file: str, line: int, column: int, reason: str) -> None:
        super().__init__(f"`{file}` is not TOML: line {line}, column {column}: {reason}")
        self.file = file
        self.line = line
        self.column = column
        self.reason = reason


def parse_toml(text: str, *, file: str) -> dict[str, object]:
    """Return the table that `text` is.

    Raises:
        NotToml: it is none.
    """
    plain = parse_plain_toml(text)
    if plain is not None:
        return plain
    try:
        from tomli import loads
    except ImportError:
        from tomllib import loads

    try:
        return loads(text)
    except (ValueError, RecursionError) as error:
        raise _placed(error, text, file) from error


def _placed(error: Exception, text: str, file: str) -> NotToml:
    # The reader of the standard library learnt fields for the place only in Python 3.14.
    reason, found, place = str(error).rpartition(" (at line ")
    if found:
        line, _, column = place.rstrip(")").partition(", column ")
        return NotToml(file, int(line), int(column), reason)
    # At the end of the document, or nowhere in particular.
    end = text.count("\n") + 1, len(text) - text.rfind("\n")
    return NotToml(file, *end, place.partition(" (at ")[0])
