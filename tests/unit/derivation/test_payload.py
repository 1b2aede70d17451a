from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envbuild.derivation.payload import payload_digest
from envbuild.digest import Digest, digest_of
from support.stores import tree_of

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
