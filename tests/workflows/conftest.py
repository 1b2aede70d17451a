"""What every test of whole environments starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workflows.bench import Bench, bench_in

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return bench_in(tmp_path)
