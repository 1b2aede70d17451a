from __future__ import annotations

import pytest

from envbuild.derivation.build import Backend
from envbuild.realise.build_system import (
    LEGACY,
    LEGACY_REQUIRES,
    BuildSystem,
    InvalidBuildSystem,
    read_build_system,
)

FOUND: dict[str, tuple[bytes | None, BuildSystem]] = {
    "no file": (None, BuildSystem(backend=LEGACY, requires=LEGACY_REQUIRES)),
    "no table": (b"[project]\n", BuildSystem(backend=LEGACY, requires=LEGACY_REQUIRES)),
    "no backend": (
        b"[build-system]\nrequires = ['setuptools', 'wheel']\n",
        BuildSystem(backend=LEGACY, requires=("setuptools", "wheel")),
    ),
    "backend": (
        b"[build-system]\nrequires = []\nbuild-backend = 'a:b'\nbackend-path = ['x', '.']\n",
        BuildSystem(backend=Backend(name="a:b", path=("x", ".")), requires=()),
    ),
}


@pytest.mark.parametrize(("text", "expected"), FOUND.values(), ids=FOUND)
def test_a_tree_says_how_it_is_built(text: bytes | None, expected: BuildSystem) -> None:
    assert read_build_system(text, name="a") == expected


WRONG = {
    b"\xff": "UTF-8",
    b"[": "line 1",
    b"build-system = 1": "is not a table",
    b"[build-system]\nbuild-backend = 'a'": "`build-system.requires`",
    b"[build-system]\nrequires = 'a'": "`build-system.requires`",
    b"[build-system]\nrequires = [1]": "`build-system.requires`",
    b"[build-system]\nrequires = ['a', '!b']": "`build-system.requires` has `!b`, which is no",
    b"[build-system]\nrequires = ['" + b"x" * 5000 + b"']": f"has `{'x' * 100}`, which is no",
    b"[build-system]\nrequires = []\nbuild-backend = 1": "`build-system.build-backend`",
    b"[build-system]\nrequires = []\nbuild-backend = ''": "`build-system.build-backend`",
    b"[build-system]\nrequires = []\nbuild-backend = 'a'\nbackend-path = '.'": "`build-system.backend-path`",
}


@pytest.mark.parametrize(("text", "reason"), WRONG.items())
def test_what_cannot_be_used_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidBuildSystem) as caught:
        read_build_system(text, name="a")
    assert reason in caught.value.reason
