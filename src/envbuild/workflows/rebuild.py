"""`rebuild`: a wheel built again, and compared with the one that the store has of the same inputs.

Nothing that environments get changes: the wheel that came first stays what is used. Another one is
kept beside it, as evidence that the build is not reproducible.
"""

from __future__ import annotations

from envbuild.errors import UsageError
from envbuild.frozen import frozen
from envbuild.selection.model import RepositoryFile, Wheel
from envbuild.store import layout
from envbuild.store.difference import compare_trees, parting
from envbuild.store.records import BuildOutput
from envbuild.store.running import Running
from envbuild.workflows.builds import rebuild as build_again
from envbuild.workflows.instantiate import archives_of, unpack_limits
from envbuild.workflows.store import open_existing
from envbuild.workflows.subject import find_subject
from envbuild.workflows.workshop import Workshop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.digest import Digest
    from envbuild.events import Reporter
    from envbuild.store.difference import FileDifference, Parting
    from envbuild.store.local import Store
    from envbuild.workflows.options import RealiseOptions

_LARGEST = 64 * 2**20
"""Bytes up to which a file is read to see where it differs."""


class NotBuilt(UsageError):
    """A package that comes as a wheel, where building it was asked for."""

    def __init__(self, name: str, filename: str) -> None:
        super().__init__(
            f"`{name}` comes as the wheel `{filename}`, so there is nothing to build",
            hint=f"`--no-binary-package {name}` has it built from its sources",
        )
        self.name = name
        self.filename = filename


@frozen
class ChangedFile:
    """A file that came out differently.

    Attributes:
        difference: the file in both trees.
        parting: where its contents part; `None` where there are not two, or they are equal or large.
    """

    difference: FileDifference
    parting: Parting | None


@frozen
class RebuildResult:
    """What came of building a wheel again.

    Attributes:
        name: of the package, and `version`.
        key: the resolved key.
        wheel: file name of the wheel that was built now.
        before: digest of the tree that the store had; `None` where it had none.
        after: digest of the tree that was built now.
        files: what differs between them, by path.
        same_payload: whether they are the same to whatever is built with them.
        duration_ms: that the build took.
        rung: where it was done.
        log: absolute path of what it printed.
    """

    name: str
    version: str
    key: Digest
    wheel: str
    before: Digest | None
    after: Digest
    files: tuple[ChangedFile, ...]
    same_payload: bool
    duration_ms: int
    rung: str
    log: str

    @property
    def is_equal(self) -> bool | None:
        """Whether it came out as before, `None` where there was nothing before."""
        return None if self.before is None else self.before == self.after


def rebuild(
    asked: str,
    options: RealiseOptions,
    *,
    environ: Mapping[str, str],
    cwd: str,
    reporter: Reporter,
) -> RebuildResult:
    """Build the wheel of a package again, and compare.

    Args:
        asked: the package, as `name` or `name==version`.
        options: which lock, interpreter and request; with `check`, there must be something to
            compare: what was never built is built twice.
        environ: environment variables.
        cwd: absolute path that relative ones in `options` start from.
        reporter: told of the progress.

    Raises:
        NotBuilt: it comes as a wheel.
        NoStore, NotInEnvironment, EnvbuildError: it cannot be built.
    """
    with open_existing(options.store) as store:
        subject = find_subject(asked, options, store=store, environ=environ, cwd=cwd)
        package, inputs = subject.package, subject.inputs
        match package.distribution:
            case Wheel(filename=filename) | RepositoryFile(is_wheel=True, filename=filename):
                raise NotBuilt(package.name, filename)
        with Running(store) as running:
            workshop = Workshop(
                options=options, environ=environ, store=store, running=running, reporter=reporter
            )
            rebuilt = build_again(
                package,
                subject.selection,
                inputs,
                subject.found.interpreter,
                workshop,
                archives=archives_of(inputs, workshop),
                limits=unpack_limits(options),
                compare=options.check,
            )
            made = rebuilt.made.output
            assert isinstance(made, BuildOutput)
            known = None if rebuilt.known is None else rebuilt.known.output
            assert known is None or isinstance(known, BuildOutput)
            return RebuildResult(
                name=package.name,
                version=package.version or rebuilt.made.name.split("-")[1],
                key=rebuilt.key,
                wheel=rebuilt.made.name,
                before=None if known is None else known.digest,
                after=made.digest,
                files=() if known is None else _compare(store, known.digest, made.digest),
                same_payload=known is None or known.payload == made.payload,
                duration_ms=made.duration_ms,
                rung=made.rung,
                log=store.absolute(layout.log(rebuilt.key, made.log)),
            )


def _compare(store: Store, before: Digest, after: Digest) -> tuple[ChangedFile, ...]:
    first, second = store.read_tree(before), store.read_tree(after)
    assert first is not None
    assert second is not None
    return tuple(
        ChangedFile(difference=each, parting=_parting(store, each))
        for each in compare_trees(first, second)
    )


def _parting(store: Store, file: FileDifference) -> Parting | None:
    if file.before is None or file.after is None:
        return None
    if file.before.digest is None or file.after.digest is None:
        return None
    if max(file.before.size or 0, file.after.size or 0) > _LARGEST:
        return None
    return parting(store.read_blob(file.before.digest), store.read_blob(file.after.digest))
