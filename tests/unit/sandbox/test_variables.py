"""The environment of a build: the same for everyone, but for what was declared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.sandbox.variables import BASE, RESERVED, VariablesReserved, build_environment


def built(declared: dict[str, str], path: tuple[str, ...] = ("/env/bin",)) -> dict[str, str]:
    return build_environment(declared, home="/build/home", tmp="/build/tmp", path=path)


def test_a_build_without_declarations_gets_the_base() -> None:
    assert built({}) == {
        "GIT_TERMINAL_PROMPT": "0",
        "HOME": "/build/home",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "LOGNAME": "builder",
        "PATH": "/env/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "SOURCE_DATE_EPOCH": "315619200",
        "TEMP": "/build/tmp",
        "TMP": "/build/tmp",
        "TMPDIR": "/build/tmp",
        "TZ": "UTC",
        "USER": "builder",
    }


def test_nothing_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    before = built({})
    for name in ("HTTPS_PROXY", "AWS_SECRET_ACCESS_KEY", "PIP_INDEX_URL", "CFLAGS", "CC"):
        monkeypatch.setenv(name, "x")
    assert built({}) == before


@pytest.mark.parametrize("name", [*BASE, "CFLAGS", "HTTPS_PROXY", "LD_LIBRARY_PATH"])
def test_what_is_declared_wins(name: str) -> None:
    assert built({name: "declared"})[name] == "declared"


def test_programs_of_the_build_environment_come_before_a_declared_path() -> None:
    assert built({"PATH": "/opt/tools/bin"})["PATH"] == "/env/bin:/opt/tools/bin"
    assert built({"PATH": ""})["PATH"] == "/env/bin:/usr/local/bin:/usr/bin:/bin"
    assert built({}, path=())["PATH"] == "/usr/local/bin:/usr/bin:/bin"


def test_what_would_undo_the_isolation_cannot_be_declared() -> None:
    with pytest.raises(VariablesReserved) as caught:
        built({"PYTHONPATH": "/x", "HOME": "/y", "CFLAGS": "-O3"})
    assert caught.value.names == ("HOME", "PYTHONPATH")
    assert "`PYTHONPATH`: the build environment is all that can be imported" in str(caught.value)


NAMES = st.text(st.characters(exclude_characters="=\0", codec="utf-8"), min_size=1)


@given(st.dictionaries(NAMES, st.text(st.characters(exclude_characters="\0", codec="utf-8"))))
def test_every_declaration_is_there_or_refused_and_the_order_is_that_of_names(
    declared: dict[str, str],
) -> None:
    for name in RESERVED:
        declared.pop(name, None)
    variables = built(declared)
    assert list(variables) == sorted(variables)
    for name, value in declared.items():
        assert variables[name] == value or name == "PATH"
