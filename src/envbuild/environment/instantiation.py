"""An instantiation: everything about an environment that follows from lock, request and target.

It is pure, so it is kept: a warm run reads it back and neither parses a lock nor evaluates a
marker. It holds no path of this machine; contents that do are rendered when an environment is made.
"""

from __future__ import annotations

import marshal

from envbuild.environment.footprint import Footprint
from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from envbuild.digest import Digest


@frozen
class Distribution:
    """One distribution of the environment.

    Attributes:
        footprint: its name, version, identity, and units.
        tree: the files that it consists of.
        requested: whether a root asks for it.
        direct_url: symbolic content of its `direct_url.json`, `None` for what an index gave.
        local_source: path of the file or folder that the lock names, relative to the lock's folder;
            `None` for what comes from elsewhere.
        archive: file name of the wheel, or what else it comes from, for people.
        excluded: paths that are left to other distributions, sorted.
        is_editable: whether it leads to a folder on this machine.
    """

    footprint: Footprint
    tree: Digest
    requested: bool
    direct_url: bytes | None
    local_source: str | None
    archive: str
    excluded: tuple[str, ...]
    is_editable: bool


@frozen
class Instantiation:
    """The environment as it would be at any prefix.

    Attributes:
        environment: the environment digest, and `manifest` the bytes that it is the digest of.
        skeleton: footprint of what every environment has.
        distributions: sorted by name.
        tolerated: paths that several distributions place, with equal content.
        notes: sentences for the user.
    """

    environment: Digest
    manifest: bytes
    skeleton: Footprint
    distributions: tuple[Distribution, ...]
    tolerated: frozenset[str]
    notes: tuple[str, ...]

    def dumps(self) -> bytes:
        """Return the form that is kept; readable by the same version of Python only."""
        return marshal.dumps(
            (
                self.environment,
                self.manifest,
                self.skeleton.as_tuple(),
                [
                    (
                        each.footprint.as_tuple(),
                        each.tree,
                        each.requested,
                        each.direct_url,
                        each.local_source,
                        each.archive,
                        each.excluded,
                        each.is_editable,
                    )
                    for each in self.distributions
                ],
                sorted(self.tolerated),
                self.notes,
            )
        )

    @staticmethod
    def loads(data: bytes) -> Instantiation:
        """Return what `dumps` gave as `data`, which must come from nowhere else."""
        values = marshal.loads(data)  # noqa: S302 - `store.cache` vouches for it
        environment, manifest, skeleton, distributions, tolerated, notes = values
        return Instantiation(
            environment=environment,
            manifest=manifest,
            skeleton=Footprint.from_tuple(skeleton),
            distributions=tuple(map(_distribution, distributions)),
            tolerated=frozenset(tolerated),
            notes=tuple(notes),
        )


def _distribution(values: Any) -> Distribution:
    footprint, tree, requested, direct_url, local_source, archive, excluded, is_editable = values
    return Distribution(
        footprint=Footprint.from_tuple(footprint),
        tree=tree,
        requested=requested,
        direct_url=direct_url,
        local_source=local_source,
        archive=archive,
        excluded=excluded,
        is_editable=is_editable,
    )
