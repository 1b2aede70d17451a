"""What rebuilds a package and what does not, one thing at a time, by building it.

`tests/unit/derivation` has the whole list of what a build is known by. Here is what a user can change.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import envbuild
from envbuild.derivation import build as build_module
from envbuild.frozen import replace
from envbuild.store import layout
from envbuild.store.local import Store
from support.interpreters import pythons
from support.own_backend import lock_archives, sdist
from support.sandboxes import machine
from support.wheels import build_wheel
from workflows.bench import Bench, bench_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from envbuild.sandbox.model import Rung

SETTINGS = '[project]\nname = "the-project"\nversion = "0"\n'


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def bench(tmp_path: Path, cache: str) -> Bench:
    """A project that needs something that is built with a tool, and has been built."""
    made = bench_in(tmp_path)
    bench = Bench(folder=made.folder, options=replace(made.options, cache=cache))
    tool(bench, "1.0", "A = 1")
    lock_archives(bench.folder, source(bench))
    bench.realise()
    assert builds(bench) == 1
    return bench


def tool(bench: Bench, version: str, code: str) -> None:
    build_wheel(bench.folder.parent / "files", "tool", version, files={"tool.py": code})


def source(bench: Bench, **keywords: object) -> Path:
    folder = bench.folder.parent / "files"
    return sdist(folder, "made", **{"requires": ["tool"], **keywords})  # type: ignore[arg-type]


def builds(bench: Bench) -> int:
    with Store.open(bench.options.store) as store:
        return sum(1 for _ in store.walk(layout.LOGS))


def settings(bench: Bench, text: str) -> None:
    (bench.folder / "pyproject.toml").write_text(SETTINGS + text)


def another_interpreter() -> str:
    version = sys.version_info[:3]
    found = (each for each in pythons() if each.version != version)
    python = next((each for each in found if each.implementation == "cpython"), None)
    if python is None:
        pytest.skip("no other interpreter on this machine")
    return python.path


def another_level(bench: Bench) -> Rung:
    for rung in ("landlock", "none"):
        if rung in machine().rungs:
            return rung
    pytest.skip("no other level of sandboxes on this machine")


def lock_with(bench: Bench, **keywords: object) -> None:
    lock_archives(bench.folder, source(bench, **keywords))


def unpin(bench: Bench) -> None:
    (bench.folder / "envbuild.lock").unlink()


def tool_of_another_version(bench: Bench) -> None:
    tool(bench, "1.1", "A = 1")
    unpin(bench)


def tool_of_another_content(bench: Bench) -> None:
    tool(bench, "1.0", "A = 2")
    unpin(bench)


def programs(bench: Bench) -> dict[str, object]:
    program = bench.folder.parent / "tools/bin/helper"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return {"build_tools": (str(program.parent.parent),)}


MATTERS: dict[str, Callable[[Bench], dict[str, object] | None]] = {
    "a byte of the sources": lambda bench: lock_with(bench, code="X = 2"),
    "a requirement": lambda bench: lock_with(bench, requires=["tool>=1"]),
    "what the backend asks for": lambda bench: lock_with(bench, hook_requires=["tool>=1"]),
    "the version of what it is built with": tool_of_another_version,
    "the content of what it is built with": tool_of_another_content,
    "an extra requirement": lambda bench: settings(
        bench, '[tool.uv.extra-build-dependencies]\nmade = ["tool>0"]\n'
    ),
    "a setting of the backend": lambda _: {"config_settings": ("a=1",)},
    "a setting of this package's backend": lambda _: {"package_config_settings": ("made:a=1",)},
    "a variable": lambda bench: settings(
        bench, '[tool.uv.extra-build-variables]\nmade = { MODE = "fast" }\n'
    ),
    "the interpreter": lambda _: {"python": another_interpreter()},
    "the sandbox": lambda bench: {"sandbox": another_level(bench)},
    "the network": lambda _: {"build_network": ("made",)},
    "a program": programs,
}


@pytest.mark.parametrize("change", MATTERS.values(), ids=MATTERS)
def test_it_is_built_again_for(
    bench: Bench, change: Callable[[Bench], dict[str, object] | None]
) -> None:
    options = change(bench) or {}
    bench.realise(**options)
    assert builds(bench) == 2
    bench.realise(clear=True, **options)
    assert builds(bench) == 2


def test_it_is_built_again_where_building_means_something_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "BUILDER", build_module.BUILDER + 1)
    bench.realise(clear=True)
    assert builds(bench) == 2


def elsewhere(bench: Bench) -> Bench:
    """Return the same project in another folder, with its archives in another one."""
    folder = bench.folder.parent / "quite" / "elsewhere"
    shutil.copytree(bench.folder, folder / "project", ignore=shutil.ignore_patterns(".venv"))
    shutil.copytree(bench.folder.parent / "files", folder / "files")
    return Bench(folder=folder / "project", options=bench.options)


def touched(bench: Bench) -> Bench:
    for path in (bench.folder.parent / "files").iterdir():
        os.utime(path, (time.time() - 1e6,) * 2)
    return bench


def as_somebody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    home = bench.folder.parent / "home"
    home.mkdir()
    for name, value in {
        "HOME": str(home), "USER": "somebody", "LOGNAME": "somebody", "TZ": "Asia/Tokyo",
        "LANG": "de_DE.UTF-8", "CFLAGS": "-O0", "SOURCE_DATE_EPOCH": "1", "PYTHONHASHSEED": "7",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return bench


def test_it_is_not_built_again_for_another_place(bench: Bench) -> None:
    other = elsewhere(bench)
    assert other.actions(other.realise()) == [("made", "added")]
    assert builds(bench) == 1


def test_it_is_not_built_again_for_what_was_touched(bench: Bench) -> None:
    touched(bench).realise(clear=True)
    assert builds(bench) == 1


def test_it_is_not_built_again_for_somebody_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_somebody(bench, monkeypatch).realise(clear=True)
    assert builds(bench) == 1


@pytest.mark.parametrize("jobs", [1, 7])
def test_it_is_not_built_again_for_more_or_fewer_processors(bench: Bench, jobs: int) -> None:
    bench.realise(clear=True, concurrent_builds=jobs, jobs=jobs)
    assert builds(bench) == 1


def test_it_is_not_built_again_for_another_version_of_ours(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envbuild, "__version__", "99.0")
    bench.realise(clear=True)
    assert builds(bench) == 1


def test_in_another_store_it_has_the_same_key(bench: Bench, tmp_path: Path) -> None:
    def keys(store: str) -> list[str]:
        with Store.open(store) as opened:
            return sorted(path.rpartition("/")[0] for path in opened.walk(layout.LOGS))

    other = str(tmp_path / "another" / "store")
    bench.realise(clear=True, store=other, cache=str(tmp_path / "another cache"))
    assert keys(other) == keys(bench.options.store)
