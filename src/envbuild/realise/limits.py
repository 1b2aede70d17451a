"""Builds that were ended by a limit: which one, how much it is, and what raises it. Pure."""

from __future__ import annotations

from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from envbuild.sandbox.model import Limits

    Limit = Literal["timeout", "memory", "disk", "output", "processes"]

_TIMES = (("h", 3600), ("m", 60), ("s", 1))
_SIZES = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("", 1))


@frozen
class Exceeded:
    """A limit that a build ran into.

    Attributes:
        reason: how it ended, without a full stop.
        remedy: the setting that raises the limit.
    """

    reason: str
    remedy: str


def exceeded(limit: Limit, limits: Limits) -> Exceeded:
    """Return what is to be said of a build that ran into one of its `limits`."""
    match limit:
        case "timeout":
            assert limits.seconds is not None
            value = spell_time(limits.seconds)
            return _exceeded(f"it took longer than {value}", "time", spell_time(2 * limits.seconds))
        case "memory":
            assert limits.memory is not None
            value = spell_size(limits.memory)
            return _exceeded(
                f"it used more than {value} of memory", "memory", spell_size(2 * limits.memory)
            )
        case "disk":
            assert limits.disk is not None
            value = spell_size(limits.disk)
            return _exceeded(
                f"its folder grew larger than {value}", "disk", spell_size(2 * limits.disk)
            )
        case "output":
            value = spell_size(limits.output)
            return _exceeded(
                f"it printed more than {value}", "output", spell_size(2 * limits.output)
            )
        case "processes":
            assert limits.processes is not None
            return _exceeded(
                f"it had more than {limits.processes} processes",
                "process",
                str(2 * limits.processes),
            )


def spell_time(seconds: float) -> str:
    """Return a duration as settings take it."""
    unit, worth = next((each for each in _TIMES if seconds % each[1] == 0), _TIMES[-1])
    return f"{round(seconds / worth)}{unit}"


def spell_size(size: int) -> str:
    """Return a number of bytes as settings take it."""
    unit, worth = next(each for each in _SIZES if size % each[1] == 0)
    return f"{size // worth}{unit}" if unit else f"{size}B"


def _exceeded(reason: str, which: str, more: str) -> Exceeded:
    name = f"build-{which}-limit"
    return Exceeded(
        reason=reason, remedy=f"raise the setting `{name}`, such as by `--{name} {more}`"
    )
