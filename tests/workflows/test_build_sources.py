"""What is built is fetched first: all of it at once, and each archive once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envbuild.errors import Problems
from envbuild.workflows import instantiate
from support.own_backend import lock_archives, sdist
from workflows.bench import Bench, bench_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Fetched = list[list[str]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return bench_in(tmp_path)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Fetched:
    """Which packages are asked for together."""
    seen: Fetched = []
    real: Callable[..., object] = instantiate.realise_archives

    def recorded(missing: tuple[object, ...], *arguments: object) -> object:
        seen.append(sorted(node.package.name for node in missing))  # type: ignore[attr-defined]
        return real(missing, *arguments)

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
