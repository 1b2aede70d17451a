"""What the tests of the store share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def tests_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let other processes import what tests share."""
    folder = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((folder, os.environ.get("PYTHONPATH", ""))))
