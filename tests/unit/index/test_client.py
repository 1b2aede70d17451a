from __future__ import annotations

import logging
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from envbuild import __version__
from envbuild.frozen import replace
from envbuild.index.answer import TransferFailed
from envbuild.index.client import Client, Offline
from envbuild.index.credentials import Accounts, NamedIndex
from envbuild.index.http_settings import BadSetting, HttpSettings
from support.index_server import (
    Certificate,
    Drop,
    IndexServer,
    Redirect,
    Stall,
    Status,
    make_certificate,
)
from support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = bytes(range(256)) * 500
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "x-1.0.tar.gz").write_bytes(CONTENT)
    return folder


@pytest.fixture
def server(folder: Path) -> Iterator[IndexServer]:
    with IndexServer(folder) as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def accounts(*indexes: NamedIndex, **environ: str) -> Accounts:
    return Accounts(indexes, environ={"HOME": "/nowhere", **environ})


def read(client: Client, url: str) -> bytes:
    with client.get(url, {}) as answer:
        if answer.status != 200:
            raise answer.failure()
        return b"".join(answer.chunks())


def get(url: str, who: Accounts | None = None, **settings: object) -> bytes:
    values = replace(HttpSettings(timeout=5.0), **settings)
    with Client(values, who or accounts()) as client:
        return read(client, url)


def failure(url: str, who: Accounts | None = None, **settings: object) -> TransferFailed:
    with pytest.raises(TransferFailed) as caught:
        get(url, who, **settings)
    return caught.value


class TestRequests:
    def test_a_body_comes_as_it_is(self, server: IndexServer) -> None:
        assert get(server.file_url("x-1.0.tar.gz")) == CONTENT
        (seen,) = server.seen()
        assert seen.headers["user-agent"] == f"envbuild/{__version__}"
        assert "authorization" not in seen.headers

    def test_one_connection_serves_several_requests(self, server: IndexServer) -> None:
        with Client(HttpSettings(connections=1), accounts()) as client:
            for name in ("x-1.0.tar.gz", "missing", "x-1.0.tar.gz"):
                with client.get(server.file_url(name), {}) as answer:
                    assert answer.status == (404 if name == "missing" else 200)
                    list(answer.chunks())

    def test_several_threads_share_a_client(self, server: IndexServer) -> None:
        bodies: list[bytes] = []
        with Client(HttpSettings(connections=3), accounts()) as client:
            url = server.file_url("x-1.0.tar.gz")
            threads = [
                threading.Thread(target=lambda: bodies.append(read(client, url))) for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert bodies == [CONTENT] * 8

    def test_a_refused_connection_may_pass(self, folder: Path) -> None:
        with IndexServer(folder) as server:
            url = server.file_url("x-1.0.tar.gz")
        error = failure(url)
        assert error.passing
        assert error.status is None

    def test_a_dropped_connection_may_pass(self, server: IndexServer) -> None:
        server.fail("*", Drop())
        assert failure(server.index_url).passing

    def test_silence_is_given_up(self, server: IndexServer) -> None:
        server.fail("*", Stall())
        error = failure(server.file_url("x-1.0.tar.gz"), timeout=0.05)
        assert error.passing
        assert error.reason == "no data within 0.05 s"

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:port/x", "http://[::1/x", "http://127.0.0.1:99999/x"]
    )
    def test_what_is_no_url_does_not_pass(self, url: str) -> None:
        assert not failure(url).passing

    def test_offline_means_no_request(self, server: IndexServer) -> None:
        with pytest.raises(Offline, match="offline"):
            get(server.index_url, offline=True)
        assert server.seen() == []

    def test_transfers_can_be_broken_from_outside(self, server: IndexServer) -> None:
        server.fail("*", Stall(after=10))
        with Client(HttpSettings(timeout=60.0), accounts()) as client:
            answer = client.get(server.file_url("x-1.0.tar.gz"), {})
            threading.Timer(0.05, client.abort).start()
            with answer, pytest.raises(TransferFailed):
                list(answer.chunks())


class TestStatuses:
    CASES = (
        (404, None, False, 0.0),
        (403, None, False, 0.0),
        (500, None, True, 0.0),
        (503, "7", True, 7.0),
        (429, "Wed, 21 Oct 2015 07:28:00 GMT", True, 0.0),
        (429, "soon", True, 0.0),
        (429, "3600", False, 3600.0),
        (408, None, True, 0.0),
        (404, "7", False, 0.0),
    )

    @pytest.mark.parametrize(("status", "after", "passing", "wait"), CASES)
    def test_a_status_says_whether_it_may_pass(
        self,
        status: int,
        after: str | None,
        passing: bool,
        wait: float,
        server: IndexServer,
    ) -> None:
        server.fail("*", Status(status, retry_after=after))
        error = failure(server.index_url)
        assert (error.status, error.passing, error.wait) == (status, passing, wait)
        assert str(status) in error.reason


class TestRedirects:
    def test_they_are_followed(self, server: IndexServer) -> None:
        server.fail("/a", Redirect("/b", 301))
        server.fail("/b", Redirect(server.file_url("x-1.0.tar.gz"), 307))
        assert get(f"{server.url}/a") == CONTENT

    def test_not_for_ever(self, server: IndexServer) -> None:
        server.always("*", Redirect("/a"))
        assert "redirects" in failure(f"{server.url}/a").reason
        assert len(server.seen()) == 10

    def test_not_to_other_schemes(self, server: IndexServer) -> None:
        server.always("*", Redirect("file:///etc/passwd"))
        assert "`file`" in failure(f"{server.url}/a").reason

    def test_not_from_tls_to_plain_text(
        self, server: IndexServer, folder: Path, certificate: Certificate
    ) -> None:
        with IndexServer(folder, certificate=certificate) as secure:
            secure.always("/a", Redirect(server.file_url("x-1.0.tar.gz")))
            trust = certificate.authority
            error = failure(f"{secure.url}/a", authorities_file=trust)
            assert "from `https` to `http`" in error.reason
            assert not error.passing
            assert server.seen() == []
            allowed = f"127.0.0.1:{server.port}"
            content = get(f"{secure.url}/a", authorities_file=trust, insecure_hosts=(allowed,))
            assert content == CONTENT

    def test_credentials_stay_with_their_host(self, server: IndexServer) -> None:
        elsewhere = server.file_url("x-1.0.tar.gz").replace("127.0.0.1", "localhost")
        server.always("/a", Redirect(elsewhere))
        url = f"{server.url}/a".replace("://", "://alice:hunter2@")
        assert get(url) == CONTENT
        first, second = server.seen()
        assert "authorization" in first.headers
        assert "authorization" not in second.headers

    def test_the_new_host_gets_its_own(self, server: IndexServer) -> None:
        elsewhere = server.file_url("x-1.0.tar.gz").replace("127.0.0.1", "localhost")
        server.always("/a", Redirect(elsewhere))
        index = NamedIndex(name="there", url=elsewhere)
        who = accounts(index, UV_INDEX_THERE_USERNAME="u", UV_INDEX_THERE_PASSWORD="p")
        assert get(f"{server.url}/a", who) == CONTENT
        first, second = server.seen()
        assert "authorization" not in first.headers
        assert "authorization" in second.headers


class TestRefusals:
    @pytest.fixture
    def private(self, folder: Path) -> Iterator[IndexServer]:
        with IndexServer(folder, accounts={"/": ("alice", "hunter2")}) as server:
            yield server

    def test_netrc_is_sent_at_once(self, private: IndexServer, tmp_path: Path) -> None:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login alice password hunter2")
        who = accounts(NETRC=str(tmp_path / "netrc"))
        assert get(private.file_url("x-1.0.tar.gz"), who) == CONTENT
        assert [seen.status for seen in private.seen()] == [200]

    def test_the_keyring_is_asked_after_a_refusal(
        self, private: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = tmp_path / "keyring"
        program.write_text('#!/bin/sh\nprintf "alice\\nhunter2\\n"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        who = Accounts(environ={"HOME": "/nowhere"}, keyring="subprocess")
        url = private.file_url("x-1.0.tar.gz")
        with Client(HttpSettings(), who) as client:
            assert read(client, url) == CONTENT
            assert read(client, url) == CONTENT
        assert [seen.status for seen in private.seen()] == [401, 200, 200]

    def test_the_hint_says_what_was_tried(self, private: IndexServer, tmp_path: Path) -> None:
        (tmp_path / "netrc").write_text("machine")
        url = private.file_url("x-1.0.tar.gz")
        nobody = failure(url, accounts(NETRC=str(tmp_path / "netrc")))
        assert nobody.hint is not None
        assert nobody.hint.startswith("no credentials for `127.0.0.1` were found; ")
        assert "netrc" in nobody.hint
        wrong = failure(url.replace("://", "://alice:hunter3@"))
        assert wrong.hint == "the credentials for `127.0.0.1` were refused"
        assert not wrong.passing


class TestTrust:
    @pytest.fixture
    def secure(self, folder: Path, certificate: Certificate) -> Iterator[IndexServer]:
        with IndexServer(folder, certificate=certificate) as server:
            yield server

    def test_the_environment_names_authorities(
        self, secure: IndexServer, certificate: Certificate
    ) -> None:
        settings = HttpSettings.from_environment({"SSL_CERT_FILE": certificate.authority})
        with Client(settings, accounts()) as client:
            assert read(client, secure.file_url("x-1.0.tar.gz")) == CONTENT

    def test_a_folder_of_authorities_will_do(
        self, secure: IndexServer, certificate: Certificate, tmp_path: Path
    ) -> None:
        digest = subprocess.run(
            ["openssl", "x509", "-hash", "-noout", "-in", certificate.authority],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        (tmp_path / f"{digest}.0").symlink_to(certificate.authority)
        settings = HttpSettings.from_environment({"SSL_CERT_DIR": str(tmp_path)})
        with Client(settings, accounts()) as client:
            assert read(client, secure.file_url("x-1.0.tar.gz")) == CONTENT

    def test_the_system_does_not_trust_just_anybody(self, secure: IndexServer) -> None:
        error = failure(secure.file_url("x-1.0.tar.gz"))
        assert "the certificate of `127.0.0.1` is not trusted" in error.reason
        assert not error.passing
        assert "SSL_CERT_FILE" in str(error.hint)

    def test_another_authority_is_refused(self, secure: IndexServer, tmp_path: Path) -> None:
        other = make_certificate(tmp_path)
        error = failure(secure.file_url("x-1.0.tar.gz"), authorities_file=other.authority)
        assert not error.passing
        assert secure.seen() == []

    @pytest.mark.parametrize("port", [False, True])
    def test_a_host_can_be_exempted(self, port: bool, secure: IndexServer) -> None:
        host = f"127.0.0.1:{secure.port}" if port else "127.0.0.1"
        content = get(secure.file_url("x-1.0.tar.gz"), insecure_hosts=(host,))
        assert content == CONTENT
        assert not failure(secure.file_url("x"), insecure_hosts=("localhost",)).passing

    @pytest.mark.parametrize("content", [None, "no certificate"])
    def test_unreadable_authorities_are_named(
        self, content: str | None, secure: IndexServer, tmp_path: Path
    ) -> None:
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_text(content)
        with pytest.raises(BadSetting, match=r"SSL_CERT_FILE.*ca\.pem"):
            get(secure.index_url, authorities_file=str(path))


class TestProxies:
    def test_plain_requests_go_through(
        self, server: IndexServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = server.file_url("x-1.0.tar.gz")
        with Proxy() as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            assert get(url) == CONTENT
            assert proxy.seen == [f"GET {url}"]

    def test_tls_goes_through_a_tunnel(
        self, folder: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with (
            IndexServer(folder, certificate=certificate) as secure,
            Proxy(account=("p", "hunter2")) as proxy,
        ):
            monkeypatch.setenv("ALL_PROXY", proxy.url.replace("://", "://p:hunter2@"))
            url = secure.file_url("x-1.0.tar.gz")
            assert get(url, authorities_file=certificate.authority) == CONTENT
            assert proxy.seen == [f"CONNECT 127.0.0.1:{secure.port}"]

    def test_exempt_hosts_do_not(
        self, server: IndexServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Proxy() as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            assert get(server.file_url("x-1.0.tar.gz")) == CONTENT
            assert proxy.seen == []

    def test_a_proxy_that_refuses_us_is_not_asked_again(
        self, folder: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with (
            IndexServer(folder, certificate=certificate) as secure,
            Proxy(account=("p", "q")) as proxy,
        ):
            monkeypatch.setenv("https_proxy", proxy.url.replace("://", "://p:hunter2@"))
            error = failure(secure.index_url)
            assert "407" in error.reason
            assert not error.passing
            assert "hunter2" not in str(error)


def test_no_log_shows_a_secret(server: IndexServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    elsewhere = server.url.replace("://", "://bob:hunter3@").replace("127.0.0.1", "localhost")
    server.fail("/a", Redirect(f"{server.url}/b"))
    server.fail("/b", Status(401))
    server.fail("/c", Drop())
    who = accounts(NamedIndex(name=None, url=elsewhere))
    for url in (
        f"{server.url}/a".replace("://", "://alice:hunter2@"),
        f"{server.url}/c".replace("://", "://alice:hunter2@"),
        f"{server.url}/d".replace("127.0.0.1", "localhost"),
        "http://alice:hunter2@127.0.0.1:port/",
    ):
        error: BaseException | None = failure(url, who)
        while error is not None:
            assert "hunter" not in f"{error} {error!r} {vars(error)}"
            error = error.__cause__
    assert any("authorization" in seen.headers for seen in server.seen("/d"))
    assert caplog.records
    for record in caplog.records:
        assert "hunter" not in record.getMessage()
        assert "aHVudGVy" not in record.getMessage()


def test_nothing_heavy_is_imported_before_the_first_request() -> None:
    program = (
        "import sys; from envbuild.index.client import Client;"
        "from envbuild.index.http_settings import HttpSettings;"
        "from envbuild.index.credentials import Accounts;"
        "Client(HttpSettings(), Accounts(environ={}));"
        "print(sorted({'h2', 'httpx', 'httpcore', 'truststore', 'netrc', 'ssl'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
