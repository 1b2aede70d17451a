"""Markers as text to trees: the grammar of PEP 508, and what may be compared with what.

A tree is made of plain tuples: `("and", parts)`, `("or", parts)`, or `(variable, operator, value)`
with the variable always on the left. A value that stood on the left is turned around: an ordering
operator becomes its mirror image, `'x' in variable` becomes `(variable, "contains", "x")`. Nothing
is evaluated here.
"""

from __future__ import annotations

from envbuild.lockfile.names import is_name, normalise
from envbuild.lockfile.versions import InvalidComparison, check_bound, is_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Tree = tuple[Literal["and", "or"], tuple["Tree", ...]] | tuple[str, str, str]

VERSION_VARIABLES = frozenset({"implementation_version", "python_full_version", "python_version"})
"""The variables that hold versions and are compared as such."""

STRING_VARIABLES = frozenset(
    {
        "implementation_name",
        "os_name",
        "platform_machine",
        "platform_python_implementation",
        "platform_release",
        "platform_system",
        "platform_version",
        "sys_platform",
    }
)

_DEPRECATED = {
    "os.name": "os_name",
    "platform.machine": "platform_machine",
    "platform.python_implementation": "platform_python_implementation",
    "platform.version": "platform_version",
    "python_implementation": "platform_python_implementation",
    "sys.platform": "sys_platform",
}

_MIRRORED = {
    "<": ">",
    "<=": ">=",
    "==": "==",
    "!=": "!=",
    ">": "<",
    ">=": "<=",
    "in": "contains",
    "not in": "not contains",
}


_DEEPEST = 100
"""How far parentheses may be nested; the interpreter's own limit would end in no good message."""


class InvalidMarker(ValueError):
    """A text that is no marker, or compares what cannot be compared."""


def parse_marker(text: str) -> Tree:
    """Return the tree of `text`.

    Raises:
        InvalidMarker: `text` does not follow the grammar, or a comparison has no meaning.
    """
    parser = _Parser(_tokens(text))
    tree = parser.disjunction()
    parser.expect_end()
    return tree


class _Quoted(str):
    """A token that stood in quotes."""

    __slots__ = ()


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        end = position + 1
        if character in "\"'":
            closing = text.find(character, end)
            if closing < 0:
                raise InvalidMarker(f"the quote at column {position + 1} is never closed")
            tokens.append(_Quoted(text[end:closing]))
            end = closing + 1
        elif character in "<>=!~":
            while end < len(text) and text[end] in "<>=!~":
                end += 1
            tokens.append(text[position:end])
        elif character in "()":
            tokens.append(character)
        elif character.isalnum() or character == "_":
            while end < len(text) and (text[end].isalnum() or text[end] in "_."):
                end += 1
            tokens.append(text[position:end])
        elif character not in " \t":
            raise InvalidMarker(f"`{character}` at column {position + 1} has no meaning")
        position = end
    return tokens


class _Parser:
    """Recursive descent over the tokens of one marker."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    def disjunction(self) -> Tree:
        parts = [self._conjunction()]
        while self._take("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else ("or", tuple(parts))

    def expect_end(self) -> None:
        if self._next < len(self._tokens):
            raise InvalidMarker(f"`{self._tokens[self._next]}` follows after the end")

    def _conjunction(self) -> Tree:
        parts = [self._operand()]
        while self._take("and"):
            parts.append(self._operand())
        return parts[0] if len(parts) == 1 else ("and", tuple(parts))

    def _operand(self) -> Tree:
        if self._take("("):
            self._depth += 1
            if self._depth > _DEEPEST:
                raise InvalidMarker(f"it nests more than {_DEEPEST} parentheses")
            tree = self.disjunction()
            if not self._take(")"):
                raise InvalidMarker("a parenthesis is never closed")
            self._depth -= 1
            return tree
        left, operator, right = self._token(), self._operator(), self._token()
        match isinstance(left, _Quoted), isinstance(right, _Quoted):
            case False, True:
                return _comparison(left, operator, str(right))
            case True, False:
                if operator not in _MIRRORED:
                    raise InvalidMarker(f"`{operator}` cannot stand between a value and a variable")
                return _comparison(right, _MIRRORED[operator], str(left))
            case _:
                raise InvalidMarker(
                    f"`{operator}` must stand between a variable and a quoted value"
                )

    def _operator(self) -> str:
        word = self._token()
        return "not in" if word == "not" and self._take("in") else word

    def _token(self) -> str:
        if self._next == len(self._tokens):
            raise InvalidMarker("it ends in the middle of a comparison")
        self._next += 1
        return self._tokens[self._next - 1]

    def _take(self, word: str) -> bool:
        if self._next == len(self._tokens):
            return False
        token = self._tokens[self._next]
        if token != word or isinstance(token, _Quoted):
            return False
        self._next += 1
        return True


def _comparison(variable: str, operator: str, value: str) -> Tree:
    variable = _DEPRECATED.get(variable, variable)
    if variable == "extra":
        if operator not in {"==", "!="}:
            raise InvalidMarker(f"`extra` cannot be compared by `{operator}`")
        if not is_name(value):
            raise InvalidMarker(f"`{value}` is not the name of an extra")
        return variable, operator, normalise(value)
    if variable in STRING_VARIABLES:
        if operator not in _MIRRORED and operator not in {"contains", "not contains"}:
            raise InvalidMarker(f"`{variable}` cannot be compared by `{operator}`")
        return variable, operator, value
    if variable not in VERSION_VARIABLES:
        raise InvalidMarker(f"`{variable}` is not a marker variable")
    if operator in {"in", "not in"}:
        for version in value.split():
            if not is_version(version):
                raise InvalidMarker(f"`{version}` is not a version")
        return variable, operator, value
    if operator not in _MIRRORED and operator != "~=":
        raise InvalidMarker(f"`{variable}` cannot be compared by `{operator}`")
    try:
        check_bound(operator, value)
    except InvalidComparison as error:
        raise InvalidMarker(str(error)) from error
    return variable, operator, value
