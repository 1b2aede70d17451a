"""Workbenches for whole runs of envbuild beside uv."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e.shop import Shop, open_shop
from e2e.workbench import Workbench
from support.index_server import IndexServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that every worker of this test run shares."""
    base = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent
    return base / "shared"


@pytest.fixture(scope="session")
def uv_cache(shared_folder: Path) -> Path:
    """Return uv's cache: the one that is set up for this machine, else one for this run."""
    return Path(os.environ.get("UV_CACHE_DIR") or shared_folder / "uv-cache")


@pytest.fixture
def workbench(tmp_path: Path, uv_cache: Path) -> Workbench:
    """Return a workbench with a store of its own."""
    folder = tmp_path / "project"
    folder.mkdir()
    return Workbench(folder=folder, uv_cache=uv_cache, store=tmp_path / "store")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, uv_cache: Path) -> Iterator[Shop]:
    """Return a project in two states of its lock, with an index of this machine that serves it."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "index").mkdir()
    bench = Workbench(folder=folder, uv_cache=uv_cache, store=folder / "unused")
    with IndexServer(folder / "index") as server:
        yield open_shop(folder, server, bench)
