"""Names in a store: what is built is parsed back, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.digest import Digest, digest_of
from envbuild.store import layout

DIGESTS = st.binary(max_size=4).map(digest_of)
RECORDS = st.sampled_from((layout.TREES, layout.DERIVATIONS, layout.MANIFESTS))
SOME = Digest("0123456789abcdef" * 4)


@given(DIGESTS, st.booleans())
def test_the_name_of_a_blob_says_its_digest_and_executability(
    digest: Digest, executable: bool
) -> None:
    assert layout.parse_blob(layout.blob(digest, executable=executable)) == (digest, executable)


@given(RECORDS, DIGESTS)
def test_the_name_of_a_record_says_its_digest(kind: str, digest: Digest) -> None:
    assert layout.parse_record(layout.record(kind, digest)) == digest


@given(DIGESTS, DIGESTS)
def test_the_name_of_a_realisation_says_key_and_output(key: Digest, output: Digest) -> None:
    path = layout.realisation(key, output)
    assert layout.parse_realisation(path) == (key, output)
    assert path.startswith(layout.realisations(key) + "/")


@given(st.text(alphabet="ab/.0", max_size=70))
def test_whatever_parses_is_built_the_same_way(text: str) -> None:
    for path in (text, f"blobs/{text}", f"trees/{text}"):
        blob, record = layout.parse_blob(path), layout.parse_record(path)
        assert blob is None or layout.blob(blob[0], executable=blob[1]) == path
        assert record is None or layout.record(path.partition("/")[0], record) == path


REST = SOME[2:]


@pytest.mark.parametrize(
    "path",
    [
        f"blobs/01{REST}",
        f"blobs/{SOME[:3]}/{SOME[3:]}",
        f"blobs/01/{REST}.exe",
        f"blobs/01/{REST}.x.x",
        f"blobs/01/{REST.upper()}",
        f"blobs/01/{REST[:-1]}",
        f"trees/01/{REST}",
        f"/blobs/01/{REST}",
        f"blobs/01/{REST}/",
        f"store/blobs/01/{REST}",
        "",
    ],
)
def test_other_names_are_no_blobs(path: str) -> None:
    assert layout.parse_blob(path) is None


@pytest.mark.parametrize(
    "path",
    [
        f"trees/01/{REST}",
        f"trees/01/{REST}.json.json",
        f"blobs/01/{REST}.json",
        f"realisations/01/{REST}.json",
        f"trees/{SOME}.json",
    ],
)
def test_other_names_are_no_records(path: str) -> None:
    assert layout.parse_record(path) is None


@pytest.mark.parametrize(
    "path",
    [
        f"realisations/01/{REST}.json",
        f"realisations/01/{REST}/{SOME}",
        f"realisations/01/{REST}/short.json",
        f"trees/01/{REST}/{SOME}.json",
    ],
)
def test_other_names_are_no_realisations(path: str) -> None:
    assert layout.parse_realisation(path) is None


def test_folders_stand_after_their_parents() -> None:
    for number, folder in enumerate(layout.FOLDERS):
        parent = folder.rpartition("/")[0]
        assert not parent or parent in layout.FOLDERS[:number]


@pytest.mark.parametrize("name", ["a", "release-3", "3.11", "a_b.c-d", "A" * 100])
def test_a_root_may_be_called(name: str) -> None:
    assert layout.is_root_name(name)
    assert layout.named_root(name) == f"roots/named/{name}.json"


@pytest.mark.parametrize("name", ["", ".", "-a", "a-", "a/b", "a b", "é", "a\n", "A" * 101])
def test_a_root_may_not_be_called(name: str) -> None:
    assert not layout.is_root_name(name)


def test_the_root_of_an_environment_is_named_by_its_path() -> None:
    assert layout.environment_root_of("/srv/é") == layout.environment_root(
        digest_of("/srv/é".encode())
    )
