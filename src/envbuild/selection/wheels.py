"""The best wheel for a target, judged by file names alone (PEP 425, PEP 427)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Literal

    Aspect = Literal["variant", "python", "abi", "platform"]
    Miss = tuple[Aspect, str, tuple[str, ...]]
    """What no wheel fits in, what the target prefers there, and what the wheels have."""

    _Parts = tuple[str, str, str, str]

_ASPECTS: tuple[Aspect, ...] = ("variant", "python", "abi", "platform")


class WheelChooser:
    """Chooses wheels for one list of compatible tags."""

    __slots__ = ("_best", "_ranks")

    def __init__(self, tags: Sequence[str]) -> None:
        """Take the compatible tags, best first, each spelled `python-abi-platform`."""
        self._best = tags[0] if tags else ""
        self._ranks = {tag: rank for rank, tag in reversed(list(enumerate(tags)))}

    def choose(self, filenames: Sequence[str]) -> int | None:
        """Return the position of the best wheel, `None` where none fits.

        The best is the one with the best tag; of several, the one with the highest build tag; of
        several, the first.
        """
        chosen: int | None = None
        best: tuple[int, tuple[int, ...], str] | None = None
        for position, filename in enumerate(filenames):
            parts = _split(filename)
            if parts is None:
                continue
            rank = self._rank(parts)
            if rank is None:
                continue
            if best is None or rank < best[0]:
                best = (rank, *_build_key(parts[0]))
                chosen = position
            elif rank == best[0] and parts[0] and (key := _build_key(parts[0])) > best[1:]:
                best = (rank, *key)
                chosen = position
        return chosen

    def miss(self, filenames: Iterable[str]) -> Miss | None:
        """Return in what the wheels that come nearest do not fit, `None` when there are no wheels.

        To be asked only where `choose` finds none.
        """
        fitting = [tag.split("-") for tag in self._ranks]
        pythons = {python for python, _, _ in fitting}
        abis = {(python, abi) for python, abi, _ in fitting}
        nearest = -1
        found: set[str] = set()
        for filename in filenames:
            parts = _split(filename)
            if parts is None:
                nearest = max(nearest, 0)
                continue
            for python, abi, platform in _expanded(parts):
                # Where the ABI is `none` it is the Python tag that decides.
                fits = (
                    3 if (python, abi) in abis else 2 if python in pythons and abi != "none" else 1
                )
                if fits > nearest:
                    nearest = fits
                    found.clear()
                if fits == nearest:
                    found.add((python, abi, platform)[fits - 1])
        if nearest < 0:
            return None
        preferred = self._best.split("-")[nearest - 1] if nearest and self._best else ""
        return _ASPECTS[nearest], preferred, tuple(sorted(found))

    def _rank(self, parts: _Parts) -> int | None:
        _, python, abi, platform = parts
        if "." not in python and "." not in abi and "." not in platform:
            return self._ranks.get(f"{python}-{abi}-{platform}")
        ranks = [self._ranks.get("-".join(tag)) for tag in _expanded(parts)]
        return min((rank for rank in ranks if rank is not None), default=None)


def _split(filename: str) -> _Parts | None:
    """Return build tag, Python, ABI and platform tags; `None` for wheel variants (PEP 825)."""
    parts = filename[: -len(".whl")].split("-")
    if len(parts) == 5:
        return "", parts[2], parts[3], parts[4]
    if len(parts) == 6 and parts[2][0].isdigit():
        return parts[2], parts[3], parts[4], parts[5]
    return None


def _expanded(parts: _Parts) -> Iterator[tuple[str, str, str]]:
    _, pythons, abis, platforms = parts
    for python in pythons.split("."):
        for abi in abis.split("."):
            for platform in platforms.split("."):
                yield python, abi, platform


def _build_key(build: str) -> tuple[tuple[int, ...], str]:
    """Return what build tags are ordered by: none at all, then the number, then the rest."""
    if not build:
        return (), ""
    rest = build.lstrip("0123456789")
    return (int(build[: len(build) - len(rest)]),), rest
