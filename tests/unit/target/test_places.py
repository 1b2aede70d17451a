from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from envbuild.target.places import Candidate, candidates, executable_in, search_path
from envbuild.target.request import SpecRequest, parse_request
from unit.target.pretended import script

if TYPE_CHECKING:
    from pathlib import Path

SYSTEM = {"linux": "linux", "darwin": "macos"}[sys.platform]


def spec(text: str) -> SpecRequest:
    request = parse_request(text, is_path=False)
    assert isinstance(request, SpecRequest)
    return request


class Machine:
    """A home folder and a PATH below a temporary folder; nothing in it can be started for real."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path: list[str] = []
        self.variables: dict[str, str] = {}

    def put(self, *paths: str) -> None:
        for path in paths:
            script(self.root / path, "exit 1")

    def on_path(self, *folders: str) -> None:
        self.path += [str(self.root / folder) for folder in folders]

    def environ(self) -> dict[str, str]:
        return {"HOME": str(self.root), "PATH": os.pathsep.join(self.path), **self.variables}

    def candidates(self, text: str, start: str = "") -> list[Candidate]:
        """Return the candidates that lie in this machine's folders."""
        found = candidates(spec(text), environ=self.environ(), start=str(self.root / start))
        return [one for one in found if one.path.startswith(str(self.root))]

    def found(self, text: str, start: str = "") -> list[str]:
        return [os.path.relpath(one.path, self.root) for one in self.candidates(text, start)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


MANAGED = ".local/share/uv/python"


def test_managed_pythons_come_first_then_path_then_pyenv(machine: Machine) -> None:
    machine.put(".pyenv/versions/3.13.0/bin/python3", "bin/python3")
    machine.put(f"{MANAGED}/cpython-3.12.4-{SYSTEM}-x86_64-gnu/bin/python3.12")
    machine.on_path("bin")
    assert machine.found("default") == [
        f"{MANAGED}/cpython-3.12.4-{SYSTEM}-x86_64-gnu/bin/python3.12",
        "bin/python3",
        ".pyenv/versions/3.13.0/bin/python3",
    ]


def test_the_last_candidate_is_the_interpreter_that_runs(machine: Machine) -> None:
    *_, last = candidates(spec("default"), environ=machine.environ(), start="/")
    assert os.path.samefile(last.path, sys.executable)
    assert last.version.startswith("{}.{}.{}".format(*sys.version_info))
    assert not os.path.exists(os.path.join(os.path.dirname(last.path), "..", "pyvenv.cfg"))


def test_managed_pythons_are_ordered_newest_first_and_by_kind(machine: Machine) -> None:
    keys = {
        f"cpython-3.9.20-{SYSTEM}-x86_64-gnu": "python3.9",
        f"cpython-3.13.0-{SYSTEM}-x86_64-gnu": "python3.13",
        f"cpython-3.13.0+freethreaded-{SYSTEM}-x86_64-gnu": "python3.13t",
        f"cpython-3.15.0rc1-{SYSTEM}-x86_64-gnu": "python3.15",
        f"cpython-3.15.0-{SYSTEM}-x86_64-gnu": "python3.15",
        f"cpython-3.10.2-{SYSTEM}-x86_64-gnu": "python3.10",
        f"pypy-3.11.13-{SYSTEM}-x86_64-gnu": "pypy3.11",
    }
    for key, name in keys.items():
        machine.put(f"{MANAGED}/{key}/bin/{name}")
    machine.put(f"{MANAGED}/cpython-3.14.0-windows-x86_64-none/bin/python3.14")
    machine.put(f"{MANAGED}/.temp/bin/python3", f"{MANAGED}/unknown/bin/python3")
    found = machine.candidates("default")
    assert [(one.implementation, one.version, os.path.basename(one.path)) for one in found] == [
        ("cpython", "3.15.0", "python3.15"),
        ("cpython", "3.15.0rc1", "python3.15"),
        ("cpython", "3.13.0", "python3.13"),
        ("cpython", "3.13.0", "python3.13t"),
        ("cpython", "3.10.2", "python3.10"),
        ("cpython", "3.9.20", "python3.9"),
        ("pypy", "3.11.13", "pypy3.11"),
    ]


@pytest.mark.parametrize(
    ("variables", "root"),
    [
        ({"UV_PYTHON_INSTALL_DIR": "{}/own"}, "own"),
        ({"XDG_DATA_HOME": "{}/data"}, "data/uv/python"),
        ({}, MANAGED),
    ],
)
def test_the_folder_of_managed_pythons_is_that_of_uv(
    machine: Machine, variables: dict[str, str], root: str
) -> None:
    machine.variables = {name: value.format(machine.root) for name, value in variables.items()}
    path = f"{root}/cpython-3.12.4-{SYSTEM}-x86_64-gnu/bin/python3.12"
    machine.put(path)
    assert machine.found("default") == [path]


def test_the_link_of_a_minor_version_outlives_its_patch(machine: Machine) -> None:
    machine.put(f"{MANAGED}/cpython-3.12.4-{SYSTEM}-x86_64-gnu/bin/python3.12")
    machine.put(f"{MANAGED}/cpython-3.12.3-{SYSTEM}-x86_64-gnu/bin/python3.12")
    link = machine.root / MANAGED / f"cpython-3.12-{SYSTEM}-x86_64-gnu"
    link.symlink_to(f"cpython-3.12.4-{SYSTEM}-x86_64-gnu")
    patch = [
        f"{MANAGED}/cpython-3.12.{patch}-{SYSTEM}-x86_64-gnu/bin/python3.12" for patch in (4, 3)
    ]
    assert machine.found("3.12") == [
        f"{MANAGED}/cpython-3.12-{SYSTEM}-x86_64-gnu/bin/python3.12",
        patch[1],
    ]
    assert machine.found("3.12.4") == patch


NAMES = ["python", "python3", "python3.11", "python3.12", "python3.13", "python3.13t", "pypy3.10"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "default",
            [
                "python",
                "python3",
                "python3.13",
                "python3.13t",
                "python3.12",
                "python3.11",
                "pypy3.10",
            ],
        ),
        (
            ">=3.11",
            [
                "python3",
                "python",
                "python3.13",
                "python3.13t",
                "python3.12",
                "python3.11",
                "pypy3.10",
            ],
        ),
        (
            "3.12",
            [
                "python3.12",
                "python3",
                "python",
                "python3.13",
                "python3.13t",
                "python3.11",
                "pypy3.10",
            ],
        ),
        (
            "3.13t",
            [
                "python3.13t",
                "python3.13",
                "python3",
                "python",
                "python3.12",
                "python3.11",
                "pypy3.10",
            ],
        ),
        (
            "pypy@3.10",
            [
                "pypy3.10",
                "python3",
                "python",
                "python3.13",
                "python3.13t",
                "python3.12",
                "python3.11",
            ],
        ),
    ],
)
def test_in_a_folder_the_closest_names_come_first_then_the_newest(
    machine: Machine, text: str, expected: list[str]
) -> None:
    machine.put(*(f"bin/{name}" for name in NAMES), "bin/python3.12-config", "bin/ipython3")
    machine.on_path("bin")
    assert machine.found(text) == [f"bin/{name}" for name in expected]


def test_folders_of_path_keep_their_order_and_count_once(machine: Machine) -> None:
    machine.put("b/python3", "a/python3.13")
    (machine.root / "again").symlink_to("b")
    machine.on_path("missing", "b", "again", "a", "b")
    machine.path.append("")
    assert machine.found(">=3.9") == ["b/python3", "a/python3.13"]


def test_a_folder_given_as_relative_becomes_absolute(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.put("bin/python3")
    machine.path.append("bin")
    monkeypatch.chdir(machine.root)
    assert machine.found("3") == ["bin/python3"]


def test_what_cannot_be_started_is_passed_over(machine: Machine) -> None:
    (machine.root / "bin" / "python3.12").mkdir(parents=True)
    (machine.root / "bin" / "python3").write_text("#!/bin/sh\n")
    (machine.root / "bin" / "python").symlink_to("gone")
    machine.on_path("bin")
    assert machine.found("3.12") == []


def test_environments_on_path_are_left_out(machine: Machine) -> None:
    machine.put("venv/bin/python3", "bin/python3")
    (machine.root / "venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    machine.on_path("venv/bin", "bin")
    assert machine.found("default") == ["bin/python3"]


def test_the_end_of_the_links_tells_the_version(machine: Machine) -> None:
    machine.put("bin/python3.12", "bin/anything")
    (machine.root / "bin" / "python3").symlink_to("python3.12")
    (machine.root / "bin" / "python3.11").symlink_to("anything")
    machine.on_path("bin")
    versions = {os.path.basename(one.path): one.version for one in machine.candidates("default")}
    assert versions == {"python3": "3.12", "python3.12": "3.12", "python3.11": "3.11"}


def test_only_plain_names_on_path_are_the_users_default(machine: Machine) -> None:
    machine.put("bin/python", "bin/python3", "bin/python3.12")
    machine.put(".pyenv/versions/3.12.0/bin/python3")
    machine.on_path("bin")
    defaults = {
        os.path.relpath(one.path, machine.root): one.is_default
        for one in machine.candidates("default")
    }
    assert defaults == {
        "bin/python": True,
        "bin/python3": True,
        "bin/python3.12": False,
        ".pyenv/versions/3.12.0/bin/python3": False,
    }


VERSIONS = ["3.9.18", "3.12.1", "3.12.10", "3.13.0t", "3.15-dev", "3.14.0rc2", "pypy3.10-7.3.17"]


def test_versions_of_pyenv_are_ordered_newest_first_and_by_kind(machine: Machine) -> None:
    for version in [*VERSIONS, "miniforge3-24.1"]:
        machine.put(f".pyenv/versions/{version}/bin/python3")
    machine.put(".pyenv/versions/an-environment/bin/python3")
    (machine.root / ".pyenv/versions/an-environment/pyvenv.cfg").write_text("home = /usr/bin\n")
    (machine.root / ".pyenv/versions/empty").mkdir()
    found = [
        (one.path.split("/")[-3], one.implementation, one.version)
        for one in machine.candidates("default")
    ]
    assert found == [
        ("3.15-dev", "cpython", "3.15"),
        ("3.14.0rc2", "cpython", "3.14.0rc2"),
        ("3.13.0t", "cpython", "3.13.0"),
        ("3.12.10", "cpython", "3.12.10"),
        ("3.12.1", "cpython", "3.12.1"),
        ("3.9.18", "cpython", "3.9.18"),
        ("pypy3.10-7.3.17", "pypy", "3.10"),
        ("miniforge3-24.1", "", ""),
    ]


def test_pyenv_may_be_anywhere(machine: Machine) -> None:
    machine.put("opt/pyenv/versions/3.12.1/bin/python")
    machine.variables["PYENV_ROOT"] = str(machine.root / "opt/pyenv")
    assert machine.found("default") == ["opt/pyenv/versions/3.12.1/bin/python"]


@pytest.fixture
def shims(machine: Machine) -> Machine:
    """Give the machine pyenv with shims first on PATH."""
    for version in ("3.11.7", "3.12.1", "3.12.10"):
        name = f"python{version.rpartition('.')[0]}"
        machine.put(f".pyenv/versions/{version}/bin/{name}", f".pyenv/shims/{name}")
        (machine.root / f".pyenv/versions/{version}/bin/python3").symlink_to(name)
    machine.put(".pyenv/shims/python3", ".pyenv/shims/python", "bin/python3")
    machine.on_path(".pyenv/shims", "bin")
    return machine


def behind_shims(machine: Machine, start: str = "") -> list[str]:
    folders = search_path(machine.environ(), start=str(machine.root / start))
    return [os.path.relpath(folder, machine.root) for folder in folders]


@pytest.mark.parametrize(
    ("own", "versions"),
    [
        ("3.11.7\n", ["3.11.7"]),
        ("3.12.1\n3.11.7\n", ["3.12.1", "3.11.7"]),
        ("3.12.1 3.11.7 # why\n", ["3.12.1", "3.11.7"]),
        ("3.12\n", ["3.12.10"]),
        ("python-3.12.1\n", ["3.12.1"]),
        ("system\n", []),
        ("3.10.1\n", []),
        ("", []),
    ],
)
def test_shims_are_seen_through_by_pyenvs_own_version(
    shims: Machine, own: str, versions: list[str]
) -> None:
    (shims.root / ".pyenv/version").write_text(own)
    assert behind_shims(shims) == [*(f".pyenv/versions/{one}/bin" for one in versions), "bin"]


def test_shims_that_nothing_chooses_for_lead_nowhere(shims: Machine) -> None:
    assert behind_shims(shims) == ["bin"]


def test_shims_go_by_the_variable_then_by_the_nearest_folder(shims: Machine) -> None:
    (shims.root / ".pyenv/version").write_text("3.11.7\n")
    project = shims.root / "work" / "project"
    project.mkdir(parents=True)
    (shims.root / "work" / ".python-version").write_text("3.12.1\n")
    assert behind_shims(shims, "work/project")[0] == ".pyenv/versions/3.12.1/bin"
    shims.variables["PYENV_VERSION"] = "3.12.10:3.11.7"
    assert behind_shims(shims, "work/project")[:2] == [
        ".pyenv/versions/3.12.10/bin",
        ".pyenv/versions/3.11.7/bin",
    ]


def test_no_shim_is_a_candidate(shims: Machine) -> None:
    (shims.root / ".pyenv/version").write_text("3.11.7\n")
    found = shims.found(">=3.9")
    assert found == [
        ".pyenv/versions/3.11.7/bin/python3",
        ".pyenv/versions/3.11.7/bin/python3.11",
        "bin/python3",
        ".pyenv/versions/3.12.10/bin/python3",
        ".pyenv/versions/3.12.1/bin/python3",
        ".pyenv/versions/3.11.7/bin/python3",
    ]


def test_other_folders_named_shims_are_plain_folders(machine: Machine) -> None:
    machine.put("asdf/shims/python3")
    machine.on_path("asdf/shims")
    assert machine.found("3") == ["asdf/shims/python3"]


def test_an_installation_is_entered_by_its_plain_names(machine: Machine) -> None:
    root = machine.root
    assert executable_in(str(root)) == str(root / "bin/python3")
    machine.put("bin/python")
    assert executable_in(str(root)) == str(root / "bin/python")
    machine.put("bin/python3")
    assert executable_in(str(root)) == str(root / "bin/python3")
