from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from envbuild.environment.written import (
    PREFIX,
    PROJECT,
    WrittenFile,
    concrete,
    direct_url,
    local_source,
    uv_cache,
    written_files,
)
from envbuild.selection.model import SelectedPackage, Wheel
from support.trees import unpacked
from unit.target.recorded import LINUX_313

if TYPE_CHECKING:
    from envbuild.selection.model import SourceKind

SITE = "lib/python3.13/site-packages"
INFO = f"{SITE}/demo-1.dist-info"
DEMO = unpacked(
    {
        "demo,1.py": b"1",
        "demo-1.data/data/share/demo": b"",
        "demo-1.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
        "demo-1.dist-info/Z": b"",
        "demo-1.dist-info/a": b"",
        "demo-1.dist-info/entry_points.txt": b"[console_scripts]\nb = m:f\na = m:g\n",
        "zoo.py": b"2",
    }
).place("demo", LINUX_313.scheme)


def package(
    source: SourceKind, location: str, *, subdirectory: str = "", digest: str | None = "sha256:ab"
) -> SelectedPackage:
    return SelectedPackage(
        name="demo",
        version="1",
        source=source,
        source_location=location,
        subdirectory=subdirectory,
        distribution=Wheel(
            filename="demo-1-py3-none-any.whl", location=location, hash=digest, size=None
        ),
        requested=True,
    )


def files(**given: Any) -> dict[str, WrittenFile]:
    options: dict[str, Any] = {"requested": False, "direct_url": None, **given}
    written = written_files(DEMO, prefix="/venv", scripts="bin", **options)
    assert written[-1].path == f"{INFO}/RECORD"
    return {file.path: file for file in written}


def test_launchers_name_the_interpreter_of_the_environment() -> None:
    launcher = files()["bin/a"]
    assert launcher.executable
    assert launcher.data.startswith(b"#!/venv/bin/python\n# -*- coding")
    assert b"sys.exit(g())" in launcher.data


def test_a_symbolic_prefix_gives_symbolic_contents() -> None:
    written = written_files(DEMO, prefix=PREFIX, scripts="bin", requested=False, direct_url=None)
    assert written[0].data.startswith(b"#!{prefix}/bin/python\n")


@pytest.mark.parametrize("requested", [False, True])
@pytest.mark.parametrize("content", [None, b"{}"])
@pytest.mark.parametrize("cache", [None, b"[]"])
def test_record_lists_every_file_once_and_sorted(
    requested: bool, content: bytes | None, cache: bytes | None
) -> None:
    written = files(requested=requested, direct_url=content, uv_cache=cache)
    rows = [row[0] for row in csv.reader(written[f"{INFO}/RECORD"].data.decode().splitlines())]
    linked = [
        "../../../share/demo",
        "demo,1.py",
        "demo-1.dist-info/WHEEL",
        "demo-1.dist-info/Z",
        "demo-1.dist-info/a",
        "demo-1.dist-info/entry_points.txt",
        "zoo.py",
    ]
    optional = {"REQUESTED": requested, "direct_url.json": content, "uv_cache.json": cache}
    metadata = ["INSTALLER", "RECORD"]
    metadata += [name for name, given in optional.items() if given not in {None, False}]
    expected = linked + [f"demo-1.dist-info/{name}" for name in metadata]
    assert rows == sorted(["../../../bin/a", "../../../bin/b", *expected])
    assert {path for path in written if path.startswith(INFO)} == {
        f"{INFO}/{name}" for name in metadata
    }


def test_installer_and_requested_are_as_the_standards_have_them() -> None:
    written = files(requested=True, direct_url=b"{}")
    assert written[f"{INFO}/INSTALLER"].data == b"envbuild\n"
    assert written[f"{INFO}/REQUESTED"].data == b""
    assert written[f"{INFO}/direct_url.json"].data == b"{}"


HASHES = {"hashes": {"sha256": "ab"}}
COMMIT = "0123456789" * 4


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        (
            package("url", "https://host.example/demo-1.whl?x=1"),
            {"archive_info": HASHES, "url": "https://host.example/demo-1.whl?x=1"},
        ),
        (
            package("url", "https://user:secret@host.example/demo.zip", subdirectory="src/demo"),
            {
                "archive_info": HASHES,
                "subdirectory": "src/demo",
                "url": "https://host.example/demo.zip",
            },
        ),
        (
            package("url", "https://host.example/@scope/demo.zip", digest=None),
            {"archive_info": {}, "url": "https://host.example/@scope/demo.zip"},
        ),
        (
            package("url", "file:///wheels/demo-1.whl", digest="sha512:cd"),
            {"archive_info": {"hashes": {"sha512": "cd"}}, "url": "file:///wheels/demo-1.whl"},
        ),
        (
            package("path", "wheels/demo-1.whl"),
            {"archive_info": HASHES, "url": "file:///home/me/a%20project/wheels/demo-1.whl"},
        ),
        (
            package("path", '../é "q"/demo.whl'),
            {"archive_info": HASHES, "url": "file:///home/me/%C3%A9%20%22q%22/demo.whl"},
        ),
        (
            package("path", "/elsewhere/./demo.whl"),
            {"archive_info": HASHES, "url": "file:///elsewhere/demo.whl"},
        ),
        (
            package("directory", "."),
            {"dir_info": {"editable": False}, "url": "file:///home/me/a%20project"},
        ),
        (
            package("editable", "packages/demo"),
            {"dir_info": {"editable": True}, "url": "file:///home/me/a%20project/packages/demo"},
        ),
        (
            package("git", f"https://host.example/demo.git#{COMMIT}"),
            {
                "url": "https://host.example/demo.git",
                "vcs_info": {"commit_id": COMMIT, "vcs": "git"},
            },
        ),
        (
            package(
                "git",
                f"ssh://git@host.example/demo?subdirectory=a&lfs=true&branch=x%2Fy#{COMMIT}",
                subdirectory="a",
            ),
            {
                "subdirectory": "a",
                "url": "ssh://git@host.example/demo",
                "vcs_info": {
                    "commit_id": COMMIT,
                    "git_lfs": True,
                    "requested_revision": "x/y",
                    "vcs": "git",
                },
            },
        ),
        (
            package("git", f"https://token@host.example/demo?path=dist%2Fd.whl&tag=v1#{COMMIT}"),
            {
                "path": "dist/d.whl",
                "url": "https://host.example/demo",
                "vcs_info": {"commit_id": COMMIT, "requested_revision": "v1", "vcs": "git"},
            },
        ),
    ],
)
def test_direct_url_names_where_a_distribution_came_from(
    selected: SelectedPackage, expected: dict[str, object]
) -> None:
    content = direct_url(selected, lock_folder="/home/me/a project")
    assert content is not None
    assert json.loads(content) == expected
    assert content == json.dumps(expected, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize("source", ["registry", "virtual"])
def test_what_comes_from_an_index_has_no_direct_url(source: SourceKind) -> None:
    assert direct_url(package(source, "https://index.example/simple"), lock_folder="/") is None


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("wheels/demo.whl", "file://{project}/wheels/demo.whl"),
        ("../../demo.whl", "file://{project}/../../demo.whl"),
        ("{project}/demo.whl", "file://{project}/%7Bproject%7D/demo.whl"),
        ("/abs/demo.whl", "file:///abs/demo.whl"),
    ],
)
def test_a_symbolic_direct_url_is_the_same_for_every_project_folder(
    location: str, url: str
) -> None:
    selected = package("path", location)
    symbolic = direct_url(selected, lock_folder=PROJECT)
    assert symbolic is not None
    assert json.loads(symbolic)["url"] == url
    for folder in ("/", "/a b", "/%41/é'\""):
        assert concrete(symbolic, lock_folder=folder) == direct_url(selected, lock_folder=folder)


def test_content_without_a_place_in_the_project_is_left_as_it_is() -> None:
    content = direct_url(package("url", "https://host.example/{project}/x"), lock_folder="/a")
    assert content is not None
    assert concrete(content, lock_folder="/b") == content


@pytest.mark.parametrize(
    ("selected", "path"),
    [
        (package("path", "../demo.whl"), "../demo.whl"),
        (package("url", "file:///a%20b/demo.whl#x"), "/a b/demo.whl"),
        (package("directory", "packages/demo"), "packages/demo"),
        (package("editable", "."), "."),
        (package("url", "https://host.example/demo.whl"), None),
        (package("git", "https://host.example/demo#0123"), None),
        (package("registry", "wheels"), None),
    ],
)
def test_local_sources_are_those_that_the_lock_names_itself(
    selected: SelectedPackage, path: str | None
) -> None:
    assert local_source(selected) == path


def test_uv_cache_holds_the_time_at_which_the_archive_changed() -> None:
    assert json.loads(uv_cache(1_700_000_000_123_456_789)) == {
        "timestamp": {"secs_since_epoch": 1_700_000_000, "nanos_since_epoch": 123_456_789},
        "commit": None,
        "tags": None,
        "env": {},
        "directories": {},
    }
    assert json.loads(uv_cache(None))["timestamp"] is None
