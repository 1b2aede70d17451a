"""Canonical JSON: the one encoding of everything that is hashed.

The form is a subset of RFC 8785, specified in `store_layout/v1/canonical-json.md`: objects with
ASCII keys in their order, arrays, strings, integers between -(2**53 - 1) and 2**53 - 1, `true`,
`false` and `null`; no floats; no white space; UTF-8, with only the escapes that JSON demands. Equal
values have equal bytes, so the digest of the bytes is the digest of the value.
"""

from __future__ import annotations

from envbuild import plain_json
from envbuild.digest import Digest, digest_of
from envbuild.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]

LARGEST_INTEGER = 2**53 - 1
DEEPEST = 64
"""How many arrays and objects may lie in one another."""


class NotCanonical(StoreError):
    """Bytes that are not the canonical form of any value."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what} is not canonical JSON: {reason}")
        self.what = what
        self.reason = reason


def encode(value: Json) -> bytes:
    """Return the canonical bytes of `value`; one that has no canonical form is our own mistake."""
    fault = _fault(value, 0)
    if fault:
        raise AssertionError(fault)
    return _spell(value)


def decode(data: bytes, *, what: str) -> Json:
    """Return the value whose canonical form is `data`.

    Args:
        data: the bytes to read.
        what: how to call them in an error.

    Raises:
        NotCanonical: the bytes are not JSON, or are another spelling of their value.
    """
    try:
        value: Json = plain_json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise NotCanonical(what, str(error)) from error
    fault = _fault(value, 0)
    if fault:
        raise NotCanonical(what, fault)
    if _spell(value) != data:
        raise NotCanonical(what, "its value is spelled otherwise")
    return value


def digest(value: Json) -> Digest:
    """Return the digest of the canonical form of `value`."""
    return digest_of(encode(value))


def is_text(value: str) -> bool:
    """Tell whether `value` is Unicode text: names read from a disk may hold lone surrogates."""
    if value.isascii():
        return True
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _spell(value: Json) -> bytes:
    return plain_json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8")


def _fault(value: Json, depth: int) -> str | None:
    """Return why `value` has no canonical form, `None` where it has one."""
    match value:
        case None | bool():
            return None
        case str():
            return None if is_text(value) else "a string is not Unicode text"
        case int():
            in_range = -LARGEST_INTEGER <= value <= LARGEST_INTEGER
            return None if in_range else "an integer is too large"
        case dict() | list() | tuple() if depth == DEEPEST:
            return f"arrays and objects lie more than {DEEPEST} deep"
        case dict():
            for key, item in value.items():
                if not isinstance(key, str) or not key.isascii():
                    return "a key is not ASCII text"
                fault = _fault(item, depth + 1)
                if fault:
                    return fault
            return None
        case list() | tuple():
            for item in value:
                fault = _fault(item, depth + 1)
                if fault:
                    return fault
            return None
        case _:
            return f"it holds a {type(value).__name__}"
