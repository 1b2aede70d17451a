"""What builds are done with and what comes of them, as values."""

from __future__ import annotations

from envbuild import canonical
from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.canonical import Json
    from envbuild.derivation.build import BuildWheel
    from envbuild.derivation.model import Unpack
    from envbuild.digest import Digest
    from envbuild.realise.build_system import BuildSystem
    from envbuild.realise.local_files import Signature
    from envbuild.selection.model import SelectedPackage
    from envbuild.store.records import Realisation


@frozen
class BuildPins:
    """What something is built with.

    Attributes:
        packages: everything in the build environment.
        requires: everything that this meets; sorted.
        is_whole: whether what the backend adds is among it.
        reason: where it is not, why, as a sentence without its full stop.
        extra_requires: those of `requires` that the project adds.
        hook_requires: those that the backend adds.
        strategy: by which the versions were chosen, for people.
    """

    packages: tuple[SelectedPackage, ...]
    requires: tuple[str, ...]
    is_whole: bool
    reason: str = ""
    extra_requires: tuple[str, ...] = ()
    hook_requires: tuple[str, ...] = ()
    strategy: str = ""


@frozen
class Built:
    """What came of a package.

    Attributes:
        version: of the wheel.
        tree: of the wheel.
        made_by: the derivation that gives it.
        payload: the tree's payload digest.
        folder: for an editable, the folder that it leads to.
        signatures: of paths on this machine, see `SourceTree`; all those that this rests on.
        notes: what the user should know.
        fetched: bytes that came from elsewhere for it.
        pinned: SHA-256 of the source archive where the lock has none and it was hashed just now.
        realisation: for a build, what is known of it.
        is_new: whether it was built just now.
    """

    version: str
    tree: Digest
    made_by: BuildWheel | Unpack
    payload: Digest
    folder: str | None = None
    signatures: tuple[tuple[str, Signature | None], ...] | None = ()
    notes: tuple[str, ...] = ()
    fetched: int = 0
    pinned: str | None = None
    realisation: Realisation | None = None
    is_new: bool = False


@frozen
class Described:
    """What a package is built from and with, as far as that is known without doing anything.

    Attributes:
        package: which.
        source: digest of its source tree, `None` where that is not in the store.
        system: how that tree says that it is built; `None` likewise.
        pins: what it is built with, `None` where the sources are not there.
        environment: of that, what is in the store, by name.
        derivation: of the wheel, `None` where something is missing that decides it.
        resolved: the derivation with its inputs replaced by what they gave; `None` likewise.
    """

    package: SelectedPackage
    source: Digest | None = None
    system: BuildSystem | None = None
    pins: BuildPins | None = None
    environment: Mapping[str, Built]
    derivation: BuildWheel | None = None
    resolved: dict[str, Json] | None = None

    @property
    def key(self) -> Digest | None:
        """The resolved key, `None` where that is not known."""
        return None if self.resolved is None else canonical.digest(self.resolved)


@frozen
class Rebuilt:
    """What came of a build that was done although its outcome may have been known.

    Attributes:
        key: the resolved key.
        known: what had come of it before, and is what environments get; `None` where nothing had.
        made: what came of it now.
    """

    key: Digest
    known: Realisation | None
    made: Realisation
