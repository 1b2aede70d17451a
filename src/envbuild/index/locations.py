"""Where a distribution file is: a URL, or a path on this machine.

A lock writes local paths plainly (POSIX, no percent escapes), relative to its own folder unless
absolute; URLs are written with percent escapes (RFC 3986), `file:` URLs (RFC 8089) included.
"""

from __future__ import annotations

import posixpath
from urllib.parse import unquote, urlsplit

from envbuild.errors import RealiseError
from envbuild.index.redaction import redact

REMOTE_SCHEMES = ("http", "https")


class UnknownScheme(RealiseError):
    """An address of a kind that nothing here can read."""

    def __init__(self, location: str, scheme: str) -> None:
        super().__init__(
            f"cannot fetch `{redact(location)}`: the scheme is `{scheme}`, expected one of"
            f" {', '.join(f'`{known}`' for known in (*REMOTE_SCHEMES, 'file'))}"
        )
        self.location = redact(location)
        self.scheme = scheme


def is_remote(location: str) -> bool:
    """Tell whether a resolved `location` is a URL and not a path."""
    return location.partition("://")[0] in REMOTE_SCHEMES


def resolve(location: str, *, folder: str) -> str:
    """Return the `http` or `https` URL that `location` is, or else the absolute path that it means.

    Args:
        location: a URL, or a path that is relative to `folder` unless absolute.
        folder: absolute path of the folder that holds the lock.

    Raises:
        UnknownScheme: neither a path nor a URL of a scheme that can be fetched.
    """
    scheme, colon, rest = location.partition("://")
    if not colon:
        return posixpath.normpath(posixpath.join(folder, location))
    match scheme.lower():
        case "http" | "https":
            return f"{scheme.lower()}://{rest}"
        case "file" if (parts := urlsplit(location)).netloc in {"", "localhost"}:
            return posixpath.normpath(unquote(parts.path))
        case other:
            raise UnknownScheme(location, other)
