"""From a selection to derivations: what has to be made for each package.

So far every package that is made is a wheel, so each comes down to one `Unpack` of one `Fetch`.
"""

from __future__ import annotations

from envbuild.derivation.model import Fetch, Unpack
from envbuild.errors import RealiseError, raise_all
from envbuild.frozen import frozen
from envbuild.selection.model import Sdist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from envbuild.selection.model import Artifact, SelectedPackage


class BuildUnsupported(RealiseError):
    """A package that has to be built from source, which is not done yet."""

    def __init__(self, name: str, version: str, filename: str) -> None:
        super().__init__(
            f"`{name}` {version} has to be built from `{filename}`, which is not supported yet"
        )
        self.name = name
        self.version = version
        self.filename = filename


@frozen
class Node:
    """A selected package with the derivation of its tree."""

    package: SelectedPackage
    unpack: Unpack


def compile_packages(
    packages: Iterable[SelectedPackage], *, verify_record: bool
) -> tuple[Node, ...]:
    """Return the derivations of selected packages, in their order.

    Raises:
        BuildUnsupported: a package has to be built; `Problems` for several.
    """
    packages = tuple(packages)
    raise_all(
        BuildUnsupported(package.name, package.version, package.distribution.filename)
        for package in packages
        if isinstance(package.distribution, Sdist)
    )
    return tuple(
        Node(package=package, unpack=_unpack(package, verify_record=verify_record))
        for package in packages
    )


def fetch_of(file: Artifact) -> Fetch:
    """Return the derivation that gives a file's bytes."""
    return Fetch(
        name=file.filename,
        hash=file.hash,
        location=file.location if file.hash is None else None,
    )


def _unpack(package: SelectedPackage, *, verify_record: bool) -> Unpack:
    return Unpack(
        source=fetch_of(package.distribution),
        distribution=package.name,
        version=package.version,
        verify_record=verify_record,
    )
