from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from envbuild.errors import EnvbuildError, LockfileError, Problems
from envbuild.lockfile.parse import parse_lock
from envbuild.selection.memo import EvaluationMemo
from envbuild.selection.model import (
    LocalTree,
    Repository,
    Request,
    Sdist,
    SelectedPackage,
    Selection,
    Wheel,
)
from envbuild.selection.select import NoFittingWheel, select, select_text
from support.locks import INDEX, edge, lock_text, package, project
from support.targets import make_target

if TYPE_CHECKING:
    from envbuild.target.model import Target

COMMIT = "0123456789" * 4
GIT = f"https://me:pw@g.example/repo?subdirectory=s&lfs=true&tag=v3#{COMMIT}"
LINUX = make_target()
WINDOWS = make_target(system="windows", machine="AMD64")


def selected(text: str, target: Target = LINUX, **fields: Any) -> Selection:
    """Return the selection, and make sure that a memo gives the same."""
    request = Request(**fields)
    selection = select(parse_lock(text, file="uv.lock"), request, target)
    memo = EvaluationMemo("t" * 64)  # type: ignore[arg-type]
    for _ in range(2):
        assert select_text(text, file="x", request=request, target=target, memo=memo) == selection
    return selection


def names(text: str, target: Target = LINUX, **fields: Any) -> str:
    return " ".join(each.name for each in selected(text, target, **fields).packages)


def refused(text: str, target: Target = LINUX, **fields: Any) -> list[str]:
    """Return what is wrong, one line for each problem."""
    with pytest.raises(EnvbuildError) as caught:
        selected(text, target, **fields)
    error = caught.value
    assert not isinstance(error, LockfileError)
    return [str(each) for each in error.errors] if isinstance(error, Problems) else [str(error)]


def test_a_selection_says_all_that_is_needed_to_install() -> None:
    text = lock_text(
        project(dependencies=["ant", "repo", "tree"], source="editable = '.'"),
        package("ant", dependencies=["bee", "shell"]),
        package(
            "bee",
            "2.0",
            wheels=["bee-2.0-py3-none-any.whl", "bee-2.0-cp312-cp312-manylinux_2_17_x86_64.whl"],
        ),
        project("repo", "3.0", source=f"git = '{GIT}'"),
        project("shell", source="virtual = 'shell'"),
        project("tree", "", source="directory = '../tree'"),
        package("unused"),
    )

    def artifact(filename: str) -> Wheel:
        return Wheel(
            filename=filename,
            location=f"https://files.example/{filename}",
            hash=f"sha256:{sum(filename.encode()):064x}",
            size=len(filename),
        )

    assert selected(text) == Selection(
        packages=(
            SelectedPackage(
                name="ant",
                version="1.0",
                source="registry",
                source_location=INDEX,
                subdirectory="",
                distribution=artifact("ant-1.0-py3-none-any.whl"),
                requested=True,
            ),
            SelectedPackage(
                name="bee",
                version="2.0",
                source="registry",
                source_location=INDEX,
                subdirectory="",
                distribution=artifact("bee-2.0-cp312-cp312-manylinux_2_17_x86_64.whl"),
                requested=False,
            ),
            SelectedPackage(
                name="demo",
                version="0.1",
                source="editable",
                source_location=".",
                subdirectory="",
                distribution=LocalTree(location=".", editable=True),
                requested=True,
                needs=frozenset({"ant", "repo", "tree"}),
            ),
            SelectedPackage(
                name="repo",
                version="3.0",
                source="git",
                source_location=f"https://g.example/repo?subdirectory=s&lfs=true&tag=v3#{COMMIT}",
                subdirectory="s",
                distribution=Repository(
                    url="https://g.example/repo", commit=COMMIT, lfs=True, userinfo="me:pw"
                ),
                requested=True,
                needs=frozenset(),
            ),
            SelectedPackage(
                name="tree",
                version=None,
                source="directory",
                source_location="../tree",
                subdirectory="",
                distribution=LocalTree(location="../tree", editable=False),
                requested=True,
                needs=frozenset(),
            ),
        )
    )


@pytest.mark.parametrize(
    ("source", "label", "address"),
    [
        ("https://g.example/r", "https://g.example/r@", "https://g.example/r"),
        ("https://me:pw@g.example/r?rev=v1", "https://g.example/r@", "https://me:pw@g.example/r"),
        (
            "https://token@g.example/r.git",
            "https://g.example/r.git@",
            "https://token@g.example/r.git",
        ),
        ("ssh://git@g.example/r?tag=v1", "ssh://git@g.example/r@", "ssh://git@g.example/r"),
        ("ssh://git:pw@g.example/r", "ssh://g.example/r@", "ssh://git:pw@g.example/r"),
        ("file:///r?subdirectory=s", "file:///r@", "file:///r"),
    ],
)
def test_a_repository_is_called_by_its_address_without_secrets(
    source: str, label: str, address: str
) -> None:
    repo = project("repo", source=f"git = '{source}#{COMMIT}'")
    (found,) = selected(lock_text(project(dependencies=["repo"]), repo)).packages
    assert isinstance(found.distribution, Repository)
    assert found.distribution.label == label + COMMIT[:12]
    assert found.distribution.address == address
    assert "pw" not in repr(found)
    assert "token" not in repr(found)


TREES = lock_text(
    project(dependencies=["left", "linked", "repo", "tree"], source="editable = '.'"),
    project("left", "", source="editable = 'left'"),
    project("linked", source="editable = '../linked'"),
    project("repo", source=f"git = 'https://g.example/repo#{'0' * 40}'"),
    project("tree", source="directory = 'tree'"),
    head="[manifest]\nmembers = ['demo', 'left']",
)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "demo left linked"),
        ({"no_editable": True}, ""),
        ({"no_editable_packages": ("demo", "tree", "unknown")}, "left linked"),
        ({"no_editable": True, "no_editable_packages": ("left",)}, ""),
        ({"no_binary": True}, "demo left linked"),
    ],
)
def test_trees_are_used_where_they_lie_unless_that_is_not_wanted(
    fields: dict[str, Any], expected: str
) -> None:
    packages = selected(TREES, **fields).packages
    assert [each.name for each in packages] == ["demo", "left", "linked", "repo", "tree"]
    editable = [each for each in packages if each.source == "editable"]
    assert " ".join(each.name for each in editable) == expected
    for each in packages:
        assert each.is_built
        if each.name != "repo":
            wanted = LocalTree(location=each.source_location, editable=each in editable)
            assert each.distribution == wanted
            assert each.source in {"editable", "directory"}


@pytest.mark.parametrize(
    ("fields", "refused_packages"),
    [
        ({"no_build": True}, ("linked", "repo", "tree")),
        ({"no_build": True, "no_editable": True}, ("linked", "repo", "tree")),
        ({"no_build": True, "no_binary_packages": ("linked", "tree")}, ("repo",)),
        ({"no_build_packages": ("demo", "left", "tree")}, ("tree",)),
        ({"no_build_packages": ("repo",)}, ("repo",)),
    ],
)
def test_of_trees_only_members_are_built_where_nothing_may_be(
    fields: dict[str, Any], refused_packages: tuple[str, ...]
) -> None:
    assert refused(TREES, **fields) == [
        f"`{name}` 0.1 has no wheel, and building it from source is not permitted"
        for name in refused_packages
    ]
    assert "demo left" in names(TREES, **fields, no_install_packages=refused_packages)


def test_the_only_project_is_built_where_nothing_may_be() -> None:
    text = lock_text(project(source="editable = '.'"))
    assert names(text, no_build=True) == "demo"


def test_packages_come_sorted_by_name() -> None:
    text = lock_text(
        project(dependencies=["c", "a", "b"]), package("c"), package("b"), package("a")
    )
    assert names(text) == "a b c"


def test_requested_is_what_a_root_asks_for_itself() -> None:
    text = lock_text(
        project(
            dependencies=["a"],
            extras={"x": ["b", edge("e", marker="os_name == 'nt'")]},
            groups={"dev": ["c"]},
        ),
        package("a", dependencies=["d", "e"]),
        package("b"),
        package("c"),
        package("d"),
        package("e"),
    )
    found = selected(text, extras=("x",))
    assert [each.name for each in found.packages if each.requested] == ["a", "b", "c"]


def test_what_is_not_fit_for_installing_is_all_told_at_once() -> None:
    text = lock_text(
        project(dependencies=["a", "b", "c", "d", "e", "f", "g", "ok"]),
        package("a", wheels=()),
        package("b", wheels=(), sdist=True),
        package("c", wheels=["c-1.0-pp39-pp-win32.whl", "c-1.0-pp310-pp-win32.whl"]),
        package("d", wheels=["d-1.0-cp312-cp312t-manylinux_2_17_x86_64.whl"], sdist=True),
        package("e", wheels=["e-1.0-py3-none-win_amd64.whl"]),
        package("f", wheels=["f-1.0-py3-none-any-special.whl"]),
        package("g", source=f"git = 'https://g.example/g#{'0' * 40}'", wheels=()),
        package("ok"),
    )
    assert refused(text, no_build_packages=("b", "d", "g")) == [
        "`a` 1.0 has no wheel",
        "`b` 1.0 has no wheel, and building it from source is not permitted",
        "`c` 1.0 has no wheel for the Python tag `cp312`, only for `pp310`, `pp39`",
        (
            "`d` 1.0 has no wheel for the ABI tag `cp312`, only for `cp312t`,"
            " and building it from source is not permitted"
        ),
        "`e` 1.0 has no wheel for the platform tag `manylinux_2_28_x86_64`, only for `win_amd64`",
        "`f` 1.0 has only variant wheels, which are not supported",
        "`g` 1.0 has no wheel, and building it from source is not permitted",
    ]
    assert names(text, no_install_packages=tuple("abcdefh")) == "g ok"


BUILDABLE = lock_text(
    project(dependencies=["both", "made", "ready"]),
    package("both", sdist=True),
    package("made", wheels=(), sdist=True),
    package("ready"),
)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "made"),
        ({"no_build_packages": ("both", "ready")}, "made"),
        ({"no_binary_packages": ("both", "made", "unknown")}, "both made"),
        ({"no_binary": True, "no_install_packages": ("ready",)}, "both made"),
        ({"no_build": True, "no_install_packages": ("made",)}, ""),
        ({"no_build": True, "no_binary_packages": ("made",)}, "made"),
        ({"no_build": True, "no_binary_packages": ("made", "both")}, "both made"),
        (
            {"no_build": True, "no_build_packages": ("made",), "no_binary_packages": ("made",)},
            "made",
        ),
        ({"no_binary": True, "no_build_packages": ("ready",)}, "both made"),
        ({"no_binary": True, "no_build_packages": ("ready", "both")}, "made"),
    ],
)
def test_what_has_no_wheel_or_may_take_none_is_built(fields: dict[str, Any], expected: str) -> None:
    built = [
        each.name
        for each in selected(BUILDABLE, **fields).packages
        if isinstance(each.distribution, Sdist)
    ]
    assert " ".join(built) == expected


def test_what_is_built_comes_from_the_source_distribution() -> None:
    (package,) = selected(BUILDABLE, no_install_packages=("both", "ready")).packages
    assert isinstance(package.distribution, Sdist)
    assert package.distribution.filename == package.distribution.label == "made-1.0.tar.gz"
    assert package.distribution.location == "https://files.example/made-1.0.tar.gz"


def test_what_is_built_has_a_version_where_the_lock_knows_it() -> None:
    archive = "url = 'https://x.example/a.zip'"
    text = lock_text(
        project(dependencies=["a", "repo", "tree"]),
        package(
            "a", "", source=archive, wheels=(), more=f"sdist = {{ hash = 'sha256:{'0' * 64}' }}"
        ),
        project("repo", "", source=f"git = 'https://g.example/repo#{COMMIT}'"),
        project("tree", "", source="editable = 'tree'"),
    )
    assert [each.version for each in selected(text).packages] == [None, None, None]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"no_build": True},
            ["`made` 1.0 has no wheel, and building it from source is not permitted"],
        ),
        (
            {"no_binary": True},
            ["no wheel of `ready` 1.0 may be taken, and it has no source distribution"],
        ),
        (
            {"no_binary": True, "no_build_packages": ("made",)},
            [
                "`made` 1.0 has no wheel, and building it from source is not permitted",
                "no wheel of `ready` 1.0 may be taken, and it has no source distribution",
            ],
        ),
        (
            {"no_binary": True, "no_build": True},
            [
                "no wheel of `both` 1.0 may be taken, and building it from source is not permitted",
                "`made` 1.0 has no wheel, and building it from source is not permitted",
                "no wheel of `ready` 1.0 may be taken, and it has no source distribution",
            ],
        ),
        (
            {"no_binary_packages": ("both",), "no_build_packages": ("both",)},
            ["no wheel of `both` 1.0 may be taken, and building it from source is not permitted"],
        ),
    ],
)
def test_what_may_neither_be_built_nor_taken_is_refused(
    fields: dict[str, Any], expected: list[str]
) -> None:
    assert refused(BUILDABLE, **fields) == expected


def test_a_platform_without_wheels_comes_with_the_entry_to_add() -> None:
    text = lock_text(project(dependencies=["e"]), package("e", wheels=["e-1.0-py3-none-win32.whl"]))
    with pytest.raises(NoFittingWheel) as caught:
        selected(text)
    error = caught.value
    assert (error.name, error.version, error.aspect) == ("e", "1.0", "platform")
    assert (error.preferred, error.found) == ("manylinux_2_28_x86_64", ("win32",))
    assert error.hint == (
        "add \"sys_platform == 'linux' and platform_machine == 'x86_64'\" to"
        " `tool.uv.required-environments` and lock again, so that a version with fitting wheels is chosen"
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"extras": ("x", "missing")}, ["the extra `missing` is not declared by `demo`"]),
        ({"no_extras": ("missing",)}, ["the extra `missing` is not declared by `demo`"]),
        ({"groups": ("missing",)}, ["the dependency group `missing` is not declared by `demo`"]),
        ({"no_groups": ("missing",)}, ["the dependency group `missing` is not declared by `demo`"]),
        (
            {"only_groups": ("missing",)},
            ["the dependency group `missing` is not declared by `demo`"],
        ),
        (
            {"extras": ("no",), "groups": ("none",)},
            [
                "the extra `no` is not declared by `demo`",
                "the dependency group `none` is not declared by `demo`",
            ],
        ),
        ({"roots": ("a",)}, ["`a` is not a member of the workspace, which has `demo`"]),
    ],
)
def test_what_the_lock_does_not_have_is_refused(
    fields: dict[str, Any], expected: list[str]
) -> None:
    text = lock_text(project(dependencies=["a"], extras={"x": ["a"]}), package("a"))
    assert refused(text, **fields) == expected


@pytest.mark.parametrize("fields", [{"dev": "include"}, {"dev": "exclude"}, {"dev": "only"}])
def test_the_group_dev_need_not_exist(fields: dict[str, Any]) -> None:
    text = lock_text(project(dependencies=["a"]), package("a"))
    assert names(text, **fields) == ("" if fields["dev"] == "only" else "a")


def test_extras_that_resolved_to_nothing_are_known_from_the_metadata() -> None:
    text = lock_text(project(tables="[package.metadata]\nprovides-extras = ['empty']"))
    assert names(text, extras=("empty",)) == ""


def test_a_lock_of_revision_0_does_not_tell_which_extras_there_are() -> None:
    text = lock_text(project(), revision=0)
    assert names(text, extras=("whatever",)) == ""


@pytest.mark.parametrize(
    ("requires_python", "version", "expected"),
    [
        (">=3.12", "3.12.4", None),
        (">=3.13", "3.12.4", "the lock requires Python `>=3.13`, and the target has 3.12.4"),
        (">=3.15", "3.15.0rc1", None),
        (
            ">=3.9,<3.12",
            "3.12.0",
            "the lock requires Python `>=3.9,<3.12`, and the target has 3.12.0",
        ),
    ],
)
def test_the_python_of_the_target_must_be_one_of_the_locks(
    requires_python: str, version: str, expected: str | None
) -> None:
    text = lock_text(project(), requires_python=requires_python)
    if expected is None:
        assert names(text, make_target(version)) == ""
    else:
        assert refused(text, make_target(version)) == [expected]


GROUPS_WITH_PYTHON = project(
    groups={"new": ["a"]}, tables="[package.group-requires-python]\nnew = '>=3.13'"
)


@pytest.mark.parametrize(
    ("revision", "fields", "is_refused"),
    [
        (5, {}, False),
        (5, {"groups": ("new",)}, True),
        (5, {"groups": ("new",), "no_groups": ("new",)}, False),
        (5, {"group_requires_python": (("new", ">=3.14"),)}, False),
        (3, {"groups": ("new",)}, False),
        (3, {"groups": ("new",), "group_requires_python": (("new", ">=3.13"),)}, True),
        (3, {"groups": ("new",), "group_requires_python": (("new", ">=3.12"),)}, False),
        (3, {"group_requires_python": (("new", ">=3.13"),)}, False),
    ],
)
def test_a_group_may_ask_for_a_python_of_its_own(
    revision: int, fields: dict[str, Any], is_refused: bool
) -> None:
    text = lock_text(GROUPS_WITH_PYTHON, package("a"), revision=revision)
    if is_refused:
        assert refused(text, **fields) == [
            "the dependency group `new` requires Python `>=3.13`, and the target has 3.12.4"
        ]
    else:
        names(text, **fields)


@pytest.mark.parametrize(
    ("revision", "recorded", "fields", "expected"),
    [
        (5, "", {}, "d"),
        (5, "default-groups = ['docs']", {}, "o"),
        (5, "default-groups = 'all'", {}, "d o"),
        (5, "default-groups = []", {}, ""),
        (5, "default-groups = []", {"default_groups": ("docs",)}, ""),
        (5, "default-groups = 'all'", {"no_default_groups": True}, ""),
        (3, "", {}, "d"),
        (3, "", {"default_groups": ("docs",)}, "o"),
        (3, "", {"default_groups": None}, "d o"),
        (3, "", {"default_groups": None, "no_groups": ("docs",)}, "d"),
        (3, "", {"default_groups": ()}, ""),
    ],
)
def test_default_groups_are_the_locks_where_it_records_them(
    revision: int, recorded: str, fields: dict[str, Any], expected: str
) -> None:
    text = lock_text(
        project(groups={"dev": ["d"], "docs": ["o"]}, more=recorded),
        package("d"),
        package("o"),
        revision=revision,
    )
    assert names(text, **fields) == expected


@pytest.mark.parametrize(
    ("head", "target", "expected"),
    [
        ("supported-markers = ['sys_platform == \"linux\"', 'os_name == \"nt\"']", LINUX, None),
        (
            "supported-markers = ['sys_platform == \"darwin\"', 'os_name == \"nt\"']",
            LINUX,
            'the lock supports only `sys_platform == "darwin"`, `os_name == "nt"`, and the target is none of these',
        ),
        ("resolution-markers = ['os_name == \"nt\"', 'os_name != \"nt\"']", LINUX, None),
        (
            "resolution-markers = ['os_name == \"nt\"']",
            LINUX,
            "no fork of the resolution in the lock covers the target",
        ),
        ("resolution-markers = ['os_name == \"nt\"']", WINDOWS, None),
        ('resolution-markers = [\'os_name != "nt" and extra == "extra-4-demo-x"\']', LINUX, None),
    ],
)
def test_the_platform_must_be_one_of_the_locks(
    head: str, target: Target, expected: str | None
) -> None:
    text = lock_text(project(), head=head)
    if expected is None:
        names(text, target)
    else:
        assert refused(text, target) == [expected]


def test_members_that_the_lock_does_not_hold_are_told() -> None:
    text = lock_text(project(), head="[manifest]\nmembers = ['demo', 'gone']")
    assert names(text) == ""
    assert refused(text, all_packages=True) == ["the lock asks for `gone`, which is not in it"]


SCRIPT = "[manifest]\nrequirements = [{ name = 'a', extras = ['x', 'y'] }, { name = 'c', marker = 'os_name == \"nt\"' }]"


def test_a_script_starts_from_its_requirements() -> None:
    text = lock_text(package("a", extras={"x": ["b"]}), package("b"), package("c"), head=SCRIPT)
    found = selected(text)
    assert [(each.name, each.requested) for each in found.packages] == [("a", True), ("b", False)]
    assert names(text, WINDOWS) == "a b c"


def test_a_requirement_finds_its_package_by_the_fork() -> None:
    def fork(marker: str) -> str:
        return f"resolution-markers = ['{marker}']"

    packages = (
        package("a", "1.0", more=fork('os_name == "nt"')),
        package("a", "2.0", more=fork('os_name != "nt"')),
    )
    head = "[manifest]\nrequirements = [{ name = 'a' }]"
    assert selected(lock_text(*packages, head=head)).packages[0].version == "2.0"
    assert selected(lock_text(*packages, head=head), WINDOWS).packages[0].version == "1.0"
    twice = lock_text(packages[1], package("a", "3.0"), head=head)
    assert refused(twice) == ["the lock asks for `a`, which fits 2 of its packages"]
    assert refused(lock_text(head=head)) == ["the lock asks for `a`, which is not in it"]


def test_two_packages_of_one_name_are_refused() -> None:
    text = lock_text(
        project(dependencies=[edge("a", "1.0"), edge("a", "2.0")]),
        package("a"),
        package("a", "2.0"),
    )
    assert refused(text) == [
        (
            "the lock puts `a` into the environment more than once:"
            f" 1.0 from `{INDEX}` and 2.0 from `{INDEX}`"
        )
    ]
    assert names(text, no_install_packages=("a",)) == ""


def test_an_edge_of_another_spelling_finds_its_package() -> None:
    text = lock_text(project(dependencies=[edge("a", "2")]), package("a"), package("a", "2.0"))
    assert selected(text).packages[0].version == "2.0"


def test_a_package_without_version_has_that_of_its_wheel() -> None:
    url = "https://x.example/a-3.1-py3-none-any.whl"
    text = lock_text(
        project(dependencies=["a"]),
        package(
            "a",
            "",
            source=f"url = '{url}'",
            wheels=(),
            more=f"wheels = [{{ url = '{url}', hash = 'sha256:{'0' * 64}' }}]",
        ),
    )
    assert selected(text).packages[0].version == "3.1"


def test_a_lock_that_is_wrong_is_told_with_the_place_by_either_way() -> None:
    text = lock_text(project(dependencies=["a"]), package("b", wheels=["b.whl"]))
    memo = EvaluationMemo("t" * 64)  # type: ignore[arg-type]
    for given in (None, memo):
        with pytest.raises(LockfileError) as caught:
            select_text(text, file="uv.lock", request=Request(), target=LINUX, memo=given)
        assert "package[1].wheels[0]" in str(caught.value)
    assert not memo.changed
