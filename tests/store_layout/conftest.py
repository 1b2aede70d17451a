"""Options of the tests of the store's format, and the one place that writes vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Golden = Callable[[Mapping[str, bytes]], None]

REPOSITORY = Path(__file__).parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("store layout")
    group.addoption(
        "--accept-vectors",
        action="store_true",
        help="write what the code gives into store_layout; the run fails, whatever happens",
    )
    group.addoption(
        "--store-layout",
        type=Path,
        default=REPOSITORY / "store_layout",
        help="folder of the specification (default: the repository's)",
    )


@pytest.fixture(scope="session")
def layout_root(pytestconfig: pytest.Config) -> Path:
    """Return the folder of the specification."""
    folder: Path = pytestconfig.getoption("--store-layout")
    return folder.resolve()


@pytest.fixture(scope="session")
def v1(layout_root: Path) -> Path:
    return layout_root / "v1"


@pytest.fixture
def golden(v1: Path, pytestconfig: pytest.Config) -> Golden:
    """Return a function that holds files, by paths below `v1`, against what they should hold.

    With `--accept-vectors` those that differ are written, and the test is skipped.
    """

    def check(expected: Mapping[str, bytes]) -> None:
        differing = {
            name: data
            for name, data in expected.items()
            if not (v1 / name).exists() or (v1 / name).read_bytes() != data
        }
        if not differing:
            return
        if pytestconfig.getoption("--accept-vectors"):
            for name, data in differing.items():
                (v1 / name).parent.mkdir(parents=True, exist_ok=True)
                (v1 / name).write_bytes(data)
            pytest.skip(f"wrote {', '.join(differing)}")
        for name, data in differing.items():
            assert (v1 / name).exists(), f"{name} is missing; see `--accept-vectors`"
            assert (v1 / name).read_bytes() == data, f"{name} differs; see `--accept-vectors`"

    return check


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--accept-vectors"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.getoption("--accept-vectors"):
        line = "vectors were accepted: read the difference, then run without --accept-vectors"
        terminalreporter.write_line(line, red=True)
