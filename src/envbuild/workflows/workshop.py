"""What every part of a run works with."""

from __future__ import annotations

from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.events import Reporter
    from envbuild.store.local import Store
    from envbuild.store.running import Running
    from envbuild.workflows.options import RealiseOptions


@frozen
class Workshop:
    """The things that a run works with."""

    options: RealiseOptions
    environ: Mapping[str, str]
    store: Store
    running: Running
    reporter: Reporter
