"""Archives on their way: whoever waits for one gets what came of it, whatever happens to the others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from envbuild.derivation.compile import compile_packages
from envbuild.digest import Digest
from envbuild.errors import EnvbuildError, RealiseError
from envbuild.interruption import wait
from envbuild.realise.execute import Realised
from envbuild.realise.prefetch import Prefetch
from envbuild.selection.model import Sdist, SelectedPackage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envbuild.derivation.compile import Node
    from envbuild.realise.execute import Published

Outcomes = dict[str, Realised | EnvbuildError]
ONE, TWO = (Realised(tree=Digest(digit * 64)) for digit in "12")


def node(name: str) -> Node:
    archive = Sdist(
        filename=f"{name}-1.0.tar.gz",
        location=f"{name}-1.0.tar.gz",
        hash=f"sha256:{name.encode().hex():0>64}",
        size=1,
    )
    package = SelectedPackage(
        name=name,
        version="1.0",
        source="registry",
        source_location="",
        subdirectory="",
        distribution=archive,
        requested=False,
    )
    (found,) = compile_packages((package,), verify_record=True)
    return found


NODES = [node("one"), node("two")]


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_each_is_there_as_soon_as_it_is_published(release: threading.Event) -> None:
    def archives(missing: tuple[Node, ...], published: Published | None = None) -> Outcomes:
        assert published is not None
        published(missing[0], ONE)
        release.wait()
        published(missing[1], TWO)
        return {"one": ONE, "two": TWO}

    prefetch = Prefetch(archives, lambda: False)
    prefetch.begin(NODES)
    assert prefetch.outcome(NODES[0]) == ONE
    release.set()
    assert prefetch.outcome(NODES[1]) == TWO
    prefetch.close()


def test_what_failed_is_an_error_of_that_archive() -> None:
    error = RealiseError("it is gone")

    def archives(missing: tuple[Node, ...], published: Published | None = None) -> Outcomes:
        return {"one": error, "two": TWO}

    prefetch = Prefetch(archives, lambda: False)
    prefetch.begin(NODES)
    assert prefetch.outcome(NODES[0]) is error
    assert prefetch.outcome(NODES[1]) == TWO
    prefetch.close()


def test_what_fails_for_all_is_the_same_error_for_each() -> None:
    error = RealiseError("there is no network")

    def archives(missing: tuple[Node, ...], published: Published | None = None) -> Outcomes:
        raise error

    prefetch = Prefetch(archives, lambda: False)
    prefetch.begin(NODES)
    assert [prefetch.outcome(each) for each in NODES] == [error, error]
    prefetch.close()


def test_a_fault_of_ours_is_heard_of_by_whoever_waits() -> None:
    def archives(missing: tuple[Node, ...], published: Published | None = None) -> Outcomes:
        raise ZeroDivisionError

    prefetch = Prefetch(archives, lambda: False)
    prefetch.begin(NODES)
    with pytest.raises(ZeroDivisionError):
        prefetch.outcome(NODES[0])
    prefetch.close()


def test_closing_gives_up_what_is_on_its_way() -> None:
    begun = threading.Event()

    def archives(missing: tuple[Node, ...], published: Published | None = None) -> Outcomes:
        assert published is not None
        published(missing[0], ONE)
        begun.set()
        while True:
            wait()

    prefetch = Prefetch(archives, lambda: False)
    prefetch.begin(NODES)
    begun.wait()
    prefetch.close()
    assert [prefetch.outcome(each) for each in NODES] == [ONE, None]


def test_an_interruption_frees_whoever_waits() -> None:
    stop = threading.Event()

    def archives(missing: tuple[Node, ...], published: Published | None = None) -> Outcomes:
        stop.set()
        while True:
            wait()

    prefetch = Prefetch(archives, stop.is_set)
    prefetch.begin(NODES)
    assert [prefetch.outcome(each) for each in NODES] == [None, None]
    prefetch.close()


def test_nothing_is_known_of_what_was_never_begun() -> None:
    def archives(missing: tuple[Node, ...], published: Published | None = None) -> Outcomes:
        return {"one": ONE}

    prefetch = Prefetch(archives, lambda: False)
    assert prefetch.outcome(NODES[0]) is None
    prefetch.begin(NODES[:1])
    assert prefetch.outcome(NODES[1]) is None
    prefetch.close()
