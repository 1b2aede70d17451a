from __future__ import annotations

from typing import Any

import pytest

from envbuild.lockfile.parse import parse_lock
from envbuild.selection.model import Request
from envbuild.selection.select import select
from envbuild.selection.wanted import ConflictingRequest
from support.locks import edge, lock_text, package, project
from support.targets import make_target

MEMBERS = "[manifest]\nmembers = ['left', 'right', 'root']"


def workspace() -> str:
    return lock_text(
        project("root", dependencies=["a"], groups={"dev": ["b"], "docs": ["c"], "shared": ["d"]}),
        project(
            "left",
            source="editable = 'members/left'",
            dependencies=["right"],
            groups={"dev": ["e"], "shared": ["f"]},
            more="default-groups = ['shared']",
        ),
        project("right", source="virtual = 'members/right'", extras={"x": ["g"]}),
        *(package(name) for name in "abcdefg"),
        head=MEMBERS,
    )


def names(text: str, **fields: Any) -> str:
    selection = select(parse_lock(text, file="uv.lock"), Request(**fields), make_target())
    return " ".join(each.name for each in selection.packages)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "a b"),
        ({"member": "members/left"}, "f left"),
        ({"member": "members/right"}, ""),
        ({"member": "elsewhere"}, "a b"),
        ({"member": "members/left", "groups": ("docs",)}, "c f left"),
        ({"member": "members/left", "groups": ("dev",)}, "e f left"),
        ({"member": "members/left", "roots": ("root",)}, "a b"),
        ({"member": "members/left", "all_packages": True}, "a d f left"),
        ({"member": "members/left", "all_packages": True, "no_install_project": True}, "a d f"),
        ({"roots": ("left",)}, "f left"),
        ({"roots": ("left", "right"), "extras": ("x",)}, "e g left"),
        ({"all_packages": True}, "a b e left"),
        ({"all_packages": True, "no_install_workspace": True}, "a b e"),
        ({"roots": ("left",), "no_install_project": True}, "f"),
        ({"no_install_project": True}, "a b"),
        ({"roots": ("left",), "no_install_local": True}, "f"),
    ],
)
def test_roots_and_what_belongs_to_them(fields: dict[str, Any], expected: str) -> None:
    assert names(workspace(), **fields) == expected


def test_a_lock_with_no_project_at_its_root_starts_from_all_members() -> None:
    head = """
[manifest]
members = ["left"]
default-groups = ["docs"]

[manifest.dependency-groups]
docs = [{ name = "a", extras = ["x"] }]
other = [{ name = "c", marker = "os_name == 'nt'" }, { name = "d" }]
"""
    text = lock_text(
        project("left", source="virtual = 'left'", dependencies=["e"], groups={"other": ["f"]}),
        package("a", extras={"x": ["b"]}),
        *(package(name) for name in "bcdef"),
        head=head,
    )
    assert names(text) == "a b e"
    assert names(text, no_default_groups=True) == "e"
    assert names(text, groups=("other",)) == "a b d e f"
    assert names(text, only_groups=("other",)) == "d f"
    assert names(text, roots=("left",)) == "e"
    assert names(text, roots=("left",), groups=("docs",)) == "a b e"
    assert names(text, roots=("left",), groups=("other",)) == "e f"


CONFLICTS = """
conflicts = [
    [{ package = "demo", extra = "x" }, { package = "demo", extra = "y" }],
    [{ package = "demo", group = "g" }, { package = "demo", extra = "y" }],
    [{ package = "other", extra = "x" }, { package = "other", extra = "z" }],
    [{ package = "demo" }, { package = "demo", group = "h" }],
]
"""


@pytest.mark.parametrize(
    ("fields", "items"),
    [
        ({"extras": ("x",)}, None),
        ({"extras": ("x", "y")}, (("demo", "extra", "x"), ("demo", "extra", "y"))),
        ({"all_extras": True, "no_extras": ("x",)}, None),
        ({"all_extras": True, "no_extras": ("z", "y")}, None),
        ({"extras": ("y",), "groups": ("g",)}, (("demo", "group", "g"), ("demo", "extra", "y"))),
        ({"extras": ("y",), "groups": ("g",), "no_groups": ("g",)}, None),
        ({"extras": ("x", "z")}, None),
        ({"groups": ("h",)}, (("demo", "project", ""), ("demo", "group", "h"))),
        ({"only_groups": ("h",)}, None),
    ],
)
def test_what_excludes_each_other_is_refused_before_anything_is_followed(
    fields: dict[str, Any], items: tuple[tuple[str, str, str], ...] | None
) -> None:
    text = lock_text(
        project(extras={"x": ["a"], "y": ["b"], "z": []}, groups={"g": ["a"], "h": ["b"]}),
        package("a"),
        package("b"),
        head=CONFLICTS,
    )
    if items is None:
        names(text, **fields)
        return
    with pytest.raises(ConflictingRequest) as caught:
        names(text, **fields)
    assert caught.value.items == items


def test_a_conflict_is_told_in_words() -> None:
    error = ConflictingRequest((("a", "extra", "x"), ("a", "group", "g"), ("b", "project", "")))
    assert str(error) == (
        "the extra `a[x]` and the group `g` of `a` and the project `b`"
        " exclude each other and cannot be installed together"
    )


@pytest.mark.parametrize(
    ("dependencies", "fields", "is_refused"),
    [
        ([], {}, False),
        ([], {"all_packages": True}, True),
        (["left"], {}, True),
        # Whatever the target, as it is decided before any marker is.
        ([edge("left", marker="os_name == 'nt'")], {}, True),
    ],
)
def test_only_members_that_the_roots_lead_to_can_be_in_conflict(
    dependencies: list[str], fields: dict[str, Any], is_refused: bool
) -> None:
    text = lock_text(
        project("root", dependencies=dependencies),
        project("left", source="virtual = 'left'", extras={"x": ["a"], "y": ["a"]}),
        package("a"),
        head="""
conflicts = [[{ package = "left", extra = "x" }, { package = "left", extra = "y" }]]
[manifest]
members = ["left", "root"]
""",
    )
    if is_refused:
        with pytest.raises(ConflictingRequest):
            names(text, all_extras=True, **fields)
    else:
        assert names(text, all_extras=True, **fields) == ""
