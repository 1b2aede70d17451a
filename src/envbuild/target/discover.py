"""Finds the interpreter that an environment is made for.

What is wanted comes from `--python`, else from `.python-version`, else from the lock's
`requires-python`, which holds in every case. Who may answer: the interpreter of the environment
that exists, then those of `places`, in order; the first that fits is taken. Pre-releases fit only
when they are asked for, or when the environment that exists was made from one.

With an environment that exists and fits, nothing is searched and no process is started.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from envbuild.errors import TargetError
from envbuild.target.probe import InterpreterTooOld, probe
from envbuild.target.release import release_part
from envbuild.target.request import (
    NameRequest,
    PathRequest,
    PythonRequest,
    SpecRequest,
    mismatch,
    parse_request,
    parse_version_file,
    prerelease_mismatch,
    request_of_specifiers,
    version_may_fit,
    version_mismatch,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envbuild.target.model import Interpreter
    from envbuild.target.places import Candidate

_VERSION_FILES = (".python-version", ".python-versions")


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An interpreter that was found and not taken; the version is empty where it is unknown."""

    path: str
    version: str
    reason: str


class NoFittingInterpreter(TargetError):
    """Nothing that was found answers what is asked.

    Attributes:
        origin: a sentence that says what was asked for.
        requires_python: what the lock demands beside it.
        refused: what was found, in the order in which it was looked at.
    """

    def __init__(
        self, origin: str, requires_python: str | None, refused: tuple[Refusal, ...]
    ) -> None:
        demand = origin
        if requires_python and requires_python not in origin:
            demand += f", and the lock requires Python `{requires_python}`"
        lines = [f"no Python interpreter fits: {demand}"]
        for refusal in refused:
            version = f" ({refusal.version})" if refusal.version else ""
            lines.append(f"    `{refusal.path}`{version}: {refusal.reason}")
        if not refused:
            lines.append("    no interpreter was found at all")
        super().__init__("\n".join(lines))
        self.origin = origin
        self.requires_python = requires_python
        self.refused = refused


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
) -> FoundInterpreter:
    """Return the interpreter that an environment is made for.

    Args:
        request: what `--python` asks for; then version files are not looked at.
        requires_python: the lock's set of versions, compared without pre-release parts.
        existing: the executable in the environment that exists, if one does.
        start: the folder in which the search for version files begins.
        stop_at: the last folder of that search, `None` for the root of the file system.
        environ: environment variables: PATH, HOME, and those of uv and pyenv.
        cache_dir: where the answers of interpreters are remembered.

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
            if isinstance(request, PathRequest):
                request = PathRequest(text=os.path.join(folder, request.text))
        elif requires_python:
            origin = f"the lock requires Python `{requires_python}`"
        else:
            origin = "nothing asks for a certain Python"
    search = _Search(
        request=request if request is not None else request_of_specifiers(requires_python or ""),
        requires_python=requires_python,
        origin=origin,
        environ=environ,
        start=start,
        cache_dir=cache_dir,
    )
    interpreter = search.find(existing)
    return FoundInterpreter(
        interpreter=interpreter, origin=origin, watched=(*watched, interpreter.executable)
    )


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
            request = parse_version_file(text)
            if is_global and requires_python and not _may_agree(request, requires_python):
                continue
            return VersionFile(path=path, request=request, looked_at=tuple(looked_at))
    return VersionFile(path=None, request=None, looked_at=tuple(looked_at))


def read_request(text: str) -> PythonRequest:
    """Return what `--python` asks for, read beside the working directory.

    Raises:
        UnsupportedPython: see `parse_request`.
    """
    return parse_request(text, is_path=os.path.exists(text))


class _Search:
    """One search: what is asked, and what was refused on the way."""

    __slots__ = ("_cache_dir", "_environ", "_origin", "_refused", "_request", "_requires", "_start")

    def __init__(
        self,
        *,
        request: PythonRequest,
        requires_python: str | None,
        origin: str,
        environ: Mapping[str, str],
        start: str,
        cache_dir: str,
    ) -> None:
        self._request = request
        self._requires = requires_python
        self._origin = origin
        self._environ = environ
        self._start = start
        self._cache_dir = cache_dir
        self._refused: list[Refusal] = []

    def find(self, existing: str | None) -> Interpreter:
        request = self._request
        if isinstance(request, PathRequest):
            found = self._at_path(os.path.abspath(request.text))
        else:
            found = self._of_environment(existing, request) if existing is not None else None
            if found is None and isinstance(request, NameRequest):
                found = self._by_name(request.text)
            elif found is None and isinstance(request, SpecRequest):
                found = self._by_description(request)
        if found is None:
            raise NoFittingInterpreter(self._origin, self._requires, tuple(self._refused))
        return found

    def _at_path(self, path: str) -> Interpreter | None:
        from envbuild.target.places import executable_in

        if os.path.isdir(path):
            path = executable_in(path)
        interpreter = probe(path, cache_dir=self._cache_dir)
        return self._accept(path, interpreter, None)

    def _of_environment(
        self, existing: str, request: NameRequest | SpecRequest
    ) -> Interpreter | None:
        try:
            interpreter = probe(existing, cache_dir=self._cache_dir)
        except TargetError as error:
            self._refuse(existing, "", error.message)
            return None
        reason = None
        if isinstance(request, NameRequest):
            names = {os.path.basename(path) for path in (existing, interpreter.executable)}
            if request.text not in names:
                reason = f"it is not named `{request.text}`"
        else:
            reason = mismatch(request, interpreter.target, is_existing=True)
        return self._accept(existing, interpreter, reason)

    def _by_name(self, name: str) -> Interpreter | None:
        from envbuild.target.places import is_executable, search_path
        from envbuild.target.probe import venv_of

        for folder in search_path(self._environ, start=self._start):
            path = os.path.join(folder, name)
            if is_executable(path) and venv_of(path) is None:
                interpreter = self._probe(path)
                if interpreter and self._accept(path, interpreter, None):
                    return interpreter
        return None

    def _by_description(self, request: SpecRequest) -> Interpreter | None:
        from envbuild.target.places import candidates

        seen: set[str] = set()
        for candidate in candidates(request, environ=self._environ, start=self._start):
            file = os.path.realpath(candidate.path)
            if file in seen:
                continue
            seen.add(file)
            reason = self._hopeless(candidate, request)
            if reason is not None:
                self._refuse(candidate.path, candidate.version, reason)
                continue
            interpreter = self._probe(candidate.path)
            if interpreter is None:
                continue
            reason = mismatch(request, interpreter.target, is_default=candidate.is_default)
            if self._accept(candidate.path, interpreter, reason):
                return interpreter
        return None

    def _hopeless(self, candidate: Candidate, request: SpecRequest) -> str | None:
        """Return why an executable cannot fit, as far as its place tells."""
        wanted = request.implementation or "cpython"
        if candidate.implementation not in {"", wanted} and not request.anything:
            return f"it is {candidate.implementation}, not {wanted}"
        if not candidate.version:
            return None
        return (
            version_mismatch(request, candidate.version)
            or self._not_required(candidate.version)
            or prerelease_mismatch(request, candidate.version)
        )

    def _accept(
        self, path: str, interpreter: Interpreter, reason: str | None
    ) -> Interpreter | None:
        version = interpreter.target.version
        reason = reason or self._not_required(version)
        if reason is None:
            return interpreter
        self._refuse(path, version, reason)
        return None

    def _not_required(self, version: str) -> str | None:
        if self._requires and not version_may_fit(self._requires, release_part(version)):
            return f"it is not {self._requires}"
        return None

    def _probe(self, path: str) -> Interpreter | None:
        try:
            return probe(path, cache_dir=self._cache_dir)
        except InterpreterTooOld as error:
            self._refuse(path, error.version, "it is older than any that is supported")
        except TargetError as error:
            self._refuse(path, "", error.message.partition("\n")[0])
        return None

    def _refuse(self, path: str, version: str, reason: str) -> None:
        self._refused.append(Refusal(path=path, version=version, reason=reason))


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


def _may_agree(request: PythonRequest | None, requires_python: str) -> bool:
    if not isinstance(request, SpecRequest) or not request.release:
        return True
    release = ".".join(map(str, request.release))
    if len(request.release) == 1:
        return True
    return version_may_fit(requires_python, release)
