"""What a machine offers for sandboxes: facts, found out once by trying, and why a rung is missing.

Values that the caller keeps. `probe` makes them, `plan` builds on them.
"""

from __future__ import annotations

from envbuild.errors import RealiseError
from envbuild.frozen import frozen
from envbuild.sandbox.model import LADDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from envbuild.canonical import Json
    from envbuild.sandbox.model import Rung


@frozen
class Missing:
    """A rung that is not to be had here: what is lacking, and how to get it, where that is known."""

    rung: Rung
    reason: str
    remedy: str | None


@frozen
class Machine:
    """What is known of a machine, by trying every rung once.

    Attributes:
        identity: what all this depends on; facts with another identity are to be found out again.
        architecture: the processor, as `uname` names it.
        landlock: the version of Landlock, 0 where there is none.
        bubblewrap: absolute path of the program, or `None`.
        missing: the rungs that do not work, in the order of the ladder.
    """

    identity: tuple[str, ...]
    architecture: str
    landlock: int
    bubblewrap: str | None
    missing: tuple[Missing, ...]

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The rungs that work, the strictest first."""
        lacking = {missing.rung for missing in self.missing}
        return tuple(rung for rung in LADDER if rung not in lacking)

    def as_json(self) -> dict[str, Json]:
        """Return the form in which a machine is remembered."""
        return {
            "architecture": self.architecture,
            "bubblewrap": self.bubblewrap,
            "identity": list(self.identity),
            "landlock": self.landlock,
            "missing": [[each.rung, each.reason, each.remedy] for each in self.missing],
        }


def machine_from_json(data: Json) -> Machine | None:
    """Return the machine that `as_json` gave the form of, or `None` for anything else."""
    match data:
        case {
            "architecture": str() as architecture,
            "bubblewrap": (str() | None) as bubblewrap,
            "identity": list() as identity,
            "landlock": int() as landlock,
            "missing": list() as rows,
        }:
            missing = []
            for row in rows:
                match row:
                    case [str() as name, str() as reason, (str() | None) as remedy]:
                        rung = next((rung for rung in LADDER if rung == name), None)
                        if rung is None:
                            return None
                        missing.append(Missing(rung=rung, reason=reason, remedy=remedy))
                    case _:
                        return None
            return Machine(
                identity=tuple(str(part) for part in identity),
                architecture=architecture,
                landlock=landlock,
                bubblewrap=bubblewrap,
                missing=tuple(missing),
            )
    return None


class SandboxUnavailable(RealiseError):
    """None of the rungs that were asked for works on this machine.

    Attributes:
        accepted: the rungs that would have done, in the order of the ladder.
        missing: what each of them lacks.
        working: the rungs that work and were not asked for.
    """

    def __init__(self, missing: tuple[Missing, ...], working: tuple[Rung, ...]) -> None:
        self.missing = missing
        self.working = working
        self.accepted = tuple(each.rung for each in missing)
        reasons = "".join(f"\n    `{each.rung}`: {each.reason}" for each in missing)
        remedies = [each.remedy for each in missing if each.remedy]
        working_ones = ", ".join(f"`{rung}`" for rung in working)
        super().__init__(
            f"no sandbox that is accepted works on this machine, which has {working_ones}:{reasons}",
            hint="; or ".join(remedies) or None,
        )


def choose(machine: Machine, accepted: Collection[Rung] = LADDER) -> Rung:
    """Return the strictest rung that works and is accepted.

    Args:
        machine: the facts.
        accepted: rungs that will do, at least one.

    Raises:
        SandboxUnavailable: none of them works.
    """
    for rung in machine.rungs:
        if rung in accepted:
            return rung
    lacking = tuple(each for each in machine.missing if each.rung in accepted)
    raise SandboxUnavailable(lacking, machine.rungs)
