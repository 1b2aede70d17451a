"""The Rust toolchain of the machine that tests run on, wherever it lies."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def rust_toolchain() -> str:
    """Return the folder that its `bin` is in; skip the test where there is none."""
    if shutil.which("rustc") is None:
        pytest.skip("there is no Rust toolchain")
    words = ("rustc", "--print", "sysroot")
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
