from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from envbuild.errors import EnvbuildError, Problems
from envbuild.selection.model import (
    LocalTree,
    Repository,
    Request,
    SelectedPackage,
    Selection,
    Wheel,
)
from envbuild.selection.pylock import select_pylock
from support.targets import make_target

if TYPE_CHECKING:
    from envbuild.target.model import Target

HEAD = 'lock-version = "1.0"\ncreated-by = "test"\n'
SHA256, SHA512, COMMIT = "a" * 64, "b" * 128, "c" * 40
LINUX = make_target()


def wheel(filename: str, more: str = "") -> str:
    return f"{{ url = 'https://f.example/{filename}', hashes = {{ sha256 = '{SHA256}' }}{more} }}"


def package(name: str, more: str = "", version: str = "1.0") -> str:
    lines = ["[[packages]]", f"name = '{name}'"]
    if version:
        lines.append(f"version = '{version}'")
    if not any(key in more for key in ("wheels", "directory", "archive", "vcs", "sdist")):
        more += f"\nwheels = [{wheel(f'{name}-1.0-py3-none-any.whl')}]"
    return "\n".join([*lines, more, ""])


def selected(*packages: str, head: str = "", target: Target = LINUX, **fields: Any) -> Selection:
    text = HEAD + head + "\n" + "\n".join(packages or ("packages = []",))
    return select_pylock(text, file="pylock.toml", request=Request(**fields), target=target)


def names(*packages: str, **fields: Any) -> str:
    return " ".join(each.name for each in selected(*packages, **fields).packages)


def refused(*packages: str, **fields: Any) -> list[str]:
    with pytest.raises(EnvbuildError) as caught:
        selected(*packages, **fields)
    error = caught.value
    return [str(each) for each in error.errors] if isinstance(error, Problems) else [str(error)]


def test_a_selection_says_all_that_is_needed_to_install() -> None:
    selection = selected(
        package(
            "b",
            "index = 'https://me:pw@i.example/simple'\n"
            "wheels = [{ path = './w/b-1.0-py3-none-any.whl', size = 5,"
            f" hashes = {{ sha512 = '{SHA512}', sha256 = '{SHA256.upper()}' }} }},"
            f" {wheel('b-1.0-cp39-cp39-win32.whl')}]",
        ),
        package(
            "a",
            "archive = { url = 'https://t@x.example/a-2.0-py3-none-any.whl', subdirectory = 's',"
            f" hashes = {{ sha512 = '{SHA512}' }} }}",
            version="",
        ),
        package(
            "c",
            f"archive = {{ path = 'c-1.0-py3-none-any.whl', hashes = {{ md5 = '{'0' * 32}' }} }}",
        ),
        package("d", "directory = { path = 'd', editable = true }", version=""),
        package("e", "directory = { path = '../x/./e', subdirectory = 's' }"),
        package(
            "f",
            "vcs = { type = 'git', url = 'https://me:pw@g.example/f.git', subdirectory = 's',"
            f" requested-revision = 'v1+x', commit-id = '{COMMIT}' }}",
        ),
    )
    assert selection == Selection(
        packages=(
            SelectedPackage(
                name="a",
                version="2.0",
                source="url",
                source_location="https://x.example/a-2.0-py3-none-any.whl",
                subdirectory="s",
                distribution=Wheel(
                    filename="a-2.0-py3-none-any.whl",
                    location="https://x.example/a-2.0-py3-none-any.whl",
                    userinfo="t",
                    hash=f"sha512:{SHA512}",
                    size=None,
                ),
                requested=True,
            ),
            SelectedPackage(
                name="b",
                version="1.0",
                source="registry",
                source_location="https://i.example/simple",
                subdirectory="",
                distribution=Wheel(
                    filename="b-1.0-py3-none-any.whl",
                    location="w/b-1.0-py3-none-any.whl",
                    hash=f"sha256:{SHA256}",
                    size=5,
                ),
                requested=True,
            ),
            SelectedPackage(
                name="c",
                version="1.0",
                source="path",
                source_location="c-1.0-py3-none-any.whl",
                subdirectory="",
                distribution=Wheel(
                    filename="c-1.0-py3-none-any.whl",
                    location="c-1.0-py3-none-any.whl",
                    hash=f"md5:{'0' * 32}",
                    size=None,
                ),
                requested=True,
            ),
            SelectedPackage(
                name="d",
                version=None,
                source="editable",
                source_location="d",
                subdirectory="",
                distribution=LocalTree(location="d", editable=True),
                requested=True,
            ),
            SelectedPackage(
                name="e",
                version="1.0",
                source="directory",
                source_location="../x/e/s",
                subdirectory="",
                distribution=LocalTree(location="../x/e/s", editable=False),
                requested=True,
            ),
            SelectedPackage(
                name="f",
                version="1.0",
                source="git",
                source_location=f"https://g.example/f.git?rev=v1%2Bx#{COMMIT}",
                subdirectory="s",
                distribution=Repository(
                    url="https://g.example/f.git", commit=COMMIT, lfs=False, userinfo="me:pw"
                ),
                requested=True,
            ),
        ),
    )


@pytest.mark.parametrize(
    ("where", "url", "location"),
    [
        (
            "url = 'ssh://git@g.example/r'",
            "ssh://git@g.example/r",
            f"ssh://git@g.example/r#{COMMIT}",
        ),
        (
            "url = 'https://g.example/r?x=y#z', requested-revision = 'feature/a b'",
            "https://g.example/r",
            f"https://g.example/r?rev=feature/a%20b#{COMMIT}",
        ),
        ("path = '/srv/r.git'", "/srv/r.git", f"/srv/r.git#{COMMIT}"),
    ],
)
def test_a_repository_is_located(where: str, url: str, location: str) -> None:
    vcs = f"vcs = {{ type = 'git', {where}, commit-id = '{COMMIT}' }}"
    (found,) = selected(package("a", vcs, version="")).packages
    assert found.distribution == Repository(url=url, commit=COMMIT, lfs=False)
    assert (found.version, found.source, found.source_location) == (None, "git", location)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "a"),
        ({"no_editable": True}, ""),
        ({"no_editable_packages": ("b", "c")}, "a"),
        ({"no_editable_packages": ("a",)}, ""),
    ],
)
def test_trees_are_used_where_they_lie_unless_that_is_not_wanted(
    fields: dict[str, Any], expected: str
) -> None:
    selection = selected(
        package("a", "directory = { path = 'a', editable = true }"),
        package("b", "directory = { path = 'b', editable = false }"),
        package("c", "directory = { path = 'c' }"),
        **fields,
    )
    editable = [each.name for each in selection.packages if each.source == "editable"]
    assert " ".join(editable) == expected
    for each in selection.packages:
        tree = LocalTree(location=each.name, editable=each.name in editable)
        assert each.distribution == tree


GROUPS = """
extras = ["x", "y"]
dependency-groups = ["dev", "docs"]
default-groups = ["base"]
"""
MARKED = tuple(
    package(name, f'marker = "{marker}"')
    for name, marker in (
        ("always", "os_name == 'posix'"),
        ("never", "os_name == 'nt'"),
        ("base", "'base' in dependency_groups"),
        ("dev", "'dev' in dependency_groups"),
        ("docs", "'docs' in dependency_groups"),
        ("x", "'x' in extras"),
        ("y", "'y' in extras and 'docs' not in dependency_groups"),
    )
)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "always base"),
        ({"no_default_groups": True}, "always"),
        ({"no_groups": ("base",)}, "always"),
        ({"groups": ("docs",)}, "always base docs"),
        ({"dev": "include"}, "always base dev"),
        ({"dev": "exclude", "all_groups": True}, "always base docs"),
        ({"all_groups": True}, "always base dev docs"),
        ({"extras": ("x",)}, "always base x"),
        ({"all_extras": True}, "always base x y"),
        ({"all_extras": True, "no_extras": ("x",)}, "always base y"),
        ({"all_extras": True, "all_groups": True}, "always base dev docs x"),
        ({"no_install_packages": ("always",)}, "base"),
    ],
)
def test_markers_know_extras_and_groups(fields: dict[str, Any], expected: str) -> None:
    assert names(*MARKED, head=GROUPS, **fields) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"extras": ("z",), "groups": ("none",)},
            [
                "the extra `z` is not declared by the lock",
                "the dependency group `none` is not declared by the lock",
            ],
        ),
        (
            {"roots": ("a",), "only_groups": ("dev",)},
            [
                "a pylock file has no projects to start from, so choosing workspace members means nothing",
                "a pylock file has no projects to start from, so installing groups alone means nothing",
            ],
        ),
        (
            {"all_packages": True},
            [
                "a pylock file has no projects to start from, so choosing workspace members means nothing"
            ],
        ),
        (
            {"dev": "only"},
            [
                "a pylock file has no projects to start from, so installing groups alone means nothing"
            ],
        ),
    ],
)
def test_what_the_lock_cannot_answer_is_refused(
    fields: dict[str, Any], expected: list[str]
) -> None:
    assert refused(head=GROUPS, **fields) == expected


def test_the_target_must_be_one_of_the_locks() -> None:
    assert refused(head="requires-python = '>=3.13'\nenvironments = ['os_name == \"nt\"']") == [
        "the lock requires Python `>=3.13`, and the target has 3.12.4",
        'the lock supports only `os_name == "nt"`, and the target is none of these',
    ]
    assert names(head="environments = ['os_name == \"nt\"', 'os_name == \"posix\"']") == ""
    assert refused(package("a", "requires-python = '<3.12'")) == [
        "the lock requires Python `<3.12`, and the target has 3.12.4"
    ]


def test_two_packages_of_one_name_are_refused() -> None:
    twice = (package("a"), package("a", f"wheels = [{wheel('a-2.0-py3-none-any.whl')}]", "2.0"))
    assert refused(*twice) == ["the lock puts `a` into the environment more than once: 1.0 and 2.0"]


def test_what_is_not_fit_for_installing_is_all_told_at_once() -> None:
    hashes = f"hashes = {{ sha256 = '{SHA256}' }}"
    assert refused(
        package("a", f"wheels = [{wheel('a-1.0-py3-none-win32.whl')}]"),
        package("b", f"sdist = {{ url = 'https://f.example/b-1.0.tar.gz', {hashes} }}"),
        package("c", f"archive = {{ url = 'https://f.example/c-1.0.tar.gz', {hashes} }}"),
        package(
            "d", f"archive = {{ url = 'https://f.example/d-1.0-py3-none-win32.whl', {hashes} }}"
        ),
        package(
            "e", f"vcs = {{ type = 'git', url = 'https://g.example/e', commit-id = '{'0' * 40}' }}"
        ),
        package("f", "directory = { path = '.', editable = true }", version=""),
        package(
            "g", f"vcs = {{ type = 'hg', url = 'https://g.example/g', commit-id = '{COMMIT}' }}"
        ),
        package("ok"),
        no_build_packages=("b", "c", "e", "f"),
    ) == [
        "`a` 1.0 has no wheel for the platform tag `manylinux_2_28_x86_64`, only for `win32`",
        "`b` 1.0 has no wheel, and building it from source is not permitted",
        "`c` 1.0 has no wheel, and building it from source is not permitted",
        "`d` 1.0 has no wheel for the platform tag `manylinux_2_28_x86_64`, only for `win32`",
        "`e` 1.0 has no wheel, and building it from source is not permitted",
        "`f` has no wheel, and building it from source is not permitted",
        "`g` comes from a `hg` repository, and only `git` is supported",
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "a project tree"),
        ({"no_install_project": True}, "a tree"),
        ({"no_install_workspace": True}, "a"),
        ({"no_install_local": True}, ""),
        ({"no_install_packages": ("tree", "a")}, "project"),
    ],
)
def test_local_trees_can_be_left_out(fields: dict[str, Any], expected: str) -> None:
    packages = (
        package("project", "directory = { path = '.' }"),
        package("tree", "directory = { path = '../tree' }"),
        package(
            "a",
            f"archive = {{ path = 'a-1.0-py3-none-any.whl', hashes = {{ sha256 = '{SHA256}' }} }}",
        ),
    )
    assert names(*packages, **fields) == expected
