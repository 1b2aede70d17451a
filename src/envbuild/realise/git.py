"""The `git` program: found on PATH, run without anything that a repository could make it do.

Fetching uses the user's own configuration, credentials and keys; reading uses none. In both, hooks,
file system monitors, background work and questions on the terminal are off, and variables that
point git at another repository are taken out. Messages never hold credentials.
"""

from __future__ import annotations

import os

from envbuild.errors import RealiseError
from envbuild.interruption import run_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from subprocess import CompletedProcess, Popen

_HARMLESS = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
    "-c", "safe.directory=*",
)  # fmt: skip
"""What is said to every git: it runs no program on behalf of a repository, in the background or not.

With these, a repository of another owner is as harmless to read as any.
"""

_KEPT = (
    "GIT_ASKPASS", "GIT_CONFIG_", "GIT_CURL_VERBOSE", "GIT_EXEC_PATH", "GIT_HTTP_", "GIT_LFS_",
    "GIT_PROXY_", "GIT_SSH", "GIT_SSL_", "GIT_TRACE",
)  # fmt: skip
"""What variables of git begin with that say how to reach others; the rest says what to work on."""

_LAST_LINES = 8


class GitMissing(RealiseError):
    """There is no `git` on PATH."""

    def __init__(self) -> None:
        super().__init__("a git repository needs `git`, which is not on PATH", hint="install git")


class GitFailed(RealiseError):
    """Git ended with an error.

    Attributes:
        repository: address or folder, without credentials.
        reason: what git said last.
    """

    def __init__(
        self, action: str, repository: str, reason: str, *, hint: str | None = None
    ) -> None:
        from envbuild.index.redaction import redact

        self.repository = redact(repository)
        self.reason = reason
        super().__init__(f"cannot {action} `{self.repository}`: {reason}", hint=hint)


class Git:
    """How git is run.

    Args:
        environ: the environment.
        protocols: names of the only transports that may be used, `None` for those that git allows
            to a user.
        secrets: address to use in place of one that it begins with, to be known to git alone.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        protocols: Iterable[str] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self.environ = {
            name: value
            for name, value in environ.items()
            if not name.startswith("GIT_") or name.startswith(_KEPT)
        }
        self.environ |= {
            "GIT_ADVICE": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            # What git says is read, and shown to people who may have to look it up.
            "LC_ALL": "C.UTF-8",
            "LANGUAGE": "C",
        }
        if protocols is not None:
            self.environ["GIT_ALLOW_PROTOCOL"] = ":".join(protocols)
        for name, value in (secrets or {}).items():
            # In the environment, not among the arguments, which everybody on the machine can see.
            number = int(self.environ.get("GIT_CONFIG_COUNT", "0") or "0")
            self.environ |= {
                "GIT_CONFIG_COUNT": str(number + 1),
                f"GIT_CONFIG_KEY_{number}": f"url.{value}.insteadOf",
                f"GIT_CONFIG_VALUE_{number}": name,
            }

    @staticmethod
    def alone(environ: Mapping[str, str]) -> Git:
        """Return a git that knows no configuration but a repository's own, and no network."""
        git = Git(environ, protocols=())
        for name in tuple(git.environ):
            if name.startswith("GIT_CONFIG"):
                del git.environ[name]
        git.environ |= {
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_NO_LAZY_FETCH": "1",
        }
        return git

    def run(
        self, *arguments: str, folder: str | None = None, data: bytes | None = None
    ) -> CompletedProcess[bytes]:
        """Run git to its end and return what came of it, good or bad.

        Args:
            arguments: command and arguments.
            folder: to run in; it is also where git looks for a repository.
            data: to be read by it.

        Raises:
            GitMissing: there is none.
        """
        try:
            return run_program(
                self._command(folder, arguments), environ=self.environ, data=data or b""
            )
        except FileNotFoundError:
            raise GitMissing from None

    def start(self, *arguments: str, folder: str) -> Popen[bytes]:
        """Start git with pipes to and from it; raises as `run` does."""
        import subprocess

        try:
            return subprocess.Popen(
                self._command(folder, arguments),
                env=self.environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except FileNotFoundError:
            raise GitMissing from None

    @staticmethod
    def _command(folder: str | None, arguments: Iterable[str]) -> tuple[str, ...]:
        where = () if folder is None else ("-C", folder)
        return ("git", *where, *_HARMLESS, *arguments)


def last_words(done: CompletedProcess[bytes]) -> str:
    """Return what git said last, fit to be shown: on one line, without credentials."""
    from envbuild.index.redaction import redact

    text = redact(done.stderr.decode("utf-8", "replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = "; ".join(lines[-_LAST_LINES:]) or f"git ended with {done.returncode}"
    return "".join(char if char.isprintable() else "?" for char in told)
