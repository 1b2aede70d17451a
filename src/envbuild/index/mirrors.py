"""Mirrors: other addresses for the same bytes. They change where a file is read, never what it is.

A rule is written `FROM=TO`. It applies to the address `FROM` itself and to everything below it, so
`https://files.example/a` does not cover `https://files.example/ab`.
"""

from __future__ import annotations

import re

from envbuild.errors import UsageError
from envbuild.frozen import field, frozen
from envbuild.index.redaction import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_RULE = re.compile(
    r"(?P<source>https?://[^=]*?)=(?P<target>(?:https?|file)://.*|/.*)", re.IGNORECASE
)


class BadMirror(UsageError):
    """A rule that is not `FROM=TO`."""

    def __init__(self, rule: str) -> None:
        super().__init__(
            f"`{redact(rule)}` is no mirror: expected `FROM=TO`, where FROM is an `http` or `https` URL"
            " and TO is a URL or an absolute path"
        )
        self.rule = redact(rule)


@frozen
class Mirror:
    """Addresses below `source` are read below `target`; neither ends with a slash.

    A target may hold credentials, so it is not part of the representation.
    """

    source: str
    target: str = field(repr=False)


@frozen
class Mirrors:
    """Rules in the order in which they were given."""

    rules: tuple[Mirror, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Mirrors:
        """Return the rules that `texts` spell, each as `FROM=TO`.

        Raises:
            BadMirror: one of them is not of this form.
        """
        return cls(rules=tuple(_parse(text) for text in texts))

    def addresses(self, url: str) -> tuple[str, ...]:
        """Return where to read `url`, in the order in which to try.

        The rule with the longest source wins; where several share it, each gives one address, in
        the order of the rules. A mirrored address itself is not among them: who names a mirror does
        not want to be seen elsewhere; nor does a mirror get the credentials that stand in `url`.
        Without a rule the answer is `url` alone.
        """
        comparable = _comparable(url)
        fitting = [rule for rule in self.rules if _covers(rule.source, comparable)]
        longest = max((len(rule.source) for rule in fitting), default=0)
        return tuple(
            rule.target + comparable[longest:] for rule in fitting if len(rule.source) == longest
        ) or (url,)


def _parse(text: str) -> Mirror:
    found = _RULE.fullmatch(text.strip())
    if found is None:
        raise BadMirror(text)
    source = _comparable(found["source"].rstrip("/"))
    return Mirror(source=source, target=found["target"].rstrip("/"))


def _comparable(url: str) -> str:
    """Return `url` with scheme and host in lower case, and without credentials."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return scheme.lower() + separator + host.rpartition("@")[2].lower() + slash + path


def _covers(source: str, url: str) -> bool:
    return url.startswith(source) and url[len(source) : len(source) + 1] in {"", "/", "?"}
