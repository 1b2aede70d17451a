from __future__ import annotations

import pytest

from envbuild.buildlock.model import PinnedCommit, PinnedFile, PinnedTree
from envbuild.buildlock.pin import Candidate
from envbuild.resolver.uv_output import read_output

HASH = "sha256:" + "5" * 64
HASHES = f'{{ sha256 = "{"5" * 64}" }}'
HEAD = 'lock-version = "1.0"\ncreated-by = "uv"\n[[packages]]\nname = "ant"\n'


def read(body: str) -> Candidate:
    (found,) = read_output(HEAD + body, beside="/tmp/uv", folder="/srv/app")
    return found


def wheel(url: str) -> Candidate:
    return read(f'version = "1.0"\nwheels = [{{ url = "{url}", size = 3, hashes = {HASHES} }}]')


def test_files_of_an_index_are_wheels_and_a_source_archive() -> None:
    found = read(f"""\
version = "1.0"
sdist = {{ url = "https://a.example/ant-1.0.tar.gz", hashes = {HASHES} }}
wheels = [{{ url = "https://a.example/ant-1.0-py3-none-any.whl", size = 3, hashes = {HASHES} }}]
""")
    assert found == Candidate(
        name="ant",
        version="1.0",
        wheels=(
            PinnedFile(
                filename="ant-1.0-py3-none-any.whl",
                url="https://a.example/ant-1.0-py3-none-any.whl",
                path=None,
                hash=HASH,
                size=3,
            ),
        ),
        sdist=PinnedFile(
            filename="ant-1.0.tar.gz",
            url="https://a.example/ant-1.0.tar.gz",
            path=None,
            hash=HASH,
        ),
    )


NAME = "ant-1.0-py3-none-any.whl"
LOCATIONS = {
    f"https://a.example/{NAME}#sha256=1": (f"https://a.example/{NAME}", None),
    f"https://me:secret@a.example/{NAME}": (f"https://a.example/{NAME}", None),
    f"https://a.example/{NAME}?token=secret": (f"https://a.example/{NAME}", None),
    f"https://a.example/{NAME}?a=b%20c&X-Amz-Signature=secret&d": (
        f"https://a.example/{NAME}?a=b%20c&d",
        None,
    ),
    f"https://a.example/{NAME}?a=b%20c": (f"https://a.example/{NAME}?a=b%20c", None),
    f"file:///srv/app/my%20wheels/{NAME}": (None, f"my wheels/{NAME}"),
    f"file:///srv/wheels/{NAME}": (None, f"../wheels/{NAME}"),
}


@pytest.mark.parametrize("url", LOCATIONS)
def test_a_location_is_one_to_share(url: str) -> None:
    (file,) = wheel(url).wheels
    assert (file.url, file.path) == LOCATIONS[url]
    assert file.filename == NAME


def test_the_name_of_a_file_may_be_told_apart_from_its_location() -> None:
    found = read(f"""\
version = "1.0"
wheels = [{{ name = "{NAME}", url = "https://a.example/download/3", hashes = {HASHES} }}]
""")
    assert found.wheels[0].filename == NAME


def test_a_file_that_nothing_proves_is_none() -> None:
    found = read(f"""\
version = "1.0"
wheels = [{{ url = "https://a.example/{NAME}", hashes = {{ md5 = "{"5" * 32}" }} }}]
""")
    assert found == Candidate(name="ant", version="1.0")


@pytest.mark.parametrize(
    ("filename", "version"), [(NAME, "1.0"), ("ant-1.0.tar.gz", "1.0"), ("ant.zip", None)]
)
def test_an_archive_is_a_wheel_or_a_source_archive_with_the_version_in_its_name(
    filename: str, version: str | None
) -> None:
    found = read(
        f'archive = {{ path = "../x/{filename}", hashes = {HASHES}, subdirectory = "py" }}'
    )
    file = PinnedFile(
        filename=filename,
        url=None,
        path=f"../../tmp/x/{filename}",
        hash=HASH,
        subdirectory="py",
    )
    assert found.version == version
    assert (found.wheels, found.sdist) == (
        ((file,), None) if filename.endswith(".whl") else ((), file)
    )


def test_a_tree_is_its_path() -> None:
    found = read('directory = { path = "/srv/app/packages", subdirectory = "ant" }')
    assert found == Candidate(name="ant", version=None, place=PinnedTree(path="packages/ant"))


@pytest.mark.parametrize(
    ("where", "url"),
    [
        ('url = "https://me:secret@g.example/ant.git"', "https://g.example/ant.git"),
        ('url = "https://token@g.example/ant.git"', "https://g.example/ant.git"),
        ('url = "ssh://git@g.example/ant"', "ssh://git@g.example/ant"),
        ('path = "/srv/repositories/ant"', "file:///srv/repositories/ant"),
    ],
)
def test_a_commit_is_one_of_a_repository(where: str, url: str) -> None:
    commit = "c" * 40
    found = read(
        f'version = "1.0"\nvcs = {{ type = "git", {where}, commit-id = "{commit}", subdirectory = "py" }}'
    )
    assert found == Candidate(
        name="ant",
        version="1.0",
        place=PinnedCommit(url=url, commit=commit, subdirectory="py"),
    )
