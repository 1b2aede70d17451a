from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envbuild.derivation.payload import payload_digest, symbolic_tree
from envbuild.digest import Digest, digest_of
from envbuild.store.tree import Tree
from support.stores import file_entry, link_entry, tree_of

if TYPE_CHECKING:
    from collections.abc import Mapping

INFO = "demo-1.0.dist-info"
WHEEL = b"Wheel-Version: 1.0\nGenerator: setuptools (80.9.0)\nRoot-Is-Purelib: true\n"
FILES = {
    "demo/__init__.py": b"X = 1\n",
    f"{INFO}/METADATA": b"Name: demo\nVersion: 1.0\n",
    f"{INFO}/RECORD": b"demo/__init__.py,,\n",
    f"{INFO}/WHEEL": WHEEL,
}


def payload(files: Mapping[str, bytes]) -> Digest:
    blobs = {digest_of(content): content for content in files.values()}
    return payload_digest(tree_of(files), blobs.__getitem__)


SAME = {
    "other RECORD": {f"{INFO}/RECORD": b"demo/__init__.py,sha256=x,6\n"},
    "signed RECORD": {f"{INFO}/RECORD.jws": b"{}"},
    "other generator": {f"{INFO}/WHEEL": WHEEL.replace(b"80.9.0", b"81.0")},
    "no generator": {f"{INFO}/WHEEL": WHEEL.replace(b"Generator: setuptools (80.9.0)\n", b"")},
    "generator in capitals": {f"{INFO}/WHEEL": WHEEL.replace(b"Generator", b"GENERATOR")},
}
OTHER = {
    "other code": {"demo/__init__.py": b"X = 2\n"},
    "one file more": {"demo/py.typed": b""},
    "other metadata": {f"{INFO}/METADATA": b"Name: demo\nVersion: 1.1\n"},
    "other tag": {f"{INFO}/WHEEL": WHEEL + b"Tag: py3-none-any\n"},
    "a RECORD elsewhere": {"demo/RECORD": b""},
    "a RECORD deeper": {f"demo/{INFO}/RECORD": b""},
}


@pytest.mark.parametrize("changes", SAME.values(), ids=SAME)
def test_how_a_wheel_came_about_is_no_payload(changes: Mapping[str, bytes]) -> None:
    assert payload({**FILES, **changes}) == payload(FILES)


@pytest.mark.parametrize("changes", OTHER.values(), ids=OTHER)
def test_everything_else_is(changes: Mapping[str, bytes]) -> None:
    assert payload({**FILES, **changes}) != payload(FILES)


def test_a_payload_is_not_the_tree() -> None:
    assert payload(FILES) != tree_of(FILES).digest


FOLDERS = ["/srv/app", "/src", "/home/me/{place}", "/tmp/a (copy) [1].d/app+", "/srv/é", "/a/a/a"]


def editable(folder: str, **more: bytes) -> dict[str, bytes]:
    """Return the files of an editable wheel that leads to `folder`, as backends make them."""
    place = folder.encode()
    return {
        **FILES,
        "demo.pth": b"%s/src\n%s\nimport demo_finder\n" % (place, place),
        "demo_finder.py": b'M = {"demo": \'%s/src/demo\', "url": "file://%s"}\n' % (place, place),
        f"{INFO}/RECORD": b"demo.pth,sha256=%d,9\n" % len(place),
        **more,
    }


def symbolic(files: Mapping[str, bytes], folder: str) -> Tree:
    blobs = {digest_of(content): content for content in files.values()}
    return symbolic_tree(tree_of(files), folder, blobs.__getitem__)


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_editable_names_no_place(folder: str) -> None:
    files = editable(folder)
    assert symbolic(files, folder) == tree_of(
        editable("{place}") | {f"{INFO}/RECORD": files[f"{INFO}/RECORD"]}
    )


def test_an_editable_has_one_payload_in_every_place() -> None:
    found = set()
    for folder in FOLDERS:
        files = editable(folder)
        blobs = {digest_of(content): content for content in files.values()}
        found.add(payload_digest(symbolic(files, folder), blobs.__getitem__))
    assert len(found) == 1
    other = editable("/srv/app", **{"demo.pth": b"/srv/app/lib\n"})
    blobs = {digest_of(content): content for content in other.values()}
    assert payload_digest(symbolic(other, "/srv/app"), blobs.__getitem__) not in found


@pytest.mark.parametrize(
    "content",
    [
        b"/srv/appendix",
        b"/srv/app-2/src",
        b"/srv/app.old",
        b"/home/srv/app",
        b"../srv/app",
        "/srv/appé".encode(),
        b"/srv/other",
    ],
)
def test_another_path_is_no_mention_of_the_folder(content: bytes) -> None:
    files = {"demo.pth": content}
    assert symbolic(files, "/srv/app") == tree_of(files)


def test_what_metadata_says_stays_as_it_is() -> None:
    files = {f"{INFO}/METADATA": b"Name: demo\n\ndocker run -v .:/app\n"}
    assert symbolic(files, "/app") == tree_of(files)


def test_what_stays_is_not_changed_and_kinds_are_kept() -> None:
    run, data = b"#!python\nimport sys; sys.path.insert(0, '/app')\n", b"\x00/apple"
    tree = Tree.of(
        [
            file_entry("demo-1.0.data/scripts/run", run, executable=True),
            file_entry("demo/data.bin", data),
            file_entry("demo/empty", b""),
            link_entry("demo/link", "data.bin"),
        ]
    )
    blobs = {digest_of(content): content for content in (run, data, b"")}
    found = symbolic_tree(tree, "/app", blobs.__getitem__)
    replaced = run.replace(b"/app", b"{place}")
    first = file_entry("demo-1.0.data/scripts/run", replaced, executable=True)
    assert found.entries == (first, *tree.entries[1:])
