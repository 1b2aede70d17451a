"""Which packages wait for which while they are built, so that none waits for itself."""

from __future__ import annotations

import threading

from envbuild.errors import RealiseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class BuildCycle(RealiseError):
    """Packages that are built with one another.

    Attributes:
        names: of the packages, the first one at the end again.
    """

    def __init__(self, names: Sequence[str]) -> None:
        chain = " is built with ".join(f"`{name}`" for name in names)
        super().__init__(
            f"nothing can be built first: {chain}",
            hint="take a wheel for one of them: leave it out of `--no-binary`",
        )
        self.names = tuple(names)


class Needs:
    """What is built with what, as far as it is known. Used by several threads at once.

    Packages are told apart by an identity; names are for people.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._needs: dict[str, dict[str, str]] = {}

    def add(self, identity: str, name: str, needed: Mapping[str, str]) -> None:
        """Take down that one package waits for others, and refuse what would wait for ever.

        Args:
            identity: of the one.
            name: of it.
            needed: the names of the others, by identity.

        Raises:
            BuildCycle: one of the others waits for the one.
        """
        with self._mutex:
            needs = self._needs.setdefault(identity, {})
            for other, called in needed.items():
                if other == identity:
                    raise BuildCycle([name, name])
                chain = self._chain(other, identity)
                if chain is not None:
                    raise BuildCycle([name, called, *chain])
                needs[other] = called

    def of(self, identity: str) -> tuple[str, ...]:
        """Return the identities of what a package waits for."""
        with self._mutex:
            return tuple(self._needs.get(identity, ()))

    def _chain(self, start: str, end: str) -> list[str] | None:
        """Return the names on the way from what `start` needs to `end`, `None` where there is none."""
        waiting: list[tuple[str, list[str]]] = [(start, [])]
        seen = {start}
        while waiting:
            at, names = waiting.pop()
            for needed, name in self._needs.get(at, {}).items():
                if needed == end:
                    return [*names, name]
                if needed not in seen:
                    seen.add(needed)
                    waiting.append((needed, [*names, name]))
        return None
