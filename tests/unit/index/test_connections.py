"""Over the client, from whose side one sees no connections: the servers count them."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from envbuild.frozen import replace
from envbuild.index.answer import TransferFailed
from envbuild.index.client import Client
from envbuild.index.credentials import Accounts
from envbuild.index.http_settings import HttpSettings
from support.http2_server import (
    Fault,
    GoAway,
    HangUp,
    Http2Server,
    Refuse,
    Reset,
    Short,
    Stall,
    Unannounced,
)
from support.index_server import Certificate, Drop, IndexServer, make_certificate
from support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL = bytes(range(256)) * 80
LARGE = bytes(range(256)) * 8000
CONTENTS = {"/small": SMALL, "/large": LARGE}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def server(certificate: Certificate) -> Iterator[Http2Server]:
    with Http2Server(CONTENTS, certificate) as server:
        yield server


@pytest.fixture
def client(certificate: Certificate) -> Iterator[Client]:
    with trusting(certificate) as client:
        yield client


@contextmanager
def trusting(certificate: Certificate, **settings: object) -> Iterator[Client]:
    values = HttpSettings(timeout=10.0, authorities_file=certificate.authority)
    with Client(replace(values, **settings), Accounts(environ={"HOME": "/nowhere"})) as client:
        yield client


def read(client: Client, url: str) -> bytes:
    with client.get(url, {}) as answer:
        if answer.status != 200:
            raise answer.failure()
        return b"".join(answer.chunks())


def failure(client: Client, url: str) -> TransferFailed:
    with pytest.raises(TransferFailed) as caught:
        read(client, url)
    return caught.value


class TestProtocols:
    def test_a_server_that_has_http2_is_spoken_to_in_it(
        self, server: Http2Server, client: Client
    ) -> None:
        assert read(client, f"{server.url}/small") == SMALL
        assert read(client, f"{server.url}/large") == LARGE
        assert [asked.path for asked in server.asked] == ["/small", "/large"]
        assert server.connections == 1

    def test_a_server_that_has_not_is_spoken_to_in_http1(
        self, certificate: Certificate, client: Client, tmp_path: Path
    ) -> None:
        (tmp_path / "x-1.0.tar.gz").write_bytes(SMALL)
        with IndexServer(tmp_path, certificate=certificate) as server:
            assert read(client, server.file_url("x-1.0.tar.gz")) == SMALL

    def test_http2_goes_through_a_tunnel(
        self, server: Http2Server, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Proxy() as proxy:
            monkeypatch.setenv("https_proxy", proxy.url)
            assert read(client, f"{server.url}/large") == LARGE
            assert proxy.seen == [f"CONNECT 127.0.0.1:{server.port}"]
        assert len(server.asked) == 1

    def test_certificates_of_exempt_hosts_are_not_checked(
        self, server: Http2Server, certificate: Certificate
    ) -> None:
        exempt = f"127.0.0.1:{server.port}"
        with trusting(certificate, authorities_file=None, insecure_hosts=(exempt,)) as client:
            assert read(client, f"{server.url}/small") == SMALL

    def test_http2_is_loaded_when_a_server_has_it(
        self, server: Http2Server, certificate: Certificate, tmp_path: Path
    ) -> None:
        (tmp_path / "x-1.0.tar.gz").write_bytes(SMALL)
        program = """
            import sys
            from envbuild.index.client import Client
            from envbuild.index.credentials import Accounts
            from envbuild.index.http_settings import HttpSettings

            settings = HttpSettings(authorities_file=sys.argv[1])
            with Client(settings, Accounts(environ={})) as client:
                for url in sys.argv[2:]:
                    with client.get(url, {}) as answer:
                        size = sum(map(len, answer.chunks()))
                    print(answer.status, size, "h2" in sys.modules, "hpack" in sys.modules)
            print({"click", "rich"} & set(sys.modules))
        """
        with (
            IndexServer(tmp_path) as plain,
            IndexServer(tmp_path, certificate=certificate) as secure,
        ):
            urls = [
                plain.file_url("x-1.0.tar.gz"),
                secure.file_url("x-1.0.tar.gz"),
                f"{server.url}/small",
            ]
            done = subprocess.run(
                [sys.executable, "-I", "-c", dedent(program), certificate.authority, *urls],
                check=True,
                capture_output=True,
                text=True,
            )
        size = len(SMALL)
        assert done.stdout.splitlines() == [
            f"200 {size} False False",
            f"200 {size} False False",
            f"200 {size} True True",
            "set()",
        ]


class TestThreads:
    def test_thousands_of_requests_from_sixteen_threads(
        self, server: Http2Server, client: Client
    ) -> None:
        with ThreadPoolExecutor(16) as pool:
            bodies = pool.map(lambda _: read(client, f"{server.url}/small"), range(2000))
            assert all(body == SMALL for body in bodies)
        assert len(server.asked) == 2000
        assert server.connections <= 16
        assert {asked.at_once for asked in server.asked} == {1}

    def test_servers_may_end_connections_all_the_time(self, certificate: Certificate) -> None:
        with (
            Http2Server(CONTENTS, certificate, lifetime=7) as server,
            trusting(certificate) as client,
            ThreadPoolExecutor(16) as pool,
        ):
            bodies = pool.map(lambda _: read(client, f"{server.url}/small"), range(500))
            assert all(body == SMALL for body in bodies)
        assert server.connections > 500 // 7

    def test_no_more_are_open_than_allowed(
        self, server: Http2Server, certificate: Certificate
    ) -> None:
        opened = set()
        with trusting(certificate, connections=2) as client, ThreadPoolExecutor(8) as pool:

            def one(_: int) -> bytes:
                with client.get(f"{server.url}/small", {}) as answer:
                    opened.add(server.open)
                    return b"".join(answer.chunks())

            assert list(pool.map(one, range(40))) == [SMALL] * 40
        assert max(opened) <= 2

    def test_the_oldest_makes_room_for_another_server(self, certificate: Certificate) -> None:
        with (
            Http2Server(CONTENTS, certificate) as one,
            Http2Server(CONTENTS, certificate) as two,
            trusting(certificate, connections=1) as client,
        ):
            for server in (one, two, one):
                assert read(client, f"{server.url}/small") == SMALL
            assert (one.connections, two.connections) == (2, 1)
            assert two.wait_for_open(0)


class TestEnds:
    """What servers do to connections, and what becomes of the requests."""

    @pytest.mark.parametrize(
        "end", [GoAway(), Refuse(), HangUp()], ids=["last", "refused", "silent"]
    )
    def test_a_kept_connection_that_ended_is_replaced(
        self, end: Fault, server: Http2Server, client: Client
    ) -> None:
        server.fail(None, end)
        for _ in range(3):
            assert read(client, f"{server.url}/small") == SMALL
        assert server.connections == 2

    def test_http1_too(self, client: Client, tmp_path: Path) -> None:
        (tmp_path / "x-1.0.tar.gz").write_bytes(SMALL)
        with IndexServer(tmp_path) as server:
            url = server.file_url("x-1.0.tar.gz")
            assert read(client, url) == SMALL
            server.fail("*", Drop())
            assert read(client, url) == SMALL
            assert [seen.status for seen in server.seen()] == [200, 0, 200]

    def test_a_new_connection_that_ends_is_a_failure(
        self, server: Http2Server, client: Client
    ) -> None:
        server.fail(GoAway())
        error = failure(client, f"{server.url}/small")
        assert error.passing
        assert len(server.asked) == 1

    BREAKS = (
        # It depends on what is read in one piece whether the library tells why.
        (GoAway(after=100_000), r"the server ended the connection \(NO_ERROR\)|HTTP/2 broke"),
        (Reset(after=100_000), r"the server broke off \(INTERNAL_ERROR\)"),
        (Short(after=100_000), r"HTTP/2 broke: .*, received 100000"),
    )

    @pytest.mark.parametrize(("fault", "reason"), BREAKS, ids=["connection", "stream", "length"])
    def test_a_body_that_breaks_is_a_failure_that_may_pass(
        self, fault: Fault, reason: str, server: Http2Server, client: Client
    ) -> None:
        server.fail(fault)
        error = failure(client, f"{server.url}/large")
        assert error.passing
        assert re.match(reason, error.reason)
        assert read(client, f"{server.url}/large") == LARGE

    def test_silence_is_given_up(self, server: Http2Server, certificate: Certificate) -> None:
        server.fail(Stall(after=10))
        with trusting(certificate, timeout=0.2) as client:
            assert failure(client, f"{server.url}/small").reason == "no data within 0.2 s"

    def test_transfers_can_be_broken_from_outside(
        self, server: Http2Server, client: Client
    ) -> None:
        server.fail(Stall(after=10))
        answer = client.get(f"{server.url}/small", {})
        threading.Timer(0.05, client.abort).start()
        with answer, pytest.raises(TransferFailed):
            list(answer.chunks())


class TestUnreadBodies:
    @pytest.mark.parametrize("fault", [None, Unannounced()], ids=["length", "no length"])
    def test_short_ones_are_read_over(
        self, fault: Fault | None, server: Http2Server, client: Client
    ) -> None:
        for _ in range(3):
            server.fail(fault)
            with client.get(f"{server.url}/missing", {}) as answer:
                assert answer.status == 404
        assert server.connections == 1

    @pytest.mark.parametrize("fault", [None, Unannounced()], ids=["length", "no length"])
    def test_long_ones_cost_the_connection(
        self, fault: Fault | None, server: Http2Server, client: Client
    ) -> None:
        for _ in range(30):
            server.fail(fault)
            with client.get(f"{server.url}/large", {}) as answer:
                assert answer.status == 200
        assert read(client, f"{server.url}/large") == LARGE
        assert server.connections == 31
        assert server.wait_for_open(1)

    def test_so_do_those_that_were_begun(self, server: Http2Server, client: Client) -> None:
        with client.get(f"{server.url}/large", {}) as answer:
            next(answer.chunks())
        assert read(client, f"{server.url}/small") == SMALL
        assert server.connections == 2

    def test_an_answer_may_be_closed_twice(
        self, server: Http2Server, certificate: Certificate
    ) -> None:
        with trusting(certificate, connections=1) as client:
            with client.get(f"{server.url}/small", {}) as answer:
                answer.close()
            first = client.get(f"{server.url}/small", {})
            waiting = threading.Thread(target=read, args=(client, f"{server.url}/small"))
            waiting.start()
            waiting.join(0.1)
            assert waiting.is_alive()
            first.close()
            waiting.join()
        assert server.connections == 1


class TestClosing:
    def test_nothing_stays_open(self, server: Http2Server, certificate: Certificate) -> None:
        with trusting(certificate) as client, ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: read(client, f"{server.url}/small"), range(20)))
            assert server.open > 0
        assert server.wait_for_open(0)

    def test_what_is_lent_is_closed_when_it_comes_back(
        self, server: Http2Server, certificate: Certificate
    ) -> None:
        with trusting(certificate) as client:
            answer = client.get(f"{server.url}/small", {})
        with answer:
            assert b"".join(answer.chunks()) == SMALL
        assert server.wait_for_open(0)
