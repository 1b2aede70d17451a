"""Finds the interpreter that an environment is made for.

What is wanted comes from `--python`, else from `.python-version`, else from the lock's
`requires-python`, which holds in every case. Who may answer: the interpreter of the environment
that exists, then those of `places`, in order; the first that fits is taken. Pre-releases fit only
when they are asked for, or when the environment that exists was made from one.

With an environment that exists and fits, or an executable named by its path, nothing is searched and
no process is started twice; the search itself is `search`, and not even loaded then.
"""

from __future__ import annotations

import os

from envbuild.errors import TargetError
from envbuild.frozen import frozen
from envbuild.target.model import experiment_mismatch
from envbuild.target.probe import probe
from envbuild.target.release import contains, release_part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envbuild.target.model import Interpreter
    from envbuild.target.request import PythonRequest

_VERSION_FILES = (".python-version", ".python-versions")


@frozen
class VersionFile:
    """What was found in the place of a `.python-version` file.

    Attributes:
        path: the file that counts, `None` where there is none.
        request: what it asks for, `None` where it asks for nothing that is understood.
        looked_at: every path whose coming or going could change this, in order.
    """

    path: str | None
    request: PythonRequest | None
    looked_at: tuple[str, ...]


@frozen
class FoundInterpreter:
    """The interpreter to use, and why.

    Attributes:
        interpreter: what was found.
        origin: a sentence that says what asked for it.
        watched: files whose change, coming or going could change the choice while the environment
            that exists is kept: version files, and the interpreter itself.
    """

    interpreter: Interpreter
    origin: str
    watched: tuple[str, ...]


class UnreadableVersionFile(TargetError):
    """A version file that is there and cannot be read."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"`{path}` cannot be read: {reason}")
        self.path = path
        self.reason = reason


def find_interpreter(
    *,
    request: PythonRequest | None,
    requires_python: str | None,
    existing: str | None,
    start: str,
    stop_at: str | None,
    environ: Mapping[str, str],
    cache_dir: str,
    required_by: str = "the lock",
) -> FoundInterpreter:
    """Return the interpreter that an environment is made for.

    Args:
        request: what `--python` asks for; then version files are not looked at.
        requires_python: the set of versions that is allowed, compared without pre-release parts.
        existing: the executable in the environment that exists, if one does.
        start: the folder in which the search for version files begins.
        stop_at: the last folder of that search, `None` for the root of the file system.
        environ: environment variables: PATH, HOME, and those of uv and pyenv.
        cache_dir: where the answers of interpreters are remembered.
        required_by: what says `requires_python`, for people.

    Raises:
        NoFittingInterpreter: nothing that was found fits.
        TargetError: `request` names one executable, and that does not answer (see `probe`); or a
            version file cannot be read or understood.
    """
    watched: tuple[str, ...] = ()
    if request is not None:
        origin = f"`--python` asks for `{request.text}`"
    else:
        file = find_python_version_file(
            start, stop_at, environ=environ, requires_python=requires_python
        )
        request, watched = file.request, file.looked_at
        if request is not None and file.path is not None:
            folder, name = os.path.split(file.path)
            shown = name if folder == os.path.abspath(start) else file.path
            origin = f"`{shown}` asks for `{request.text}`"
        elif requires_python:
            origin = f"{required_by} requires Python `{requires_python}`"
        else:
            origin = "nothing asks for a certain Python"

    def found(interpreter: Interpreter) -> FoundInterpreter:
        return FoundInterpreter(
            interpreter=interpreter, origin=origin, watched=(*watched, interpreter.executable)
        )

    refused = []
    path = _path_in(request)
    if path is not None:
        interpreter = probe(path, cache_dir=cache_dir)
        version = release_part(interpreter.target.version)
        if not requires_python or contains(requires_python, version):
            return found(interpreter)
    elif existing is not None and not _names_a_path(request):
        try:
            interpreter = probe(existing, cache_dir=cache_dir)
        except TargetError as error:
            refused.append((existing, "", error.message))
        else:
            reason = _reason_to_leave(existing, interpreter, request, requires_python)
            if reason is None:
                return found(interpreter)
            refused.append((existing, interpreter.target.version, reason))
    from envbuild.target.request import request_of_specifiers
    from envbuild.target.search import Refusal, Search

    search = Search(
        request=request or request_of_specifiers(requires_python or ""),
        requires_python=requires_python,
        origin=origin,
        environ=environ,
        start=start,
        cache_dir=cache_dir,
        refused=tuple(
            Refusal(path=path, version=version, reason=reason) for path, version, reason in refused
        ),
    )
    return found(search.find())


def find_python_version_file(
    start: str,
    stop_at: str | None,
    *,
    environ: Mapping[str, str],
    requires_python: str | None = None,
) -> VersionFile:
    """Return the version file that counts for a folder.

    The nearest folder that has one counts, `.python-version` before `.python-versions`. After the
    last folder comes uv's own configuration folder; a file there is a general wish, so it counts
    only where the lock allows what it asks for.

    Args:
        start: the folder to begin in.
        stop_at: the last folder to look in, `None` for the root of the file system.
        environ: environment variables, for the place of uv's configuration.
        requires_python: the lock's set of versions.

    Raises:
        UnreadableVersionFile: there is a file, and it cannot be read.
        UnsupportedPython: it asks for a Python that no environment can be made for.
    """
    looked_at = []
    for folder, is_global in _folders_with_wishes(start, stop_at, environ):
        for name in _VERSION_FILES:
            path = os.path.join(folder, name)
            looked_at.append(path)
            text = _read_if_there(path)
            if text is None:
                continue
            request = _parse_version_file(text, folder)
            if is_global and requires_python and not _may_agree(request, requires_python):
                continue
            return VersionFile(path=path, request=request, looked_at=tuple(looked_at))
    return VersionFile(path=None, request=None, looked_at=tuple(looked_at))


def read_request(text: str) -> PythonRequest:
    """Return what `--python` asks for, read beside the working directory.

    Raises:
        UnsupportedPython: see `parse_request`.
    """
    from envbuild.target.request import parse_request

    return parse_request(text, is_path=os.path.exists(text))


def _path_in(request: PythonRequest | None) -> str | None:
    """Return the absolute path of the executable that a request names, if it names one."""
    if request is None or not _names_a_path(request):
        return None
    path = os.path.abspath(request.text)
    return None if os.path.isdir(path) else path


def _names_a_path(request: PythonRequest | None) -> bool:
    if request is None:
        return False
    from envbuild.target.request import PathRequest

    return isinstance(request, PathRequest)


def _reason_to_leave(
    existing: str,
    interpreter: Interpreter,
    request: PythonRequest | None,
    requires_python: str | None,
) -> str | None:
    """Return why the interpreter of the environment that exists does not fit, if it does not."""
    target = interpreter.target
    if request is None:
        reason = experiment_mismatch(target)
    else:
        from envbuild.target.request import NameRequest, SpecRequest, mismatch

        reason = None
        if isinstance(request, SpecRequest):
            reason = mismatch(request, target, is_existing=True)
        elif isinstance(request, NameRequest):
            names = {os.path.basename(path) for path in (existing, interpreter.executable)}
            reason = None if request.text in names else f"it is not named `{request.text}`"
    version = release_part(target.version)
    if reason is None and requires_python and not contains(requires_python, version):
        reason = f"it is not {requires_python}"
    return reason


def _folders_with_wishes(
    start: str, stop_at: str | None, environ: Mapping[str, str]
) -> Iterator[tuple[str, bool]]:
    """Yield folders to look for version files in, and whether it is the user's configuration."""
    last = None if stop_at is None else os.path.abspath(stop_at)
    folder = os.path.abspath(start)
    while True:
        yield folder, False
        parent = os.path.dirname(folder)
        if folder in (last, parent):
            break
        folder = parent
    home = environ.get("HOME") or os.path.expanduser("~")
    configuration = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    yield os.path.join(configuration, "uv"), True


def _read_if_there(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise UnreadableVersionFile(path, (error.strerror or str(error)).lower()) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableVersionFile(path, "it is not UTF-8") from error


def _parse_version_file(text: str, folder: str) -> PythonRequest | None:
    from envbuild.target.request import PathRequest, parse_version_file

    request = parse_version_file(text)
    if isinstance(request, PathRequest):
        return PathRequest(text=os.path.join(folder, request.text))
    return request


def _may_agree(request: PythonRequest | None, requires_python: str) -> bool:
    from envbuild.target.request import SpecRequest, version_may_fit

    if not isinstance(request, SpecRequest) or len(request.release) < 2:
        return True
    return version_may_fit(requires_python, ".".join(map(str, request.release)))
