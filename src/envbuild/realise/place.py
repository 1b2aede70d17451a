"""Where builds are done: all that is the same for every build of a run."""

from __future__ import annotations

from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import Semaphore

    from envbuild.events import Reporter
    from envbuild.realise.build_facts import BuildFacts
    from envbuild.realise.bytecode import Bytecode
    from envbuild.realise.environments import BuildEnvironments
    from envbuild.sandbox.machine import Machine
    from envbuild.sandbox.model import Limits, Rung
    from envbuild.sandbox.stop import Stop
    from envbuild.sandbox.supervisors import Supervisors
    from envbuild.store.local import Store
    from envbuild.target.model import Target


@frozen
class Place:
    """Where builds are done, and how.

    Attributes:
        store: where trees are.
        machine: what it offers for sandboxes.
        rung: that builds are done on.
        facts: about the interpreter.
        target: that is built for.
        tools: absolute paths of folders that builds may read; programs in their `bin` come first.
        network: names of packages whose builds may use the network.
        limits: what a build may use.
        supervisors: start what runs backends.
        stop: ends all builds.
        reporter: told what is printed.
        bytecode: for what builds import.
        environments: that builds are done in.
        turns: one for each backend that may run at a time.
    """

    store: Store
    machine: Machine
    rung: Rung
    facts: BuildFacts
    target: Target
    tools: tuple[str, ...]
    network: frozenset[str]
    limits: Limits
    supervisors: Supervisors
    stop: Stop
    reporter: Reporter
    bytecode: Bytecode
    environments: BuildEnvironments
    turns: Semaphore
