"""Build environments: the distributions that something is built with, linked from the store.

A build that can only read its environment may share it with all that are built with the same, one after
the other or at once. Nothing is added to one that is in use: when much more bytecode has become known,
the next build gets another one.
"""

from __future__ import annotations

import os
import threading

from envbuild.environment.link import Job, place, probe_mode
from envbuild.environment.skeleton import skeleton_files, skeleton_folders, skeleton_links
from envbuild.environment.spread import place as plan_placement
from envbuild.environment.written import written_files
from envbuild.events import SILENT
from envbuild.frozen import frozen
from envbuild.sandbox.model import guarantees, inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.digest import Digest
    from envbuild.environment.placement import Placement
    from envbuild.realise.build_facts import BuildFacts
    from envbuild.realise.bytecode import Bytecode
    from envbuild.realise.staging import Staging
    from envbuild.sandbox.model import Rung
    from envbuild.store.local import Store
    from envbuild.target.model import Target

ENVIRONMENT = "/environment"
"""Where the build environment is, on a rung with fixed paths."""

_MUCH_MORE = 16
"""Modules to compile that are worth another environment."""


@frozen
class BuildEnvironment:
    """A build environment that is there.

    Attributes:
        folder: its absolute path.
        inner: the path by which a build knows it.
        placements: of the distributions in it.
        modules: how many of them have bytecode.
    """

    folder: str
    inner: str
    placements: tuple[Placement, ...]
    modules: int


class BuildEnvironments:
    """The environments of one run. May be used by several threads at once.

    Args:
        store: where distributions are.
        staging: where those are that builds share.
        target: that is built for.
        facts: about the interpreter.
        rung: that builds are done on.
        bytecode: for what builds import.
    """

    def __init__(
        self,
        store: Store,
        staging: Staging,
        *,
        target: Target,
        facts: BuildFacts,
        rung: Rung,
        bytecode: Bytecode,
    ) -> None:
        self._store = store
        self._staging = staging
        self._target = target
        self._facts = facts
        self._rung = rung
        self._bytecode = bytecode
        self._are_shared = guarantees(rung, network=False).files != "open"
        self._mutex = threading.Lock()
        self._busy: dict[object, threading.Lock] = {}
        self._known: dict[object, BuildEnvironment] = {}

    def obtain(
        self, trees: Mapping[str, Digest], own: str, *, backend: str, with_bytecode: bool
    ) -> BuildEnvironment:
        """Return an environment of the distributions called so, in these trees.

        Args:
            trees: name to tree.
            own: path where it is laid out if it cannot be shared; there is nothing yet.
            backend: module of the backend that is to work in it.
            with_bytecode: whether what is known to be imported is there as bytecode.

        Raises:
            VenvError: they do not fit into one environment.
            StoreError: a tree is damaged.
        """
        if not self._are_shared:
            return self._lay_out(own, trees, backend, with_bytecode=with_bytecode)
        key = (with_bytecode, tuple(sorted(trees.items())))
        with self._mutex:
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:
            known = self._known.get(key)
            if known is None or (with_bytecode and self._is_behind(known)):
                folder = self._staging.new_folder("environment")
                known = self._lay_out(folder, trees, backend, with_bytecode=with_bytecode)
                self._known[key] = known
            return known

    def _is_behind(self, known: BuildEnvironment) -> bool:
        modules = sum(self._bytecode.count(placement.tree) for placement in known.placements)
        return modules >= known.modules + _MUCH_MORE or (modules > 0 and not known.modules)

    def _lay_out(
        self, root: str, trees: Mapping[str, Digest], backend: str, *, with_bytecode: bool
    ) -> BuildEnvironment:
        target, store, executable = self._target, self._store, self._facts.executable
        prefix = inside(self._rung, root, ENVIRONMENT)
        os.mkdir(root)
        for folder in skeleton_folders(target.scheme):
            os.makedirs(f"{root}/{folder}", exist_ok=True)
        for path, leads_to in skeleton_links(target, executable):
            os.symlink(leads_to, f"{root}/{path}")
        for file in skeleton_files(
            target,
            prefix=prefix,
            home=os.path.dirname(executable),
            executable=executable,
            prompt="build",
        ):
            _add(f"{root}/{file.path}", file.data)
        mode, _ = probe_mode(store.path, root, "auto", required=False)
        placements = [self._placement(name, digest) for name, digest in sorted(trees.items())]
        if with_bytecode:
            roots = (target.scheme.purelib, target.scheme.platlib)
            self._bytecode.foresee(backend, placements, roots, ENVIRONMENT)
        modules = 0
        for placement in placements:
            written = written_files(
                placement,
                prefix=prefix,
                scripts=target.scheme.scripts,
                requested=False,
                direct_url=None,
            )
            job = Job(
                load=lambda placement=placement, written=written: (placement, written),  # type: ignore[misc]
                files=sum(len(files) for _, files in placement.links),
                folders=len(placement.folders),
            )
            # One at a time: what places many at once forks, which no thread may do.
            place(
                [job],
                store=store.path,
                root=root,
                mode=mode,
                required=False,
                reporter=SILENT,
            )
            if with_bytecode:
                for path, compiled in self._bytecode.files(placement, ENVIRONMENT):
                    _add(f"{root}/{path}", compiled)
                modules += self._bytecode.count(placement.tree)
        return BuildEnvironment(
            folder=root, inner=prefix, placements=tuple(placements), modules=modules
        )

    def _placement(self, name: str, digest: Digest) -> Placement:
        tree = self._store.read_tree(digest)
        assert tree is not None
        return plan_placement(
            tree,
            digest=digest,
            distribution=name,
            scheme=self._target.scheme,
            python=self._target.markers["python_version"],
            read=self._store.read_blob,
        )


def _add(path: str, data: bytes) -> None:
    """Write a file, unless a distribution has one there."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            file.write(data)
    except FileExistsError:
        pass
