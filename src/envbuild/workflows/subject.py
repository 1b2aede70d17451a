"""The one package that a command is about, found by its name in what a lock selects."""

from __future__ import annotations

from envbuild.errors import SelectionError
from envbuild.frozen import frozen
from envbuild.lockfile.names import normalise
from envbuild.lockfile.versions import is_version, same_version
from envbuild.workflows.inputs import read_inputs
from envbuild.workflows.instantiate import select
from envbuild.workflows.realise import choose_interpreter, complete_request
from envbuild.workflows.settings import similar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.selection.model import SelectedPackage, Selection
    from envbuild.store.local import Store
    from envbuild.target.discover import FoundInterpreter
    from envbuild.workflows.inputs import Inputs
    from envbuild.workflows.options import RealiseOptions


class NotInEnvironment(SelectionError):
    """A package that an environment does not have.

    Attributes:
        asked: for it, as given.
        lockfile: absolute path.
    """

    def __init__(self, asked: str, lockfile: str, reason: str, *, hint: str | None) -> None:
        super().__init__(f"`{asked}`: {reason}", hint=hint)
        self.asked = asked
        self.lockfile = lockfile


@frozen
class Subject:
    """A package, and what it is part of."""

    package: SelectedPackage
    selection: Selection
    inputs: Inputs
    found: FoundInterpreter


def find_subject(
    asked: str,
    options: RealiseOptions,
    *,
    store: Store,
    environ: Mapping[str, str],
    cwd: str,
) -> Subject:
    """Return the package that is asked for as `name` or `name==version`.

    Args:
        asked: a name, or name and version.
        options: which lock, interpreter and request; see `envbuild.workflows.realise.realise`.
        store: keeps what is remembered of the lock.
        environ: environment variables.
        cwd: absolute path that relative ones in `options` start from.

    Raises:
        NotInEnvironment: the environment has no such package.
        LockfileError, TargetError, SelectionError: there is no telling what it has.
    """
    inputs = read_inputs(options, cwd=cwd)
    found = choose_interpreter(inputs, options, environ, cwd)
    request = complete_request(options.request, inputs)
    target = found.interpreter.target
    selection = select(inputs, request, target, target.digest, store)
    name, _, version = asked.partition("==")
    name = normalise(name.strip())
    for package in selection.packages:
        if package.name == name:
            if version and package.version and not _is_version(package.version, version):
                reason = f"the lock has {package.version} of it"
                hint = f"ask for `{name}`, or for `{name}=={package.version}`"
                raise NotInEnvironment(asked, inputs.lockfile, reason, hint=hint)
            return Subject(package=package, selection=selection, inputs=inputs, found=found)
    raise _not_found(asked, name, selection, inputs)


def _is_version(locked: str, asked: str) -> bool:
    if is_version(locked) and is_version(asked):
        return same_version(locked, asked)
    return locked == asked


def _not_found(asked: str, name: str, selection: Selection, inputs: Inputs) -> NotInEnvironment:
    if name in _locked_names(inputs):
        reason = (
            f"`{inputs.lockfile}` has it, for other extras, groups, platforms or interpreters than"
            " were asked for"
        )
        return NotInEnvironment(asked, inputs.lockfile, reason, hint=None)
    meant = similar(name, [package.name for package in selection.packages])
    return NotInEnvironment(
        asked,
        inputs.lockfile,
        f"`{inputs.lockfile}` has no such package",
        hint=f"did you mean `{meant}`?" if meant else None,
    )


def _locked_names(inputs: Inputs) -> set[str]:
    """Return the names of all packages of a lock, whether they are selected or not."""
    if inputs.kind != "uv":
        from envbuild.lockfile.pylock import parse_pylock

        return {
            package.name for package in parse_pylock(inputs.text, file=inputs.lockfile).packages
        }
    from envbuild.lockfile.parse import parse_lock

    return {package.name for package in parse_lock(inputs.text, file=inputs.lockfile).packages}
