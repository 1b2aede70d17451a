"""Builds that fail as they do in practice: with the real backends and compilers, and what is said of it."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

import pytest

from envbuild.frozen import replace
from envbuild.realise.build import BuildFailed
from envbuild.selection.model import Request
from support.rust import rust_toolchain
from support.source_trees import sdist_tar
from workflows.bench import Bench, bench_in, uv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = [pytest.mark.network, pytest.mark.slow]

PROJECT = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
EXTENSION = 'Extension("made", ["made.c"])'
LINKED = 'Extension("made", ["made.c"], libraries=["nosuch"])'
C = """
#include <Python.h>
static struct PyModuleDef made = {PyModuleDef_HEAD_INIT, "made", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_made(void) { return PyModule_Create(&made); }
"""


def setup(before: str = "", extension: str = EXTENSION) -> str:
    return (
        f"{before}\nfrom setuptools import Extension, setup\n"
        f'setup(name="made", version="1.0", ext_modules=[{extension}])\n'
    )


# The files of a source distribution, what probably keeps it from being built, and what would help.
FAILURES: Mapping[str, tuple[dict[str, str], str, str]] = {
    "header": (
        {"setup.py": setup(), "made.c": f"#include <nosuch/header.h>\n{C}"},
        "the header `nosuch/header.h` is missing",
        "the development package of the library that brings `nosuch/header.h`",
    ),
    "header of an undeclared project": (
        {"setup.py": setup(), "made.c": f"#include <numpy/arrayobject.h>\n{C}"},
        "it does not declare to need `numpy`",
        'add `made = ["numpy"]` to `[tool.uv.extra-build-dependencies]`',
    ),
    "library": (
        {"setup.py": setup(extension=LINKED), "made.c": C},
        "the library `nosuch` is missing",
        "install the development package of `nosuch`",
    ),
    "undeclared numpy": (
        {"setup.py": setup("import numpy"), "made.c": C},
        "it imports `numpy`, which it does not declare to need",
        'add `made = ["numpy"]` to `[tool.uv.extra-build-dependencies]`',
    ),
    "undeclared torch": (
        {
            "pyproject.toml": PROJECT,
            "setup.py": setup("from torch.utils import cpp_extension"),
            "made.c": C,
        },
        "it imports `torch`, which it does not declare to need",
        'add `made = [{ requirement = "torch", match-runtime = true }]` to',
    ),
    "undeclared setuptools": (
        {"pyproject.toml": PROJECT.replace('["setuptools"]', "[]"), "setup.py": setup()},
        "it imports `setuptools`, which it does not declare to need",
        'add `made = ["setuptools"]` to `[tool.uv.extra-build-dependencies]`',
    ),
    "network": (
        {
            "setup.py": setup(
                'import urllib.request; urllib.request.urlopen("https://index.example/")'
            ),
            "made.c": C,
        },
        "it reaches for the network",
        "`--build-network-package made`",
    ),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is remembered of this machine, found out once."""
    return str(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def bench(tmp_path: Path, cache: str) -> Bench:
    made = bench_in(tmp_path)
    return Bench(folder=made.folder, options=replace(made.options, cache=cache))


def lock(bench: Bench, files: Mapping[str, str]) -> None:
    """Lock a project that needs a source distribution of these files."""
    archive = bench.folder.parent / "made-1.0.tar.gz"
    described = {"PKG-INFO": "Metadata-Version: 2.2\nName: made\nVersion: 1.0\n", **files}
    content = {path: text.encode() for path, text in described.items()}
    archive.write_bytes(sdist_tar(content, top="made-1.0"))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    (bench.folder / "uv.lock").write_text(f"""
version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "made"
version = "1.0"
source = {{ path = "../{archive.name}" }}
sdist = {{ hash = "sha256:{digest}" }}

[[package]]
name = "the-project"
version = "0"
source = {{ virtual = "." }}
dependencies = [{{ name = "made" }}]
""")
    settings(bench, "")


def settings(bench: Bench, text: str, *requires: str) -> None:
    (bench.folder / "pyproject.toml").write_text(
        '[project]\nname = "the-project"\nversion = "0"\nrequires-python = ">=3.11"\n'
        f"dependencies = {list(requires)}\n{text}"
    )


def failure(bench: Bench, **options: object) -> BuildFailed:
    with pytest.raises(BuildFailed) as caught:
        bench.realise(**options)
    return caught.value


@pytest.mark.parametrize(("files", "cause", "hint"), FAILURES.values(), ids=FAILURES)
def test_the_likely_cause_is_told_and_what_helps(
    bench: Bench, files: dict[str, str], cause: str, hint: str
) -> None:
    lock(bench, files)
    error = failure(bench)
    assert cause in (error.cause or "")
    assert hint in (error.hint or "")


COMPILED: Mapping[str, dict[str, str]] = {
    "setuptools": {"pyproject.toml": PROJECT, "setup.py": setup(), "made.c": C},
    "meson-python": {
        "pyproject.toml": (
            '[build-system]\nrequires = ["meson-python", "ninja"]\nbuild-backend = "mesonpy"\n'
            '[project]\nname = "made"\nversion = "1.0"\n'
        ),
        "meson.build": "project('made', 'c', version: '1.0')\n",
    },
    "scikit-build-core": {
        "pyproject.toml": (
            '[build-system]\nrequires = ["scikit-build-core", "cmake", "ninja"]\n'
            'build-backend = "scikit_build_core.build"\n'
            '[project]\nname = "made"\nversion = "1.0"\n'
        ),
        "CMakeLists.txt": "cmake_minimum_required(VERSION 3.18)\nproject(made LANGUAGES C)\n",
    },
}


@pytest.mark.parametrize("files", COMPILED.values(), ids=COMPILED)
def test_a_compiler_that_is_missing_is_named(bench: Bench, files: dict[str, str]) -> None:
    lock(bench, files)
    settings(bench, '[tool.uv.extra-build-variables]\nmade = { PATH = "/nowhere" }\n')
    error = failure(bench)
    assert error.cause == "there is no C or C++ compiler"
    assert "`gcc`" in (error.hint or "")


ADVISED: Mapping[str, str] = {
    "undeclared": "from Cython.Build import cythonize",
    "gone from what it is built with": "import pkg_resources",
}


@pytest.mark.parametrize("imports", ADVISED.values(), ids=ADVISED)
def test_the_setting_that_is_advised_helps(bench: Bench, imports: str) -> None:
    lock(bench, {"pyproject.toml": PROJECT, "setup.py": setup(imports), "made.c": C})
    advice = (failure(bench).hint or "").split("`")
    settings(bench, f"{advice[3]}\n{advice[1]}\n")
    bench.realise()
    assert bench.python("import made; print('imported')") == "imported"


def test_rust_is_missed_and_then_the_network_for_its_crates(bench: Bench) -> None:
    name, version = "rpds-py", "0.27.1"
    nowhere = f'[tool.uv.extra-build-variables]\n{name} = {{ PATH = "/nowhere" }}\n'
    settings(bench, nowhere, f"{name}=={version}")
    uv("lock", "--directory", str(bench.folder), "--python", sys.executable)
    options = replace(bench.options, request=Request(no_binary_packages=(name,)))
    bench = Bench(folder=bench.folder, options=options)
    missing = failure(bench)
    assert missing.cause == "there is no Rust compiler"
    assert "--build-tools" in (missing.hint or "")
    refused = failure(bench, build_tools=(rust_toolchain(),))
    assert refused.cause == "it reaches for the network, which builds do not have"
    assert refused.hint == f"let this one have it, by `--build-network-package {name}`"
