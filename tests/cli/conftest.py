"""Desks to run the program on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli.desk import Desk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a desk with a lock of two packages whose wheels are here."""
    (tmp_path / "home").mkdir()
    desk = Desk(tmp_path)
    desk.lock()
    return desk
