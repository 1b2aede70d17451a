"""Build locks that break one rule each, and the error that each must give."""

from __future__ import annotations

from typing import Any

from store_layout.broken import Broken
from store_layout.build_locks import BUILD_LOCKS, encode_build_lock


def _pins(name: str, old: str, new: str, rule: str, place: str | None, **more: Any) -> Broken:
    """Return the text of a valid vector with one part of it exchanged."""
    text = encode_build_lock(BUILD_LOCKS[more.pop("base", "small")]).decode()
    assert old in text
    data = text.replace(old, new, 1).encode()
    error = more.pop("error", "InvalidEntry")
    unseen = more.pop("unseen", False)
    return Broken("build-lock", name, data, rule, error, place, schema_sees=not unseen)


def _again(text: str) -> str:
    """Return a text that a vector holds once, twice."""
    return f"{text}{text}"


_ROW = encode_build_lock(BUILD_LOCKS["small"]).decode().partition("packages = [\n")[2]
_FIRST_ROW = _ROW.partition("\n")[0] + "\n"

BROKEN_BUILD_LOCKS = (
    _pins("no-toml", "version = 1", "version = ", "a build lock is TOML", None, error="NotToml", unseen=True),
    _pins("newer-version", "version = 1", "version = 2", "an unknown version is refused", None, error="UnsupportedLockVersion"),
    _pins("no-version", "version = 1\n", "", "all members are there", "version"),
    _pins("member-too-many", "version = 1", "version = 1\nmore = 1", "no member may be added", "more"),
    _pins("build-member-too-many", "operation =", "more = 1\noperation =", "no member may be added", "build[0].more"),
    _pins("build-without-name", 'name = "demo"\n', "", "all members are there", "build[0].name"),
    _pins("build-without-target", 'target = "cpython-3.12-linux-x86_64-glibc"\n', "", "all members are there", "build[0].target"),
    _pins("build-twice", '[[build]]\nname = "demo"', '[[build]]\nname = "demo"\nsource = { directory = "." }\ntarget = "a-b-c"\noperation = "wheel"\nstrategy = "latest"\n\n[[build]]\nname = "demo"\nsource = { directory = "." }\ntarget = "a-b-c"\noperation = "wheel"\nstrategy = "latest"\n\n[[build]]\nname = "demo"', "no build stands twice", "build[1]", unseen=True),
    _pins("name-with-space", 'name = "demo"', 'name = "a b"', "a name is one", "build[0].name"),
    _pins("version-none", 'version = "1.0"', 'version = "one"', "a version is one", "build[0].version", unseen=True),
    _pins("source-of-two-kinds", "{ archive =", '{ directory = ".", archive =', "a source is of one kind", "build[0].source"),
    _pins("source-member-too-many", "{ archive =", "{ more = 1, archive =", "no member may be added", "build[0].source.more"),
    _pins("source-hash-bare", '"sha256:5e', '"5e', "a hash names its algorithm", "build[0].source.archive"),
    _pins("source-hash-weak", '"sha256:' + "5e" * 32, '"md5:' + "5e" * 16, "a hash proves something", "build[0].source.archive"),
    _pins("commit-short", "c0" * 20, "c0" * 4, "a commit is in full", "build[0].source.commit", base="built-itself"),
    _pins("target-bare", "cpython-3.12-linux-x86_64-glibc", "cpython-3.12", "a target has a system", "build[0].target"),
    _pins("operation-unknown", '"wheel"', '"sdist"', "there are two operations", "build[0].operation"),
    _pins("strategy-unknown", '"prefer-locked"', '"oldest"', "there are three strategies", "build[0].strategy"),
    _pins("constraints-short", "strategy =", 'constraints = "ab"\nstrategy =', "a digest has 64 digits", "build[0].constraints"),
    _pins("requirement-none", '"setuptools>=61"', '"setuptools >< 61"', "a requirement is one", "build[0].requires[0]", unseen=True),
    _pins("requires-text", 'requires = [\n    "setuptools>=61",\n]', 'requires = "setuptools"', "requirements are a list", "build[0].requires"),
    _pins("ignored-text", '{ name = "setuptools", version = "59.0" }', '"setuptools"', "what is ignored has a name", "build[0].ignored[0]"),
    _pins("package-nowhere", "url =", "filename =", "a package is somewhere", "build[0].packages[0]"),
    _pins("package-in-two-places", "url =", 'path = "a", url =', "a package is in one place", "build[0].packages[0]"),
    _pins("package-twice", _FIRST_ROW, _again(_FIRST_ROW), "no row stands twice", "build[0].packages[1]", unseen=True),
    _pins("package-member-too-many", ", size = 180716", ", more = 1", "no member may be added", "build[0].packages[0].more"),
    _pins("package-without-version", ' version = "1.13.0",', "", "a file is of a version", "build[0].packages[0].version"),
    _pins("file-without-hash", ', hash = "sha256:' + "0e" * 32 + '"', "", "a file has a hash", "build[0].packages[0].hash"),
    _pins("file-size-negative", "size = 180716", "size = -1", "a size is not negative", "build[0].packages[0].size"),
    _pins("file-with-password", "https://", "https://me:secret@", "a URL holds no credentials", "build[0].packages[0].url", unseen=True),
    _pins("file-with-token", "https://", "https://secret@", "a URL holds no credentials", "build[0].packages[0].url", unseen=True),
    _pins("file-of-this-machine", "https://files.example", "file:///srv", "a URL is of something remote", "build[0].packages[0].url"),
    _pins("path-absolute", "../archives", "/archives", "a path is relative", "build[2].packages[1].path", base="built-itself"),
    _pins("path-with-backslash", "packages/plugin", "packages\\\\plugin", "a path has `/` between names", "build[2].packages[2].directory", base="built-itself"),
    _pins("path-with-drive", "packages/plugin", "C:/plugin", "a path is relative", "build[2].packages[2].directory", base="built-itself"),
)  # fmt: skip
