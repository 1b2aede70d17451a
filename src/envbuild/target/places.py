"""Where interpreters are kept on this machine, in the order in which they are preferred.

    1. the Pythons that uv manages, newest first
    2. the folders on PATH
    3. the versions of pyenv, newest first
    4. folders where systems and package managers install, whether on PATH or not
    5. the interpreter that runs this program

Only folders are listed and links read; nothing is started. What a path tells of its version goes
along, so that whoever picks need not ask the interpreters that cannot fit. Interpreters inside
virtual environments are left out: they are no place to make another one from (uv does the same).

A folder of pyenv's shims is seen through: each shim is a script that takes a tenth of a second to
find the folder which is computed here.
"""

from __future__ import annotations

import os
import sys

from envbuild.frozen import frozen
from envbuild.target.probe import InterpreterMissing, outside_venv, venv_of
from envbuild.target.release import parse_release, release_part
from envbuild.target.request import (
    SpecRequest,
    executable_names,
    minor_version_of_name,
    parse_request,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SYSTEM_FOLDERS = ("/usr/bin", "/usr/local/bin")
_MACOS_FOLDERS = ("/opt/homebrew/bin", "/usr/local/bin", "/opt/local/bin", "/usr/bin")
_MACOS_FRAMEWORK = "/Library/Frameworks/Python.framework/Versions"


@frozen
class Candidate:
    """An executable that may be an interpreter.

    Attributes:
        path: absolute.
        version: what its place tells: a whole version, its minor part, or nothing.
        implementation: likewise, empty where its place tells nothing.
        is_default: whether it carries the plain name `python` or `python3` on PATH.
    """

    path: str
    version: str = ""
    implementation: str = ""
    is_default: bool = False


def candidates(
    request: SpecRequest, *, environ: Mapping[str, str], start: str
) -> Iterator[Candidate]:
    """Yield the executables to consider for a request, the preferred first.

    The same interpreter may come more than once, by other names.

    Args:
        request: its version and implementation decide which names are looked for first.
        environ: environment variables.
        start: the folder from which pyenv would look for its `.python-version`.
    """
    yield from _managed_by_uv(request, environ)
    seen: set[tuple[int, int]] = set()
    for folder in search_path(environ, start=start):
        if _is_new(folder, seen):
            yield from _in_folder(folder, request)
    yield from _versions_of_pyenv(environ)
    for folder in _usual_folders(sys.platform):
        if _is_new(folder, seen):
            yield from _in_folder(folder, request)
    yield from _running()


def search_path(environ: Mapping[str, str], *, start: str) -> Iterator[str]:
    """Yield the folders of PATH that exist; for pyenv's shims, the folders behind them."""
    for folder in environ.get("PATH", "").split(os.pathsep):
        if not folder or not os.path.isdir(folder):
            continue
        root = os.path.dirname(os.path.abspath(folder))
        if os.path.basename(folder.rstrip("/")) == "shims" and _is_pyenv(root):
            for name in _selected_by_pyenv(root, environ, start):
                yield os.path.join(root, "versions", name, "bin")
        else:
            yield os.path.abspath(folder)


def executable_in(prefix: str) -> str:
    """Return the interpreter of an installation or a virtual environment, whether it exists or not."""
    names = [os.path.join(prefix, "bin", name) for name in ("python3", "python")]
    return next(filter(is_executable, names), names[0])


def is_executable(path: str) -> bool:
    """Tell whether a path leads to a file that may be started."""
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _in_folder(folder: str, request: SpecRequest) -> Iterator[Candidate]:
    if venv_of(os.path.join(folder, "python")) is not None:
        return
    names = executable_names(request)
    for name in names:
        path = os.path.join(folder, name)
        if is_executable(path):
            yield _named(path)
    try:
        entries = os.listdir(folder)
    except OSError:
        return
    versions = {name: minor_version_of_name(name) for name in entries if name not in names}
    others = [(version, name) for name, version in versions.items() if version is not None]
    # Newest first; of one version, a plain build before a free-threaded or a debug build.
    others.sort(key=lambda other: (-other[0][0], -other[0][1], len(other[1]), other[1]))
    for _, name in others:
        path = os.path.join(folder, name)
        if is_executable(path):
            yield _named(path)


def _named(path: str) -> Candidate:
    name = os.path.basename(path)
    # The name at the end of the links says more: `python3` often leads to `python3.12`.
    final = os.path.basename(os.path.realpath(path))
    version = minor_version_of_name(final) or minor_version_of_name(name)
    return Candidate(
        path=path,
        version=".".join(map(str, version)) if version else "",
        is_default=name in {"python", "python3"},
    )


def _is_new(folder: str, seen: set[tuple[int, int]]) -> bool:
    try:
        status = os.stat(folder)
    except OSError:
        return False
    identity = (status.st_dev, status.st_ino)
    known = identity in seen
    seen.add(identity)
    return not known


def _managed_by_uv(request: SpecRequest, environ: Mapping[str, str]) -> Iterator[Candidate]:
    """Yield the Pythons in uv's folder; their folders are named by the keys of `request`."""
    root = environ.get("UV_PYTHON_INSTALL_DIR")
    if not root:
        data = environ.get("XDG_DATA_HOME") or os.path.join(_home(environ), ".local", "share")
        root = os.path.join(data, "uv", "python")
    system = {"linux": "linux", "darwin": "macos", "win32": "windows"}.get(sys.platform)
    found = []
    for folder in _folders(root):
        key = parse_request(folder, is_path=False)
        if isinstance(key, SpecRequest) and key.release and key.system == system:
            found.append((folder, key))
    found.sort(key=lambda item: _newest_first(_version_text(item[1]), item[1].variant))
    found.sort(key=lambda item: item[1].implementation != "cpython")
    for folder, key in found:
        stem = "python" if key.implementation == "cpython" else str(key.implementation)
        suffix = {"freethreaded": "t", "debug": "d", "freethreaded+debug": "td"}
        number = "" if stem == "graalpy" else ".".join(map(str, key.release[:2]))
        name = stem + number + suffix.get(key.variant, "")
        prefix = os.path.join(root, folder)
        if len(request.release) < 3:
            prefix = _minor_version_link(prefix, key) or prefix
        path = os.path.join(prefix, "bin", name)
        if is_executable(path):
            yield Candidate(
                path=os.path.abspath(path),
                version=_version_text(key),
                implementation=str(key.implementation),
            )


def _minor_version_link(prefix: str, key: SpecRequest) -> str | None:
    """Return uv's link to the newest patch of a minor version, which outlives the patch."""
    folder, name = os.path.split(prefix)
    implementation, version, rest = name.split("-", 2)
    _, plus, variant = version.partition("+")
    minor = ".".join(map(str, key.release[:2]))
    link = os.path.join(folder, f"{implementation}-{minor}{plus}{variant}-{rest}")
    if os.path.islink(link) and os.path.realpath(link) == os.path.realpath(prefix):
        return link
    return None


def _versions_of_pyenv(environ: Mapping[str, str]) -> Iterator[Candidate]:
    root = environ.get("PYENV_ROOT") or os.path.join(_home(environ), ".pyenv")
    found = []
    for folder in _folders(os.path.join(root, "versions"), with_links=True):
        implementation, version = _parse_pyenv_version(folder)
        found.append((implementation, version, folder))
    found.sort(key=lambda item: _newest_first(item[1], item[2]))
    found.sort(key=lambda item: item[0] != "cpython")
    for implementation, version, folder in found:
        path = executable_in(os.path.join(root, "versions", folder))
        if is_executable(path) and venv_of(path) is None:
            yield Candidate(
                path=os.path.abspath(path), version=version, implementation=implementation
            )


def _parse_pyenv_version(name: str) -> tuple[str, str]:
    """Return implementation and version in a folder's name, each empty where it does not tell.

    Such names are `3.12.4`, `3.13.0t`, `3.14.0rc2`, `3.15-dev`, `pypy3.10-7.3.17`.
    """
    for implementation in ("pypy", "graalpy"):
        if name.startswith(implementation):
            version = minor_version_of_name(name.partition("-")[0])
            return implementation, ".".join(map(str, version)) if version else ""
    text = name.removesuffix("-dev").rstrip("td")
    numbers = parse_release(release_part(text))
    if numbers is None or len(numbers) < 2:
        return "", ""
    return "cpython", text


def _selected_by_pyenv(root: str, environ: Mapping[str, str], start: str) -> Iterator[str]:
    """Yield the versions that pyenv's shims would use: by variable, by folder, then its own."""
    chosen = environ.get("PYENV_VERSION", "").split(":")
    if not any(chosen):
        chosen = _words_of_first_file(_upwards(start, ".python-version"))
    if not any(chosen):
        chosen = _words_of_first_file(iter([os.path.join(root, "version")]))
    installed = _folders(os.path.join(root, "versions"), with_links=True)
    for word in chosen:
        name = word.removeprefix("python-")
        if name in installed:
            yield name
            continue
        # A version that ends early means the newest that begins so.
        patches = [folder for folder in installed if folder.startswith(name + ".")]
        if name and patches:
            yield min(patches, key=lambda folder: _newest_first(folder, ""))


def _is_pyenv(root: str) -> bool:
    return os.path.isdir(os.path.join(root, "versions"))


def _upwards(start: str, name: str) -> Iterator[str]:
    folder = os.path.abspath(start)
    while True:
        yield os.path.join(folder, name)
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent


def _words_of_first_file(paths: Iterator[str]) -> list[str]:
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
        except OSError:
            continue
        return [word for line in lines for word in line.partition("#")[0].split()]
    return []


def _usual_folders(platform: str) -> Iterator[str]:
    if platform != "darwin":
        yield from _SYSTEM_FOLDERS
        return
    yield from _MACOS_FOLDERS
    versions = [name for name in _folders(_MACOS_FRAMEWORK) if parse_release(name)]
    for name in sorted(versions, key=lambda version: _newest_first(version, "")):
        yield os.path.join(_MACOS_FRAMEWORK, name, "bin")


def _running() -> Iterator[Candidate]:
    if not sys.executable:
        return
    try:
        path = outside_venv(sys.executable)
    except InterpreterMissing:
        return
    major, minor, micro, level, serial = sys.version_info
    prerelease = "" if level == "final" else f"{level[0] if level != 'candidate' else 'rc'}{serial}"
    yield Candidate(
        path=path,
        version=f"{major}.{minor}.{micro}{prerelease}",
        implementation=sys.implementation.name,
    )


def _folders(root: str, *, with_links: bool = False) -> list[str]:
    try:
        with os.scandir(root) as entries:
            return [
                entry.name
                for entry in entries
                if entry.is_dir(follow_symlinks=with_links) and not entry.name.startswith(".")
            ]
    except OSError:
        return []


def _newest_first(version: str, tie: str) -> tuple[list[int], bool, str]:
    """Return what sorts versions downwards, unknown ones last, a release before its candidates."""
    stem = release_part(version)
    numbers = parse_release(stem)
    return [-number for number in numbers or ()] or [1], stem != version, tie


def _version_text(key: SpecRequest) -> str:
    numbers = key.release
    if key.prerelease and len(numbers) == 2:
        numbers = (*numbers, 0)
    return ".".join(map(str, numbers)) + key.prerelease


def _home(environ: Mapping[str, str]) -> str:
    return environ.get("HOME") or os.path.expanduser("~")
