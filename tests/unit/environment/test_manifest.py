from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild import canonical
from envbuild.canonical import NotCanonical
from envbuild.digest import Digest, digest_of
from envbuild.environment.manifest import (
    InvalidManifest,
    Manifest,
    ManifestDistribution,
    ManifestEditable,
    WrittenDigest,
    decode_manifest,
)
from unit.target.recorded import LINUX_313

if TYPE_CHECKING:
    from collections.abc import Callable

DIGESTS = st.binary(max_size=4).map(digest_of)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)


def by_path(files: list[WrittenDigest]) -> tuple[WrittenDigest, ...]:
    return tuple(sorted(files, key=lambda file: file.path))


WRITTEN = st.lists(
    st.builds(WrittenDigest, path=TEXTS, digest=DIGESTS, executable=st.booleans()),
    max_size=3,
    unique_by=lambda file: file.path,
).map(by_path)
DISTRIBUTION = {
    "name": TEXTS,
    "version": TEXTS,
    "requested": st.booleans(),
    "direct_url": st.none() | TEXTS,
    "written": WRITTEN,
    "excluded": st.sets(TEXTS, max_size=3).map(lambda paths: tuple(sorted(paths))),
}
EDITABLES = st.builds(ManifestEditable, folder=TEXTS, payload=DIGESTS)
DISTRIBUTIONS = st.lists(
    st.one_of(
        st.builds(ManifestDistribution, tree=DIGESTS, **DISTRIBUTION),
        st.builds(ManifestDistribution, tree=st.none(), editable=EDITABLES, **DISTRIBUTION),
    ),
    max_size=3,
    unique_by=lambda each: each.name,
).map(lambda found: tuple(sorted(found, key=lambda each: each.name)))
MANIFESTS = st.builds(
    Manifest,
    implementation=TEXTS,
    version=TEXTS,
    cache_tag=TEXTS,
    soabi=TEXTS,
    abi_flags=TEXTS,
    platform=TEXTS,
    scheme=st.just(LINUX_313.scheme),
    distributions=DISTRIBUTIONS,
    skeleton=WRITTEN,
    links=st.dictionaries(TEXTS, TEXTS, max_size=3).map(lambda links: tuple(sorted(links.items()))),
    writer=st.integers(1, 9),
)

TREE = Digest("0" * 64)
FILE = WrittenDigest(path="bin/demo", digest=Digest("1" * 64), executable=True)
SAMPLE = Manifest(
    implementation="cpython",
    version="3.13.0",
    cache_tag="cpython-313",
    soabi="cpython-313-x86_64-linux-gnu",
    abi_flags="",
    platform="linux-x86_64",
    scheme=LINUX_313.scheme,
    distributions=(
        ManifestDistribution(
            name="demo", version="1", tree=TREE, requested=True, direct_url=None, written=(FILE,)
        ),
        ManifestDistribution(
            name="live",
            version="2",
            tree=None,
            editable=ManifestEditable(folder="packages/live", payload=Digest("3" * 64)),
            requested=False,
            direct_url="{}",
            written=(),
        ),
    ),
    skeleton=(WrittenDigest(path="pyvenv.cfg", digest=Digest("2" * 64), executable=False),),
    links=(("bin/python", "{executable}"),),
)


@given(MANIFESTS)
def test_a_manifest_survives_being_written_and_read(manifest: Manifest) -> None:
    assert decode_manifest(manifest.encode()) == manifest
    assert manifest.digest == digest_of(manifest.encode())


@given(MANIFESTS, MANIFESTS)
def test_unequal_manifests_have_unequal_digests(one: Manifest, other: Manifest) -> None:
    assert (one == other) == (one.digest == other.digest)


def test_the_form_is_fixed() -> None:
    assert json.loads(SAMPLE.encode()) == {
        "distributions": [
            {
                "direct_url": None,
                "editable": None,
                "excluded": [],
                "name": "demo",
                "requested": True,
                "tree": "0" * 64,
                "version": "1",
                "written": [{"digest": "1" * 64, "executable": True, "path": "bin/demo"}],
            },
            {
                "direct_url": "{}",
                "editable": {"folder": "packages/live", "payload": "3" * 64},
                "excluded": [],
                "name": "live",
                "requested": False,
                "tree": None,
                "version": "2",
                "written": [],
            },
        ],
        "format": "envbuild-manifest",
        "interpreter": {
            "abi_flags": "",
            "cache_tag": "cpython-313",
            "implementation": "cpython",
            "platform": "linux-x86_64",
            "soabi": "cpython-313-x86_64-linux-gnu",
            "version": "3.13.0",
        },
        "links": [{"path": "bin/python", "target": "{executable}"}],
        "scheme": {
            "data": "",
            "headers": "include/site/python3.13",
            "platlib": "lib/python3.13/site-packages",
            "purelib": "lib/python3.13/site-packages",
            "scripts": "bin",
        },
        "skeleton": [{"digest": "2" * 64, "executable": False, "path": "pyvenv.cfg"}],
        "version": 1,
        "writer": 2,
    }


def put(*steps: str | int, value: object) -> Callable[[Any], None]:
    """Return what sets the value that `steps` lead to."""

    def change(document: Any) -> None:
        for step in steps[:-1]:
            document = document[step]
        document[steps[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (put("format", value="envbuild-tree"), "format"),
        (put("version", value=2), "version"),
        (put("more", value=1), "document"),
        (put("writer", value=0), "writer"),
        (put("writer", value=True), "writer"),
        (put("interpreter", value=[]), "interpreter"),
        (put("interpreter", "soabi", value=None), "interpreter.soabi"),
        (put("interpreter", "more", value=""), "interpreter"),
        (put("scheme", value={}), "scheme"),
        (put("scheme", "data", value=1), "scheme.data"),
        (put("skeleton", value={}), "skeleton"),
        (put("skeleton", 0, value=1), "skeleton[0]"),
        (put("skeleton", 0, "digest", value="2" * 63), "skeleton[0].digest"),
        (put("skeleton", 0, "executable", value=0), "skeleton[0].executable"),
        (put("links", 0, "target", value=None), "links[0].target"),
        (put("links", 0, "more", value=None), "links[0]"),
        (put("distributions", 0, "tree", value=None), "distributions[0].tree"),
        (put("distributions", 0, "editable", value=1), "distributions[0].editable"),
        (put("distributions", 1, "editable", value=None), "distributions[1].tree"),
        (put("distributions", 1, "tree", value="0" * 64), "distributions[1].tree"),
        (
            put("distributions", 1, "editable", "folder", value=1),
            "distributions[1].editable.folder",
        ),
        (
            put("distributions", 1, "editable", "payload", value=""),
            "distributions[1].editable.payload",
        ),
        (put("distributions", 1, "editable", "more", value=""), "distributions[1].editable"),
        (put("distributions", 0, "requested", value=1), "distributions[0].requested"),
        (put("distributions", 0, "direct_url", value={}), "distributions[0].direct_url"),
        (
            put("distributions", 0, "written", 0, "path", value=1),
            "distributions[0].written[0].path",
        ),
        (put("distributions", 0, "excluded", value="bin/x"), "distributions[0].excluded"),
        (put("distributions", 0, "excluded", value=[1]), "distributions[0].excluded[0]"),
        (put("distributions", 0, "excluded", value=["b", "a"]), "distributions[0].excluded[1]"),
        (lambda document: document["skeleton"].append(document["skeleton"][0]), "skeleton[1]"),
        (lambda document: document["links"].append(document["links"][0]), "links[1]"),
        (
            lambda document: document["distributions"].append(document["distributions"][1]),
            "distributions[2]",
        ),
    ],
)
def test_a_broken_rule_is_named_with_its_place(change: Callable[[Any], None], place: str) -> None:
    document = json.loads(SAMPLE.encode())
    change(document)
    with pytest.raises(InvalidManifest) as caught:
        decode_manifest(canonical.encode(document))
    assert caught.value.place == place


def test_another_spelling_is_refused() -> None:
    with pytest.raises(NotCanonical):
        decode_manifest(SAMPLE.encode() + b"\n")


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidManifest):
        decode_manifest(b"[]")


def test_a_distribution_is_identified_by_all_that_it_brings() -> None:
    for each in SAMPLE.distributions:
        assert each.digest == canonical.digest(each.as_json())
