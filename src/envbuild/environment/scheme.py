"""The folders of an environment as its scheme lays them out."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.target.model import Scheme


def real(path: str) -> str:
    """Return where `path`, relative to a prefix, really is.

    `lib64` is a link to `lib` wherever a scheme speaks of it, so a file below one is a file below
    the other: without this, two files would be taken for two that are one.
    """
    return f"lib/{path[6:]}" if path.startswith("lib64/") else path


def scheme_folders(scheme: Scheme) -> frozenset[str]:
    """Return every folder that files are sorted into by the scheme, and all folders above one."""
    return _with_parents(
        scheme.purelib, scheme.platlib, scheme.scripts, scheme.headers, scheme.data
    )


def unit_for(path: str, shared: frozenset[str]) -> str:
    """Return the unit that a file belongs to: its shortest path that is none of the `shared` ones.

    Args:
        path: relative to the prefix.
        shared: what `scheme_folders` returns.
    """
    end = path.find("/")
    while end >= 0 and path[:end] in shared:
        end = path.find("/", end + 1)
    return path if end < 0 else path[:end]


def standing_folders(scheme: Scheme) -> frozenset[str]:
    """Return those that every environment has. Headers are left to the few wheels that bring any."""
    return _with_parents(scheme.purelib, scheme.platlib, scheme.scripts)


def _with_parents(*folders: str) -> frozenset[str]:
    found = set[str]()
    for folder in folders:
        names = real(folder).split("/")
        found.update("/".join(names[:count]) for count in range(1, len(names) + 1))
    return frozenset(found - {""})
