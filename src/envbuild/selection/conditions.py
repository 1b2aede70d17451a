"""What a marker leaves undecided once the target is known: a condition on what is active.

A target decides every variable of a marker but `extra`, by which a lock with conflicts encodes the
extras, groups and projects that are active. So a condition is `True`, `False`, or
`(name, otherwise, then)`: `then` holds when `name` is active, `otherwise` when it is not. Names are
tested in alphabetical order and no test is without effect; hence equal conditions are equal values
(a reduced ordered decision diagram). Conditions are plain tuples, ready for `marshal`.

The variables are compared as uv compares them: Python versions without their pre-release part,
other strings by code point.
"""

from __future__ import annotations

from envbuild.lockfile.markers import VERSION_VARIABLES, parse_marker
from envbuild.lockfile.versions import (
    InvalidComparison,
    check_bound,
    compare,
    is_version,
    release_of,
    same_version,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from envbuild.lockfile.markers import Tree

    Condition = bool | tuple[str, "Condition", "Condition"]


class Judge:
    """Decides markers for one target, each text once."""

    __slots__ = ("_decided", "_variables")

    def __init__(self, variables: Mapping[str, str]) -> None:
        """Take the marker variables of the target."""
        self._variables = dict(variables)
        for name in ("python_version", "python_full_version"):
            self._variables[name] = release_of(self._variables[name])
        self._decided: dict[str, Condition] = {"": True}

    def condition(self, marker: str) -> Condition:
        """Return what `marker` leaves undecided; the empty text always holds.

        Raises:
            InvalidMarker: `marker` is not one.
        """
        decided = self._decided.get(marker)
        if decided is None:
            decided = self._decided[marker] = self._decide(parse_marker(marker))
        return decided

    def may_hold(self, markers: Collection[str]) -> bool:
        """Tell whether any of `markers` can hold here, whatever is active; true for none at all."""
        return not markers or any(self.condition(marker) is not False for marker in markers)

    def holds_plain(self, markers: Collection[str]) -> bool:
        """Tell whether any of `markers` holds here with nothing active; true for none at all."""
        return not markers or any(holds(self.condition(marker), ()) for marker in markers)

    def _decide(self, tree: Tree) -> Condition:
        match tree:
            case ("and", parts):
                result: Condition = True
                for part in parts:
                    result = conjunction(result, self._decide(part))
                return result
            case ("or", parts):
                result = False
                for part in parts:
                    result = disjunction(result, self._decide(part))
                return result
            case ("extra", "==", name):
                return (name, False, True)
            case ("extra", "!=", name):
                return (name, True, False)
            case (variable, operator, value):
                return self._compare(variable, operator, value)

    def _compare(self, variable: str, operator: str, value: str) -> bool:
        have = self._variables[variable]
        if variable in VERSION_VARIABLES:
            if operator in {"in", "not in"}:
                found = any(same_version(have, version) for version in value.split())
                return found is (operator == "in")
            return compare(have, operator, value)
        if (
            variable == "platform_release"
            and self._variables["sys_platform"] == "darwin"
            and _is_clause(operator, value)
        ):
            # Only there are releases of the kernel known to be versions.
            return is_version(have) and compare(have, operator, value)
        match operator:
            case "==":
                return have == value
            case "!=":
                return have != value
            case "<":
                return have < value
            case "<=":
                return have <= value
            case ">":
                return have > value
            case ">=":
                return have >= value
            case "in":
                return have in value
            case "not in":
                return have not in value
            case "contains":
                return value in have
            case "not contains":
                return value not in have
            case _:
                raise AssertionError(operator)


def _is_clause(operator: str, value: str) -> bool:
    try:
        check_bound(operator, value)
    except InvalidComparison:
        return False
    return True


def holds(condition: Condition, active: Collection[str]) -> bool:
    """Tell whether `condition` holds when exactly the names in `active` are."""
    while not isinstance(condition, bool):
        name, otherwise, then = condition
        condition = then if name in active else otherwise
    return condition


def conjunction(left: Condition, right: Condition) -> Condition:
    """Return the condition that holds when both do."""
    if left is True or right is False:
        return right
    if right is True or left is False or left == right:
        return left
    return _expand(conjunction, left, right)


def disjunction(left: Condition, right: Condition) -> Condition:
    """Return the condition that holds when either does."""
    if left is False or right is True:
        return right
    if right is False or left is True or left == right:
        return left
    return _expand(disjunction, left, right)


def _expand(
    combine: Callable[[Condition, Condition], Condition], left: Condition, right: Condition
) -> Condition:
    """Combine two undecided conditions for either state of the first name that one of them tests."""
    assert not isinstance(left, bool)
    assert not isinstance(right, bool)
    name = min(left[0], right[0])
    left_otherwise, left_then = left[1:] if left[0] == name else (left, left)
    right_otherwise, right_then = right[1:] if right[0] == name else (right, right)
    otherwise = combine(left_otherwise, right_otherwise)
    then = combine(left_then, right_then)
    return otherwise if otherwise == then else (name, otherwise, then)
