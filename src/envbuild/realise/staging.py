"""What the builds of one run put on the store's file system, and into the store.

All of them publish through one publication: a build that is done while another one's content is on its
way to the disk goes with the next lot, together with all that are done by then.
"""

from __future__ import annotations

import threading

from envbuild.store.publish import Publication

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from envbuild.store.local import Store


class Staging:
    """A publication, made when it is first needed, and folders that are gone afterwards.

    Use as a context manager; many threads may use it.

    Args:
        store: that is published to.
    """

    __slots__ = ("_count", "_mutex", "_publication", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mutex = threading.Lock()
        self._publication: Publication | None = None
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._publication is not None:
            self._publication.__exit__(kind, error, trace)
            self._publication = None

    @property
    def publication(self) -> Publication:
        """What is published through.

        Raises:
            StoreUnusable: the store cannot be written to.
        """
        with self._mutex:
            if self._publication is None:
                self._publication = Publication(self._store)
            return self._publication

    def new_folder(self, name: str) -> str:
        """Return the absolute path of a folder that can be made, whose own name begins with `name`.

        Raises:
            StoreUnusable: the store cannot be written to.
        """
        folder = self.publication.staging
        with self._mutex:
            self._count += 1
            return f"{folder}/{name}-{self._count}"
