"""Building what has to be built, and before it what that is built with.

For each package: its sources; what they are built with, pinned and realised, itself built where it
must be; what the backend adds to that; the key of it all. Where the key has a realisation, that is
the answer, whoever built it; else the wheel is built, looked at, and published.

A package is done by one thread at a time, several packages by as many threads as there are cores.
What fails does not keep the others from being built; everything that failed is raised together.
"""

from __future__ import annotations

import threading
from collections import deque

from envbuild import canonical, interruption
from envbuild.derivation.build import BuildWheel, Dependency, Platform
from envbuild.derivation.compile import compile_packages
from envbuild.derivation.model import Unpack
from envbuild.derivation.payload import payload_digest
from envbuild.errors import EnvbuildError, raise_all
from envbuild.events import BuildFinished, BuildStarted, BuildStopped
from envbuild.frozen import frozen, replace
from envbuild.realise.build_system import read_build_system
from envbuild.realise.built import Built, Described, Rebuilt
from envbuild.realise.built_wheels import BuiltWheels, Undertaking
from envbuild.realise.needs import Needs
from envbuild.selection.model import LocalTree, Repository, RepositoryFile, Sdist
from envbuild.store import layout, locks
from envbuild.store.cache import read_cache, write_cache
from envbuild.store.local import StoreUnusable
from envbuild.store.records import BuildOutput
from envbuild.threads import Worker, wait_for_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from envbuild.derivation.build import Toolchain
    from envbuild.derivation.compile import Node
    from envbuild.digest import Digest
    from envbuild.realise.archive_limits import Limits
    from envbuild.realise.build import BuildRoom
    from envbuild.realise.build_system import BuildSystem
    from envbuild.realise.built import BuildPins
    from envbuild.realise.checkouts import CheckedOut
    from envbuild.realise.local_files import Signature
    from envbuild.realise.place import Place
    from envbuild.realise.source_trees import SourceTree, SourceTrees
    from envbuild.realise.staging import Staging
    from envbuild.selection.model import SelectedPackage
    from envbuild.store.records import Realisation
    from envbuild.store.running import Running

    class Pins(Protocol):
        """Says what packages are built with. Called from several threads at once."""

        def environment(
            self,
            package: SelectedPackage,
            source: SourceTree,
            requires: tuple[str, ...],
            hook_requires: tuple[str, ...] | None,
        ) -> BuildPins:
            """Return what a package is built with.

            Args:
                package: to be built.
                source: that it is built from.
                requires: that it declares.
                hook_requires: that its backend adds, `None` where that was not asked yet.

            Raises:
                EnvbuildError: there is nothing that it could be built with.
            """
            ...

        def variables(self, name: str) -> Mapping[str, str]:
            """Return the variables that are declared for the build of a package."""
            ...

        def config_settings(self, name: str) -> Mapping[str, tuple[str, ...]]:
            """Return what the backend of a package is to be told."""
            ...


@frozen
class Workplace:
    """What a builder works with.

    Attributes:
        where: how single builds are done.
        running: protects what is made here from a collector.
        staging: where builds are done, and what publishes that which comes of them.
        pins: say what packages are built with.
        sources: give the trees that are built from, and the wheels that are built with.
        toolchain: what compiles.
        limits: what an archive may unpack to.
        verify_record: whether a RECORD that disagrees is an error.
        jobs: builds at once.
    """

    where: Place
    running: Running
    staging: Staging
    pins: Pins
    sources: SourceTrees
    toolchain: Toolchain
    limits: Limits
    verify_record: bool
    jobs: int


class Builder:
    """Builds packages, each once."""

    def __init__(self, workplace: Workplace) -> None:
        self._work = workplace
        self._store = workplace.where.store
        self._mutex = threading.Lock()
        self._busy: dict[str, threading.Lock] = {}
        self._done: dict[str, Built | EnvbuildError] = {}
        self._payloads: dict[Digest, Digest] = {}
        self._needs = Needs()
        self._wheels = BuiltWheels(workplace.where, workplace.limits)
        tags = workplace.where.target.tags
        self._platform = Platform(
            name=workplace.where.target.platform,
            libc=workplace.where.target.libc,
            tags=canonical.digest(list(tags)),
        )

    def realise(self, packages: Sequence[SelectedPackage]) -> dict[str, Built]:
        """Return for each package's name what came of it; all of them have to be built.

        Raises:
            BuildFailed, WrongWheel, BuildCycle, EnvbuildError: one package cannot be built;
                `Problems` for several. What could be built is in the store.
        """
        # Large ones first, so that the last to finish is not one that began last.
        ordered = sorted(packages, key=_size, reverse=True)
        outcomes = self._build_all(ordered)
        failures = [outcome for outcome in outcomes if isinstance(outcome, EnvbuildError)]
        # What several of them are built with fails each of them with the same error.
        raise_all(dict.fromkeys(failures))
        return {
            package.name: outcome
            for package, outcome in zip(ordered, outcomes, strict=True)
            if isinstance(outcome, Built)
        }

    def _build_all(self, packages: Sequence[SelectedPackage]) -> list[Built | EnvbuildError]:
        """Return what came of packages, or why nothing did, in their order."""
        stop = self._work.where.stop
        waiting = deque(enumerate(packages))
        outcomes: dict[int, Built | EnvbuildError] = {}
        crashes: list[BaseException] = []

        def work() -> None:
            interruption.ask(stop.is_set)
            try:
                while True:
                    try:
                        number, package = waiting.popleft()
                    except IndexError:
                        return
                    outcomes[number] = self._build(package)
            except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for it
                crashes.append(error)
                waiting.clear()

        # Twice as many as may run: the disk is used for some while backends run for others.
        count = min(2 * self._work.jobs, len(packages))
        workers = [Worker(work) for _ in range(count)]
        try:
            for worker in workers:
                worker.start()
            wait_for_all(workers)
            if crashes:
                raise crashes[0]
        except BaseException:
            stop.set()
            waiting.clear()
            wait_for_all(workers)
            raise
        return [outcomes[number] for number in range(len(packages))]

    def rebuild(self, package: SelectedPackage) -> Rebuilt:
        """Build a package, whatever is known to come of it. Another wheel is kept as evidence.

        Raises:
            BuildFailed, WrongWheel, BuildCycle, EnvbuildError: it cannot be built.
        """
        try:
            return self._rebuild(package)
        except OSError as error:
            raise StoreUnusable(self._store.path, "build in", error) from error

    def find(self, package: SelectedPackage) -> Built | None:
        """Return what is known to come of a package without building or fetching anything.

        Raises:
            EnvbuildError: it cannot be built, whatever is done.
        """
        match package.distribution:
            case RepositoryFile(is_wheel=True) as wheel:
                found = self._work.sources.checkouts.find_file(package, wheel)
                return None if found is None else self._of_commit(found)
        described = self.describe(package)
        if described.derivation is None or described.key is None:
            return None
        known = self._work.running.find(described.key)
        return None if known is None else self._built(described.derivation, known)

    def describe(self, package: SelectedPackage) -> Described:
        """Return what a package is built from and with, without building or fetching anything.

        Raises:
            EnvbuildError: it cannot be built, whatever is done.
        """
        source = None if _is_wheel_file(package) else self._work.sources.find(package)
        if source is None:
            return Described(package=package, environment={})
        job = _job(package, source)
        pins = self._pins(job, None)
        environment: dict[str, Built] = {}
        for each in pins.packages:
            known = self._find_dependency(each)
            if known is not None:
                environment[each.name] = known
        described = Described(
            package=package,
            source=job.source.digest,
            system=job.system,
            pins=pins,
            environment=environment,
        )
        if not pins.is_whole or len(environment) < len(pins.packages):
            return described
        undertaking = self._undertaking(job, pins, environment)
        return replace(described, derivation=undertaking.derivation, resolved=undertaking.resolved)

    def _find_dependency(self, package: SelectedPackage) -> Built | None:
        if package.is_built:
            return self.find(package)
        (node,) = compile_packages((package,), verify_record=self._work.verify_record)
        trees = self._work.sources.known((node,))
        return self._unpacked(node, trees[package.name]) if trees else None

    def _build(self, package: SelectedPackage) -> Built | EnvbuildError:
        """Return what came of a package, or why nothing did; the same however often it is asked."""
        identity = _identity(package)
        with self._mutex:
            busy = self._busy.setdefault(identity, threading.Lock())
        with busy:
            if identity not in self._done:
                try:
                    self._done[identity] = self._realise(package, identity)
                except EnvbuildError as error:
                    self._done[identity] = error
                except OSError as error:
                    # Whatever a build touches is in the store: its disk is full, or was lost.
                    self._done[identity] = StoreUnusable(self._store.path, "build in", error)
            return self._done[identity]

    def _rebuild(self, package: SelectedPackage) -> Rebuilt:
        job = _job(package, self._work.sources.obtain(package))
        identity, pins = _identity(package), self._pins(job, None)
        environment = self._environment(package, identity, pins)
        outcome = self._make(job, pins, environment, identity, again=True)
        assert outcome.made is not None
        return Rebuilt(key=outcome.made.resolved_key, known=outcome.known, made=outcome.made)

    def _realise(self, package: SelectedPackage, identity: str) -> Built:
        match package.distribution:
            case RepositoryFile(is_wheel=True) as wheel:
                return self._of_commit(self._work.sources.checkouts.obtain_file(package, wheel))
        sources = self._work.sources
        found: Built | None = None
        # Where it is known what came of them, the files of a local tree need not be read.
        source = sources.find(package)
        if source is not None:
            found = self._realise_known(package, source, identity)
        if found is None:
            source = sources.obtain(package, source)
            found = self._realise_from(package, source, identity)
        assert source is not None
        return replace(
            found,
            signatures=self._rests_on(source, identity),
            notes=(*source.notes, *found.notes),
            fetched=source.fetched,
            pinned=source.pinned,
        )

    def _rests_on(
        self, source: SourceTree, identity: str
    ) -> tuple[tuple[str, Signature | None], ...] | None:
        """Return the signatures of sources, and of those of all that they were built with."""
        found = [source.signatures]
        for needed in self._needs.of(identity):
            done = self._done[needed]
            assert isinstance(done, Built)
            found.append(done.signatures)
        whole = [each for each in found if each is not None]
        if len(whole) < len(found):
            return None
        return tuple(dict.fromkeys(each for signatures in whole for each in signatures))

    def _realise_known(
        self, package: SelectedPackage, source: SourceTree, identity: str
    ) -> Built | None:
        """Return what is known to come of sources, once all that they are built with is there."""
        job = _job(package, source)
        pins = self._pins(job, None)
        if not pins.is_whole:
            return None
        environment = self._environment(package, identity, pins)
        undertaking = self._undertaking(job, pins, environment)
        known = self._work.running.find(undertaking.key)
        return None if known is None else self._built(undertaking.derivation, known)

    def _realise_from(self, package: SelectedPackage, source: SourceTree, identity: str) -> Built:
        job = _job(package, source)
        pins = self._pins(job, None)
        environment = self._environment(package, identity, pins)
        outcome = self._make(job, pins, environment, identity)
        built = self._built(outcome.derivation, outcome.result)
        return replace(built, is_new=outcome.made is not None)

    def _pins(self, job: _Job, hook_requires: tuple[str, ...] | None) -> BuildPins:
        return self._work.pins.environment(
            job.package, job.source, job.system.requires, hook_requires
        )

    def _environment(
        self, package: SelectedPackage, identity: str, pins: BuildPins
    ) -> dict[str, Built]:
        """Realise everything that a package is built with."""
        wheels = [each for each in pins.packages if not each.is_built]
        built = [each for each in pins.packages if each.is_built]
        self._needs.add(identity, package.name, {_identity(each): each.name for each in built})
        nodes = compile_packages(wheels, verify_record=self._work.verify_record)
        trees, _ = self._work.sources.unpack(nodes)
        environment = {
            node.package.name: self._unpacked(node, trees[node.package.name]) for node in nodes
        }
        for each in built:
            outcome = self._build(each)
            if isinstance(outcome, EnvbuildError):
                raise outcome
            environment[each.name] = outcome
        return environment

    def _unpacked(self, node: Node, tree: Digest) -> Built:
        assert isinstance(node.unpack, Unpack)
        return Built(
            version=node.unpack.version,
            tree=tree,
            made_by=node.unpack,
            payload=self._payload(tree),
        )

    def _of_commit(self, wheel: CheckedOut) -> Built:
        """Return what a wheel is that lies in a commit."""
        assert isinstance(wheel.made_by, Unpack)
        return Built(
            version=wheel.made_by.version,
            tree=wheel.tree,
            made_by=wheel.made_by,
            payload=self._payload(wheel.tree),
            notes=wheel.notes,
            fetched=wheel.new_bytes,
        )

    def _payload(self, digest: Digest) -> Digest:
        payload = self._payloads.get(digest)
        if payload is None:
            payload = self._payloads[digest] = self._find_payload(digest)
        return payload

    def _find_payload(self, digest: Digest) -> Digest:
        name = f"payloads/{digest[:2]}/{digest[2:]}"
        kept = read_cache(self._store, name)
        if kept is not None:
            return kept.decode("ascii")  # type: ignore[return-value]
        tree = self._store.read_tree(digest)
        assert tree is not None
        payload = payload_digest(tree, self._store.read_blob)
        write_cache(self._store, name, payload.encode("ascii"))
        return payload

    def _undertaking(
        self, job: _Job, pins: BuildPins, environment: Mapping[str, Built]
    ) -> Undertaking:
        """Return the build that is to be done, once it is known with what."""
        package, where = job.package, self._work.where
        derivation = BuildWheel(
            source=job.source.made_by,
            subdirectory=job.source.subdirectory,
            distribution=package.name,
            version=package.version,
            editable=job.editable,
            backend=job.system.backend,
            requires=pins.requires,
            environment=tuple(
                Dependency(
                    name=each.name,
                    version=environment[each.name].version,
                    made_by=environment[each.name].made_by,
                )
                for each in sorted(pins.packages, key=lambda each: each.name)
            ),
            interpreter=where.facts.identity,
            platform=self._platform,
            toolchain=self._work.toolchain,
            config_settings=self._work.pins.config_settings(package.name),
            variables=self._work.pins.variables(package.name),
            rung=where.rung,
            network=package.name in where.network,
        )
        return Undertaking(
            package=package,
            derivation=derivation,
            source=job.source.digest,
            payloads={name: each.payload for name, each in environment.items()},
        )

    def _built(self, derivation: BuildWheel, realisation: Realisation) -> Built:
        output = realisation.output
        assert isinstance(output, BuildOutput)
        notes = realisation.notes
        version = derivation.version or _version_of(realisation.name)
        others = len(self._store.realisations(realisation.resolved_key)) - 1
        if others > 0:
            name = derivation.distribution
            told = "is not reproducible: built again, it came out differently"
            notes += (f"`{name}` {version} {told}; see `envbuild explain {name}`",)
        return Built(
            version=version,
            tree=output.digest,
            made_by=derivation,
            payload=output.payload,
            folder=derivation.editable,
            notes=notes,
            realisation=realisation,
        )

    def _make(
        self,
        job: _Job,
        pins: BuildPins,
        environment: dict[str, Built],
        identity: str,
        *,
        again: bool = False,
    ) -> _Outcome:
        """Build a package in a room of its own, and tell of it."""
        # Where nothing is to be built, nothing of this is loaded.
        from envbuild.realise.build import BuildRoom

        package, report = job.package, self._work.where.reporter.report
        room = BuildRoom(
            package.name,
            folder=self._work.staging.new_folder("build"),
            where=self._work.where,
            source=job.editable or self._work.sources.read(job.source),
            subdirectory=job.source.subdirectory,
            history=job.source.history,
            backend=job.system.backend,
            variables={
                **job.source.variables,
                **self._work.pins.variables(package.name),
            },
            config_settings=self._work.pins.config_settings(package.name),
        )
        name, version = package.name, package.version
        sandbox = None if self._work.where.rung == "none" else self._work.where.rung
        report(BuildStarted(name=name, version=version, sandbox=sandbox))
        try:
            with room:
                outcome = self._make_in(room, job, pins, environment, identity, again=again)
        except EnvbuildError:
            report(BuildStopped(name=name, version=version, failed=True))
            raise
        if outcome.made is None:
            report(BuildStopped(name=name, version=version, failed=False))
        else:
            seconds = room.duration_ms / 1000
            report(BuildFinished(name=name, version=version, seconds=seconds))
        return outcome

    def _make_in(
        self,
        room: BuildRoom,
        job: _Job,
        pins: BuildPins,
        environment: dict[str, Built],
        identity: str,
        *,
        again: bool,
    ) -> _Outcome:
        """Ask the backend what it needs, and have it build, unless that turns out to be done."""
        from envbuild.realise.build import HookFailed

        room.furnish({name: each.tree for name, each in environment.items()})
        # Until the backend was asked, it is taken to add nothing: nearly always that is so.
        undertaking = self._undertaking(job, pins, environment)
        with self._take_turn(undertaking):
            is_known = self._work.running.find(undertaking.key) is not None and not again
            try:
                hook_requires = room.requires(None if is_known else pins.hook_requires)
            except HookFailed as error:
                raise self._wheels.fail(undertaking, room, error) from error
            whole = self._pins(job, hook_requires)
            if (whole.packages, whole.requires) == (pins.packages, pins.requires):
                return self._build_once(undertaking, room, again=again)
        if whole.packages != pins.packages:
            environment = self._environment(job.package, identity, whole)
            room.furnish({name: each.tree for name, each in environment.items()})
        undertaking = self._undertaking(job, whole, environment)
        with self._take_turn(undertaking):
            return self._build_once(undertaking, room, again=again)

    def _take_turn(self, undertaking: Undertaking) -> locks.Lock:
        """Wait until nobody else does this build: of all who want it, one does it."""
        path = self._store.absolute(layout.work_lock(undertaking.key))
        what = f"the build of {undertaking.package.name}"
        return locks.wait_for_mutex(path, what=what, reporter=self._work.where.reporter)

    def _build_once(self, undertaking: Undertaking, room: BuildRoom, *, again: bool) -> _Outcome:
        """Build, unless somebody else has."""
        from envbuild.realise.build import HookFailed

        derivation = undertaking.derivation
        known = self._work.running.find(undertaking.key)
        if known is not None and not again:
            return _Outcome(derivation=derivation, known=known, made=None)
        try:
            wheel = room.build()
        except HookFailed as error:
            raise self._wheels.fail(undertaking, room, error) from error
        made = self._wheels.publish(wheel, undertaking, room, self._work.staging.publication)
        return _Outcome(derivation=derivation, known=known, made=made)


@frozen
class _Job:
    """A package to be built, and its sources.

    Attributes:
        package: which.
        source: that it is built from.
        system: how the source says that it is built.
    """

    package: SelectedPackage
    source: SourceTree
    system: BuildSystem

    @property
    def editable(self) -> str | None:
        """The folder that it is to be used in, `None` where it is not editable."""
        local = self.package.distribution
        if isinstance(local, LocalTree) and local.editable:
            return self.source.folder
        return None


@frozen
class _Outcome:
    """What a build came to.

    Attributes:
        derivation: that was to be realised.
        known: what was known to come of it.
        made: what came of it now; `None` where that was not needed.
    """

    derivation: BuildWheel
    known: Realisation | None
    made: Realisation | None

    @property
    def result(self) -> Realisation:
        """What counts from now on: what came first."""
        result = self.known or self.made
        assert result is not None
        return result


def _size(package: SelectedPackage) -> int:
    """Return how large the archive of a package is, 0 for what is none or where nobody says."""
    match package.distribution:
        case Sdist(size=size):
            return size or 0
        case _:
            return 0


def _is_wheel_file(package: SelectedPackage) -> bool:
    file = package.distribution
    return isinstance(file, RepositoryFile) and file.is_wheel


def _job(package: SelectedPackage, source: SourceTree) -> _Job:
    system = read_build_system(source.project_file, name=package.name)
    return _Job(package=package, source=source, system=system)


def _identity(package: SelectedPackage) -> str:
    """Return what tells a package to be built from others."""
    match package.distribution:
        case Repository(commit=commit, lfs=lfs):
            where = f"{commit} {lfs}"
        case RepositoryFile(repository=repository, path=path):
            where = f"{repository.commit} {path}"
        case LocalTree(location=location, editable=editable):
            where = f"{location} {editable}"
        case archive:
            where = archive.hash or archive.location
    return f"{package.name} {package.version} {where} {package.subdirectory}"


def _version_of(wheel: str) -> str:
    """Return the version that the file name of a wheel has."""
    return wheel.split("-")[1]
