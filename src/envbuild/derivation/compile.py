"""From a selection to derivations: what has to be made for each package.

A wheel comes down to one `Unpack` of one `Fetch`. Of what has to be built, these are the sources: one
`UnpackSource` of one `Fetch`. What it is built with is only known when they have been looked at.
"""

from __future__ import annotations

from envbuild.derivation.model import Fetch, Unpack
from envbuild.derivation.sources import UnpackSource
from envbuild.frozen import frozen
from envbuild.selection.model import Sdist, Wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from envbuild.selection.model import SelectedPackage


@frozen
class Node:
    """A selected package, and how its tree comes about, or the tree that it is built from.

    Attributes:
        package: which.
        archive: that it comes from.
        fetch: gives the bytes of the archive.
        unpack: gives the tree.
    """

    package: SelectedPackage
    archive: Wheel | Sdist
    fetch: Fetch
    unpack: Unpack | UnpackSource


def compile_packages(
    packages: Iterable[SelectedPackage], *, verify_record: bool
) -> tuple[Node, ...]:
    """Return the derivations of packages that have an archive, in their order."""
    return tuple(_node(package, verify_record=verify_record) for package in packages)


def _node(package: SelectedPackage, *, verify_record: bool) -> Node:
    file, name, version = package.distribution, package.name, package.version
    assert isinstance(file, Wheel | Sdist)
    fetch = Fetch(
        name=file.filename,
        hash=file.hash,
        location=file.location if file.hash is None else None,
    )
    unpack: Unpack | UnpackSource
    if isinstance(file, Sdist):
        unpack = UnpackSource(source=fetch, distribution=name, version=version)
    else:
        assert version is not None
        unpack = Unpack(
            source=fetch, distribution=name, version=version, verify_record=verify_record
        )
    return Node(package=package, archive=file, fetch=fetch, unpack=unpack)
