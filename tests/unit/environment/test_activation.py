"""Activation scripts, run by the shells that they are for."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pytest

from envbuild.environment.activation import activation_files
from envbuild.environment.reserved import ACTIVATION
from unit.target.recorded import LINUX_313

if TYPE_CHECKING:
    from pathlib import Path

PATH = "/usr/bin:/bin"

NAMES = (
    "plain",
    "with spaces",
    'it\'s "quoted"',
    "$HOME `id` $(id) ${x}",
    "back\\slash\\",
    "ünï-codé-環境",
    "bang!bang !! 100%d",
    "a;b&c|d<e>f(g)h[i]{j}*?~#",
    "@PROMPT@",
)

REPORT = """\
import json, os, sys
names = "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "PATH", "PYTHONHOME"
print(json.dumps([os.environ.get(name) for name in names] + sys.argv[1:]))
"""


@dataclass(frozen=True, kw_only=True)
class Shell:
    """How one shell is started, and how it says what every test has to say.

    `start` sets the prompt `old> ` and `PYTHONHOME`; `report` runs `$REPORT` and gives it the prompt. In front of it
    stands the environment's name, or a label that no expansion of prompts changes; xonsh adds the
    name by itself.
    """

    name: str
    argv: tuple[str, ...]
    script: str = "activate"
    start: str = ""
    activate: str = ". {script}"
    quiet: str = "VIRTUAL_ENV_DISABLE_PROMPT=1"
    report: str = '"$REPORT" "$PS1"'
    deactivate: str = "deactivate"
    shows: Literal["label", "name", "nothing"] = "label"

    def __str__(self) -> str:
        return self.name


SHELLS = (
    Shell(name="sh", argv=("sh", "-eu"), start="PS1='old> '; export PYTHONHOME=/old"),
    Shell(name="dash", argv=("dash", "-eu"), start="PS1='old> '; export PYTHONHOME=/old"),
    Shell(name="bash", argv=("bash", "--norc", "-eu"), start="PS1='old> '; export PYTHONHOME=/old"),
    Shell(
        name="bash --posix",
        argv=("bash", "--posix", "-eu"),
        start="PS1='old> '; export PYTHONHOME=/old",
    ),
    Shell(name="zsh", argv=("zsh", "-f", "-eu"), start="PS1='old> '; export PYTHONHOME=/old"),
    Shell(name="ksh", argv=("ksh", "-eu"), start="PS1='old> '; export PYTHONHOME=/old"),
    Shell(
        name="csh",
        argv=("csh", "-f"),
        script="activate.csh",
        start="set prompt='old> '; setenv PYTHONHOME /old",
        activate="source {script}",
        quiet="setenv VIRTUAL_ENV_DISABLE_PROMPT 1",
        report='"$REPORT" "$prompt:q"',
    ),
    Shell(
        name="fish",
        argv=("fish", "--no-config"),
        script="activate.fish",
        start="function fish_prompt; printf 'old> '; end; set -gx PYTHONHOME /old",
        activate="source {script}",
        quiet="set -g VIRTUAL_ENV_DISABLE_PROMPT 1",
        report='"$REPORT" (fish_prompt)',
        shows="name",
    ),
    Shell(
        name="nu",
        argv=("nu", "--no-config-file"),
        script="activate.nu",
        start="$env.PROMPT_COMMAND = {|| 'old> ' }; $env.PYTHONHOME = '/old'",
        activate="overlay use {script}",
        quiet="$env.VIRTUAL_ENV_DISABLE_PROMPT = '1'",
        report="^$env.REPORT (do $env.PROMPT_COMMAND)",
        shows="name",
    ),
    Shell(
        name="xonsh",
        argv=("xonsh", "--no-rc"),
        script="activate.xsh",
        start="$PYTHONHOME = '/old'",
        activate="source {script}",
        quiet="$VIRTUAL_ENV_DISABLE_PROMPT = '1'",
        report="$REPORT @('old> ')",
        shows="nothing",
    ),
)


def installed(shell: Shell) -> Shell:
    if shutil.which(shell.argv[0]) is None:
        pytest.skip(f"no {shell.argv[0]} on this machine")
    return shell


def make(folder: str, prefix: str, prompt: str) -> str:
    """Write the activation scripts of an environment at `prefix` into `folder`, and return that."""
    os.makedirs(folder)
    for name, data in activation_files(prefix=prefix, prompt=prompt, scheme=LINUX_313.scheme):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    return folder


def run(shell: Shell, folder: str, *lines: str) -> list[list[str | None]]:
    """Run `lines` and return what each `report` among them said."""
    report = os.path.join(folder, "report")
    with open(report, "w", encoding="utf-8") as file:
        file.write(f"#!{sys.executable} -ISs\n{REPORT}")
    os.chmod(report, stat.S_IRWXU)
    script = os.path.join(folder, "script")
    with open(script, "w", encoding="utf-8") as file:
        file.write("\n".join((shell.start, *lines, "")))
    program = shutil.which(shell.argv[0])
    assert program is not None
    result = subprocess.run(
        [program, *shell.argv[1:], script],
        env={
            "HOME": folder,
            "LANG": "C.UTF-8",
            "PATH": PATH,
            "REPORT": report,
            "TERM": "dumb",
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("[")]


def activate(shell: Shell, folder: str) -> str:
    return shell.activate.format(script=os.path.join(folder, shell.script))


@pytest.mark.parametrize("shell", SHELLS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_activation_sets_what_deactivation_puts_back(
    shell: Shell, name: str, tmp_path: Path
) -> None:
    installed(shell)
    if shell.name == "xonsh" and "$" in name:
        pytest.skip("xonsh expands variables in the folders of PATH")
    prefix = f"/nowhere/{name}/.venv"
    folder = make(str(tmp_path / "env"), prefix, name)
    before, during, after = run(
        shell,
        str(tmp_path),
        shell.report,
        activate(shell, folder),
        shell.report,
        shell.deactivate,
        shell.report,
    )
    assert before == after == [None, None, PATH, "/old", "old> "]
    label = re.sub(r"[\\$`!%]", "_", name)
    shown = {"label": f"({label}) old> ", "name": f"({name}) old> ", "nothing": "old> "}
    assert during == [prefix, name, f"{prefix}/bin:{PATH}", None, shown[shell.shows]]


@pytest.mark.parametrize("shell", SHELLS, ids=str)
def test_activation_over_another_environment_replaces_it(shell: Shell, tmp_path: Path) -> None:
    installed(shell)
    first = make(str(tmp_path / "first"), "/nowhere/first", "first")
    second = make(str(tmp_path / "second"), "/nowhere/second", "second")
    lines = [shell.report]
    for folder in (first, first, second, first):
        lines += activate(shell, folder), shell.report
    before, *during, after = run(shell, str(tmp_path), *lines, shell.deactivate, shell.report)
    assert [state[0] for state in during] == [
        f"/nowhere/{name}" for name in ("first", "first", "second", "first")
    ]
    assert [state[2] for state in during] == [f"{state[0]}/bin:{PATH}" for state in during]
    assert during[3] == during[0]
    assert before == after


@pytest.mark.parametrize("shell", SHELLS, ids=str)
def test_activation_leaves_the_prompt_alone_where_that_is_asked_for(
    shell: Shell, tmp_path: Path
) -> None:
    installed(shell)
    folder = make(str(tmp_path / "env"), "/nowhere", "name")
    lines = [shell.quiet, activate(shell, folder), shell.report, shell.deactivate, shell.report]
    during, after = run(shell, str(tmp_path), *lines)
    assert during == ["/nowhere", "name", f"/nowhere/bin:{PATH}", None, "old> "]
    assert after == [None, None, PATH, "/old", "old> "]


@pytest.mark.parametrize(
    ("shell", "expand"),
    [("bash", 'printf %s "${PS1@P}"'), ("zsh", 'setopt promptsubst; print -nP "$PS1"')],
)
def test_the_name_of_a_folder_runs_nothing_when_it_is_shown(
    shell: str, expand: str, tmp_path: Path
) -> None:
    chosen = installed(next(found for found in SHELLS if found.name == shell))
    name = "$(touch run)`touch run`${x:-$(touch run)}"
    folder = make(str(tmp_path / "env"), "/nowhere", name)
    run(chosen, str(tmp_path), activate(chosen, folder), expand)
    assert not os.path.exists(tmp_path / "run")


def test_a_running_python_imports_from_the_environment_first(tmp_path: Path) -> None:
    prefix = tmp_path / 'it\'s "here"'
    folder = make(str(prefix / "bin"), str(prefix), 'a "name"')
    site = prefix / LINUX_313.scheme.purelib
    site.mkdir(parents=True)
    (site / "json.py").write_text("PLACE = 'environment'\n")
    (site / "extra.pth").write_text("extra\n")
    (site / "extra").mkdir()
    program = f"""
import os, sys
path = {os.path.join(folder, "activate_this.py")!r}
exec(open(path).read(), {{"__file__": path}})
from json import PLACE
print([PLACE, sys.prefix, os.environ["VIRTUAL_ENV"], os.environ["VIRTUAL_ENV_PROMPT"],
       os.environ["PATH"], "PYTHONHOME" in os.environ, sys.path[:2]])
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": "/bin", "PYTHONHOME": sys.base_prefix},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ast.literal_eval(result.stdout) == [
        "environment",
        str(prefix),
        str(prefix),
        'a "name"',
        f"{folder}:/bin",
        False,
        [str(site), str(site / "extra")],
    ]


def test_a_running_python_says_what_it_needs() -> None:
    files = dict(activation_files(prefix="/p", prompt="p", scheme=LINUX_313.scheme))
    with pytest.raises(RuntimeError, match="`__file__`"):
        exec(files["activate_this.py"].decode(), {})


def test_scripts_have_the_names_that_no_wheel_may_take() -> None:
    files = activation_files(prefix="/p", prompt="p", scheme=LINUX_313.scheme)
    assert sorted(name for name, _ in files) == sorted(ACTIVATION)


def test_batch_files_end_their_lines_as_windows_does() -> None:
    for name, data in activation_files(prefix="/p", prompt="p", scheme=LINUX_313.scheme):
        if name.endswith(".bat"):
            assert data.count(b"\n") == data.count(b"\r\n") > 0
        else:
            assert b"\r" not in data


def test_powershell_takes_every_quote_literally() -> None:
    quotes = "'\u2018\u2019\u201a\u201b"
    files = dict(activation_files(prefix=f"/{quotes}", prompt="p", scheme=LINUX_313.scheme))
    doubled = "".join(quote * 2 for quote in quotes)
    assert f"$env:VIRTUAL_ENV = '/{doubled}'\n" in files["activate.ps1"].decode()
