"""Modules compiled by every interpreter of this machine, and what is seen to be imported in them."""

from __future__ import annotations

import ast
import importlib.util
import marshal
import os
import subprocess
import sys
from pathlib import Path

import pytest

from envbuild.realise.compiler import Compiler
from support.interpreters import Python, pythons, running

SOURCES = {
    "plain": "import a, b.c as d\n",
    "chosen": "from a.b import c, d as e\nfrom f import *\n",
    "relative": "from . import a\nfrom .b import c\nfrom ..d.e import f\n",
    "late": "def f():\n    import a\n    class C:\n        from b import c\n    return lambda: 1\n",
    # More constants and names than one byte counts.
    "many": "".join(f"x{number} = {number + 0.5}\n" for number in range(70_000))
    + "import last\nfrom . import x1, other\n",
    "none": "x = 1\n",
    "conditional": "try:\n    import a\nexcept ImportError:\n    from b import a\n",
}


def seen(source: str) -> set[tuple[int, str, tuple[str, ...]]]:
    """Return what a module imports, by its syntax."""
    found: set[tuple[int, str, tuple[str, ...]]] = set()
    for each in ast.walk(ast.parse(source)):
        match each:
            case ast.Import(names=names):
                found |= {(0, name.name, ()) for name in names}
            case ast.ImportFrom(module=module, names=names, level=level):
                found.add((level, module or "", tuple(name.name for name in names)))
    return found


@pytest.fixture(params=pythons(), ids=str)
def python(request: pytest.FixtureRequest) -> Python:
    found: Python = request.param
    if found.implementation != "cpython":
        pytest.skip("what is imported is read off CPython's instructions")
    return found


def test_what_is_imported_is_seen(python: Python) -> None:
    with Compiler(python.path) as compiler:
        for source in SOURCES.values():
            compiled, imports = compiler.compile("/nowhere/module.py", source.encode())
            assert compiled
            assert set(imports) == seen(source)


def test_it_is_seen_in_the_standard_library() -> None:
    folder = Path(os.path.dirname(os.__file__))
    paths = sorted(folder.glob("*.py")) + sorted(folder.glob("asyncio/*.py"))
    with Compiler(running().path) as compiler:
        for path in paths:
            source = path.read_bytes()
            _, imports = compiler.compile(str(path), source)
            by_syntax = seen(source.decode())
            # Branches that can never be taken are not compiled.
            assert set(imports) <= by_syntax, path
            assert len(by_syntax - set(imports)) <= 2, path


def test_each_interpreter_reads_what_it_has_compiled(python: Python, tmp_path: Path) -> None:
    source = b"print(__file__ and 'read')\n"
    with Compiler(python.path) as compiler:
        compiled, _ = compiler.compile("/nowhere/module.py", source)
    (tmp_path / "module.pyc").write_bytes(compiled)
    run = subprocess.run(
        (python.path, str(tmp_path / "module.pyc")), capture_output=True, text=True, check=True
    )
    assert run.stdout == "read\n"


def test_nothing_comes_of_what_is_no_module_and_the_next_is_compiled() -> None:
    with Compiler(running().path) as compiler:
        for wrong in (b"x =\n", b"\0", b"# coding: no-such\n", b"\xff"):
            assert compiler.compile("/nowhere/module.py", wrong) == (b"", [])
        compiled, _ = compiler.compile("/nowhere/module.py", b"x = 1\n")
    assert marshal.loads(compiled[16:]).co_filename == "/nowhere/module.py"
    assert compiled.startswith(importlib.util.MAGIC_NUMBER)


@pytest.mark.parametrize("program", ["/bin/false", "/nowhere/python"])
def test_an_interpreter_that_does_not_answer_compiles_nothing(program: str) -> None:
    with Compiler(program) as compiler:
        for _ in range(2):
            assert compiler.compile("module.py", b"x = 1\n" * 100_000) == (b"", [])


def test_nothing_is_executed(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with Compiler(sys.executable) as compiler:
        compiled, _ = compiler.compile("m.py", f"open({str(trace)!r}, 'w')\n".encode())
    assert compiled
    assert not trace.exists()


def test_one_that_is_killed_is_followed_by_another() -> None:
    with Compiler(running().path) as compiler:
        assert compiler.compile("m.py", b"x = 1\n")[0]
        assert compiler._process is not None
        compiler._process.kill()
        assert compiler.compile("m.py", b"x = 1\n") == (b"", [])
        assert compiler.compile("m.py", b"x = 1\n")[0]


def test_what_takes_too_long_is_ended_and_nothing_is_compiled_after_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("envbuild.realise.compiler._SECONDS", 0.3)
    hangs = tmp_path / "python"
    hangs.write_text("#!/bin/sh\nexec sleep 300\n")
    hangs.chmod(0o755)
    with Compiler(str(hangs)) as compiler:
        assert compiler.compile("m.py", b"x = 1\n") == (b"", [])
        assert compiler.is_late
        assert compiler.compile("m.py", b"x = 1\n") == (b"", [])


def test_what_is_longer_than_any_module_is_not_compiled() -> None:
    with Compiler(running().path) as compiler:
        assert compiler.compile("m.py", b"#" * (4 * 2**20 + 1)) == (b"", [])
        assert compiler._process is None
