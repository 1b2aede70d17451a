"""Archives that are fetched and unpacked before anybody asks for them, in a thread of its own.

Whoever wants an archive waits for that one alone, and builds from it while others are on their way.
"""

from __future__ import annotations

import threading

from envbuild import interruption
from envbuild.errors import EnvbuildError
from envbuild.threads import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from envbuild.derivation.compile import Node
    from envbuild.digest import Digest
    from envbuild.realise.execute import Published, Realised

    Outcome = Realised | EnvbuildError | None

    class Archives(Protocol):
        """Realises archives; see `envbuild.realise.execute.execute`."""

        def __call__(
            self, missing: tuple[Node, ...], published: Published | None = None, /
        ) -> dict[str, Realised | EnvbuildError]: ...


class Prefetch:
    """Archives on their way, and what came of them. To be closed at the end.

    Args:
        archives: realises them.
        interrupted: tells whether all is to be given up; who waits for an archive may not notice.
    """

    __slots__ = (
        "_archives", "_closed", "_crash", "_interrupted", "_outcomes", "_settled", "_wanted", "_worker",
    )  # fmt: skip

    def __init__(self, archives: Archives, interrupted: Callable[[], bool]) -> None:
        self._archives = archives
        self._interrupted = interrupted
        self._closed = False
        self._settled = threading.Condition()
        self._wanted: frozenset[Digest] = frozenset()
        self._outcomes: dict[Digest, Outcome] = {}
        self._crash: BaseException | None = None
        self._worker: Worker | None = None

    def begin(self, nodes: Sequence[Node]) -> None:
        """Have archives realised from now on. To be called once, at most."""
        self._wanted = frozenset(node.unpack.digest for node in nodes)
        if nodes:
            self._worker = Worker(lambda: self._work(tuple(nodes)))
            self._worker.start()

    def outcome(self, node: Node) -> Outcome:
        """Return what came of an archive, or why nothing did, once that is known.

        `None` for one that was not among those to be prefetched, or was given up.
        """
        digest = node.unpack.digest
        if digest not in self._wanted:
            return None
        with self._settled:
            self._settled.wait_for(lambda: digest in self._outcomes or self._crash is not None)
        if digest not in self._outcomes and self._crash is not None:
            raise self._crash
        return self._outcomes[digest]

    def close(self) -> None:
        """Give up what is still on its way."""
        self._closed = True
        if self._worker is not None:
            self._worker.wait()

    def _work(self, nodes: tuple[Node, ...]) -> None:
        interruption.ask(lambda: self._closed or self._interrupted())
        outcomes: dict[str, Realised | EnvbuildError] = {}
        try:
            outcomes = self._archives(nodes, self._settle)
        except EnvbuildError as error:
            # It concerns all of them.
            outcomes = {node.package.name: error for node in nodes}
        except KeyboardInterrupt:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            with self._settled:
                self._crash = error
                self._settled.notify_all()
            return
        for node in nodes:
            self._settle(node, outcomes.get(node.package.name))

    def _settle(self, node: Node, outcome: Outcome) -> None:
        with self._settled:
            self._outcomes.setdefault(node.unpack.digest, outcome)
            self._settled.notify_all()
