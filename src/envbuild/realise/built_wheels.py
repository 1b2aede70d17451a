"""Wheels that were built: looked at, let into the store, and found there again.

What is known to come of a build stays; another outcome of the same build stands beside it, as
evidence. Of a build that came to nothing, what it printed is kept.
"""

from __future__ import annotations

import os

from envbuild import canonical
from envbuild.derivation.payload import payload_digest, symbolic_tree
from envbuild.digest import digest_of
from envbuild.errors import RealiseError
from envbuild.frozen import frozen
from envbuild.lockfile.names import normalise
from envbuild.lockfile.versions import is_version, same_version
from envbuild.selection.model import LocalTree
from envbuild.selection.wheels import WheelChooser
from envbuild.store import layout
from envbuild.store.publish import write_record
from envbuild.store.records import BuildOutput, Realisation, RebuildOutput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.canonical import Json
    from envbuild.derivation.build import BuildWheel
    from envbuild.digest import Digest
    from envbuild.realise.archive_limits import Limits
    from envbuild.realise.build import BuildFailed, BuildRoom, HookFailed
    from envbuild.realise.place import Place
    from envbuild.selection.model import SelectedPackage
    from envbuild.store.publish import Publication

_TOLD_BYTES = 2**20
"""As much of what a build printed is searched for why it failed, at most."""


class WrongWheel(RealiseError):
    """A wheel that was built, and is not the one that was to be built.

    Attributes:
        name: of the package.
        version: likewise, `None` where the lock has none.
        filename: of what was built.
        reason: what is wrong with it.
    """

    def __init__(
        self,
        name: str,
        version: str | None,
        filename: str,
        reason: str,
        *,
        hint: str | None = None,
    ) -> None:
        package = f"`{name}` {version}" if version else f"`{name}`"
        super().__init__(f"building {package} gave `{filename}`, {reason}", hint=hint)
        self.name = name
        self.version = version
        self.filename = filename
        self.reason = reason


@frozen
class Undertaking:
    """A build of which everything is decided.

    Attributes:
        package: that is built.
        derivation: of its wheel.
        source: digest of its source tree.
        payloads: of everything that it is built with, by name.
    """

    package: SelectedPackage
    derivation: BuildWheel
    source: Digest
    payloads: Mapping[str, Digest]

    @property
    def resolved(self) -> dict[str, Json]:
        """The derivation with its inputs replaced by what they gave."""
        return self.derivation.resolved(self.source, self.payloads)

    @property
    def key(self) -> Digest:
        """The resolved key."""
        return canonical.digest(self.resolved)


class BuiltWheels:
    """The wheels of builds in a store.

    Args:
        where: how builds are done.
        limits: what a wheel may unpack to.
    """

    def __init__(self, where: Place, limits: Limits) -> None:
        self._where = where
        self._store = where.store
        self._limits = limits
        self._chooser = WheelChooser(where.target.tags)

    def publish(
        self, wheel: str, undertaking: Undertaking, room: BuildRoom, publication: Publication
    ) -> Realisation:
        """Look at a wheel that was built, and let it appear in the store.

        Args:
            wheel: path of it.
            undertaking: the build that it came of.
            room: that it was built in, which is cleared.
            publication: that the wheel is part of.

        Raises:
            WrongWheel: it is not the one that was to be built; what was printed is kept.
            RealiseError: it cannot be unpacked; likewise.
        """
        try:
            return self._publish(wheel, undertaking, room, publication)
        except RealiseError:
            # How it came to such a wheel may be in what it printed.
            self._keep_failure(undertaking, room)
            raise

    def fail(self, undertaking: Undertaking, room: BuildRoom, error: HookFailed) -> BuildFailed:
        """Keep the log of a build that failed, and return what to raise."""
        from envbuild.realise.build import BuildFailed

        package = undertaking.package
        path, data = self._keep_failure(undertaking, room)
        return BuildFailed(
            package.name,
            package.version or "",
            error.reason,
            lines=data[-_TOLD_BYTES:].decode("utf-8", "replace").splitlines(),
            log=self._store.absolute(path),
            remedy=error.remedy,
            network=package.name in self._where.network,
        )

    def _publish(
        self, wheel: str, undertaking: Undertaking, room: BuildRoom, publication: Publication
    ) -> Realisation:
        from hashlib import file_digest

        from envbuild.realise.unpack import unpack_wheel

        package, filename = undertaking.package, os.path.basename(wheel)
        version = self._check_name(package, filename)
        with open(wheel, "rb") as file:
            unpacked = unpack_wheel(
                file.fileno(),
                filename=filename,
                distribution=package.name,
                version=version,
                verify_record=True,
                limits=self._limits,
                blobs=publication.blobs,
            )
            # Only now: what is no archive may be any size.
            file.seek(0)
            archive = file_digest(file, "sha256").hexdigest()
        tree = publication.add_tree(unpacked.tree)
        derivation, read = undertaking.derivation, self._store.read_blob
        unplaced = unpacked.tree
        if derivation.editable is not None:
            unplaced = symbolic_tree(unplaced, derivation.editable, read)
        payload = payload_digest(unplaced, read)
        publication.add_record(layout.DERIVATIONS, canonical.encode(derivation.as_json()))
        resolved = canonical.encode(undertaking.resolved)
        key = publication.add_record(layout.DERIVATIONS, resolved)
        _, log = self._keep_log(key, room.log, durable=False)
        known = {each.output_name for each in self._store.realisations(key)}
        kind = RebuildOutput if known else BuildOutput
        realisation = Realisation(
            resolved_key=key,
            output=kind(
                digest=tree,
                archive=archive,
                duration_ms=room.duration_ms,
                log=log,
                payload=payload,
                rung=self._where.rung,
            ),
            name=filename,
            notes=unpacked.notes,
        )
        if tree not in known:
            publication.add_realisation(realisation)
        room.clear()
        publication.commit()
        return realisation

    def _check_name(self, package: SelectedPackage, filename: str) -> str:
        """Return the version of a wheel that is called as it should be."""
        parts = filename.removesuffix(".whl").split("-")
        name, version = package.name, package.version
        if len(parts) not in {5, 6} or normalise(parts[0]) != name:
            raise WrongWheel(name, version, filename, f"which is no wheel of `{name}`")
        if self._chooser.choose([filename]) is None:
            raise WrongWheel(name, version, filename, "which does not fit the interpreter")
        found = parts[1]
        if version is None:
            if not is_version(found):
                raise WrongWheel(name, version, filename, f"and `{found}` is no version")
            return found
        if isinstance(package.distribution, LocalTree) and not same_version(found, version):
            raise WrongWheel(
                name,
                version,
                filename,
                "another version than the lock has",
                hint="the project has changed since it was locked: lock it again",
            )
        return version

    def _keep_failure(self, undertaking: Undertaking, room: BuildRoom) -> tuple[str, bytes]:
        """Keep what was printed by a build that came to nothing; return where, and that."""
        resolved = canonical.encode(undertaking.resolved)
        key = digest_of(resolved)
        write_record(self._store, layout.record(layout.DERIVATIONS, key), resolved)
        data = room.log
        path, _ = self._keep_log(key, data)
        return path, data

    def _keep_log(self, key: Digest, data: bytes, *, durable: bool = True) -> tuple[str, Digest]:
        digest = digest_of(data)
        path = layout.log(key, digest)
        write_record(self._store, path, data, durable=durable)
        return path, digest
