from __future__ import annotations

import pytest

from envbuild.errors import Problems
from envbuild.lockfile.model import ConflictItem, Requirement
from envbuild.lockfile.package import (
    Dependency,
    Directory,
    Editable,
    Git,
    Path,
    Registry,
    Sdist,
    Source,
    Url,
    Virtual,
    Wheel,
)
from envbuild.lockfile.parse import UnsupportedLockVersion, parse_lock
from envbuild.lockfile.tables import InvalidEntry
from support.locks import INDEX, edge, lock_text, package, project

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHA256 = "sha256:" + "0" * 64


def faults(text: str) -> dict[str, str]:
    """Return place and reason of each fault in a text."""
    try:
        parse_lock(text, file="uv.lock")
    except Problems as problems:
        errors = list(problems.errors)
    except InvalidEntry as error:
        errors = [error]
    else:
        return {}
    found = [error for error in errors if isinstance(error, InvalidEntry)]
    assert len(found) == len(errors)
    assert len({error.place for error in found}) == len(found)
    return {error.place: error.reason for error in found}


def test_a_lock_says_what_its_text_says() -> None:
    lock = parse_lock(
        lock_text(
            project(
                dependencies=[edge("Ant", marker="sys_platform == 'linux'")],
                extras={"Fast_Track": ["bee"]},
                groups={"dev": ["bee"], "empty": []},
                more='default-groups = ["dev", "docs"]',
                tables="""
[package.group-requires-python]
dev = ">=3.12"

[package.metadata]
requires-dist = [{ name = "ant" }]
provides-extras = ["fast-track", "other"]

[package.metadata.requires-dev]
dev = [{ name = "bee" }]
docs = []
""",
            ),
            package("ant", sdist=True),
            package("bee", more="resolution-markers = [\"os_name == 'nt'\"]"),
            head="""
resolution-markers = ["os_name == 'nt'", "os_name != 'nt'"]
supported-markers = ["os_name == 'posix'"]
conflicts = [[
    { package = "demo", extra = "a" },
    { package = "Demo", group = "b" },
], [
    { package = "demo" },
    { package = "ant" },
]]

[options]
exclude-newer = "2024-01-01T00:00:00Z"

[manifest]
members = ["demo"]
requirements = [{ name = "ant", extras = ["x"], marker = "os_name == 'nt'", specifier = ">1" }]
default-groups = "all"

[manifest.dependency-groups]
dev = [{ name = "bee" }]

[manifest.group-requires-python]
dev = ">=3.10"
""",
        ),
        file="uv.lock",
    )
    assert lock.revision == 5
    assert lock.requires_python == ">=3.9"
    assert lock.resolution_markers == ("os_name == 'nt'", "os_name != 'nt'")
    assert lock.supported_markers == ("os_name == 'posix'",)
    assert lock.conflicts == (
        (
            ConflictItem(package="demo", kind="extra", name="a"),
            ConflictItem(package="demo", kind="group", name="b"),
        ),
        (
            ConflictItem(package="demo", kind="project", name=""),
            ConflictItem(package="ant", kind="project", name=""),
        ),
    )
    assert lock.manifest.members == ("demo",)
    assert lock.manifest.requirements == (
        Requirement(name="ant", extras=("x",), marker="os_name == 'nt'"),
    )
    assert lock.manifest.dependency_groups == {
        "dev": (Requirement(name="bee", extras=(), marker=""),)
    }
    assert lock.manifest.default_groups == "all"
    assert lock.manifest.group_requires_python == {"dev": ">=3.10"}

    demo, ant, bee = lock.packages
    bare = Dependency(name="bee", version=None, source=None, extras=(), marker="")
    assert demo.source == Virtual(location=".")
    assert demo.version == "0.1"
    assert demo.dependencies == (
        Dependency(
            name="ant", version=None, source=None, extras=(), marker="sys_platform == 'linux'"
        ),
    )
    assert demo.optional_dependencies == {"fast-track": (bare,)}
    assert demo.dependency_groups == {"dev": (bare,), "empty": ()}
    assert demo.default_groups == ("dev", "docs")
    assert demo.group_requires_python == {"dev": ">=3.12"}
    assert demo.provides_extras == ("fast-track", "other")
    assert demo.declared_groups == ("dev", "docs")
    assert ant.source == Registry(location=INDEX)
    assert isinstance(ant.sdist, Sdist)
    assert ant.sdist.filename == "ant-1.0.tar.gz"
    (wheel,) = ant.wheels
    assert isinstance(wheel, Wheel)
    assert wheel.filename == "ant-1.0-py3-none-any.whl"
    assert wheel.url == "https://files.example/ant-1.0-py3-none-any.whl"
    assert wheel.size == len(wheel.filename)
    assert wheel.hash is not None
    assert bee.resolution_markers == ("os_name == 'nt'",)
    assert bee.sdist is None


def test_the_least_that_a_lock_needs_is_enough() -> None:
    lock = parse_lock('version = 1\nrequires-python = ""\n', file="uv.lock")
    assert lock.revision == 0
    assert lock.packages == ()


@pytest.mark.parametrize(
    ("source", "version", "expected"),
    [
        (f'registry = "{INDEX}"', "1.0", Registry(location=INDEX)),
        ('registry = "../wheels"', "1.0", Registry(location="../wheels")),
        (
            f'git = "https://git.example/a?subdirectory=x%20y&lfs=true&rev=main#{COMMIT}"',
            "1.0",
            Git(
                url="https://git.example/a?subdirectory=x%20y&lfs=true&rev=main",
                commit=COMMIT,
                subdirectory="x y",
                path="",
                lfs=True,
            ),
        ),
        (
            f'git = "ssh://git@git.example/a?path=d/a-1.0.tar.gz#{COMMIT}"',
            "1.0",
            Git(
                url="ssh://git@git.example/a?path=d/a-1.0.tar.gz",
                commit=COMMIT,
                subdirectory="",
                path="d/a-1.0.tar.gz",
                lfs=False,
            ),
        ),
        (
            'url = "https://x.example/a.zip", subdirectory = "s"',
            "1.0",
            Url(url="https://x.example/a.zip", subdirectory="s"),
        ),
        (
            'url = "https://x.example/a.zip"',
            "",
            Url(url="https://x.example/a.zip", subdirectory=""),
        ),
        ('path = "dist/a-1.0.tar.gz"', "1.0", Path(location="dist/a-1.0.tar.gz")),
        ('directory = "tree"', "", Directory(location="tree")),
        ('editable = "../tree"', "1.0", Editable(location="../tree")),
        ('virtual = "."', "", Virtual(location=".")),
        ('virtual = ".", later = "key"', "", Virtual(location=".")),
    ],
)
def test_every_kind_of_source_is_read(source: str, version: str, expected: Source) -> None:
    lock = parse_lock(lock_text(package("a", version, source=source, wheels=())), file="uv.lock")
    assert lock.packages[0].source == expected


@pytest.mark.parametrize(
    ("source", "row", "filename", "url", "path"),
    [
        (
            f'registry = "{INDEX}"',
            'url = "https://f.example/x/a-1.0%2Bcpu-py3-none-any.whl#sha256=1?y"',
            "a-1.0+cpu-py3-none-any.whl",
            "https://f.example/x/a-1.0%2Bcpu-py3-none-any.whl#sha256=1?y",
            None,
        ),
        (
            'registry = "../wheels"',
            'path = "deep/a-1.0-py3-none-any.whl"',
            "a-1.0-py3-none-any.whl",
            None,
            "deep/a-1.0-py3-none-any.whl",
        ),
        (
            'registry = "../wheels"',
            'url = "https://f.example/a-1.0-py3-none-any.whl"',
            "a-1.0-py3-none-any.whl",
            "https://f.example/a-1.0-py3-none-any.whl",
            None,
        ),
        (
            'path = "w/a-1.0-py3-none-any.whl"',
            f'filename = "a-1.0-py3-none-any.whl", hash = "{SHA256}"',
            "a-1.0-py3-none-any.whl",
            None,
            None,
        ),
        (
            'path = "w/a-1.0-py3-none-any.whl"',
            f'hash = "{SHA256}"',
            "a-1.0-py3-none-any.whl",
            None,
            None,
        ),
        (
            'url = "https://x.example/a-1.0-py3-none-any.whl"',
            f'url = "https://x.example/a-1.0-py3-none-any.whl", hash = "{SHA256}"',
            "a-1.0-py3-none-any.whl",
            "https://x.example/a-1.0-py3-none-any.whl",
            None,
        ),
        (
            f'git = "https://x.example/a?path=d/a-1.0-py3-none-any.whl#{COMMIT}"',
            f'filename = "a-1.0-py3-none-any.whl", hash = "{SHA256}"',
            "a-1.0-py3-none-any.whl",
            None,
            None,
        ),
    ],
)
def test_every_form_of_wheel_is_read(
    source: str, row: str, filename: str, url: str | None, path: str | None
) -> None:
    text = lock_text(package("a", source=source, wheels=(), more=f"wheels = [{{ {row} }}]"))
    (wheel,) = parse_lock(text, file="uv.lock").packages[0].wheels
    assert (wheel.filename, wheel.url, wheel.path) == (filename, url, path)
    assert wheel.size is None


@pytest.mark.parametrize(
    ("source", "row", "filename"),
    [
        (f'registry = "{INDEX}"', 'url = "https://f.example/a-1.0.tar.gz"', "a-1.0.tar.gz"),
        ('registry = "../wheels"', 'path = "a-1.0.zip", upload_time = "2024"', "a-1.0.zip"),
        ('url = "https://x.example/a%20b.zip"', f'hash = "{SHA256}"', "a b.zip"),
        ('path = "d/a-1.0.tar.gz"', f'hash = "{SHA256}", size = 3', "a-1.0.tar.gz"),
    ],
)
def test_every_form_of_source_distribution_is_read(source: str, row: str, filename: str) -> None:
    text = lock_text(package("a", source=source, wheels=(), more=f"sdist = {{ {row} }}"))
    sdist = parse_lock(text, file="uv.lock").packages[0].sdist
    assert sdist is not None
    assert sdist.filename == filename


def test_names_that_early_writers_used_are_understood() -> None:
    text = lock_text(
        project(groups={"dev": ["a"]}, tables="[package.metadata.requires-dev]\ndev = []"),
        package(
            "a",
            more="wheels = [{ url = 'https://x.example/a-1.0-py3-none-any.whl', upload_time = 'now' }]",
            wheels=(),
        ),
    )
    text = (
        text.replace("[[package]]", "[[distribution]]")
        .replace("[package.dev-dependencies]", "[distribution.dependency-groups]")
        .replace("[package.metadata.requires-dev]", "[distribution.metadata.dependency-groups]")
    )
    demo, a = parse_lock(text, file="uv.lock").packages
    assert [edge.name for edge in demo.dependency_groups["dev"]] == ["a"]
    assert demo.declared_groups == ("dev",)
    assert a.wheels[0].upload_time == "now"


@pytest.mark.parametrize("revision", [0, 3, 99])
def test_any_revision_and_unknown_keys_are_accepted(revision: int) -> None:
    text = lock_text(
        package("a", more="later = { x = 1 }"), head="later = [1, 2]", revision=revision
    )
    assert parse_lock(text, file="uv.lock").revision == revision


@pytest.mark.parametrize("version", [0, 2, 10])
def test_another_version_is_refused_by_its_number(version: int) -> None:
    text = f'version = {version}\nrequires-python = "not even looked at"\n'
    with pytest.raises(UnsupportedLockVersion) as caught:
        parse_lock(text, file="uv.lock")
    assert caught.value.version == str(version)


WHEEL = '"https://x.example/a-1.0-py3-none-any.whl"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"version": "is missing", "requires-python": "is missing"}),
        (
            'version = "1"\nrequires-python = 3',
            {
                "version": "must be an integer, found a string",
                "requires-python": "must be a string, found an integer",
            },
        ),
        ("version = -1\nrequires-python = ''", {"version": "must not be negative, found -1"}),
        (
            "version = true\nrequires-python = ''",
            {"version": "must be an integer, found a boolean"},
        ),
        (
            "version = 1\nrequires-python = '3'",
            {"requires-python": "is `3`: `3` is not a version specifier"},
        ),
        (
            "version = 1\nrequires-python = '>=3, >=x'",
            {"requires-python": "is `>=3, >=x`: `>=x` is not a version specifier"},
        ),
        (
            lock_text(head="resolution-markers = ['os_name == \"a\"', 'x', 3]"),
            {
                "resolution-markers[1]": "is `x`: it ends in the middle of a comparison",
                "resolution-markers[2]": "must be a string, found an integer",
            },
        ),
        (
            lock_text(head="supported-markers = 'x'"),
            {"supported-markers": "must be an array, found a string"},
        ),
        (
            lock_text(head="conflicts = [3, [{}, { package = 'a', extra = 'b', group = 'c' }]]"),
            {
                "conflicts[0]": "must be an array, found an integer",
                "conflicts[1][0].package": "is missing",
                "conflicts[1][1]": "names both an extra and a group",
            },
        ),
        (lock_text(head="package = { a = 1 }"), {"package": "must be an array, found a table"}),
        (lock_text(head="package = [3]"), {"package[0]": "must be a table, found an integer"}),
        (
            lock_text(head="[manifest]\nmembers = ['a b']\nrequirements = [{ marker = 'x' }]"),
            {
                "manifest.members[0]": "must be a name, found `a b`",
                "manifest.requirements[0].marker": "is `x`: it ends in the middle of a comparison",
                "manifest.requirements[0].name": "is missing",
            },
        ),
        (
            lock_text(head="[manifest.dependency-groups]\ndev = [{ name = 3 }]"),
            {"manifest.dependency-groups.dev[0].name": "must be a string, found an integer"},
        ),
        (
            lock_text(head="[manifest.group-requires-python]\ndev = '3'"),
            {"manifest.group-requires-python.dev": "is `3`: `3` is not a version specifier"},
        ),
        (
            lock_text("[[package]]\n"),
            {"package[0].name": "is missing", "package[0].source": "is missing"},
        ),
        (lock_text("[[package]]\nname = 'a b'\nsource = {}\n"), {"package[0].source": "is empty"}),
        (
            lock_text("[[package]]\nname = 'a b'\nversion = 'x'\nsource = { virtual = '.' }\n"),
            {
                "package[0].name": "must be a name, found `a b`",
                "package[0].version": "is `x`: not a version",
            },
        ),
        (
            lock_text(package("a", "", wheels=())),
            {"package[0].version": "is missing, and the package comes from an index"},
        ),
        (
            lock_text(package("a", source="cloud = 'x', bucket = 'y'", wheels=())),
            {"package[0].source": "is of no known kind, found `cloud`, `bucket`"},
        ),
        (
            lock_text(package("a", source="registry = 3", wheels=())),
            {"package[0].source.registry": "must be a string, found an integer"},
        ),
        (
            lock_text(package("a", source="git = 'https://x.example/a'", wheels=())),
            {
                "package[0].source.git": "must end in `#` and a full commit, found `https://x.example/a`"
            },
        ),
        (
            lock_text(package("a", source="git = 'https://x.example/a#main'", wheels=())),
            {
                "package[0].source.git": "must end in `#` and a full commit, found `https://x.example/a#main`"
            },
        ),
        (
            lock_text(package("a", source=f"git = '../a#{COMMIT}'", wheels=())),
            {"package[0].source.git": f"must be a URL, found `../a#{COMMIT}`"},
        ),
        (
            lock_text(
                package(
                    "a", source=f"git = 'https://x.example/a?rev={'f' * 40}#{COMMIT}'", wheels=()
                )
            ),
            {"package[0].source.git": f"asks for commit `{'f' * 40}` and is locked to `{COMMIT}`"},
        ),
        (
            lock_text(
                package("a", more=f"wheels = [{{ url = {WHEEL}, hash = 'sha256:00' }}]", wheels=())
            ),
            {"package[0].wheels[0].hash": "must be an algorithm and its digest, found `sha256:00`"},
        ),
        (
            lock_text(
                package(
                    "a",
                    more=f"wheels = [{{ url = {WHEEL}, hash = 'crc:00', size = 1.5 }}]",
                    wheels=(),
                )
            ),
            {
                "package[0].wheels[0].hash": "must be an algorithm and its digest, found `crc:00`",
                "package[0].wheels[0].size": "must be an integer, found a float",
            },
        ),
        (
            lock_text(
                package("a", more="wheels = [{ path = 'a-1.0-py3-none-any.whl' }]", wheels=())
            ),
            {"package[0].wheels[0]": "has no `url`"},
        ),
        (
            lock_text(
                package(
                    "a",
                    source="registry = 'w'",
                    more="wheels = [{ filename = 'a-1.0-py3-none-any.whl' }]",
                    wheels=(),
                )
            ),
            {"package[0].wheels[0]": "has neither `url` nor `path`"},
        ),
        (
            lock_text(package("a", wheels=["a-1.0.whl"])),
            {"package[0].wheels[0]": "is no wheel by its name `a-1.0.whl`"},
        ),
        (
            lock_text(package("a", wheels=["a-1.0-py3-none-any.zip"])),
            {"package[0].wheels[0]": "is no wheel by its name `a-1.0-py3-none-any.zip`"},
        ),
        (
            lock_text(package("a", wheels=["a-1.0-py3--any.whl"])),
            {"package[0].wheels[0]": "is no wheel by its name `a-1.0-py3--any.whl`"},
        ),
        (
            lock_text(package("a", wheels=["a-1.1-py3-none-any.whl"])),
            {
                "package[0].wheels[0]": "is `a-1.1-py3-none-any.whl`, and the package has version `1.0`"
            },
        ),
        (
            lock_text(package("a", wheels=["a-one-py3-none-any.whl"])),
            {"package[0].wheels[0]": "has a name, `a-one-py3-none-any.whl`, whose version is none"},
        ),
        (
            lock_text(
                package(
                    "a",
                    source="url = 'https://x.example/a-1.0-py3-none-any.whl'",
                    wheels=(),
                    more="wheels = [{}]",
                )
            ),
            {
                "package[0].wheels[0].hash": "is missing, and the source has no other proof of content"
            },
        ),
        (
            lock_text(
                package("a", source="path = 'a-1.0.tar.gz'", wheels=(), more="sdist = { size = 1 }")
            ),
            {"package[0].sdist.hash": "is missing, and the source has no other proof of content"},
        ),
        (
            lock_text(
                package(
                    "a", source="editable = '.'", wheels=(), more=f"sdist = {{ hash = '{SHA256}' }}"
                )
            ),
            {"package[0].sdist.hash": "cannot be: the package is a tree and no archive"},
        ),
        (
            lock_text(package("a", source="directory = '.'")),
            {"package[0].wheels[0]": "cannot be: the package is a local tree"},
        ),
        (
            lock_text(package("a", source=f"git = 'https://x.example/a#{COMMIT}'")),
            {"package[0].wheels[0]": "cannot be: the package is a repository"},
        ),
        (
            lock_text(package("a", more="sdist = { hash = 3 }")),
            {"package[0].sdist": "has no `url`"},
        ),
        (
            lock_text(package("a", dependencies=["{ marker = 'os_name' }"])),
            {"package[0].dependencies[0].name": "is missing"},
        ),
        (
            lock_text(
                package(
                    "a", dependencies=[edge("a", marker="os_name"), "{ name = 'b', extra = 'x' }"]
                )
            ),
            {
                "package[0].dependencies[0].marker": "is `os_name`: it ends in the middle of a comparison",
                "package[0].dependencies[1].extra": "must be an array, found a string",
            },
        ),
        (
            lock_text(package("a", extras={"x": ["3, 4"]})),
            {"package[0].optional-dependencies.x[0].name": "must be a name, found `3, 4`"},
        ),
        (
            lock_text(package("a", groups={"dev": [edge("a"), edge("a")]})),
            {"package[0].dev-dependencies.dev[1]": "is the same edge to `a` as an earlier one"},
        ),
        (
            lock_text(package("a", more="default-groups = 'some'")),
            {"package[0].default-groups": "must be an array, found a string"},
        ),
        (
            lock_text(package("a", tables="[package.group-requires-python]\ndev = 3")),
            {"package[0].group-requires-python.dev": "must be a string, found an integer"},
        ),
        # What only the packages together can get wrong.
        (
            lock_text(package("a"), package("a")),
            {"package[1]": "is `a` once more, of equal version and source"},
        ),
        (
            lock_text(package("a"), package("a", "1.0.0")),
            {"package[1]": "is `a` once more, of equal version and source"},
        ),
        (
            lock_text(package("a", dependencies=["b"])),
            {"package[0].dependencies[0]": "leads to `b`, which is not in the lock"},
        ),
        (
            lock_text(package("a", extras={"x": ["b"]}, groups={"y": ["b"]})),
            {
                "package[0].optional-dependencies.x[0]": "leads to `b`, which is not in the lock",
                "package[0].dev-dependencies.y[0]": "leads to `b`, which is not in the lock",
            },
        ),
        (
            lock_text(package("a", dependencies=["b"]), package("b", "1"), package("b", "2")),
            {"package[0].dependencies[0]": "has no `source`, and `b` is in the lock 2 times"},
        ),
        (
            lock_text(
                package(
                    "a", dependencies=[f'{{ name = "b", source = {{ registry = "{INDEX}" }} }}']
                ),
                package("b", "1"),
                package("b", "2"),
            ),
            {"package[0].dependencies[0]": "has no `version`, and `b` is in the lock 2 times"},
        ),
        (
            lock_text(
                package("a", dependencies=[edge("b", "3")]), package("b", "1"), package("b", "2")
            ),
            {
                "package[0].dependencies[0]": "leads to `b` 3, and the lock has it only in other versions or sources"
            },
        ),
        (
            lock_text(package("a", dependencies=[edge("b", "2")]), package("b", "1")),
            {
                "package[0].dependencies[0]": "leads to `b` 2, and the lock has it only in other versions or sources"
            },
        ),
        (
            lock_text(
                package("a", dependencies=[edge("b", "1", source="registry = '.'")]),
                package("b", "1"),
            ),
            {
                "package[0].dependencies[0]": "leads to `b` 1, and the lock has it only in other versions or sources"
            },
        ),
        (
            lock_text(
                package("a", dependencies=["{ name = 'b', source = { editable = 'b' } }"]),
                package("b", "1"),
                package("b", "2", source="editable = 'b'", wheels=()),
            ),
            {
                "package[0].dependencies[0]": "leads to `b`, and the lock has it only in other versions or sources"
            },
        ),
    ],
)
def test_every_fault_is_named_by_its_place(text: str, expected: dict[str, str]) -> None:
    assert faults(text) == expected


def test_all_faults_are_found_in_one_pass() -> None:
    text = lock_text(
        package("a", wheels=["a-1.0-py3-none-any.whl", "a-1.0-py3-none-any.exe"]),
        package("b", dependencies=[edge("a", marker="?")], wheels=["b-2-py3-none-any.whl"]),
        package("c", more="sdist = 3"),
        head="revision = 'x'",
    ).replace("revision = 5\n", "")
    assert list(faults(text)) == [
        "revision",
        "package[0].wheels[1]",
        "package[1].dependencies[0].marker",
        "package[1].wheels[0]",
        "package[2].sdist",
    ]


@pytest.mark.parametrize(
    "text",
    [
        lock_text(package("a", dependencies=["b"]), package("b")),
        lock_text(package("a", dependencies=[edge("b", "1.0")]), package("b")),
        lock_text(package("a", dependencies=[edge("b", "1")]), package("b", "1.0")),
        lock_text(
            package("a", dependencies=[edge("b", "2")]), package("b", "1"), package("b", "2")
        ),
        lock_text(
            package("a", dependencies=[edge("b", "1", source="registry = 'w'")]),
            package("b", "1"),
            package("b", "1", source="registry = 'w'", wheels=()),
        ),
        lock_text(
            package("a", dependencies=["{ name = 'b', source = { editable = 'b' } }"]),
            package("b", "1"),
            package("b", "", source="editable = 'b'", wheels=()),
        ),
        lock_text(
            package("a", dependencies=["{ name = 'b', source = { virtual = 'b' } }"]),
            package("b", "3", source="virtual = 'b'", wheels=()),
        ),
        lock_text(
            package("a", dependencies=[edge("b"), edge("b", marker="os_name == 'nt'")]),
            package("b"),
        ),
        lock_text(package("a", "1.0+cpu", wheels=["a-1.0+cpu-py3-none-any.whl"])),
        lock_text(package("a", "1.0", wheels=["a-1.0+cpu-py3-none-any.whl"])),
        lock_text(package("a", "1.0", wheels=["a-1.0.0-1build-py3-none-any.whl"])),
        lock_text(package("a", "1.0", wheels=["a-1.0-py3-none-any-variant.whl"])),
        lock_text(package("a", "1.0.post1", wheels=["a-1.0.post1-py3-none-any.whl"])),
    ],
)
def test_what_is_sound_has_no_faults(text: str) -> None:
    assert faults(text) == {}
