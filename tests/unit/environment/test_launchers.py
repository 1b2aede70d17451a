from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from installer.scripts import Script

from envbuild.environment.launchers import shebang

if TYPE_CHECKING:
    from pathlib import Path

PATHS = st.text(
    st.sampled_from("abz0/_-. %+=:,@'\"$`\\!éß環~#;&|<>()[]{}*?^\t"), min_size=1, max_size=140
)


@given(PATHS)
@example("/" + "a" * 123)
@example("/" + "a" * 124)
@example("/" + "é" * 61 + "a")
@example("/" + "é" * 62)
def test_the_first_lines_are_those_of_installer(executable: str) -> None:
    _, launcher = Script("run", "pkg", "main", "console").generate(executable, "posix")
    assert launcher.startswith(shebang(executable) + b"\n# -*- coding")


@pytest.mark.parametrize("name", ["plain", "with space", "l" * 150, 'it\'s $HOME "é" `id`'])
def test_a_script_runs_by_them(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    python = folder / "python"
    python.symlink_to(sys.executable)
    script = tmp_path / "script"
    body = b"\nimport sys\nprint(sys.argv[1:], ascii(sys.orig_argv[0]))\n"
    script.write_bytes(shebang(str(python)) + body)
    script.chmod(0o755)
    result = subprocess.run(
        [script, "a b", "'"], capture_output=True, text=True, check=True, env=os.environ
    )
    assert result.stdout == f"['a b', \"'\"] {str(python)!a}\n"
