"""Finding what a build printed: of the latest build of a package, whether it succeeded or not."""

from __future__ import annotations

import os

from envbuild.errors import UsageError
from envbuild.frozen import frozen
from envbuild.lockfile.names import normalise
from envbuild.store import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from envbuild.digest import Digest
    from envbuild.store.local import Store


class NoLog(UsageError):
    """A package of which no build has left a log in the store."""

    def __init__(self, asked: str, store: str) -> None:
        super().__init__(f"the store `{store}` has no log of a build of `{asked}`")
        self.asked = asked
        self.store = store


@frozen
class BuildLog:
    """What a build printed.

    Attributes:
        name: of the package, and `version`.
        key: the resolved key of the build.
        path: of the log.
        changed: when it was written, in nanoseconds.
    """

    name: str
    version: str
    key: Digest
    path: str
    changed: int


def find_log(store: Store, asked: str) -> BuildLog:
    """Return the latest log of a package, asked for as `name` or `name==version`.

    Raises:
        NoLog: there is none.
    """
    name, _, version = asked.partition("==")
    found = [
        each
        for each in _logs(store)
        if each.name == normalise(name) and version in {"", each.version}
    ]
    if not found:
        raise NoLog(asked, store.path)
    return max(found, key=lambda each: (each.changed, each.path))


def _logs(store: Store) -> Iterator[BuildLog]:
    from envbuild import canonical

    for path in store.walk(layout.LOGS):
        key = layout.key_of_log(path)
        data = None if key is None else store.read_record(layout.DERIVATIONS, key)
        if key is None or data is None:
            continue
        document = canonical.decode(data, what="derivation")
        assert isinstance(document, dict)
        place = store.absolute(path)
        yield BuildLog(
            name=str(document.get("distribution")),
            version=str(document.get("distribution_version")),
            key=key,
            path=place,
            changed=os.stat(place).st_mtime_ns,
        )
