"""Environments for every Python that is found on this machine, not only for the one that runs us."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from e2e.comparison import contents, differences, record_faults

if TYPE_CHECKING:
    from e2e.shop import Shop
    from e2e.workbench import Workbench

VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_python_gets_what_uv_gives_it(workbench: Workbench, shop: Shop, version: str) -> None:
    found = replace(workbench, python=version).envbuild(
        "realize", shop.first, "--json", "--venv", "ours", "--python", version, code=None
    )
    if found.code != 0:
        assert f"{version}" in found.err
        pytest.skip(f"no Python {version} on this machine")
    bench = replace(workbench, python=found.json["interpreter"])
    theirs = str(bench.folder / "theirs")
    bench.uv("sync", "--frozen", "--project", f"{shop.folder}/first", UV_PROJECT_ENVIRONMENT=theirs)
    ours = str(bench.folder / "ours")
    assert differences(contents(ours), contents(theirs)) == []
    assert record_faults(ours) == []
    assert bench.run("ours/bin/till").out == "1.0\n"
    statement = "import sys; print('%d.%d' % sys.version_info[:2], sys.prefix != sys.base_prefix)"
    assert bench.run("ours/bin/python", "-I", "-c", statement).out == f"{version} True\n"
    bench.uv("pip", "check", "--python", "ours/bin/python")


def test_a_changed_python_makes_the_environment_anew(workbench: Workbench, shop: Shop) -> None:
    digests: dict[str, str] = {}
    for version in (*VERSIONS, *VERSIONS[:2]):
        done = workbench.envbuild(
            "realize", shop.first, "--json", "--venv", "env", "--python", version, code=None
        )
        if done.code == 0:
            assert done.json["created"]
            assert digests.setdefault(version, done.json["digest"]) == done.json["digest"]
            assert workbench.run("env/bin/till").out == "1.0\n"
    if len(digests) < 2:
        pytest.skip("one Python alone on this machine")
    assert len(set(digests.values())) == len(digests)
