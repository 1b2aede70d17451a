"""From a selection to derivations: what has to be made for each package.

So far every selected package is a wheel, so each comes down to one `Unpack` of one `Fetch`. A wheel
that has to be built will be an `Unpack` of a build instead; nothing else changes for its users.
"""

from __future__ import annotations

from envbuild.derivation.model import Fetch, Unpack
from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from envbuild.selection.model import SelectedPackage


@frozen
class Node:
    """A selected package with the derivation of its tree."""

    package: SelectedPackage
    unpack: Unpack


def compile_packages(
    packages: Iterable[SelectedPackage], *, verify_record: bool
) -> tuple[Node, ...]:
    """Return the derivations of selected packages, in their order."""
    return tuple(
        Node(package=package, unpack=_unpack(package, verify_record=verify_record))
        for package in packages
    )


def _unpack(package: SelectedPackage, *, verify_record: bool) -> Unpack:
    wheel = package.wheel
    source = Fetch(
        name=wheel.filename,
        hash=wheel.hash,
        location=wheel.location if wheel.hash is None else None,
    )
    return Unpack(
        source=source,
        distribution=package.name,
        version=package.version,
        verify_record=verify_record,
    )
