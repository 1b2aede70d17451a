"""The scripts in the shells they are for."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
from typing import TYPE_CHECKING, Self

import pytest

from envbuild.cli.commands import ALIASES, NAMES, load
from envbuild.cli.completion import script

if TYPE_CHECKING:
    from pathlib import Path

SHELLS = ("bash", "zsh", "fish")
LINK_MODES = {"auto", "reflink", "hardlink", "copy", "symlink"}
CASES: list[tuple[str, set[str]]] = [
    ("envbuild ", {"realize", "build", "explain", "rebuild", "log", "store", "completion"}),
    ("envbuild st", {"store"}),
    ("envbuild store ", {"path", "ls", "info", "verify"}),
    ("envbuild --store place rea", {"realize"}),
    ("envbuild -q store ver", {"verify"}),
    ("envbuild realize --link-m", {"--link-mode"}),
    ("envbuild realise --requ", {"--require-link"}),
    ("envbuild build . --out", {"--out-dir", "--output-format"}),
    ("envbuild realize some.lock --link-m", {"--link-mode"}),
    ("envbuild realize --link-mode ", LINK_MODES),
    ("envbuild --color ", {"auto", "always", "never"}),
    ("envbuild store ls --output-format ", {"text", "json"}),
    ("envbuild store ls --js", {"--json"}),
    ("envbuild completion ", {"bash", "zsh", "fish"}),
]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    """Return the name of a shell that is there."""
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"no {name} here")
    return name


def written(shell: str, folder: Path) -> Path:
    path = folder / f"completion.{shell}"
    path.write_text(script(shell, map(load, NAMES), ALIASES) + "\n", encoding="utf-8")
    return path


def output_of(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


def test_the_script_is_accepted(shell: str, tmp_path: Path) -> None:
    path = written(shell, tmp_path)
    assert output_of(shell, *(("-f",) if shell == "zsh" else ()), "-n", str(path)) == ""


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes(tmp_path: Path) -> None:
    commands = [f"source {written('bash', tmp_path)}"]
    cases = [*CASES, ("envbuild realize --link-mode=h", {"hardlink"})]
    for line, _ in cases:
        words = line.replace("=", " = ").split(" ")
        commands += (
            f"COMP_WORDS=({' '.join(map(repr, words))})",
            f"COMP_CWORD={len(words) - 1}",
            "_envbuild",
            'echo "${COMPREPLY[@]}"',
        )
    told = output_of("bash", "-c", "\n".join(commands))
    assert [set(each.split()) for each in told.splitlines()] == [words for _, words in cases]


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_completes(tmp_path: Path) -> None:
    commands = [f"source {written('fish', tmp_path)}"]
    cases = [*CASES, ("envbuild realize --link-mode=h", {"--link-mode=hardlink"})]
    for line, _ in cases:
        commands += (f"complete -C {line!r}", "echo end")
    told = output_of("fish", "--no-config", "-c", "\n".join(commands))
    *blocks, rest = told.split("end\n")
    assert rest == ""
    offered = [{each.split("\t")[0] for each in block.splitlines()} for block in blocks]
    assert offered == [words for _, words in cases]


ZSH_CASES = [
    ("envbuild st", "envbuild store "),
    ("envbuild store v", "envbuild store verify "),
    ("envbuild --store place rea", "envbuild --store place realize "),
    ("envbuild realize --link-m", "envbuild realize --link-mode "),
    ("envbuild realise x --requ", "envbuild realise x --require-link "),
    ("envbuild realize --link-mode h", "envbuild realize --link-mode hardlink "),
    ("envbuild completion z", "envbuild completion zsh "),
]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
def test_zsh_completes(tmp_path: Path) -> None:
    path = written("zsh", tmp_path)
    with Zsh(tmp_path) as zsh:
        zsh.send("unsetopt beep; zle_highlight=(none); autoload -U compinit; compinit -u -D\n")
        zsh.send(f"source {path}; print LOA''DED\n")
        zsh.wait_for("LOADED\r\n")
        for line, completed in ZSH_CASES:
            # A second key shows what the line has become, without running it.
            zsh.send(f"{line}\t")
            zsh.wait_for(completed)
            zsh.send("\x15")


class Zsh:
    """An interactive zsh on a terminal of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.seen = ""

    def __enter__(self) -> Self:
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.home), "TERM": "dumb"}
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(self.home)
            os.execvpe("zsh", ("zsh", "-f", "-i"), environ)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.terminal)
        os.waitpid(self.process, 0)

    def send(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def wait_for(self, text: str) -> None:
        """Read until `text` has been shown, whatever steers the terminal aside."""
        while text not in self.seen:
            ready, _, _ = select.select([self.terminal], [], [], 30)
            assert ready, f"{text!r} never appears in {self.seen!r}"
            self.seen += os.read(self.terminal, 1 << 16).decode()
            self.seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|.\x08", "", self.seen)
        self.seen = self.seen.partition(text)[2]
