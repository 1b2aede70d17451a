"""The `pylock.toml` that the uv program prints (PEP 751) to candidates."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote, urlsplit

from envbuild.buildlock.model import PinnedCommit, PinnedFile, PinnedTree
from envbuild.buildlock.parse import HASH_LENGTHS
from envbuild.buildlock.pin import Candidate
from envbuild.buildlock.runtime import relative_to, repository_url
from envbuild.index.redaction import redact
from envbuild.lockfile.pylock import parse_pylock
from envbuild.selection.evaluate import split_userinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packaging.pylock import Package, PackageArchive, PackageSdist, PackageVcs, PackageWheel


def read_output(text: str, *, beside: str, folder: str) -> tuple[Candidate, ...]:
    """Return the candidates that uv names.

    Args:
        text: that uv has written.
        beside: absolute path of the folder that relative paths in it start from.
        folder: absolute path of the lock's folder, which paths in candidates start from.

    Raises:
        LockfileError: it is no such text.
    """
    lock = parse_pylock(text, file="pylock.toml")
    reader = _Reader(beside, folder)
    return tuple(reader.candidate(package) for package in lock.packages)


class _Reader:
    """What to know of where paths start from."""

    def __init__(self, beside: str, folder: str) -> None:
        self._beside = beside
        self._folder = folder

    def candidate(self, package: Package) -> Candidate:
        name = package.name
        version = None if package.version is None else str(package.version)
        if package.directory is not None:
            path = posixpath.join(package.directory.path, package.directory.subdirectory or "")
            return Candidate(name=name, version=None, place=PinnedTree(path=self._path(path)))
        if package.vcs is not None:
            return Candidate(name=name, version=version, place=self._commit(package.vcs))
        files: list[PinnedFile | None]
        if package.archive is not None:
            files = [self._archive(package.archive)]
        else:
            files = [self._file(each, each.filename) for each in package.wheels or ()]
            if package.sdist is not None:
                files.append(self._file(package.sdist, package.sdist.filename))
        hashed = [file for file in files if file is not None]
        if version is None and hashed:
            version = _version_in(hashed[0].filename)
        return Candidate(
            name=name,
            version=version,
            wheels=tuple(file for file in hashed if file.is_wheel),
            sdist=next((file for file in hashed if not file.is_wheel), None),
        )

    def _commit(self, vcs: PackageVcs) -> PinnedCommit:
        # A repository on this machine is given as a path.
        url = vcs.url if vcs.url is not None else f"file://{self._absolute(vcs.path or '')}"
        return PinnedCommit(
            url=repository_url(url.removeprefix("git+")),
            commit=vcs.commit_id,
            subdirectory=vcs.subdirectory or "",
        )

    def _archive(self, archive: PackageArchive) -> PinnedFile | None:
        location = archive.url if archive.url is not None else archive.path
        assert location is not None
        path = urlsplit(location).path if archive.url is not None else location
        filename = unquote(path) if archive.url is not None else path
        return self._file(archive, filename.rpartition("/")[2], archive.subdirectory or "")

    def _file(
        self,
        file: PackageArchive | PackageSdist | PackageWheel,
        filename: str,
        subdirectory: str = "",
    ) -> PinnedFile | None:
        """Return a file, `None` where nothing that is said of it proves its content."""
        algorithm = next((known for known in _PREFERRED if known in file.hashes), None)
        if algorithm is None:
            return None
        url, path = file.url, file.path
        if url is not None and url.startswith("file://"):
            url, path = None, unquote(urlsplit(url).path)
        return PinnedFile(
            filename=filename,
            url=None if url is None else _shareable(url),
            path=None if path is None else self._path(path),
            hash=f"{algorithm}:{file.hashes[algorithm]}",
            size=file.size,
            subdirectory=subdirectory,
        )

    def _absolute(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self._beside, path))

    def _path(self, path: str) -> str:
        return relative_to(self._folder, self._absolute(path))


_PREFERRED = ("sha256", *(name for name in sorted(HASH_LENGTHS) if name != "sha256"))


def _version_in(filename: str) -> str | None:
    """Return the version in the name of a distribution file, where there is one."""
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        parse_sdist_filename,
        parse_wheel_filename,
    )

    try:
        if filename.endswith(".whl"):
            return str(parse_wheel_filename(filename)[1])
        return str(parse_sdist_filename(filename)[1])
    except (InvalidSdistFilename, InvalidWheelFilename):
        return None


def _shareable(url: str) -> str:
    """Return a URL without what lets somebody in: a build lock is made to be shared."""
    plain = split_userinfo(url.partition("#")[0])[0]
    base, mark, query = plain.partition("?")
    pairs = [pair for pair in query.split("&") if redact(f"?{pair}") == f"?{pair}"]
    return base + mark * bool(pairs) + "&".join(pairs) if mark else base
