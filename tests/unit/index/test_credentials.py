from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING

import pytest

from envbuild.index.credentials import Accounts, Credentials, NamedIndex, origin, without_userinfo

if TYPE_CHECKING:
    from pathlib import Path

NETRC = """
machine files.example login netty password from-netrc
machine other.example
  login other
  password else
"""


def pair(credentials: Credentials | None) -> tuple[str, str | None] | None:
    return (credentials.username, credentials.password) if credentials else None


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment whose home folder is empty."""
    return {"HOME": str(tmp_path)}


class TestUrl:
    def test_credentials_in_the_url_come_first(self, home: dict[str, str]) -> None:
        accounts = Accounts([NamedIndex(name="x", url="https://a:b@files.example")], environ=home)
        assert pair(accounts.known("https://u:p@files.example/x")) == ("u", "p")

    def test_percent_escapes_are_decoded(self, home: dict[str, str]) -> None:
        accounts = Accounts(environ=home)
        assert pair(accounts.known("https://u%40x:p%2Fq@files.example/")) == ("u@x", "p/q")

    def test_a_lone_name_takes_the_secret_from_its_index(self, home: dict[str, str]) -> None:
        accounts = Accounts([NamedIndex(name="x", url="https://a:b@files.example")], environ=home)
        assert pair(accounts.known("https://a@files.example/x")) == ("a", "b")
        assert pair(accounts.known("https://c@files.example/x")) == ("c", None)


class TestEnvironment:
    def test_variables_are_named_after_the_index(self, home: dict[str, str]) -> None:
        home |= {"UV_INDEX_MY_REPO_1_USERNAME": "u", "UV_INDEX_MY_REPO_1_PASSWORD": "p"}
        index = NamedIndex(name="my-repo.1", url="https://files.example/simple")
        accounts = Accounts([index], environ=home)
        assert pair(accounts.known("https://files.example/files/x.whl")) == ("u", "p")

    def test_our_own_variables_come_before_uvs(self, home: dict[str, str]) -> None:
        home |= {"UV_INDEX_X_PASSWORD": "uv", "ENVBUILD_INDEX_X_PASSWORD": "ours"}
        accounts = Accounts([NamedIndex(name="x", url="https://u@files.example")], environ=home)
        assert pair(accounts.known("https://files.example/")) == ("u", "ours")

    def test_the_index_above_an_address_is_meant(self, home: dict[str, str]) -> None:
        home |= {"UV_INDEX_A_PASSWORD": "a", "UV_INDEX_B_PASSWORD": "b"}
        indexes = [
            NamedIndex(name="a", url="https://files.example/team-a/simple/"),
            NamedIndex(name="b", url="https://files.example/team-b/+simple"),
        ]
        accounts = Accounts(indexes, environ=home)
        assert pair(accounts.known("https://files.example/team-b/files/x.whl")) == ("", "b")
        assert pair(accounts.known("https://files.example/team-a/x.whl")) == ("", "a")
        assert pair(accounts.known("https://files.example/elsewhere/x.whl")) == ("", "a")

    OTHER_REALMS = (
        "http://files.example/",
        "https://files.example:8443/",
        "https://sub.files.example/",
        "https://files.example.org/",
    )

    @pytest.mark.parametrize("url", OTHER_REALMS)
    def test_another_realm_gets_nothing(self, url: str, home: dict[str, str]) -> None:
        accounts = Accounts([NamedIndex(name=None, url="https://u:p@files.example")], environ=home)
        assert accounts.known(url) is None
        assert accounts.known("https://FILES.example:443/x") is not None


class TestNetrc:
    @pytest.mark.parametrize("name", [".netrc", "_netrc"])
    def test_it_is_found_at_home(self, name: str, home: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / name).write_text(NETRC)
        accounts = Accounts(environ=home)
        assert pair(accounts.known("https://files.example/x")) == ("netty", "from-netrc")
        assert accounts.known("https://unknown.example/x") is None

    def test_the_variable_names_another_file(self, home: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / "elsewhere").write_text("default login d password e\n")
        accounts = Accounts(environ=home | {"NETRC": str(tmp_path / "elsewhere")})
        assert pair(accounts.known("https://anything.example/")) == ("d", "e")

    def test_another_user_name_is_not_served(self, home: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / ".netrc").write_text(NETRC)
        accounts = Accounts(environ=home)
        assert pair(accounts.known("https://netty@files.example/")) == ("netty", "from-netrc")
        assert pair(accounts.known("https://alice@files.example/")) == ("alice", None)

    def test_a_broken_one_is_told_without_its_content(
        self, home: dict[str, str], tmp_path: Path
    ) -> None:
        (tmp_path / ".netrc").write_text("machine files.example\nlogin u hunter2 password p\n")
        accounts = Accounts(environ=home)
        assert accounts.known("https://files.example/") is None
        (complaint,) = accounts.complaints
        assert "netrc" in complaint
        assert "hunter2" not in complaint


class TestKeyring:
    @pytest.fixture
    def program(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A `keyring` program that knows one secret and writes down what it is asked."""
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "keyring"
        program.write_text(
            f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n'
            'case "$*" in\n'
            '"get files.example:8443 alice") echo secret;;\n'
            '"--mode creds get https://files.example/simple") printf "bob\\nsecret two\\n";;\n'
            "*) exit 1;; esac\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(folder), prepend=":")
        return tmp_path / "asked"

    def test_the_program_is_asked_by_host_for_a_known_user(
        self, program: Path, home: dict[str, str]
    ) -> None:
        accounts = Accounts(environ=home, keyring="subprocess")
        url = "https://alice@files.example:8443/x"
        assert pair(accounts.ask_keyring(url)) == ("alice", "secret")
        assert pair(accounts.known(url)) == ("alice", "secret")

    def test_the_program_is_asked_by_index_for_both(
        self, program: Path, home: dict[str, str]
    ) -> None:
        indexes = [NamedIndex(name=None, url="https://files.example/simple")]
        accounts = Accounts(indexes, environ=home, keyring="subprocess")
        for name in ("x", "y"):
            found = accounts.ask_keyring(f"https://files.example/files/{name}")
            assert pair(found) == ("bob", "secret two")
        assert program.read_text() == "--mode creds get https://files.example/simple\n"

    def test_nothing_found_is_remembered_too(self, program: Path, home: dict[str, str]) -> None:
        accounts = Accounts(environ=home, keyring="subprocess")
        for _ in range(2):
            assert accounts.ask_keyring("https://unknown.example/") is None
        assert program.read_text() == "--mode creds get unknown.example\n"

    def test_a_missing_program_is_told(
        self, home: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        accounts = Accounts(environ=home, keyring="subprocess")
        assert accounts.ask_keyring("https://files.example/") is None
        assert "keyring" in accounts.complaints[0]

    def test_the_library_is_asked_where_it_is_installed(
        self, home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "keyring.py").write_text(
            "class Found: username, password = 'lib', 'secret'\n"
            "def get_password(service, username): return f'{username} at {service}'\n"
            "def get_credential(service, username):\n"
            "    if service == 'broken.example': raise RuntimeError('hunter2')\n"
            "    return Found if service == 'files.example' else None\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "keyring", raising=False)
        accounts = Accounts(environ=home)
        try:
            assert pair(accounts.ask_keyring("https://files.example/")) == ("lib", "secret")
            found = accounts.ask_keyring("https://u@files.example/")
            assert pair(found) == ("u", "u at files.example")
            assert accounts.ask_keyring("https://broken.example/") is None
            assert "hunter2" not in "".join(accounts.complaints)
        finally:
            sys.modules.pop("keyring", None)

    def test_disabled_means_not_asked(self, program: Path, home: dict[str, str]) -> None:
        accounts = Accounts(environ=home, keyring="disabled")
        assert accounts.ask_keyring("https://alice@files.example:8443/x") is None
        assert not program.exists()


def test_no_representation_shows_a_secret() -> None:
    credentials = Credentials(username="token-as-name", password="hunter2")
    index = NamedIndex(name="x", url="https://token-as-name:hunter2@files.example/")
    shown = f"{credentials!r} {credentials} {index!r} {Accounts([index], environ={})!r}"
    assert "hunter2" not in shown
    assert "token-as-name" not in shown


def test_the_header_is_that_of_rfc_7617() -> None:
    credentials = Credentials(username="Aladdin", password="open sesame")
    assert credentials.authorization() == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_userinfo_does_not_go_over_the_wire() -> None:
    assert without_userinfo("https://u:p@a.example:1/x?y#z") == "https://a.example:1/x?y#z"
    assert origin("HTTPS://u:p@A.example/x") == ("https", "a.example", 443)
