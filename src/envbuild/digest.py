"""Digests and their spellings.

Two algorithms are spoken. BLAKE3 (256 bits) names everything that the store holds; a bare `Digest`
is its lower-case hexadecimal form, 64 characters. Whatever comes from outside (a lock's `hash`, a
row of `RECORD`) names its algorithm: `sha256:<hex>` in locks, `sha256=<urlsafe base64>` in RECORD.
"""

from __future__ import annotations

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


def record_hash(sha256_hex: str) -> str:
    """Return a SHA-256 as RECORD spells it: `sha256=` and unpadded URL-safe base64."""
    from binascii import b2a_base64

    text = b2a_base64(bytes.fromhex(sha256_hex), newline=False).decode("ascii")
    return "sha256=" + text.rstrip("=").replace("+", "-").replace("/", "_")
