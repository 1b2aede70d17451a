"""Build locks from a few words, and any that hypothesis can think of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from envbuild.buildlock.model import (
    OPERATIONS,
    STRATEGIES,
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

if TYPE_CHECKING:
    from envbuild.buildlock.model import Source

KIND = "cpython-3.12-linux-x86_64-glibc"


def sha256(letter: str) -> str:
    """Return a hash that is as good as any other."""
    return f"sha256:{letter * 64}"


def file(filename: str, digest: str = "", *, size: int | None = None) -> PinnedFile:
    """Return a remote file, whose hash follows from its name unless it is given."""
    return PinnedFile(
        filename=filename,
        url=f"https://files.example/{filename}",
        path=None,
        hash=digest or f"sha256:{sum(filename.encode()):064x}",
        size=size,
    )


def wheel(name: str, version: str, tag: str = "py3-none-any") -> PinnedFile:
    return file(f"{name}-{version}-{tag}.whl")


def sdist(name: str, version: str) -> PinnedFile:
    return file(f"{name}-{version}.tar.gz")


def pinned(name: str, version: str, *tags: str) -> PinnedPackage:
    """Return a package of wheels."""
    tags = tags or ("py3-none-any",)
    files = tuple(wheel(name, version, tag) for tag in tags)
    return PinnedPackage(name=name, version=version, content=files)


def build(name: str = "demo", *packages: PinnedPackage, **more: Any) -> Build:
    """Return what a source distribution is built with."""
    fields: dict[str, Any] = {
        "name": name,
        "version": "1.0",
        "source": ArchiveSource(hash=sha256("5")),
        "target": KIND,
        "operation": "wheel",
        "strategy": "latest",
        "packages": packages,
    }
    return Build(**{**fields, **more})


# Few values each: what matters is how they come together, and more would only be slow.
_TEXT = st.sampled_from(["a", "b c", 'quote"', "tab\t", "gr\u00fc\u00dfe", "\U0001f600", "#"])
_HEX = st.sampled_from(["0", "5", "a", "f"]).map(lambda digit: digit * 64)
_HASHES = _HEX.map("sha256:{}".format)
_COMMITS = _HEX.map(lambda digits: digits[:40])
_NAMES = st.sampled_from(["a", "b", "setuptools", "setuptools-scm", "zz-9"])
_VERSIONS = st.sampled_from(["1", "1.0", "2.0rc1", "1!3.0+cpu.1", "2024.1.post3"])
_PATHS = st.builds("{}/{}".format, st.sampled_from([".", "..", "packages"]), _TEXT)
_FOLDERS = st.just("") | _PATHS
_SOURCES: st.SearchStrategy[Source] = st.one_of(
    st.builds(ArchiveSource, hash=_HASHES, subdirectory=_FOLDERS),
    st.builds(CommitSource, commit=_COMMITS, subdirectory=_FOLDERS),
    st.builds(TreeSource, path=_PATHS),
)
_SIZES = st.sampled_from([None, 0, 2**40])
_WHEEL_NAMES = st.sampled_from(["a", "ab", "a+b"]).map("{}-1-py3-none-any.whl".format)
_SDIST_NAMES = _TEXT.map("{}.tar.gz".format)


def _files(filenames: st.SearchStrategy[str]) -> st.SearchStrategy[PinnedFile]:
    remote = st.builds(
        PinnedFile,
        filename=filenames,
        url=st.sampled_from(["https://a.example/x", "https://a.example/ab-1-py3-none-any.whl"]),
        path=st.none(),
        hash=_HASHES,
        size=_SIZES,
        subdirectory=_FOLDERS,
    )
    local = st.builds(
        PinnedFile, filename=filenames, url=st.none(), path=_PATHS, hash=_HASHES, size=_SIZES
    )
    return remote | local


_CONTENTS = st.one_of(
    st.lists(
        _files(_WHEEL_NAMES), min_size=1, max_size=2, unique_by=lambda each: each.filename
    ).map(tuple),
    st.tuples(_files(_SDIST_NAMES)),
)
_REQUIREMENTS = st.lists(
    st.sampled_from(
        ["a", "a >=1", "b[x,y]", "c ; python_version < '3.12'", "d @ https://a.example/d.zip"]
    ),
    max_size=2,
).map(tuple)
_PACKAGES = st.one_of(
    st.builds(PinnedPackage, name=_NAMES, version=_VERSIONS, content=_CONTENTS),
    st.builds(
        PinnedPackage,
        name=_NAMES,
        version=st.none() | _VERSIONS,
        content=st.one_of(
            st.builds(PinnedTree, path=_PATHS),
            st.builds(
                PinnedCommit,
                url=st.sampled_from(["https://a.example/r", "ssh://git@a.example/r.git"]),
                commit=_COMMITS,
                subdirectory=_FOLDERS,
                lfs=st.booleans(),
            ),
        ),
    ),
)
BUILDS = st.builds(
    Build,
    name=_NAMES,
    version=st.none() | _VERSIONS,
    source=_SOURCES,
    target=st.sampled_from([KIND, "cpython-3.13t-macos-arm64", "pypy-3.11-win-amd64"]),
    operation=st.sampled_from(OPERATIONS),
    strategy=st.sampled_from(STRATEGIES),
    constraints=st.none() | _HEX,
    requires=_REQUIREMENTS,
    extra_requires=_REQUIREMENTS,
    hook_requires=_REQUIREMENTS,
    ignored=st.lists(st.tuples(_NAMES, st.none() | _VERSIONS), max_size=2, unique=True).map(tuple),
    packages=st.lists(_PACKAGES, max_size=2, unique_by=lambda each: each.name).map(tuple),
)
BUILD_LOCKS = st.lists(BUILDS, max_size=3, unique_by=lambda each: each.key).map(
    lambda builds: BuildLock(builds=tuple(builds))
)
