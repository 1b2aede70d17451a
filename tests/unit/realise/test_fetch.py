from __future__ import annotations

import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from envbuild.events import (
    BytesFetched,
    Event,
    FetchFinished,
    FetchRetried,
    FetchStarted,
    Notice,
    WaitingFor,
)
from envbuild.frozen import replace
from envbuild.index.client import Client, Offline
from envbuild.index.credentials import Accounts
from envbuild.index.http_settings import HttpSettings
from envbuild.index.mirrors import Mirrors
from envbuild.realise.fetch import (
    FetchCancelled,
    Fetched,
    Fetcher,
    FetchFailed,
    HashMismatch,
    PartialUnwritable,
    SizeMismatch,
    UnsupportedHash,
)
from support.http2_server import GoAway, Http2Server, Reset
from support.index_server import (
    Certificate,
    ClaimLength,
    Corrupt,
    Cut,
    Drop,
    Fault,
    IndexServer,
    NoRanges,
    Redirect,
    Stall,
    Status,
    Unframed,
    make_certificate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = "x-1.0-py3-none-any.whl"
SMALL = random.Random(1).randbytes(100_000)
LARGE = random.Random(2).randbytes(3_000_000)
QUICK = HttpSettings(timeout=10.0, backoff=0.001)


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Events(list[Event]):
    """A reporter that remembers, and may act on what it hears."""

    def __init__(self, act: Callable[[Event], None] = lambda _: None) -> None:
        super().__init__()
        self._act = act

    def report(self, event: Event) -> None:
        self.append(event)
        self._act(event)

    def offsets(self) -> list[int]:
        return [event.offset for event in self if isinstance(event, FetchStarted)]

    def bytes(self) -> int:
        return sum(event.count for event in self if isinstance(event, BytesFetched))


class Setting:
    """A folder of archives, a server over it, and the folder where unfinished files are kept."""

    def __init__(self, root: Path, server: IndexServer) -> None:
        self.root = root
        self.server = server
        self.events = Events()

    @property
    def partial(self) -> Path:
        return self.root / "partial"

    def offer(self, content: bytes, name: str = NAME) -> None:
        (self.root / "dist" / name).write_bytes(content)

    @contextmanager
    def fetcher(self, *mirrors: str, **settings: object) -> Iterator[Fetcher]:
        values = replace(QUICK, **settings)
        with Client(values, Accounts(environ={"HOME": "/nowhere"})) as client:
            yield Fetcher(
                client,
                folder=str(self.partial),
                mirrors=Mirrors.parse(mirrors),
                reporter=self.events,
            )

    def fetch(
        self,
        content: bytes | None = None,
        *mirrors: str,
        url: str | None = None,
        size: int | None = None,
        locked_hash: str | None = None,
        **settings: object,
    ) -> tuple[bytes, Fetched]:
        """Fetch `NAME`, with the hash and size of `content` unless they are given."""
        if content is not None:
            size = len(content) if size is None else size
            locked_hash = locked_hash or sha256(content)
        with self.fetcher(*mirrors, **settings) as fetcher:
            fetched = fetcher.fetch(
                url or self.server.file_url(NAME),
                name=NAME,
                locked_hash=locked_hash,
                locked_size=size,
            )
            with fetched:
                return fetched.file.read(), fetched

    def left(self) -> list[str]:
        return sorted(os.listdir(self.partial)) if self.partial.exists() else []

    def sent(self) -> int:
        return sum(seen.sent for seen in self.server.seen())

    def statuses(self) -> list[int]:
        return [seen.status for seen in self.server.seen()]


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    (tmp_path / "dist").mkdir()
    with IndexServer(tmp_path / "dist") as server:
        yield Setting(tmp_path, server)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


class TestTransfers:
    @pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
    @pytest.mark.parametrize("locked", ["hash and size", "hash", "size", "nothing"])
    def test_an_archive_is_handed_out_whole(
        self, content: bytes, locked: str, setting: Setting
    ) -> None:
        setting.offer(content)
        read, fetched = setting.fetch(
            locked_hash=sha256(content) if "hash" in locked else None,
            size=len(content) if "size" in locked else None,
        )
        assert read == content
        assert f"sha256:{fetched.sha256}" == sha256(content)
        assert fetched.size == len(content)
        assert setting.left() == []
        assert setting.statuses() == [200]

    @pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
    def test_the_file_is_seekable_and_has_a_descriptor(
        self, content: bytes, setting: Setting
    ) -> None:
        setting.offer(content)
        with (
            setting.fetcher() as fetcher,
            fetcher.fetch(
                setting.server.file_url(NAME),
                name=NAME,
                locked_hash=sha256(content),
                locked_size=len(content),
            ) as fetched,
        ):
            assert os.pread(fetched.file.fileno(), 10, 1000) == content[1000:1010]
            fetched.file.seek(-10, os.SEEK_END)
            assert fetched.file.read() == content[-10:]

    def test_progress_is_reported(self, setting: Setting) -> None:
        setting.offer(LARGE)
        setting.fetch(LARGE)
        assert setting.events[0] == FetchStarted(name=NAME, size=len(LARGE), offset=0)
        assert setting.events[-1] == FetchFinished(name=NAME, size=len(LARGE))
        assert setting.events.bytes() == len(LARGE)

    def test_sixteen_at_once(self, setting: Setting) -> None:
        contents = {
            f"p{n}-1.0-py3-none-any.whl": SMALL[n:] + LARGE[: n * 40_000] for n in range(48)
        }
        for name, content in contents.items():
            setting.offer(content, name)
        with setting.fetcher() as fetcher, ThreadPoolExecutor(16) as pool:

            def one(name: str) -> bool:
                url, content = setting.server.file_url(name), contents[name]
                with fetcher.fetch(
                    url, name=name, locked_hash=sha256(content), locked_size=len(content)
                ) as fetched:
                    return fetched.file.read() == content

            assert all(pool.map(one, contents))
        assert setting.left() == []

    def test_the_server_is_asked_not_to_compress(self, setting: Setting) -> None:
        setting.offer(SMALL)
        setting.fetch(SMALL)
        assert setting.server.seen()[0].headers["accept-encoding"] == "identity"


class TestHttp2:
    @contextmanager
    def fetcher(
        self, server: Http2Server, certificate: Certificate, folder: Path, events: Events
    ) -> Iterator[Callable[[str], bytes]]:
        settings = replace(QUICK, authorities_file=certificate.authority)
        with server, Client(settings, Accounts(environ={"HOME": "/nowhere"})) as client:
            fetcher = Fetcher(client, folder=str(folder), reporter=events)

            def fetch(path: str) -> bytes:
                content = server.contents[path]
                with fetcher.fetch(
                    server.url + path,
                    name=NAME,
                    locked_hash=sha256(content),
                    locked_size=len(content),
                ) as fetched:
                    return fetched.file.read()

            yield fetch

    @pytest.mark.parametrize(
        "fault", [GoAway(after=2_000_000), Reset(after=2_000_000)], ids=["connection", "stream"]
    )
    def test_a_body_that_breaks_is_continued(
        self, fault: GoAway | Reset, certificate: Certificate, tmp_path: Path
    ) -> None:
        server, events = Http2Server({"/x": LARGE}, certificate), Events()
        server.fail(fault)
        with self.fetcher(server, certificate, tmp_path, events) as fetch:
            assert fetch("/x") == LARGE
        first, second = server.asked
        assert "range" not in first.headers
        kept = int(second.headers["range"].removeprefix("bytes=").removesuffix("-"))
        assert 1_000_000 < kept <= 2_000_000
        assert events.offsets() == [0, kept]
        assert events.bytes() == len(LARGE)
        assert [event.attempt for event in events if isinstance(event, FetchRetried)] == [1]

    def test_sixteen_at_once_while_connections_end(
        self, certificate: Certificate, tmp_path: Path
    ) -> None:
        contents = {f"/{n}": SMALL[n:] + LARGE[: n * 20_000] for n in range(64)}
        server, events = Http2Server(contents, certificate, lifetime=3), Events()
        with (
            self.fetcher(server, certificate, tmp_path, events) as fetch,
            ThreadPoolExecutor(16) as pool,
        ):
            assert list(pool.map(fetch, contents)) == list(contents.values())
        assert server.connections > 64 // 3


class TestHashes:
    ACCEPTED = (
        ("md5", hashlib.md5),
        ("sha256", hashlib.sha256),
        ("sha384", hashlib.sha384),
        ("sha512", hashlib.sha512),
        ("blake2b", hashlib.blake2b),
        ("blake2b", lambda content: hashlib.blake2b(content, digest_size=32)),
    )

    @pytest.mark.parametrize(("algorithm", "function"), ACCEPTED)
    def test_the_algorithm_of_the_lock_is_used_and_sha256_given(
        self, algorithm: str, function: Callable[[bytes], hashlib._Hash], setting: Setting
    ) -> None:
        setting.offer(SMALL)
        locked = f"{algorithm}:{function(SMALL).hexdigest()}"
        _, fetched = setting.fetch(locked_hash=locked)
        assert f"sha256:{fetched.sha256}" == sha256(SMALL)
        setting.offer(SMALL + b"!")
        with pytest.raises(HashMismatch) as caught:
            setting.fetch(locked_hash=locked)
        assert caught.value.expected == locked

    REFUSED = ("sha1:" + "0" * 40, "sha256:", "sha256:../../x", "sha256", "crc32:00", "")

    @pytest.mark.parametrize("locked", REFUSED)
    def test_others_are_refused_before_any_request(self, locked: str, setting: Setting) -> None:
        with setting.fetcher() as fetcher, pytest.raises(UnsupportedHash, match="expected one of"):
            fetcher.fetch(
                setting.server.file_url(NAME), name=NAME, locked_hash=locked, locked_size=None
            )
        assert setting.server.seen() == []

    def test_case_does_not_matter(self, setting: Setting) -> None:
        setting.offer(SMALL)
        assert setting.fetch(locked_hash=sha256(SMALL).upper())[0] == SMALL

    @pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
    def test_one_wrong_byte_is_refused_and_leaves_nothing(
        self, content: bytes, setting: Setting
    ) -> None:
        setting.offer(content)
        setting.server.always("*", Corrupt(50_000))
        with pytest.raises(HashMismatch) as caught:
            setting.fetch(content)
        wrong = bytearray(content)
        wrong[50_000] ^= 0xFF
        error = caught.value
        assert (error.expected, error.found) == (sha256(content), sha256(bytes(wrong)))
        assert setting.server.url in error.url
        assert setting.left() == []
        assert setting.statuses() == [200]


class TestSizes:
    @pytest.mark.parametrize("size", [len(LARGE) - 1, len(LARGE) + 1])
    def test_an_announced_size_is_believed_before_anything_is_read(
        self, size: int, setting: Setting
    ) -> None:
        setting.offer(LARGE)
        with pytest.raises(SizeMismatch) as caught:
            setting.fetch(LARGE, size=size)
        assert (caught.value.expected, caught.value.found) == (size, len(LARGE))
        assert setting.events.bytes() == 0
        assert setting.left() == []

    def test_too_much_is_noticed_while_it_comes(self, setting: Setting) -> None:
        setting.offer(LARGE)
        setting.server.fail("*", Unframed())
        with pytest.raises(SizeMismatch) as caught:
            setting.fetch(LARGE, size=1_000_000)
        assert 1_000_000 < caught.value.found < len(LARGE)
        assert setting.left() == []

    def test_too_little_is_a_transfer_that_broke(self, setting: Setting) -> None:
        setting.offer(LARGE[:2_000_000])
        setting.server.always("*", Unframed())
        with pytest.raises(FetchFailed, match="2000000 of 3000000 bytes"):
            setting.fetch(LARGE, retries=0)

    def test_too_little_that_is_all_there_is(self, setting: Setting) -> None:
        setting.offer(LARGE[:2_000_000])
        setting.server.fail("*", Unframed())
        with pytest.raises(SizeMismatch) as caught:
            setting.fetch(LARGE)
        assert caught.value.found == 2_000_000
        assert setting.statuses() == [200, 416]

    def test_a_server_that_announces_too_much(self, setting: Setting) -> None:
        setting.offer(SMALL)
        setting.server.fail("*", ClaimLength(len(SMALL) + 10))
        read, _ = setting.fetch(locked_hash=sha256(SMALL))
        assert read == SMALL
        assert setting.statuses() == [200, 416]

    def test_a_server_that_announces_too_little(self, setting: Setting) -> None:
        setting.offer(SMALL)
        setting.server.always("*", ClaimLength(len(SMALL) - 10))
        with pytest.raises(SizeMismatch):
            setting.fetch(SMALL)
        with pytest.raises(HashMismatch):
            setting.fetch(locked_hash=sha256(SMALL))


class TestRetries:
    PASSING = (
        [Status(500), Status(502), Status(503)],
        [Status(429, retry_after="0"), Status(408)],
        [Drop(), Drop(), Drop()],
        [Cut(0), Status(503), Cut(0)],
    )

    @pytest.mark.parametrize("faults", PASSING)
    def test_what_may_pass_is_tried_again(self, faults: list[Fault], setting: Setting) -> None:
        setting.offer(SMALL)
        setting.server.fail("*", *faults)
        assert setting.fetch(SMALL)[0] == SMALL
        retried = [event for event in setting.events if isinstance(event, FetchRetried)]
        assert [event.attempt for event in retried] == list(range(1, len(faults) + 1))
        assert len(setting.server.seen()) == len(faults) + 1

    def test_retries_come_to_an_end(self, setting: Setting) -> None:
        setting.offer(SMALL)
        setting.server.always("*", Status(503))
        with pytest.raises(FetchFailed, match=r"503 Service Unavailable \(3 attempts\)") as caught:
            setting.fetch(SMALL, retries=2)
        assert (caught.value.status, caught.value.attempts) == (503, 3)
        assert len(setting.server.seen()) == 3

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
    def test_what_will_not_pass_is_not(self, status: int, setting: Setting) -> None:
        setting.server.always("*", Status(status))
        with pytest.raises(FetchFailed) as caught:
            setting.fetch(SMALL)
        assert caught.value.status == status
        assert len(setting.server.seen()) == 1

    def test_the_server_says_how_long_to_wait(self, setting: Setting) -> None:
        setting.offer(SMALL)
        setting.server.fail("*", Status(429, retry_after="1"))
        setting.fetch(SMALL)
        (retried,) = (event for event in setting.events if isinstance(event, FetchRetried))
        assert retried.delay == 1.0

    def test_waits_grow(self, setting: Setting) -> None:
        setting.server.always("*", Drop())
        with pytest.raises(FetchFailed):
            setting.fetch(SMALL, retries=6, backoff=0.001)
        delays = [event.delay for event in setting.events if isinstance(event, FetchRetried)]
        assert len(delays) == 6
        assert all(
            0.75 * 0.001 * 2**n <= delay <= 1.25 * 0.001 * 2**n for n, delay in enumerate(delays)
        )

    def test_a_silent_server_is_asked_again(self, setting: Setting) -> None:
        setting.offer(LARGE)
        setting.server.fail("*", Stall(after=1_000_000))
        assert setting.fetch(LARGE, timeout=0.1)[0] == LARGE
        assert setting.statuses() == [200, 206]

    def test_an_unavailable_server_is_named(self, setting: Setting) -> None:
        setting.server.__exit__()
        with pytest.raises(FetchFailed, match=setting.server.url) as caught:
            setting.fetch(SMALL, retries=1)
        assert caught.value.attempts == 2

    def test_a_transfer_that_gets_on_is_not_given_up(self, setting: Setting) -> None:
        setting.offer(LARGE * 2)
        setting.server.always("*", Cut(after=1_500_000))
        assert setting.fetch(LARGE * 2, retries=1)[0] == LARGE * 2
        assert setting.sent() == len(LARGE) * 2


_TORN = {
    "other bytes": (bytes(1_000_000), [206, 200]),
    "all bytes, some wrong": (LARGE[:-1] + b"?", [200]),
    "too many": (LARGE + b"?", [200]),
    "none": (b"", [200]),
}


class TestResuming:
    @pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
    def test_a_cut_transfer_goes_on_where_it_stopped(
        self, content: bytes, setting: Setting
    ) -> None:
        setting.offer(content)
        setting.server.fail("*", Cut(after=70_000), Cut(after=20_000))
        assert setting.fetch(content)[0] == content
        assert setting.statuses() == [200, 206, 206]
        assert setting.sent() == setting.events.bytes() == len(content)
        assert setting.events.offsets() == [0, 70_000, 90_000]
        first, second, _ = setting.server.seen()
        assert "range" not in first.headers
        assert second.headers["range"] == "bytes=70000-"
        assert second.headers["if-range"].startswith('"')

    def test_it_goes_on_behind_a_redirect(self, setting: Setting) -> None:
        setting.offer(LARGE)
        target = setting.server.file_url(NAME).replace("127.0.0.1", "localhost")
        setting.server.always("/there", Redirect(target))
        setting.server.fail("/files/*", Cut(after=70_000))
        assert setting.fetch(LARGE, url=f"{setting.server.url}/there")[0] == LARGE
        assert setting.statuses() == [302, 200, 302, 206]

    def test_a_server_without_ranges_sends_all_again(self, setting: Setting) -> None:
        setting.offer(LARGE)
        setting.server.fail("*", Cut(after=70_000), NoRanges())
        assert setting.fetch(LARGE)[0] == LARGE
        assert setting.statuses() == [200, 200]
        assert setting.events.offsets() == [0, 0]

    def test_a_file_that_is_replaced_meanwhile_is_not_pieced_together(
        self, setting: Setting
    ) -> None:
        def replace_it(event: Event) -> None:
            if isinstance(event, FetchRetried):
                setting.offer(LARGE)

        setting.events = Events(replace_it)
        setting.offer(bytes(len(LARGE)))
        setting.server.fail("*", Cut(after=70_000))
        assert setting.fetch(locked_hash=None)[0] == LARGE
        assert setting.statuses() == [200, 200]

    def test_another_run_goes_on(self, setting: Setting) -> None:
        setting.offer(LARGE)
        setting.server.fail("*", Cut(after=2_000_000))
        with pytest.raises(FetchFailed):
            setting.fetch(LARGE, retries=0)
        assert setting.left() == [sha256(LARGE).replace(":", "-")]
        assert setting.fetch(LARGE)[0] == LARGE
        assert setting.sent() == len(LARGE)
        assert setting.left() == []

    def test_another_run_needs_no_request_for_what_is_complete(self, setting: Setting) -> None:
        setting.partial.mkdir()
        (setting.partial / sha256(LARGE).replace(":", "-")).write_bytes(LARGE)
        assert setting.fetch(LARGE, offline=True)[0] == LARGE
        assert setting.server.seen() == []

    def test_a_complete_file_of_unknown_size_is_recognised(self, setting: Setting) -> None:
        setting.offer(LARGE)
        setting.partial.mkdir()
        (setting.partial / sha256(LARGE).replace(":", "-")).write_bytes(LARGE)
        assert setting.fetch(locked_hash=sha256(LARGE))[0] == LARGE
        assert setting.statuses() == [416]

    @pytest.mark.parametrize(("here", "statuses"), _TORN.values(), ids=_TORN)
    def test_what_a_crash_has_torn_is_fetched_anew(
        self, here: bytes, statuses: list[int], setting: Setting
    ) -> None:
        setting.offer(LARGE)
        setting.partial.mkdir()
        (setting.partial / sha256(LARGE).replace(":", "-")).write_bytes(here)
        assert setting.fetch(LARGE)[0] == LARGE
        assert setting.statuses() == statuses
        assert setting.left() == []

    def test_more_than_there_is_of_unknown_size_is_fetched_anew(self, setting: Setting) -> None:
        setting.offer(LARGE)
        setting.partial.mkdir()
        (setting.partial / sha256(LARGE).replace(":", "-")).write_bytes(LARGE + b"?")
        assert setting.fetch(locked_hash=sha256(LARGE))[0] == LARGE
        assert setting.statuses() == [416, 200]

    def test_torn_bytes_do_not_hide_a_wrong_archive(self, setting: Setting) -> None:
        setting.offer(bytes(len(LARGE)))
        setting.partial.mkdir()
        (setting.partial / sha256(LARGE).replace(":", "-")).write_bytes(LARGE[:1_000_000])
        with pytest.raises(HashMismatch) as caught:
            setting.fetch(LARGE)
        assert caught.value.found == sha256(bytes(len(LARGE)))
        assert setting.left() == []

    def test_without_a_hash_nothing_is_kept(self, setting: Setting) -> None:
        setting.offer(LARGE)
        setting.server.fail("*", Cut(after=2_000_000))
        with pytest.raises(FetchFailed):
            setting.fetch(locked_hash=None, retries=0)
        assert setting.left() == []

    def test_a_killed_run_is_continued(self, setting: Setting) -> None:
        setting.offer(LARGE)
        setting.server.fail("*", Stall(after=2_000_000))
        program = f"""
            from envbuild.index.client import Client
            from envbuild.index.http_settings import HttpSettings
            from envbuild.index.credentials import Accounts
            from envbuild.realise.fetch import Fetcher
            client = Client(HttpSettings(), Accounts(environ={{}}))
            Fetcher(client, folder={str(setting.partial)!r}).fetch(
                {setting.server.file_url(NAME)!r},
                name={NAME!r}, locked_hash={sha256(LARGE)!r}, locked_size={len(LARGE)},
            )
        """
        path = setting.partial / sha256(LARGE).replace(":", "-")
        with subprocess.Popen([sys.executable, "-I", "-c", textwrap.dedent(program)]) as process:
            while not (path.exists() and path.stat().st_size > 1_000_000):
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        here = path.stat().st_size
        assert here < len(LARGE)
        assert setting.fetch(LARGE)[0] == LARGE
        assert setting.events.offsets() == [here]
        assert setting.server.seen()[1].headers["range"] == f"bytes={here}-"
        assert setting.left() == []


class TestTogether:
    def test_two_who_want_one_archive_do_not_write_one_file(self, setting: Setting) -> None:
        setting.offer(LARGE)
        setting.server.delay = 0.05
        results: list[bytes] = []
        threads = [
            threading.Thread(target=lambda: results.append(setting.fetch(LARGE)[0]))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [LARGE] * 3
        assert WaitingFor(what=NAME, holder=None) in setting.events
        assert setting.left() == []

    @pytest.mark.parametrize("fault", [Stall(after=0), Stall(after=70_000), Status(503, "60")])
    def test_cancelling_ends_what_is_going_on(self, fault: Fault, setting: Setting) -> None:
        setting.offer(LARGE)
        setting.server.always("*", fault)
        with setting.fetcher(timeout=60.0) as fetcher, ThreadPoolExecutor(4) as pool:
            running = [
                pool.submit(
                    fetcher.fetch,
                    setting.server.file_url(NAME),
                    name=NAME,
                    locked_hash=None,
                    locked_size=None,
                )
                for _ in range(4)
            ]
            while len(setting.server.seen()) < 4 or any(s == 0 for s in setting.statuses()):
                time.sleep(0.01)
            time.sleep(0.05)
            fetcher.cancel()
            for future in running:
                with pytest.raises(FetchCancelled):
                    future.result()

    def test_a_cancelled_fetcher_stays_so(self, setting: Setting) -> None:
        setting.offer(LARGE)
        with setting.fetcher() as fetcher:
            fetcher.cancel()
            with pytest.raises(FetchCancelled):
                fetcher.fetch(
                    setting.server.file_url(NAME), name=NAME, locked_hash=None, locked_size=None
                )


class TestLocalFiles:
    def local(self, setting: Setting, content: bytes = SMALL, **locked: object) -> bytes:
        path = setting.root / "dist" / "with space%20.whl"
        path.write_bytes(content)
        read, _ = setting.fetch(content, url=str(path), **locked)  # type: ignore[arg-type]
        assert path.read_bytes() == content
        return read

    def test_they_are_read_in_place(self, setting: Setting) -> None:
        assert self.local(setting) == SMALL
        assert setting.events.bytes() == len(SMALL)
        assert setting.left() == []

    def test_offline_is_no_obstacle(self, setting: Setting) -> None:
        assert self.local(setting, offline=True) == SMALL

    def test_their_hash_counts(self, setting: Setting) -> None:
        with pytest.raises(HashMismatch, match="with space%20"):
            self.local(setting, locked_hash=sha256(LARGE))

    def test_their_size_counts(self, setting: Setting) -> None:
        with pytest.raises(SizeMismatch):
            self.local(setting, size=1)

    def test_a_missing_one_is_named(self, setting: Setting) -> None:
        with pytest.raises(FetchFailed, match="No such file"):
            setting.fetch(SMALL, url="/nowhere/x.whl")

    def test_a_folder_is_none(self, setting: Setting) -> None:
        with pytest.raises(FetchFailed, match="not a file"):
            setting.fetch(SMALL, url=str(setting.root))

    def test_a_change_while_it_is_read_is_noticed(self, setting: Setting) -> None:
        setting.offer(SMALL)
        path = setting.root / "dist" / NAME
        with (
            setting.fetcher() as fetcher,
            pytest.raises(FetchFailed, match="changed"),
            fetcher.fetch(str(path), name=NAME, locked_hash=None, locked_size=None),
        ):
            path.write_bytes(SMALL + b"!")


class TestMirrors:
    def test_bytes_come_from_the_mirror_alone(self, setting: Setting) -> None:
        setting.offer(SMALL)
        read, _ = setting.fetch(
            SMALL,
            f"https://files.example/packages={setting.server.url}/files",
            url=f"https://files.example/packages/{NAME}",
        )
        assert read == SMALL

    def test_a_mirror_that_fails_is_not_replaced_by_the_original(self, setting: Setting) -> None:
        setting.offer(SMALL)
        with pytest.raises(FetchFailed, match="/mirror/"):
            setting.fetch(SMALL, f"{setting.server.url}/files={setting.server.url}/mirror")
        assert [seen.path for seen in setting.server.seen()] == [f"/mirror/{NAME}"]

    def test_several_are_tried_in_turn_and_that_is_told(self, setting: Setting) -> None:
        setting.offer(SMALL)
        origin = "https://files.example"
        mirrors = (
            f"{origin}={setting.server.url}/missing",
            f"{origin}=/nowhere",
            f"{origin}=file://{setting.root}/dist",
        )
        read, _ = setting.fetch(SMALL, *mirrors, url=f"{origin}/{NAME}")
        assert read == SMALL
        first, second = (event.text for event in setting.events if isinstance(event, Notice))
        assert "404" in first
        assert "trying `/nowhere" in first
        assert "No such file" in second

    def test_a_mirror_that_is_a_folder_needs_no_network(self, setting: Setting) -> None:
        setting.offer(SMALL)
        origin = "https://files.example"
        mirrors = (f"{origin}={setting.server.url}/files", f"{origin}={setting.root}/dist")
        read, _ = setting.fetch(SMALL, *mirrors, url=f"{origin}/{NAME}", offline=True)
        assert read == SMALL
        assert setting.server.seen() == []

    def test_a_wrong_archive_in_one_is_left_behind(self, setting: Setting) -> None:
        setting.offer(LARGE)
        setting.server.fail("/a/*", Corrupt(5))
        origin, url = "https://files.example", setting.server.url
        read, _ = setting.fetch(
            LARGE,
            f"{origin}={url}/a/files",
            f"{origin}={url}/b/files",
            url=f"{origin}/{NAME}",
        )
        assert read == LARGE

    def test_credentials_of_a_mirror_are_used_and_not_shown(self, tmp_path: Path) -> None:
        (tmp_path / "dist").mkdir()
        accounts = {"/": ("alice", "hunter2")}
        with IndexServer(tmp_path / "dist", accounts=accounts) as server:
            setting = Setting(tmp_path, server)
            setting.offer(LARGE)
            mirror = f"https://files.example={server.url}/files"
            url = f"https://files.example/{NAME}"
            right = mirror.replace("http:", "http://alice:hunter2@").replace("@//", "@")
            wrong = right.replace("hunter2", "hunter3")
            server.fail("*", Cut(after=100_000), Status(503))
            assert setting.fetch(LARGE, right, url=url)[0] == LARGE
            setting.server.fail("*", Corrupt(7))
            with pytest.raises(HashMismatch) as mismatch:
                setting.fetch(LARGE, right, url=url)
            with pytest.raises(FetchFailed) as refused:
                setting.fetch(LARGE, wrong, right.replace("files", "missing"), url=url)
        for error in (mismatch.value, refused.value):
            assert "hunter" not in f"{error} {error!r} {vars(error)}"
        assert "hunter" not in repr(setting.events)


class TestRoom:
    def test_a_full_disk_says_so_and_keeps_nothing(self, setting: Setting) -> None:
        setting.offer(LARGE)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
        try:
            with pytest.raises(PartialUnwritable, match="File too large"):
                setting.fetch(LARGE)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert setting.left() == []

    def test_a_folder_that_cannot_be_made_is_named(self, setting: Setting) -> None:
        setting.partial.write_text("in the way")
        with pytest.raises(PartialUnwritable, match="partial"):
            setting.fetch(LARGE)


def test_offline_refuses_what_needs_the_network(setting: Setting) -> None:
    with pytest.raises(Offline):
        setting.fetch(SMALL, offline=True)
    assert setting.server.seen() == []
