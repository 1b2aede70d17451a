from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envbuild.lockfile.canonical_split import read_package, split_lock
from envbuild.selection.evaluate import Evaluator
from envbuild.selection.graph import Graph
from support.locks import INDEX, edge, lock_text, package
from support.targets import make_target

if TYPE_CHECKING:
    from envbuild.selection.graph import End


def graph_of(*packages: str) -> Graph:
    evaluator = Evaluator(make_target())
    _, texts = split_lock(lock_text(*packages))
    read = [read_package(text) for text in texts]
    return Graph([evaluator.package(each) for each in read if each is not None])


TREE = "{ name = 'b', source = { editable = 'b' } }"
ONE = package("a", dependencies=["b"])


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        ((), True),
        ((ONE, package("b")), True),
        ((ONE,), False),
        ((ONE, package("b"), package("b", "2.0")), False),
        ((package("b"), package("b")), False),
        ((package("b"), package("b", "1.0.0")), False),
        ((package("b"), package("b", source="registry = 'w'", wheels=())), True),
        ((package("a", dependencies=[edge("b", "1")]), package("b", "1.0")), True),
        ((package("a", dependencies=[edge("b", "2.0")]), package("b", "1.0")), False),
        (
            (package("a", dependencies=[edge("b", "1", source="path = 'b'")]), package("b", "1.0")),
            False,
        ),
        ((package("a", extras={"x": ["b"]}),), False),
        ((package("a", groups={"x": ["b"]}),), False),
        ((package("a", dependencies=[edge("b", marker="os_name == 'nt'")]),), False),
        ((package("a", dependencies=[edge("b", "2")]), package("b"), package("b", "2.0")), True),
        ((package("a", dependencies=[edge("b", "3")]), package("b"), package("b", "2.0")), False),
        (
            (
                package(
                    "a", dependencies=[f"{{ name = 'b', source = {{ registry = '{INDEX}' }} }}"]
                ),
                package("b"),
                package("b", "2.0"),
            ),
            False,
        ),
        (
            (
                package("a", dependencies=[TREE]),
                package("b"),
                package("b", "", source="editable = 'b'", wheels=()),
            ),
            True,
        ),
        (
            (
                package("a", dependencies=[TREE]),
                package("b"),
                package("b", "2", source="editable = 'b'", wheels=()),
            ),
            False,
        ),
    ],
)
def test_a_graph_is_whole_when_every_edge_leads_to_one_package(
    packages: tuple[str, ...], expected: bool
) -> None:
    assert graph_of(*packages).is_whole() is expected


@pytest.mark.parametrize(
    ("dependency", "ends"),
    [
        (edge("b", "1.0"), [(1, None)]),
        (edge("b", "2"), [(2, None)]),
        (edge("b", "2.0", extras=["y", "missing", "x"]), [(2, None), (2, "y"), (2, "x")]),
        (edge("b", "1.0", extras=["x"]), [(1, None)]),
    ],
)
def test_an_edge_leads_to_a_package_and_those_extras_that_it_has(
    dependency: str, ends: list[End]
) -> None:
    graph = graph_of(
        package("a", dependencies=[dependency]),
        package("b", "1.0"),
        package("b", "2.0", extras={"x": ["a"], "y": []}),
    )
    (only,) = graph.edges(0, None)
    assert graph.ends(only) == ends


def test_edges_of_an_extra_are_apart_from_those_of_the_package() -> None:
    graph = graph_of(
        package("a", dependencies=["b"], extras={"x": ["c"]}), package("b"), package("c")
    )
    assert [edge[0] for edge in graph.edges(0, None)] == ["b"]
    assert [edge[0] for edge in graph.edges(0, "x")] == ["c"]
    assert graph.edges(0, "y") == ()
    assert graph.positions("c") == [2]
    assert graph.positions("d") == ()
