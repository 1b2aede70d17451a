"""Records beside the trees: realisations and roots, as values and in their JSON forms.

The forms are specified in `store_layout/v1/realisation.md` and `roots.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

from envbuild import canonical
from envbuild.digest import Digest, is_digest
from envbuild.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.canonical import Json

REALISATION_FORMAT = "envbuild-realisation"
ROOT_FORMAT = "envbuild-root"
VERSION = 1


class InvalidRecord(StoreError):
    """A record that breaks a rule of its format."""

    def __init__(self, what: str, place: str, reason: str) -> None:
        super().__init__(f"invalid {what}: {place}: {reason}")
        self.what = what
        self.place = place
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeOutput:
    """The work gave a tree; its digest names it."""

    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveOutput:
    """The work gave an archive's bytes, which the store need not keep."""

    sha256: str
    size: int


Output = TreeOutput | ArchiveOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class Realisation:
    """This resolved key gave that output.

    Attributes:
        resolved_key: digest of the resolved derivation, which the store holds under that name.
        output: what it gave.
        name: for people: the archive the output came from.
        notes: what a reader should know, such as rows of RECORD that were not believed.
    """

    resolved_key: Digest
    output: Output
    name: str
    notes: tuple[str, ...] = ()

    @property
    def output_name(self) -> str:
        """What tells this realisation from others of the same key."""
        match self.output:
            case TreeOutput(digest=digest):
                return digest
            case ArchiveOutput(sha256=sha256):
                return sha256

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        match self.output:
            case TreeOutput(digest=digest):
                output: Json = {"kind": "tree", "digest": digest}
            case ArchiveOutput(sha256=sha256, size=size):
                output = {"kind": "archive", "sha256": sha256, "size": size}
        return canonical.encode(
            {
                "format": REALISATION_FORMAT,
                "name": self.name,
                "notes": list(self.notes),
                "output": output,
                "resolved_key": self.resolved_key,
                "version": VERSION,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentRoot:
    """An environment that needs what its manifest lists.

    Attributes:
        path: absolute path of the environment's folder.
        manifest: the environment digest; the store holds the manifest under that name.
    """

    path: str
    manifest: Digest

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        return canonical.encode(
            {
                "format": ROOT_FORMAT,
                "kind": "environment",
                "manifest": self.manifest,
                "path": self.path,
                "version": VERSION,
            }
        )


def decode_realisation(data: bytes) -> Realisation:
    """Return the realisation whose canonical form is `data`.

    Raises:
        InvalidRecord: a field is missing, superfluous or wrong, or the version is not ours.
        NotCanonical: the bytes are another spelling of their value.
    """
    what = "realisation"
    keys = {"format", "name", "notes", "output", "resolved_key", "version"}
    document = _document(data, what, REALISATION_FORMAT, keys)
    name, notes, key = document["name"], document["notes"], document["resolved_key"]
    if not isinstance(name, str):
        raise InvalidRecord(what, "name", "it is not a string")
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise InvalidRecord(what, "notes", "it is not a list of strings")
    return Realisation(
        resolved_key=_digest(key, what, "resolved_key"),
        output=_output(document["output"]),
        name=name,
        notes=tuple(str(note) for note in notes),
    )


def decode_environment_root(data: bytes) -> EnvironmentRoot:
    """Return the root whose canonical form is `data`; raises as `decode_realisation` does."""
    what = "root"
    keys = {"format", "kind", "manifest", "path", "version"}
    document = _document(data, what, ROOT_FORMAT, keys)
    path = document["path"]
    if document["kind"] != "environment":
        raise InvalidRecord(what, "kind", "it is not `environment`")
    if not isinstance(path, str) or not path.startswith("/"):
        raise InvalidRecord(what, "path", "it is not an absolute path")
    return EnvironmentRoot(path=path, manifest=_digest(document["manifest"], what, "manifest"))


def _document(data: bytes, what: str, form: str, keys: set[str]) -> dict[str, Json]:
    document = canonical.decode(data, what=what)
    if not isinstance(document, dict) or document.keys() != keys:
        raise InvalidRecord(what, "document", f"its keys are not {', '.join(sorted(keys))}")
    if document["format"] != form or document["version"] != VERSION:
        raise InvalidRecord(what, "document", f"it is not `{form}` version {VERSION}")
    return document


def _digest(value: Json, what: str, place: str) -> Digest:
    if not isinstance(value, str) or not is_digest(value):
        raise InvalidRecord(what, place, "it is not a BLAKE3 digest")
    return Digest(value)


def _output(value: Json) -> Output:
    match value:
        case {"kind": "tree", "digest": str() as digest, **rest} if not rest:
            return TreeOutput(digest=_digest(digest, "realisation", "output.digest"))
        case {"kind": "archive", "sha256": str() as sha256, "size": int() as size, **rest} if (
            not rest and is_digest(sha256) and size >= 0
        ):
            return ArchiveOutput(sha256=sha256, size=size)
    raise InvalidRecord("realisation", "output", "it is neither a tree nor an archive")
