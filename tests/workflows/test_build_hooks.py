"""How backends are asked: each hook in a process of its own, and modules that were compiled before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envbuild.frozen import replace
from envbuild.realise.build import BuildFailed
from envbuild.store.local import Store
from envbuild.workflows.build_log import find_log
from support.own_backend import lock_archives, sdist
from support.wheels import build_wheel
from workflows.bench import Bench, bench_in

if TYPE_CHECKING:
    from collections.abc import Mapping

BACKEND = """
import importlib
import sys
{imported}
hidden = importlib.import_module("hid" + "den")
LEFT = []

def get_requires_for_build_wheel(config_settings=None):
    LEFT.append("what a hook has left")
    {asked}
    return {requires!r}

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    sys.path.insert(0, ".")
    import own
    own.LEFT = LEFT
    own.COMPILED = __import__("os").path.exists(__cached__)
    own.HIDDEN = hidden.COMPILED
    return own.build_wheel(wheel_directory, config_settings)
"""
HIDDEN = "COMPILED = __import__('os').path.exists(__cached__)"
"""A module that nobody can see to be imported."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is remembered of this machine, found out once."""
    return str(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def bench(tmp_path: Path, cache: str) -> Bench:
    made = bench_in(tmp_path)
    return Bench(folder=made.folder, options=replace(made.options, cache=cache))


def backend(
    bench: Bench, *, imported: str = "", asked: str = "", requires: tuple[str, ...] = ()
) -> None:
    """Make a wheel of a backend that builds what the sources say, and knows what it is asked in."""
    code = BACKEND.format(imported=imported, asked=asked, requires=list(requires))
    files = {"maker.py": code, "hidden.py": HIDDEN}
    build_wheel(bench.folder.parent / "index", "maker", "1", files=files)


def told(bench: Bench, what: str, *, name: str = "made", settings: str = "") -> str:
    """Build a source distribution and return what an expression in its backend came to."""
    body = f"CODE = f'TOLD = {{{what}!r}}'"
    archive = sdist(
        bench.folder.parent / "index", name, requires=["maker"], backend="maker", body=body
    )
    lock_archives(bench.folder, archive)
    (bench.folder / "pyproject.toml").write_text(
        f'[project]\nname = "the-project"\nversion = "0"\n{settings}'
    )
    bench.realise()
    return bench.python(f"import {name}; print({name}.TOLD)")


def failure(bench: Bench, body: str, *, asked: str = "") -> BuildFailed:
    archive = sdist(bench.folder.parent / "index", "made", body=body, hook_body=asked)
    lock_archives(bench.folder, archive)
    with pytest.raises(BuildFailed) as caught:
        bench.realise()
    return caught.value


def test_what_a_hook_leaves_behind_is_gone_for_the_next(bench: Bench) -> None:
    backend(bench)
    assert told(bench, "LEFT") == "[]"


def test_hooks_of_a_backend_with_threads_start_anew(bench: Bench) -> None:
    thread = "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
    backend(bench, imported=f"import threading, time; {thread}")
    assert told(bench, "LEFT") == "[]"


def test_a_backend_that_asks_for_nothing_new_builds_all_the_same(bench: Bench) -> None:
    backend(bench, requires=("maker>=1", "another ; python_version < '3'"))
    assert told(bench, "LEFT") == "[]"
    lock = (bench.folder / "envbuild.lock").read_text()
    assert "another ; python_version < '3'" in lock
    assert told(bench, "LEFT", name="second") == "[]"


@pytest.mark.parametrize(
    ("end", "told_of_it"),
    {
        "os._exit(3)": "ended with exit status 3",
        "os.kill(os.getpid(), 6)": "was ended by signal 6",
        "os.kill(os.getpid(), 9)": "was ended by signal 9",
        "raise SystemExit(4)": "ended with exit status 4",
    }.items(),
)
def test_how_a_hook_ended_is_told_of_that_hook(bench: Bench, end: str, told_of_it: str) -> None:
    assert failure(bench, end).reason == f"`build_wheel` {told_of_it}"
    hook = "get_requires_for_build_wheel"
    assert failure(bench, "", asked=end).reason == f"`{hook}` {told_of_it}"


def test_what_was_resolved_for_a_build_that_fails_is_pinned(bench: Bench) -> None:
    failure(bench, "raise OSError")
    assert 'name = "made"' in (bench.folder / "envbuild.lock").read_text()


def test_the_log_has_all_hooks_in_their_order(bench: Bench) -> None:
    backend(bench, asked="print('asked')")
    told(bench, "LEFT")
    with Store.open(bench.options.store) as store:
        lines = Path(find_log(store, "made").path).read_text().splitlines()
    assert [line for line in lines if "warning" not in line] == [
        "# get_requires_for_build_wheel", "asked", "# build_wheel", "building made",
    ]  # fmt: skip


def test_a_backend_is_compiled_before_its_first_build(bench: Bench) -> None:
    backend(bench)
    assert told(bench, "COMPILED", name="first") == "True"


def test_what_was_seen_to_be_imported_is_compiled_for_the_next_build(bench: Bench) -> None:
    backend(bench)
    assert told(bench, "HIDDEN", name="first") == "False"
    assert told(bench, "HIDDEN", name="second") == "True"


@pytest.mark.parametrize("settings", ["PYTHONOPTIMIZE = '1'", "PYTHONWARNINGS = 'error'"])
def test_an_interpreter_that_is_told_something_compiles_for_itself(
    bench: Bench, settings: str
) -> None:
    backend(bench)
    told(bench, "COMPILED", name="first")
    declared = f"[tool.uv.extra-build-variables]\nsecond = {{ {settings} }}\n"
    assert told(bench, "COMPILED", name="second", settings=declared) == "False"


def kept(bench: Bench) -> Mapping[str, bytes]:
    """Return the files that bytecode is kept in."""
    folder = Path(bench.options.store) / "cache" / "bytecode"
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_bytecode_that_was_damaged_is_made_anew(bench: Bench) -> None:
    backend(bench)
    told(bench, "HIDDEN", name="first")
    told(bench, "HIDDEN", name="second")
    for path, content in kept(bench).items():
        Path(path).write_bytes(content[:-20] + bytes(20))
    assert told(bench, "COMPILED, HIDDEN", name="third") == "(True, False)"
    assert told(bench, "HIDDEN", name="fourth") == "True"
