"""The layers that `pyproject.toml` declares: complete, and pure where decisions are made.

`lint-imports` holds who may import whom inside the project; here it is what they may import from
outside of it, and what each quick start-up may load.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src"
IMPURE = {
    "asyncio", "build", "concurrent", "ctypes", "datetime", "fcntl", "getpass", "glob", "http",
    "httpx", "keyring", "locale", "logging", "mmap", "multiprocessing", "os", "pathlib",
    "platform", "random", "rich", "secrets", "select", "selectors", "shutil", "signal", "socket",
    "socketserver", "sqlite3", "ssl", "subprocess", "sysconfig", "tempfile", "threading", "time",
    "truststore", "venv",
}  # fmt: skip
"""What acts on the machine, the clock or the network, or asks them."""

IMPURE_NAMES = {"urllib.request", "importlib.metadata", "sys.environ"}
BUILTINS = {"open", "input", "print", "breakpoint"}
PROGRAMS = {"envbuild.sandbox.supervisor", "envbuild.target.probe_script"}
"""Modules that run as processes of their own."""


def layers() -> list[set[str]]:
    """Return the names that the contract lists, from the foundation up."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (contract,) = (contract for contract in contracts if contract["type"] == "layers")
    return [{name.strip() for name in layer.split(":")} for layer in reversed(contract["layers"])]


def modules() -> dict[str, Path]:
    """Return every module of the program that holds code, by name."""
    found = {}
    for path in sorted(SOURCES.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCES).with_suffix("").parts)
        if not name.endswith(".__init__"):
            found[name] = path
    return found


def level(module: str) -> int | None:
    """Return the number of the layer that a module belongs to."""
    fitting = [
        (len(name), number)
        for number, names in enumerate(layers())
        for name in names
        if module == name or module.startswith(f"{name}.")
    ]
    return max(fitting)[1] if fitting else None


PURE = [module for module in modules() if level(module) in {0, 1, 2}]


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield what a module imports wherever in it, imports for type checkers aside."""
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                nodes.extend(node.orelse)
                continue
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str() as module):
                yield module
                yield from (f"{module}.{alias.name}" for alias in node.names)
            case ast.Attribute(value=ast.Name(id="sys"), attr=attribute):
                yield f"sys.{attribute}"
            case _:
                pass
        nodes.extend(ast.iter_child_nodes(node))


def test_every_module_is_in_one_layer() -> None:
    names = [name for layer in layers() for name in layer]
    assert len(names) == len(set(names))
    assert [module for module in modules() if level(module) is None] == []


def test_every_layer_names_what_exists() -> None:
    known = modules().keys()
    packages = {name.rpartition(".")[0] for name in known}
    missing = {name for layer in layers() for name in layer} - known - packages
    assert missing == set()


@pytest.mark.parametrize("module", PURE)
def test_decisions_and_values_touch_nothing(module: str) -> None:
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    found = set(imported(tree))
    assert {name for name in found if name.partition(".")[0] in IMPURE} == set()
    assert found & IMPURE_NAMES == set()
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert called & BUILTINS == set()


@pytest.mark.parametrize(
    "module", [module for module in modules() if level(module) != 6 and module not in PROGRAMS]
)
def test_only_the_command_line_prints(module: str) -> None:
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "print" not in called
    assert "sys.exit" not in set(imported(tree))


@pytest.mark.parametrize("name", ["utils", "util", "helpers", "common", "core", "misc"])
def test_no_module_is_named_for_nothing(name: str) -> None:
    assert [module for module in modules() if name in module.split(".")] == []


def test_the_package_loads_nothing_by_itself() -> None:
    script = (
        "import sys; before = set(sys.modules); import envbuild; print(set(sys.modules) - before)"
    )
    done = subprocess.run(
        (sys.executable, "-I", "-c", script), check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "{'envbuild'}"
