from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import uv

from envbuild.target.discover import (
    FoundInterpreter,
    UnreadableVersionFile,
    find_interpreter,
    find_python_version_file,
    read_request,
)
from envbuild.target.probe import InterpreterFailed, InterpreterMissing
from envbuild.target.request import PathRequest, UnsupportedPython
from envbuild.target.search import NoFittingInterpreter
from support.interpreters import pythons, running
from unit.target.pretended import of_version, pretend, script
from unit.target.recorded import linux_313t, pypy_39

if TYPE_CHECKING:
    from pathlib import Path


class World:
    """A project, a home folder and a PATH, with interpreters that are pretended."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "project"
        self.project.mkdir()
        self.existing: str | None = None
        self.variables: dict[str, str] = {}

    def python(self, path: str, version: str) -> str:
        return str(pretend(self.root / path, of_version(version)))

    def environment(self, python: str) -> None:
        folder = self.project / ".venv" / "bin"
        folder.mkdir(parents=True)
        (folder.parent / "pyvenv.cfg").write_text(f"home = {os.path.dirname(python)}\n")
        (folder / "python").symlink_to(python)
        self.existing = str(folder / "python")

    def environ(self) -> dict[str, str]:
        path = os.pathsep.join(str(self.root / folder) for folder in ("bin", "more"))
        return {"HOME": str(self.root / "home"), "PATH": path, **self.variables}

    def find(self, python: str | None = None, requires: str | None = None) -> FoundInterpreter:
        return find_interpreter(
            request=None if python is None else read_request(python),
            requires_python=requires,
            existing=self.existing,
            start=str(self.project),
            stop_at=str(self.project),
            environ=self.environ(),
            cache_dir=str(self.root / "cache"),
        )

    def version(self, python: str | None = None, requires: str | None = None) -> str:
        return self.find(python, requires).interpreter.target.version


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_environment_that_exists_is_kept_where_it_fits(world: World) -> None:
    world.python("bin/python3", "3.13.1")
    world.environment(world.python("elsewhere/python3.12", "3.12.4"))
    assert world.version(requires=">=3.11") == "3.12.4"
    assert world.version("3.12") == "3.12.4"
    assert world.version(">=3.10,<3.13") == "3.12.4"
    assert world.version() == "3.12.4"


def test_an_environment_that_does_not_fit_is_passed_over(world: World) -> None:
    world.python("bin/python3", "3.13.1")
    world.environment(world.python("elsewhere/python3.12", "3.12.4"))
    assert world.version("3.13") == "3.13.1"
    assert world.version(requires=">=3.13") == "3.13.1"
    (world.project / ".python-version").write_text("3.13\n")
    assert world.version(requires=">=3.11") == "3.13.1"


def test_an_environment_whose_interpreter_is_gone_is_passed_over(world: World) -> None:
    world.python("bin/python3", "3.13.1")
    world.environment(world.python("elsewhere/python3.12", "3.12.4"))
    (world.root / "elsewhere" / "python3.12").unlink()
    assert world.version(requires=">=3.11") == "3.13.1"


def test_an_environment_of_a_prerelease_or_of_pypy_is_kept_unasked(world: World) -> None:
    world.python("bin/python3", "3.13.1")
    world.environment(world.python("elsewhere/python3.15", "3.15.0rc1"))
    assert world.version(requires=">=3.9") == "3.15.0rc1"
    pretend(world.root / "elsewhere" / "python3.15", pypy_39)
    assert world.version(requires=">=3.9") == "3.9.16"


def test_the_option_stands_before_the_file_and_the_file_before_the_lock(world: World) -> None:
    for minor in (11, 12, 13):
        world.python(f"bin/python3.{minor}", f"3.{minor}.1")
    (world.project / ".python-version").write_text("3.12\n")
    found = world.find("3.11", ">=3.10")
    assert found.interpreter.target.version == "3.11.1"
    assert found.origin == "`--python` asks for `3.11`"
    found = world.find(None, ">=3.10")
    assert found.interpreter.target.version == "3.12.1"
    assert found.origin == "`.python-version` asks for `3.12`"
    (world.project / ".python-version").unlink()
    found = world.find(None, ">=3.10")
    assert found.interpreter.target.version == "3.13.1"
    assert found.origin == "the lock requires Python `>=3.10`"
    assert world.find().origin == "nothing asks for a certain Python"


def test_what_to_watch_is_every_place_of_a_wish_and_the_interpreter(world: World) -> None:
    python = world.python("bin/python3", "3.12.1")
    places = [world.project / ".python-version", world.project / ".python-versions"]
    places += [world.root / "home/.config/uv" / place.name for place in places]
    assert world.find(None, ">=3.10").watched == (*map(str, places), python)
    places[1].write_text("3.12\n")
    assert world.find(None, ">=3.10").watched == (*map(str, places[:2]), python)
    assert world.find("3", ">=3.10").watched == (python,)


def test_the_first_that_fits_both_wish_and_lock_is_taken(world: World) -> None:
    world.python("bin/python3.12", "3.12.1")
    world.python("more/python3.12", "3.12.4")
    assert world.version("3.12", ">=3.12.3") == "3.12.4"
    assert world.version("3.12", ">=3.12") == "3.12.1"


def test_a_prerelease_is_not_taken_unasked(world: World) -> None:
    world.python("bin/python3", "3.15.0rc1")
    world.python("more/python3", "3.13.1")
    assert world.version(requires=">=3.10") == "3.13.1"
    assert world.version("3.15rc1") == "3.15.0rc1"
    assert world.version(">=3.15.0a1") == "3.15.0rc1"
    assert world.version(str(world.root / "bin" / "python3")) == "3.15.0rc1"
    with pytest.raises(NoFittingInterpreter) as caught:
        world.version("3.15")
    reason = caught.value.refused[0].reason
    assert reason == "it is a pre-release, which must be asked for"


def test_the_lock_is_compared_without_the_prerelease_part(world: World) -> None:
    world.python("bin/python3", "3.15.0rc1")
    assert world.version("any", ">=3.15") == "3.15.0rc1"


def test_the_plain_name_may_be_another_implementation(world: World) -> None:
    pretend(world.root / "bin" / "python3", pypy_39)
    assert world.find("3.9").interpreter.target.implementation == "pypy"


def test_no_interpreter_that_the_place_rules_out_is_started(world: World) -> None:
    note = world.root / "started"
    for name in ("python3.9", "python3.10", "python3.14"):
        script(world.root / "bin" / name, f"echo {name} >> {note}; exit 1")
    world.python("more/python3.12", "3.12.1")
    assert world.version(">=3.11,<3.14") == "3.12.1"
    assert not note.exists()


def test_a_broken_interpreter_is_passed_over(world: World) -> None:
    script(world.root / "bin" / "python3", "echo I am broken >&2; exit 1")
    world.python("more/python3", "3.12.1")
    assert world.version(requires=">=3.10") == "3.12.1"


def test_an_interpreter_with_several_names_is_started_once(world: World) -> None:
    note = world.root / "started"
    python = script(world.root / "bin" / "python3.12", f"echo >> {note}; exit 1")
    for name in ("python", "python3"):
        (python.parent / name).symlink_to(python)
    with pytest.raises(NoFittingInterpreter):
        world.version(">=3.12,<3.12.1")
    assert note.read_text() == "\n"


def test_when_nothing_fits_the_error_lists_what_was_found_and_why_not(world: World) -> None:
    world.python("bin/python3", "3.13.1")
    script(world.root / "bin" / "python3.12", "echo I am broken >&2; exit 1")
    world.python("more/python3", "3.15.0rc1")
    pretend(world.root / "more" / "python3.13", linux_313t)
    world.environment(world.python("elsewhere/python3.11", "3.11.2"))
    (world.project / ".python-version").write_text("3.99\n")
    with pytest.raises(NoFittingInterpreter) as caught:
        world.version(requires=">=3.12")
    error = caught.value
    root, existing = world.root, world.existing
    assert error.origin == "`.python-version` asks for `3.99`"
    assert error.requires_python == ">=3.12"
    lines = [
        (
            "no Python interpreter fits: `.python-version` asks for `3.99`, and the lock requires "
            "Python `>=3.12`"
        ),
        f"    `{existing}` (3.11.2): it is not 3.99",
        f"    `{root}/bin/python3` (3.13.1): it is not 3.99",
        f"    `{root}/bin/python3.12` (3.12): it is not 3.99",
        f"    `{root}/more/python3` (3.15.0rc1): it is not 3.99",
        f"    `{root}/more/python3.13` (3.13): it is not 3.99",
    ]
    assert error.message.splitlines()[: len(lines)] == lines
    with pytest.raises(NoFittingInterpreter) as caught:
        world.version("3.12", ">=3.12")
    assert (
        f"    `{root}/bin/python3.12`: it ended with exit status 1 when asked what it is: "
        "I am broken"
    ) in caught.value.message.splitlines()


def test_a_path_is_taken_or_nothing(world: World) -> None:
    world.python("bin/python3", "3.13.1")
    odd = world.python("odd/my-python", "3.12.1")
    assert world.find(odd).interpreter.executable == odd
    with pytest.raises(NoFittingInterpreter) as caught:
        world.find(odd, ">=3.13")
    assert caught.value.message == (
        f"no Python interpreter fits: `--python` asks for `{odd}`, and the lock requires Python "
        f"`>=3.13`\n    `{odd}` (3.12.1): it is not >=3.13"
    )
    with pytest.raises(InterpreterMissing):
        world.find(str(world.root / "nothing"))
    with pytest.raises(InterpreterFailed):
        world.find(str(script(world.root / "broken", "exit 1")))


def test_a_folder_is_entered(world: World) -> None:
    python = world.python("installation/bin/python3", "3.12.1")
    assert world.find(str(world.root / "installation")).interpreter.executable == python
    world.environment(python)
    assert world.find(str(world.project / ".venv")).interpreter.executable == python


def test_a_relative_path_is_taken_from_the_working_directory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = world.python("odd/my-python", "3.12.1")
    monkeypatch.chdir(world.root / "odd")
    assert world.find("./my-python").interpreter.executable == python
    assert world.find("my-python").interpreter.executable == python


def test_a_path_in_a_version_file_is_taken_from_the_files_folder(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = world.python("project/tools/python", "3.12.1")
    (world.project / ".python-version").write_text("tools/python\n")
    monkeypatch.chdir(world.root)
    assert world.find().interpreter.executable == python


def test_a_name_is_looked_for_on_path(world: World) -> None:
    script(world.root / "bin" / "my-python", "exit 1")
    python = world.python("more/my-python", "3.12.1")
    assert world.find("my-python").interpreter.executable == python
    with pytest.raises(NoFittingInterpreter, match="no interpreter was found at all"):
        world.find("your-python")


def test_a_name_keeps_the_environment_that_bears_it(world: World) -> None:
    world.python("bin/python", "3.13.1")
    world.environment(world.python("elsewhere/my-python", "3.12.4"))
    assert world.version("python") == "3.12.4"
    assert world.version("my-python") == "3.12.4"
    assert world.version("python", ">=3.13") == "3.13.1"


def test_an_environment_that_is_activated_is_no_candidate(world: World) -> None:
    world.environment(world.python("elsewhere/python3", "3.12.4"))
    assert world.existing is not None
    world.variables["VIRTUAL_ENV"] = str(world.project / ".venv")
    world.variables["PATH"] = os.pathsep.join(
        [os.path.dirname(world.existing), str(world.root / "bin")]
    )
    world.python("bin/python3", "3.13.1")
    world.existing = None
    assert world.version(requires=">=3.9") == "3.13.1"


def test_a_request_that_can_never_be_met_is_refused_at_once(world: World) -> None:
    with pytest.raises(UnsupportedPython):
        world.find("3.8")
    (world.project / ".python-version").write_text("2.7\n")
    with pytest.raises(UnsupportedPython):
        world.find()


@pytest.mark.parametrize("python", pythons(), ids=str)
def test_every_interpreter_here_is_found_by_its_path_and_kept(python: object, world: World) -> None:
    path = python.path  # type: ignore[attr-defined]
    found = world.find(path, ">=3.9")
    assert os.path.samefile(found.interpreter.executable, path)
    world.environment(found.interpreter.executable)
    again = world.find(None, ">=3.9")
    assert again.interpreter == found.interpreter


# ---------------------------------------------------------------------------------------------
# Version files


def wish(start: Path, stop_at: Path | None, home: Path, **options: str) -> tuple[str | None, str]:
    file = find_python_version_file(
        str(start),
        str(stop_at) if stop_at else None,
        environ={"HOME": str(home)},
        **options,
    )
    return file.path, file.request.text if file.request else ""


def test_the_nearest_file_counts_up_to_the_last_folder(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    (tmp_path / ".python-version").write_text("3.9")
    assert wish(inner, tmp_path / "a", tmp_path) == (None, "")
    assert wish(inner, None, tmp_path) == (str(tmp_path / ".python-version"), "3.9")
    (tmp_path / "a" / ".python-version").write_text("3.10")
    assert wish(inner, tmp_path / "a", tmp_path)[1] == "3.10"
    (tmp_path / "a" / "b" / ".python-versions").write_text("3.11\n3.12\n")
    assert wish(inner, tmp_path / "a", tmp_path)[1] == "3.11"
    (tmp_path / "a" / "b" / ".python-version").write_text("3.13")
    assert wish(inner, tmp_path / "a", tmp_path)[1] == "3.13"
    assert wish(inner, inner, tmp_path) == (None, "")


def test_every_place_that_was_looked_at_is_told(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / ".python-version").write_text("3.10")
    file = find_python_version_file(
        str(tmp_path / "a" / "b"), str(tmp_path), environ={"HOME": str(tmp_path)}
    )
    assert file.looked_at == (
        str(tmp_path / "a" / "b" / ".python-version"),
        str(tmp_path / "a" / "b" / ".python-versions"),
        str(tmp_path / "a" / ".python-version"),
    )


@pytest.mark.parametrize(
    ("text", "requires", "counts"),
    [
        ("3.12", ">=3.10", True),
        ("3.12", ">=3.13", False),
        ("3.12", ">=3.12.4", True),
        ("3.12.1", ">=3.12.4", False),
        ("3", ">=3.13", True),
        ("pypy", ">=3.13", True),
    ],
)
def test_the_file_of_the_user_counts_where_the_lock_allows_it(
    text: str, requires: str, counts: bool, tmp_path: Path
) -> None:
    folder = tmp_path / ".config" / "uv"
    folder.mkdir(parents=True)
    (folder / ".python-version").write_text(text)
    (tmp_path / "project").mkdir()
    found = wish(tmp_path / "project", tmp_path / "project", tmp_path, requires_python=requires)
    assert found == ((str(folder / ".python-version"), text) if counts else (None, ""))


def test_a_folder_of_that_name_is_no_file(tmp_path: Path) -> None:
    (tmp_path / ".python-version").mkdir()
    (tmp_path / ".python-versions").write_text("3.12")
    assert wish(tmp_path, tmp_path, tmp_path)[1] == "3.12"


def test_a_file_that_asks_for_nothing_leaves_the_choice_to_the_lock(world: World) -> None:
    world.python("bin/python3", "3.12.1")
    (world.project / ".python-version").write_text("# nothing\nsystem\n")
    assert world.find(None, ">=3.10").origin == "the lock requires Python `>=3.10`"


def test_a_file_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".python-version").write_bytes(b"\xff\xfe3.12")
    with pytest.raises(UnreadableVersionFile, match="it is not UTF-8"):
        wish(tmp_path, tmp_path, tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_wish(tmp_path: Path) -> None:
    (tmp_path / ".python-version").write_bytes(b"\xef\xbb\xbf3.12\n")
    assert wish(tmp_path, tmp_path, tmp_path)[1] == "3.12"


def test_what_is_there_is_a_path_unless_it_is_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linux").mkdir()
    (tmp_path / "3.12").mkdir()
    assert read_request("linux") == PathRequest(text="linux")
    assert not isinstance(read_request("3.12"), PathRequest)


# ---------------------------------------------------------------------------------------------
# Beside uv, with the interpreters that are here


def specifications() -> list[str]:
    specs = ["3", "default", "any", "cpython", "python3", ">=3.9", ">=3.10,<3.13", "cpython@3"]
    for python in pythons():
        major, minor, micro = python.version
        specs += [f"{major}.{minor}", f"{major}.{minor}.{micro}", f"=={major}.{minor}.*"]
        specs += [f"<={major}.{minor}.{micro}", f">={major}.{minor}", f"python{major}.{minor}"]
        specs += [f"cpython-{major}.{minor}-linux-x86_64-gnu", f"{major}{minor}"]
    return list(dict.fromkeys(specs))


@pytest.fixture(
    scope="module",
    params=[(one, newest) for one in (False, True) for newest in (False, True)],
    ids=["folders-oldest", "folders-newest", "one-oldest", "one-newest"],
)
def path_of_links(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """Return a folder and variables with a PATH that leads to every CPython here.

    One folder for each interpreter, or one for all: there `python` and `python3` are the first.
    """
    is_one_folder, is_newest_first = request.param
    root = tmp_path_factory.mktemp("links")
    path = []
    for python in sorted(pythons(), key=lambda one: one.version, reverse=is_newest_first):
        if python.implementation == "cpython":
            folder = root / ("bin" if is_one_folder else os.path.basename(str(python)))
            folder.mkdir(exist_ok=True)
            path.append(str(folder))
            for name in ("python", "python3", os.path.basename(python.path)):
                if not (folder / name).is_symlink():
                    (folder / name).symlink_to(python.path)
    return root, {
        "HOME": str(root / "home"),
        "PATH": os.pathsep.join(path),
        "PYENV_ROOT": str(root / "no-pyenv"),
        "UV_CACHE_DIR": str(root / "uv"),
        "UV_PYTHON_DOWNLOADS": "never",
    }


@pytest.mark.parametrize("text", specifications())
def test_uv_picks_the_same_from_path(text: str, path_of_links: tuple[Path, dict[str, str]]) -> None:
    root, environ = path_of_links
    command = [uv.find_uv_bin(), "python", "find", "--system", "--no-project", "--no-config"]
    run = subprocess.run(
        [*command, "--offline", text],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
        cwd=root,
    )
    try:
        found = find_interpreter(
            request=read_request(text),
            requires_python=None,
            existing=None,
            start=str(root),
            stop_at=str(root),
            environ=environ,
            cache_dir=str(root / "cache"),
        ).interpreter.executable
    except NoFittingInterpreter:
        found = ""
    if run.returncode == 0:
        assert os.path.realpath(found) == os.path.realpath(run.stdout.strip())
    else:
        # This program looks in more places than PATH, and may be luckier there.
        assert not found.startswith(str(root))


def test_keeping_an_environment_loads_nothing_that_is_heavy(world: World) -> None:
    python = world.find(running().path).interpreter.executable
    world.environment(python)
    arguments = {
        "requires_python": ">=3.9,<4",
        "existing": world.existing,
        "start": str(world.project),
        "stop_at": str(world.project),
        "environ": world.environ(),
        "cache_dir": str(world.root / "cache"),
    }
    (world.project / ".python-version").write_text("3\n")
    program = (
        f"import sys; sys.path += {sys.path!r}\n"
        "from envbuild.target.discover import find_interpreter\n"
        f"found = find_interpreter(request=None, **{arguments!r})\n"
        "found.interpreter.target.digest\n"
        "heavy = 'packaging subprocess json tempfile typing pathlib envbuild.target.search'\n"
        "print([name for name in heavy.split() if name in sys.modules])\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
