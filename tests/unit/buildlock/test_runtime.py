from __future__ import annotations

import pytest

from envbuild.buildlock.model import (
    ArchiveSource,
    CommitSource,
    PinnedCommit,
    PinnedFile,
    PinnedTree,
    TreeSource,
)
from envbuild.buildlock.runtime import Locked, Runtime, runtime_of, sources_of
from envbuild.lockfile.model import Lock
from envbuild.lockfile.parse import parse_lock
from support.locks import lock_text, package, project

HASH = "sha256:" + "5" * 64
OTHER_INDEX = 'registry = "https://other.example/simple"'


def runtime(*packages: str, **selected: str | None) -> Runtime:
    return runtime_of(
        lambda: parse_lock(lock_text(*packages), file="uv.lock"),
        folder="/srv/app",
        selected=selected,
    )


def test_the_lock_is_read_once_and_only_when_somebody_asks() -> None:
    read = []

    def lock() -> Lock:
        read.append(1)
        return parse_lock(lock_text(package("ant", "2.0")), file="uv.lock")

    found = runtime_of(lock, folder="/srv/app", selected={})
    assert read == []
    assert found.names() == ("ant",)
    assert found.sole("bee") is None
    assert len(found.packages) == 1
    assert read == [1]


def test_a_package_of_an_index_brings_its_files() -> None:
    found = runtime(package("ant", "2.0", sdist=True)).sole("ant")
    assert found is not None
    assert found.index == "https://index.example/simple"
    assert [file.filename for file in found.files] == ["ant-2.0-py3-none-any.whl", "ant-2.0.tar.gz"]


PLACES: dict[str, PinnedTree | PinnedCommit] = {
    'directory = "packages/ant"': PinnedTree(path="packages/ant"),
    'editable = "/srv/ant"': PinnedTree(path="../ant"),
    f'git = "https://me:secret@git.example/ant?rev=main&subdirectory=py#{"c" * 40}"': PinnedCommit(
        url="https://git.example/ant", commit="c" * 40, subdirectory="py"
    ),
    f'git = "ssh://git@git.example/ant?lfs=true#{"c" * 40}"': PinnedCommit(
        url="ssh://git@git.example/ant", commit="c" * 40, lfs=True
    ),
}


@pytest.mark.parametrize("source", PLACES)
def test_a_package_of_no_index_brings_its_place(source: str) -> None:
    found = runtime(package("ant", source=source, wheels=())).sole("ant")
    assert found == Locked(name="ant", version="1.0", place=PLACES[source])


def test_an_archive_brings_its_hash() -> None:
    more = f'sdist = {{ hash = "{HASH}" }}'
    remote = package("ant", source='url = "https://a.example/ant.zip"', wheels=(), more=more)
    local = package("bee", source='path = "../bee-1.0.zip"', wheels=(), more=more)
    found = runtime(remote, local)
    ant, bee = found.sole("ant"), found.sole("bee")
    assert ant is not None
    assert bee is not None
    assert ant.place == PinnedFile(
        filename="ant.zip", url="https://a.example/ant.zip", path=None, hash=HASH
    )
    assert bee.place == PinnedFile(
        filename="bee-1.0.zip", url=None, path="../bee-1.0.zip", hash=HASH
    )
    assert ant.place.reference == f"https://a.example/ant.zip#{HASH.replace(':', '=')}"
    assert bee.place.reference == "../bee-1.0.zip"


def test_what_no_build_can_use_is_not_there() -> None:
    assert runtime(project("demo")).names() == ()


def test_a_local_index_has_its_files_beside_the_lock() -> None:
    more = f'wheels = [{{ path = "ant-1.0-py3-none-any.whl", hash = "{HASH}" }}]'
    found = runtime(package("ant", source='registry = "../wheels"', wheels=(), more=more)).sole(
        "ant"
    )
    assert found is not None
    assert [file.path for file in found.files] == ["../wheels/ant-1.0-py3-none-any.whl"]


def test_a_file_that_nothing_proves_is_left_out() -> None:
    more = 'wheels = [{ path = "ant-1.0-py3-none-any.whl" }]'
    found = runtime(package("ant", source='registry = "wheels"', wheels=(), more=more)).sole("ant")
    assert found == Locked(name="ant", version="1.0", index="wheels")


def test_two_versions_are_not_one() -> None:
    found = runtime(package("ant", "1.0"), package("ant", "2.0"))
    assert found.sole("ant") is None
    assert found.versions("ant") == ("1.0", "2.0")
    assert found.versions("bee") == ()


def test_one_version_from_two_indexes_is_one_of_no_index() -> None:
    found = runtime(package("ant"), package("ant", "1.0.0", source=OTHER_INDEX)).sole("ant")
    assert found == Locked(name="ant", version="1.0")


def test_one_version_of_an_index_and_a_tree_is_not_one() -> None:
    tree = package("ant", source='directory = "ant"', wheels=())
    assert runtime(package("ant"), tree).sole("ant") is None


def test_what_is_installed_is_what_was_selected_or_else_could_only_be() -> None:
    packages = (package("ant", "1.0"), package("ant", "2.0"), package("bee", "3.0"))
    found = runtime(*packages, ant="2.0").installed("ant")
    assert found is not None
    assert found.version == "2.0"
    assert runtime(*packages).installed("ant") is None
    only = runtime(*packages).installed("bee")
    assert only is not None
    assert only.version == "3.0"


def test_what_a_lock_may_have_to_build_is_known_by_its_sources() -> None:
    archive = f'sdist = {{ hash = "{HASH}" }}'
    packages = (
        package("only-wheels"),
        package("ant", sdist=True),
        package("bee", source='editable = "packages/bee"', wheels=()),
        package("cat", source=f'git = "https://g.example/c?subdirectory=py#{"c" * 40}"', wheels=()),
        package(
            "dog",
            source='url = "https://a.example/d.zip", subdirectory = "py"',
            wheels=(),
            more=archive,
        ),
        project("demo"),
    )
    lock = parse_lock(lock_text(*packages), file="uv.lock")
    ant = next(each for each in lock.packages if each.name == "ant").sdist
    assert ant is not None
    assert ant.hash is not None
    assert sources_of(lock, folder="/srv/app") == {
        ("ant", ArchiveSource(hash=ant.hash)),
        ("bee", TreeSource(path="packages/bee")),
        ("cat", CommitSource(commit="c" * 40, subdirectory="py")),
        ("dog", ArchiveSource(hash=HASH, subdirectory="py")),
    }
