"""The frame of environments: all that those for one target have in common.

It takes all activation scripts to compute, and is kept. The manifest of an environment is put
together from its frame and the canonical forms of its distributions, which are kept as well: after a
change of one package nothing is encoded but that.
"""

from __future__ import annotations

from envbuild.environment.footprint import Footprint
from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_EMPTY = b'{"distributions":[]'
"""How a manifest without distributions begins: its keys are sorted."""


@frozen
class Frame:
    """What is the same in every environment for a target.

    Attributes:
        manifest: of the environment without distributions, in canonical form.
        skeleton: footprint of the files and links that every environment has.
    """

    manifest: bytes
    skeleton: Footprint

    def manifest_of(self, distributions: Iterable[bytes]) -> bytes:
        """Return the manifest of the environment that has these distributions.

        Args:
            distributions: canonical forms of their `ManifestDistribution`s, sorted by name.
        """
        assert self.manifest.startswith(_EMPTY)
        listed = b",".join(distributions)
        return b"".join((_EMPTY[:-1], listed, b"]", self.manifest[len(_EMPTY) :]))

    def as_tuple(self) -> tuple[Any, ...]:
        """Return plain values for `marshal`."""
        return self.manifest, self.skeleton.as_tuple()

    @staticmethod
    def from_tuple(values: Any) -> Frame:
        """Return the frame that `as_tuple` took apart."""
        manifest, skeleton = values
        return Frame(manifest=manifest, skeleton=Footprint.from_tuple(skeleton))
