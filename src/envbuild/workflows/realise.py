"""`realise`: from a lockfile to an environment, through the store."""

from __future__ import annotations

import os

from envbuild.environment.link import DamagedBlobs
from envbuild.events import Notice
from envbuild.frozen import replace
from envbuild.selection.model import LocalTree
from envbuild.store.local import Store
from envbuild.store.running import Running
from envbuild.target.discover import find_interpreter, read_request
from envbuild.workflows.apply import apply, compare_versions
from envbuild.workflows.inputs import PROJECT_FILE, read_inputs, requires_python
from envbuild.workflows.kept import Instantiated, read_kept
from envbuild.workflows.options import RealiseResult
from envbuild.workflows.watch import watch
from envbuild.workflows.workshop import Workshop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.events import Reporter
    from envbuild.selection.model import Request, SelectedPackage, Selection
    from envbuild.target.discover import FoundInterpreter
    from envbuild.target.model import Interpreter
    from envbuild.workflows.apply import Applied
    from envbuild.workflows.inputs import Inputs
    from envbuild.workflows.options import RealiseOptions


def realise(
    options: RealiseOptions, *, environ: Mapping[str, str], cwd: str, reporter: Reporter
) -> RealiseResult:
    """Bring the environment of a lockfile into the state that the lockfile describes.

    Args:
        options: what is asked for.
        environ: environment variables.
        cwd: absolute path that relative ones in `options` start from.
        reporter: told of the progress.

    Raises:
        EnvbuildError: whatever keeps it from being done; the environment is as it was, or is
            completed by the next command; the store is sound.
    """
    inputs = read_inputs(options, cwd=cwd)
    found = choose_interpreter(inputs, options, environ, cwd)
    request = complete_request(options.request, inputs)
    if options.dry_run or options.check:
        return _compare_only(inputs, found, request, options, environ, reporter)
    store = Store.open(options.store)
    try:
        with Running(store) as running:
            workshop = Workshop(
                options=options, environ=environ, store=store, running=running, reporter=reporter
            )
            return _bring_about(inputs, found, request, workshop)
    finally:
        store.close()


def _bring_about(
    inputs: Inputs, found: FoundInterpreter, request: Request, workshop: Workshop
) -> RealiseResult:
    instantiated = _instantiate(inputs, request, found.interpreter, workshop)
    try:
        applied = apply(inputs, instantiated.instantiation, found.interpreter, workshop)
    except DamagedBlobs as damage:
        # An edit through some environment's link, or a disk that rots: what is damaged is put
        # aside and realised again, once.
        from envbuild.workflows.heal import heal

        heal(workshop.store, damage.blobs)
        workshop.reporter.report(Notice(text=f"repairing the store: {damage}"))
        instantiated = _instantiate(inputs, request, found.interpreter, workshop)
        applied = apply(inputs, instantiated.instantiation, found.interpreter, workshop)
    return _result(inputs, found, instantiated, applied)


def _instantiate(
    inputs: Inputs, request: Request, interpreter: Interpreter, workshop: Workshop
) -> Instantiated:
    kept = read_kept(inputs, request, interpreter.target, workshop)
    if kept is not None:
        return Instantiated(instantiation=kept)
    from envbuild.workflows.instantiate import instantiate

    return instantiate(inputs, request, interpreter, workshop)


def _compare_only(
    inputs: Inputs,
    found: FoundInterpreter,
    request: Request,
    options: RealiseOptions,
    environ: Mapping[str, str],
    reporter: Reporter,
) -> RealiseResult:
    """Find out what would be done, as exactly as that is possible without fetching."""
    from envbuild.derivation.compile import compile_packages
    from envbuild.realise.plan import plan_realisation
    from envbuild.workflows.instantiate import select

    target = found.interpreter.target
    store = Store.open(options.store) if Store.exists(options.store) else None
    missing: tuple[str, ...] = ()
    try:
        selection = select(inputs, request, target, target.digest, store)
        if store is not None:
            wheels = [package for package in selection.packages if not package.is_built]
            nodes = compile_packages(wheels, verify_record=options.verify_record)
            plan = plan_realisation(nodes, store, refresh=options.refresh)
            missing = tuple(node.archive.label for node in plan.missing)
            with Running(store) as running:
                workshop = Workshop(
                    options=options,
                    environ=environ,
                    store=store,
                    running=running,
                    reporter=reporter,
                )
                unbuilt = _unbuilt(selection, inputs, found, workshop)
                missing += tuple(package.distribution.label for package in unbuilt)
                if not missing:
                    instantiated = _instantiate(inputs, request, found.interpreter, workshop)
                    applied = apply(inputs, instantiated.instantiation, found.interpreter, workshop)
                    return _result(inputs, found, instantiated, applied)
        else:
            unbuilt = [package for package in selection.packages if package.is_built]
            missing = tuple(package.distribution.label for package in selection.packages)
    finally:
        if store is not None:
            store.close()
    trees = (each.name for each in unbuilt if isinstance(each.distribution, LocalTree))
    applied = compare_versions(
        inputs, selection, found.interpreter, options, unbuilt=frozenset(trees)
    )
    return RealiseResult(
        lockfile=inputs.lockfile,
        prefix=inputs.prefix,
        digest=None,
        python=target.version,
        interpreter=found.interpreter.executable,
        created=applied.created,
        changes=applied.changes,
        packages=len(selection.packages),
        missing=missing,
    )


def _unbuilt(
    selection: Selection, inputs: Inputs, found: FoundInterpreter, workshop: Workshop
) -> list[SelectedPackage]:
    """Return what would have to be built."""
    packages = [package for package in selection.packages if package.is_built]
    if not packages:
        return []
    from envbuild.workflows.builds import find_unbuilt

    return find_unbuilt(packages, selection, inputs, found.interpreter, workshop)


def _result(
    inputs: Inputs, found: FoundInterpreter, instantiated: Instantiated, applied: Applied
) -> RealiseResult:
    instantiation = instantiated.instantiation
    changed = applied.created or applied.changes
    return RealiseResult(
        lockfile=inputs.lockfile,
        prefix=inputs.prefix,
        digest=instantiation.environment,
        python=found.interpreter.target.version,
        interpreter=found.interpreter.executable,
        created=applied.created,
        changes=applied.changes,
        packages=len(instantiation.distributions),
        pinned=instantiated.pinned,
        notes=(*instantiation.notes, *applied.notes) if changed else (),
        link_mode=applied.link_mode,
        fetched=instantiated.fetched,
        fetched_bytes=instantiated.fetched_bytes,
        watched=None
        if instantiated.signatures is None
        else watch(inputs, found, applied, instantiated.signatures),
    )


def choose_interpreter(
    inputs: Inputs, options: RealiseOptions, environ: Mapping[str, str], cwd: str
) -> FoundInterpreter:
    """Return the interpreter that the environment has, or would get.

    Raises:
        TargetError: there is none, or not a fitting one.
    """
    existing = f"{inputs.prefix}/bin/python"
    return find_interpreter(
        request=None if options.python is None else read_request(options.python),
        requires_python=requires_python(inputs),
        existing=existing if os.path.lexists(existing) and not options.clear else None,
        start=cwd if inputs.member else inputs.folder,
        stop_at=inputs.folder,
        environ=environ,
        cache_dir=f"{options.cache}/interpreters",
    )


def complete_request(request: Request, inputs: Inputs) -> Request:
    """Add to a request where it comes from, and what the project there says about it."""
    if inputs.member:
        request = replace(request, member=inputs.member)
    if inputs.member_project is None or "-groups" not in inputs.member_project:
        return request
    from envbuild.project import parse_project

    project = parse_project(
        inputs.member_project, file=os.path.join(inputs.folder, inputs.member, PROJECT_FILE)
    )
    return replace(
        request,
        default_groups=project.default_groups,
        group_requires_python=project.group_requires_python,
    )
