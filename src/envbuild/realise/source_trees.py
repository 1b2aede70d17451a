"""What packages are built from: the trees of archives, of commits, and of folders on this machine.

The first two are the same wherever they come from, and are kept. A folder is looked at anew each
time: what it holds at this moment says whether what was built from it still counts, and only where
it does not are its files put into the store. An editable is used where it lies and never copied.
"""

from __future__ import annotations

import os

from envbuild import canonical, interruption
from envbuild.derivation.compile import compile_packages
from envbuild.derivation.model import Unpack
from envbuild.derivation.sources import UnpackSource
from envbuild.digest import digest_of
from envbuild.errors import EnvbuildError
from envbuild.frozen import frozen, replace
from envbuild.realise.plan import archive_sha256, plan_realisation
from envbuild.realise.prefetch import Prefetch
from envbuild.selection.model import LocalTree, Repository, RepositoryFile, Sdist
from envbuild.sources.version_control import asks_repository, version_variables
from envbuild.store import layout
from envbuild.store.cache import read_cache, write_cache
from envbuild.store.publish import Publication

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from envbuild.derivation.compile import Node
    from envbuild.derivation.sources import Checkout, LocalSource
    from envbuild.digest import Digest
    from envbuild.realise.checkouts import CheckedOut, Checkouts
    from envbuild.realise.execute import Realised
    from envbuild.realise.git_history import History
    from envbuild.realise.local_files import Signature
    from envbuild.realise.prefetch import Archives
    from envbuild.selection.model import SelectedPackage
    from envbuild.store.local import Store
    from envbuild.store.running import Running
    from envbuild.store.tree import Tree


_NOTHING, _CONTENT = b"-", b"+"


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
    """Gives the trees of what is to be built. Use as a context manager around `prefetch`.

    Attributes:
        checkouts: give commits, and archives that lie in them.

    Args:
        store: where they are kept.
        running: protects them from a collector.
        archives: realises archives that are missing.
        interrupted: tells whether what was begun is to be given up.
        checkouts: see there.
        folder: of the lock, which relative paths start from.
        environ: the environment.
        refresh: names of packages whose archives without a locked hash are pinned anew.
    """

    def __init__(
        self,
        store: Store,
        running: Running,
        *,
        archives: Archives,
        interrupted: Callable[[], bool],
        checkouts: Checkouts,
        folder: str,
        environ: Mapping[str, str],
        refresh: tuple[str, ...],
    ) -> None:
        self._store = store
        self._running = running
        self._archives = archives
        self.checkouts = checkouts
        self._folder = folder
        self._environ = environ
        self._refresh = refresh
        # What was there stays there: this run needs it.
        self._seen: dict[Digest, Digest] = {}
        self._prefetch = Prefetch(archives, interrupted)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._prefetch.close()

    def prefetch(self, packages: Sequence[SelectedPackage]) -> None:
        """Begin to fetch all archives of packages that are missing."""
        archives = [each for each in packages if isinstance(each.distribution, Sdist)]
        nodes = compile_packages(archives, verify_record=True)
        known = self.known(nodes)
        self._prefetch.begin([node for node in nodes if node.package.name not in known])

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
            case Repository() as repository:
                commit = self.checkouts.find(repository)
                return None if commit is None else self._from_commit(package, commit)
            case RepositoryFile() as file:
                unpacked = self.checkouts.find_file(package, file)
                return None if unpacked is None else self._from_commit(package, unpacked)
            case archive:
                assert isinstance(archive, Sdist)
                (node,) = compile_packages((package,), verify_record=True)
                ahead = self._ahead(node)
                trees = {package.name: ahead.tree} if ahead else self.known((node,))
                return self._unpacked(package, node, trees[package.name], ahead) if trees else None

    def obtain(self, package: SelectedPackage, found: SourceTree | None = None) -> SourceTree:
        """Return a package's sources, with the tree in the store.

        Args:
            package: which.
            found: what `find` has just said of them.

        Raises:
            EnvbuildError: they cannot be had.
        """
        match package.distribution:
            case LocalTree() as local:
                source = found or self._identified(package, local)
                return source if local.editable else self._ingested(package, local, source)
            case Repository() as repository:
                source = self._from_commit(package, self.checkouts.obtain(repository))
                return self._with_history(source, package, repository)
            case RepositoryFile() as file:
                return self._from_commit(package, self.checkouts.obtain_file(package, file))
            case archive:
                assert isinstance(archive, Sdist)
                if found is not None:
                    return found
                (node,) = compile_packages((package,), verify_record=True)
                trees, realised = self.unpack((node,))
                return self._unpacked(
                    package, node, trees[package.name], realised.get(package.name)
                )

    def read(self, source: SourceTree) -> Tree:
        """Return the tree of sources that were obtained."""
        tree = self._store.read_tree(source.digest)
        assert tree is not None
        return tree

    def known(self, nodes: tuple[Node, ...]) -> dict[str, Digest]:
        """Return by package the trees of archives that are in the store."""
        unseen = [node for node in nodes if node.unpack.digest not in self._seen]
        if unseen:
            self._running.needs(keys=[node.unpack.digest for node in unseen])
            plan = plan_realisation(unseen, self._store, refresh=self._refresh)
            self._running.needs(trees=plan.trees.values())
            for node in unseen:
                if node.package.name in plan.trees:
                    self._seen[node.unpack.digest] = plan.trees[node.package.name]
        return {
            node.package.name: self._seen[node.unpack.digest]
            for node in nodes
            if node.unpack.digest in self._seen
        }

    def unpack(self, nodes: tuple[Node, ...]) -> tuple[dict[str, Digest], dict[str, Realised]]:
        """Return the trees of archives, and what was done for those that were missing.

        Raises:
            EnvbuildError: one cannot be had; `Problems` for several.
        """
        known = self.known(nodes)
        missing = tuple(node for node in nodes if node.package.name not in known)
        if not missing:
            return known, {}
        from envbuild.realise.execute import successes

        realised = successes(self._archives(missing))
        return known | {name: result.tree for name, result in realised.items()}, realised

    def _ahead(self, node: Node) -> Realised | None:
        """Return what came of an archive that was prefetched, `None` where it was not.

        Raises:
            EnvbuildError: it cannot be had.
        """
        outcome = self._prefetch.outcome(node)
        # What was given up is not begun anew, where everything is.
        interruption.give_way()
        if isinstance(outcome, EnvbuildError):
            raise outcome
        return outcome

    def _unpacked(
        self, package: SelectedPackage, node: Node, digest: Digest, realised: Realised | None
    ) -> SourceTree:
        assert isinstance(node.unpack, UnpackSource)
        source = SourceTree(
            made_by=node.unpack,
            digest=digest,
            subdirectory=package.subdirectory,
            project_file=self._project_file(digest, package.subdirectory),
            sha256=archive_sha256(node.fetch, self._store),
            variables={},
        )
        if realised is None:
            return source
        return replace(
            source, notes=realised.notes, fetched=realised.fetched, pinned=realised.pinned
        )

    def _project_file(self, digest: Digest, subdirectory: str) -> bytes | None:
        """Return the content of the project's file in a tree, `None` where it has none.

        What is kept of it has a sign in front: a tree need not be read for so little every time.
        """
        below = f"-{digest_of(subdirectory.encode())[:16]}" if subdirectory else ""
        name = f"projects/{digest[:2]}/{digest[2:]}{below}"
        kept = read_cache(self._store, name)
        if kept is None:
            found = self._find_project_file(digest, subdirectory)
            kept = _NOTHING if found is None else _CONTENT + found
            write_cache(self._store, name, kept)
        return None if kept == _NOTHING else kept.removeprefix(_CONTENT)

    def _find_project_file(self, digest: Digest, subdirectory: str) -> bytes | None:
        path = f"{subdirectory}/pyproject.toml".lstrip("/")
        tree = self._store.read_tree(digest)
        assert tree is not None
        for entry in tree.entries:
            if entry.path == path and entry.digest is not None:
                return self._store.read_blob(entry.digest)
        return None

    def _from_commit(self, package: SelectedPackage, found: CheckedOut) -> SourceTree:
        assert not isinstance(found.made_by, Unpack)
        return SourceTree(
            made_by=found.made_by,
            digest=found.tree,
            subdirectory=package.subdirectory,
            project_file=self._project_file(found.tree, package.subdirectory),
            sha256=found.sha256,
            variables={},
            notes=found.notes,
            fetched=found.new_bytes,
        )

    def _with_history(
        self, source: SourceTree, package: SelectedPackage, repository: Repository
    ) -> SourceTree:
        """Add the commit's repository, where the build asks it for its files and its version."""
        if not asks_repository(source.project_file):
            return source
        variables = version_variables(package.name, package.version) if package.version else {}
        return replace(source, history=self.checkouts.history(repository), variables=variables)

    def _identified(self, package: SelectedPackage, local: LocalTree) -> SourceTree:
        from envbuild.realise.local_source import identify_tree

        folder = self._folder_of(package, local)
        found = identify_tree(
            folder, editable=local.editable, environ=self._environ, store=self._store
        )
        source = self._local(folder, found.source, found.subdirectory, found.notes)
        return replace(source, signatures=found.signatures, history=found.history)

    def _ingested(
        self, package: SelectedPackage, local: LocalTree, source: SourceTree
    ) -> SourceTree:
        from envbuild.realise.local_source import ingest_tree

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
