"""Records that break one rule each, and the error that each must give."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envbuild import canonical
from store_layout.formats import BY_KIND

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Broken:
    """One record that must be refused.

    Attributes:
        kind: of the record it would be.
        name: of the vector.
        data: its bytes.
        rule: the rule that it breaks.
        error: name of the error.
        place: where the error says it is; `None` where it has no place.
        schema_sees: whether the schema refuses it as well.
    """

    kind: str
    name: str
    data: bytes
    rule: str
    error: str
    place: str | None
    schema_sees: bool

    @property
    def verdict(self) -> bytes:
        """What the side file says."""
        document = {
            "error": self.error,
            "place": self.place,
            "rule": self.rule,
            "schema_sees": self.schema_sees,
        }
        return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _spelling(name: str, data: bytes, rule: str) -> Broken:
    return Broken("canonical-json", name, data, rule, "NotCanonical", None, schema_sees=False)


def _changed(
    kind: str,
    base: str,
    name: str,
    change: Callable[[Any], object],
    *,
    rule: str,
    place: str,
    error: str = "",
    unseen: bool = False,
) -> Broken:
    """Return a valid vector with something changed in place, or replaced by what `change` gives."""
    form = BY_KIND[kind]
    document: Any = json.loads(form.encode(form.values[base]))
    document = change(document) or document
    error = error or (
        "InvalidRecord" if kind in {"realisation", "root"} else f"Invalid{kind.title()}"
    )
    data = canonical.encode(document)
    return Broken(kind, name, data, rule, error, place, schema_sees=not unseen)


def _tree(name: str, change: Callable[[Any], object], rule: str, place: str, **more: Any) -> Broken:
    base = more.pop("base", "one-file")
    return _changed("tree", base, name, change, rule=rule, place=place, **more)


def _path(name: str, path: str, rule: str) -> Broken:
    def change(document: Any) -> None:
        document["entries"][0]["path"] = path

    return _tree(name, change, rule, "entries[0].path")


def _target(name: str, target: str, rule: str, *, unseen: bool = False) -> Broken:
    def change(document: Any) -> None:
        link = next(row for row in document["entries"] if row["path"] == "bin/here")
        link["target"] = target

    return _tree(name, change, rule, "entries[0].target", base="symlinks", unseen=unseen)


def _common(kind: str, base: str) -> tuple[Broken, ...]:
    """Return what every kind of record must refuse."""
    family = "InvalidRecord" if kind in {"realisation", "root"} else f"Invalid{kind.title()}"

    def case(name: str, change: Callable[[Any], object], rule: str, place: str) -> Broken:
        return _changed(kind, base, name, change, rule=rule, place=place, error=family)

    data = BY_KIND[kind].encode(BY_KIND[kind].values[base])
    return (
        case("no-object", lambda _: [1], "a record is an object", "document"),
        case("other-format", lambda d: d.update(format="other"), "`format` names the kind", "format"),
        case("newer-version", lambda d: d.update(version=2), "an unknown version is refused", "version"),
        case("version-true", lambda d: d.update(version=True), "a version is a number", "version"),
        case("no-version", lambda d: d.pop("version") and None, "all members are there", "version"),
        case("member-too-many", lambda d: d.update(more=None), "no member may be added", "document"),
        Broken(kind, "line-feed", data + b"\n", "nothing follows the value", "NotCanonical", None,
               schema_sees=False),
        Broken(kind, "torn", data[: len(data) // 2], "a record is whole", "NotCanonical", None,
               schema_sees=False),
        Broken(kind, "empty", b"", "a record is whole", "NotCanonical", None, schema_sees=False),
    )  # fmt: skip


def _swap(document: Any) -> None:
    document["entries"].reverse()


def _twice(document: Any) -> None:
    document["entries"] *= 2


def _below_file(document: Any) -> None:
    row = document["entries"][0]
    document["entries"] = [{**row, "path": "demo"}, {**row, "path": "demo/__init__.py"}]


def _set(*keys: str | int, value: object) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


def _drop(*keys: str | int) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        del document[keys[-1]]

    return change


def _reverse(*keys: str | int) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for key in keys:
            document = document[key]
        document.reverse()

    return change


def _double(*keys: str | int) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for key in keys:
            document = document[key]
        document *= 2

    return change


SPELLINGS = (
    _spelling("no-json", b"{", "the bytes are JSON"),
    _spelling("nothing", b"", "there is a value"),
    _spelling("two-values", b"1 2", "there is one value"),
    _spelling("space", b'{"a": 1}', "there is no white space"),
    _spelling("line-feed-at-end", b"1\n", "there is no line feed at the end"),
    _spelling("keys-out-of-order", b'{"b":1,"a":2}', "keys are in ascending order"),
    _spelling("key-twice", b'{"a":1,"a":1}', "each key stands once"),
    _spelling("key-beyond-ascii", '{"é":1}'.encode(), "keys are ASCII"),
    _spelling("fraction", b"1.5", "there are no fractions"),
    _spelling("exponent", b"1e3", "there are no exponents"),
    _spelling("fraction-of-zero", b"1.0", "there are no fractions"),
    _spelling("not-a-number", b"NaN", "numbers are integers"),
    _spelling("infinity", b"Infinity", "numbers are integers"),
    _spelling("negative-zero", b"-0", "there is one zero"),
    _spelling("leading-zero", b"01", "no number has a leading zero"),
    _spelling("integer-too-large", b"9007199254740992", "integers are at most 2**53 - 1"),
    _spelling("integer-too-small", b"-9007199254740992", "integers are at least -(2**53 - 1)"),
    _spelling("needless-escape", b'"\\u00e9"', "only what must be escaped is"),
    _spelling("escaped-slash", b'"\\/"', "only what must be escaped is"),
    _spelling("long-escape", b'"\\u000a"', "short forms of escapes are used"),
    _spelling("upper-case-escape", b'"\\u001F"', "escapes are in lower case"),
    _spelling("surrogate-escaped", b'"\\ud800"', "strings are Unicode text"),
    _spelling("surrogate-encoded", b'"\xed\xa0\x80"', "the bytes are UTF-8"),
    _spelling("latin-1", b'"\xe9"', "the bytes are UTF-8"),
    _spelling("utf-16", '"a"'.encode("utf-16-le"), "the bytes are UTF-8"),
    _spelling("byte-order-mark", b"\xef\xbb\xbf1", "there is no byte order mark"),
    _spelling("too-deep", b"[" * 65 + b"]" * 65, "at most 64 arrays and objects lie in one another"),
    _spelling("far-too-deep", b"[" * 5_000 + b"]" * 5_000, "at most 64 arrays and objects lie in one another"),
)  # fmt: skip

TREES = (
    *_common("tree", "one-file"),
    _tree("entries-no-list", _set("entries", value={}), "entries are a list", "entries"),
    _tree("entry-no-object", _set("entries", 0, value="demo"), "an entry is an object", "entries[0]"),
    _tree("entry-without-target", _drop("entries", 0, "target"), "all members are there", "entries[0]"),
    _tree("entry-with-mode", _set("entries", 0, "mode", value=420), "no member may be added", "entries[0]"),
    _tree("out-of-order", _swap, "entries are in ascending order", "entries[1].path", base="symlinks", unseen=True),
    _tree("path-twice", _twice, "no path stands twice", "entries[1].path", unseen=True),
    _tree("below-a-file", _below_file, "no entry lies below another", "entries[1].path", unseen=True),
    _path("path-empty", "", "a path is not empty"),
    _path("path-absolute", "/demo", "a path is relative"),
    _path("path-upwards", "demo/../../etc", "no name is `..`"),
    _path("path-upwards-only", "..", "no name is `..`"),
    _path("path-with-dot", "./demo", "no name is `.`"),
    _path("path-with-empty-name", "demo//a", "no name is empty"),
    _path("path-of-a-folder", "demo/", "no name is empty"),
    _path("path-with-backslash", "demo\\a", "no name holds a backslash"),
    _path("path-with-nul", "demo\0a", "no name holds NUL"),
    _tree("path-no-string", _set("entries", 0, "path", value=1), "a path is a string", "entries[0].path"),
    _tree("kind-unknown", _set("entries", 0, "kind", value="folder"), "there are three kinds", "entries[0].kind"),
    _tree("digest-short", _set("entries", 0, "digest", value="ab" * 31), "a digest has 64 digits", "entries[0].digest"),
    _tree("digest-upper-case", _set("entries", 0, "digest", value="AB" * 32), "digits are in lower case", "entries[0].digest"),
    _tree("digest-prefixed", _set("entries", 0, "digest", value="blake3:" + "ab" * 32), "a digest is bare", "entries[0].digest"),
    _tree("digest-line-feed", _set("entries", 0, "digest", value="ab" * 32 + "\n"), "a digest has 64 digits", "entries[0].digest"),
    _tree("sha256-missing", _set("entries", 0, "sha256", value=None), "a file has a SHA-256", "entries[0].sha256"),
    _tree("size-negative", _set("entries", 0, "size", value=-1), "a size is not negative", "entries[0].size"),
    _tree("size-true", _set("entries", 0, "size", value=True), "a size is a number", "entries[0].size"),
    _tree("size-text", _set("entries", 0, "size", value="12"), "a size is a number", "entries[0].size"),
    _tree("file-with-target", _set("entries", 0, "target", value="a"), "only a link has a target", "entries[0].target"),
    _tree("link-with-size", _set("entries", 0, "size", value=1), "a link has no content", "entries[0]", base="symlinks"),
    _tree("link-without-target", _set("entries", 0, "target", value=None), "a link has a target", "entries[0].target", base="symlinks"),
    _target("target-empty", "", "a target is not empty"),
    _target("target-absolute", "/etc/passwd", "a target is relative"),
    _target("target-outside", "../../etc/passwd", "a target stays inside", unseen=True),
    _target("target-up-after-name", "../lib/../lib", "`..` stands in front only"),
    _target("target-up-at-end", "lib/..", "`..` stands in front only"),
    _target("target-with-backslash", "..\\lib", "a target holds no backslash"),
)  # fmt: skip


def _fetch(
    name: str, change: Callable[[Any], object], rule: str, place: str, **more: Any
) -> Broken:
    base = more.pop("base", "fetch")
    return _changed("derivation", base, name, change, rule=rule, place=place, **more)


def _build(
    name: str, change: Callable[[Any], object], rule: str, place: str, **more: Any
) -> Broken:
    base = more.pop("base", "build-wheel-resolved")
    return _changed("derivation", base, f"build-{name}", change, rule=rule, place=place, **more)


def _mixed(document: Any) -> None:
    document["source"] = {"derivation": "5c" * 32}


def _environment_twice(document: Any) -> None:
    document["environment"] *= 2


BUILDS = (
    _build("backend-empty", _set("backend", "name", value=""), "a backend has a name", "backend.name"),
    _build("backend-text", _set("backend", value="demo.build"), "a backend is an object", "backend"),
    _build("backend-path-text", _set("backend", "path", value="."), "a backend path is a list", "backend.path"),
    _build("builder-zero", _set("builder", value=0), "builders count from 1", "builder"),
    _build("settings-text", _set("config_settings", value=[{"name": "a", "values": "b"}]), "a setting has a list of values", "config_settings[0].values"),
    _build("settings-object", _set("config_settings", value={}), "settings are a list", "config_settings"),
    _build("version-empty", _set("distribution_version", value=""), "a version is not empty, or the sources compute it", "distribution_version"),
    _build("version-missing", _drop("distribution_version"), "all members are there", "document"),
    _build("editable-missing", _drop("editable"), "all members are there", "document"),
    _build("editable-relative", _set("editable", value="packages/live"), "a path is absolute", "editable", base="build-wheel-editable"),
    _build("editable-empty", _set("editable", value=""), "a path is absolute", "editable", base="build-wheel-editable"),
    _build("editable-with-nul", _set("editable", value="/a\0b"), "a path holds no NUL", "editable", base="build-wheel-editable"),
    _build("editable-true", _set("editable", value=True), "a path is a string", "editable"),
    _build("environment-twice", _environment_twice, "no name stands twice", "environment[1]", unseen=True),
    _build("environment-unresolved", _mixed, "a form is resolved or not", "environment[0]", unseen=True),
    _build("environment-without-version", _drop("environment", 0, "version"), "all members are there", "environment[0]"),
    _build("payload-short", _set("environment", 0, "payload", value="ab"), "a digest has 64 digits", "environment[0].payload"),
    _build("interpreter-without-headers", _drop("interpreter", "headers"), "all members are there", "interpreter"),
    _build("interpreter-debug-number", _set("interpreter", "is_debug", value=0), "`is_debug` is a truth value", "interpreter.is_debug"),
    _build("interpreter-bits-text", _set("interpreter", "pointer_bits", value="64"), "bits are a number", "interpreter.pointer_bits"),
    _build("platform-tags-list", _set("platform", "tags", value=[]), "tags are a digest", "platform.tags"),
    _build("requires-unsorted", _set("requires", value=["b", "a"]), "requirements are sorted", "requires[1]", unseen=True),
    _build("requires-empty", _set("requires", value=[""]), "a requirement is not empty", "requires[0]"),
    _build("salt-empty", _set("salt", value=""), "a salt is not empty", "salt"),
    _build("sandbox-level-unknown", _set("sandbox", "level", value="loose"), "there are three levels", "sandbox.level"),
    _build("sandbox-network-true", _set("sandbox", "network", value=True), "a network is named", "sandbox.network"),
    _build("sandbox-policy-zero", _set("sandbox", "policy", value=0), "policies count from 1", "sandbox.policy"),
    _build("source-without-facts", _drop("source", "facts"), "all members are there", "source"),
    _build("source-facts-unresolved", _set("source", "facts", value=[]), "facts are those of a tree", "source", base="build-wheel"),
    _build("source-tree-null", _set("source", "tree", value=None), "a tree is named by digest", "source.tree"),
    _build("source-facts-object", _set("source", "facts", value={}), "facts are a list", "source.facts"),
    _build("source-facts-out-of-order", _reverse("source", "facts"), "facts are in ascending order", "source.facts[1]", base="build-wheel-editable-resolved", unseen=True),
    _build("source-fact-shown", _set("source", "facts", 0, "value", value="release"), "a value is there by its digest", "source.facts[0].value", base="build-wheel-editable-resolved"),
    _build("source-both", _set("source", "derivation", value="ab" * 32), "a source is named in one way", "source"),
    _build("subdirectory-outside", _set("subdirectory", value="../x"), "a folder is inside the tree", "subdirectory", unseen=True),
    _build("toolchain-level-unknown", _set("toolchain", "level", value="known"), "there are three levels", "toolchain.level"),
    _build("toolchain-program-bare", _set("toolchain", "programs", value=["cc"]), "a program is an object", "toolchain.programs[0]"),
    _build("variables-number", _set("variables", value=[{"name": "A", "value": 1}]), "a variable is a string", "variables[0].value"),
)  # fmt: skip


def _fact_twice(document: Any) -> None:
    document["facts"] = document["facts"][:1] * 2


def _source(
    name: str, change: Callable[[Any], object], rule: str, place: str, **more: Any
) -> Broken:
    base = more.pop("base")
    return _changed("derivation", base, name, change, rule=rule, place=place, **more)


def _fact(
    name: str, kind: str, value: Any, rule: str, place: str, *, unseen: bool = False
) -> Broken:
    """Return the vector of a source whose one fact is `value`."""
    fact = {"kind": kind, "name": "X", "value": None, **value}
    change = _set("facts", value=[fact])
    return _source(f"source-{name}", change, rule, place, base="source", unseen=unseen)


SOURCES = (
    _source("unpack-source-archive-of-both", _set("archive", "sha256", value="5d" * 32), "an archive is named in one way", "archive", base="unpack-source"),
    _source("unpack-source-derivation-short", _set("archive", "derivation", value="ab"), "a digest has 64 digits", "archive.derivation", base="unpack-source"),
    _source("unpack-source-tree-short", _set("archive", "derivation", value="ab"), "a digest has 64 digits", "archive.derivation", base="unpack-source-of-checkout"),
    _source("unpack-source-path-outside", _set("archive", "path", value="../demo.tar.gz"), "a path is inside the tree", "archive.path", base="unpack-source-of-checkout"),
    _source("unpack-source-path-empty", _set("archive", "path", value=""), "a path is not empty", "archive.path", base="unpack-source-of-checkout"),
    _source("unpack-source-path-null", _set("archive", "path", value=None), "a path is a string", "archive.path", base="unpack-source-of-checkout"),
    _source("unpack-source-name-is-path", _set("archive", "name", value="a/b"), "a file name holds no `/`", "archive.name", base="unpack-source-resolved"),
    _source("unpack-source-sha256-prefixed", _set("archive", "sha256", value="sha256:" + "5d" * 32), "a SHA-256 is bare", "archive.sha256", base="unpack-source-resolved"),
    _source("unpack-source-distribution-empty", _set("distribution", value=""), "a distribution has a name, or none is expected", "distribution", base="unpack-source"),
    _source("unpack-source-version-number", _set("distribution_version", value=1), "a version is a string, or none is expected", "distribution_version", base="unpack-source"),
    _source("unpack-source-verify-record", _set("verify_record", value=True), "no member may be added", "document", base="unpack-source"),
    _source("unpack-source-unpacker-true", _set("unpacker", value=True), "an unpacker is a number", "unpacker", base="unpack-source"),
    _source("checkout-commit-short", _set("commit", value="c0" * 19), "a commit has 40 digits", "commit", base="checkout"),
    _source("checkout-commit-long", _set("commit", value="c0" * 32), "a commit has 40 digits", "commit", base="checkout"),
    _source("checkout-commit-upper-case", _set("commit", value="C0" * 20), "digits are in lower case", "commit", base="checkout"),
    _source("checkout-lfs-null", _set("lfs", value=None), "`lfs` is a truth value", "lfs", base="checkout"),
    _source("checkout-reader-zero", _set("reader", value=0), "readers count from 1", "reader", base="checkout"),
    _source("checkout-with-address", _set("url", value="https://git.example/x"), "no member may be added", "document", base="checkout"),
    _source("source-tree-null", _set("tree", value=None), "a tree is named by digest", "tree", base="source"),
    _source("source-facts-object", _set("facts", value={}), "facts are a list", "facts", base="source"),
    _source("source-facts-out-of-order", _reverse("facts"), "facts are in ascending order", "facts[1]", base="source-with-facts", unseen=True),
    _source("source-fact-twice", _fact_twice, "no fact stands twice", "facts[1]", base="source-without-repository", unseen=True),
    _source("source-fact-without-value", _drop("facts", 0, "value"), "all members are there", "facts[0]", base="source-with-facts"),
    _fact("fact-unknown", "weather", {}, "there are four kinds of facts", "facts[0].kind"),
    _fact("variable-without-name", "environment", {"name": ""}, "a variable has a name", "facts[0].name"),
    _fact("variable-shown", "environment", {"value": "release"}, "a value is there by its digest", "facts[0].value"),
    _fact("folder-digest", "folder", {"value": "ab" * 32}, "a folder is there or not", "facts[0].value"),
    _fact("commit-with-name", "git-commit", {}, "there is one commit", "facts[0].name"),
    _fact("commit-short", "git-commit", {"name": "", "value": "c0"}, "a commit has 40 digits, or 64", "facts[0].value"),
    _fact("tags-listed", "git-tags", {"name": "", "value": "v1"}, "tags are there by their digest", "facts[0].value"),
)  # fmt: skip


DERIVATIONS = (
    *_common("derivation", "fetch"),
    *SOURCES,
    *BUILDS,
    _fetch("kind-unknown", _set("kind", value="brew"), "a kind that is not known is left alone", "kind", error="UnknownKind"),
    _fetch("kind-missing", _drop("kind"), "a derivation has a kind", "kind", error="UnknownKind"),
    _fetch("fetch-without-both", _set("hash", value=None), "a fetch has a hash or a location", "document"),
    _fetch("fetch-with-both", _set("location", value="https://index.example/a"), "a fetch has a hash or a location", "document"),
    _fetch("fetch-hash-bare", _set("hash", value="5e" * 32), "a hash names its algorithm", "hash"),
    _fetch("fetch-hash-upper-case", _set("hash", value="sha256:" + "5E" * 32), "digits are in lower case", "hash"),
    _fetch("fetch-hash-no-string", _set("hash", value=5), "a hash is a string", "hash"),
    _fetch("fetch-location-empty", _set("location", value=""), "a location is not empty", "location", base="fetch-without-hash"),
    _fetch("fetch-name-empty", _set("name", value=""), "a file name is not empty", "name"),
    _fetch("fetch-name-is-path", _set("name", value="a/b.whl"), "a file name holds no `/`", "name"),
    _fetch("fetch-name-is-folder", _set("name", value=".."), "a file name is not `..`", "name"),
    _fetch("unpack-archive-both", _set("archive", "derivation", value="ab" * 32), "an archive is named in one way", "archive", base="unpack-resolved"),
    _fetch("unpack-archive-text", _set("archive", value="ab" * 32), "an archive is an object", "archive", base="unpack"),
    _fetch("unpack-derivation-short", _set("archive", "derivation", value="ab"), "a digest has 64 digits", "archive.derivation", base="unpack"),
    _fetch("unpack-sha256-prefixed", _set("archive", "sha256", value="sha256:" + "5e" * 32), "a SHA-256 is bare", "archive.sha256", base="unpack-resolved"),
    _fetch("unpack-archive-name-is-path", _set("archive", "name", value="a/b"), "a file name holds no `/`", "archive.name", base="unpack-resolved"),
    _fetch("unpack-distribution-empty", _set("distribution", value=""), "a distribution has a name", "distribution", base="unpack"),
    _fetch("unpack-version-missing", _drop("distribution_version"), "all members are there", "document", base="unpack"),
    _fetch("unpack-version-null", _set("distribution_version", value=None), "a version is a string", "distribution_version", base="unpack"),
    _fetch("unpack-unpacker-zero", _set("unpacker", value=0), "unpackers count from 1", "unpacker", base="unpack"),
    _fetch("unpack-unpacker-true", _set("unpacker", value=True), "an unpacker is a number", "unpacker", base="unpack"),
    _fetch("unpack-verify-record-number", _set("verify_record", value=1), "`verify_record` is a truth value", "verify_record", base="unpack"),
)  # fmt: skip


def _realisation(name: str, change: Callable[[Any], object], rule: str, place: str, **more: Any) -> Broken:  # fmt: skip
    base = more.pop("base", "tree")
    return _changed("realisation", base, name, change, rule=rule, place=place, **more)


REALISATIONS = (
    _realisation("build-archive-prefixed", _set("output", "archive", value="sha256:" + "5f" * 32), "a SHA-256 is bare", "output.archive", base="build"),
    _realisation("build-duration-negative", _set("output", "duration_ms", value=-1), "a duration is not negative", "output.duration_ms", base="build"),
    _realisation("build-without-log", _drop("output", "log"), "all members are there", "output", base="build"),
    _realisation("build-log-null", _set("output", "log", value=None), "a log is a digest", "output.log", base="build"),
    _realisation("build-rung-empty", _set("output", "rung", value=""), "a rung has a name", "output.rung", base="build"),
    *_common("realisation", "tree"),
    _realisation("key-short", _set("resolved_key", value="ab"), "a digest has 64 digits", "resolved_key"),
    _realisation("name-empty", _set("name", value=""), "a realisation has a name", "name"),
    _realisation("name-null", _set("name", value=None), "a name is a string", "name"),
    _realisation("notes-text", _set("notes", value="broken"), "notes are a list", "notes"),
    _realisation("note-no-string", _set("notes", value=["a", 1]), "a note is a string", "notes[1]"),
    _realisation("output-unknown", _set("output", "kind", value="heap"), "there are two kinds of output", "output"),
    _realisation("output-null", _set("output", value=None), "there is an output", "output"),
    _realisation("output-too-much", _set("output", "size", value=1), "no member may be added", "output"),
    _realisation("tree-no-digest", _set("output", "digest", value="demo"), "a tree is named by digest", "output.digest"),
    _realisation("archive-size-true", _set("output", "size", value=True), "a size is a number", "output.size", base="archive"),
    _realisation("archive-size-negative", _set("output", "size", value=-1), "a size is not negative", "output.size", base="archive"),
    _realisation("archive-sha256-prefixed", _set("output", "sha256", value="sha256:" + "5e" * 32), "a SHA-256 is bare", "output.sha256", base="archive"),
)  # fmt: skip


def _root(name: str, change: Callable[[Any], object], rule: str, place: str, **more: Any) -> Broken:
    base = more.pop("base", "environment")
    return _changed("root", base, name, change, rule=rule, place=place, **more)


ROOTS = (
    *_common("root", "environment"),
    _root("kind-unknown", _set("kind", value="other"), "there are two kinds", "kind"),
    _root("kind-of-other", _set("kind", value="named"), "members are those of the kind", "document"),
    _root("path-relative", _set("path", value=".venv"), "a path is absolute", "path"),
    _root("path-with-nul", _set("path", value="/a\0b"), "a path holds no NUL", "path"),
    _root("path-no-string", _set("path", value=None), "a path is a string", "path"),
    _root("manifest-null", _set("manifest", value=None), "a root has a manifest", "manifest"),
    _root("named-manifest-short", _set("manifest", value="ab"), "a digest has 64 digits", "manifest", base="named"),
    _root("name-empty", _set("name", value=""), "a name is not empty", "name", base="named"),
    _root("name-is-path", _set("name", value="a/b"), "a name is of letters, digits and `._-`", "name", base="named"),
    _root("name-starts-with-dot", _set("name", value=".a"), "a name begins with a letter or digit", "name", base="named"),
    _root("name-beyond-ascii", _set("name", value="Grüße"), "a name is ASCII", "name", base="named"),
    _root("name-with-line-feed", _set("name", value="a\n"), "a name is of letters, digits and `._-`", "name", base="named"),
    _root("name-too-long", _set("name", value="a" * 101), "a name has at most 100 characters", "name", base="named"),
)  # fmt: skip


def _manifest(name: str, change: Callable[[Any], object], rule: str, place: str, **more: Any) -> Broken:  # fmt: skip
    base = more.pop("base", "small")
    return _changed("manifest", base, name, change, rule=rule, place=place, **more)


MANIFESTS = (
    *_common("manifest", "small"),
    _manifest("writer-zero", _set("writer", value=0), "writers count from 1", "writer"),
    _manifest("writer-true", _set("writer", value=True), "a writer is a number", "writer"),
    _manifest("interpreter-with-path", _set("interpreter", "path", value="/usr/bin/python3"), "where the interpreter lies is no part of a manifest", "interpreter"),
    _manifest("interpreter-without-soabi", _drop("interpreter", "soabi"), "all members are there", "interpreter"),
    _manifest("interpreter-version-number", _set("interpreter", "version", value=3), "a version is a string", "interpreter.version"),
    _manifest("scheme-null", _set("scheme", "purelib", value=None), "a folder is a string", "scheme.purelib"),
    _manifest("distributions-object", _set("distributions", value={}), "distributions are a list", "distributions"),
    _manifest("distributions-out-of-order", _reverse("distributions"), "distributions are in ascending order", "distributions[1]", base="two-distributions", unseen=True),
    _manifest("distribution-twice", _double("distributions"), "no distribution stands twice", "distributions[1]", unseen=True),
    _manifest("distribution-too-much", _set("distributions", 0, "url", value=None), "no member may be added", "distributions[0]"),
    _manifest("name-null", _set("distributions", 0, "name", value=None), "a name is a string", "distributions[0].name"),
    _manifest("tree-short", _set("distributions", 0, "tree", value="ab"), "a digest has 64 digits", "distributions[0].tree"),
    _manifest("requested-number", _set("distributions", 0, "requested", value=1), "`requested` is a truth value", "distributions[0].requested"),
    _manifest("direct-url-object", _set("distributions", 0, "direct_url", value={}), "`direct_url` is a string", "distributions[0].direct_url"),
    _manifest("written-twice", _double("distributions", 0, "written"), "no path stands twice", "distributions[0].written[1]", unseen=True),
    _manifest("tree-null", _set("distributions", 0, "tree", value=None), "what is no editable has a tree", "distributions[0].tree"),
    _manifest("editable-missing", _drop("distributions", 0, "editable"), "all members are there", "distributions[0]"),
    _manifest("editable-text", _set("distributions", 1, "editable", value="packages/live"), "an editable is an object", "distributions[1].editable", base="editable"),
    _manifest("editable-with-tree", _set("distributions", 1, "tree", value="ab" * 32), "an editable has no tree", "distributions[1].tree", base="editable"),
    _manifest("editable-too-much", _set("distributions", 1, "editable", "place", value="/srv/app"), "no member may be added", "distributions[1].editable", base="editable"),
    _manifest("editable-folder-null", _set("distributions", 1, "editable", "folder", value=None), "a folder is a string", "distributions[1].editable.folder", base="editable"),
    _manifest("editable-payload-short", _set("distributions", 1, "editable", "payload", value="ab"), "a digest has 64 digits", "distributions[1].editable.payload", base="editable"),
    _manifest("excluded-missing", _drop("distributions", 1, "excluded"), "all members are there", "distributions[1]", base="paths-left-out"),
    _manifest("excluded-text", _set("distributions", 1, "excluded", value="bin/demo"), "what is left out is a list", "distributions[1].excluded", base="paths-left-out"),
    _manifest("excluded-number", _set("distributions", 1, "excluded", 0, value=1), "a path is a string", "distributions[1].excluded[0]", base="paths-left-out"),
    _manifest("excluded-out-of-order", _reverse("distributions", 1, "excluded"), "paths are in ascending order", "distributions[1].excluded[1]", base="paths-left-out", unseen=True),
    _manifest("excluded-twice", _double("distributions", 1, "excluded"), "no path stands twice", "distributions[1].excluded[2]", base="paths-left-out", unseen=True),
    _manifest("written-no-digest", _set("skeleton", 0, "digest", value=None), "a written file has a digest", "skeleton[0].digest"),
    _manifest("written-path-number", _set("skeleton", 0, "path", value=1), "a path is a string", "skeleton[0].path"),
    _manifest("written-executable-null", _set("skeleton", 0, "executable", value=None), "`executable` is a truth value", "skeleton[0].executable"),
    _manifest("links-out-of-order", _reverse("links"), "links are in ascending order", "links[1]", unseen=True),
    _manifest("link-text", _set("links", 0, value="bin/python"), "a link is an object", "links[0]"),
    _manifest("link-target-null", _set("links", 0, "target", value=None), "a link says something", "links[0].target"),
)  # fmt: skip

BROKEN = (*SPELLINGS, *TREES, *DERIVATIONS, *REALISATIONS, *MANIFESTS, *ROOTS)
