"""The first lines of launchers: how a script finds its interpreter.

The rule is that of `installer` (and of pip before it): a plain `#!` line where every kernel takes
it, else lines that `/bin/sh` reads as `exec` and Python as a string. It stands here once more
because every run that installs something needs it, and importing `installer` would cost that run
more than all of its other planning.
"""

from __future__ import annotations

_LONGEST = 127
"""Bytes of a `#!` line, newline included, that every kernel reads whole."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-")
"""What a shell takes literally without quotes."""


def shebang(executable: str) -> bytes:
    """Return how a script for `executable` begins, without the newline that ends it."""
    path = executable.encode("utf-8")
    if b" " not in path and len(path) + len("#!\n") <= _LONGEST:
        return b"#!" + path
    return (
        b"#!/bin/sh\n'''exec' " + _quoted(executable).encode("utf-8") + b' "$0" "$@"\n' + b"' '''"
    )


def _quoted(text: str) -> str:
    """Return `text` as `shlex.quote` would: bare where that is safe, for equality with others."""
    if text and _PLAIN.issuperset(text):
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"
