"""Roots: what a collector must not remove, and everything that is reachable from it.

An environment registers itself by its path, with its manifest, so that what it needs is known even
while its disk is not there. The form is specified in `store_layout/v1/roots.md`.
"""

from __future__ import annotations

import errno
import os

from envbuild import canonical
from envbuild.digest import digest_of
from envbuild.store import layout
from envbuild.store.local import StoreUnusable
from envbuild.store.root_records import EnvironmentRoot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.digest import Digest
    from envbuild.store.local import Store

_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


def is_registered(store: Store, prefix: str, manifest: Digest) -> bool:
    """Tell whether the environment at `prefix` is a root with that manifest, which is there."""
    if not canonical.is_text(prefix):
        return False
    root = EnvironmentRoot(path=prefix, manifest=manifest)
    try:
        with open(store.absolute(root.location), "rb") as file:
            agrees = file.read() == root.encode()
    except OSError:
        return False
    return agrees and os.path.exists(store.absolute(layout.record(layout.MANIFESTS, manifest)))


def register(store: Store, prefix: str, manifest: bytes, *, durable: bool = True) -> bool:
    """Make the environment at `prefix` a root; return whether the store can be written.

    Where the path is no Unicode text it cannot be a root either.

    Args:
        store: where.
        prefix: absolute path of the environment.
        manifest: its manifest, in canonical form.
        durable: whether the root must survive a power cut: where the environment is made of links
            into the store, and would not survive a collection that does not know of it.

    Raises:
        StoreUnusable: the operating system refuses for another reason, such as a full disk.
    """
    from envbuild.store.publish import write_record

    if not canonical.is_text(prefix):
        return False
    digest = digest_of(manifest)
    root = EnvironmentRoot(path=prefix, manifest=digest)
    record = layout.record(layout.MANIFESTS, digest)
    try:
        if store.read(record) != manifest:
            write_record(store, record, manifest, durable=durable)
        write_record(store, root.location, root.encode(), durable=durable)
    except OSError as error:
        if error.errno in _READ_ONLY:
            return False
        raise StoreUnusable(store.path, "write to", error) from error
    return True
