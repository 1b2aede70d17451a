"""Every name inside a store, and the version of the format they belong to.

The normative text is `store_layout/v1/layout.md`. Paths are relative to the store's folder and use
`/`. Nothing here touches a disk.
"""

from __future__ import annotations

from envbuild.digest import Digest, is_digest

FORMAT = "envbuild-store"
VERSION = 1

FORMAT_FILE = "format.json"
BLOBS = "blobs"
TREES = "trees"
DERIVATIONS = "derivations"
REALISATIONS = "realisations"
MANIFESTS = "manifests"
ENVIRONMENT_ROOTS = "roots/environments"
NAMED_ROOTS = "roots/named"
RUNNING = "running"
WORK_LOCKS = "locks/work"
STORE_LOCK = "locks/store"
STAGING = "staging"
PARTIAL = "staging/partial"
TRASH = "trash"
QUARANTINE = "quarantine"
VIEWS = "views"
CACHE = "cache"

FOLDERS = (
    BLOBS,
    TREES,
    DERIVATIONS,
    REALISATIONS,
    MANIFESTS,
    "roots",
    ENVIRONMENT_ROOTS,
    NAMED_ROOTS,
    RUNNING,
    "locks",
    WORK_LOCKS,
    STAGING,
    PARTIAL,
    TRASH,
    QUARANTINE,
    VIEWS,
    CACHE,
)
"""Folders of an empty store, parents first; `shards()` below `blobs` come on top."""

EXECUTABLE_SUFFIX = ".x"
FILE_MODE = 0o444
EXECUTABLE_MODE = 0o555

TIMESTAMP = 315_619_200
"""1980-01-02T00:00:00Z in seconds: the one modification time of everything that is linked.

Zip archives hold nothing before 1980, and 1 January would fall into 1979 west of Greenwich.
"""


def shards() -> tuple[str, ...]:
    """Return the 256 folders that blobs are spread over."""
    return tuple(f"{BLOBS}/{number:02x}" for number in range(256))


def blob(digest: Digest, *, executable: bool) -> str:
    """Return the path of a blob. Executable content has a name, and so an inode, of its own."""
    suffix = EXECUTABLE_SUFFIX if executable else ""
    return f"{BLOBS}/{digest[:2]}/{digest[2:]}{suffix}"


def parse_blob(path: str) -> tuple[Digest, bool] | None:
    """Return digest and executability of the blob at `path`, `None` where that names no blob."""
    folder, _, rest = path.rpartition("/")
    top, _, shard = folder.rpartition("/")
    executable = rest.endswith(EXECUTABLE_SUFFIX)
    digest = shard + rest.removesuffix(EXECUTABLE_SUFFIX)
    if top == BLOBS and len(shard) == 2 and is_digest(digest):
        return Digest(digest), executable
    return None


def record(kind: str, digest: Digest) -> str:
    """Return the path of a tree, derivation or manifest; `kind` is the folder's name."""
    return f"{kind}/{digest[:2]}/{digest[2:]}.json"


def parse_record(path: str) -> Digest | None:
    """Return the digest that the record at `path` must have, `None` where that names none."""
    parts = path.split("/")
    if len(parts) == 3 and len(parts[1]) == 2 and parts[2].endswith(".json"):
        digest = parts[1] + parts[2].removesuffix(".json")
        if is_digest(digest):
            return Digest(digest)
    return None


def realisations(resolved_key: Digest) -> str:
    """Return the folder that holds the realisations of a resolved key."""
    return f"{REALISATIONS}/{resolved_key[:2]}/{resolved_key[2:]}"


def realisation(resolved_key: Digest, output: str) -> str:
    """Return the path of the realisation that gave `output` (a tree's digest, a SHA-256)."""
    return f"{realisations(resolved_key)}/{output}.json"


def environment_root(path_digest: Digest) -> str:
    """Return the path of an environment's root; named by the digest of the environment's path."""
    return f"{ENVIRONMENT_ROOTS}/{path_digest}.json"


def work_lock(resolved_key: Digest) -> str:
    """Return the mutex of the work on a resolved key."""
    return f"{WORK_LOCKS}/{resolved_key}"


def view(tree: Digest) -> str:
    """Return the folder in which a tree is laid out for symbolic links to point to."""
    return f"{VIEWS}/{tree}"
