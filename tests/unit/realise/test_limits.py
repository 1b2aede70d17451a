from __future__ import annotations

import pytest

from envbuild.realise.limits import exceeded, spell_size, spell_time
from envbuild.sandbox.model import Limits

LIMITS = Limits(seconds=3600, memory=2**31, disk=10**9 + 1, output=2**26, processes=4096)
SAID = {
    "timeout": ("it took longer than 1h", "`--build-time-limit 2h`"),
    "memory": ("it used more than 2GiB of memory", "`--build-memory-limit 4GiB`"),
    "disk": ("its folder grew larger than 1000000001B", "`--build-disk-limit 2000000002B`"),
    "output": ("it printed more than 64MiB", "`--build-output-limit 128MiB`"),
    "processes": ("it had more than 4096 processes", "`--build-process-limit 8192`"),
}


@pytest.mark.parametrize("limit", SAID)
def test_a_limit_is_told_with_its_value_and_what_raises_it(limit: str) -> None:
    reason, option = SAID[limit]
    found = exceeded(limit, LIMITS)  # type: ignore[arg-type]
    assert found.reason == reason
    setting = option.strip("`-").partition(" ")[0]
    assert found.remedy == f"raise the setting `{setting}`, such as by {option}"


@pytest.mark.parametrize(
    ("seconds", "text"), [(7200, "2h"), (5400, "90m"), (90, "90s"), (86400, "24h"), (1, "1s")]
)
def test_durations_are_spelled_as_settings_take_them(seconds: int, text: str) -> None:
    assert spell_time(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(2**31, "2GiB"), (3 * 2**19, "1536KiB"), (2**20, "1MiB"), (7, "7B")]
)
def test_sizes_are_spelled_as_settings_take_them(size: int, text: str) -> None:
    assert spell_size(size) == text
