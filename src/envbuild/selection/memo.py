"""What packages come to under one target, remembered from one run to the next.

An entry belongs to the exact text of one package of a lock (or of its head), so it can never be out
of date. A memo is a help and no truth: whatever is wrong with one, it is as good as empty.
"""

from __future__ import annotations

import marshal
import sys

from blake3 import blake3

from envbuild import __version__
from envbuild.selection.evaluated import CHOICE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from envbuild.digest import Digest
    from envbuild.selection.evaluated import EvaluatedHead, EvaluatedPackage

FORMAT = 3
"""Raised by hand when the meaning of what is evaluated changes, so that no older memo is believed."""

_DIGEST_SIZE = 32


class EvaluationMemo:
    """Evaluated heads and packages by the BLAKE3 digest of their text, for one target.

    Attributes:
        changed: whether it holds anything that was not there when it was made or loaded.
    """

    __slots__ = ("_heads", "_packages", "_stamp", "changed")

    def __init__(self, target: Digest) -> None:
        """Make an empty memo for the target of that digest."""
        # A marshalled value is read back only by the interpreter and the code that wrote it.
        self._stamp = (target, FORMAT, __version__, sys.implementation.cache_tag, sys.hexversion)
        self._heads: dict[bytes, EvaluatedHead] = {}
        self._packages: dict[bytes, EvaluatedPackage] = {}
        self.changed = False

    @classmethod
    def loads(cls, data: bytes, target: Digest) -> EvaluationMemo:
        """Return what `dumps` wrote, or an empty memo when `data` is not that, or for another target."""
        memo = cls(target)
        payload = memoryview(data)[_DIGEST_SIZE:]
        # `marshal` may crash on bytes that it did not write; these it did, as the digest shows.
        if data[:_DIGEST_SIZE] == blake3(payload).digest():
            stamp, heads, packages = marshal.loads(payload)  # noqa: S302
            if stamp == memo._stamp:
                memo._heads, memo._packages = heads, packages
        return memo

    def dumps(self) -> bytes:
        """Return bytes for `loads`."""
        payload = marshal.dumps((self._stamp, self._heads, self._packages))
        return blake3(payload).digest() + payload

    def head(self, key: bytes) -> EvaluatedHead | None:
        """Return what the head of that key came to, `None` when it was not seen before."""
        return self._heads.get(key)

    def package(self, key: bytes) -> EvaluatedPackage | None:
        """Return what the package of that key came to, `None` when it was not seen before."""
        return self._packages.get(key)

    def replace(
        self, head: tuple[bytes, EvaluatedHead], packages: Iterable[tuple[bytes, EvaluatedPackage]]
    ) -> None:
        """Forget everything but these.

        A package with a file that is behind a password is not remembered: secrets stay where they are.
        """
        before = self._heads.keys() | self._packages.keys()
        self._heads = dict((head,))
        self._packages = {key: package for key, package in packages if not _has_secret(package)}
        self.changed |= not before >= self._heads.keys() | self._packages.keys()


def key_of(text: str) -> bytes:
    """Return what the head or the package of that text is remembered under."""
    return blake3(text.encode()).digest()


def _has_secret(package: EvaluatedPackage) -> bool:
    choice = package[CHOICE]
    if choice is None:
        return False
    wheel, _, sdist, commit = choice
    if commit is not None and commit[3]:
        return True
    return any(file is not None and file[2] for file in (wheel, sdist))
