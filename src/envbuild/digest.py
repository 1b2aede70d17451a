"""Digests and their spellings.

Two algorithms are spoken. BLAKE3 (256 bits) names everything that the store holds; a bare `Digest`
is its lower-case hexadecimal form, 64 characters. Whatever comes from outside (a lock's `hash`, a
row of `RECORD`) names its algorithm: `sha256:<hex>` in locks, `sha256=<urlsafe base64>` in RECORD.
"""

from __future__ import annotations

import sys

from blake3 import blake3

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NewType

    Digest = NewType("Digest", str)
    """BLAKE3-256 of something in the store: 64 lower-case hexadecimal digits."""
else:
    Digest = str

HEX_LENGTH = 64


def digest_of(data: bytes) -> Digest:
    """Return the BLAKE3 digest of `data`."""
    return Digest(blake3(data).hexdigest())


def is_digest(text: str) -> bool:
    """Tell whether `text` is spelled as a BLAKE3 digest is."""
    return len(text) == HEX_LENGTH and not text.strip("0123456789abcdef")


def sha256_of(data: bytes) -> bytes:
    """Return the SHA-256 of something small: loading `hashlib`, with OpenSSL, takes 3 ms.

    OpenSSL is faster, which outweighs that for a megabyte and more.
    """
    try:
        if sys.version_info >= (3, 12):
            from _sha2 import sha256
        else:
            from _sha256 import sha256  # type: ignore[import-not-found]
    except ImportError:
        from hashlib import sha256
    return bytes(sha256(data).digest())
