"""Release versions of Python and the version specifiers that are laid against them (PEP 440).

Every run compares a version such as `3.12.4` with a set such as `>=3.11,<3.14`. For release
versions on both sides, PEP 440 is plain comparison of numbers, which is done here without loading
`packaging`; whatever has pre-, post-, dev- or local parts, an epoch or `===` is handed to it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Release = tuple[int, ...]
    Clause = tuple[str, Release, bool]

_OPERATORS = ("~=", "==", "!=", "<=", ">=", "<", ">")


def parse_release(text: str) -> Release | None:
    """Return the numbers of a release version, or `None` for a version of any other form."""
    parts = text.split(".")
    if not all(part.isascii() and part.isdigit() for part in parts):
        return None
    return tuple(int(part) for part in parts)


def release_part(version: str) -> str:
    """Return `version` without its pre-release part: `3.15.0rc1` becomes `3.15.0`."""
    for index, character in enumerate(version):
        if not (character == "." or character.isdigit()):
            return version[:index].rstrip(".")
    return version


def contains(specifiers: str, version: str) -> bool:
    """Tell whether a set of specifiers holds a version; a pre-release is a version like others.

    Raises:
        ValueError: either of them is not what PEP 440 allows.
    """
    clauses = _parse_clauses(specifiers)
    release = parse_release(version)
    if clauses is None or release is None:
        from packaging.specifiers import SpecifierSet

        return SpecifierSet(specifiers).contains(version, prereleases=True)
    return all(_holds(clause, release) for clause in clauses)


def contains_some_patch(specifiers: str, minor: tuple[int, int]) -> bool:
    """Tell whether a set of specifiers holds at least one release of a minor version.

    For specifiers that are not about releases alone the answer is yes, which only means that a
    closer look is needed.
    """
    clauses = _parse_clauses(specifiers)
    if clauses is None:
        return True
    # Between two patch versions that a clause names, no clause changes its mind.
    named = {0, *(numbers[2] for _, numbers, _ in clauses if len(numbers) > 2)}
    patches = named | {patch + 1 for patch in named}
    return any(all(_holds(clause, (*minor, patch)) for clause in clauses) for patch in patches)


def asks_for_prerelease(specifiers: str) -> bool:
    """Tell whether a set of specifiers names a pre-release version."""
    if _parse_clauses(specifiers) is not None:
        return False
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(specifiers).prereleases is True


def is_specifier_set(text: str) -> bool:
    """Tell whether `text` is a set of at least one specifier."""
    clauses = _parse_clauses(text)
    if clauses is not None or text.lstrip()[:1] not in set("=<>~!"):
        return bool(clauses)
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return len(SpecifierSet(text)) > 0
    except InvalidSpecifier:
        return False


def _parse_clauses(specifiers: str) -> list[Clause] | None:
    """Return operator, numbers and whether `.*` follows; `None` unless all are about releases."""
    clauses = []
    for piece in specifiers.split(","):
        text = piece.strip()
        if not text:
            continue
        operator = next((name for name in _OPERATORS if text.startswith(name)), None)
        if operator is None:
            return None
        version = text[len(operator) :].strip()
        stem = version.removesuffix(".*")
        is_prefix = stem != version
        numbers = parse_release(stem)
        if (
            numbers is None
            or (is_prefix and operator not in {"==", "!="})
            or (operator == "~=" and len(numbers) < 2)
        ):
            return None
        clauses.append((operator, numbers, is_prefix))
    return clauses


def _holds(clause: Clause, release: Release) -> bool:
    operator, wanted, is_prefix = clause
    length = max(len(release), len(wanted))
    mine = release + (0,) * (length - len(release))
    if is_prefix:
        return (mine[: len(wanted)] == wanted) == (operator == "==")
    theirs = wanted + (0,) * (length - len(wanted))
    match operator:
        case "==":
            return mine == theirs
        case "!=":
            return mine != theirs
        case "<":
            return mine < theirs
        case "<=":
            return mine <= theirs
        case ">":
            return mine > theirs
        case ">=":
            return mine >= theirs
        case _:
            return mine >= theirs and mine[: len(wanted) - 1] == wanted[:-1]
