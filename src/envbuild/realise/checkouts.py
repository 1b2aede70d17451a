"""Commits of git repositories in the store, and archives that lie in them.

A commit is checked out once, whoever asks for it. An archive in it is a blob like any other file;
unpacked, it is what it would be had it come from elsewhere.
"""

from __future__ import annotations

import os

from envbuild import canonical
from envbuild.derivation.model import Unpack
from envbuild.derivation.sources import Checkout, FileOfTree, UnpackSource
from envbuild.errors import RealiseError
from envbuild.frozen import frozen
from envbuild.realise.git import Git
from envbuild.realise.git_history import bare_history
from envbuild.sources.git_url import parse_address, transport
from envbuild.store import layout, locks
from envbuild.store.publish import Publication
from envbuild.store.records import Realisation, TreeOutput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.digest import Digest
    from envbuild.events import Reporter
    from envbuild.realise.archive_limits import Limits
    from envbuild.realise.git_cache import Repositories
    from envbuild.realise.git_history import History
    from envbuild.selection.model import Repository, RepositoryFile, SelectedPackage
    from envbuild.store.local import Store
    from envbuild.store.running import Running
    from envbuild.store.tree import Entry


class NoSuchFile(RealiseError):
    """A commit that does not have the archive that a lock names, or has another under its name."""

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(f"`{label}`: {reason}")
        self.label = label
        self.reason = reason


@frozen
class CheckedOut:
    """A commit, or an archive of it, as a tree that is in the store.

    Attributes:
        made_by: the derivation that gives the tree.
        tree: its digest.
        sha256: of the archive, `None` for a commit.
        notes: what the user should know.
        new_bytes: that were added to the store for it.
    """

    made_by: Checkout | Unpack | UnpackSource
    tree: Digest
    sha256: str | None = None
    notes: tuple[str, ...] = ()
    new_bytes: int = 0


class Checkouts:
    """Gives the trees of commits.

    Args:
        store: where they are kept.
        running: protects them from a collector.
        repositories: copies of repositories.
        folder: of the lock, which relative paths start from.
        environ: the environment.
        limits: what a tree may hold.
        verify_record: whether a RECORD that disagrees is an error.
        reporter: told of what is waited for.
    """

    def __init__(
        self,
        store: Store,
        running: Running,
        *,
        repositories: Repositories,
        folder: str,
        environ: Mapping[str, str],
        limits: Limits,
        verify_record: bool,
        reporter: Reporter,
    ) -> None:
        self._store = store
        self._running = running
        self._repositories = repositories
        self._folder = folder
        self._environ = environ
        self._limits = limits
        self._verify_record = verify_record
        self._reporter = reporter

    def find(self, repository: Repository) -> CheckedOut | None:
        """Return a commit that is in the store, `None` where it is not."""
        made_by = _checkout(repository)
        known = self._running.find(made_by.digest)
        return None if known is None else _checked_out(made_by, known)

    def obtain(self, repository: Repository) -> CheckedOut:
        """Return a commit, which is in the store afterwards.

        Raises:
            EnvbuildError: it cannot be had; see `envbuild.realise.checkout.checkout`.
        """
        made_by = _checkout(repository)
        with self._mutex(made_by.digest, repository.label):
            known = self._running.find(made_by.digest)
            if known is not None:
                return _checked_out(made_by, known)
            return self._check_out(repository, made_by)

    def history(self, repository: Repository) -> History:
        """Return what a build may see of a commit's repository; it may have to be fetched.

        Raises:
            EnvbuildError: it cannot be had; see `Repositories.obtain`.
        """
        commit = repository.commit.lower()
        address = parse_address(self._address(repository))
        secrets = {address.root: address.secret_root} if address.secret_root else {}
        protocols = ("file",) if self._repositories.offline else None
        git = Git(self._environ, protocols=protocols, secrets=secrets)
        return bare_history(self._repositories.obtain(address, commit, git), commit)

    def find_file(self, package: SelectedPackage, file: RepositoryFile) -> CheckedOut | None:
        """Return an archive of a commit, unpacked, where it is in the store; else `None`."""
        commit = self.find(file.repository)
        if commit is None:
            return None
        made_by = self._unpack(package, file)
        sha256 = self._entry(commit, file).sha256
        assert sha256 is not None
        known = self._running.find(made_by.resolved_key(sha256))
        return None if known is None else _checked_out(made_by, known, sha256=sha256)

    def obtain_file(self, package: SelectedPackage, file: RepositoryFile) -> CheckedOut:
        """Return an archive of a commit, unpacked; it is in the store afterwards.

        Raises:
            NoSuchFile: the commit does not have it.
            EnvbuildError: the commit cannot be had, or the archive not be unpacked.
        """
        commit = self.obtain(file.repository)
        made_by = self._unpack(package, file)
        with self._mutex(made_by.digest, file.label):
            known = self.find_file(package, file)
            if known is not None:
                return known
            return self._unpack_file(file, made_by, self._entry(commit, file))

    def _mutex(self, key: Digest, label: str) -> locks.Lock:
        path = self._store.absolute(layout.work_lock(key))
        return locks.wait_for_mutex(path, what=label, reporter=self._reporter)

    def _check_out(self, repository: Repository, made_by: Checkout) -> CheckedOut:
        from envbuild.realise.checkout import checkout

        with Publication(self._store) as publication:
            unpacked = checkout(
                self._address(repository),
                made_by.commit,
                lfs=made_by.lfs,
                repositories=self._repositories,
                limits=self._limits,
                blobs=publication.blobs,
            )
            tree = publication.add_tree(unpacked.tree)
            publication.add_record(layout.DERIVATIONS, canonical.encode(made_by.as_json()))
            realisation = Realisation(
                resolved_key=made_by.digest,
                output=TreeOutput(digest=tree),
                name=repository.label,
                notes=unpacked.notes,
            )
            publication.add_realisation(realisation)
            publication.commit()
        return _checked_out(made_by, realisation, new_bytes=unpacked.new_bytes)

    def _unpack(self, package: SelectedPackage, file: RepositoryFile) -> Unpack | UnpackSource:
        source = FileOfTree(tree=_checkout(file.repository), path=file.path)
        if not file.is_wheel:
            return UnpackSource(source=source, distribution=package.name, version=package.version)
        assert package.version is not None
        return Unpack(
            source=source,
            distribution=package.name,
            version=package.version,
            verify_record=self._verify_record,
        )

    def _entry(self, commit: CheckedOut, file: RepositoryFile) -> Entry:
        tree = self._store.read_tree(commit.tree)
        assert tree is not None
        for entry in tree.entries:
            if entry.path == file.path and entry.digest is not None:
                found = f"sha256:{entry.sha256}"
                if file.hash is not None and file.hash.startswith("sha256:") and found != file.hash:
                    reason = f"expected the hash {file.hash}, found {found}"
                    raise NoSuchFile(file.label, reason)
                return entry
        raise NoSuchFile(file.label, "the commit has no such file")

    def _unpack_file(
        self, file: RepositoryFile, made_by: Unpack | UnpackSource, entry: Entry
    ) -> CheckedOut:
        from envbuild.realise.sdist import unpack_sdist
        from envbuild.realise.unpack import unpack_wheel

        assert entry.digest is not None
        assert entry.sha256 is not None
        blob = layout.blob(entry.digest, executable=entry.kind == "executable")
        archive = self._store.absolute(blob)
        with Publication(self._store) as publication:
            match made_by:
                case Unpack(distribution=distribution, version=version, verify_record=verify):
                    unpacked = unpack_wheel(
                        archive,
                        filename=file.filename,
                        distribution=distribution,
                        version=version,
                        verify_record=verify,
                        limits=self._limits,
                        blobs=publication.blobs,
                    )
                case UnpackSource(distribution=name, version=locked):
                    unpacked = unpack_sdist(
                        archive,
                        filename=file.filename,
                        distribution=name,
                        version=locked,
                        limits=self._limits,
                        blobs=publication.blobs,
                    )
            tree = publication.add_tree(unpacked.tree)
            resolved = canonical.encode(made_by.resolved(entry.sha256))
            publication.add_record(layout.DERIVATIONS, canonical.encode(made_by.as_json()))
            realisation = Realisation(
                resolved_key=publication.add_record(layout.DERIVATIONS, resolved),
                output=TreeOutput(digest=tree),
                name=file.filename,
                notes=unpacked.notes,
            )
            publication.add_realisation(realisation)
            publication.commit()
        return _checked_out(made_by, realisation, sha256=entry.sha256, new_bytes=unpacked.new_bytes)

    def _address(self, repository: Repository) -> str:
        """Return where a repository is; a path starts from the lock's folder."""
        address = repository.address
        if transport(address) == "file" and "://" not in address:
            return os.path.normpath(os.path.join(self._folder, address))
        return address


def _checkout(repository: Repository) -> Checkout:
    return Checkout(commit=repository.commit.lower(), lfs=repository.lfs)


def _checked_out(
    made_by: Checkout | Unpack | UnpackSource,
    realisation: Realisation,
    *,
    sha256: str | None = None,
    new_bytes: int = 0,
) -> CheckedOut:
    assert isinstance(realisation.output, TreeOutput)
    return CheckedOut(
        made_by=made_by,
        tree=realisation.output.digest,
        sha256=sha256,
        notes=tuple(f"`{realisation.name}`: {note}" for note in realisation.notes),
        new_bytes=new_bytes,
    )
