"""Patterns of `.gitignore`, with git's meaning of them to the letter.

The rules are those of `gitignore(5)` and, where that is silent, of git's own matching, which the
tests hold this against. Paths are bytes, as they are for git. Reading the files is for others.
"""

from __future__ import annotations

from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from re import Pattern

_SPECIAL = b"*?[\\"
_CLASSES = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"\x21-\x7e",
    b"lower": rb"a-z",
    b"print": rb"\x20-\x7e",
    b"punct": rb"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    b"space": rb" \t\n\x0b\x0c\r",
    b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}


@frozen
class Rule:
    """One pattern.

    Attributes:
        expression: regular expression for the whole of a path below the file's folder, or of its
            last part.
        whole_path: which of the two.
        folders_only: whether it is for folders alone.
        negated: whether what matches is *not* ignored.
    """

    expression: bytes
    whole_path: bool
    folders_only: bool
    negated: bool


class IgnoreFile:
    """The rules of one file, the last that fits deciding."""

    __slots__ = ("_compiled", "_names", "_paths", "rules")

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self._compiled: list[tuple[Rule, Pattern[bytes]]] | None = None
        self._names: Pattern[bytes] | None = None
        self._paths: Pattern[bytes] | None = None

    def ignores(self, path: bytes, *, is_folder: bool) -> bool | None:
        """Tell whether something is ignored; `None` where no rule is about it.

        Args:
            path: below the folder that the file lies in, with `/` between names.
            is_folder: whether it is a folder, and no link to one.
        """
        if not self.rules:
            return None
        if self._compiled is None:
            self._compile()
            assert self._compiled is not None
        name = path.rpartition(b"/")[2]
        # Nearly everything is fit by nothing, which one look at each of two expressions tells.
        if not (self._names and self._names.fullmatch(name)) and not (
            self._paths and self._paths.fullmatch(path)
        ):
            return None
        for rule, pattern in reversed(self._compiled):
            if rule.folders_only and not is_folder:
                continue
            if pattern.fullmatch(path if rule.whole_path else name):
                return not rule.negated
        return None

    def _compile(self) -> None:
        import re

        def any_of(rules: list[Rule]) -> Pattern[bytes] | None:
            if not rules:
                return None
            return re.compile(b"|".join(rule.expression for rule in rules), re.DOTALL)

        self._compiled = [(rule, re.compile(rule.expression, re.DOTALL)) for rule in self.rules]
        self._names = any_of([rule for rule in self.rules if not rule.whole_path])
        self._paths = any_of([rule for rule in self.rules if rule.whole_path])


def parse_ignore_file(content: bytes) -> IgnoreFile:
    """Return the rules that the content of a `.gitignore` states; none of it is an error."""
    rules = []
    for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        rule = _parse_line(line.removesuffix(b"\r"))
        if rule is not None:
            rules.append(rule)
    return IgnoreFile(tuple(rules))


def parse_pattern(pattern: str) -> IgnoreFile:
    """Return the one rule that a pattern is, whatever characters it begins or ends with."""
    rule = _parse_pattern(pattern.encode("utf-8", "surrogateescape"), negated=False)
    return IgnoreFile(() if rule is None else (rule,))


def _parse_line(line: bytes) -> Rule | None:
    if line.startswith(b"#"):
        return None
    negated = line.startswith(b"!")
    pattern = _without_trailing_spaces(line.removeprefix(b"!"))
    return _parse_pattern(pattern, negated=negated) if pattern else None


def _without_trailing_spaces(line: bytes) -> bytes:
    end = len(line.rstrip(b" "))
    if end == len(line):
        return line
    # A space that is escaped stays: a backslash counts where none stands before it.
    backslashes = end - len(line[:end].rstrip(b"\\"))
    return line[: end + backslashes % 2]


def _parse_pattern(pattern: bytes, *, negated: bool) -> Rule | None:
    folders_only = pattern.endswith(b"/")
    pattern = pattern.removesuffix(b"/")
    whole_path = b"/" in pattern
    if whole_path:
        pattern = pattern.removeprefix(b"/")
        # Git compares what comes before the first special character by itself, so that the rest is
        # a pattern of its own: `**` stands at its beginning in `a**/b`.
        start = next((at for at, byte in enumerate(pattern) if byte in _SPECIAL), len(pattern))
    else:
        start = 0
    rest = _translate(pattern[start:], whole_path=whole_path)
    if rest is None:
        return None
    expression = _quoted(pattern[:start]) + rest
    return Rule(
        expression=expression, whole_path=whole_path, folders_only=folders_only, negated=negated
    )


def _translate(pattern: bytes, *, whole_path: bool) -> bytes | None:
    """Return the regular expression of a pattern, `None` where nothing can match it."""
    anything = b"[^/]" if whole_path else b"."
    parts: list[bytes] = []
    at = 0
    while at < len(pattern):
        letter = pattern[at : at + 1]
        if letter == b"\\":
            if at + 1 == len(pattern):
                return None
            parts.append(_quoted(pattern[at + 1 : at + 2]))
            at += 2
        elif letter == b"?":
            parts.append(anything)
            at += 1
        elif letter == b"*":
            end = at
            while pattern[end : end + 1] == b"*":
                end += 1
            between_slashes = (
                whole_path
                and end - at > 1
                and (at == 0 or pattern[at - 1 : at] == b"/")
                and (end == len(pattern) or pattern[end:].startswith((b"/", b"\\/")))
            )
            if between_slashes and pattern[end : end + 1] == b"/":
                parts.append(b"(?:.*/)?")
                at = end + 1
            else:
                parts.append(b".*" if between_slashes else anything + b"*")
                at = end
        elif letter == b"[":
            bracket = _translate_bracket(pattern, at + 1)
            if bracket is None:
                return None
            expression, at = bracket
            parts.append(b"(?!/)" + expression if whole_path else expression)
        else:
            parts.append(_quoted(letter))
            at += 1
    return b"".join(parts)


def _translate_bracket(pattern: bytes, at: int) -> tuple[bytes, int] | None:
    """Return the expression of the bracket that begins before `at`, and where it ends."""
    negated = pattern[at : at + 1] in {b"!", b"^"}
    at += negated
    members: list[bytes] = []
    before = b""
    first = True
    while first or pattern[at : at + 1] != b"]":
        first = False
        letter = pattern[at : at + 1]
        if not letter:
            return None
        if letter == b"-" and before and pattern[at + 1 : at + 2] not in {b"", b"]"}:
            at += 1
            if pattern[at : at + 1] == b"\\":
                at += 1
            last = pattern[at : at + 1]
            if not last:
                return None
            if before <= last:
                members.append(_quoted(before) + b"-" + _quoted(last))
            before = b""
            at += 1
            continue
        if letter == b"[" and pattern[at + 1 : at + 2] == b":":
            end = pattern.find(b"]", at + 2)
            if end < 0:
                return None
            if pattern[end - 1 : end] == b":" and end - 1 >= at + 2:
                members_of_class = _CLASSES.get(pattern[at + 2 : end - 1])
                if members_of_class is None:
                    return None
                members.append(members_of_class)
                before = b""
                at = end + 1
                continue
        elif letter == b"\\":
            at += 1
            letter = pattern[at : at + 1]
            if not letter:
                return None
        members.append(_quoted(letter))
        before = letter
        at += 1
    inside = b"".join(members)
    if not inside:
        return (b"." if negated else b"(?!)"), at + 1
    return b"[" + (b"^" if negated else b"") + inside + b"]", at + 1


def _quoted(text: bytes) -> bytes:
    """Return a regular expression for `text` itself, in brackets and outside of them."""
    return b"".join(b"\\x%02x" % byte for byte in text)
