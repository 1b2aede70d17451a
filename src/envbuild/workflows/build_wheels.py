"""`build`: a project or a source distribution, to a wheel file and an entry in the store.

It is the same work as for an environment, by the same key: what one of them has built, the other
finds. The wheel file is written from the entry.
"""

from __future__ import annotations

import os

from envbuild.environment.link import DamagedBlobs
from envbuild.errors import UsageError
from envbuild.events import Notice
from envbuild.frozen import frozen
from envbuild.realise.wheel_file import write_wheel
from envbuild.selection.model import Selection
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.store.records import BuildOutput
from envbuild.store.running import Running
from envbuild.target.discover import find_interpreter, read_request
from envbuild.workflows.build_order import read_order
from envbuild.workflows.builds import build, settings_of
from envbuild.workflows.instantiate import archives_of, select, unpack_limits
from envbuild.workflows.realise import complete_request
from envbuild.workflows.workshop import Workshop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envbuild.digest import Digest
    from envbuild.events import Reporter
    from envbuild.realise.built import Built
    from envbuild.realise.wheel_file import WheelFile
    from envbuild.target.discover import FoundInterpreter
    from envbuild.target.model import Interpreter
    from envbuild.workflows.build_order import Order
    from envbuild.workflows.options import RealiseOptions


class NoFolder(UsageError):
    """A folder for wheels that nothing can be written into."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"no wheel can be written into `{path}`: {reason}",
            hint="name another folder with `--out-dir`",
        )
        self.path = path
        self.reason = reason


class NoEnvironment(UsageError):
    """A build without isolation, where nothing says what there is beside it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"`{name}` is to be built without isolation, with what the environment of a lock holds,"
            " and there is no lock",
            hint="make one with `uv lock`, or build it in isolation",
        )
        self.name = name


@frozen
class BuiltWheel:
    """A wheel, and where it came from.

    Attributes:
        name: of the project, and `version`.
        file: the wheel file.
        entry: digest of its tree in the store.
        key: the resolved key of its build.
        is_new: whether it was built just now, and not found.
        duration_ms: that building it took, whenever that was.
        rung: on which it was built.
        log: absolute path of what the build printed.
        notes: what the user should know.
    """

    name: str
    version: str
    file: WheelFile
    entry: Digest
    key: Digest
    is_new: bool
    duration_ms: int
    rung: str
    log: str
    notes: tuple[str, ...]


@frozen
class BuildResult:
    """What `build` did.

    Attributes:
        lockfile: absolute path of the lock that counted, `None` where there is none.
        python: version of the interpreter that was built for.
        interpreter: its path.
        wheels: sorted by name.
    """

    lockfile: str | None
    python: str
    interpreter: str
    wheels: tuple[BuiltWheel, ...]


def build_wheels(
    source: str,
    options: RealiseOptions,
    *,
    members: Sequence[str] = (),
    all_members: bool = False,
    out_dir: str | None = None,
    compress: bool = False,
    environ: Mapping[str, str],
    cwd: str,
    reporter: Reporter,
) -> BuildResult:
    """Build wheels and write their files.

    Args:
        source: path of a project's folder, or of a source distribution.
        options: how; what they ask of environments does not matter.
        members: normalised names of members of the workspace, to be built in place of the project.
        all_members: whether all of them are.
        out_dir: absolute path of the folder for the wheels, `None` for the default.
        compress: whether the wheel files are deflated, see `envbuild.realise.pack`.
        environ: environment variables.
        cwd: absolute path that `source` starts from.
        reporter: told of the progress.

    Raises:
        UsageError: there is nothing to build, or no place for it.
        EnvbuildError: one thing cannot be built; `Problems` for several.
    """
    limits = unpack_limits(options)
    order = read_order(
        source,
        options,
        members=members,
        all_members=all_members,
        out_dir=out_dir,
        limits=limits,
        cwd=cwd,
    )
    _check_folder(order.out_dir)
    found = _interpreter(order, options, environ)
    with Store.open(options.store) as store, Running(store) as running:
        workshop = Workshop(
            options=options, environ=environ, store=store, running=running, reporter=reporter
        )
        try:
            wheels = _build(order, found.interpreter, workshop, compress=compress)
        except DamagedBlobs as damage:
            # What is damaged is put aside and built again, once.
            from envbuild.workflows.heal import heal

            heal(store, damage.blobs)
            reporter.report(Notice(text=f"repairing the store: {damage}"))
            wheels = _build(order, found.interpreter, workshop, compress=compress)
    return BuildResult(
        lockfile=order.inputs.lockfile or None,
        python=found.interpreter.target.version,
        interpreter=found.interpreter.executable,
        wheels=wheels,
    )


def _check_folder(path: str) -> None:
    """Refuse, before anything is built, a folder that nothing could be written into."""
    there = path
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise NoFolder(path, f"`{there}` is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise NoFolder(path, f"`{there}` is not writable")


def _interpreter(
    order: Order, options: RealiseOptions, environ: Mapping[str, str]
) -> FoundInterpreter:
    """Return the interpreter that `realize` would take: a wheel for another one is another wheel."""
    existing = f"{order.inputs.prefix}/bin/python"
    return find_interpreter(
        request=None if options.python is None else read_request(options.python),
        requires_python=order.requires_python,
        required_by="the project" if order.inputs.kind == "none" else "the lock",
        existing=existing if os.path.lexists(existing) else None,
        start=order.start,
        stop_at=order.inputs.folder,
        environ=environ,
        cache_dir=f"{options.cache}/interpreters",
    )


def _build(
    order: Order, interpreter: Interpreter, workshop: Workshop, *, compress: bool
) -> tuple[BuiltWheel, ...]:
    inputs = order.inputs
    done = build(
        order.packages,
        _selection(order, interpreter, workshop),
        inputs,
        interpreter,
        workshop,
        archives=archives_of(inputs, workshop),
        limits=unpack_limits(workshop.options),
        makes_build_lock=order.makes_build_lock,
    )
    return tuple(
        _write(name, done[name], order.out_dir, workshop.store, compress=compress)
        for name in sorted(done)
    )


def _selection(order: Order, interpreter: Interpreter, workshop: Workshop) -> Selection:
    """Return what the environment holds, where a build asks for that."""
    settings = settings_of(order.inputs, workshop.options)
    beside = settings.no_isolation_packages
    if order.inputs.kind == "none":
        for package in order.packages:
            if settings.no_isolation or package.name in beside:
                raise NoEnvironment(package.name)
        return Selection(packages=())
    extra = settings.extra_requires.values()
    matches = any(each.match_runtime for requires in extra for each in requires)
    if not (matches or beside or settings.no_isolation):
        # Whether all of the environment could be had is nothing to a build that has its own.
        return Selection(packages=())
    target = interpreter.target
    request = complete_request(order.request, order.inputs)
    return select(order.inputs, request, target, target.digest, workshop.store)


def _write(name: str, built: Built, out_dir: str, store: Store, *, compress: bool) -> BuiltWheel:
    realisation = built.realisation
    assert realisation is not None
    output = realisation.output
    assert isinstance(output, BuildOutput)
    path = f"{out_dir}/{realisation.name}"
    return BuiltWheel(
        name=name,
        version=built.version,
        file=write_wheel(store, built.tree, path, compress=compress),
        entry=built.tree,
        key=realisation.resolved_key,
        is_new=built.is_new,
        duration_ms=output.duration_ms,
        rung=output.rung,
        log=store.absolute(layout.log(realisation.resolved_key, output.log)),
        notes=built.notes,
    )
