"""What is installed from local folders is up to date in uv's eyes too, as long as it is."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from envbuild.selection.model import Request
from support.projects import lock_text, package, write_project
from workflows.bench import Bench, bench_in, offline_environment

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {
    "those of uv": "",
    "none": "[]",
    "files and folders": '["data/*.txt", { file = "src/**/*.py" }, { dir = "src" }, { dir = "no" }]',
}


def prepare(root: Path, keys: str) -> Bench:
    bench = bench_in(root)
    more = f"[tool.uv]\ncache-keys = {keys}\n" if keys else ""
    write_project(bench.folder, "demo", is_static=True, more=more)
    (bench.folder / "data").mkdir()
    (bench.folder / "data/a.txt").write_text("a")
    (bench.folder / "uv.lock").write_text(lock_text(package("demo", 'editable = "."')))
    return bench


def is_up_to_date(bench: Bench, *words: str) -> bool:
    """Tell whether uv would install nothing."""
    from uv import find_uv_bin

    run = subprocess.run(
        (find_uv_bin(), "sync", "--frozen", "--check", "--offline", *words),
        cwd=bench.folder,
        env={**offline_environment(), "UV_PYTHON": str(bench.venv / "bin/python")},
        capture_output=True,
        check=False,
    )
    return run.returncode == 0


@pytest.mark.parametrize("words", [(), ("--no-editable",)])
@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_uv_leaves_alone_what_has_not_changed(
    tmp_path: Path, keys: str, words: tuple[str, ...]
) -> None:
    bench = prepare(tmp_path, keys)
    bench.realise(request=Request(no_editable=bool(words)))
    assert is_up_to_date(bench, *words)


def test_uv_installs_anew_what_was_touched_and_the_next_run_settles_it(tmp_path: Path) -> None:
    bench = prepare(tmp_path, KEYS["files and folders"])
    bench.realise()
    os.utime(bench.folder / "data/a.txt")
    assert not is_up_to_date(bench)
    (bench.site / "demo-1.0.dist-info/RECORD").unlink()
    bench.realise()
    assert is_up_to_date(bench)


@pytest.mark.parametrize("key", ['{ env = "TOKEN" }', "{ git = true }"])
def test_what_variables_and_repositories_say_is_not_written_down(
    tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = prepare(tmp_path, f"[{key}]")
    monkeypatch.setenv("TOKEN", "secret")
    bench.realise()
    note = (bench.site / "demo-1.0.dist-info/uv_cache.json").read_text()
    assert note == '{"commit":null,"directories":{},"env":{},"tags":null,"timestamp":null}'
