"""The text of a `pylock.toml` (PEP 751), read by `packaging`.

Such a lock holds no graph: each package carries the marker under which it is installed.
"""

from __future__ import annotations

from envbuild.lockfile.parse import UnsupportedLockVersion
from envbuild.lockfile.parse_package import is_commit
from envbuild.lockfile.tables import InvalidEntry
from envbuild.lockfile.toml import parse_toml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packaging.pylock import Pylock


def is_pylock_name(filename: str) -> bool:
    """Tell whether PEP 751 calls a file of that name a lock: `pylock.toml` or `pylock.<name>.toml`."""
    parts = filename.split(".")
    return len(parts) in {2, 3} and parts[0] == "pylock" and parts[-1] == "toml" and all(parts)


def parse_pylock(text: str, *, file: str) -> Pylock:
    """Return the lock that `text` is.

    Args:
        text: of the lockfile.
        file: how to call it in errors.

    Raises:
        NotToml: `text` is not TOML.
        UnsupportedLockVersion: it is of another version of the format.
        InvalidEntry: it says what no such lock can say.
    """
    from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError

    document = parse_toml(text, file=file)
    try:
        lock = Pylock.from_dict(document)
    except PylockUnsupportedVersionError as error:
        raise UnsupportedLockVersion(file, str(document["lock-version"]), "1.0") from error
    except PylockValidationError as error:
        raise InvalidEntry(file, error.context or "lock-version", error.message) from error
    for index, package in enumerate(lock.packages):
        vcs = package.vcs
        if vcs is not None and vcs.type == "git" and not is_commit(vcs.commit_id):
            place = f"packages[{index}].vcs.commit-id"
            raise InvalidEntry(file, place, f"must be a full commit, found `{vcs.commit_id}`")
    return lock
