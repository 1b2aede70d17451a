"""JSON as the standard library reads and writes it, without loading `json`.

That module compiles regular expressions, for which it loads `re` and `enum`: 7 ms, more than a
change of one package spends on all its files. What it does in the end is to call two functions of
the interpreter, which are called directly here. What they cannot read is left to `json`, for its
error messages, and so is everything in an interpreter without them.
"""

from __future__ import annotations

try:
    from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner
except ImportError:
    make_scanner = None  # type: ignore[assignment, misc]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def loads(text: str) -> Any:
    """Return the value that `text` spells; raises `ValueError` where it is no JSON."""
    if make_scanner is not None:
        try:
            value, end = make_scanner(_Reading)(text, 0)  # type: ignore[arg-type]
        except (StopIteration, ValueError):
            pass
        else:
            if not text[end:].strip(" \t\r\n"):
                return value
    import json

    return json.loads(text)


def dumps(value: object, *, sort_keys: bool = False, ensure_ascii: bool = True) -> str:
    """Return `value` without white space; what is not JSON by itself is a mistake of ours."""
    if make_scanner is not None:
        spell = encode_basestring_ascii if ensure_ascii else encode_basestring
        encoder = make_encoder(None, _refuse, spell, None, ":", ",", sort_keys, False, False)
        return "".join(encoder(value, 0))
    import json

    separators = (",", ":")
    return json.dumps(value, ensure_ascii=ensure_ascii, sort_keys=sort_keys, separators=separators)


class _Reading:
    """How `json` reads when it is not told otherwise."""

    strict = True
    object_hook = object_pairs_hook = array_hook = None
    parse_float, parse_int, parse_constant = float, int, float


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is not JSON")
