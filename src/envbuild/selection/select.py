"""From a lock, a request and a target to what gets installed."""

from __future__ import annotations

from envbuild.errors import SelectionError, raise_all
from envbuild.lockfile.canonical_split import read_head, read_package, split_lock
from envbuild.selection.graph import Graph
from envbuild.selection.memo import key_of
from envbuild.selection.model import (
    LocalTree,
    Repository,
    RepositoryFile,
    Sdist,
    SelectedPackage,
    Selection,
    Wheel,
)
from envbuild.selection.walk import walk
from envbuild.selection.wanted import Wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from envbuild.lockfile.model import Lock
    from envbuild.selection.evaluated import Choice, Chosen, Commit, EvaluatedHead
    from envbuild.selection.memo import EvaluationMemo
    from envbuild.selection.model import Request
    from envbuild.selection.wheels import Aspect, Miss
    from envbuild.target.model import Target

    Building = Literal["impossible", "refused"]


class NoFittingWheel(SelectionError):
    """A package has no wheel for the target.

    Attributes:
        name: of the package.
        version: likewise.
        aspect: in what the nearest wheels do not fit: `python`, `abi`, `platform` or `variant`;
            `repository` where the only file lies in one; `None` where there are no wheels.
        preferred: the tag that the target likes best in that aspect.
        found: the tags that the nearest wheels have in that aspect.
        building: why none is built: there is nothing to build it from, or the request refuses it.
    """

    def __init__(
        self,
        name: str,
        version: str | None,
        miss: Miss | None,
        *,
        building: Building,
        hint: str | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.building: Building = building
        self.aspect: Aspect | None = miss[0] if miss else None
        self.preferred: str = miss[1] if miss else ""
        self.found: tuple[str, ...] = miss[2] if miss else ()
        super().__init__(self._describe(), hint=hint)

    def _describe(self) -> str:
        package = f"`{self.name}` {self.version}" if self.version else f"`{self.name}`"
        building = _BUILDING[self.building]
        if self.aspect is None:
            return f"{package} has no wheel{building}"
        if self.aspect == "variant":
            return f"{package} has only variant wheels, which are not supported{building}"
        listed = ", ".join(f"`{tag}`" for tag in self.found)
        aspect = {"python": "Python", "abi": "ABI", "platform": "platform"}[self.aspect]
        return (
            f"{package} has no wheel for the {aspect} tag `{self.preferred}`,"
            f" only for {listed}{building}"
        )


_BUILDING: dict[Building, str] = {
    "impossible": "",
    "refused": ", and building it from source is not permitted",
}


class NoSource(SelectionError):
    """A package that has to be built, since its wheels are not to be taken, and cannot be.

    Attributes:
        name: of the package.
        version: likewise.
        building: why it is not built, as `NoFittingWheel` has it.
    """

    def __init__(self, name: str, version: str | None, building: Building) -> None:
        package = f"`{name}` {version}" if version else f"`{name}`"
        why = _BUILDING[building] or ", and it has no source distribution"
        super().__init__(f"no wheel of {package} may be taken{why}")
        self.name = name
        self.version = version
        self.building: Building = building


def select_text(
    text: str, *, file: str, request: Request, target: Target, memo: EvaluationMemo | None = None
) -> Selection:
    """Return what the text of a `uv.lock` selects: what `select` gives for the lock that it is.

    Args:
        text: of the lockfile.
        file: how to call it in errors.
        request: what is asked of it.
        target: what it is asked for.
        memo: made for the same target; it spares the work on every package whose text it knows, and
            knows this text afterwards.

    Raises:
        LockfileError: as `parse_lock` does.
        SelectionError: as `select` does.
    """
    if memo is not None:
        evaluated = _evaluate_pieces(text, target, memo)
        if evaluated is not None:
            head, graph = evaluated
            return _select(head, graph, request, target)
    from envbuild.lockfile.parse import parse_lock

    return select(parse_lock(text, file=file), request, target)


def select(lock: Lock, request: Request, target: Target) -> Selection:
    """Return what a lock selects.

    Raises:
        UnknownMember, UnknownExtra, UnknownGroup: something was named that the lock does not have.
        UnsupportedPython, UnsupportedPlatform: the lock was not resolved for this target.
        ConflictingRequest: what was asked for excludes each other.
        MissingMember, SelectedTwice: the lock does not hold together.
        NoFittingWheel, NoSource: a package can neither be had as a wheel nor be built.
        Problems: several of these.
    """
    from envbuild.selection.evaluate import Evaluator

    evaluator = Evaluator(target)
    packages = [evaluator.package(package) for package in lock.packages]
    return _select(evaluator.head(lock), Graph(packages), request, target)


def _evaluate_pieces(
    text: str, target: Target, memo: EvaluationMemo
) -> tuple[EvaluatedHead, Graph] | None:
    """Evaluate a lock piece by piece, `None` where only the whole text can tell what it says."""
    head_text, texts = split_lock(text)
    head_key = key_of(head_text)
    keys = [key_of(piece) for piece in texts]
    head = memo.head(head_key)
    packages = [memo.package(key) for key in keys]
    if head is None or None in packages:
        from envbuild.selection.evaluate import Evaluator

        evaluator = Evaluator(target)
        if head is None:
            lock = read_head(head_text)
            if lock is None:
                return None
            head = evaluator.head(lock)
        for index, known in enumerate(packages):
            if known is None:
                package = read_package(texts[index])
                if package is None:
                    return None
                packages[index] = evaluator.package(package)
    whole = [package for package in packages if package is not None]
    graph = Graph(whole)
    if not graph.is_whole():
        return None
    memo.replace((head_key, head), zip(keys, whole, strict=True))
    return head, graph


def _select(head: EvaluatedHead, graph: Graph, request: Request, target: Target) -> Selection:
    wanted = Wanted(request, head, graph)
    wanted.check(target.version)
    positions, requested = walk(head, graph, wanted)
    packages: list[SelectedPackage] = []
    problems: list[SelectionError] = []
    for position in positions:
        name, version, (kind, location, subdirectory), _, edges, *_, choice = graph.packages[
            position
        ]
        if kind == "virtual":
            continue
        distribution: Wheel | Sdist | Repository | RepositoryFile | LocalTree | SelectionError
        if choice is None:
            if kind == "editable" and not request.edits(name):
                kind = "directory"
            distribution = LocalTree(location=location, editable=kind == "editable")
            if not request.builds(name) and not wanted.is_member(position):
                distribution = NoFittingWheel(name, version, None, building="refused")
        else:
            distribution = choose(choice, name, version, request, target)
        if isinstance(distribution, SelectionError):
            problems.append(distribution)
            continue
        if version is None and isinstance(distribution, Wheel):
            version = distribution.filename.split("-")[1]
        packages.append(
            SelectedPackage(
                name=name,
                version=version,
                source=kind,
                source_location=location,
                subdirectory=subdirectory,
                distribution=distribution,
                requested=position in requested or position in wanted.roots,
                needs=(
                    None
                    if isinstance(distribution, Wheel)
                    else frozenset(edge[0] for edge in edges)
                ),
            )
        )
    raise_all(problems)
    return Selection(packages=tuple(packages))


def choose(
    choice: Choice, name: str, version: str | None, request: Request, target: Target | None
) -> Wheel | Sdist | Repository | RepositoryFile | NoFittingWheel | NoSource:
    """Return what of a package is taken, or why nothing is.

    Args:
        choice: what there is.
        name: of the package.
        version: likewise.
        request: says whether wheels may be taken, and whether something may be built.
        target: what a hint is for; `None` for no hint.
    """
    wheel, miss, sdist, commit = choice
    wants_wheel = request.takes_wheels(name)
    if wheel is not None and wants_wheel:
        return Wheel(**_fields(wheel)) if commit is None else _file_of(commit, wheel)
    if request.builds(name):
        if sdist is not None:
            return Sdist(**_fields(sdist)) if commit is None else _file_of(commit, sdist)
        if commit is not None and wheel is None and miss is None:
            return _repository(commit)
    building: Building = "impossible"
    if sdist is not None or (commit is not None and wheel is None and miss is None):
        building = "refused"
    if not wants_wheel and (wheel is not None or miss is not None):
        return NoSource(name, version, building)
    hint = None if building != "impossible" or target is None else _hint(miss, target)
    return NoFittingWheel(name, version, miss, building=building, hint=hint)


def _repository(commit: Commit) -> Repository:
    url, revision, lfs, userinfo = commit
    return Repository(url=url, commit=revision, lfs=lfs, userinfo=userinfo)


def _file_of(commit: Commit, file: Chosen) -> RepositoryFile:
    _, path, _, digest, _ = file
    return RepositoryFile(repository=_repository(commit), path=path, hash=digest)


def _fields(file: Chosen) -> dict[str, Any]:
    filename, location, userinfo, hash_, size = file
    return {
        "filename": filename,
        "location": location,
        "userinfo": userinfo,
        "hash": hash_,
        "size": size,
    }


def _hint(miss: Miss | None, target: Target) -> str | None:
    if miss is None or miss[0] != "platform":
        return None
    markers = target.markers
    here = f"sys_platform == '{markers['sys_platform']}'"
    if markers["platform_machine"]:
        here += f" and platform_machine == '{markers['platform_machine']}'"
    return (
        f'add "{here}" to `tool.uv.required-environments` and lock again,'
        " so that a version with fitting wheels is chosen"
    )
