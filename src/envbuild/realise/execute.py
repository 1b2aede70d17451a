"""Carrying out a plan: archives are fetched, unpacked and published, several at once.

Each piece of work has a mutex, named by its derivation, so that two processes never do it twice.
A process that holds any waits for none: it does what it could get, publishes, lets go, and only
then waits for the rest, most of which it then finds done. What fails does not keep the others from
being finished and published.
"""

from __future__ import annotations

import threading
import time

from envbuild import canonical
from envbuild.derivation.model import Unpack
from envbuild.derivation.sources import UnpackSource
from envbuild.errors import EnvbuildError, RealiseError, StoreError, raise_all
from envbuild.events import FetchesPlanned, Unpacked
from envbuild.frozen import frozen
from envbuild.interruption import ask, give_way
from envbuild.realise.fetch import FetchCancelled
from envbuild.realise.plan import archive_sha256, find_tree
from envbuild.store import layout, locks
from envbuild.store.local import StoreUnusable
from envbuild.store.publish import Publication
from envbuild.store.records import ArchiveOutput, Realisation, TreeOutput
from envbuild.threads import Worker, wait_for_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from envbuild.derivation.compile import Node
    from envbuild.digest import Digest
    from envbuild.events import Reporter
    from envbuild.realise.archive_limits import Limits
    from envbuild.realise.fetch import Fetched, Fetcher
    from envbuild.realise.unpackers import Outcome, Unpackers
    from envbuild.store.local import Store
    from envbuild.store.running import Running
    from envbuild.store.tree import Tree
    from envbuild.store.write_back import WriteBack

    Published = Callable[[Node, "Realised | EnvbuildError"], None]
    """Told of an archive what came of it, which is in the store, or why nothing did."""

_SECONDS_BETWEEN_COMMITS = 20.0
_SECONDS_BETWEEN_LOOKS = 0.5


class HashChanged(RealiseError):
    """An archive without a locked hash that is not what it was when it was first used."""

    def __init__(self, name: str, package: str, pinned: str, found: str) -> None:
        super().__init__(
            f"`{name}` has changed since its first use: expected `sha256:{pinned}`, "
            f"found `sha256:{found}`",
            hint=f"to accept it, run again with `--refresh-package {package}`",
        )
        self.name = name
        self.package = package
        self.pinned = pinned
        self.found = found


class MissingOffline(RealiseError):
    """Archives that the store does not have, in a run that may not use the network."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(sorted(names))
        listed = "".join(f"\n  {name}" for name in self.names)
        count = len(self.names)
        archives = "1 archive is" if count == 1 else f"{count} archives are"
        super().__init__(
            f"{archives} not in the store, and the network is off:{listed}",
            hint="run once without `--offline`",
        )


@frozen
class Realised:
    """What came of one package.

    Attributes:
        tree: its tree.
        pinned: SHA-256 of the archive where the lock has none and it was hashed just now.
        fetched: bytes of the archive that came from elsewhere; 0 where somebody else did it.
        notes: what the user should know.
    """

    tree: Digest
    pinned: str | None = None
    fetched: int = 0
    notes: tuple[str, ...] = ()


@frozen
class Settings:
    """How to work.

    Attributes:
        jobs: transfers at once.
        limits: what an archive may unpack to.
        offline: refuse what would need the network.
        refresh: names of packages whose archives without a locked hash are pinned anew.
    """

    jobs: int
    limits: Limits
    offline: bool
    refresh: tuple[str, ...]

    def pins_anew(self, node: Node) -> bool:
        """Tell whether what is known of an archive without a locked hash does not count."""
        return node.fetch.hash is None and (
            node.package.name in self.refresh or "*" in self.refresh
        )


def execute(
    missing: Sequence[Node],
    *,
    locate: Callable[[Node], str],
    needs_network: Callable[[Node], bool],
    store: Store,
    running: Running,
    fetcher: Callable[[], Fetcher],
    afterwards: Callable[[str, Tree, Digest], None] | None = None,
    published: Published | None = None,
    settings: Settings,
    reporter: Reporter,
) -> dict[str, Realised | EnvbuildError]:
    """Realise `missing` and return, for each package's name, what came of it, or why nothing did.

    What could not even be tried, since something failed that concerns all, is not among them.

    Args:
        missing: the packages to realise.
        locate: gives the address of a package's archive, see `Fetcher.fetch`.
        needs_network: tells whether that address, or its mirrors, are on the network.
        store: where everything goes.
        running: protects what is made here from a collector.
        fetcher: makes the fetcher, when it is needed.
        afterwards: see `Unpackers`.
        published: told of every archive as soon as that can be, from this thread: somebody waits for
            single ones, so what is there is published while others are on their way.
        settings: how to work.
        reporter: told of the progress.

    Raises:
        MissingOffline: `offline`, and something would have to be fetched over the network.
        StoreError: nothing can be done in the store.
    """
    if settings.offline:
        remote = [node.archive.filename for node in missing if needs_network(node)]
        if remote:
            raise MissingOffline(remote)
    outcomes: dict[str, Realised | EnvbuildError] = {}
    waiting = list(missing)
    while waiting:
        held = _take_mutexes(store, waiting, reporter)
        try:
            taken = [node for node, _ in held]
            held_ones = {id(node) for node in taken}
            waiting = [node for node in waiting if id(node) not in held_ones]
            running.needs(keys=[node.unpack.digest for node in taken])
            todo = []
            for node in taken:
                # Whoever had the mutex before may have done it.
                found = None if settings.pins_anew(node) else find_tree(node, store)
                if found is None:
                    todo.append(node)
                    continue
                realised = Realised(tree=found[0], notes=found[1].notes)
                outcomes[node.package.name] = realised
                if published is not None:
                    published(node, realised)
            if todo:
                with Publication(store) as publication:
                    run = _Run(
                        publication,
                        store,
                        fetcher(),
                        locate,
                        afterwards,
                        published,
                        settings,
                        reporter,
                    )
                    run.work(todo)
                    outcomes.update(run.outcomes)
        finally:
            for _, lock in held:
                lock.release()
    return outcomes


def successes(outcomes: Mapping[str, Realised | EnvbuildError]) -> dict[str, Realised]:
    """Return what `execute` returned, where nothing failed.

    Raises:
        RealiseError, StoreError: one thing failed; `Problems`: several did. What did not fail is
            in the store.
    """
    raise_all(outcome for outcome in outcomes.values() if isinstance(outcome, EnvbuildError))
    return {name: each for name, each in outcomes.items() if isinstance(each, Realised)}


def _take_mutexes(
    store: Store, waiting: Sequence[Node], reporter: Reporter
) -> list[tuple[Node, locks.Lock]]:
    """Take the mutexes that are free; where none is, wait for one."""
    held: list[tuple[Node, locks.Lock]] = []
    try:
        for node in waiting:
            lock = locks.try_mutex(_mutex_path(store, node))
            if lock is not None:
                held.append((node, lock))
        if not held:
            node = waiting[0]
            path = _mutex_path(store, node)
            lock = locks.wait_for_mutex(path, what=node.archive.filename, reporter=reporter)
            held.append((node, lock))
    except OSError as error:
        for _, lock in held:
            lock.release()
        raise StoreUnusable(store.path, "write to", error) from error
    return held


def _mutex_path(store: Store, node: Node) -> str:
    return store.absolute(layout.work_lock(node.unpack.digest))


class _Run:
    """One batch of work, shared by its threads."""

    def __init__(
        self,
        publication: Publication,
        store: Store,
        fetcher: Fetcher,
        locate: Callable[[Node], str],
        afterwards: Callable[[str, Tree, Digest], None] | None,
        published: Published | None,
        settings: Settings,
        reporter: Reporter,
    ) -> None:
        from queue import SimpleQueue

        self.outcomes: dict[str, Realised | EnvbuildError] = {}
        # What came of nodes; nothing for a thread that has ended.
        self._done: SimpleQueue[tuple[Node, Realised | EnvbuildError] | None] = SimpleQueue()
        self._publication = publication
        self._store = store
        self._fetcher = fetcher
        self._locate = locate
        self._afterwards = afterwards
        self._published = published
        self._settings = settings
        self._reporter = reporter
        self._mutex = threading.Lock()
        self._unpackers: Unpackers | None = None
        self._write_back: WriteBack | None = None
        self._crash: BaseException | None = None

    def work(self, nodes: Sequence[Node]) -> None:
        """Do all of `nodes` and publish what succeeded."""
        from envbuild.realise.unpackers import Unpackers, places_for
        from envbuild.store.write_back import WriteBack

        # Forked before there are threads, so that nothing they hold is copied.
        expected = sum(node.archive.size or 0 for node in nodes)
        places = places_for(len(nodes))
        with (
            WriteBack(self._store.path, expected) as self._write_back,
            Unpackers(places, self._publication.blobs, self._afterwards) as self._unpackers,
        ):
            self._work(nodes)

    def _work(self, nodes: Sequence[Node]) -> None:
        sizes = [node.archive.size for node in nodes]
        known = [size for size in sizes if size is not None]
        total = sum(known) if len(known) == len(sizes) else None
        self._reporter.report(FetchesPlanned(count=len(nodes), size=total))
        # Large ones first, so that the last to finish is not one that began last.
        queue = sorted(nodes, key=lambda node: node.archive.size or 0)
        count = min(self._settings.jobs, len(nodes))
        workers = [Worker(lambda: self._drain(queue)) for _ in range(count)]
        try:
            for worker in workers:
                worker.start()
            self._publish_done(count)
        except BaseException:
            self._fetcher.cancel()
            assert self._unpackers is not None
            self._unpackers.cancel()
            with self._mutex:
                queue.clear()
            wait_for_all(workers)
            raise
        if self._crash is not None:
            raise self._crash

    def _publish_done(self, threads: int) -> None:
        """Publish what is done, until so many threads have ended."""
        waiting: list[tuple[Node, Realised | EnvbuildError]] = []
        last_commit = time.monotonic()
        while threads:
            more = self._gather()
            give_way()
            waiting += [each for each in more if each is not None]
            threads -= sum(1 for each in more if each is None)
            # A run of an hour that is killed should not have been for nothing.
            is_late = time.monotonic() - last_commit > _SECONDS_BETWEEN_COMMITS
            if (waiting and self._published is not None) or is_late or not threads:
                self._publication.commit()
                last_commit = time.monotonic()
                for node, outcome in waiting:
                    self.outcomes[node.package.name] = outcome
                    if self._published is not None:
                        self._published(node, outcome)
                waiting.clear()

    def _gather(self) -> list[tuple[Node, Realised | EnvbuildError] | None]:
        """Return all that is done, once anything is; nothing after a while, to look around."""
        from queue import Empty

        found = []
        try:
            found.append(self._done.get(timeout=_SECONDS_BETWEEN_LOOKS))
            while True:
                found.append(self._done.get_nowait())
        except Empty:
            return found

    def _drain(self, queue: list[Node]) -> None:
        ask(lambda: self._fetcher.is_cancelled)
        try:
            self._work_off(queue)
        finally:
            self._done.put(None)

    def _work_off(self, queue: list[Node]) -> None:
        while True:
            with self._mutex:
                if not queue:
                    return
                node = queue.pop()
            try:
                self._done.put((node, self._realise(node)))
            except (FetchCancelled, KeyboardInterrupt):
                return
            except EnvbuildError as error:
                self._done.put((node, error))
                if isinstance(error, StoreError):
                    # A full disk fails everybody: once is enough.
                    with self._mutex:
                        queue.clear()
                    self._fetcher.cancel()
            except BaseException as error:  # noqa: BLE001 - raised again by the main thread
                with self._mutex:
                    self._crash = error
                    queue.clear()
                self._fetcher.cancel()

    def _realise(self, node: Node) -> Realised:
        archive = node.archive
        with self._fetcher.fetch(
            self._locate(node),
            name=archive.filename,
            locked_hash=archive.hash,
            locked_size=archive.size,
        ) as fetched:
            self._check_pin(node, fetched.sha256)
            unpacked = self._unpack(node, fetched.file.fileno())
        assert self._write_back is not None
        self._write_back.add(unpacked.new_bytes)
        # Only now is it certain that nobody wrote to a local archive meanwhile.
        tree = self._publish(node, fetched, unpacked)
        self._reporter.report(
            Unpacked(name=archive.filename, files=unpacked.files, new_bytes=unpacked.new_bytes)
        )
        return Realised(
            tree=tree,
            pinned=fetched.sha256 if node.fetch.hash is None else None,
            fetched=fetched.size,
            notes=unpacked.notes,
        )

    def _unpack(self, node: Node, archive: int) -> Outcome:
        filename, limits = node.archive.filename, self._settings.limits
        match node.unpack:
            case Unpack() as unpack:
                assert self._unpackers is not None
                return self._unpackers.unpack(
                    archive,
                    filename=filename,
                    distribution=unpack.distribution,
                    version=unpack.version,
                    verify_record=unpack.verify_record,
                    limits=limits,
                )
            case UnpackSource() as sources:
                from envbuild.realise.sdist import unpack_sdist
                from envbuild.realise.unpackers import Outcome

                unpacked = unpack_sdist(
                    archive,
                    filename=filename,
                    distribution=sources.distribution,
                    version=sources.version,
                    limits=limits,
                    blobs=self._publication.blobs,
                )
                return Outcome(
                    tree=unpacked.tree.encode(),
                    notes=unpacked.notes,
                    new_bytes=unpacked.new_bytes,
                    files=unpacked.files,
                )

    def _check_pin(self, node: Node, sha256: str) -> None:
        if node.fetch.hash is not None or self._settings.pins_anew(node):
            return
        pinned = archive_sha256(node.fetch, self._store)
        if pinned is not None and pinned != sha256:
            raise HashChanged(node.archive.filename, node.package.name, pinned, sha256)

    def _publish(self, node: Node, fetched: Fetched, unpacked: Outcome) -> Digest:
        """Stage everything that says where the tree came from."""
        publication, unpack, fetch = self._publication, node.unpack, node.fetch
        name = node.archive.filename
        tree = publication.add_record(layout.TREES, unpacked.tree)
        resolved = canonical.encode(unpack.resolved(fetched.sha256))
        for form in (fetch.as_json(), unpack.as_json()):
            publication.add_record(layout.DERIVATIONS, canonical.encode(form))
        key = publication.add_record(layout.DERIVATIONS, resolved)
        publication.add_realisation(
            Realisation(
                resolved_key=key,
                output=TreeOutput(digest=tree),
                name=name,
                notes=unpacked.notes,
            )
        )
        if (fetch.hash or "").partition(":")[0] != "sha256":
            if self._settings.pins_anew(node):
                self._store.forget(fetch.digest)
            publication.add_realisation(
                Realisation(
                    resolved_key=fetch.digest,
                    output=ArchiveOutput(sha256=fetched.sha256, size=fetched.size),
                    name=name,
                )
            )
        return tree
