"""Versions as text: equality, specifiers, and the comparisons that markers ask for.

Nearly all of what a lock compares are plain releases such as `3.12` or `==3.11.*`. Those are
decided here; every other spelling of PEP 440 (pre-releases, epochs, local labels) is decided by
`packaging`, which is imported only then, because its import costs more than reading a lock.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATORS = ("===", "~=", "==", "!=", "<=", ">=", "<", ">")
"""The operators of PEP 440, each before every other that it begins with."""


class InvalidComparison(ValueError):
    """A version or a specifier that PEP 440 does not allow."""


def is_version(text: str) -> bool:
    """Tell whether `text` is a version."""
    if _is_canonical(text):
        return True
    from packaging.version import InvalidVersion, Version

    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def same_version(left: str, right: str) -> bool:
    """Tell whether two valid versions are equal: `1.0` equals `1.0.0`."""
    if left == right:
        return True
    left_release, right_release = _release(left), _release(right)
    if left_release is not None and right_release is not None:
        return left_release == right_release
    from packaging.version import Version

    return Version(left) == Version(right)


def release_of(version: str) -> str:
    """Return the release part of a valid version: `3.15.0` for `3.15.0rc1`."""
    if _release(version) is not None:
        return version
    from packaging.version import Version

    return Version(version).base_version


def satisfies(version: str, specifiers: str) -> bool:
    """Tell whether a valid version meets every clause of `specifiers`, pre-releases allowed.

    Raises:
        InvalidComparison: `specifiers` is not a list of specifiers.
    """
    return all(compare(version, operator, bound) for operator, bound in clauses(specifiers))


def clauses(specifiers: str) -> Iterator[tuple[str, str]]:
    """Yield the clauses of `specifiers` as operator and bound, in the order of the text.

    Raises:
        InvalidComparison: a clause begins with no operator.
    """
    for part in specifiers.split(","):
        clause = part.strip()
        if not clause:
            continue
        for operator in OPERATORS:
            if clause.startswith(operator):
                yield operator, clause[len(operator) :].strip()
                break
        else:
            raise InvalidComparison(f"`{clause}` is not a version specifier")


def check_version(text: str) -> None:
    """Make sure that `text` is a version.

    Raises:
        InvalidComparison: it is none.
    """
    if not is_version(text):
        raise InvalidComparison("not a version")


def check_specifiers(specifiers: str) -> None:
    """Make sure that `satisfies` can answer for `specifiers`, whatever the version.

    Raises:
        InvalidComparison: a clause is not a specifier.
    """
    for operator, bound in clauses(specifiers):
        check_bound(operator, bound)


def check_bound(operator: str, bound: str) -> None:
    """Make sure that `compare` can answer for this operator and bound, whatever the version.

    Raises:
        InvalidComparison: PEP 440 does not allow the two together.
    """
    if operator not in OPERATORS:
        raise InvalidComparison(f"`{operator}` is not an operator of versions")
    compare("0", operator, bound)


def compare(version: str, operator: str, bound: str) -> bool:
    """Tell whether a valid version meets one clause.

    Raises:
        InvalidComparison: PEP 440 does not allow `operator` and `bound` together.
    """
    have = _release(version)
    if have is None or operator == "===":
        return _compare_in_full(version, operator, bound)
    if bound.endswith(".*") and operator in {"==", "!="}:
        prefix = _parts(bound[:-2])
        if prefix is None:
            return _compare_in_full(version, operator, bound)
        return _begins(version, prefix) is (operator == "==")
    want = _release(bound)
    if want is None:
        return _compare_in_full(version, operator, bound)
    if operator == "~=":
        *prefix, _ = _parts(bound) or (0,)
        if not prefix:
            return _compare_in_full(version, operator, bound)
        return have >= want and _begins(version, prefix)
    match operator:
        case "==":
            return have == want
        case "!=":
            return have != want
        case "<":
            return have < want
        case "<=":
            return have <= want
        case ">":
            return have > want
        case ">=":
            return have >= want
        case _:
            raise AssertionError(operator)


def _begins(version: str, prefix: list[int]) -> bool:
    parts = [int(part) for part in version.split(".")]
    parts += [0] * (len(prefix) - len(parts))
    return parts[: len(prefix)] == prefix


def _compare_in_full(version: str, operator: str, bound: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, Specifier

    try:
        specifier = Specifier(operator + bound)
    except InvalidSpecifier as error:
        raise InvalidComparison(f"`{operator}{bound}` is not a version specifier") from error
    return specifier.contains(version, prereleases=True)


def _is_canonical(text: str) -> bool:
    """Tell whether `text` is a version without epoch, spelled as PEP 440 recommends."""
    public, plus, local = text.partition("+")
    if plus and not all(
        (part.isalnum() and part.islower()) or part.isdigit() for part in local.split(".")
    ):
        return False
    for marks in ((".dev",), (".post",), ("rc", "a", "b")):
        for mark in marks:
            before, found, number = public.rpartition(mark)
            if found:
                if not number.isdigit():
                    return False
                public = before
                break
    return text.isascii() and _parts(public) is not None


def _release(text: str) -> tuple[int, ...] | None:
    """Return what decides a plain release: its numbers without the zeros at the end."""
    parts = _parts(text)
    if parts is None:
        return None
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return tuple(parts)


def _parts(text: str) -> list[int] | None:
    if not text.isascii():
        return None
    parts = text.split(".")
    if not all(part.isdigit() for part in parts):
        return None
    return [int(part) for part in parts]
