"""The plain part of TOML: what writers of locks use of it, read without the weight of the rest.

Importing a whole TOML reader costs more than reading one package of a lock. This one knows bare
keys, tables, arrays of tables, strings without escapes, whole numbers, truth values, arrays, inline
tables and comments behind them. Whatever else it meets, wrong or only unusual, it leaves to the
whole reader by answering `None`; what it does answer is what the whole reader answers.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_DEEPEST = 32


def parse_plain_toml(text: str) -> dict[str, object] | None:
    """Return the table that `text` is, `None` where that takes a whole reader to tell."""
    try:
        return _Reader(text).document()
    except (_NotPlainError, IndexError):
        # Whoever looks beyond the last line feed is in the middle of something unfinished.
        return None


class _NotPlainError(Exception):
    """Something beyond the plain part."""


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._depth = 0

    def document(self) -> dict[str, object]:
        text = self._text
        if text and text[-1] != "\n":
            raise _NotPlainError
        root: dict[str, object] = {}
        # The tables that headers opened or passed through, by their path.
        opened: dict[tuple[str, ...], dict[str, object]] = {(): root}
        current = root
        while self._position < len(text):
            character = text[self._position]
            if character == "\n":
                self._position += 1
                continue
            if character == "[":
                current = self._header(opened)
            else:
                key = self._key()
                self._expect(" = ")
                if key in current:
                    raise _NotPlainError
                current[key] = self._value()
            if text.startswith(" #", self._position):
                self._comment()
            self._expect("\n")
        return root

    def _comment(self) -> None:
        end = self._text.index("\n", self._position)
        if not self._text[self._position : end].isprintable():
            raise _NotPlainError
        self._position = end

    def _header(self, opened: dict[tuple[str, ...], dict[str, object]]) -> dict[str, object]:
        is_array = self._text.startswith("[[", self._position)
        self._position += 2 if is_array else 1
        path = [self._key()]
        while self._text[self._position] == ".":
            self._position += 1
            path.append(self._key())
        self._expect("]]" if is_array else "]")
        open_ = self._array_item if is_array else self._table
        return open_(tuple(path), opened)

    def _table(
        self, path: tuple[str, ...], opened: dict[tuple[str, ...], dict[str, object]]
    ) -> dict[str, object]:
        parent = opened.get(path[:-1])
        if parent is None:
            parent = self._table(path[:-1], opened)
        if path[-1] in parent:
            raise _NotPlainError
        table: dict[str, object] = {}
        opened[path] = parent[path[-1]] = table
        return table

    def _array_item(
        self, path: tuple[str, ...], opened: dict[tuple[str, ...], dict[str, object]]
    ) -> dict[str, object]:
        parent = opened.get(path[:-1])
        if parent is None:
            parent = self._table(path[:-1], opened)
        # An array that a key gave cannot be added to; one that headers made has its last item here.
        if path[-1] in parent and path not in opened:
            raise _NotPlainError
        items = parent.setdefault(path[-1], [])
        if not isinstance(items, list):
            raise _NotPlainError
        for below in [other for other in opened if other[: len(path)] == path]:
            del opened[below]
        table: dict[str, object] = {}
        items.append(table)
        opened[path] = table
        return table

    def _value(self) -> object:
        text = self._text
        character = text[self._position]
        if character == '"':
            return self._string()
        if character == "[":
            return self._nested(self._array)
        if character == "{":
            return self._nested(self._inline_table)
        start = self._position
        while text[self._position] in _BARE:
            self._position += 1
        word = text[start : self._position]
        if word.isdigit() and (word[0] != "0" or word == "0"):
            return int(word)
        if word in {"true", "false"}:
            return word == "true"
        raise _NotPlainError

    def _nested(self, read: Callable[[], object]) -> object:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _NotPlainError
        self._position += 1
        value = read()
        self._depth -= 1
        return value

    def _string(self) -> str:
        start = self._position + 1
        end = self._text.find('"', start)
        string = self._text[start:end]
        self._position = end + 1
        is_longer = not string and self._text[self._position] == '"'
        if end < 0 or is_longer or "\\" in string or not string.isprintable():
            raise _NotPlainError
        return string

    def _array(self) -> list[object]:
        text = self._text
        items: list[object] = []
        while True:
            while text[self._position] in " \n":
                self._position += 1
            if text[self._position] == "]":
                self._position += 1
                return items
            items.append(self._value())
            while text[self._position] in " \n":
                self._position += 1
            if text[self._position] == ",":
                self._position += 1
            elif text[self._position] != "]":
                raise _NotPlainError

    def _inline_table(self) -> dict[str, object]:
        table: dict[str, object] = {}
        self._expect(" ")
        while True:
            key = self._key()
            self._expect(" = ")
            if key in table:
                raise _NotPlainError
            table[key] = self._value()
            if self._text.startswith(", ", self._position):
                self._position += 2
            else:
                self._expect(" }")
                return table

    def _key(self) -> str:
        text = self._text
        start = self._position
        while text[self._position] in _BARE:
            self._position += 1
        if start == self._position:
            raise _NotPlainError
        return text[start : self._position]

    def _expect(self, words: str) -> None:
        if not self._text.startswith(words, self._position):
            raise _NotPlainError
        self._position += len(words)
