"""The values of the vectors of build locks, and how the code reads and writes them."""

from __future__ import annotations

from envbuild import canonical
from envbuild.buildlock.model import (
    ArchiveSource,
    Build,
    BuildLock,
    CommitSource,
    PinnedCommit,
    PinnedFile,
    PinnedPackage,
    PinnedTree,
    TreeSource,
)
from envbuild.buildlock.parse import parse_build_lock
from envbuild.buildlock.render import render_build_lock
from envbuild.digest import digest_of
from envbuild.frozen import replace

PINNED_WHEEL = PinnedFile(
    filename="ninja-1.13.0-py3-none-manylinux_2_17_x86_64.whl",
    url="https://files.example/ninja-1.13.0-py3-none-manylinux_2_17_x86_64.whl",
    path=None,
    hash="sha256:" + "0e" * 32,
    size=180_716,
)
PINNED_BUILD = Build(
    name="demo",
    version="1.0",
    source=ArchiveSource(hash="sha256:" + "5e" * 32),
    target="cpython-3.12-linux-x86_64-glibc",
    operation="wheel",
    strategy="prefer-locked",
    requires=("setuptools>=61",),
    hook_requires=("ninja>=1.8",),
    ignored=(("setuptools", "59.0"),),
    packages=(
        PinnedPackage(name="ninja", version="1.13.0", content=(PINNED_WHEEL,)),
        PinnedPackage(
            name="setuptools",
            version="80.9.0",
            content=(
                PinnedFile(
                    filename="setuptools-80.9.0-py3-none-any.whl",
                    url="https://files.example/setuptools-80.9.0-py3-none-any.whl",
                    path=None,
                    hash="sha256:" + "7a" * 32,
                    size=1_201_486,
                ),
            ),
        ),
    ),
)
PINNED_ARCHIVE = PinnedFile(
    filename="ninja-1.13.0.tar.gz",
    url=None,
    path="../archives/ninja-1.13.0.tar.gz",
    hash="sha512:" + "3c" * 64,
    subdirectory="python",
)

BUILD_LOCKS: dict[str, object] = {
    "empty": BuildLock(),
    "small": BuildLock(builds=(PINNED_BUILD,)),
    "constrained": BuildLock(
        builds=(
            replace(
                PINNED_BUILD,
                constraints=digest_of(canonical.encode([["ninja==1.13.0", "sha256:" + "0e" * 32]])),
            ),
        )
    ),
    "targets": BuildLock(
        builds=(
            PINNED_BUILD,
            replace(PINNED_BUILD, target="cpython-3.13t-macos-arm64"),
            replace(PINNED_BUILD, operation="editable"),
        )
    ),
    "several-wheels": BuildLock(
        builds=(
            replace(
                PINNED_BUILD,
                packages=(
                    PinnedPackage(
                        name="ninja",
                        version="1.13.0",
                        content=(
                            PINNED_WHEEL,
                            replace(
                                PINNED_WHEEL,
                                filename="ninja-1.13.0-py3-none-any.whl",
                                url="https://files.example/download?id=7",
                                size=None,
                            ),
                        ),
                    ),
                ),
            ),
        )
    ),
    "built-itself": BuildLock(
        builds=(
            Build(
                name="the-project",
                version=None,
                source=TreeSource(path="."),
                target="cpython-3.12-linux-x86_64-glibc",
                operation="editable",
                strategy="latest",
                extra_requires=('ninja==1.13.0 ; sys_platform == "linux"',),
                packages=(
                    PinnedPackage(name="ninja", version="1.13.0", content=(PINNED_ARCHIVE,)),
                    PinnedPackage(
                        name="plugin", version=None, content=PinnedTree(path="packages/plugin")
                    ),
                    PinnedPackage(
                        name="backend",
                        version="2.0",
                        content=PinnedCommit(
                            url="ssh://git@git.example/backend",
                            commit="c0" * 20,
                            subdirectory="python",
                            lfs=True,
                        ),
                    ),
                ),
            ),
            Build(
                name="ninja",
                version="1.13.0",
                source=ArchiveSource(hash="sha512:" + "3c" * 64, subdirectory="python"),
                target="cpython-3.12-linux-x86_64-glibc",
                operation="wheel",
                strategy="latest",
            ),
            Build(
                name="backend",
                version="2.0",
                source=CommitSource(commit="c0" * 20, subdirectory="python"),
                target="cpython-3.12-linux-x86_64-glibc",
                operation="wheel",
                strategy="latest",
            ),
        )
    ),
}


def decode_build_lock(data: bytes) -> BuildLock:
    """Return the build lock that bytes are."""
    return parse_build_lock(data.decode(), file="envbuild.lock")


def encode_build_lock(value: object) -> bytes:
    """Return the bytes of a build lock."""
    assert isinstance(value, BuildLock)
    return render_build_lock(value).encode()
