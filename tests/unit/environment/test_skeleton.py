"""The empty environment: beside what venv and uv make, and used by real interpreters."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from uv import find_uv_bin

from envbuild.environment.reserved import reason_reserved
from envbuild.environment.skeleton import (
    UnusablePrefix,
    skeleton_files,
    skeleton_folders,
    skeleton_links,
)
from envbuild.frozen import replace
from envbuild.target.probe import probe
from support.interpreters import Python, pythons
from unit.target import recorded
from unit.target.recorded import LINUX_313, MACOS_ARM_312, PYPY_39

if TYPE_CHECKING:
    from pathlib import Path

    from envbuild.target.facts import Facts
    from envbuild.target.model import Interpreter, Target

PYTHONS = pytest.mark.parametrize("python", pythons(), ids=str)


def target_of(facts: Facts) -> Target:
    return facts.target(
        (f"cp313-cp313-linux_{facts.linux_arches[0]}",) if facts.linux_arches else ()
    )


def make(prefix: str, interpreter: Interpreter, prompt: str = "demo") -> str:
    """Make an environment at `prefix`, and return that."""
    for folder in skeleton_folders(interpreter.target.scheme):
        os.makedirs(os.path.join(prefix, folder), exist_ok=True)
    for path, target in skeleton_links(interpreter.target, interpreter.executable):
        os.symlink(target, os.path.join(prefix, path))
    for file in skeleton_files(
        interpreter.target,
        prefix=prefix,
        home=interpreter.home,
        executable=interpreter.executable,
        prompt=prompt,
    ):
        with open(os.path.join(prefix, file.path), "xb") as stream:
            stream.write(file.data)
        os.chmod(os.path.join(prefix, file.path), 0o755 if file.executable else 0o644)
    return prefix


def listing(prefix: str) -> dict[str, str]:
    """Return what is below `prefix`: the text of each link, `/` for a folder, else nothing."""
    found = {}
    for folder, folders, files in os.walk(prefix):
        for name in folders + files:
            path = os.path.join(folder, name)
            is_link = os.path.islink(path)
            text = os.readlink(path) if is_link else "/" if os.path.isdir(path) else ""
            found[os.path.relpath(path, prefix)] = text
    return found


@PYTHONS
def test_an_environment_has_what_uv_makes(python: Python, tmp_path: Path) -> None:
    command = [find_uv_bin(), "venv", "-q", "--offline", "--no-config", "--no-project", "--python"]
    subprocess.run([*command, python.path, tmp_path / "theirs"], check=True)
    ours = make(str(tmp_path / "ours"), probe(python.path, cache_dir=str(tmp_path / "cache")))
    theirs = {
        path: text
        for path, text in listing(str(tmp_path / "theirs")).items()
        # For pip before 23, which reads settings that a virtual environment must not have.
        if os.path.basename(path) not in {"_virtualenv.py", "_virtualenv.pth"}
    }
    assert listing(ours) == theirs


@PYTHONS
def test_an_environment_has_what_venv_makes(python: Python, tmp_path: Path) -> None:
    command = [python.path, "-I", "-m", "venv", "--without-pip", "--symlinks"]
    subprocess.run([*command, tmp_path / "theirs"], check=True)
    ours = listing(make(str(tmp_path / "ours"), probe(python.path, cache_dir=str(tmp_path))))
    for path, text in listing(str(tmp_path / "theirs")).items():
        if path.startswith("include") or path in {"bin/Activate.ps1", "bin/𝜋thon"}:
            continue
        assert path in ours
        assert bool(ours[path]) == bool(text)
    assert ours.get("lib64") == listing(str(tmp_path / "theirs")).get("lib64")


@PYTHONS
def test_its_interpreter_knows_where_it_is(python: Python, tmp_path: Path) -> None:
    interpreter = probe(python.path, cache_dir=str(tmp_path / "cache"))
    prefix = make(str(tmp_path / "it's $HOME é" / ".venv"), interpreter)
    program = """
import json, os, site, sys, sysconfig
print(json.dumps([sys.prefix, sys.base_prefix, sys.executable, site.ENABLE_USER_SITE,
                  sysconfig.get_path("purelib"), [p for p in sys.path if "site-packages" in p]]))
"""
    scheme = interpreter.target.scheme
    for name, _ in skeleton_links(interpreter.target, interpreter.executable):
        if not name.startswith("bin/"):
            continue
        run = subprocess.run(
            [os.path.join(prefix, name), "-c", program], capture_output=True, text=True, check=True
        )
        found_prefix, base_prefix, executable, user_site, purelib, sites = json.loads(run.stdout)
        assert found_prefix == prefix
        assert base_prefix != prefix
        assert executable == os.path.join(prefix, name)
        assert user_site is False
        assert purelib == os.path.join(prefix, scheme.purelib)
        assert purelib in sites
    run = subprocess.run(
        [os.path.join(prefix, "bin/python"), "-c", "import sys; print(sys._base_executable)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert os.path.samefile(run.stdout.strip(), python.path)


def test_the_configuration_is_what_tools_read() -> None:
    files = {
        file.path: file
        for file in skeleton_files(
            PYPY_39,
            prefix="/venv",
            home="/opt/pypy/bin",
            executable="/opt/pypy/bin/pypy",
            prompt="a\n b",
        )
    }
    assert files["pyvenv.cfg"].data.decode() == (
        "home = /opt/pypy/bin\n"
        "implementation = PyPy\n"
        "version = 3.9.16\n"
        "version_info = 3.9.16\n"
        "include-system-site-packages = false\n"
        "executable = /opt/pypy/bin/pypy\n"
        "prompt = a b\n"
    )
    assert not any(file.executable for file in files.values())


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        (recorded.linux_313, "python python3 python3.13"),
        (recorded.linux_313t, "python python3 python3.13 python3.13t"),
        (recorded.linux_311d, "python python3 python3.11"),
        (recorded.pypy_39, "python python3 python3.9 pypy pypy3 pypy3.9"),
        (recorded.graalpy_311, "python python3 python3.11 graalpy"),
    ],
)
def test_the_interpreter_goes_by_all_its_names(facts: Facts, names: str) -> None:
    links = dict(skeleton_links(target_of(facts), "/usr/bin/python"))
    assert links.pop("lib64") == "lib"
    assert links.pop("bin/python") == "/usr/bin/python"
    assert links == {f"bin/{name}": "python" for name in names.split()[1:]}


@pytest.mark.parametrize(
    ("facts", "wide"),
    [
        (recorded.linux_313, True),
        (recorded.linux_aarch64, True),
        (recorded.musl_312, True),
        (replace(recorded.linux_313, platform="linux-s390x", linux_arches=("s390x",)), True),
        (replace(recorded.linux_313, platform="linux-ppc64le", linux_arches=("ppc64le",)), True),
        (recorded.macos_arm_312, False),
        (recorded.windows_312, False),
        (recorded.linux_armv6, False),
        (recorded.arm_hard_float, False),
        (recorded.arm_on_64_bit_kernel, False),
        (recorded.i686_on_64_bit_kernel, False),
    ],
)
def test_lib64_is_made_where_venv_makes_it(facts: Facts, wide: bool) -> None:
    assert ("lib64" in dict(skeleton_links(target_of(facts), "/python"))) is wide


def test_a_scheme_that_speaks_of_lib64_has_one_folder_for_both() -> None:
    platlib = "lib64/python3.13/site-packages"
    fedora = replace(LINUX_313, scheme=replace(LINUX_313.scheme, platlib=platlib))
    assert skeleton_folders(fedora.scheme) == skeleton_folders(LINUX_313.scheme)
    assert ("lib64", "lib") in skeleton_links(fedora, "/python")


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("/a:b", "`:` stands between the folders of `PATH`"),
        ("/a\nb", "neither `pyvenv.cfg` nor every shell can spell a control character"),
        ("/a\x7f", "neither `pyvenv.cfg` nor every shell can spell a control character"),
        ("/a\udc80", "it is not Unicode text, as `pyvenv.cfg` must be"),
    ],
)
def test_a_prefix_that_cannot_work_is_refused(prefix: str, reason: str) -> None:
    with pytest.raises(UnusablePrefix) as caught:
        skeleton_files(LINUX_313, prefix=prefix, home="/h", executable="/h/p", prompt="")
    assert caught.value.reason == reason
    str(caught.value).encode()


@pytest.mark.parametrize("target", [LINUX_313, PYPY_39, MACOS_ARM_312])
def test_no_wheel_may_take_any_name_of_it(target: Target) -> None:
    names: dict[str, Any] = dict.fromkeys(path for path, _ in skeleton_links(target, "/python"))
    names |= dict.fromkeys(
        file.path
        for file in skeleton_files(target, prefix="/p", home="/h", executable="/h/p", prompt="")
    )
    assert [name for name in names if not reason_reserved(name, target.scheme.scripts)] == []
