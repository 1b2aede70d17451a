from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from envbuild.buildlock.model import BuildLock, PinnedCommit, PinnedPackage, PinnedTree, TreeSource
from envbuild.buildlock.parse import parse_build_lock
from envbuild.buildlock.render import render_build_lock
from support.build_locks import BUILD_LOCKS, build, file, pinned

TEXT = """\
# What the source distributions of this project are built with. Written by envbuild.
version = 1

[[build]]
name = "demo"
version = "1.0"
source = { archive = "sha256:5555555555555555555555555555555555555555555555555555555555555555" }
target = "cpython-3.12-linux-x86_64-glibc"
operation = "wheel"
strategy = "latest"
requires = [
    "meson-python",
    "ninja >= 1.8",
]
ignored = [
    { name = "ninja", version = "1.10" },
]
packages = [
    { name = "backend", git = "https://git.example/backend", commit = "cccccccccccccccccccccccccccccccccccccccc", subdirectory = "src" },
    { name = "ninja", version = "1.13", url = "https://files.example/ninja-1.13-py3-none-any.whl", hash = "sha256:0000000000000000000000000000000000000000000000000000000000000914" },
    { name = "ninja", version = "1.13", url = "https://files.example/ninja-1.13-py3-none-manylinux_2_17_x86_64.whl", hash = "sha256:0000000000000000000000000000000000000000000000000000000000000f17" },
]

[[build]]
name = "the-project"
source = { directory = "." }
target = "cpython-3.12-linux-x86_64-glibc"
operation = "editable"
strategy = "latest"
packages = [
    { name = "plugin", directory = "packages/plugin" },
]
"""


def test_a_lock_reads_as_it_should() -> None:
    commit = PinnedCommit(url="https://git.example/backend", commit="c" * 40, subdirectory="src")
    lock = BuildLock(
        builds=(
            build(
                "the-project",
                PinnedPackage(
                    name="plugin", version=None, content=PinnedTree(path="packages/plugin")
                ),
                version=None,
                source=TreeSource(path="."),
                operation="editable",
            ),
            build(
                "demo",
                pinned("ninja", "1.13", "py3-none-manylinux_2_17_x86_64", "py3-none-any"),
                PinnedPackage(name="backend", version=None, content=commit),
                requires=("ninja  >= 1.8", "meson-python"),
                ignored=(("ninja", "1.10"),),
            ),
        )
    )
    assert render_build_lock(lock) == TEXT


def test_nothing_to_build_is_a_head_alone() -> None:
    assert tomllib.loads(render_build_lock(BuildLock())) == {"version": 1}


@given(BUILD_LOCKS)
def test_what_is_written_is_read_as_the_same_and_written_as_the_same(lock: BuildLock) -> None:
    text = render_build_lock(lock)
    read = parse_build_lock(text, file="envbuild.lock")
    assert read == lock
    assert render_build_lock(read) == text


@given(BUILD_LOCKS, st.randoms(use_true_random=False))
def test_equal_content_gives_equal_bytes_in_whatever_order_it_was_given(
    lock: BuildLock, random: object
) -> None:
    builds = list(lock.builds)
    random.shuffle(builds)  # type: ignore[attr-defined]
    assert render_build_lock(BuildLock(builds=tuple(builds))) == render_build_lock(lock)


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_every_text_is_written_so_that_toml_reads_it(text: str) -> None:
    package = PinnedPackage(name="demo", version=None, content=PinnedTree(path=text))
    written = render_build_lock(BuildLock(builds=(build("demo", package),)))
    (read,) = tomllib.loads(written)["build"]
    assert read["packages"] == [{"name": "demo", "directory": text}]


def test_a_file_name_is_written_only_where_the_location_does_not_end_in_it() -> None:
    odd = file("demo-1.0-py3-none-any.whl")
    odd = type(odd)(
        filename=odd.filename, url="https://files.example/download?id=3", path=None, hash=odd.hash
    )
    package = PinnedPackage(name="demo", version="1.0", content=(odd,))
    lock = BuildLock(builds=(build("demo", package),))
    (read,) = tomllib.loads(render_build_lock(lock))["build"]
    assert read["packages"][0]["filename"] == "demo-1.0-py3-none-any.whl"
    assert parse_build_lock(render_build_lock(lock), file="x") == lock
