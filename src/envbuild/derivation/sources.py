"""Derivations that give source trees: unpacked archives, checkouts, local trees.

The forms are specified in `store_layout/v1/derivation.md`. What a build makes of a tree, and in
which folder of it, is said by the build's derivation.
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
)
from envbuild.frozen import frozen
from envbuild.store.tree import fault_of_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from envbuild.canonical import Json
    from envbuild.derivation.model import Fetch
    from envbuild.digest import Digest

    FactKind = Literal["environment", "folder", "git-commit", "git-tags"]

SOURCE_UNPACKER = 1
"""Raised by hand when the meaning of unpacking sources changes, so that old trees are not believed."""

CHECKOUT_READER = 1
"""Raised by hand when the meaning of checking out changes."""

PRESENT = "present"
"""The value of a fact about a folder that is there."""

_COMMIT_LENGTHS = (40, 64)
"""Digits of a commit in repositories that use SHA-1, and SHA-256."""

_HEXADECIMAL = "0123456789abcdef"
_NAMED: dict[Json, bool] = {
    "environment": True,
    "folder": True,
    "git-commit": False,
    "git-tags": False,
}
"""Kinds of facts, and whether there may be several, told apart by name."""


@frozen
class Checkout:
    """The files of a commit of a git repository, those of its submodules among them.

    A commit names its content, wherever it comes from, so the repository's address is a hint.

    Attributes:
        commit: 40 hexadecimal digits in lower case.
        lfs: whether files kept by Git LFS stand in place of their pointers.
    """

    commit: str
    lfs: bool = False

    def as_json(self) -> dict[str, Json]:
        """Return the form that is hashed."""
        return {
            "commit": self.commit,
            "format": FORMAT,
            "kind": "checkout",
            "lfs": self.lfs,
            "reader": CHECKOUT_READER,
            "version": VERSION,
        }

    @property
    def digest(self) -> Digest:
        """The derivation's name. There are no inputs, so this is the resolved key as well."""
        return canonical.digest(self.as_json())


@frozen
class FileOfTree:
    """An archive that is a file of a checkout.

    Attributes:
        tree: what gives the tree.
        path: of the file in it.
    """

    tree: Checkout
    path: str

    @property
    def name(self) -> str:
        """The archive's file name."""
        return self.path.rpartition("/")[2]


@frozen
class UnpackSource:
    """The archive of a source distribution to the tree of its files.

    Attributes:
        source: what gives the archive.
        distribution: normalised name that the archive must be of, `None` for any.
        version: version that the archive must be of, as locked; `None` for any.
    """

    source: Fetch | FileOfTree
    distribution: str | None
    version: str | None

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
            "kind": "unpack-source",
            "unpacker": SOURCE_UNPACKER,
            "version": VERSION,
        }


@frozen
class Fact:
    """Something beside the files of a local tree that its project says matters.

    Attributes:
        kind: of what: a variable of the environment, whether a folder exists, the commit that is
            checked out, the tags of the repository.
        name: of the variable; path of the folder; else empty.
        value: BLAKE3 of the variable's value; `PRESENT`; the commit; BLAKE3 of the canonical list
            of the tags, each with what it points to. `None` where there is none.
    """

    kind: FactKind
    name: str
    value: str | None


@frozen
class LocalSource:
    """A tree on this machine, as its files are now.

    Attributes:
        tree: its digest.
        facts: sorted by kind and name, none twice.
    """

    tree: Digest
    facts: tuple[Fact, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """Return the form that is hashed."""
        return {
            "facts": facts_as_json(self.facts),
            "format": FORMAT,
            "kind": "source",
            "tree": self.tree,
            "version": VERSION,
        }

    @property
    def digest(self) -> Digest:
        """The derivation's name. There are no inputs, so this is the resolved key as well."""
        return canonical.digest(self.as_json())


def check_checkout(document: dict[str, Json]) -> None:
    """Raise where a record of this kind breaks a rule."""
    check_keys(document, {"commit", "format", "kind", "lfs", "reader", "version"})
    if not _is_commit(document["commit"], _COMMIT_LENGTHS[:1]):
        raise InvalidDerivation("commit", "it is not a full commit")
    check_flag(document["lfs"], "lfs")
    check_number(document["reader"], "reader")


def check_unpack_source(document: dict[str, Json]) -> None:
    """Raise where a record of this kind breaks a rule."""
    fields = "archive distribution distribution_version format kind unpacker version"
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
    for field in ("distribution", "distribution_version"):
        if document[field] is not None:
            check_text(document[field], field)
    check_number(document["unpacker"], "unpacker")


def check_path_of_file(value: Json, place: str) -> None:
    """Raise where a value is not the path of a file of a tree."""
    if not isinstance(value, str) or fault_of_path(value):
        raise InvalidDerivation(place, "it is not the path of a file of a tree")


def check_source(document: dict[str, Json]) -> None:
    """Raise where a record of this kind breaks a rule."""
    check_keys(document, {"facts", "format", "kind", "tree", "version"})
    check_digest(document["tree"], "tree")
    check_facts(document["facts"], "facts")


def facts_as_json(facts: Iterable[Fact]) -> list[Json]:
    """Return the form of facts that is hashed."""
    return [{"kind": fact.kind, "name": fact.name, "value": fact.value} for fact in facts]


def check_facts(facts: Json, place: str) -> None:
    """Raise where a list of facts breaks a rule."""
    if not isinstance(facts, list):
        raise InvalidDerivation(place, "it is not a list")
    last: tuple[str, str] | None = None
    for number, fact in enumerate(facts):
        where = f"{place}[{number}]"
        key = _check_fact(fact, where)
        if last is not None and key <= last:
            raise InvalidDerivation(where, "it is not greater than the one before")
        last = key


def _check_fact(fact: Json, place: str) -> tuple[str, str]:
    """Return kind and name of a fact that breaks no rule."""
    if not isinstance(fact, dict) or fact.keys() != {"kind", "name", "value"}:
        raise InvalidDerivation(place, "its keys are not kind, name, value")
    kind, name, value = fact["kind"], fact["name"], fact["value"]
    if not isinstance(kind, str) or kind not in _NAMED:
        raise InvalidDerivation(f"{place}.kind", f"{kind!r} is not a kind")
    if not isinstance(name, str) or bool(name) != _NAMED[kind]:
        raise InvalidDerivation(f"{place}.name", "it is not as facts of this kind have it")
    if value is not None:
        match kind:
            case "folder":
                fits = value == PRESENT
            case "git-commit":
                fits = _is_commit(value, _COMMIT_LENGTHS)
            case _:
                check_digest(value, f"{place}.value")
                fits = True
        if not fits:
            raise InvalidDerivation(f"{place}.value", "it is not as facts of this kind have it")
    return kind, name


def _is_commit(value: Json, lengths: tuple[int, ...]) -> bool:
    if not isinstance(value, str) or len(value) not in lengths:
        return False
    return not value.strip(_HEXADECIMAL)
