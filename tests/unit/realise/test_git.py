"""The environment that git is run in, and what is passed on of what it says."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from envbuild.realise.git import Git, GitFailed, GitMissing, last_words
from support.git_repositories import ENVIRONMENT

if TYPE_CHECKING:
    from pathlib import Path

TO_REACH_OTHERS = {
    "GIT_ASKPASS": "x", "GIT_CONFIG_GLOBAL": "x", "GIT_HTTP_USER_AGENT": "x", "GIT_SSH": "x",
    "GIT_SSH_COMMAND": "x", "GIT_SSL_NO_VERIFY": "1", "GIT_PROXY_COMMAND": "x", "GIT_TRACE": "1",
    "SSH_AUTH_SOCK": "x", "HTTPS_PROXY": "x", "HOME": "x",
}  # fmt: skip
TO_WORK_ON = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_CEILING_DIRECTORIES",
              "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_ATTR_SOURCE", "GIT_EXTERNAL_DIFF")  # fmt: skip


def test_variables_say_how_to_reach_others_and_not_what_to_work_on() -> None:
    git = Git({**TO_REACH_OTHERS, **dict.fromkeys(TO_WORK_ON, "x")})
    assert TO_REACH_OTHERS.items() <= git.environ.items()
    assert set(TO_WORK_ON) & git.environ.keys() == set()
    assert git.environ["GIT_TERMINAL_PROMPT"] == "0"
    assert "GIT_ALLOW_PROTOCOL" not in git.environ


def test_transports_may_be_limited() -> None:
    assert Git({}, protocols=("https", "ssh")).environ["GIT_ALLOW_PROTOCOL"] == "https:ssh"
    assert Git({}, protocols=()).environ["GIT_ALLOW_PROTOCOL"] == ""


def test_secrets_are_added_to_what_is_configured_by_variables(tmp_path: Path) -> None:
    environ = {
        **ENVIRONMENT,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "user.name",
        "GIT_CONFIG_VALUE_0": "Me",
    }
    git = Git(environ, secrets={"https://git.example/": "https://me:s3cret@git.example/"})
    listed = git.run("config", "--list", folder=str(tmp_path)).stdout.decode()
    assert "user.name=Me\n" in listed
    assert "url.https://me:s3cret@git.example/.insteadof=https://git.example/\n" in listed


def test_alone_git_knows_no_configuration(tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Me\n")
    environ = {**ENVIRONMENT, "HOME": str(tmp_path), "GIT_CONFIG_COUNT": "1",
               "GIT_CONFIG_KEY_0": "user.email", "GIT_CONFIG_VALUE_0": "x"}  # fmt: skip
    del environ["GIT_CONFIG_GLOBAL"]
    assert "user.name" in Git(environ).run("config", "--list").stdout.decode()
    assert "user." not in Git.alone(environ).run("config", "--list").stdout.decode()


def test_a_program_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(GitMissing) as caught:
        Git({"PATH": "/nowhere"}).run("version")
    assert caught.value.hint == "install git"


def ended(stderr: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.CompletedProcess((), 128, b"", stderr)


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        (b"fatal: no\n", "fatal: no"),
        (b"remote: a\n\n  fatal: b\n", "remote: a; fatal: b"),
        (b"".join(b"%d\n" % n for n in range(20)), "; ".join(map(str, range(12, 20)))),
        (b"", "git ended with 128"),
        (b"\x1b[31mfatal\x1b[0m\xff", "?[31mfatal?[0m\ufffd"),
        (b"for 'https://me:s3cret@git.example/x'", "for 'https://git.example/x'"),
        (b"for https://s3cret@git.example/", "for https://git.example/"),
    ],
)
def test_the_last_words_are_fit_to_be_shown(stderr: bytes, expected: str) -> None:
    assert last_words(ended(stderr)) == expected


def test_an_error_shows_no_credentials() -> None:
    error = GitFailed("fetch from", "https://me:s3cret@git.example/x", "no")
    assert str(error) == "cannot fetch from `https://git.example/x`: no"
    assert error.repository == "https://git.example/x"
