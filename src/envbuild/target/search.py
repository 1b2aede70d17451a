"""Looks for an interpreter that answers a request, among all that are on this machine.

The slow half of `discover`: it is loaded only when no environment answers.
"""

from __future__ import annotations

import os

from envbuild.errors import TargetError
from envbuild.frozen import frozen
from envbuild.target.places import candidates, executable_in, is_executable, search_path
from envbuild.target.probe import InterpreterTooOld, probe, venv_of
from envbuild.target.release import release_part
from envbuild.target.request import (
    NameRequest,
    PathRequest,
    PythonRequest,
    SpecRequest,
    mismatch,
    prerelease_mismatch,
    version_may_fit,
    version_mismatch,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.target.model import Interpreter
    from envbuild.target.places import Candidate


@frozen
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


class Search:
    """One search: what is asked, and what was refused on the way.

    Args:
        request: what is asked for.
        requires_python: the lock's set of versions, compared without pre-release parts.
        origin: a sentence that says what asks for it, for the error.
        environ: environment variables.
        start: the folder from which pyenv would look for its `.python-version`.
        cache_dir: where the answers of interpreters are remembered.
        refused: what was refused before.
    """

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
        refused: tuple[Refusal, ...] = (),
    ) -> None:
        self._request = request
        self._requires = requires_python
        self._origin = origin
        self._environ = environ
        self._start = start
        self._cache_dir = cache_dir
        self._refused = list(refused)

    def find(self) -> Interpreter:
        """Return the first interpreter that fits.

        Raises:
            NoFittingInterpreter: none does.
            TargetError: the request is a path, and what is there does not answer.
        """
        match self._request:
            case PathRequest(text=path):
                found = self._at_path(os.path.abspath(path))
            case NameRequest(text=name):
                found = self._by_name(name)
            case SpecRequest() as request:
                found = self._by_description(request)
        if found is None:
            raise NoFittingInterpreter(self._origin, self._requires, tuple(self._refused))
        return found

    def _at_path(self, path: str) -> Interpreter | None:
        if os.path.isdir(path):
            path = executable_in(path)
        interpreter = probe(path, cache_dir=self._cache_dir)
        return self._accept(path, interpreter, None)

    def _by_name(self, name: str) -> Interpreter | None:
        for folder in search_path(self._environ, start=self._start):
            path = os.path.join(folder, name)
            if is_executable(path) and venv_of(path) is None:
                interpreter = self._probe(path)
                if interpreter and self._accept(path, interpreter, None):
                    return interpreter
        return None

    def _by_description(self, request: SpecRequest) -> Interpreter | None:
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
            self._refuse(path, "", in_one_line(error, path))
        return None

    def _refuse(self, path: str, version: str, reason: str) -> None:
        self._refused.append(Refusal(path=path, version=version, reason=reason))


def in_one_line(error: TargetError, path: str) -> str:
    """Return what is wrong with an interpreter, and the last words it said."""
    first, *output = error.message.splitlines()
    what = first.removeprefix(f"`{path}` ").rstrip(":")
    return f"it {what}: {output[-1].strip()}" if output else f"it {what}"
