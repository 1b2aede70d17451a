"""Every name inside a store, and the version of the format they belong to.

The normative text is `store_layout/v1/layout.md`. Paths are relative to the store's folder and use
`/`. Nothing here touches a disk.
"""

from __future__ import annotations

from envbuild.digest import Digest, digest_of, is_digest

FORMAT = "envbuild-store"
VERSION = 1

FORMAT_FILE = "format.json"
FORMAT_DRAFT = "format.json."
"""What the names of its drafts begin with."""
BLOBS = "blobs"
TREES = "trees"
DERIVATIONS = "derivations"
REALISATIONS = "realisations"
MANIFESTS = "manifests"
ROOTS = "roots"
ENVIRONMENT_ROOTS = "roots/environments"
NAMED_ROOTS = "roots/named"
RUNNING = "running"
LOCKS = "locks"
WORK_LOCKS = "locks/work"
STORE_LOCK = "locks/store"
STAGING = "staging"
PARTIAL = "staging/partial"
TRASH = "trash"
QUARANTINE = "quarantine"
LOGS = "logs"
VIEWS = "views"
CACHE = "cache"

FOLDERS = (
    BLOBS,
    TREES,
    DERIVATIONS,
    REALISATIONS,
    MANIFESTS,
    ROOTS,
    ENVIRONMENT_ROOTS,
    NAMED_ROOTS,
    RUNNING,
    LOCKS,
    WORK_LOCKS,
    STAGING,
    PARTIAL,
    TRASH,
    QUARANTINE,
    LOGS,
    VIEWS,
    CACHE,
)
"""Folders of an empty store, parents first. Those that spread names out are made when needed."""

STAGING_OWNER = "owner"
"""In each folder below `staging`: a lock that its owner holds for as long as it lives."""

EXECUTABLE_SUFFIX = ".x"
FILE_MODE = 0o444
EXECUTABLE_MODE = 0o555

TIMESTAMP = 315_619_200
"""1980-01-02T00:00:00Z in seconds: the one modification time of everything that is linked.

Zip archives hold nothing before 1980, and 1 January would fall into 1979 west of Greenwich.
"""

LONGEST_ROOT_NAME = 100


def format_bytes() -> bytes:
    """Return what the format file of a store holds, to the byte."""
    return b'{"format":"%s","version":%d}\n' % (FORMAT.encode(), VERSION)


def blob(digest: Digest, *, executable: bool) -> str:
    """Return the path of a blob. Executable content has a name, and so an inode, of its own."""
    suffix = EXECUTABLE_SUFFIX if executable else ""
    return f"{BLOBS}/{digest[:2]}/{digest[2:]}{suffix}"


def parse_blob(path: str) -> tuple[Digest, bool] | None:
    """Return digest and executability of the blob at `path`, `None` where that names no blob."""
    executable = path.endswith(EXECUTABLE_SUFFIX)
    digest = _spread_digest(BLOBS, path.removesuffix(EXECUTABLE_SUFFIX))
    return None if digest is None else (digest, executable)


def record(kind: str, digest: Digest) -> str:
    """Return the path of a tree, derivation or manifest; `kind` is the folder's name."""
    return f"{kind}/{digest[:2]}/{digest[2:]}.json"


def parse_record(path: str) -> Digest | None:
    """Return the digest that the record at `path` must have, `None` where that names none."""
    kind = path.partition("/")[0]
    if kind not in {TREES, DERIVATIONS, MANIFESTS} or not path.endswith(".json"):
        return None
    return _spread_digest(kind, path.removesuffix(".json"))


def realisations(resolved_key: Digest) -> str:
    """Return the folder that holds the realisations of a resolved key."""
    return f"{REALISATIONS}/{resolved_key[:2]}/{resolved_key[2:]}"


def realisation(resolved_key: Digest, output: str) -> str:
    """Return the path of the realisation that gave `output` (a tree's digest, a SHA-256)."""
    return f"{realisations(resolved_key)}/{output}.json"


def parse_realisation(path: str) -> tuple[Digest, str] | None:
    """Return resolved key and output of the realisation at `path`, `None` where that names none."""
    folder, _, name = path.rpartition("/")
    key = _spread_digest(REALISATIONS, folder)
    output = name.removesuffix(".json")
    if key is None or output == name or not is_digest(output):
        return None
    return key, output


def logs(resolved_key: Digest) -> str:
    """Return the folder that holds what builds of a resolved key printed."""
    return f"{LOGS}/{resolved_key[:2]}/{resolved_key[2:]}"


def log(resolved_key: Digest, digest: Digest) -> str:
    """Return the path of a log, whose content has that digest."""
    return f"{logs(resolved_key)}/{digest}.log"


def key_of_log(path: str) -> Digest | None:
    """Return the resolved key whose build left the log at `path`, `None` where that is no log."""
    folder, _, name = path.rpartition("/")
    if not name.endswith(".log") or not is_digest(name.removesuffix(".log")):
        return None
    return _spread_digest(LOGS, folder)


def environment_root(path_digest: Digest) -> str:
    """Return the path of an environment's root; named by the digest of the environment's path."""
    return f"{ENVIRONMENT_ROOTS}/{path_digest}.json"


def environment_root_of(path: str) -> str:
    """Return the path of the root of the environment in the folder `path`, which is absolute."""
    return environment_root(digest_of(path.encode("utf-8")))


def named_root(name: str) -> str:
    """Return the path of the root that people call `name`."""
    assert is_root_name(name)
    return f"{NAMED_ROOTS}/{name}.json"


def is_root_name(text: str) -> bool:
    """Tell whether a root may be called `text`: ASCII letters, digits and, inside, `.`, `_`, `-`."""
    if not 0 < len(text) <= LONGEST_ROOT_NAME or not text.isascii():
        return False
    ends_well = text[0].isalnum() and text[-1].isalnum()
    return ends_well and all(char.isalnum() or char in "._-" for char in text)


def is_root(path: str) -> bool:
    """Tell whether the file at `path` has the name of a root."""
    folder, _, file = path.rpartition("/")
    name = file.removesuffix(".json")
    if name == file:
        return False
    return (folder == ENVIRONMENT_ROOTS and is_digest(name)) or (
        folder == NAMED_ROOTS and is_root_name(name)
    )


def work_lock(resolved_key: Digest) -> str:
    """Return the mutex of the work on a resolved key."""
    return f"{WORK_LOCKS}/{resolved_key}"


def view(tree: Digest) -> str:
    """Return the folder in which a tree is laid out for symbolic links to point to."""
    return f"{VIEWS}/{tree}"


def _spread_digest(folder: str, path: str) -> Digest | None:
    """Return the digest that `path` spells as `<folder>/<2 digits>/<62 digits>`."""
    parts = path.split("/")
    if len(parts) != 3 or parts[0] != folder or len(parts[1]) != 2:
        return None
    digest = parts[1] + parts[2]
    return Digest(digest) if is_digest(digest) else None
