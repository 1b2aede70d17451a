"""Derivations: exact descriptions of one piece of work each, in canonical JSON, named by digest.

The forms are specified in `store_layout/v1/derivation.md`. A derivation refers to its inputs by
their derivation digests. Its *resolved* form refers to what the inputs gave instead; the digest of
that form is the resolved key, under which realisations are recorded.
"""

from __future__ import annotations

from dataclasses import dataclass

from envbuild import canonical
from envbuild.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.canonical import Json

FORMAT = "envbuild-derivation"
VERSION = 1

UNPACKER = 1
"""Raised by hand when the meaning of unpacking changes, so that old results are not believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Bytes from outside, fixed by their hash: addresses are hints and no part of the identity.

    Attributes:
        name: the archive's file name.
        hash: `algorithm:hexadecimal`; `None` when the lock has none, and then the location (without
            credentials) is all that identifies the bytes.
        location: only where `hash` is `None`, else `None`.
    """

    name: str
    hash: str | None
    location: str | None

    def __post_init__(self) -> None:
        assert (self.hash is None) != (self.location is None)

    def as_json(self) -> dict[str, Json]:
        """Return the form that is hashed."""
        return {
            "format": FORMAT,
            "hash": self.hash,
            "kind": "fetch",
            "location": self.location,
            "name": self.name,
            "version": VERSION,
        }

    @property
    def digest(self) -> Digest:
        """The derivation's name. A fetch has no inputs, so this is its resolved key as well."""
        return canonical.digest(self.as_json())


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpack:
    """A wheel archive to the tree of its files.

    Attributes:
        source: the `Fetch` that gives the archive.
        distribution: normalised name that the archive must be of.
        version: version that the archive must be of, as locked.
        verify_record: whether a RECORD that disagrees with the content is an error.
    """

    source: Fetch
    distribution: str
    version: str
    verify_record: bool = True

    def as_json(self) -> dict[str, Json]:
        """Return the form that is hashed for the derivation's name."""
        return self._form({"derivation": self.source.digest})

    @property
    def digest(self) -> Digest:
        """The derivation's name."""
        return canonical.digest(self.as_json())

    def resolved(self, sha256: str) -> dict[str, Json]:
        """Return the resolved form, given the SHA-256 (hexadecimal) of the archive."""
        return self._form({"name": self.source.name, "sha256": sha256})

    def resolved_key(self, sha256: str) -> Digest:
        """Return the resolved key, given the SHA-256 (hexadecimal) of the archive."""
        return canonical.digest(self.resolved(sha256))

    def _form(self, archive: Json) -> dict[str, Json]:
        return {
            "archive": archive,
            "distribution": self.distribution,
            "distribution_version": self.version,
            "format": FORMAT,
            "kind": "unpack",
            "unpacker": UNPACKER,
            "verify_record": self.verify_record,
            "version": VERSION,
        }


Derivation = Fetch | Unpack
