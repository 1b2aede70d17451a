"""What can be computed again, kept in the store's `cache` folder: it may be deleted at any time.

Each file carries the digest of its content in front, so that nothing is ever read that was not
written; that matters, because some content is decoded by `marshal`, which trusts its input.
Failing to write is no error: the next run computes again.
"""

from __future__ import annotations

import os

from blake3 import blake3

from envbuild.store import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.store.local import Store

_DIGEST_SIZE = 32


def write_cache(store: Store, name: str, data: bytes) -> None:
    """Keep `data` under `name`, replacing what was there."""
    path = store.absolute(f"{layout.CACHE}/{name}")
    draft = f"{path}.{os.getpid()}-{os.urandom(4).hex()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(draft, "wb") as file:
            file.write(blake3(data).digest())
            file.write(data)
        os.replace(draft, path)
    except OSError:
        try:
            os.unlink(draft)
        except OSError:
            pass


def read_cache(store: Store, name: str) -> bytes | None:
    """Return what was kept under `name`, `None` where it is absent or damaged."""
    try:
        with open(store.absolute(f"{layout.CACHE}/{name}"), "rb") as file:
            content = file.read()
    except OSError:
        return None
    data = content[_DIGEST_SIZE:]
    return data if blake3(data).digest() == content[:_DIGEST_SIZE] else None


def read_latest(store: Store, folder: str) -> bytes | None:
    """Return what was kept last in `folder`, `None` where that is nothing, or damaged."""
    path = store.absolute(f"{layout.CACHE}/{folder}")
    try:
        with os.scandir(path) as scan:
            # A name with a dot is a draft.
            kept = [entry for entry in scan if "." not in entry.name]
        latest = max(kept, key=lambda entry: entry.stat().st_mtime_ns)
    except (OSError, ValueError):
        return None
    return read_cache(store, f"{folder}/{latest.name}")
