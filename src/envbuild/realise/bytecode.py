"""Bytecode for build environments, so that a backend is not compiled anew for every build.

A build cannot write into its environment, and would compile whatever it imports each time. Here it is
compiled once: what a backend will probably import, and what some build was seen to import, from the
content that the store has, by the interpreter itself, which executes nothing for it. What a build
reports is no more than which of the modules of its environment are worth it. So no build can reach
another one by this, and what is imported is the same with it and without.
`docs/decisions/build-bytecode.md` says what that is worth.

It is kept in the store's cache, by the wheel's tree and the interpreter, and may be gone at any time.
"""

from __future__ import annotations

import marshal
import threading
from contextlib import ExitStack

from envbuild import canonical
from envbuild.digest import digest_of
from envbuild.interruption import give_way
from envbuild.realise.compiler import Compiler
from envbuild.realise.modules import Modules, module_files
from envbuild.store import layout
from envbuild.store.cache import read_cache, write_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envbuild.derivation.build import InterpreterIdentity
    from envbuild.digest import Digest
    from envbuild.environment.placement import Placement
    from envbuild.realise.compiler import Import
    from envbuild.store.local import Store

_FORMAT = 1


class Bytecode:
    """What has been compiled for one interpreter. May be used by several threads at once.

    Args:
        store: where sources are, and what is kept.
        executable: path of the interpreter.
        identity: of it.
    """

    def __init__(self, store: Store, executable: str, identity: InterpreterIdentity) -> None:
        self._store = store
        self._executable = executable
        self._cache_tag = identity.cache_tag
        self._kind = canonical.digest(
            [_FORMAT, identity.implementation, identity.version, identity.cache_tag]
        )[:16]
        self._mutex = threading.Lock()
        self._busy: dict[Digest, threading.Lock] = {}
        self._counts: dict[Digest, int] = {}

    def count(self, tree: Digest) -> int:
        """Return how many modules of a wheel are worth being compiled, as far as this run knows."""
        return self._counts.get(tree, 0)

    def files(self, placement: Placement, prefix: str) -> list[tuple[str, bytes]]:
        """Return bytecode files for a distribution: path relative to the environment, and content.

        Args:
            placement: of the distribution.
            prefix: where the environment is when it is used.
        """
        with self._lock_of(placement.tree):
            known = self._read(placement.tree)
            lacking = [path for path, compiled in known.items() if compiled is None]
            if lacking:
                blobs = module_files(placement)
                with Compiler(self._executable) as compiler:
                    for path in lacking:
                        give_way()
                        if path in blobs:
                            known[path], _ = self._compile(compiler, path, blobs[path], prefix)
                self._write(placement.tree, known)
        return [(self._beside(path), compiled) for path, compiled in known.items() if compiled]

    def foresee(
        self, backend: str, placements: Sequence[Placement], roots: Iterable[str], prefix: str
    ) -> None:
        """Compile what a backend that nobody has seen at work will probably import.

        That is what can be seen to be imported in it, and from there on, and in what its environment
        has of plug-ins; of what is known already, nothing.

        Args:
            backend: module of the backend.
            placements: of the distributions in its environment.
            roots: folders of the environment that modules are looked for in, relative to it.
            prefix: where the environment is when it is used.
        """
        modules = Modules(placements, roots)
        with ExitStack() as held:
            for tree in sorted({placement.tree for placement in placements}):
                held.enter_context(self._lock_of(tree))
            known = {placement.tree: self._read(placement.tree) for placement in placements}
            before = {tree: len(each) for tree, each in known.items()}
            compiler = held.enter_context(Compiler(self._executable))
            waiting = [backend, *self._plugins(placements)]
            while waiting and not compiler.is_late:
                give_way()
                for module in modules.found(waiting.pop()):
                    if module.path not in known[module.tree]:
                        compiled, imports = self._compile(
                            compiler, module.path, module.blob, prefix
                        )
                        known[module.tree][module.path] = compiled
                        waiting += module.resolve(imports)
            for tree, each in known.items():
                if len(each) > before[tree]:
                    self._write(tree, each)

    def _plugins(self, placements: Iterable[Placement]) -> Iterable[str]:
        """Return the modules that distributions offer to others, by their entry points."""
        for placement in placements:
            for folder, files in placement.links:
                for name, blob, size in files:
                    if name == "entry_points.txt" and size and folder.endswith(".dist-info"):
                        yield from _entry_points(self._source(blob).decode("utf-8", "replace"))

    def note(self, placements: Iterable[Placement], imported: Iterable[str]) -> None:
        """Take down which modules are worth being compiled, by their paths in the environment.

        What is none of the distributions' is left out: the paths come from a build.
        """
        paths = frozenset(imported)
        for placement in placements:
            found = paths & module_files(placement).keys()
            with self._lock_of(placement.tree):
                known = self._read(placement.tree)
                if not found <= known.keys():
                    self._write(placement.tree, {**dict.fromkeys(sorted(found)), **known})

    def _lock_of(self, tree: Digest) -> threading.Lock:
        with self._mutex:
            return self._busy.setdefault(tree, threading.Lock())

    def _name(self, tree: Digest) -> str:
        return f"bytecode/{tree[:2]}/{tree[2:]}-{self._kind}"

    def _read(self, tree: Digest) -> dict[str, bytes | None]:
        data = read_cache(self._store, self._name(tree))
        known = {} if data is None else dict(marshal.loads(data))  # noqa: S302 - by `write_cache`
        self._counts[tree] = len(known)
        return known

    def _write(self, tree: Digest, known: Mapping[str, bytes | None]) -> None:
        self._counts[tree] = len(known)
        write_cache(self._store, self._name(tree), marshal.dumps(dict(known), 4))

    def _compile(
        self, compiler: Compiler, path: str, blob: str, prefix: str
    ) -> tuple[bytes, list[Import]]:
        return compiler.compile(f"{prefix}/{path}", self._source(blob))

    def _source(self, blob: str) -> bytes:
        """Return the content of a blob, whose path is relative to all of them."""
        path = f"{layout.BLOBS}/{blob}"
        source, parsed = self._store.read(path), layout.parse_blob(path)
        # A file that was changed behind the store's back is never kept in another form.
        if source is None or parsed is None or digest_of(source) != parsed[0]:
            return b"\0"
        return source

    def _beside(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        return f"{folder}/__pycache__/{name.removesuffix('.py')}.{self._cache_tag}.pyc"


def _entry_points(text: str) -> Iterable[str]:
    """Return the modules of entry points, but for those of commands."""
    group = ""
    for line in text.splitlines():
        if line.startswith("["):
            group = line.strip("[] ")
        elif "=" in line and group not in {"console_scripts", "gui_scripts"}:
            yield line.partition("=")[2].partition(":")[0].partition("[")[0].strip()
