"""Transactions: whatever rename a kill comes before or after, the next command completes them."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from envbuild.environment.journal import BrokenJournal, begin, complete, open_transaction
from envbuild.environment.moves import Moves

MOVES = Moves(
    outward=("site/idna", "site/six.py", "site/gone.py", "site/google/old.py"),
    folders=("site", "site/google", "site/google/deep"),
    inward=("site/idna", "site/six.py", "site/google/deep/new.py"),
    emptied=("site/google/empty",),
)

AFTER = {
    "site/idna/core.py": "new idna",
    "site/six.py": "new six",
    "site/google/deep/new.py": "new google",
    "site/google/kept.py": "kept",
}


def write(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def files_in(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def make(root: Path) -> Path:
    write(
        root,
        {
            "site/idna/core.py": "old idna",
            "site/idna/__pycache__/core.pyc": "old bytecode",
            "site/six.py": "old six",
            "site/google/old.py": "old google",
            "site/google/kept.py": "kept",
        },
    )
    (root / "site/google/empty").mkdir()
    return root


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return make(tmp_path / "venv")


def staged(prefix: Path) -> str:
    name = open_transaction(str(prefix))
    write(
        prefix / ".envbuild" / name / "new",
        {path: text for path, text in AFTER.items() if "kept" not in path},
    )
    return name


def test_a_transaction_replaces_removes_and_adds(prefix: Path) -> None:
    begin(str(prefix), staged(prefix), MOVES)
    assert complete(str(prefix))
    assert files_in(prefix) == AFTER
    assert not (prefix / "site/google/empty").exists()
    assert os.listdir(prefix / ".envbuild") == []


def test_completing_what_is_complete_does_nothing(prefix: Path) -> None:
    before = files_in(prefix)
    assert not complete(str(prefix))
    assert files_in(prefix) == before


def test_a_transaction_that_never_began_leaves_nothing(prefix: Path) -> None:
    before = files_in(prefix)
    staged(prefix)
    assert not complete(str(prefix))
    assert files_in(prefix) == before


class Killed(BaseException):
    """What takes the place of a kill in these tests; the real ones are in the end-to-end tests."""


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int, *, done: bool) -> None:
    """Stop just before or after the system call of that number that changes names."""
    calls = iter(range(1000))

    def stopping(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **keywords: object) -> object:
            if next(calls) != step:
                return real(*args, **keywords)
            if done:
                with contextlib.suppress(OSError):
                    real(*args, **keywords)
            raise Killed

        return call

    for name in ("rename", "mkdir", "rmdir", "unlink"):
        monkeypatch.setattr(os, name, stopping(getattr(os, name)))


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_stopped_at_any_step_it_is_completed_later(tmp_path: Path, done: bool) -> None:
    for step in range(100):
        prefix = make(tmp_path / str(step))
        begin(str(prefix), staged(prefix), MOVES)
        with pytest.MonkeyPatch.context() as monkeypatch:
            stop_at(monkeypatch, step, done=done)
            try:
                complete(str(prefix))
            except Killed:
                stopped = True
            else:
                stopped = False
        complete(str(prefix))
        assert files_in(prefix) == AFTER, step
        if not stopped:
            assert step > 10
            return
    raise AssertionError("it never came to an end")


@pytest.mark.parametrize("refused", range(14))
def test_a_rename_that_is_refused_undoes_all_others(tmp_path: Path, refused: int) -> None:
    prefix = make(tmp_path / "venv")
    before = files_in(prefix)
    begin(str(prefix), staged(prefix), MOVES)
    renames = iter(range(100))
    real = os.rename

    def refusing(source: str, target: str) -> None:
        if next(renames) == refused:
            raise PermissionError(errno.EACCES, "refused", source)
        real(source, target)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(os, "rename", refusing)
        try:
            complete(str(prefix))
        except PermissionError:
            assert files_in(prefix) == before
        else:
            assert next(renames) <= refused
            assert files_in(prefix) == AFTER
    assert os.listdir(prefix / ".envbuild") == []


def test_a_journal_that_cannot_be_read_is_an_error_and_is_kept(prefix: Path) -> None:
    begin(str(prefix), staged(prefix), MOVES)
    path = prefix / ".envbuild/journal.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(BrokenJournal):
        complete(str(prefix))
    assert path.exists()
