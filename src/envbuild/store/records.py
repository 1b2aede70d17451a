"""Records beside the trees: realisations as values, and the JSON forms of these and of roots.

The forms are specified in `store_layout/v1/realisation.md` and `roots.md`.
"""

from __future__ import annotations

from envbuild import canonical
from envbuild.digest import Digest, is_digest
from envbuild.errors import StoreError
from envbuild.frozen import frozen
from envbuild.store import layout
from envbuild.store.root_records import ROOT_FORMAT, EnvironmentRoot, NamedRoot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.canonical import Json
    from envbuild.store.root_records import Root

REALISATION_FORMAT = "envbuild-realisation"
VERSION = 1


class InvalidRecord(StoreError):
    """A record that breaks a rule of its format.

    Attributes:
        what: the kind of record.
        place: the field, such as `output.digest`; `document` for the record as a whole.
        reason: the rule that is broken.
    """

    def __init__(self, what: str, place: str, reason: str) -> None:
        super().__init__(f"invalid {what}: {place}: {reason}")
        self.what = what
        self.place = place
        self.reason = reason


@frozen
class TreeOutput:
    """The work gave a tree; its digest names it."""

    digest: Digest


@frozen
class ArchiveOutput:
    """The work gave an archive's bytes, which the store need not keep."""

    sha256: str
    size: int


@frozen
class BuildOutput(TreeOutput):
    """A build gave a tree; how it came to that, which decides nothing.

    Attributes:
        archive: SHA-256 of the wheel that was built; the store does not keep it.
        duration_ms: that it took, in milliseconds.
        log: BLAKE3 of what was printed, by which the log is found.
        payload: the payload digest of the tree.
        rung: of the ladder of sandboxes, where it was built.
    """

    archive: str
    duration_ms: int
    log: Digest
    payload: Digest
    rung: str


@frozen
class RebuildOutput(BuildOutput):
    """A build that was done again gave another tree: evidence, which no other output gives way to."""


Output = TreeOutput | ArchiveOutput


@frozen
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

    @property
    def location(self) -> str:
        """Where the record lies in a store."""
        return layout.realisation(self.resolved_key, self.output_name)

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        output: Json
        match self.output:
            case BuildOutput() as build:
                output = {
                    "archive": build.archive,
                    "digest": build.digest,
                    "duration_ms": build.duration_ms,
                    "kind": "rebuild" if isinstance(build, RebuildOutput) else "build",
                    "log": build.log,
                    "payload": build.payload,
                    "rung": build.rung,
                }
            case TreeOutput(digest=digest):
                output = {"kind": "tree", "digest": digest}
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


def decode_realisation(data: bytes) -> Realisation:
    """Return the realisation whose canonical form is `data`.

    Raises:
        InvalidRecord: a field is missing, superfluous or wrong, or the version is not ours.
        NotCanonical: the bytes are another spelling of their value.
    """
    what = "realisation"
    document = _document(data, what, REALISATION_FORMAT)
    _check_keys(document, what, {"format", "name", "notes", "output", "resolved_key", "version"})
    name, notes = document["name"], document["notes"]
    if not isinstance(name, str) or not name:
        raise InvalidRecord(what, "name", "it is not a string with something in it")
    if not isinstance(notes, list):
        raise InvalidRecord(what, "notes", "it is not a list")
    for number, note in enumerate(notes):
        if not isinstance(note, str):
            raise InvalidRecord(what, f"notes[{number}]", "it is not a string")
    return Realisation(
        resolved_key=_digest(document["resolved_key"], what, "resolved_key"),
        output=_output(document["output"]),
        name=name,
        notes=tuple(str(note) for note in notes),
    )


def decode_root(data: bytes) -> Root:
    """Return the root whose canonical form is `data`; raises as `decode_realisation` does."""
    what = "root"
    document = _document(data, what, ROOT_FORMAT)
    match document.get("kind"):
        case "environment":
            _check_keys(document, what, {"format", "kind", "manifest", "path", "version"})
            path = document["path"]
            if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
                raise InvalidRecord(what, "path", "it is not an absolute path")
            manifest = _digest(document["manifest"], what, "manifest")
            return EnvironmentRoot(path=path, manifest=manifest)
        case "named":
            _check_keys(document, what, {"format", "kind", "manifest", "name", "version"})
            name = document["name"]
            if not isinstance(name, str) or not layout.is_root_name(name):
                raise InvalidRecord(what, "name", "a root may not be called that")
            manifest = _digest(document["manifest"], what, "manifest")
            return NamedRoot(name=name, manifest=manifest)
        case kind:
            raise InvalidRecord(what, "kind", f"{kind!r} is not a kind")


def _document(data: bytes, what: str, form: str) -> dict[str, Json]:
    document = canonical.decode(data, what=what)
    if not isinstance(document, dict):
        raise InvalidRecord(what, "document", "it is not an object")
    if document.get("format") != form:
        raise InvalidRecord(what, "format", f"it is not `{form}`")
    version = document.get("version")
    if version != VERSION or isinstance(version, bool):
        raise InvalidRecord(what, "version", f"it is not {VERSION}, the only one known here")
    return document


def _check_keys(document: dict[str, Json], what: str, keys: set[str]) -> None:
    if document.keys() != keys:
        raise InvalidRecord(what, "document", f"its keys are not {', '.join(sorted(keys))}")


def _digest(value: Json, what: str, place: str) -> Digest:
    if not isinstance(value, str) or not is_digest(value):
        raise InvalidRecord(what, place, "it is not a BLAKE3 digest")
    return Digest(value)


def _output(value: Json) -> Output:
    what = "realisation"
    if isinstance(value, dict) and value.get("kind") in ("build", "rebuild"):
        return _build(value)
    match value:
        case {"kind": "tree", "digest": digest, **rest} if not rest:
            return TreeOutput(digest=_digest(digest, what, "output.digest"))
        case {"kind": "archive", "sha256": sha256, "size": size, **rest} if not rest:
            if not isinstance(sha256, str) or not is_digest(sha256):
                raise InvalidRecord(what, "output.sha256", "it is not a SHA-256")
            if not isinstance(size, int) or isinstance(size, bool) or size < 0:
                raise InvalidRecord(what, "output.size", "it is not a size")
            return ArchiveOutput(sha256=sha256, size=size)
    raise InvalidRecord(what, "output", "it is neither a tree, a build nor an archive")


def _build(value: dict[str, Json]) -> BuildOutput:
    what = "realisation"
    keys = {"archive", "digest", "duration_ms", "kind", "log", "payload", "rung"}
    if value.keys() != keys:
        raise InvalidRecord(what, "output", f"its keys are not {', '.join(sorted(keys))}")
    archive, duration, rung = value["archive"], value["duration_ms"], value["rung"]
    if not isinstance(archive, str) or not is_digest(archive):
        raise InvalidRecord(what, "output.archive", "it is not a SHA-256")
    if not isinstance(duration, int) or isinstance(duration, bool) or duration < 0:
        raise InvalidRecord(what, "output.duration_ms", "it is not a duration")
    if not isinstance(rung, str) or not rung:
        raise InvalidRecord(what, "output.rung", "it is not a string with something in it")
    kind = RebuildOutput if value["kind"] == "rebuild" else BuildOutput
    return kind(
        digest=_digest(value["digest"], what, "output.digest"),
        archive=archive,
        duration_ms=duration,
        log=_digest(value["log"], what, "output.log"),
        payload=_digest(value["payload"], what, "output.payload"),
        rung=rung,
    )
