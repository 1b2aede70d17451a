"""A placement: where the files of one wheel's tree go in an environment. `spread` decides it.

It is made for speed: a warm run loads hundreds of placements from a cache and does nothing with
them but to link.
"""

from __future__ import annotations

from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from envbuild.digest import Digest


@frozen
class Placement:
    """Where the files of one wheel's tree go. Every path is relative to the prefix.

    Attributes:
        tree: the tree's digest.
        info: the `.dist-info` folder.
        folders: that must exist, parents first; those that every environment has are left out.
        links: folder, and for each of its files name, path of the blob below `blobs`, and size;
            sorted. The prefix itself is the folder `.`. Empty files are here too.
        launchers: path and content, from the end of the shebang on; executable.
        record: rows of RECORD, sorted by path, for everything that is the same in every
            environment, cut where a row of `written_rows` may come in.
        units: sorted; the shortest paths that no scheme shares between wheels by itself: a folder
            or file right below `site-packages`, a script, a folder of headers, and below the prefix
            the first name that the scheme has no use for. Units of any two wheels are equal or
            disjoint, never one below the other.
        excluded: sorted; paths that the wheel has something for, and that are left to another
            distribution: nothing else here speaks of them.
    """

    tree: Digest
    info: str
    folders: tuple[str, ...]
    links: tuple[tuple[str, tuple[tuple[str, str, int], ...]], ...]
    launchers: tuple[tuple[str, bytes], ...]
    record: tuple[bytes, ...]
    units: tuple[str, ...]
    excluded: tuple[str, ...] = ()

    def as_tuple(self) -> tuple[Any, ...]:
        """Return plain tuples of strings, numbers and bytes, for `marshal`."""
        return (
            self.tree,
            self.info,
            self.folders,
            self.links,
            self.launchers,
            self.record,
            self.units,
            self.excluded,
        )

    @staticmethod
    def from_tuple(values: Any) -> Placement:
        """Return the placement that `as_tuple` took apart."""
        tree, info, folders, links, launchers, record, units, excluded = values
        return Placement(
            tree=tree,
            info=info,
            folders=folders,
            links=links,
            launchers=launchers,
            record=record,
            units=units,
            excluded=excluded,
        )
