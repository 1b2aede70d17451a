"""Modules of an environment, found by the names that `import` statements have."""

from __future__ import annotations

import pytest

from envbuild.digest import Digest
from envbuild.environment.placement import Placement
from envbuild.realise.modules import Modules

SITE = "lib/python3/site-packages"
TREE = Digest("1" * 64)


def placement(*paths: str, tree: Digest = TREE) -> Placement:
    folders: dict[str, list[tuple[str, str, int]]] = {}
    for path in paths:
        folder, _, name = f"{SITE}/{path}".rpartition("/")
        folders.setdefault(folder, []).append((name, f"b3/{path}", 0 if "empty" in path else 1))
    return Placement(
        tree=tree, info="", folders=(), record=(), launchers=(), units=(),
        links=tuple((folder, tuple(files)) for folder, files in sorted(folders.items())),
    )  # fmt: skip


MODULES = Modules(
    [
        placement(
            "alone.py",
            "pack/__init__.py",
            "pack/inner.py",
            "pack/deep/__init__.py",
            "pack/deep/down.py",
            "pack/_vendor/alone.py",
            "pack/_vendor/other/__init__.py",
            "pack/_vendor/other/part.py",
            "setuptools/_distutils/__init__.py",
            "setuptools/_distutils/core.py",
            "empty.py",
            "data.txt",
            "space/inside.py",
        )
    ],
    (SITE, SITE),
)


def paths(name: str) -> list[str]:
    return [module.path.removeprefix(f"{SITE}/") for module in MODULES.found(name)]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("alone", ["alone.py"]),
        ("pack.deep.down", ["pack/__init__.py", "pack/deep/__init__.py", "pack/deep/down.py"]),
        ("pack.absent", ["pack/__init__.py"]),
        ("space.inside", ["space/inside.py"]),
        # What is vendored has its own name where nothing else has it.
        ("other.part", ["pack/_vendor/other/__init__.py", "pack/_vendor/other/part.py"]),
        ("pack._vendor.alone", ["pack/__init__.py", "pack/_vendor/alone.py"]),
        (
            "distutils.core",
            ["setuptools/_distutils/__init__.py", "setuptools/_distutils/core.py"],
        ),
        ("empty", []),
        ("data", []),
        ("", []),
        (".", []),
    ],
)
def test_modules_are_found_with_the_packages_they_are_in(name: str, found: list[str]) -> None:
    assert paths(name) == found


@pytest.mark.parametrize(
    ("module", "imported", "names"),
    [
        ("pack.inner", (0, "os.path", ()), ["os.path"]),
        ("pack.inner", (0, "a", ("b", "c")), ["a", "a.b", "a.c"]),
        ("pack.inner", (1, "deep", ("down",)), ["pack.deep", "pack.deep.down"]),
        ("pack", (1, "inner", ()), ["pack.inner"]),
        ("pack.deep", (2, "", ("inner",)), ["pack", "pack.inner"]),
        ("pack.deep.down", (2, "inner", ("x",)), ["pack.inner", "pack.inner.x"]),
        ("alone", (3, "x", ()), ["x"]),
    ],
)
def test_what_a_module_imports_has_a_name_from_the_top(
    module: str, imported: tuple[int, str, tuple[str, ...]], names: list[str]
) -> None:
    *_, found = MODULES.found(module)
    assert list(found.resolve([imported])) == names
