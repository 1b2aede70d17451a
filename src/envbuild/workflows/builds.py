"""Everything that building takes, put together: imported only where something has to be built."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cache
from threading import Semaphore

from envbuild.buildlock.model import FILE_NAME
from envbuild.buildlock.runtime import Runtime, runtime_of
from envbuild.buildlock.settings import NO_SETTINGS, Wheels, pairs_of, parse_build_settings
from envbuild.events import Notice
from envbuild.frozen import replace
from envbuild.realise.build_facts import probe_build_facts
from envbuild.realise.builder import Builder, Workplace
from envbuild.realise.bytecode import Bytecode
from envbuild.realise.checkouts import Checkouts
from envbuild.realise.environments import BuildEnvironments
from envbuild.realise.git_cache import Repositories
from envbuild.realise.place import Place
from envbuild.realise.remembered import recall, remember
from envbuild.realise.source_trees import SourceTrees
from envbuild.realise.staging import Staging
from envbuild.realise.toolchain import find_places, find_tools, probe_toolchain
from envbuild.sandbox.identity import identity
from envbuild.sandbox.machine import choose, machine_from_json
from envbuild.sandbox.model import LADDER, Limits, guarantees
from envbuild.sandbox.stop import Stop
from envbuild.sandbox.supervisors import Supervisors
from envbuild.sandbox.variables import SYSTEM_PATH
from envbuild.workflows.build_pins import LockedPins, read_build_lock, write_build_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from envbuild.buildlock.pin import BuildRequirementResolver
    from envbuild.buildlock.settings import BuildSettings
    from envbuild.derivation.build import Toolchain
    from envbuild.errors import EnvbuildError
    from envbuild.lockfile.model import Lock
    from envbuild.realise.archive_limits import Limits as UnpackLimits
    from envbuild.realise.build_facts import BuildFacts
    from envbuild.realise.built import Built, Described, Rebuilt
    from envbuild.realise.execute import Realised
    from envbuild.realise.prefetch import Archives
    from envbuild.sandbox.machine import Machine
    from envbuild.sandbox.model import Rung
    from envbuild.selection.model import Request, SelectedPackage, Selection
    from envbuild.target.model import Interpreter
    from envbuild.workflows.inputs import Inputs
    from envbuild.workflows.options import BuildLimits, RealiseOptions, SandboxChoice
    from envbuild.workflows.workshop import Workshop


def build(
    packages: Sequence[SelectedPackage],
    selection: Selection,
    inputs: Inputs,
    interpreter: Interpreter,
    workshop: Workshop,
    *,
    archives: Archives,
    limits: UnpackLimits,
    makes_build_lock: bool = True,
) -> dict[str, Built]:
    """Return what came of packages that have to be built; what was resolved for them is written.

    Args:
        packages: to be built.
        selection: everything that is selected.
        inputs: what the run starts from.
        interpreter: that is built for.
        workshop: what the run works with.
        archives: realises wheels and source trees that are missing.
        limits: what an archive may unpack to.
        makes_build_lock: whether a build lock is made where there is none.

    Raises:
        EnvbuildError: one cannot be built; `Problems` for several.
    """
    pins = _pins(selection, inputs, interpreter, workshop)
    try:
        with _builder(
            pins,
            inputs,
            interpreter,
            workshop,
            archives=archives,
            limits=limits,
            ahead=packages,
        ) as builder:
            return builder.realise(packages)
    finally:
        if makes_build_lock or os.path.exists(f"{inputs.folder}/{FILE_NAME}"):
            _keep_pins(pins, inputs, workshop)
        elif pins.found.builds:
            workshop.reporter.report(
                Notice(
                    text="what was built with is not pinned, since there is no"
                    f" `{inputs.folder}/{FILE_NAME}`; a file of this name with the line"
                    " `version = 1` would hold it"
                )
            )


def rebuild(
    package: SelectedPackage,
    selection: Selection,
    inputs: Inputs,
    interpreter: Interpreter,
    workshop: Workshop,
    *,
    archives: Archives,
    limits: UnpackLimits,
    compare: bool,
) -> Rebuilt:
    """Build a package, whatever is known to come of it. The arguments are those of `build`.

    To `compare` takes two results: where nothing is known yet, it is built twice.

    Raises:
        EnvbuildError: it cannot be built.
    """
    pins = _pins(selection, inputs, interpreter, workshop)
    try:
        with _builder(
            pins, inputs, interpreter, workshop, archives=archives, limits=limits
        ) as builder:
            rebuilt = builder.rebuild(package)
            if compare and rebuilt.known is None:
                rebuilt = builder.rebuild(package)
            return rebuilt
    finally:
        _keep_pins(pins, inputs, workshop)


def describe(
    package: SelectedPackage,
    selection: Selection,
    inputs: Inputs,
    interpreter: Interpreter,
    workshop: Workshop,
) -> Described:
    """Return what a package that has to be built is built from and with, as far as that is known.

    Nothing is fetched, resolved or built for it.
    """
    with _onlooker(selection, inputs, interpreter, workshop) as builder:
        return builder.describe(package)


def find_unbuilt(
    packages: Sequence[SelectedPackage],
    selection: Selection,
    inputs: Inputs,
    interpreter: Interpreter,
    workshop: Workshop,
) -> list[SelectedPackage]:
    """Return those of `packages`, which have to be built, that are not there already.

    Nothing is fetched, resolved or built for it.
    """
    with _onlooker(selection, inputs, interpreter, workshop) as builder:
        return [package for package in packages if builder.find(package) is None]


def find_missing(
    packages: Sequence[SelectedPackage],
    selection: Selection,
    inputs: Inputs,
    interpreter: Interpreter,
    workshop: Workshop,
) -> tuple[str, ...]:
    """Return labels of what `packages`, which have to be built, need and is not in the store.

    That is what is known without fetching, resolving or building anything: their sources, and what
    they are built with where that is pinned.
    """
    found: dict[str, None] = {}
    with _onlooker(selection, inputs, interpreter, workshop) as builder:
        for package in packages:
            if builder.find(package) is not None:
                continue
            described = builder.describe(package)
            if described.source is None:
                found[package.distribution.label] = None
            for each in () if described.pins is None else described.pins.packages:
                if each.name not in described.environment:
                    found[each.distribution.label] = None
    return tuple(found)


@contextmanager
def _onlooker(
    selection: Selection, inputs: Inputs, interpreter: Interpreter, workshop: Workshop
) -> Iterator[Builder]:
    """Give a builder that tells what is known, and can neither fetch nor resolve anything."""
    from envbuild.realise.archive_limits import Limits as UnpackLimits

    pins = _pins(selection, inputs, interpreter, workshop, may_resolve=False)
    with _builder(
        pins, inputs, interpreter, workshop, archives=_nothing, limits=UnpackLimits()
    ) as builder:
        yield builder


def _nothing(_: object, __: object = None) -> dict[str, Realised | EnvbuildError]:
    return {}


def find_tool_places(options: RealiseOptions) -> tuple[str, ...]:
    """Return the paths at which it shows that builds would be done with other programs."""
    return find_places(find_tools(options.build_tools), SYSTEM_PATH)


def settings_of(inputs: Inputs, options: RealiseOptions) -> BuildSettings:
    """Return what project and user say about building.

    Raises:
        NotToml, InvalidEntry: the project's file cannot be read; `Problems` for several entries.
    """
    project, file = inputs.project or "", f"{inputs.folder}/pyproject.toml"
    settings = parse_build_settings(project, file=file) if project else NO_SETTINGS
    beside = (*settings.no_isolation_packages, *options.no_build_isolation_packages)
    of_packages = {name: dict(kept) for name, kept in settings.package_config_settings.items()}
    for text in options.package_config_settings:
        name, _, pair = text.partition(":")
        of_packages[name] = {**of_packages.get(name, {}), **pairs_of([pair])}
    return replace(
        settings,
        config_settings={**settings.config_settings, **pairs_of(options.config_settings)},
        package_config_settings=of_packages,
        strategy=options.build_strategy or settings.strategy,
        no_isolation=options.no_build_isolation or settings.no_isolation,
        no_isolation_packages=beside,
        wheels=_wheels(options.request),
    )


def _wheels(request: Request) -> Wheels:
    if request.no_binary:
        named = () if request.no_build else request.no_build_packages
        return Wheels(any=False, exceptions=frozenset(named))
    return Wheels(any=True, exceptions=frozenset(request.no_binary_packages))


def _keep_pins(pins: LockedPins, inputs: Inputs, workshop: Workshop) -> None:
    """Write what was resolved beside the lock."""
    path = f"{inputs.folder}/{FILE_NAME}"
    beside = "the project" if inputs.kind == "none" else "the lock"
    if write_build_lock(path, pins.found):
        workshop.reporter.report(
            Notice(text=f"what was built is pinned in `{path}`; keep it beside {beside}")
        )


def _sources(
    inputs: Inputs, workshop: Workshop, stop: Stop, *, archives: Archives, limits: UnpackLimits
) -> SourceTrees:
    options = workshop.options
    return SourceTrees(
        workshop.store,
        workshop.running,
        archives=archives,
        interrupted=stop.is_set,
        checkouts=Checkouts(
            workshop.store,
            workshop.running,
            repositories=Repositories(
                f"{options.cache}/git",
                environ=workshop.environ,
                offline=options.offline,
                reporter=workshop.reporter,
            ),
            folder=inputs.folder,
            environ=workshop.environ,
            limits=limits,
            verify_record=options.verify_record,
            reporter=workshop.reporter,
        ),
        folder=inputs.folder,
        environ=workshop.environ,
        refresh=options.refresh,
    )


@contextmanager
def _builder(
    pins: LockedPins,
    inputs: Inputs,
    interpreter: Interpreter,
    workshop: Workshop,
    *,
    archives: Archives,
    limits: UnpackLimits,
    ahead: Sequence[SelectedPackage] = (),
) -> Iterator[Builder]:
    """Give a builder. The archives of packages in `ahead` are on their way from the beginning."""
    options = workshop.options
    stop = Stop()
    try:
        with (
            _sources(inputs, workshop, stop, archives=archives, limits=limits) as sources,
            Supervisors() as supervisors,
            Staging(workshop.store) as staging,
        ):
            tools = find_tools(options.build_tools)
            # Before it is found out what this machine offers, which takes a while.
            sources.prefetch(ahead)
            machine, facts, toolchain = _look_around(tools, interpreter, options.cache, supervisors)
            rung = choose(machine, _accepted(options.sandbox))
            bytecode = Bytecode(workshop.store, facts.executable, facts.identity)
            jobs = options.concurrent_builds or _processors()
            yield Builder(
                Workplace(
                    where=Place(
                        store=workshop.store,
                        machine=machine,
                        rung=rung,
                        facts=facts,
                        target=interpreter.target,
                        tools=tools,
                        network=frozenset(options.build_network),
                        limits=_limits(options.build_limits),
                        supervisors=supervisors,
                        stop=stop,
                        reporter=workshop.reporter,
                        bytecode=bytecode,
                        environments=BuildEnvironments(
                            workshop.store,
                            staging,
                            target=interpreter.target,
                            facts=facts,
                            rung=rung,
                            bytecode=bytecode,
                        ),
                        turns=Semaphore(jobs),
                    ),
                    running=workshop.running,
                    staging=staging,
                    pins=pins,
                    sources=sources,
                    toolchain=toolchain,
                    limits=limits,
                    verify_record=options.verify_record,
                    jobs=jobs,
                )
            )
    finally:
        stop.close()


def _pins(
    selection: Selection,
    inputs: Inputs,
    interpreter: Interpreter,
    workshop: Workshop,
    *,
    may_resolve: bool = True,
) -> LockedPins:
    project, file = inputs.project or "", f"{inputs.folder}/pyproject.toml"
    request = workshop.options.request

    # Where everything is pinned and built, nothing of this is needed.
    @cache
    def lock() -> Lock:
        from envbuild.lockfile.parse import parse_lock

        return parse_lock(inputs.text, file=inputs.lockfile)

    @cache
    def members() -> frozenset[str]:
        return frozenset(lock().manifest.members) if inputs.kind == "uv" else frozenset()

    def resolver() -> BuildRequirementResolver:
        from envbuild.lockfile.package import Registry
        from envbuild.resolver.uv_program import UvProgram
        from envbuild.resolver.uv_settings import read_uv_settings

        registries = [
            package.source.location
            for package in (lock().packages if inputs.kind == "uv" else ())
            if isinstance(package.source, Registry)
        ]
        told = read_uv_settings(project, file=file, folder=inputs.folder, registries=registries)
        return UvProgram(
            _with_permissions(told, request, members()),
            folder=inputs.folder,
            environ=workshop.environ,
            offline=workshop.options.offline,
        )

    runtime = Runtime(packages={})
    if inputs.kind == "uv":
        chosen = {package.name: package.version for package in selection.packages}
        runtime = runtime_of(lock, folder=inputs.folder, selected=chosen)
    return LockedPins(
        read_build_lock(f"{inputs.folder}/{FILE_NAME}"),
        settings=settings_of(inputs, workshop.options),
        runtime=runtime,
        interpreter=interpreter,
        folder=inputs.folder,
        selected=selection.packages,
        request=request,
        members=members,
        is_locked=workshop.options.locked and may_resolve,
        resolver=resolver if may_resolve else None,
    )


def _with_permissions(
    told: dict[str, Any], request: Request, members: frozenset[str]
) -> dict[str, Any]:
    """Return what uv is told, with what it may build, and what it may take wheels of."""
    # Members have no wheels; and what names a package overrules what names none.
    local = members if request.no_build or request.no_build_packages else frozenset()
    permissions = {
        "no-build": request.no_build,
        "no-build-package": sorted({*request.no_build_packages} - members),
        "no-binary": request.no_binary,
        "no-binary-package": sorted({*request.no_binary_packages, *local}),
    }
    others = {key: value for key, value in told.items() if key not in permissions}
    # To uv, a flag that is false is more than none.
    return others | {key: value for key, value in permissions.items() if value}


def _accepted(choice: SandboxChoice) -> tuple[Rung, ...]:
    """Return the rungs that a user accepts."""
    match choice:
        case "auto":
            return LADDER
        case "require":
            levels = {rung: guarantees(rung, network=False).level for rung in LADDER}
            return tuple(rung for rung, level in levels.items() if level == "sealed")
        case rung:
            return (rung,)


def _limits(said: BuildLimits) -> Limits:
    return Limits(
        seconds=said.seconds,
        memory=said.memory,
        output=said.output,
        disk=said.disk,
        processes=said.processes,
    )


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _look_around(
    tools: Sequence[str], interpreter: Interpreter, cache: str, supervisors: Supervisors
) -> tuple[Machine, BuildFacts, Toolchain]:
    """Return what this machine offers for builds."""
    known = _known_machine(cache)
    if known is not None:
        facts = probe_build_facts(interpreter, cache_dir=cache)
        return known, facts, probe_toolchain(tools, SYSTEM_PATH, cache_dir=cache)
    # What is asked are programs: all of them at once.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(3) as pool:
        machine = pool.submit(_probe_machine, cache, supervisors)
        asked = pool.submit(probe_build_facts, interpreter, cache_dir=cache)
        toolchain = pool.submit(probe_toolchain, tools, SYSTEM_PATH, cache_dir=cache)
        return machine.result(), asked.result(), toolchain.result()


def _known_machine(cache: str) -> Machine | None:
    """Return what was found out about this machine, `None` where that does not hold any more."""
    kept = recall(_machine_file(cache), list(identity()))
    return None if kept is None else machine_from_json(kept)


def _probe_machine(cache: str, supervisors: Supervisors) -> Machine:
    from envbuild.sandbox.probe import probe

    machine = probe(supervisors)
    remember(_machine_file(cache), list(identity()), machine.as_json())
    return machine


def _machine_file(cache: str) -> str:
    return f"{cache}/builds/sandboxes.json"
