from __future__ import annotations

import pytest

from envbuild.lockfile.canonical_split import read_head, read_package, split_lock
from envbuild.lockfile.parse import parse_lock
from support.locks import edge, lock_text, package, project

WHOLE = lock_text(
    project(dependencies=["a", edge("b", marker="os_name == 'nt'")], groups={"dev": ["b"]}),
    package("a", extras={"x": ["b"]}),
    package("b", tables="[package.metadata]\nprovides-extras = ['y']"),
    head="[manifest]\nmembers = ['demo']",
)


def test_the_pieces_say_what_the_whole_says() -> None:
    lock = parse_lock(WHOLE, file="uv.lock")
    head, packages = split_lock(WHOLE)
    assert tuple(read_package(text) for text in packages) == lock.packages
    read = read_head(head)
    assert read is not None
    assert read.manifest == lock.manifest
    assert (read.requires_python, read.revision) == (lock.requires_python, lock.revision)


def test_equal_packages_of_two_locks_have_equal_texts() -> None:
    _, (_, first, _) = split_lock(WHOLE)
    _, (second,) = split_lock(lock_text(package("a", extras={"x": ["b"]})))
    assert first == second


@pytest.mark.parametrize(
    "text",
    [
        'name = "a"\n',
        'name = "a"\nversion = "x"\nsource = { virtual = "." }\n',
        'name = "a"\nsource = { virtual = "." }\n\n[manifest]\nmembers = ["a"]\n',
        'name = "a"\nsource = { virtual = "." }\n\n[[ package ]]\nname = "b"\n',
        'name = "a"\nsource = { virtual = "." }\nnote = """\n',
        "name = 'a'\nsource = { virtual = '.' }\nnote = '''\n",
        'name = "a"\nsource = { virtual = "." }\nlist = [\n',
        'name = "a"\nname = "b"\nsource = { virtual = "." }\n',
    ],
)
def test_a_piece_that_is_not_one_sound_package_is_not_read(text: str) -> None:
    assert read_package(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "version = 1\n",
        'version = 1\nrequires-python = ">=3"\nnote = """\n',
        'version = 1\nrequires-python = ">=3"\npackage = []\n',
        'version = 1\nrequires-python = ">=3"\npackage.a = 1\n',
        'version = 1\nrequires-python = ">=3"\n[[distribution]]\nname = "a"\n',
    ],
)
def test_a_head_that_is_not_sound_by_itself_is_not_read(text: str) -> None:
    assert read_head(text) is None


def test_a_head_of_another_version_is_left_to_the_whole_text() -> None:
    assert read_head("version = 2\n") is None


def test_a_header_inside_a_string_splits_nothing_that_is_read() -> None:
    text = lock_text(package("a", more='note = """\n\n[[package]]\nname = "b"\n"""'), package("c"))
    assert [each.name for each in parse_lock(text, file="uv.lock").packages] == ["a", "c"]
    _, packages = split_lock(text)
    assert None in [read_package(each) for each in packages]
