"""Roots: what a collector must not remove, and everything that is reachable from it.

An environment registers itself by its path, with its manifest, so that what it needs is known even
while its disk is not there. Nothing here waits for a disk: a root that a power failure tears is
not believed, and is written again by the next command that looks at the environment.
"""

from __future__ import annotations

import os

from envbuild.digest import digest_of
from envbuild.store import layout
from envbuild.store.records import EnvironmentRoot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.digest import Digest
    from envbuild.store.local import Store


def root_path(prefix: str) -> str:
    """Return where the root of the environment at the absolute path `prefix` is."""
    return layout.environment_root(digest_of(os.fsencode(prefix)))


def is_registered(store: Store, prefix: str, manifest: Digest) -> bool:
    """Tell whether the environment at `prefix` is a root with that manifest."""
    expected = EnvironmentRoot(path=prefix, manifest=manifest).encode()
    try:
        with open(store.absolute(root_path(prefix)), "rb") as file:
            return file.read() == expected
    except OSError:
        return False


def register(store: Store, prefix: str, manifest: bytes) -> bool:
    """Make the environment at `prefix` a root; return whether the store can be written.

    Args:
        store: where.
        prefix: absolute path of the environment.
        manifest: its manifest, in canonical form.
    """
    digest = digest_of(manifest)
    root = EnvironmentRoot(path=prefix, manifest=digest)
    try:
        _write(store.absolute(layout.record(layout.MANIFESTS, digest)), manifest)
        _write(store.absolute(root_path(prefix)), root.encode())
    except OSError:
        return False
    return True


def _write(path: str, data: bytes) -> None:
    draft = f"{path}.{os.getpid()}-{os.urandom(4).hex()}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with open(draft, "wb") as file:
            file.write(data)
        os.replace(draft, path)
    except OSError:
        try:
            os.unlink(draft)
        except OSError:
            pass
        raise
