"""What long work reports while it goes on: frozen values, and the protocol that receives them.

Events say what happens; wording, progress bars and colours belong to the command line. The default
reporter ignores everything, so no step needs to ask whether somebody listens. Events may arrive
from several threads at once; a reporter that minds must take its own mutex.
"""

from __future__ import annotations

from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


@frozen
class FetchesPlanned:
    """So many archives must be fetched; `size` is their sum in bytes where every size is known."""

    count: int
    size: int | None


@frozen
class FetchStarted:
    """A transfer begins; `size` in bytes, `offset` of them are here from an earlier attempt."""

    name: str
    size: int | None
    offset: int


@frozen
class BytesFetched:
    """`count` more bytes of archive `name` have arrived."""

    name: str
    count: int


@frozen
class FetchRetried:
    """A transfer failed with `reason` and starts again after `delay` seconds."""

    name: str
    reason: str
    attempt: int
    delay: float


@frozen
class FetchFinished:
    """Archive `name` is here and its hash agrees."""

    name: str
    size: int


@frozen
class Unpacked:
    """Archive `name` is in the store: `files` files, `new_bytes` of them not there before."""

    name: str
    files: int
    new_bytes: int


@frozen
class BuildStarted:
    """A package is about to be built, in a sandbox unless that is `None`."""

    name: str
    version: str | None
    sandbox: str | None


@frozen
class BuildPrinted:
    """A build has printed a line."""

    name: str
    line: str


@frozen
class BuildFinished:
    """A package is built; that took so many seconds."""

    name: str
    version: str | None
    seconds: float


@frozen
class BuildStopped:
    """A package is not being built any more, without a wheel: it failed, or somebody else has built it."""

    name: str
    version: str | None
    failed: bool


@frozen
class LinksPlanned:
    """So many files are about to be placed in the environment."""

    files: int


@frozen
class FilesLinked:
    """`count` more files are in place."""

    count: int


@frozen
class StoreCheckPlanned:
    """So many blobs of a store are about to be read and hashed."""

    blobs: int


@frozen
class BlobsChecked:
    """`count` more blobs have been hashed."""

    count: int


@frozen
class WaitingFor:
    """Another process holds what is needed; `holder` says who, where that is known."""

    what: str
    holder: str | None


@frozen
class Notice:
    """A plain line that the user should read although nothing failed."""

    text: str


Event = (
    FetchesPlanned
    | FetchStarted
    | BytesFetched
    | FetchRetried
    | FetchFinished
    | Unpacked
    | BuildStarted
    | BuildPrinted
    | BuildFinished
    | BuildStopped
    | LinksPlanned
    | FilesLinked
    | StoreCheckPlanned
    | BlobsChecked
    | WaitingFor
    | Notice
)


class Reporter(Protocol):
    """Receives events; never raises, never blocks for long."""

    def report(self, event: Event) -> None:
        """Take note of `event`."""


class SilentReporter:
    """The reporter of those who do not listen."""

    def report(self, event: Event) -> None:
        """Ignore `event`."""


SILENT = SilentReporter()
