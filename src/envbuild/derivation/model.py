"""Derivations: exact descriptions of one piece of work each, in canonical JSON, named by digest.

The forms are specified in `store_layout/v1/derivation.md`. A derivation refers to its inputs by
their derivation digests. Its *resolved* form refers to what the inputs gave instead; the digest of
that form is the resolved key, under which realisations are recorded.
"""

from __future__ import annotations

from envbuild import canonical
from envbuild.derivation.fields import (
    FORMAT,
    VERSION,
    InvalidDerivation,
    check_digest,
    check_file_name,
    check_flag,
    check_keys,
    check_number,
    check_text,
    is_hash,
)
from envbuild.derivation.sources import (
    Checkout,
    FileOfTree,
    LocalSource,
    UnpackSource,
    check_checkout,
    check_path_of_file,
    check_source,
    check_unpack_source,
)
from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.canonical import Json
    from envbuild.digest import Digest

UNPACKER = 1
"""Raised by hand when the meaning of unpacking changes, so that old results are not believed."""


class UnknownKind(InvalidDerivation):
    """A derivation of a kind that this version does not know; a later one may."""

    def __init__(self, kind: Json) -> None:
        super().__init__("kind", f"{kind!r} is not a kind known here")
        self.kind = kind


@frozen
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


@frozen
class Unpack:
    """A wheel archive to the tree of its files.

    Attributes:
        source: gives the archive.
        distribution: normalised name that the archive must be of.
        version: version that the archive must be of, as locked.
        verify_record: whether a RECORD that disagrees with the content is an error.
    """

    source: Fetch | FileOfTree
    distribution: str
    version: str
    verify_record: bool = True

    def as_json(self) -> dict[str, Json]:
        """Return the form that is hashed for the derivation's name."""
        match self.source:
            case FileOfTree(tree=tree, path=path):
                return self._form({"derivation": tree.digest, "path": path})
            case source:
                return self._form({"derivation": source.digest})

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


Derivation = Fetch | Unpack | UnpackSource | Checkout | LocalSource


def decode_derivation(data: bytes) -> dict[str, Json]:
    """Return the form, resolved or not, whose canonical bytes are `data`.

    A form that names its inputs by digest does not say what they are, so it is given as it is read.

    Raises:
        UnknownKind: the kind is none that is known here.
        InvalidDerivation: a field is missing, superfluous or wrong, or the version is not ours.
        NotCanonical: the bytes are another spelling of their value.
    """
    document = canonical.decode(data, what="derivation")
    if not isinstance(document, dict):
        raise InvalidDerivation("document", "it is not an object")
    if document.get("format") != FORMAT:
        raise InvalidDerivation("format", f"it is not `{FORMAT}`")
    version = document.get("version")
    if version != VERSION or isinstance(version, bool):
        raise InvalidDerivation("version", f"it is not {VERSION}, the only one known here")
    match document.get("kind"):
        case "fetch":
            _check_fetch(document)
        case "unpack":
            _check_unpack(document)
        case "unpack-source":
            check_unpack_source(document)
        case "checkout":
            check_checkout(document)
        case "source":
            check_source(document)
        case "build-wheel":
            from envbuild.derivation.build import check_build_wheel

            check_build_wheel(document)
        case kind:
            raise UnknownKind(kind)
    return document


def _check_fetch(document: dict[str, Json]) -> None:
    check_keys(document, {"format", "hash", "kind", "location", "name", "version"})
    check_file_name(document["name"], "name")
    hashed, location = document["hash"], document["location"]
    if (hashed is None) == (location is None):
        raise InvalidDerivation("document", "exactly one of `hash` and `location` must be null")
    if hashed is not None and not is_hash(hashed):
        raise InvalidDerivation("hash", "it is not an algorithm and its digest")
    if location is not None:
        check_text(location, "location")


def _check_unpack(document: dict[str, Json]) -> None:
    fields = "archive distribution distribution_version format kind unpacker verify_record version"
    check_keys(document, set(fields.split()))
    match document["archive"]:
        case {"derivation": derivation, **rest} if not rest:
            check_digest(derivation, "archive.derivation")
        case {"derivation": derivation, "path": path, **rest} if not rest:
            check_digest(derivation, "archive.derivation")
            check_path_of_file(path, "archive.path")
        case {"name": name, "sha256": sha256, **rest} if not rest:
            check_file_name(name, "archive.name")
            check_digest(sha256, "archive.sha256", "SHA-256")
        case _:
            raise InvalidDerivation("archive", "it is neither of a derivation nor an archive")
    check_text(document["distribution"], "distribution")
    check_text(document["distribution_version"], "distribution_version")
    check_number(document["unpacker"], "unpacker")
    check_flag(document["verify_record"], "verify_record")
