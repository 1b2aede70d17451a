"""Manifests: everything that is in an environment, by digest, for no place in particular.

The digest of a manifest is the environment digest. What is linked is named by the digest of its
tree, what is written by the digest of its symbolic content: the one that it has when the prefix is
`{prefix}`, the lock's folder `{project}`, the base interpreter `{executable}` in `{home}`, and the
prompt `{prompt}`. So the same lock, target and request give the same digest at every path, on every
machine, in every link mode. The form is canonical JSON with every field present.
"""

from __future__ import annotations

from itertools import pairwise

from envbuild import canonical
from envbuild.digest import Digest, digest_of, is_digest
from envbuild.environment.editions import WRITER
from envbuild.errors import StoreError
from envbuild.frozen import frozen
from envbuild.target.model import Scheme

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from envbuild.canonical import Json

FORMAT = "envbuild-manifest"
VERSION = 1

_DOCUMENT = (
    "distributions",
    "format",
    "interpreter",
    "links",
    "scheme",
    "skeleton",
    "version",
    "writer",
)
_INTERPRETER = ("abi_flags", "cache_tag", "implementation", "platform", "soabi", "version")
_SCHEME = ("data", "headers", "platlib", "purelib", "scripts")
_DISTRIBUTION = (
    "direct_url",
    "editable",
    "excluded",
    "name",
    "requested",
    "tree",
    "version",
    "written",
)
_EDITABLE = ("folder", "payload")
_WRITTEN = ("digest", "executable", "path")
_LINK = ("path", "target")


class InvalidManifest(StoreError):
    """A manifest that breaks a rule of its format; `place` is where, as `skeleton[2].path`."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"invalid manifest: {place}: {reason}")
        self.place = place
        self.reason = reason


@frozen
class WrittenDigest:
    """A file that is written: path relative to the prefix, digest of its symbolic content."""

    path: str
    digest: Digest
    executable: bool

    def as_json(self) -> dict[str, Json]:
        """Return the form used in manifests."""
        return {"digest": self.digest, "executable": self.executable, "path": self.path}


@frozen
class ManifestEditable:
    """A distribution that is used where it lies (PEP 660): its files lead to a folder.

    Attributes:
        folder: as the lock has it, relative to the lock's folder unless absolute.
        payload: payload digest of its files, with `{place}` for the folder's absolute path.
    """

    folder: str
    payload: Digest

    def as_json(self) -> dict[str, Json]:
        """Return the form used in manifests."""
        return {"folder": self.folder, "payload": self.payload}


@frozen
class ManifestDistribution:
    """One distribution.

    Attributes:
        name: normalised.
        version: as locked, or as it was built where the lock has none.
        tree: the files of its wheel; `None` for an editable, whose files mean something in one place
            alone.
        editable: where it leads; `None` for everything else.
        requested: whether a root asks for it.
        direct_url: symbolic content of `direct_url.json`, `None` where there is none.
        written: sorted by path.
        excluded: paths of its tree's files and launchers that another distribution has instead of
            it, relative to the prefix, sorted.
    """

    name: str
    version: str
    tree: Digest | None
    editable: ManifestEditable | None = None
    requested: bool
    direct_url: str | None
    written: tuple[WrittenDigest, ...]
    excluded: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """Return the form used in manifests."""
        return {
            "direct_url": self.direct_url,
            "editable": None if self.editable is None else self.editable.as_json(),
            "excluded": list(self.excluded),
            "name": self.name,
            "requested": self.requested,
            "tree": self.tree,
            "version": self.version,
            "written": [file.as_json() for file in self.written],
        }

    def encode(self) -> bytes:
        """Return the canonical bytes: what a manifest has of it."""
        return canonical.encode(self.as_json())

    @property
    def digest(self) -> Digest:
        """Digest of everything that this distribution puts into an environment."""
        return digest_of(self.encode())


@frozen
class Manifest:
    """An environment.

    Attributes:
        implementation, version, cache_tag, soabi, abi_flags, platform: of its interpreter, as in
            `envbuild.target.model.Target`.
        scheme: where trees are placed.
        distributions: sorted by name, no name twice.
        skeleton: files that are there before any distribution; sorted by path.
        links: symbolic links, path and what each says; sorted.
        writer: see `envbuild.environment.editions`.
    """

    implementation: str
    version: str
    cache_tag: str
    soabi: str
    abi_flags: str
    platform: str
    scheme: Scheme
    distributions: tuple[ManifestDistribution, ...]
    skeleton: tuple[WrittenDigest, ...]
    links: tuple[tuple[str, str], ...]
    writer: int = WRITER

    def encode(self) -> bytes:
        """Return the canonical bytes, whose digest is the environment digest."""
        return canonical.encode(
            {
                "distributions": [each.as_json() for each in self.distributions],
                "format": FORMAT,
                "interpreter": {key: getattr(self, key) for key in _INTERPRETER},
                "links": [{"path": path, "target": target} for path, target in self.links],
                "scheme": self.scheme.as_json(),
                "skeleton": [file.as_json() for file in self.skeleton],
                "version": VERSION,
                "writer": self.writer,
            }
        )

    @property
    def digest(self) -> Digest:
        """The environment digest."""
        return digest_of(self.encode())

    @property
    def skeleton_digest(self) -> Digest:
        """Digest of what every environment for this interpreter has."""
        return canonical.digest(
            {
                "links": [list(link) for link in self.links],
                "skeleton": [file.as_json() for file in self.skeleton],
            }
        )

    @property
    def skeleton_paths(self) -> tuple[str, ...]:
        """Paths of what every environment for this interpreter has, sorted."""
        return tuple(
            sorted([file.path for file in self.skeleton] + [path for path, _ in self.links])
        )


def decode_manifest(data: bytes) -> Manifest:
    """Return the manifest whose canonical form is `data`.

    Raises:
        InvalidManifest: a field is missing, superfluous or wrong, or the version is not ours.
        NotCanonical: the bytes are another spelling of their value.
    """
    document = canonical.decode(data, what="manifest")
    if not isinstance(document, dict):
        raise InvalidManifest("document", "it is not an object")
    if document.get("format") != FORMAT:
        raise InvalidManifest("format", f"it is not `{FORMAT}`")
    version = document.get("version")
    if version != VERSION or isinstance(version, bool):
        raise InvalidManifest("version", f"{version!r} is not {VERSION}")
    _check_keys(document, _DOCUMENT, "document")
    interpreter = _record(document["interpreter"], _INTERPRETER, "interpreter")
    scheme = _record(document["scheme"], _SCHEME, "scheme")
    writer = document["writer"]
    if not isinstance(writer, int) or isinstance(writer, bool) or writer < 1:
        raise InvalidManifest("writer", "it is not a number above 0")
    distributions = tuple(
        _distribution(row, place)
        for row, place in _rows(document["distributions"], "distributions")
    )
    _check_order([each.name for each in distributions], "distributions")
    return Manifest(
        **{key: _text(interpreter, key, "interpreter") for key in _INTERPRETER},
        scheme=Scheme(**{key: _text(scheme, key, "scheme") for key in _SCHEME}),
        distributions=distributions,
        skeleton=_written(document["skeleton"], "skeleton"),
        links=_links(document["links"], "links"),
        writer=writer,
    )


def _distribution(value: Json, place: str) -> ManifestDistribution:
    row = _record(value, _DISTRIBUTION, place)
    direct_url = row["direct_url"]
    if direct_url is not None and not isinstance(direct_url, str):
        raise InvalidManifest(f"{place}.direct_url", "it is neither a string nor `null`")
    editable = _editable(row["editable"], f"{place}.editable")
    if editable and row["tree"] is not None:
        raise InvalidManifest(f"{place}.tree", "an editable has none")
    return ManifestDistribution(
        name=_text(row, "name", place),
        version=_text(row, "version", place),
        tree=None if editable else _digest(row, "tree", place),
        editable=editable,
        requested=_flag(row, "requested", place),
        direct_url=direct_url,
        written=_written(row["written"], f"{place}.written"),
        excluded=_excluded(row["excluded"], f"{place}.excluded"),
    )


def _editable(value: Json, place: str) -> ManifestEditable | None:
    if value is None:
        return None
    row = _record(value, _EDITABLE, place)
    return ManifestEditable(
        folder=_text(row, "folder", place), payload=_digest(row, "payload", place)
    )


def _excluded(value: Json, place: str) -> tuple[str, ...]:
    paths = []
    for path, where in _rows(value, place):
        if not isinstance(path, str):
            raise InvalidManifest(where, "it is not a string")
        paths.append(path)
    _check_order(paths, place)
    return tuple(paths)


def _written(value: Json, place: str) -> tuple[WrittenDigest, ...]:
    files = []
    for item, where in _rows(value, place):
        row = _record(item, _WRITTEN, where)
        files.append(
            WrittenDigest(
                path=_text(row, "path", where),
                digest=_digest(row, "digest", where),
                executable=_flag(row, "executable", where),
            )
        )
    _check_order([file.path for file in files], place)
    return tuple(files)


def _links(value: Json, place: str) -> tuple[tuple[str, str], ...]:
    links = []
    for item, where in _rows(value, place):
        row = _record(item, _LINK, where)
        links.append((_text(row, "path", where), _text(row, "target", where)))
    _check_order([path for path, _ in links], place)
    return tuple(links)


def _rows(value: Json, place: str) -> Iterator[tuple[Json, str]]:
    if not isinstance(value, list):
        raise InvalidManifest(place, "it is not a list")
    for number, row in enumerate(value):
        yield row, f"{place}[{number}]"


def _record(value: Json, keys: tuple[str, ...], place: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise InvalidManifest(place, "it is not an object")
    _check_keys(value, keys, place)
    return value


def _check_keys(value: dict[str, Json], keys: tuple[str, ...], place: str) -> None:
    if value.keys() != set(keys):
        raise InvalidManifest(place, f"its keys are not {', '.join(f'`{key}`' for key in keys)}")


def _check_order(keys: list[str], place: str) -> None:
    for number, (before, after) in enumerate(pairwise(keys), start=1):
        if before >= after:
            raise InvalidManifest(f"{place}[{number}]", "it is not greater than the one before")


def _text(row: dict[str, Json], key: str, place: str) -> str:
    value = row[key]
    if not isinstance(value, str):
        raise InvalidManifest(f"{place}.{key}", "it is not a string")
    return value


def _digest(row: dict[str, Json], key: str, place: str) -> Digest:
    value = row[key]
    if not isinstance(value, str) or not is_digest(value):
        raise InvalidManifest(f"{place}.{key}", "it is not a BLAKE3 digest")
    return Digest(value)


def _flag(row: dict[str, Json], key: str, place: str) -> bool:
    value = row[key]
    if not isinstance(value, bool):
        raise InvalidManifest(f"{place}.{key}", "it is neither `true` nor `false`")
    return value
