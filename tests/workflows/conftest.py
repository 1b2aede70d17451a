"""What every test of whole environments starts from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from envbuild.workflows.options import RealiseOptions
from workflows.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    folder = tmp_path / "project"
    folder.mkdir()
    return Bench(
        folder=folder,
        options=RealiseOptions(
            store=str(tmp_path / "store"), cache=str(tmp_path / "cache"), python=sys.executable
        ),
    )
