from __future__ import annotations

import pytest

from envbuild.buildlock.kind import is_kind, kind_of
from support.targets import make_target

KINDS = [
    (make_target("3.12.4"), "cpython-3.12-linux-x86_64-glibc"),
    (make_target("3.12.4", machine="aarch64"), "cpython-3.12-linux-aarch64-glibc"),
    (make_target("3.12.4", musl=(1, 2)), "cpython-3.12-linux-x86_64-musl"),
    (make_target("3.13.0", free_threaded=True), "cpython-3.13t-linux-x86_64-glibc"),
    (make_target("3.11.0", "macos", "arm64"), "cpython-3.11-macos-arm64"),
    (make_target("3.11.0", "windows", "AMD64"), "cpython-3.11-win-amd64"),
    (make_target("3.11.0", "windows", "x86"), "cpython-3.11-win32"),
]


@pytest.mark.parametrize(("target", "kind"), KINDS, ids=[kind for _, kind in KINDS])
def test_a_kind_names_what_decides_pins(target: object, kind: str) -> None:
    assert kind_of(target) == kind  # type: ignore[arg-type]
    assert is_kind(kind)


def test_what_decides_no_pin_is_no_part_of_a_kind() -> None:
    assert (
        kind_of(make_target("3.12.4", glibc=(2, 17)))
        == kind_of(make_target("3.12.9", glibc=(2, 40)))
        == "cpython-3.12-linux-x86_64-glibc"
    )
    assert kind_of(make_target("3.12.4", "macos", "arm64", macos=(14, 1))) == kind_of(
        make_target("3.12.4", "macos", "arm64", macos=(11, 0))
    )


@pytest.mark.parametrize(
    "text", ["", "cpython", "cpython-3.12", "cpython--linux", "a b-c-d", "A-b-c"]
)
def test_what_is_no_kind_is_none(text: str) -> None:
    assert not is_kind(text)
