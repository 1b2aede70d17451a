"""Canonical JSON: the one encoding of everything that is hashed.

The form is RFC 8785 restricted to what the formats of `store_layout/` need: objects with their keys
in code-point order, arrays, strings, integers below 2**53, `true`, `false` and `null`; no floats; no
white space; UTF-8, with only the escapes that JSON demands. Equal values have equal bytes, so the
digest of the bytes is the digest of the value.
"""

from __future__ import annotations

from envbuild.digest import Digest, digest_of
from envbuild.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]

_LARGEST_INTEGER = 2**53 - 1


class NotCanonical(StoreError):
    """Bytes that are not the canonical form of any value."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what} is not canonical JSON: {reason}")
        self.what = what
        self.reason = reason


def encode(value: Json) -> bytes:
    """Return the canonical bytes of `value`; a float or an over-long integer is our own mistake."""
    import json

    _check(value)
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def decode(data: bytes, *, what: str) -> Json:
    """Return the value whose canonical form is `data`.

    Args:
        data: the bytes to read.
        what: how to call them in an error.

    Raises:
        NotCanonical: the bytes are not JSON, or are another spelling of their value.
    """
    import json

    try:
        value: Json = json.loads(data)
    except ValueError as error:
        raise NotCanonical(what, str(error)) from error
    try:
        same = encode(value) == data
    except (AssertionError, RecursionError, UnicodeEncodeError) as error:
        raise NotCanonical(what, "it holds a value that has no canonical form") from error
    if not same:
        raise NotCanonical(what, "its value is spelled otherwise")
    return value


def digest(value: Json) -> Digest:
    """Return the digest of the canonical form of `value`."""
    return digest_of(encode(value))


def _check(value: Json) -> None:
    match value:
        case None | bool() | str():
            pass
        case int():
            assert -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER
        case dict():
            for key, item in value.items():
                assert isinstance(key, str)
                _check(item)
        case list() | tuple():
            for item in value:
                _check(item)
        case _:
            raise AssertionError(f"{type(value).__name__} has no canonical form")
