"""The pages say what is: their examples run, their tables are those of the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envbuild.digest import digest_of
from envbuild.store import layout
from envbuild.store.local import Store

if TYPE_CHECKING:
    from store_layout.conftest import Golden

ROOT = Path(__file__).parents[2] / "store_layout"
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.md"))
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown(block: str, b3: str, v1: Path) -> str:
    """Return an example with what its commands print now."""
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))
    lines = []
    for command in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
        output = subprocess.run(
            ("bash", "-c", f"set -e\n{b3}\n{command}"),
            cwd=v1,
            env={**os.environ, "PATH": path},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        lines += [f"$ {command}", *output.splitlines()]
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_give_what_it_shows(
    page: str, layout_root: Path, v1: Path, golden: Golden
) -> None:
    found = re.search(
        r"^```sh\n(.*?)^```$", (layout_root / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert found is not None
    text = (layout_root / page).read_text(encoding="utf-8")

    def rerun(block: re.Match[str]) -> str:
        return f"```console\n{shown(block[1], found[1], v1)}```"

    golden({os.path.relpath(layout_root / page, v1): BLOCK.sub(rerun, text).encode()})


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    text = "\n" + (ROOT / page).read_text(encoding="utf-8")
    below = text.partition(f"\n{heading}\n")[2]
    table = re.search(r"^\|.*?(?=\n\n|\Z)", below, re.MULTILINE | re.DOTALL)
    assert table is not None
    lines = [line.strip("| ").split(" | ") for line in table[0].splitlines()]
    return [[cell.strip() for cell in line] for line in lines[2:]]


def test_the_layout_page_names_every_folder() -> None:
    names = [row[0].strip("`") for row in rows("v1/layout.md", "## Names")]
    assert sorted(names) == sorted((layout.FORMAT_FILE, *layout.FOLDERS))


def test_the_layout_page_has_modes_and_time_of_the_code() -> None:
    (plain, executable, *_) = rows("v1/layout.md", "## Modes and times")
    assert plain[1:] == [f"{layout.FILE_MODE:04o}", "1980-01-02T00:00:00Z"]
    assert executable[1:] == [f"{layout.EXECUTABLE_MODE:04o}", "1980-01-02T00:00:00Z"]
    seconds = subprocess.run(
        ("date", "-u", "-d", plain[2], "+%s"), check=True, capture_output=True, text=True
    )
    assert int(seconds.stdout) == layout.TIMESTAMP


def test_the_layout_page_gives_the_digest_of_the_format_file(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "store")) as store:
        found = store.read(layout.FORMAT_FILE)
    assert found == layout.format_bytes()
    assert digest_of(found) in (ROOT / "v1/layout.md").read_text(encoding="utf-8")


def test_the_locks_page_names_every_lock() -> None:
    names = [row[0].strip("`") for row in rows("v1/locks.md", "# Locks")]
    digest = digest_of(b"")
    known = (
        layout.STORE_LOCK,
        layout.work_lock(digest).replace(digest, "<digest>"),
        f"{layout.RUNNING}/<name>",
        f"{layout.STAGING}/<name>/{layout.STAGING_OWNER}",
        f"{layout.PARTIAL}/<name>",
    )
    assert names == list(known)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_linked_from_the_first(page: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert page == "README.md" or f"({page})" in text


@pytest.mark.parametrize("schema", sorted(path.name for path in (ROOT / "v1/schema").iterdir()))
def test_every_schema_is_linked_from_a_page(schema: str) -> None:
    pages = "".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    assert f"(schema/{schema})" in pages
