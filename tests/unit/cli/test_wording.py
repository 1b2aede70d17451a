from __future__ import annotations

import pytest

from envbuild.cli.wording import count, duration, size


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"), (1, "1 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"),
        (1024**2 - 1, "1.0 MiB"), (1024**2, "1.0 MiB"), (36_000_000, "34.3 MiB"),
        (1024**3, "1.0 GiB"), (5 * 1024**4, "5120.0 GiB"),
    ],
)  # fmt: skip
def test_sizes(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"), (0.0004, "0ms"), (0.0123, "12ms"), (0.0994, "99ms"), (0.0996, "0.10s"),
        (0.314, "0.31s"), (9.994, "9.99s"), (9.996, "10.0s"), (59.94, "59.9s"), (59.96, "1m 00s"),
        (125, "2m 05s"), (3600, "60m 00s"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "noun", "plural", "text"),
    [
        (0, "file", "", "0 files"),
        (1, "file", "", "1 file"),
        (1234, "file", "", "1,234 files"),
        (1, "entry", "entries", "1 entry"),
        (2, "entry", "entries", "2 entries"),
    ],
)
def test_counts(number: int, noun: str, plural: str, text: str) -> None:
    assert count(number, noun, plural) == text
