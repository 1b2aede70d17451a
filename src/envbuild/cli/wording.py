"""How amounts are written for people."""

from __future__ import annotations


def count(number: int, noun: str, plural: str = "") -> str:
    """Return `1 archive`, `2 archives`, `1,234 files`, `3 entries`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(number: float) -> str:
    """Return a number of bytes as `512 B`, `1.5 KiB`, `34.5 MiB`, `1.2 GiB`."""
    if number < 1024:
        return f"{number:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        number /= 1024
        if number < 1023.95 or unit == "GiB":
            break
    return f"{number:.1f} {unit}"


def duration(seconds: float) -> str:
    """Return a time as `12ms`, `0.31s`, `12.3s`, `2m 05s`."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 9.995:
        return f"{seconds:.2f}s"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    return f"{round(seconds) // 60}m {round(seconds) % 60:02d}s"
