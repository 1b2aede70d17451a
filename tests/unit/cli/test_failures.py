from __future__ import annotations

import io
import json

import pytest

from envbuild.cli.failures import exit_code, report, report_bug
from envbuild.cli.terminal import Terminal
from envbuild.errors import (
    EnvbuildError,
    LockfileError,
    Problems,
    RealiseError,
    SelectionError,
    StoreError,
    TargetError,
    UsageError,
    VenvError,
)
from envbuild.lockfile.parse import UnsupportedLockVersion
from envbuild.workflows.store import NoSuchEntry


def shown(error: EnvbuildError, *, backtrace: bool = False) -> str:
    terminal = Terminal(io.StringIO(), stream := io.StringIO())
    report(terminal, error, backtrace=backtrace)
    return stream.getvalue()


def as_json(error: EnvbuildError) -> object:
    terminal = Terminal(stream := io.StringIO(), io.StringIO())
    terminal.as_json = True
    report(terminal, error, backtrace=False)
    document = json.loads(stream.getvalue())
    assert document.pop("schema") == {"version": "1"}
    return document


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (UnsupportedLockVersion("uv.lock", "2", "1"), 2),
        (LockfileError("x"), 1),
        (TargetError("x"), 1),
        (SelectionError("x"), 1),
        (RealiseError("x"), 1),
        (StoreError("x"), 1),
        (VenvError("x"), 1),
        (Problems([UsageError("x"), UsageError("y")]), 2),
        (Problems([UsageError("x"), StoreError("y")]), 1),
        (Problems([Problems([UsageError("x"), UsageError("y")]), UsageError("z")]), 2),
    ],
)
def test_the_exit_code_tells_wrong_requests_from_failures(error: EnvbuildError, code: int) -> None:
    assert exit_code(error) == code


def test_an_error_is_shown_with_its_hint() -> None:
    assert shown(StoreError("it failed")) == "error: it failed\n"
    expected = "error: it failed\n  hint: try again\n"
    assert shown(StoreError("it failed", hint="try again")) == expected


def test_several_errors_are_a_list() -> None:
    problems = Problems([StoreError("one\ntwo"), UsageError("three", hint="four\nfive")])
    assert shown(problems) == (
        "error: there are 2 problems\n  - one\n    two\n  - three\n    hint: four\n    five\n"
    )


def test_an_error_cannot_steer_the_terminal() -> None:
    assert shown(StoreError("\x1b[2J", hint="\x07")) == "error: \ufffd[2J\n  hint: \ufffd\n"


def test_programs_get_errors_as_data() -> None:
    assert as_json(NoSuchEntry("x")) == {
        "error": {
            "kind": "NoSuchEntry",
            "family": "StoreError",
            "message": "the store has no entry `x`",
            "hint": "name a digest or its beginning, a project, `project==version`, or an archive",
            "problems": [],
        }
    }


def test_programs_get_several_errors_as_data() -> None:
    document = as_json(Problems([UsageError("x"), StoreError("y", hint="z")]))
    assert document == {
        "error": {
            "kind": "Problems",
            "family": "Problems",
            "message": "x\ny",
            "hint": None,
            "problems": [
                {
                    "kind": "UsageError", "family": "UsageError", "message": "x", "hint": None,
                    "problems": [],
                },
                {
                    "kind": "StoreError", "family": "StoreError", "message": "y", "hint": "z",
                    "problems": [],
                },
            ],
        }
    }  # fmt: skip


def caught(kind: type[Exception]) -> Exception:
    with pytest.raises(kind) as caught:
        raise kind("it failed")
    return caught.value


@pytest.mark.parametrize("backtrace", [False, True])
def test_a_mistake_of_ours_is_told_apart(backtrace: bool) -> None:
    terminal = Terminal(output := io.StringIO(), stream := io.StringIO())
    terminal.as_json = True
    report_bug(terminal, caught(KeyError), backtrace=backtrace)
    text = stream.getvalue()
    assert "error: KeyError: 'it failed'\n  hint: this is a mistake in envbuild" in text
    assert ("Traceback" in text) is backtrace
    assert json.loads(output.getvalue())["error"]["family"] == "InternalError"


def test_where_an_error_arose_is_shown_on_demand() -> None:
    error = caught(StoreError)
    assert isinstance(error, StoreError)
    assert "Traceback" in shown(error, backtrace=True)
    assert "Traceback" not in shown(error)
