"""From inputs to an instantiation: select, realise what is missing, place, describe."""

from __future__ import annotations

import sys

from envbuild.derivation.compile import compile_packages
from envbuild.digest import digest_of
from envbuild.environment.editions import PLACEMENT, WRITER
from envbuild.errors import EnvbuildError, RealiseError
from envbuild.frozen import replace
from envbuild.realise.plan import plan_realisation
from envbuild.selection.model import Selection
from envbuild.store import layout
from envbuild.store.cache import read_cache, read_latest, write_cache
from envbuild.workflows.composition import Composition, Editable
from envbuild.workflows.descriptions import Descriptions
from envbuild.workflows.kept import Instantiated, keep
from envbuild.workflows.options import Pinned
from envbuild.workflows.placements import compute_placement
from envbuild.workflows.watch import signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from envbuild.derivation.compile import Node
    from envbuild.digest import Digest
    from envbuild.index.client import Client
    from envbuild.realise.archive_limits import Limits
    from envbuild.realise.built import Built
    from envbuild.realise.execute import Published, Realised
    from envbuild.realise.prefetch import Archives
    from envbuild.selection.model import Request
    from envbuild.store.local import Store
    from envbuild.store.tree import Tree
    from envbuild.target.model import Interpreter, Target
    from envbuild.workflows.inputs import Inputs
    from envbuild.workflows.options import RealiseOptions
    from envbuild.workflows.watched import Signature
    from envbuild.workflows.workshop import Workshop


def instantiate(
    inputs: Inputs, request: Request, interpreter: Interpreter, workshop: Workshop
) -> Instantiated:
    """Return the instantiation for the inputs; everything that it refers to is in the store.

    Raises:
        LockfileError, SelectionError: see `select_text`.
        RealiseError, StoreError: see `envbuild.realise.execute.execute`.
        VenvError: two wheels collide, or one does not fit into an environment.
    """
    store, target = workshop.store, interpreter.target
    target_digest = target.digest
    selection = select(inputs, request, target, target_digest, store)
    # One for each lockfile and target: the next lock of a project is mostly the last one.
    facts = (PLACEMENT, WRITER, workshop.options.verify_record, target_digest, inputs.lockfile)
    known = Descriptions(store, digest_of(repr(facts).encode()))
    try:
        trees, realised, notes = _realise(selection, known, target, inputs, workshop)
    except RealiseError as error:
        raise _with_builds(error, selection, inputs, interpreter, workshop) from error
    built = _build(selection, trees, inputs, interpreter, workshop)
    notes = tuple(sorted((*notes, *(note for each in built.values() for note in each.notes))))
    if built:
        from envbuild.workflows.agreement import check_built

        selection = _with_versions(selection, built)
        notes += check_built(built, selection, target, inputs, store, known)
    composition = Composition(
        trees=trees,
        known=known,
        target=target,
        store=store,
        collisions=workshop.options.collisions,
        editables={
            name: Editable(folder=each.folder, payload=each.payload)
            for name, each in built.items()
            if each.folder is not None
        },
    )
    instantiation = composition.instantiation(selection, notes)
    if not built:
        # What a build gives follows from the machine as well, which would have to be looked at.
        keep(instantiation, inputs, request, target, workshop)
    known.save()
    done: dict[str, Realised | Built] = {**realised, **built}
    return Instantiated(
        instantiation=instantiation,
        pinned=_pinned(done, selection),
        fetched=sum(1 for result in done.values() if result.fetched),
        fetched_bytes=sum(result.fetched for result in done.values()),
        signatures=_signatures(built.values(), workshop.options),
    )


def select(
    inputs: Inputs, request: Request, target: Target, target_digest: Digest, store: Store | None
) -> Selection:
    """Return what the lock selects, remembering what its packages come to."""
    if inputs.kind == "pylock":
        from envbuild.selection.pylock import select_pylock

        return select_pylock(inputs.text, file=inputs.lockfile, request=request, target=target)
    from envbuild.selection.memo import EvaluationMemo
    from envbuild.selection.select import select_text

    if store is None:
        return select_text(inputs.text, file=inputs.lockfile, request=request, target=target)
    # One memo for each lockfile and target: the next lock of a project is mostly the last one. A lock
    # in a new place is mostly that of a project known from another: a fresh checkout.
    folder = f"evaluations/{target_digest}"
    name = f"{folder}/{digest_of(inputs.lockfile.encode('utf-8', 'surrogateescape'))}"
    own = read_cache(store, name)
    data = own or read_latest(store, folder)
    memo = (
        EvaluationMemo(target_digest) if data is None else EvaluationMemo.loads(data, target_digest)
    )
    selection = select_text(
        inputs.text, file=inputs.lockfile, request=request, target=target, memo=memo
    )
    if memo.changed or own is None:
        write_cache(store, name, memo.dumps())
    return selection


def _realise(
    selection: Selection,
    known: Descriptions,
    target: Target,
    inputs: Inputs,
    workshop: Workshop,
) -> tuple[dict[str, Digest], dict[str, Realised], tuple[str, ...]]:
    """Return the trees of all wheels, what was done for them, and what the user should know."""
    trees: dict[str, Digest] = {}
    wheels = [package for package in selection.packages if not package.is_built]
    if not workshop.options.refresh:
        for package in wheels:
            tree = known.tree(package)
            if tree is not None:
                trees[package.name] = tree
        workshop.running.needs(trees=trees.values())
    rest = tuple(package for package in wheels if package.name not in trees)
    if not rest:
        return trees, {}, ()
    nodes = compile_packages(rest, verify_record=workshop.options.verify_record)
    workshop.running.needs(keys=[node.unpack.digest for node in nodes])
    plan = plan_realisation(nodes, workshop.store, refresh=workshop.options.refresh)
    workshop.running.needs(trees=plan.trees.values())
    trees |= plan.trees
    notes = list(plan.notes)
    realised: dict[str, Realised] = {}
    if plan.missing:
        from envbuild.realise.execute import successes

        realised = successes(realise_archives(plan.missing, inputs, workshop, target=target))
        for node in plan.missing:
            result = realised[node.package.name]
            trees[node.package.name] = result.tree
            notes += [f"`{node.archive.label}`: {note}" for note in result.notes]
    return trees, realised, tuple(sorted(notes))


def _build(
    selection: Selection,
    trees: dict[str, Digest],
    inputs: Inputs,
    interpreter: Interpreter,
    workshop: Workshop,
) -> dict[str, Built]:
    """Build what has to be built, and add the trees that come of it to `trees`."""
    packages = [package for package in selection.packages if package.is_built]
    if not packages:
        return {}
    from envbuild.workflows.builds import build

    built = build(
        packages,
        selection,
        inputs,
        interpreter,
        workshop,
        archives=archives_of(inputs, workshop),
        limits=unpack_limits(workshop.options),
    )
    trees |= {name: each.tree for name, each in built.items()}
    return built


def _signatures(
    built: Collection[Built], options: RealiseOptions
) -> tuple[tuple[str, Signature | None], ...] | None:
    """Return the signatures of what was built from, and of the programs that build."""
    if not built:
        return ()
    from envbuild.workflows.builds import find_tool_places

    found = [(path, signature(path)) for path in find_tool_places(options)]
    for each in built:
        if each.signatures is None:
            return None
        found += each.signatures
    return tuple(found)


def _with_builds(
    error: RealiseError,
    selection: Selection,
    inputs: Inputs,
    interpreter: Interpreter,
    workshop: Workshop,
) -> RealiseError:
    """Add to what is missing offline what builds would need as well, so that it is told at once."""
    from envbuild.realise.execute import MissingOffline

    packages = [package for package in selection.packages if package.is_built]
    if not isinstance(error, MissingOffline) or not packages:
        return error
    from envbuild.workflows.builds import find_missing

    others = find_missing(packages, selection, inputs, interpreter, workshop)
    return MissingOffline({*error.names, *others})


def _with_versions(selection: Selection, built: Mapping[str, Built]) -> Selection:
    """Return a selection in which everything that was built has a version."""
    return Selection(
        packages=tuple(
            replace(package, version=built[package.name].version)
            if package.version is None
            else package
            for package in selection.packages
        )
    )


def unpack_limits(options: RealiseOptions) -> Limits:
    """Return what one archive may unpack to."""
    from envbuild.realise.archive_limits import Limits

    limits = Limits(folds_case=sys.platform in {"darwin", "win32"})
    if options.unpack_limit is not None:
        limits = replace(limits, total_size=options.unpack_limit)
    return limits


def archives_of(inputs: Inputs, workshop: Workshop) -> Archives:
    """Return what realises archives for builds."""

    def realise(
        missing: tuple[Node, ...], published: Published | None = None
    ) -> dict[str, Realised | EnvbuildError]:
        return realise_archives(missing, inputs, workshop, published=published)

    return realise


def realise_archives(
    missing: tuple[Node, ...],
    inputs: Inputs,
    workshop: Workshop,
    *,
    target: Target | None = None,
    published: Published | None = None,
) -> dict[str, Realised | EnvbuildError]:
    """Realise archives, as `execute` does; for a `target`, decide beside it where the files go."""
    from envbuild.index.locations import is_remote, resolve
    from envbuild.index.mirrors import Mirrors
    from envbuild.realise.execute import Settings, execute
    from envbuild.realise.fetch import Fetcher

    options = workshop.options

    def locate(node: Node) -> str:
        file = node.archive
        location = file.location
        if file.userinfo:
            location = location.replace("://", f"://{file.userinfo}@", 1)
        return resolve(location, folder=inputs.folder)

    def place_early(distribution: str, tree: Tree, digest: Digest) -> None:
        assert target is not None
        try:
            compute_placement(
                workshop.store, tree, digest, distribution=distribution, target=target
            )
        except EnvbuildError:
            # Raised again where the placement is needed.
            pass

    mirrors = Mirrors.parse(f"{source}={target}" for source, target in options.index_mirrors)

    def needs_network(node: Node) -> bool:
        location = locate(node)
        return is_remote(location) and all(map(is_remote, mirrors.addresses(location)))

    clients: list[Client] = []

    def fetcher() -> Fetcher:
        clients.append(_client(inputs, workshop))
        return Fetcher(
            clients[-1],
            folder=workshop.store.absolute(layout.PARTIAL),
            mirrors=mirrors,
            reporter=workshop.reporter,
        )

    try:
        return execute(
            missing,
            locate=locate,
            needs_network=needs_network,
            store=workshop.store,
            running=workshop.running,
            fetcher=fetcher,
            afterwards=None if target is None else place_early,
            published=published,
            settings=Settings(
                jobs=options.jobs,
                limits=unpack_limits(options),
                offline=options.offline,
                refresh=options.refresh,
            ),
            reporter=workshop.reporter,
        )
    finally:
        for client in clients:
            client.close()


def _client(inputs: Inputs, workshop: Workshop) -> Client:
    from envbuild.index.client import Client
    from envbuild.index.credentials import Accounts, NamedIndex
    from envbuild.index.http_settings import HttpSettings

    options = workshop.options
    indexes: tuple[NamedIndex, ...] = ()
    if inputs.project is not None:
        from envbuild.project import parse_project

        project = parse_project(inputs.project, file=f"{inputs.folder}/pyproject.toml")
        indexes = tuple(NamedIndex(name=each.name, url=each.url) for each in project.indexes)
    settings = HttpSettings.from_environment(
        workshop.environ,
        offline=options.offline,
        connections=options.jobs,
        insecure_hosts=options.insecure_hosts,
    )
    accounts = Accounts(indexes, environ=workshop.environ, keyring=options.keyring_provider)
    return Client(settings, accounts)


def _pinned(realised: Mapping[str, Realised | Built], selection: Selection) -> tuple[Pinned, ...]:
    found = ((package, realised.get(package.name)) for package in selection.packages)
    return tuple(
        Pinned(name=package.name, filename=package.distribution.label, sha256=result.pinned)
        for package, result in found
        if result is not None and result.pinned is not None
    )
