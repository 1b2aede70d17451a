"""The switch that writes vectors writes them, and no run with it can pass."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _vectors_are_right(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--accept-vectors"):
        pytest.skip("vectors are being written")


def run(layout: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if "PYTEST" not in key}
    return subprocess.run(
        (
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
            "tests/store_layout/test_vectors.py", "--store-layout", str(layout), *options,
        ),
        cwd=REPOSITORY, env=environment, check=False, capture_output=True, text=True,
    )  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_vector_that_differs_fails_and_is_written_when_accepted(tmp_path: Path) -> None:
    layout = tmp_path / "store_layout"
    shutil.copytree(REPOSITORY / "store_layout", layout)
    before = contents(layout)
    (layout / "v1/vectors/tree/one-file.json").write_text("{}")
    (layout / "v1/vectors/root/named.digest").unlink()

    refused = run(layout)
    assert refused.returncode == 1
    assert "see `--accept-vectors`" in refused.stdout

    accepted = run(layout, "--accept-vectors")
    assert accepted.returncode == 1
    assert "2 skipped" in accepted.stdout
    assert contents(layout) == before


def test_a_run_that_accepts_fails_even_where_nothing_differs() -> None:
    accepted = run(REPOSITORY / "store_layout", "--accept-vectors")
    assert accepted.returncode == 1
    assert " skipped" not in accepted.stdout
    assert "vectors were accepted" in accepted.stdout
