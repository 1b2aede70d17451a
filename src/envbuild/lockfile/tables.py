"""Typed values out of TOML tables, with every fault kept and placed.

A getter returns what the table holds, or `None` (an empty tuple for lists) when the key is absent or
its value is not what it must be; in the latter case it has noted a fault. So a reader goes on after
a fault and finds the next one.
"""

from __future__ import annotations

from envbuild.errors import LockfileError
from envbuild.lockfile.names import is_name, normalise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Table = Mapping[str, object]


class InvalidEntry(LockfileError):
    """A file that is TOML, and an entry in it that cannot be.

    Attributes:
        file: as the user knows it.
        place: the path to the entry inside it, such as `package[7].wheels[2].hash`.
        reason: what was expected and what was found.
    """

    def __init__(self, file: str, place: str, reason: str) -> None:
        super().__init__(f"`{file}`: `{place}` {reason}")
        self.file = file
        self.place = place
        self.reason = reason


class Faults:
    """The faults found so far in one file, and the texts that are known to be sound."""

    __slots__ = ("_names", "_sound", "errors", "file")

    def __init__(self, file: str) -> None:
        self.file = file
        self.errors: list[LockfileError] = []
        self._names: dict[str, str] = {}
        self._sound: set[str] = set()

    def add(self, place: str, reason: str) -> None:
        """Note a fault."""
        self.errors.append(InvalidEntry(self.file, place, reason))

    def name(self, text: str, place: str) -> str:
        """Return the normal form of a name, or the text itself when it is none."""
        known = self._names.get(text)
        if known is not None:
            return known
        if not is_name(text):
            self.add(place, f"must be a name, found `{text}`")
            return text
        normal = self._names[text] = normalise(text)
        return normal

    def check(self, text: str, place: str, check: Callable[[str], object]) -> None:
        """Note a fault when `check` raises `ValueError` for `text`; each sound text is checked once."""
        if text in self._sound:
            return
        try:
            check(text)
        except ValueError as error:
            self.add(place, f"is `{text}`: {error}")
        else:
            self._sound.add(text)


def get_table(table: Table, key: str, place: str, faults: Faults) -> Table:
    """Return the table under `key`, an empty one when it is absent."""
    value = table.get(key)
    if isinstance(value, dict):
        return value
    if value is not None:
        faults.add(_join(place, key), f"must be a table, found {_kind(value)}")
    return {}


def get_list(table: Table, key: str, place: str, faults: Faults) -> list[object]:
    """Return the array under `key`."""
    value = table.get(key)
    if isinstance(value, list):
        return value
    if value is not None:
        faults.add(_join(place, key), f"must be an array, found {_kind(value)}")
    return []


def get_tables(
    table: Table, key: str, place: str, faults: Faults
) -> list[tuple[str, dict[str, object]]]:
    """Return the tables of the array under `key`, each with its place."""
    here = _join(place, key)
    found: list[tuple[str, dict[str, object]]] = []
    for index, item in enumerate(get_list(table, key, place, faults)):
        if isinstance(item, dict):
            found.append((f"{here}[{index}]", item))
        else:
            faults.add(f"{here}[{index}]", f"must be a table, found {_kind(item)}")
    return found


def get_text(table: Table, key: str, place: str, faults: Faults) -> str | None:
    """Return the string under `key`."""
    value = table.get(key)
    if value is None or isinstance(value, str):
        return value
    faults.add(_join(place, key), f"must be a string, found {_kind(value)}")
    return None


def get_texts(table: Table, key: str, place: str, faults: Faults) -> tuple[str, ...]:
    """Return the strings of the array under `key`."""
    found: list[str] = []
    for index, item in enumerate(get_list(table, key, place, faults)):
        if isinstance(item, str):
            found.append(item)
        else:
            faults.add(f"{_join(place, key)}[{index}]", f"must be a string, found {_kind(item)}")
    return tuple(found)


def get_names(table: Table, key: str, place: str, faults: Faults) -> tuple[str, ...]:
    """Return the names of the array under `key`, normalised."""
    return tuple(
        faults.name(text, f"{_join(place, key)}[{index}]")
        for index, text in enumerate(get_texts(table, key, place, faults))
    )


def get_integer(table: Table, key: str, place: str, faults: Faults) -> int | None:
    """Return the integer under `key`; negative ones are faults."""
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        faults.add(_join(place, key), f"must be an integer, found {_kind(value)}")
        return None
    if value < 0:
        faults.add(_join(place, key), f"must not be negative, found {value}")
        return None
    return value


def get_flag(table: Table, key: str, place: str, faults: Faults) -> bool | None:
    """Return the boolean under `key`."""
    value = table.get(key)
    if value is None or isinstance(value, bool):
        return value
    faults.add(_join(place, key), f"must be a boolean, found {_kind(value)}")
    return None


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _kind(value: object) -> str:
    match value:
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int():
            return "an integer"
        case float():
            return "a float"
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return "a date or time"
