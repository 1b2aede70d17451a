"""What packages are built from: the trees of archives, of commits, and of folders on this machine.

The first two are the same wherever they come from, and are kept. A folder is looked at anew each
time: what it holds at this moment says whether what was built from it still counts, and only where
it does not are its files put into the store. An editable is used where it lies and never copied.
"""

from __future__ import annotations

import os

from envbuild import canonical
from envbuild.derivation.compile import compile_packages
from envbuild.derivation.sources import Checkout, UnpackSource
from envbuild.events import WaitingFor
from envbuild.frozen import frozen, replace
from envbuild.realise.git import Git
from envbuild.realise.git_history import bare_history
from envbuild.realise.plan import archive_sha256, plan_realisation
from envbuild.selection.model import LocalTree, Repository, Sdist
from envbuild.sources.git_url import parse_address, transport
from envbuild.sources.version_control import asks_repository, version_variables
from envbuild.store import layout, locks
from envbuild.store.publish import Publication
from envbuild.store.records import Realisation, TreeOutput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envbuild.derivation.compile import Node
    from envbuild.derivation.sources import LocalSource
    from envbuild.digest import Digest
    from envbuild.events import Reporter
    from envbuild.realise.execute import Realised
    from envbuild.realise.git_cache import Repositories
    from envbuild.realise.git_history import History
    from envbuild.realise.local_files import Signature
    from envbuild.realise.unpack import Limits
    from envbuild.selection.model import SelectedPackage
    from envbuild.store.local import Store
    from envbuild.store.running import Running
    from envbuild.store.tree import Tree


@frozen
class SourceTree:
    """What a package is built from.

    Attributes:
        made_by: the derivation that gives the tree.
        digest: of the tree. That of an editable is of the files that its identity rests on.
        subdirectory: of the project in the tree, empty for its root.
        project_file: content of the project's `pyproject.toml`, `None` where there is none.
        sha256: of the archive, `None` where there is none.
        folder: absolute path of the project on this machine, `None` where it comes from elsewhere.
        history: of the repository that the build asks, `None` where it asks none.
        variables: that the build sees: those of the environment that the project says that it looks
            at, and what answers for a repository.
        signatures: of paths on this machine; the sources are these as long as none of them changes.
            `None` where there is no telling.
        notes: what the user should know.
        fetched: bytes that came from elsewhere for it.
        pinned: SHA-256 of the archive where the lock has none and it was hashed just now.
    """

    made_by: UnpackSource | Checkout | LocalSource
    digest: Digest
    subdirectory: str = ""
    project_file: bytes | None
    sha256: str | None = None
    folder: str | None = None
    history: History | None = None
    variables: Mapping[str, str]
    signatures: tuple[tuple[str, Signature | None], ...] | None = ()
    notes: tuple[str, ...] = ()
    fetched: int = 0
    pinned: str | None = None


class SourceTrees:
    """Gives the trees of what is to be built.

    Args:
        store: where they are kept.
        running: protects them from a collector.
        archives: realises archives that are missing.
        repositories: copies of git repositories.
        folder: of the lock, which relative paths start from.
        environ: the environment.
        limits: what a tree may hold.
        refresh: names of packages whose archives without a locked hash are pinned anew.
        reporter: told of what is waited for.
    """

    def __init__(
        self,
        store: Store,
        running: Running,
        *,
        archives: Callable[[tuple[Node, ...]], dict[str, Realised]],
        repositories: Repositories,
        folder: str,
        environ: Mapping[str, str],
        limits: Limits,
        refresh: tuple[str, ...],
        reporter: Reporter,
    ) -> None:
        self._store = store
        self._running = running
        self._archives = archives
        self._repositories = repositories
        self._folder = folder
        self._environ = environ
        self._limits = limits
        self._refresh = refresh
        self._reporter = reporter

    def find(self, package: SelectedPackage) -> SourceTree | None:
        """Return what is known of a package's sources without fetching or keeping anything.

        `None` where that is not enough. Only of what comes from elsewhere is it certain that the
        tree is in the store.

        Raises:
            EnvbuildError: they cannot be built from, whatever is done.
        """
        match package.distribution:
            case LocalTree() as local:
                return self._identified(package, local)
            case Repository(commit=commit, lfs=lfs):
                made_by = Checkout(commit=commit, lfs=lfs)
                known = self._known_checkout(made_by)
                return None if known is None else self._checked_out(package, made_by, known)
            case archive:
                assert isinstance(archive, Sdist)
                (node,) = compile_packages((package,), verify_record=True)
                trees = self.known((node,))
                return self._unpacked(package, node, trees[package.name]) if trees else None

    def obtain(self, package: SelectedPackage) -> SourceTree:
        """Return a package's sources, with the tree in the store.

        Raises:
            EnvbuildError: they cannot be had.
        """
        match package.distribution:
            case LocalTree(editable=True) as local:
                return self._identified(package, local)
            case LocalTree() as local:
                return self._ingested(package, local)
            case Repository() as repository:
                return self._check_out(package, repository)
            case archive:
                assert isinstance(archive, Sdist)
                (node,) = compile_packages((package,), verify_record=True)
                trees, realised = self.unpack((node,))
                source = self._unpacked(package, node, trees[package.name])
                mine = realised.get(package.name)
                if mine is None:
                    return source
                return replace(source, notes=mine.notes, fetched=mine.fetched, pinned=mine.pinned)

    def read(self, source: SourceTree) -> Tree:
        """Return the tree of sources that were obtained."""
        tree = self._store.read_tree(source.digest)
        assert tree is not None
        return tree

    def known(self, nodes: tuple[Node, ...]) -> dict[str, Digest]:
        """Return by package the trees of archives that are in the store."""
        self._running.needs(keys=[node.unpack.digest for node in nodes])
        plan = plan_realisation(nodes, self._store, refresh=self._refresh)
        self._running.needs(trees=plan.trees.values())
        return plan.trees

    def unpack(self, nodes: tuple[Node, ...]) -> tuple[dict[str, Digest], dict[str, Realised]]:
        """Return the trees of archives, and what was done for those that were missing.

        Raises:
            EnvbuildError: one cannot be had; `Problems` for several.
        """
        known = self.known(nodes)
        missing = tuple(node for node in nodes if node.package.name not in known)
        realised = self._archives(missing) if missing else {}
        return known | {name: result.tree for name, result in realised.items()}, realised

    def _unpacked(self, package: SelectedPackage, node: Node, digest: Digest) -> SourceTree:
        assert isinstance(node.unpack, UnpackSource)
        return SourceTree(
            made_by=node.unpack,
            digest=digest,
            subdirectory=package.subdirectory,
            project_file=self._project_file(digest, package.subdirectory),
            sha256=archive_sha256(node.fetch, self._store),
            variables={},
        )

    def _project_file(self, digest: Digest, subdirectory: str) -> bytes | None:
        path = f"{subdirectory}/pyproject.toml".lstrip("/")
        tree = self._store.read_tree(digest)
        assert tree is not None
        for entry in tree.entries:
            if entry.path == path and entry.digest is not None:
                return self._store.read_blob(entry.digest)
        return None

    def _known_checkout(self, made_by: Checkout) -> Realisation | None:
        self._running.needs(keys=[made_by.digest])
        for realisation in self._store.realisations(made_by.digest):
            match realisation.output:
                case TreeOutput(digest=tree):
                    self._running.needs(trees=[tree])
                    if self._store.has_tree(tree):
                        return realisation
        return None

    def _checked_out(
        self, package: SelectedPackage, made_by: Checkout, realisation: Realisation
    ) -> SourceTree:
        assert isinstance(realisation.output, TreeOutput)
        digest = realisation.output.digest
        return SourceTree(
            made_by=made_by,
            digest=digest,
            subdirectory=package.subdirectory,
            project_file=self._project_file(digest, package.subdirectory),
            variables={},
            notes=tuple(f"`{realisation.name}`: {note}" for note in realisation.notes),
        )

    def _check_out(self, package: SelectedPackage, repository: Repository) -> SourceTree:
        """Check a commit out, unless somebody else has: of all who want the same, one does it."""
        made_by = Checkout(commit=repository.commit.lower(), lfs=repository.lfs)
        path = self._store.absolute(layout.work_lock(made_by.digest))
        lock = locks.try_mutex(path)
        if lock is None:
            self._reporter.report(WaitingFor(what=repository.label, holder=locks.holder(path)))
            lock = locks.wait_for_mutex(path)
        with lock:
            known = self._known_checkout(made_by)
            fetched = 0
            if known is None:
                known, fetched = self._publish_checkout(repository, made_by)
        source = replace(self._checked_out(package, made_by, known), fetched=fetched)
        return self._with_history(source, package, repository)

    def _with_history(
        self, source: SourceTree, package: SelectedPackage, repository: Repository
    ) -> SourceTree:
        """Add the commit's repository, where the build asks it for its files and its version."""
        if not asks_repository(source.project_file):
            return source
        address = parse_address(self._address(repository))
        secrets = {address.root: address.secret_root} if address.secret_root else {}
        git = Git(
            self._environ,
            protocols=("file",) if self._repositories.offline else None,
            secrets=secrets,
        )
        folder = self._repositories.obtain(address, repository.commit.lower(), git)
        variables = version_variables(package.name, package.version) if package.version else {}
        history = bare_history(folder, repository.commit.lower())
        return replace(source, history=history, variables=variables)

    def _publish_checkout(
        self, repository: Repository, made_by: Checkout
    ) -> tuple[Realisation, int]:
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
        return realisation, unpacked.new_bytes

    def _address(self, repository: Repository) -> str:
        """Return where a repository is; a path starts from the lock's folder."""
        address = repository.address
        if transport(address) == "file" and "://" not in address:
            return os.path.normpath(os.path.join(self._folder, address))
        return address

    def _identified(self, package: SelectedPackage, local: LocalTree) -> SourceTree:
        from envbuild.realise.local_source import identify_tree

        folder = self._folder_of(package, local)
        found = identify_tree(
            folder, editable=local.editable, environ=self._environ, store=self._store
        )
        source = self._local(folder, found.source, found.subdirectory, found.notes)
        return replace(source, signatures=found.signatures, history=found.history)

    def _ingested(self, package: SelectedPackage, local: LocalTree) -> SourceTree:
        from envbuild.realise.local_source import ingest_tree

        source = self._identified(package, local)
        self._running.needs(trees=[source.digest])
        if self._store.has_tree(source.digest):
            return source
        folder = self._folder_of(package, local)
        with Publication(self._store) as publication:
            found = ingest_tree(folder, environ=self._environ, blobs=publication.blobs)
            self._running.needs(trees=[found.source.tree])
            publication.add_tree(found.unpacked.tree)
            publication.add_record(layout.DERIVATIONS, canonical.encode(found.source.as_json()))
            publication.commit()
        # What was read is what counts, should somebody have written to it meanwhile.
        source = self._local(folder, found.source, found.subdirectory, found.unpacked.notes)
        content = self._project_file(source.digest, source.subdirectory)
        return replace(source, project_file=content, history=found.history)

    def _local(
        self, folder: str, made_by: LocalSource, subdirectory: str, notes: tuple[str, ...]
    ) -> SourceTree:
        names = (fact.name for fact in made_by.facts if fact.kind == "environment")
        return SourceTree(
            made_by=made_by,
            digest=made_by.tree,
            subdirectory=subdirectory,
            project_file=_content(f"{folder}/pyproject.toml"),
            folder=folder,
            variables={name: self._environ[name] for name in names if name in self._environ},
            signatures=None,
            notes=notes,
        )

    def _folder_of(self, package: SelectedPackage, local: LocalTree) -> str:
        path = os.path.join(self._folder, local.location, package.subdirectory)
        return os.path.realpath(path)


def _content(path: str) -> bytes | None:
    from envbuild.realise.local_files import LocalTreeUnreadable

    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LocalTreeUnreadable(path, error) from error
