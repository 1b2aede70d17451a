"""Bytecode for build environments, so that a backend is not compiled anew for every build.

A build cannot write into its environment, and would compile whatever it imports each time. Here it is
compiled once: what some build was seen to import, from the content that the store has, by the
interpreter itself, which executes nothing for it. What a build reports is no more than which of the
modules of its environment are worth it. So no build can reach another one by this, and what is
imported is the same with it and without. `docs/decisions/build-bytecode.md` says what that is worth.

It is kept in the store's cache, by the wheel's tree and the interpreter, and may be gone at any time.
"""

from __future__ import annotations

import marshal
import os
import struct
import threading

from envbuild import canonical
from envbuild.digest import digest_of
from envbuild.store import layout
from envbuild.store.cache import read_cache, write_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envbuild.derivation.build import InterpreterIdentity
    from envbuild.digest import Digest
    from envbuild.environment.placement import Placement
    from envbuild.store.local import Store

_FORMAT = 1
_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bytecode_script.py")
_SECONDS = 60.0


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
        """Return how many modules of a wheel have been seen to be imported, as far as this run knows."""
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
                blobs = _modules(placement)
                sources = {path: blobs[path] for path in lacking if path in blobs}
                known = {**known, **self._compile(sources, prefix)}
                self._write(placement.tree, known)
        return [(self._beside(path), compiled) for path, compiled in known.items() if compiled]

    def note(self, placements: Iterable[Placement], imported: Iterable[str]) -> None:
        """Take down which modules are worth being compiled, by their paths in the environment.

        What is none of the distributions' is left out: the paths come from a build.
        """
        paths = frozenset(imported)
        for placement in placements:
            found = paths & _modules(placement).keys()
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

    def _compile(self, blobs: Mapping[str, str], prefix: str) -> dict[str, bytes]:
        """Return for paths of modules their bytecode, empty where there is none."""
        import subprocess

        asked = [struct.pack("<I", layout.TIMESTAMP)]
        for path, blob in blobs.items():
            source = self._store.read(f"{layout.BLOBS}/{blob}")
            parsed = layout.parse_blob(f"{layout.BLOBS}/{blob}")
            # A file that was changed behind the store's back is never kept in another form.
            if source is None or parsed is None or digest_of(source) != parsed[0]:
                source = b"\0"
            name = os.fsencode(f"{prefix}/{path}")
            asked += [struct.pack("<II", len(name), len(source)), name, source]
        answer = b""
        try:
            run = subprocess.run(
                (self._executable, "-I", "-S", "-B", _SCRIPT),
                input=b"".join(asked),
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
            answer = run.stdout
        except (OSError, subprocess.TimeoutExpired):
            # Nothing is lost but time.
            pass
        compiled = {}
        for path in blobs:
            size = int.from_bytes(answer[:4], "little")
            compiled[path], answer = answer[4 : 4 + size], answer[4 + size :]
        return compiled

    def _beside(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        return f"{folder}/__pycache__/{name.removesuffix('.py')}.{self._cache_tag}.pyc"


def _modules(placement: Placement) -> dict[str, str]:
    """Return the paths of modules in the environment, and of their blobs below `blobs`."""
    return {
        f"{folder}/{name}": blob
        for folder, files in placement.links
        for name, blob, size in files
        if size and name.endswith(".py")
    }
