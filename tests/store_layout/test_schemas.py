"""The schemas are schemas, say what every field is, and allow all that the code writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild import canonical
from envbuild.buildlock.kind import is_kind
from envbuild.buildlock.model import BuildLock, PinnedPackage, PinnedTree
from envbuild.buildlock.parse import parse_build_lock
from envbuild.buildlock.render import render_build_lock
from envbuild.derivation.model import Fetch, Unpack, decode_derivation
from envbuild.derivation.sources import (
    PRESENT,
    Checkout,
    Fact,
    FileOfTree,
    LocalSource,
    UnpackSource,
)
from envbuild.digest import Digest
from envbuild.environment.manifest import (
    InvalidManifest,
    ManifestDistribution,
    ManifestEditable,
    WrittenDigest,
    decode_manifest,
)
from envbuild.frozen import replace
from envbuild.lockfile.tables import InvalidEntry
from envbuild.store import layout
from envbuild.store.records import (
    ArchiveOutput,
    BuildOutput,
    Realisation,
    RebuildOutput,
    TreeOutput,
    decode_realisation,
    decode_root,
)
from envbuild.store.root_records import EnvironmentRoot, NamedRoot
from envbuild.store.tree import InvalidTree, Tree, decode_tree
from store_layout.formats import BUILD, FORMATS, PAYLOADS, SMALL
from store_layout.schemas import check_schema, schema_faults
from support.build_locks import BUILD_LOCKS, build
from support.stores import file_entry, link_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

V1 = Path(__file__).parents[2] / "store_layout" / "v1"
SCHEMAS = sorted((V1 / "schema").glob("*.json"))

TEXT = st.text(st.characters(codec="utf-8"))
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
DIGESTS = HEX.map(Digest)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1)
PATHS = st.lists(NAMES.filter(lambda name: name not in {".", ".."}), min_size=1, max_size=4).map(
    "/".join
)
TARGETS = st.lists(st.sampled_from(("..", ".", "", "a", "...", "lib")), min_size=1, max_size=5).map(
    "/".join
)
ENTRIES = st.one_of(
    st.builds(file_entry, PATHS, st.binary(max_size=20), executable=st.booleans()),
    st.builds(link_entry, PATHS, TARGETS),
)
ROOT_CALLED: dict[str, str | int] = {
    "format": "envbuild-root", "kind": "named", "manifest": "ab" * 32, "version": 1
}  # fmt: skip
FILE_NAMES = NAMES.filter(lambda name: name not in {".", ".."})
HASHES = st.builds("{}:{}".format, st.sampled_from(("sha256", "sha3_256", "md5")), HEX)
FETCHES = st.one_of(
    st.builds(Fetch, name=FILE_NAMES, hash=HASHES, location=st.none()),
    st.builds(Fetch, name=FILE_NAMES, hash=st.none(), location=TEXT.filter(bool)),
)
UNPACKS = st.builds(
    Unpack,
    source=FETCHES,
    distribution=TEXT.filter(bool),
    version=TEXT.filter(bool),
    verify_record=st.booleans(),
)
COMMITS = st.text("0123456789abcdef", min_size=40, max_size=40)
CHECKOUTS = st.builds(Checkout, commit=COMMITS, lfs=st.booleans())
UNPACKED_SOURCES = st.builds(
    UnpackSource,
    source=st.one_of(FETCHES, st.builds(FileOfTree, tree=CHECKOUTS, path=PATHS)),
    distribution=st.none() | TEXT.filter(bool),
    version=st.none() | TEXT.filter(bool),
)
NAMED_FACTS = st.one_of(
    st.builds(
        Fact,
        kind=st.just("environment"),
        name=TEXT.filter(bool),
        value=st.none() | DIGESTS,
    ),
    st.builds(
        Fact,
        kind=st.just("folder"),
        name=TEXT.filter(bool),
        value=st.sampled_from((None, PRESENT)),
    ),
)
OTHER_FACTS = st.one_of(
    st.builds(Fact, kind=st.just("git-commit"), name=st.just(""), value=st.none() | COMMITS | HEX),
    st.builds(Fact, kind=st.just("git-tags"), name=st.just(""), value=st.none() | DIGESTS),
)
LOCAL_SOURCES = st.builds(
    LocalSource,
    tree=DIGESTS,
    facts=st.lists(
        st.one_of(NAMED_FACTS, OTHER_FACTS), unique_by=lambda fact: (fact.kind, fact.name)
    ).map(lambda facts: tuple(sorted(facts, key=lambda fact: (fact.kind, fact.name)))),
)
BUILDS = st.builds(
    lambda **changes: replace(BUILD, **changes),
    source=st.one_of(UNPACKED_SOURCES, CHECKOUTS, LOCAL_SOURCES),
    subdirectory=st.just("") | PATHS,
    version=st.none() | TEXT.filter(bool),
    editable=st.none() | PATHS.map(lambda path: f"/{path}"),
    variables=st.dictionaries(TEXT.filter(bool), TEXT, max_size=2),
    salt=st.none() | TEXT.filter(bool),
)
SIZES = st.integers(0, canonical.LARGEST_INTEGER)
REALISATIONS = st.builds(
    Realisation,
    resolved_key=DIGESTS,
    output=st.one_of(
        st.builds(TreeOutput, digest=DIGESTS),
        st.builds(ArchiveOutput, sha256=HEX, size=SIZES),
        *(
            st.builds(
                kind,
                digest=DIGESTS,
                archive=HEX,
                duration_ms=SIZES,
                log=DIGESTS,
                payload=DIGESTS,
                rung=st.sampled_from(["bubblewrap", "none"]),
            )
            for kind in (BuildOutput, RebuildOutput)
        ),
    ),
    name=TEXT.filter(bool),
    notes=st.lists(TEXT).map(tuple),
)
WRITTEN = st.builds(WrittenDigest, path=TEXT, digest=DIGESTS, executable=st.booleans())
DISTRIBUTION = {
    "name": TEXT,
    "version": TEXT,
    "requested": st.booleans(),
    "direct_url": st.none() | TEXT,
    "written": WRITTEN.map(lambda file: (file,)) | st.just(()),
    "excluded": st.sets(TEXT, max_size=2).map(lambda paths: tuple(sorted(paths))),
}
DISTRIBUTIONS = st.one_of(
    st.builds(ManifestDistribution, tree=DIGESTS, **DISTRIBUTION),
    st.builds(
        ManifestDistribution,
        tree=st.none(),
        editable=st.builds(ManifestEditable, folder=TEXT, payload=DIGESTS),
        **DISTRIBUTION,
    ),
)
ROOTS = st.one_of(
    st.builds(EnvironmentRoot, path=PATHS.map(lambda path: f"/{path}"), manifest=DIGESTS),
    st.builds(
        NamedRoot,
        name=st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?", fullmatch=True),
        manifest=DIGESTS,
    ),
)


@given(st.lists(ENTRIES, max_size=6))
def test_every_tree_that_the_code_makes_is_valid_and_comes_back(entries: list[Any]) -> None:
    try:
        tree = Tree.of(entries)
    except InvalidTree:
        return
    data = tree.encode()
    assert schema_faults(V1, "tree", data) == []
    assert decode_tree(data) == tree


@given(st.sampled_from(("a", "a/b", "a/b/c")), TARGETS)
def test_code_and_schema_agree_about_targets_but_for_their_depth(path: str, target: str) -> None:
    row = link_entry(path, target).as_json()
    data = canonical.encode({"entries": [row], "format": "envbuild-tree", "version": 1})
    try:
        decode_tree(data)
        refused = False
    except InvalidTree:
        refused = True
    seen = bool(schema_faults(V1, "tree", data))
    too_many = sum(name == ".." for name in target.split("/")) > path.count("/")
    assert refused == (seen or too_many)


@given(st.text("ab./\\\n\0", max_size=6))
def test_code_and_schema_agree_about_paths(path: str) -> None:
    row = file_entry(path, b"").as_json()
    data = canonical.encode({"entries": [row], "format": "envbuild-tree", "version": 1})
    try:
        decode_tree(data)
        refused = False
    except InvalidTree:
        refused = True
    assert refused == bool(schema_faults(V1, "tree", data))


@given(st.text("aZ0._-/ \né", max_size=6))
def test_code_and_schema_agree_about_names_of_roots(name: str) -> None:
    root = ROOT_CALLED | {"name": name}
    data = canonical.encode(root)
    assert layout.is_root_name(name) == (schema_faults(V1, "root", data) == [])


@given(
    st.one_of(FETCHES, UNPACKS, UNPACKED_SOURCES, CHECKOUTS, LOCAL_SOURCES).map(
        lambda each: each.as_json()
    )
)
def test_every_derivation_that_the_code_makes_is_valid_and_comes_back(form: Any) -> None:
    data = canonical.encode(form)
    assert schema_faults(V1, "derivation", data) == []
    assert decode_derivation(data) == form


@given(st.one_of(UNPACKS, UNPACKED_SOURCES), HEX)
def test_every_resolved_form_is_valid_and_comes_back(
    unpack: Unpack | UnpackSource, sha256: str
) -> None:
    form = unpack.resolved(sha256)
    data = canonical.encode(form)
    assert schema_faults(V1, "derivation", data) == []
    assert decode_derivation(data) == form


@given(BUILDS, DIGESTS)
def test_every_build_is_valid_in_both_forms_and_comes_back(build: Any, tree: Digest) -> None:
    for form in (build.as_json(), build.resolved(tree, PAYLOADS)):
        data = canonical.encode(form)
        assert schema_faults(V1, "derivation", data) == []
        assert decode_derivation(data) == form


@given(st.lists(DISTRIBUTIONS, max_size=3, unique_by=lambda each: each.name))
def test_every_manifest_that_the_code_makes_is_valid_and_comes_back(found: Any) -> None:
    distributions = tuple(sorted(found, key=lambda each: each.name))
    manifest = replace(SMALL, distributions=distributions)
    assert schema_faults(V1, "manifest", manifest.encode()) == []
    assert decode_manifest(manifest.encode()) == manifest


@given(st.none() | DIGESTS, st.none() | DIGESTS)
def test_code_and_schema_agree_about_what_has_a_tree(tree: Any, payload: Any) -> None:
    editable = None if payload is None else ManifestEditable(folder=".", payload=payload)
    demo = replace(SMALL.distributions[0], tree=tree, editable=editable)
    data = replace(SMALL, distributions=(demo,)).encode()
    assert ((tree is None) == (payload is not None)) == (schema_faults(V1, "manifest", data) == [])
    try:
        decode_manifest(data)
        refused = False
    except InvalidManifest:
        refused = True
    assert refused == bool(schema_faults(V1, "manifest", data))


@given(REALISATIONS)
def test_every_realisation_that_the_code_makes_is_valid_and_comes_back(each: Realisation) -> None:
    assert schema_faults(V1, "realisation", each.encode()) == []
    assert decode_realisation(each.encode()) == each


@given(ROOTS)
def test_every_root_that_the_code_makes_is_valid_and_comes_back(root: Any) -> None:
    assert schema_faults(V1, "root", root.encode()) == []
    assert decode_root(root.encode()) == root


@given(BUILD_LOCKS)
def test_every_build_lock_that_the_code_makes_is_valid(lock: Any) -> None:
    assert schema_faults(V1, "build-lock", render_build_lock(lock).encode()) == []


@given(st.text("a./\\:é\n", max_size=5))
def test_code_and_schema_agree_about_paths_in_build_locks(text: str) -> None:
    package = PinnedPackage(name="demo", version=None, content=PinnedTree(path=text))
    data = render_build_lock(BuildLock(builds=(build("demo", package),)))
    try:
        parse_build_lock(data, file="envbuild.lock")
        refused = False
    except InvalidEntry:
        refused = True
    assert refused == bool(schema_faults(V1, "build-lock", data.encode()))


@given(st.text("ab3A._- \n", max_size=8))
def test_code_and_schema_agree_about_kinds_of_targets(text: str) -> None:
    data = render_build_lock(BuildLock(builds=(build(target=text),)))
    assert is_kind(text) == (schema_faults(V1, "build-lock", data.encode()) == [])


def test_the_format_file_is_valid() -> None:
    assert schema_faults(V1, "store", layout.format_bytes()) == []


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_a_schema_is_a_schema(path: Path) -> None:
    check_schema(json.loads(path.read_bytes()))


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_every_object_is_closed_whole_and_described(path: Path) -> None:
    schema = json.loads(path.read_bytes())
    for place, node in objects(schema, ""):
        assert node.get("additionalProperties") is False, place
        missing = node["properties"].keys() - set(node["required"])
        # TOML has no null, so what says nothing is left out there.
        assert path.name == "build-lock.schema.json" or not missing, place
        assert set(node["required"]) <= node["properties"].keys(), place
        for name, field in node["properties"].items():
            target = schema
            for step in field.get("$ref", "#").split("/")[1:]:
                target = target[step]
            said = "description" in field or ("$ref" in field and "description" in target)
            assert said or "const" in field, f"{place}/properties/{name}"


def objects(node: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema of an object with members, and where it stands."""
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield place, node
        for key, value in node.items():
            yield from objects(value, f"{place}/{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from objects(value, f"{place}/{number}")


def test_every_kind_has_a_schema_and_every_schema_a_kind() -> None:
    kinds = {form.kind for form in FORMATS if form.has_schema} | {"store"}
    assert {path.name for path in SCHEMAS} == {f"{kind}.schema.json" for kind in kinds}
