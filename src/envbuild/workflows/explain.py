"""`explain`: what decides the wheel that an environment has of a package, and who decided that.

Nothing is fetched, resolved or built: what is not known stays unknown, with the reason. Where a wheel
is not there yet, the explanation says what keeps the nearest one that is there from being taken.
"""

from __future__ import annotations

import os

from envbuild import canonical
from envbuild.derivation.compare import compare, members
from envbuild.derivation.compile import compile_packages
from envbuild.derivation.model import Unpack, decode_derivation
from envbuild.derivation.sources import Checkout, FileOfTree
from envbuild.errors import StoreError, UsageError
from envbuild.frozen import frozen
from envbuild.lockfile.names import normalise
from envbuild.realise.plan import archive_sha256
from envbuild.selection.model import LocalTree, Repository, RepositoryFile, Wheel
from envbuild.store import layout
from envbuild.store.difference import compare_trees
from envbuild.store.records import BuildOutput, RebuildOutput, TreeOutput
from envbuild.store.running import Running
from envbuild.workflows.store import open_existing
from envbuild.workflows.subject import find_subject
from envbuild.workflows.workshop import Workshop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Literal

    from envbuild.canonical import Json
    from envbuild.derivation.compare import Difference
    from envbuild.derivation.sources import UnpackSource
    from envbuild.digest import Digest
    from envbuild.events import Reporter
    from envbuild.realise.built import Described
    from envbuild.store.difference import FileDifference
    from envbuild.store.local import Store
    from envbuild.store.records import Realisation
    from envbuild.workflows.options import RealiseOptions
    from envbuild.workflows.subject import Subject

    Who = Literal[
        "lock", "build-lock", "project", "sources", "backend", "interpreter", "machine", "envbuild"
    ]

LAST = "last"
"""What is asked for by it: the newest realisation of another key."""

_SHORTEST_PREFIX = 4
_KINDS = frozenset({"build-wheel", "unpack"})
_OF_EVERY_FORM = frozenset({"format", "kind", "version"})
_DIGITS = 12


class NoSuchRealisation(UsageError):
    """Nothing of a package in the store to compare with answers to what was asked for.

    Attributes:
        name: of the package.
        wanted: what was asked for.
    """

    def __init__(self, name: str, wanted: str, known: Iterable[str], *, is_ambiguous: bool) -> None:
        listed = "".join(f"\n  {each}" for each in known)
        if is_ambiguous:
            message = f"`{wanted}` may be any of several realisations of `{name}`:{listed}"
        elif listed:
            message = f"the store has no realisation `{wanted}` of `{name}`; it has:{listed}"
        else:
            message = f"the store has no other realisation of `{name}` to compare with"
        super().__init__(message)
        self.name = name
        self.wanted = wanted


@frozen
class Input:
    """Something that decides a wheel.

    Attributes:
        place: the member of the derivation; see `envbuild.derivation.compare.Difference`.
        value: of it.
        who: decided it. The `project` is what its settings say, `sources` and `backend` are those of
            the package that is built.
        where: the file or program that says so, or how it came about; empty where there is no more
            to say.
    """

    place: str
    value: Json
    who: Who
    where: str = ""


@frozen
class Outcome:
    """A tree that is recorded to have come of a key.

    Attributes:
        key: the resolved key.
        tree: the tree's digest.
        wheel: file name of the wheel.
        recorded: when, in nanoseconds since the epoch; it is the time of the record's file.
        duration_ms: that the build took; `None` where nothing was built.
        rung: of the ladder of sandboxes, where it was built; `None` likewise.
        log: absolute path of what the build printed, `None` where that is not there.
        is_evidence: whether it came of building again, and is not what environments get.
        notes: what the record says to its reader.
    """

    key: Digest
    tree: Digest
    wheel: str
    recorded: int
    duration_ms: int | None = None
    rung: str | None = None
    log: str | None = None
    is_evidence: bool = False
    notes: tuple[str, ...] = ()


@frozen
class Comparison:
    """What keeps another realisation from being this one.

    Attributes:
        other: that one.
        differences: from it to this one; empty where it is this one.
        files: that the source trees have differently; `None` where these are equal, or one is gone.
    """

    other: Outcome
    differences: tuple[Difference, ...]
    files: tuple[FileDifference, ...] | None


@frozen
class Explanation:
    """What decides the wheel of a package.

    Attributes:
        lockfile: absolute path.
        name: of the package.
        version: likewise; `None` where its sources compute it and nothing was built of them yet.
        is_built: whether the wheel is built, or comes as it is.
        archive: what it is made of: a file's name, a commit, a folder.
        location: of that, as locked.
        hash: likewise, `None` where the lock has none.
        derivation: the derivation's digest, `None` where something is not known yet.
        form: the resolved form, `None` likewise.
        key: the resolved key, `None` likewise.
        unknown: why they are `None`, as a sentence without its full stop; else `None`.
        inputs: in the order of the form's members.
        outcomes: of the key, what environments get first; empty where nothing has come of it yet.
        failed: absolute path of the log of a build of this very key, where none has succeeded.
        comparison: with what was asked for, or with the nearest where there is no outcome.
    """

    lockfile: str
    name: str
    version: str | None
    is_built: bool
    archive: str
    location: str
    hash: str | None
    derivation: Digest | None
    form: Mapping[str, Json] | None
    key: Digest | None
    unknown: str | None
    inputs: tuple[Input, ...]
    outcomes: tuple[Outcome, ...]
    failed: str | None
    comparison: Comparison | None


def explain(
    asked: str,
    options: RealiseOptions,
    *,
    since: str | None,
    environ: Mapping[str, str],
    cwd: str,
    reporter: Reporter,
) -> Explanation:
    """Return what decides the wheel that an environment has of a package.

    Args:
        asked: the package, as `name` or `name==version`.
        options: which lock, interpreter and request.
        since: a realisation to compare with: its key or its tree, or four digits of one or more;
            or `LAST`. `None` for none, except where nothing has come of the key yet.
        environ: environment variables.
        cwd: absolute path that relative ones in `options` start from.
        reporter: told of the progress.

    Raises:
        NoSuchRealisation: there is none that `since` could mean.
        NoStore, NotInEnvironment, EnvbuildError: there is nothing to explain.
    """
    with open_existing(options.store) as store:
        subject = find_subject(asked, options, store=store, environ=environ, cwd=cwd)
        with Running(store) as running:
            workshop = Workshop(
                options=options, environ=environ, store=store, running=running, reporter=reporter
            )
            work = _wheel(subject, workshop)
            if work is None:
                work = _build(subject, workshop)
            return _explanation(subject, work, store, since)


@frozen
class _Work:
    """What has to be done for a package, as far as it is known."""

    is_built: bool
    inputs: tuple[Input, ...]
    derivation: Digest | None
    form: Mapping[str, Json] | None
    unknown: str | None


def _wheel(subject: Subject, workshop: Workshop) -> _Work | None:
    """Return how a package comes that comes as a wheel, `None` for another."""
    verify, package = workshop.options.verify_record, subject.package
    unpack: Unpack | UnpackSource
    match package.distribution:
        case Wheel():
            (node,) = compile_packages((package,), verify_record=verify)
            sha256, unpack = archive_sha256(node.fetch, workshop.store), node.unpack
        case RepositoryFile(is_wheel=True) as file:
            assert package.version is not None
            commit = Checkout(commit=file.repository.commit.lower(), lfs=file.repository.lfs)
            unpack = Unpack(
                source=FileOfTree(tree=commit, path=file.path),
                distribution=package.name,
                version=package.version,
                verify_record=verify,
            )
            sha256 = (file.hash or "").partition("sha256:")[2] or None
        case _:
            return None
    form = None if sha256 is None else unpack.resolved(sha256)
    unknown = f"the lock has no SHA-256 of `{unpack.source.name}`, and it was not fetched yet"
    return _Work(
        is_built=False,
        inputs=_inputs(
            unpack.as_json() if form is None else form,
            lambda place, _: _origin_of_wheel(place, subject),
        ),
        derivation=unpack.digest,
        form=form,
        unknown=unknown if form is None else None,
    )


def _inputs(
    form: Mapping[str, Json], origin: Callable[[str, Json], tuple[Who, str]]
) -> tuple[Input, ...]:
    found = []
    for place, value in members(form).items():
        if place not in _OF_EVERY_FORM:
            who, where = origin(place, value)
            found.append(Input(place=place, value=value, who=who, where=where))
    return tuple(found)


def _origin_of_wheel(place: str, subject: Subject) -> tuple[Who, str]:
    match place:
        case "unpacker":
            return "envbuild", ""
        case "verify_record":
            return "project", ""
        case _:
            return "lock", subject.inputs.lockfile


def _build(subject: Subject, workshop: Workshop) -> _Work:
    from envbuild.workflows.builds import describe

    package, inputs = subject.package, subject.inputs
    described = describe(package, subject.selection, inputs, subject.found.interpreter, workshop)
    form = described.resolved
    known = form if form is not None else _what_is_known(described)
    return _Work(
        is_built=True,
        inputs=_inputs(known, lambda place, value: _origin(place, value, described, subject)),
        derivation=None if described.derivation is None else described.derivation.digest,
        form=form,
        unknown=None if form is not None else _why_unknown(described),
    )


def _what_is_known(described: Described) -> dict[str, Json]:
    """Return the members that a form will have, whatever is still to be found out."""
    package = described.package
    known: dict[str, Json] = {
        "distribution": package.name,
        "distribution_version": package.version,
        "subdirectory": package.subdirectory,
    }
    if described.source is not None:
        known["source"] = {"tree": described.source}
    if described.system is not None:
        backend = described.system.backend
        known["backend"] = {"name": backend.name, "path": list(backend.path)}
        known["requires"] = list(described.system.requires)
    if described.pins is not None and described.pins.is_whole:
        known["requires"] = list(described.pins.requires)
        known["environment"] = [
            {
                "name": each.name,
                "payload": built.payload if built else None,
                "version": each.version,
            }
            for each in described.pins.packages
            for built in (described.environment.get(each.name),)
        ]
    return known


def _why_unknown(described: Described) -> str:
    if described.pins is None:
        return f"the sources of `{described.package.name}` are not in the store"
    if not described.pins.is_whole:
        return described.pins.reason
    missing = [
        f"`{each.name}` {each.version}"
        for each in described.pins.packages
        if each.name not in described.environment
    ]
    return f"what it is built with is not in the store: {', '.join(missing)}"


def _origin(place: str, value: Json, described: Described, subject: Subject) -> tuple[Who, str]:
    """Return who decided a member of a build's form, and where that is said."""
    inputs, pins = subject.inputs, described.pins
    project = f"{inputs.folder}/pyproject.toml"
    match place.partition("[")[0].partition(".")[0]:
        case "source" if described.package.source in {"directory", "editable"}:
            return "sources", described.package.source_location
        case "source" | "subdirectory" | "distribution" | "distribution_version":
            return "lock", inputs.lockfile
        case "backend":
            return "sources", "pyproject.toml"
        case "requires" if pins is not None and value in pins.hook_requires:
            return "backend", ""
        case "requires" if pins is not None and value in pins.extra_requires:
            return "project", project
        case "requires":
            return "sources", "pyproject.toml"
        case "environment":
            strategy = "" if pins is None else pins.strategy
            return "build-lock", f"{inputs.folder}/envbuild.lock, by `{strategy}`"
        case "config_settings" | "variables":
            return "project", project
        case "interpreter":
            return "interpreter", subject.found.interpreter.executable
        case "builder":
            return "envbuild", ""
        case "salt":
            return "project", ""
        case _:
            return "machine", ""


def _explanation(subject: Subject, work: _Work, store: Store, since: str | None) -> Explanation:
    package = subject.package
    key = None if work.form is None else canonical.digest(work.form)
    outcomes = () if key is None else tuple(_outcomes(store.realisations(key), store))
    compared: Comparison | None = None
    if work.form is not None and key is not None and (since is not None or not outcomes):
        others = _others(store, package.name, key)
        if since is not None:
            wanted = _find(since, package.name, others, [(each, work.form) for each in outcomes])
            compared = _compare(*wanted, work.form, store)
        elif others:
            nearest = min((_compare(*each, work.form, store) for each in others), key=_distance)
            compared = nearest
    digest: str | None = None
    match package.distribution:
        case Repository(url=location):
            pass
        case RepositoryFile(repository=repository, hash=digest):
            location = repository.url
        case LocalTree(location=location):
            pass
        case file:
            location, digest = file.location, file.hash
    return Explanation(
        lockfile=subject.inputs.lockfile,
        name=package.name,
        version=package.version or next((each.wheel.split("-")[1] for each in outcomes), None),
        is_built=work.is_built,
        archive=package.distribution.label,
        location=location,
        hash=digest,
        derivation=work.derivation,
        form=work.form,
        key=key,
        unknown=work.unknown,
        inputs=work.inputs,
        outcomes=outcomes,
        failed=None if key is None or outcomes else _failed(store, key),
        comparison=compared,
    )


def _outcomes(realisations: Iterable[Realisation], store: Store) -> Iterator[Outcome]:
    for each in realisations:
        output = each.output
        if not isinstance(output, TreeOutput):
            continue
        built = output if isinstance(output, BuildOutput) else None
        log = None
        if built is not None:
            log = store.absolute(layout.log(each.resolved_key, built.log))
        yield Outcome(
            key=each.resolved_key,
            tree=output.digest,
            wheel=each.name,
            recorded=_recorded(store.absolute(each.location)),
            duration_ms=None if built is None else built.duration_ms,
            rung=None if built is None else built.rung,
            log=log if log is not None and os.path.exists(log) else None,
            is_evidence=isinstance(output, RebuildOutput),
            notes=each.notes,
        )


def _recorded(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        # Taken away since it was read, as anybody may.
        return 0


def _failed(store: Store, key: Digest) -> str | None:
    """Return the latest log of a key of which nothing has come."""
    logs = [store.absolute(path) for path in store.walk(layout.logs(key))]
    return max(logs, key=_recorded, default=None)


def _others(store: Store, name: str, key: Digest) -> list[tuple[Outcome, Mapping[str, Json]]]:
    """Return what is known to have come of other work for a package, with that work, newest first."""
    found: list[tuple[Outcome, Mapping[str, Json]]] = []
    forms: dict[Digest, Mapping[str, Json] | None] = {}
    for realisation in store.all_realisations():
        other = realisation.resolved_key
        # Names of wheels begin with that of their project, which has no hyphen there.
        if other == key or normalise(realisation.name.partition("-")[0]) != name:
            continue
        if other not in forms:
            forms[other] = _form(store, other)
        form = forms[other]
        if form is not None and form["kind"] in _KINDS and form["distribution"] == name:
            found += ((each, form) for each in _outcomes((realisation,), store))
    return sorted(found, key=lambda each: (-each[0].recorded, each[0].key, each[0].tree))


def _form(store: Store, key: Digest) -> Mapping[str, Json] | None:
    data = store.read_record(layout.DERIVATIONS, key)
    try:
        return None if data is None else decode_derivation(data)
    except StoreError:
        # Of a kind that a later version knows.
        return None


def _find(
    since: str,
    name: str,
    others: Sequence[tuple[Outcome, Mapping[str, Json]]],
    own: Sequence[tuple[Outcome, Mapping[str, Json]]],
) -> tuple[Outcome, Mapping[str, Json]]:
    """Return the realisation that is meant."""
    if since == LAST and others:
        return others[0]
    wanted = since.lower()
    matching = [
        (outcome, form)
        for outcome, form in (*own, *others)
        if len(wanted) >= _SHORTEST_PREFIX
        and (outcome.key.startswith(wanted) or outcome.tree.startswith(wanted))
    ]
    if len({outcome.key for outcome, _ in matching}) == 1:
        return matching[0]
    listed = [
        f"{outcome.key[:_DIGITS]}  {outcome.wheel}, entry {outcome.tree[:_DIGITS]}"
        for outcome, _ in matching or others
    ]
    raise NoSuchRealisation(name, since, listed, is_ambiguous=bool(matching))


def _compare(
    outcome: Outcome, before: Mapping[str, Json], after: Mapping[str, Json], store: Store
) -> Comparison:
    return Comparison(
        other=outcome,
        differences=compare(before, after),
        files=_source_files(before, after, store),
    )


def _source_files(
    before: Mapping[str, Json], after: Mapping[str, Json], store: Store
) -> tuple[FileDifference, ...] | None:
    match before.get("source"), after.get("source"):
        case {"tree": str(one)}, {"tree": str(other)} if one != other:
            first, second = (store.read_tree(digest) for digest in (one, other))  # type: ignore[arg-type]
            if first is not None and second is not None:
                return compare_trees(first, second)
    return None


def _distance(comparison: Comparison) -> tuple[bool, int, int, int]:
    """Return how far another realisation is: the nearest first, and of equals the newest."""
    differences = comparison.differences
    return (
        any(each.place == "kind" for each in differences),
        sum(not each.follows for each in differences),
        len(differences),
        -comparison.other.recorded,
    )
