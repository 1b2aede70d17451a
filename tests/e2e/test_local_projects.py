"""Projects, members of workspaces and commits: what is built of them is what uv builds of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from e2e.comparison import contents, differences, record_faults
from e2e.workbench import Workbench
from support.git_repositories import commit, git, make_repository
from support.projects import write_project
from support.source_trees import write_files

if TYPE_CHECKING:
    from pathlib import Path

HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'

# Three backends; an extra, a data file, console scripts, a version that is computed.
WORKSPACE = {
    "pyproject.toml": f"""\
[project]
name = "market"
version = "1.2"
requires-python = ">=3.11"
readme = "README.md"
dependencies = ["market-stall", "market-ledger[reports]"]

[project.scripts]
market = "market:main"

[tool.uv.workspace]
members = ["parts/*"]

[tool.uv.sources]
market-stall = {{ workspace = true }}
market-ledger = {{ workspace = true }}

{HATCHLING}""",
    "README.md": "A market.\n",
    "src/market/__init__.py": """\
import market_ledger
import market_stall

def main():
    print("market", market_stall.goods(), market_ledger.__version__)
""",
    "parts/stall/pyproject.toml": """\
[project]
name = "market-stall"
version = "0.5"
requires-python = ">=3.11"

[project.scripts]
stall = "market_stall:main"

[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[tool.setuptools.package-data]
market_stall = ["*.txt"]
""",
    "parts/stall/src/market_stall/__init__.py": """\
import pathlib

def goods():
    return pathlib.Path(__file__).with_name("goods.txt").read_text().strip()

def main():
    print(goods())
""",
    "parts/stall/src/market_stall/goods.txt": "plums\n",
    "parts/ledger/pyproject.toml": """\
[project]
name = "market-ledger"
requires-python = ">=3.11"
dynamic = ["version", "description"]

[project.optional-dependencies]
reports = ["iniconfig"]

[build-system]
requires = ["flit_core >=3.11,<5"]
build-backend = "flit_core.buildapi"
""",
    "parts/ledger/market_ledger/__init__.py": '"""A ledger."""\n__version__ = "3.1"\n',
}
VARIANTS = ((), ("--no-editable",), ("--no-editable-package", "market-stall"))


def write(folder: Path, files: dict[str, str]) -> None:
    write_files(folder, {path: text.encode() for path, text in files.items()})


def install(bench: Workbench, *arguments: str) -> None:
    """Make the environment of one project twice, `ours` and `theirs`."""
    bench.realize("ours", *arguments)
    bench.uv("sync", "--frozen", *arguments, UV_PROJECT_ENVIRONMENT="theirs")


def assert_same(bench: Workbench) -> None:
    ours, theirs = (str(bench.folder / name) for name in ("ours", "theirs"))
    assert differences(contents(ours), contents(theirs)) == []
    assert record_faults(ours) == []
    bench.uv("pip", "check", "--python", "ours/bin/python")


@pytest.fixture(scope="module")
def market(
    tmp_path_factory: pytest.TempPathFactory, shared_folder: Path, uv_cache: Path
) -> Workbench:
    """Return a workspace that uv has just locked."""
    bench = Workbench(
        folder=tmp_path_factory.mktemp("market"), uv_cache=uv_cache, store=shared_folder / "store"
    )
    write(bench.folder, WORKSPACE)
    bench.uv("lock")
    return bench


@pytest.mark.network
@pytest.mark.xdist_group("market")
@pytest.mark.parametrize("arguments", VARIANTS, ids=lambda arguments: " ".join(arguments) or "all")
def test_a_workspace_is_what_uv_makes_of_it(market: Workbench, arguments: tuple[str, ...]) -> None:
    install(market, *arguments)
    assert_same(market)
    assert market.run("ours/bin/market").out == "market plums 3.1\n"
    assert market.run("ours/bin/stall").out == "plums\n"
    market.run("ours/bin/python", "-I", "-c", "import market, market_stall, iniconfig")
    assert market.realize("ours", "--locked", "--offline", *arguments).json["changes"] == []
    market.uv("sync", "--frozen", "--check", *arguments, UV_PROJECT_ENVIRONMENT="ours")


@pytest.mark.network
@pytest.mark.xdist_group("market")
def test_a_build_lock_is_enough_for_another_store(market: Workbench, tmp_path: Path) -> None:
    here = market.realize("ours", "--no-editable").json
    other = replace(market, store=tmp_path / "store")
    there = other.realize(str(tmp_path / "env"), "--no-editable", "--locked").json
    assert there["digest"] == here["digest"]


@pytest.mark.network
def test_a_commit_is_what_uv_makes_of_it(workbench: Workbench, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    inside = "libraries/coins"
    project = f'[project]\nname = "coins"\ndynamic = ["version"]\n\n{HATCHLING}'
    source = "src/coins/__init__.py"
    write(
        repository / inside,
        {
            "pyproject.toml": f'{project}\n[tool.hatch.version]\npath = "{source}"\n',
            source: '__version__ = "2.5"\n',
        },
    )
    write(repository, {".gitattributes": "*.txt text eol=crlf\n"})
    write(repository / inside, {"src/coins/minted.txt": "1\n2\n"})
    commit(repository, {})
    write(
        workbench.folder,
        {
            "pyproject.toml": f"""\
[project]
name = "purse"
version = "1"
requires-python = ">=3.11"
dependencies = ["coins"]

[tool.uv]
package = false

[tool.uv.sources]
coins = {{ git = "{repository.as_uri()}", branch = "main", subdirectory = "{inside}" }}
"""
        },
    )
    workbench.uv("lock")
    write(repository / inside, {source: '__version__ = "3.0"\n'})
    commit(repository, {})
    install(workbench)
    assert_same(workbench)
    version = ("ours/bin/python", "-I", "-c", "import coins; print(coins.__version__)")
    assert workbench.run(*version).out == "2.5\n"
    workbench.uv("sync", "--frozen", "--check", UV_PROJECT_ENVIRONMENT="ours")


@pytest.mark.parametrize("arguments", [(), ("--no-editable",)])
def test_work_trees_of_one_project_have_one_environment(
    workbench: Workbench, arguments: tuple[str, ...]
) -> None:
    folder = make_repository(workbench.folder)
    sources = "[tool.uv.sources]\nmember = { workspace = true }\n"
    workspace = '[tool.uv.workspace]\nmembers = ["member"]\n'
    write_project(folder, "demo", is_static=True, more=workspace + sources)
    write_project(folder / "member", "member", is_static=True)
    write(folder, {".gitignore": ".venv/\n"})
    workbench.uv("lock", "--offline")
    first = workbench.realize(".venv", "--all-packages", *arguments).json
    commit(folder, {})
    git(folder, "worktree", "add", "--quiet", str(folder.parent / "another"))
    bench = replace(workbench, folder=folder.parent / "another")
    done = bench.realize(".venv", "--all-packages", "--locked", *arguments)
    assert done.json["digest"] == first["digest"]
    assert ("Building" in done.err) == (arguments == ()), "wheels are shared, editables never are"
    where = "import demo, member; print(demo.__file__); print(member.__file__)"
    assert bench.run(".venv/bin/python", "-c", where).out.count(f"{bench.folder}/") == 2
