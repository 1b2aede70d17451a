from __future__ import annotations

from typing import Any

import pytest

from envbuild.lockfile.parse import parse_lock
from envbuild.selection.model import Request
from envbuild.selection.select import select
from envbuild.selection.wanted import ConflictingRequest
from support.locks import edge, lock_text, package, project
from support.targets import make_target


def versions(text: str, **fields: Any) -> str:
    selection = select(parse_lock(text, file="uv.lock"), Request(**fields), make_target())
    return " ".join(f"{each.name}-{each.version}" for each in selection.packages)


def test_edges_are_followed_where_they_hold() -> None:
    text = lock_text(
        project(
            dependencies=[
                "a",
                edge("b", marker="sys_platform == 'win32'"),
                edge("c", marker="python_full_version >= '3.12'"),
            ]
        ),
        package("a", dependencies=[edge("d", extras=["x"]), edge("d", marker="os_name == 'nt'")]),
        package("b"),
        package("c", dependencies=["a"]),
        package("d", extras={"x": ["e"], "y": ["b"]}),
        package("e", dependencies=["d"]),
    )
    assert versions(text) == "a-1.0 c-1.0 d-1.0 e-1.0"


def test_an_extra_may_come_from_an_edge_that_holds_while_the_bare_one_does_not() -> None:
    text = lock_text(
        project(
            dependencies=[
                edge("a", marker="os_name == 'nt'"),
                edge("a", extras=["x"], marker="os_name == 'posix'"),
            ]
        ),
        package("a", dependencies=["c"], extras={"x": ["b"]}),
        package("b"),
        package("c"),
    )
    assert versions(text) == "a-1.0 b-1.0 c-1.0"


def test_groups_alone_leave_the_project_out_unless_they_ask_for_it() -> None:
    text = lock_text(
        project(
            source="editable = '.'",
            dependencies=["a"],
            extras={"x": ["b"]},
            groups={"plain": ["c"], "back": [edge("demo", extras=["x"])]},
        ),
        *(package(name) for name in "abc"),
    )
    lock = parse_lock(text, file="uv.lock")
    plain = select(lock, Request(only_groups=("plain",)), make_target())
    assert [each.name for each in plain.packages] == ["c"]
    back = select(lock, Request(only_groups=("back",)), make_target())
    assert [each.name for each in back.packages] == ["a", "b", "demo"]


CPU, CUDA = "extra-4-demo-cpu", "extra-4-demo-cuda"


def conflicting(*, dependencies: tuple[str, ...] = ("lens",), **fields: Any) -> str:
    return lock_text(
        project(
            dependencies=dependencies,
            extras={"cpu": [edge("torch", "2.0+cpu")], "cuda": [edge("torch", "2.0+cuda")]},
            **fields,
        ),
        package(
            "lens",
            dependencies=[
                edge("torch", "2.0+cpu", marker=f"extra == '{CPU}'"),
                edge("torch", "2.0+cuda", marker=f"extra != '{CPU}' or extra == '{CUDA}'"),
            ],
        ),
        package("torch", "2.0+cpu"),
        package("torch", "2.0+cuda"),
        package("maker", extras={"cpu": []}, dependencies=[edge("demo", extras=["cpu"])]),
        head="conflicts = [[{ package = 'demo', extra = 'cpu' }, { package = 'demo', extra = 'cuda' }]]",
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "lens-1.0 torch-2.0+cuda"),
        ({"extras": ("cpu",)}, "lens-1.0 torch-2.0+cpu"),
        ({"extras": ("cuda",)}, "lens-1.0 torch-2.0+cuda"),
    ],
)
def test_active_extras_decide_edges_anywhere(fields: dict[str, Any], expected: str) -> None:
    assert versions(conflicting(), **fields) == expected


def test_an_extra_becomes_active_by_an_edge_that_comes_later() -> None:
    text = conflicting(dependencies=("lens", "maker"))
    assert versions(text) == "lens-1.0 maker-1.0 torch-2.0+cpu"


def test_an_extra_becomes_active_by_a_group() -> None:
    text = conflicting(groups={"dev": [edge("demo", extras=["cpu"], marker=f"extra == '{CPU}'")]})
    assert versions(text) == "lens-1.0 torch-2.0+cpu"
    assert versions(text, dev="exclude") == "lens-1.0 torch-2.0+cuda"


def test_extras_that_are_found_to_exclude_each_other_are_refused() -> None:
    text = conflicting(dependencies=("lens", "maker"))
    with pytest.raises(ConflictingRequest) as caught:
        versions(text, extras=("cuda",))
    assert caught.value.items == (("demo", "extra", "cpu"), ("demo", "extra", "cuda"))


def test_what_cannot_be_reached_activates_nothing() -> None:
    # The edge to `maker` holds only together with `cuda`, and its marker was shortened to nothing
    # further on; so without `cuda` it must not be followed, not even for a look.
    text = conflicting(dependencies=("lens", edge("bridge", marker=f"extra == '{CUDA}'")))
    text += "\n" + package("bridge", dependencies=["maker"])
    assert versions(text) == "lens-1.0 torch-2.0+cuda"


def test_projects_and_groups_are_active_by_being_wanted() -> None:
    def guarded(name: str) -> str:
        return edge("a", marker=f"extra == '{name}'")

    text = lock_text(
        project(dependencies=["b"], groups={"dev": ["c"]}),
        package("b", dependencies=[guarded("project-4-demo")]),
        package("c", dependencies=[guarded("group-4-demo-dev")]),
        package("a"),
        head="conflicts = [[{ package = 'demo' }, { package = 'other' }]]",
    )
    assert versions(text) == "a-1.0 b-1.0 c-1.0"
    assert versions(text, dev="exclude") == "a-1.0 b-1.0"
    assert versions(text, dev="only") == "a-1.0 c-1.0"
    assert versions(text.replace("'project-4-demo'", "'project-5-other'"), dev="exclude") == "b-1.0"
