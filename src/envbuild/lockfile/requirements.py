"""Requirements as text (PEP 508).

Nearly all that something asks for is a name with or without versions, such as `setuptools>=61`, perhaps
for an extra (`; extra == 'test'`). That is read here; every other spelling (extras, markers, addresses,
parentheses) by `packaging`, which is imported only then, because its import costs more than all of the
reading.
"""

from __future__ import annotations

from envbuild.frozen import frozen
from envbuild.lockfile.names import is_name, normalise
from envbuild.lockfile.versions import InvalidComparison, check_specifiers, satisfies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_IN_NAMES = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


@frozen
class Requirement:
    """What a requirement says.

    Attributes:
        name: normalised.
        specifiers: empty for any version.
        url: that it must be from, `None` where it is from an index.
        marker: empty for always.
    """

    name: str
    specifiers: str = ""
    url: str | None = None
    marker: str = ""

    def admits(self, version: str) -> bool:
        """Tell whether a valid version meets it, pre-releases like all others."""
        return satisfies(version, self.specifiers)

    def holds(self, environment: Mapping[str, str]) -> bool:
        """Tell whether its marker does where the variables are these."""
        return marker_holds(self.marker, environment)


def marker_holds(marker: str, environment: Mapping[str, str]) -> bool:
    """Tell whether a valid marker holds where the variables are these, `extra` among them.

    The empty one always does.
    """
    if not marker:
        return True
    extra = _only_extra(marker)
    if extra is not None:
        return extra == normalise(environment["extra"])
    from packaging.markers import Marker

    return Marker(marker).evaluate(dict(environment))


def parse_requirement(text: str) -> Requirement:
    """Return what a requirement says.

    Raises:
        ValueError: it is none; `packaging` says why.
    """
    plain = _parse_plain(text)
    if plain is not None:
        return plain
    from packaging.requirements import Requirement as Full

    full = Full(text)
    return Requirement(
        name=normalise(full.name),
        specifiers=str(full.specifier),
        url=full.url,
        marker="" if full.marker is None else str(full.marker),
    )


def _parse_plain(text: str) -> Requirement | None:
    end = 0
    text = text.strip(" \t")
    while end < len(text) and text[end] in _IN_NAMES:
        end += 1
    name, (specifiers, mark, marker) = text[:end], text[end:].partition(";")
    specifiers, marker = specifiers.strip(" \t"), marker.strip(" \t")
    if not name or not is_name(name) or (mark and _only_extra(marker) is None):
        return None
    if specifiers and any(not part.strip(" \t") for part in specifiers.split(",")):
        return None
    try:
        check_specifiers(specifiers)
    except InvalidComparison:
        return None
    return Requirement(name=normalise(name), specifiers=specifiers, marker=marker)


def _only_extra(marker: str) -> str | None:
    """Return the extra that a marker asks for and nothing else, normalised; `None` for another one."""
    words = marker.split(" ")
    if len(words) != 3 or words[:2] != ["extra", "=="]:
        return None
    quote, name = words[2][:1], words[2][1:-1]
    is_quoted = quote in {"'", '"'} and words[2].endswith(quote) and len(words[2]) > 2
    return normalise(name) if is_quoted and is_name(name) else None
