"""What the records of all derivations have in common: names, and checks of single fields."""

from __future__ import annotations

from envbuild.digest import is_digest
from envbuild.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.canonical import Json

FORMAT = "envbuild-derivation"
VERSION = 1

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class InvalidDerivation(StoreError):
    """A derivation's record that breaks a rule of its format.

    Attributes:
        place: the field, such as `archive.sha256`; `document` for the record as a whole.
        reason: the rule that is broken.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"invalid derivation: {place}: {reason}")
        self.place = place
        self.reason = reason


def check_keys(document: dict[str, Json], keys: set[str]) -> None:
    """Raise where a record has other fields than `keys`."""
    if document.keys() != keys:
        raise InvalidDerivation("document", f"its keys are not {', '.join(sorted(keys))}")


def check_text(value: Json, place: str) -> None:
    """Raise where `value` is no string with something in it."""
    if not isinstance(value, str) or not value:
        raise InvalidDerivation(place, "it is not a string with something in it")


def check_file_name(value: Json, place: str) -> None:
    """Raise where `value` is no name of a file."""
    check_text(value, place)
    if not isinstance(value, str) or "/" in value or value in {".", ".."}:
        raise InvalidDerivation(place, "it is not a file name")


def check_flag(value: Json, place: str) -> None:
    """Raise where `value` is neither true nor false."""
    if not isinstance(value, bool):
        raise InvalidDerivation(place, "it is neither true nor false")


def check_number(value: Json, place: str) -> None:
    """Raise where `value` is none of the numbers that are raised when a meaning changes."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidDerivation(place, "it is not a number from 1 on")


def check_digest(value: Json, place: str, what: str = "BLAKE3 digest") -> None:
    """Raise where `value` is not spelled as a digest of 256 bits."""
    if not isinstance(value, str) or not is_digest(value):
        raise InvalidDerivation(place, f"it is not a {what}")


def is_hash(value: Json) -> bool:
    """Tell whether `value` is an algorithm and its digest in hexadecimal."""
    if not isinstance(value, str):
        return False
    algorithm, _, digest = value.partition(":")
    if algorithm.strip(_LETTERS + "0123456789_") or algorithm[:1] not in _LETTERS:
        return False
    return bool(algorithm) and bool(digest) and not digest.strip("0123456789abcdef")
