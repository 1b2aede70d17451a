"""What the error of a failed build shows of what was printed."""

from __future__ import annotations

import pytest

from envbuild.realise.build import BuildFailed

HEADER = "a.c:3:10: fatal error: zlib.h: No such file or directory"
ADVICE = [f"advice {number}" for number in range(50)]


def failed(lines: list[str], remedy: str | None = None) -> BuildFailed:
    return BuildFailed("a", "1", "`build_wheel` ended", lines=lines, log="/log", remedy=remedy)


@pytest.mark.parametrize("count", [0, 3, 20, 50])
def test_the_last_lines_are_shown(count: int) -> None:
    assert list(failed(ADVICE[:count]).lines) == ADVICE[:count][-20:]


def test_what_says_why_is_shown_where_advice_comes_after_it() -> None:
    error = failed([*ADVICE, HEADER, *ADVICE])
    assert error.lines == (*ADVICE[-5:], HEADER, *ADVICE[:4], "[...]", *ADVICE[-10:])
    assert f"    {HEADER}\n" in str(error)
    assert "zlib.h" in (error.cause or "")
    assert failed([HEADER, *ADVICE]).lines[:2] == (HEADER, "advice 0")


@pytest.mark.parametrize("after", [0, 10, 19])
def test_what_says_why_is_not_shown_twice(after: int) -> None:
    lines = [*ADVICE, HEADER, *ADVICE[:after]]
    assert list(failed(lines).lines) == lines[-20:]


def test_what_is_certain_needs_no_guess() -> None:
    error = failed([HEADER, *ADVICE], remedy="more memory")
    assert (error.cause, error.hint) == (None, "more memory")
    assert list(error.lines) == ADVICE[-20:]
