"""The records of roots: what a collector must keep, as values; `records` reads them.

The form is specified in `store_layout/v1/roots.md`.
"""

from __future__ import annotations

from envbuild import canonical
from envbuild.frozen import frozen
from envbuild.store import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.digest import Digest

ROOT_FORMAT = "envbuild-root"
ROOT_VERSION = 1


@frozen
class EnvironmentRoot:
    """An environment that needs what its manifest lists.

    Attributes:
        path: absolute path of the environment's folder.
        manifest: the environment digest; the store holds the manifest under that name.
    """

    path: str
    manifest: Digest

    @property
    def location(self) -> str:
        """Where the record lies in a store."""
        return layout.environment_root_of(self.path)

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        return canonical.encode(
            {
                "format": ROOT_FORMAT,
                "kind": "environment",
                "manifest": self.manifest,
                "path": self.path,
                "version": ROOT_VERSION,
            }
        )


@frozen
class NamedRoot:
    """What somebody wants kept under a name, whether or not an environment is made of it.

    Attributes:
        name: as `layout.is_root_name` allows it.
        manifest: the environment digest; the store holds the manifest under that name.
    """

    name: str
    manifest: Digest

    @property
    def location(self) -> str:
        """Where the record lies in a store."""
        return layout.named_root(self.name)

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        return canonical.encode(
            {
                "format": ROOT_FORMAT,
                "kind": "named",
                "manifest": self.manifest,
                "name": self.name,
                "version": ROOT_VERSION,
            }
        )


Root = EnvironmentRoot | NamedRoot
