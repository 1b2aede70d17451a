"""Copies of git repositories: one bare one for each address, with the commits that were needed.

They are a cache: any of them may be deleted at any time. A commit that is wanted is fetched alone,
without its history, as most servers allow; where that fails, everything is fetched. A ref for each
commit that is there completely says so, and keeps it from being swept up by git.
"""

from __future__ import annotations

import os

from envbuild.digest import digest_of
from envbuild.errors import RealiseError
from envbuild.events import SILENT, FetchFinished, FetchStarted
from envbuild.index.redaction import redact
from envbuild.realise.git import Git, GitFailed, last_words
from envbuild.sources.git_url import repository_key
from envbuild.store import locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.events import Reporter
    from envbuild.sources.git_url import Address

_COMMITS = "refs/envbuild"
_FETCH = (
    # One file for each fetch, however small.
    "-c", "fetch.unpackLimit=1", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
    "--no-recurse-submodules", "--update-shallow",
)  # fmt: skip
_NOBODY_TO_ASK = (
    "Authentication failed",
    "Permission denied",
    "could not read Password",
    "could not read Username",
)
_HOPELESS = (
    *_NOBODY_TO_ASK,
    "' not found",
    "Connection refused",
    "Could not resolve host",
    "Failed to connect",
    "does not appear to be a git repository",
    "transport '",
)
"""What git says where asking for more would lead to the same."""


class CommitMissing(RealiseError):
    """A commit that a repository does not have."""

    def __init__(self, repository: str, commit: str) -> None:
        self.repository = redact(repository)
        super().__init__(f"`{self.repository}` has no commit `{commit}`")
        self.commit = commit


class CommitMissingOffline(RealiseError):
    """A commit that is not here, in a run that may not use the network."""

    def __init__(self, repository: str, commit: str) -> None:
        self.repository = redact(repository)
        super().__init__(
            f"commit `{commit}` of `{self.repository}` is not here, and the network is off",
            hint="run once without `--offline`",
        )
        self.commit = commit


class Repositories:
    """The copies in one folder, and how to add to them.

    Args:
        folder: absolute path; made when needed.
        environ: the environment.
        offline: use what is on this machine alone.
        reporter: hears of transfers.
    """

    def __init__(
        self,
        folder: str,
        *,
        environ: Mapping[str, str],
        offline: bool = False,
        reporter: Reporter = SILENT,
    ) -> None:
        self.environ = environ
        self.offline = offline
        self._folder = folder
        self._reporter = reporter

    def obtain(self, address: Address, commit: str, git: Git) -> str:
        """Return the folder of a bare repository that has all of a commit.

        Args:
            address: of the repository.
            commit: its full name.
            git: how to reach it.

        Raises:
            GitMissing: there is no git.
            GitFailed: the repository cannot be read.
            CommitMissing: it has no such commit.
            CommitMissingOffline: it would have to be fetched.
            LockFailed: the operating system refuses.
        """
        folder = self._folder_of(address)
        with self._lock(folder, address):
            if not os.path.exists(f"{folder}/HEAD"):
                os.makedirs(folder, exist_ok=True)
                self._must(
                    git,
                    "make a copy of",
                    address,
                    folder,
                    "init",
                    "--bare",
                    "--quiet",
                    "--template=",
                )
            if not _has(git, folder, commit):
                self._fetch(git, folder, address, commit)
        return folder

    def forget(self, address: Address) -> None:
        """Remove a copy that turned out to be damaged."""
        folder = self._folder_of(address)
        with self._lock(folder, address):
            from shutil import rmtree

            rmtree(folder, ignore_errors=True)

    def _folder_of(self, address: Address) -> str:
        return f"{self._folder}/{digest_of(repository_key(address.url).encode())}"

    def _lock(self, folder: str, address: Address) -> locks.Lock:
        path = f"{folder}.lock"
        return locks.wait_for_mutex(path, what=address.url, reporter=self._reporter)

    def _fetch(self, git: Git, folder: str, address: Address, commit: str) -> None:
        name = f"{address.url}@{commit[:12]}"
        self._reporter.report(FetchStarted(name=name, size=None, offset=0))
        before = _size_of(folder)
        wanted = f"+{commit}:{_COMMITS}/{commit}"
        done = git.run(*_FETCH, "--depth=1", address.url, wanted, folder=folder)
        words = last_words(done)
        if done.returncode and not any(phrase in words for phrase in _HOPELESS):
            # Old servers give what a ref names and nothing else; those that only hand out files know
            # nothing of depths.
            shallow = git.run("rev-parse", "--is-shallow-repository", folder=folder)
            deepen = ("--unshallow",) if shallow.stdout.strip() == b"true" else ()
            everything = "+refs/*:refs/remotes/*"
            done = git.run(*_FETCH, "--prune", *deepen, address.url, everything, folder=folder)
            words = last_words(done)
            if not done.returncode:
                self._note(git, folder, address, commit)
        if done.returncode:
            if self.offline:
                raise CommitMissingOffline(address.url, commit)
            refused = any(phrase in words for phrase in _NOBODY_TO_ASK)
            hint = f"git must be let in by itself: try `git ls-remote {address.url}`"
            raise GitFailed("fetch from", address.url, words, hint=hint if refused else None)
        self._reporter.report(FetchFinished(name=name, size=max(0, _size_of(folder) - before)))

    def _note(self, git: Git, folder: str, address: Address, commit: str) -> None:
        """Mark a commit that came with everything else."""
        if git.run("cat-file", "-e", f"{commit}^{{commit}}", folder=folder).returncode:
            raise CommitMissing(address.url, commit)
        ref = f"{_COMMITS}/{commit}"
        self._must(git, "make a copy of", address, folder, "update-ref", ref, commit)

    @staticmethod
    def _must(git: Git, action: str, address: Address, folder: str, *arguments: str) -> None:
        done = git.run(*arguments, folder=folder)
        if done.returncode:
            raise GitFailed(action, address.url, last_words(done))


def _has(git: Git, folder: str, commit: str) -> bool:
    done = git.run("rev-parse", "--quiet", "--verify", f"{_COMMITS}/{commit}", folder=folder)
    return done.stdout.strip() == commit.encode()


def _size_of(folder: str) -> int:
    """Return the size of all packs in a repository, in bytes."""
    packs = f"{folder}/objects/pack"
    try:
        with os.scandir(packs) as entries:
            return sum(entry.stat().st_size for entry in entries)
    except OSError:
        return 0
