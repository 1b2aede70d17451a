"""The shape of a lock under a target: plain tuples, and where in them to find what.

Everything is made of tuples, dictionaries, strings, numbers and truth values, so that `marshal` can
write it; the constants stand in for the field names that such tuples do not have. What is in a
package depends on nothing but its own text and the target: where its edges lead is not decided,
because that depends on which other packages the lock has.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from envbuild.lockfile.package import DefaultGroups
    from envbuild.selection.conditions import Condition
    from envbuild.selection.model import SourceKind
    from envbuild.selection.wheels import Miss

    SourceKey = tuple[SourceKind, str, str]
    """Kind, location, subdirectory: equal for equal sources."""

    Edge = tuple[str, str | None, SourceKey | None, tuple[str, ...], Condition]
    """Name, version, source and extras as the lock has them, and when the edge holds."""

    Chosen = tuple[str, str, str, str | None, int | None]
    """File name, location, credentials, hash and size of a file."""

    Commit = tuple[str, str, bool, str]
    """URL without credentials, commit, whether Git LFS is wanted, credentials."""

    Choice = tuple[Chosen | None, Miss | None, Chosen | None, Commit | None]
    """The best wheel, or else in what the nearest do not fit; the source distribution; the commit
    that is there instead."""

    EvaluatedPackage = tuple[
        str,
        str | None,
        SourceKey,
        bool,
        tuple[Edge, ...],
        dict[str, tuple[Edge, ...]],
        dict[str, tuple[Edge, ...]],
        tuple[str, ...],
        tuple[str, ...],
        DefaultGroups | None,
        dict[str, str],
        Choice | None,
    ]

    Root = tuple[str, tuple[str, ...]]
    """Name and extras of a requirement that holds for the target."""

    Item = tuple[str, str, str]
    """Package, kind and name of an item of a conflict."""

    EvaluatedHead = tuple[
        int,
        str,
        bool,
        bool,
        tuple[str, ...],
        tuple[tuple[Item, ...], ...],
        tuple[str, ...],
        tuple[Root, ...],
        dict[str, tuple[Root, ...]],
        DefaultGroups | None,
        dict[str, str],
    ]

# An evaluated package.
NAME: Final = 0
VERSION: Final = 1
SOURCE: Final = 2
IN_FORK: Final = 3
"""Whether it belongs to the fork that the target is in."""
DEPENDENCIES: Final = 4
EXTRAS: Final = 5
"""Edges by extra."""
GROUPS: Final = 6
"""Edges by group."""
PROVIDED_EXTRAS: Final = 7
"""The extras that its metadata declares."""
DECLARED_GROUPS: Final = 8
"""The groups that its metadata declares."""
DEFAULT_GROUPS: Final = 9
UNMET_GROUPS: Final = 10
"""The groups that do not allow the target's Python, and what they ask for."""
CHOICE: Final = 11
"""What there is to choose from; `None` for a local tree, which has no files."""

# An evaluated head.
REVISION: Final = 0
REQUIRES_PYTHON: Final = 1
PYTHON_FITS: Final = 2
"""Whether `requires-python` allows the target's Python."""
IS_COVERED: Final = 3
"""Whether a fork of the resolution covers the target."""
UNSUPPORTED: Final = 4
"""The supported environments, when the target is none of them."""
CONFLICTS: Final = 5
MEMBERS: Final = 6
REQUIREMENTS: Final = 7
ROOT_GROUPS: Final = 8
"""Requirements by group, for a root that is no project."""
ROOT_DEFAULT_GROUPS: Final = 9
ROOT_UNMET_GROUPS: Final = 10
