"""Which options uv refuses to take together, and that we refuse the same."""

from __future__ import annotations

import subprocess

import pytest
from uv import find_uv_bin

from envbuild.cli.arguments import Clash, parse
from envbuild.cli.realize import COMMAND

PAIRS = [
    "--extra x --all-extras",
    "--extra x --no-extra y",
    "--no-extra x",
    "--only-group g --extra x",
    "--only-group g --all-extras",
    "--only-group g --no-extra x",
    "--only-group g --group h",
    "--only-group g --no-group h",
    "--only-group g --all-groups",
    "--only-group g --no-default-groups",
    "--only-group g --dev",
    "--only-group g --no-dev",
    "--only-group g --only-dev",
    "--only-group g --package p",
    "--only-group g --all-packages",
    "--only-dev --group g",
    "--only-dev --no-group g",
    "--only-dev --all-groups",
    "--only-dev --no-default-groups",
    "--only-dev --dev",
    "--only-dev --no-dev",
    "--only-dev --extra x",
    "--only-dev --all-extras",
    "--dev --no-dev",
    "--no-dev --dev",
    "--no-dev --group dev",
    "--group g --no-group g",
    "--group g --all-groups",
    "--all-groups --no-default-groups",
    "--package p --all-packages",
    "--package p --package q",
    "--inexact --exact",
    "--check --dry-run",
    "--frozen --check",
    "--no-install-project --no-install-workspace",
    "--editable --no-editable",
    "--no-editable --no-editable-package p",
    "--no-build --no-binary",
    "--no-build --no-build-package p",
    "--no-build-isolation --build-isolation",
    "--no-build-isolation --no-build-isolation-package p",
    "-C a=b -Cc=d --config-setting e=f --config-settings g=h",
    "--config-settings-package p:a=b -C a=b",
    "--locked --dry-run",
    "--locked --check",
    "--refresh --refresh-package p",
    "--offline --refresh",
    "-q -v",
    "-qq",
    "--output-format json -q",
]


@pytest.mark.parametrize("line", PAIRS)
def test_what_cannot_be_used_together_is_the_same(line: str) -> None:
    """Neither gets further than its command line: there is no project here."""
    done = subprocess.run(
        (find_uv_bin(), "sync", "--no-config", "--project", "/dev/null", *line.split()),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    refused = "cannot be used with" in done.stderr
    try:
        parse(COMMAND, line.split())
    except Clash:
        assert refused, done.stderr
    else:
        assert not refused, done.stderr
