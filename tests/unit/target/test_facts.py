from __future__ import annotations

import json
import subprocess

import pytest

import envbuild.target.probe as probe_module
from envbuild.target.facts import FORMAT, Facts, parse_facts
from envbuild.target.model import Scheme
from support.interpreters import Python, pythons, running, too_old
from unit.target.recorded import linux_313, musl_312, windows_312

SCRIPT = probe_module._SCRIPT


def answer_of(python: Python) -> str:
    run = subprocess.run(
        [python.path, "-I", "-S", "-B", SCRIPT], capture_output=True, text=True, check=True
    )
    return run.stdout


def facts_of(python: Python) -> Facts:
    facts = parse_facts(answer_of(python))
    assert facts is not None
    return facts


def told_by(python: Python, expression: str) -> str:
    program = f"import os, platform, site, sys, sysconfig; print({expression})"
    run = subprocess.run(
        [python.path, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


@pytest.mark.parametrize("python", pythons(), ids=str)
def test_every_interpreter_here_answers(python: Python) -> None:
    facts = facts_of(python)
    assert facts.implementation == python.implementation
    assert facts.version.startswith(".".join(map(str, python.version)))
    assert facts.minor_version == python.version[:2]
    assert facts.ext_suffix == told_by(python, "sysconfig.get_config_var('EXT_SUFFIX')")
    assert facts.cache_tag == told_by(python, "sys.implementation.cache_tag")
    assert facts.platform == told_by(python, "sysconfig.get_platform()")
    assert facts.prefix == facts.base_prefix == told_by(python, "sys.base_prefix")
    assert facts.pointer_bits == (64 if told_by(python, "sys.maxsize > 2**32") == "True" else 32)


@pytest.mark.parametrize("python", pythons(), ids=str)
def test_the_markers_are_those_that_packaging_reads(python: Python) -> None:
    facts = facts_of(python)
    expected = {
        "implementation_name": told_by(python, "sys.implementation.name"),
        "os_name": told_by(python, "os.name"),
        "platform_machine": told_by(python, "platform.machine()"),
        "platform_python_implementation": told_by(python, "platform.python_implementation()"),
        "platform_release": told_by(python, "platform.release()"),
        "platform_system": told_by(python, "platform.system()"),
        "platform_version": told_by(python, "platform.version()"),
        "python_full_version": told_by(python, "platform.python_version()").rstrip("+"),
        "python_version": ".".join(map(str, python.version[:2])),
        "sys_platform": told_by(python, "sys.platform"),
    }
    assert {**facts.markers, **expected} == facts.markers
    assert set(facts.markers) == {*expected, "implementation_version"}


@pytest.mark.parametrize("python", pythons(), ids=str)
def test_the_scheme_is_where_a_real_environment_keeps_its_packages(
    python: Python, tmp_path_factory: pytest.TempPathFactory
) -> None:
    venv = tmp_path_factory.mktemp("venv")
    made = subprocess.run(
        [python.path, "-I", "-m", "venv", "--without-pip", str(venv)], check=False
    )
    if made.returncode != 0:
        pytest.skip(f"{python} has no usable venv module")
    inside = Python(str(venv / "bin" / "python"), python.implementation, python.version)
    packages = json.loads(told_by(inside, "__import__('json').dumps(site.getsitepackages())"))
    scheme = facts_of(python).scheme
    assert str(venv / scheme.purelib) in packages
    assert str(venv / scheme.platlib) in packages
    assert (venv / scheme.scripts / "python").exists()
    assert scheme.data == ""
    assert scheme.headers == f"include/site/python{python.version[0]}.{python.version[1]}"


@pytest.mark.parametrize("python", too_old(), ids=str)
def test_an_interpreter_that_is_too_old_says_so_and_does_not_crash(python: Python) -> None:
    if python.version < (3, 6):
        pytest.skip("older than the syntax of the script")
    assert facts_of(python).version.startswith(".".join(map(str, python.version)))


def test_what_is_printed_before_the_answer_is_passed_over() -> None:
    answer = answer_of(running())
    assert parse_facts("Welcome!\n\n" + answer + "\n") == parse_facts(answer) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Welcome!",
        "{}",
        "[]",
        "3",
        "null",
        f'{{"format": {FORMAT}}}',
        f'{{"format": {FORMAT + 1}}}',
    ],
)
def test_anything_else_is_no_answer(text: str) -> None:
    assert parse_facts(text) is None


def test_a_field_of_another_type_is_no_answer() -> None:
    answer = json.loads(answer_of(running()))
    for name, value in (("scheme", {"purelib": "x"}), ("manylinux_refused", 3), ("markers", None)):
        facts = parse_facts(json.dumps({**answer, name: value}))
        assert facts is None or name == "markers"


def test_the_c_library_is_named_with_its_version() -> None:
    assert linux_313.libc == "glibc 2.36"
    assert musl_312.libc == "musl 1.2"
    assert windows_312.libc == ""


def test_a_target_takes_over_what_was_told() -> None:
    target = linux_313.target(("cp313-cp313-linux_x86_64",))
    assert target.version == "3.13.0"
    assert target.tags == ("cp313-cp313-linux_x86_64",)
    assert target.scheme == Scheme(
        purelib="lib/python3.13/site-packages",
        platlib="lib/python3.13/site-packages",
        scripts="bin",
        data="",
        headers="include/site/python3.13",
    )
