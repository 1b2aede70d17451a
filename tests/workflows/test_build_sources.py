"""Archives of what is built are fetched at once, each of them once, and built from as they come."""

from __future__ import annotations

import os
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from envbuild.errors import Problems
from envbuild.events import BuildFinished
from envbuild.workflows import instantiate
from envbuild.workflows.realise import realise
from support.own_backend import lock_archives, sdist
from workflows.bench import Bench, bench_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

Fetched = list[list[str]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return bench_in(tmp_path)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Fetched:
    """Which packages are asked for together."""
    seen: Fetched = []
    real: Callable[..., object] = instantiate.realise_archives

    def recorded(missing: tuple[object, ...], *arguments: object, **named: object) -> object:
        seen.append(sorted(node.package.name for node in missing))  # type: ignore[attr-defined]
        return real(missing, *arguments, **named)

    monkeypatch.setattr(instantiate, "realise_archives", recorded)
    return seen


def test_all_archives_are_fetched_together(bench: Bench, tmp_path: Path, fetched: Fetched) -> None:
    lock_archives(bench.folder, *(sdist(tmp_path, name) for name in ("one", "two")))
    result = bench.realise()
    assert fetched == [["one", "two"]]
    assert result.fetched == 2
    assert bench.realise(clear=True).fetched == 0


def test_what_is_pinned_anew_is_fetched_once(
    bench: Bench, tmp_path: Path, fetched: Fetched
) -> None:
    lock_archives(bench.folder, *(sdist(tmp_path, name) for name in ("one", "two")), hashes=False)
    for _ in range(2):
        fetched.clear()
        result = bench.realise(refresh=("*",))
        assert fetched == [["one", "two"]]
        assert sorted(pin.name for pin in result.pinned) == ["one", "two"]


def test_an_archive_that_cannot_be_had_keeps_no_other_from_being_built(
    bench: Bench, tmp_path: Path
) -> None:
    archives = [sdist(tmp_path, name) for name in ("one", "two", "three")]
    lock_archives(bench.folder, *archives)
    for archive in archives[:2]:
        archive.unlink()
    with pytest.raises(Problems) as caught:
        bench.realise()
    assert len(caught.value.errors) == 2
    lock_archives(bench.folder, archives[2])
    assert bench.realise().fetched == 0


class Held:
    """Serves archives from this machine, one of them only when it is let go."""

    def __init__(self, folder: Path, held: str) -> None:
        released = self.released = threading.Event()

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *arguments: object) -> None:
                super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

            def do_GET(self) -> None:
                if self.path == f"/{held}":
                    released.wait()
                super().do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


def test_what_is_there_is_built_while_others_are_on_their_way(bench: Bench, tmp_path: Path) -> None:
    archives = tmp_path / "archives"
    lock_archives(bench.folder, *(sdist(archives, name) for name in ("held", "quick")))
    events: list[object] = []
    with Held(archives, "held-1.0.tar.gz") as held:
        lock = bench.folder / "uv.lock"
        text = lock.read_text().replace('registry = "../archives"', f'registry = "{held.address}"')
        lock.write_text(text.replace('path = "', f'url = "{held.address}/'))

        class Reporter:
            def report(self, event: object) -> None:
                events.append(event)
                # Without this, the other one never comes.
                if isinstance(event, BuildFinished) and event.name == "quick":
                    held.released.set()

        result = realise(
            bench.options, environ=dict(os.environ), cwd=str(bench.folder), reporter=Reporter()
        )
    assert result.fetched == 2
    built = [event.name for event in events if isinstance(event, BuildFinished)]
    assert built == ["quick", "held"]
