from __future__ import annotations

import pytest

from envbuild.realise.causes import likely_cause

CASES = {
    "src/a.c:3:10: fatal error: libpq-fe.h: No such file or directory": "the header `libpq-fe.h`",
    "a.c:1:10: fatal error: Python.h: No such file or directory": "headers of the interpreter",
    "error: command 'gcc' failed: No such file or directory": "no C or C++ compiler",
    "error: linker `cc` not found": "no C or C++ compiler",
    "../meson.build:1:0: ERROR: Unknown compiler(s): [['cc'], ['gcc']]": "no C or C++ compiler",
    "error: can't find Rust compiler": "no Rust compiler",
    "socket.gaierror: [Errno -3] Temporary failure in name resolution": "the network",
    "OSError: [Errno 101] Network is unreachable": "the network",
    "ModuleNotFoundError: No module named 'Cython.Build'": "it imports `Cython`",
}


@pytest.mark.parametrize(("line", "reason"), CASES.items())
def test_a_cause_is_recognised(line: str, reason: str) -> None:
    cause = likely_cause(["first", line, "last"], package="a")
    assert cause is not None
    assert reason in cause.reason


def test_the_project_of_a_module_may_have_another_name() -> None:
    cause = likely_cause(["ModuleNotFoundError: No module named 'pkg_resources'"], package="a-b")
    assert cause is not None
    assert cause.remedy == 'add `a-b = ["setuptools"]` to `[tool.uv.extra-build-dependencies]`'


def test_nothing_is_made_up() -> None:
    assert likely_cause(["ValueError: something else"], package="a") is None
