"""What is committed: complete, free of what belongs to one machine or one registry."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pip._internal.models import index

ROOT = Path(__file__).parents[1]
TOP_LEVEL = {
    ".ci", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE-APACHE", "LICENSE-MIT",
    "README.md", "docs", "examples", "pyproject.toml", "src", "store_layout", "tests",
}  # fmt: skip
DEFAULT_INDEX = "src/envbuild/index/default.py"


def committed() -> list[str]:
    listed = subprocess.run(
        ("git", "ls-files", "-z"), cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def text(name: str) -> str:
    return (ROOT / name).read_bytes().decode("utf-8", "replace")


def registry_hosts() -> set[str]:
    """Return the hosts of the default index and of its files, as pip knows them."""
    found = {index.PyPI, index.TestPyPI}
    return {
        host
        for entry in found
        for host in (urlsplit(entry.url).hostname, entry.file_storage_domain)
        if host
    }


def test_nothing_but_the_default_index_names_a_registry() -> None:
    pattern = re.compile("|".join(re.escape(host) for host in sorted(registry_hosts())))
    assert [name for name in committed() if pattern.search(text(name))] == [DEFAULT_INDEX]


def test_no_lock_of_a_real_index_is_committed() -> None:
    locks = [name for name in committed() if Path(name).name in {"uv.lock", "pylock.toml"}]
    assert [name for name in locks if re.search(r"https?://", text(name))] == []


def test_the_top_level_holds_what_it_always_holds() -> None:
    assert {name.partition("/")[0] for name in committed()} == TOP_LEVEL


def test_nothing_names_a_folder_of_this_machine() -> None:
    folders = {str(ROOT), sys.prefix, sys.base_prefix} - {"/usr", "/usr/local"}
    pattern = re.compile("|".join(re.escape(folder) for folder in sorted(folders)))
    assert [name for name in committed() if pattern.search(text(name))] == []


@pytest.mark.parametrize("name", [name for name in committed() if name.endswith(".md")])
def test_every_link_between_pages_leads_somewhere(name: str) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text(name)):
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        page = (ROOT / name).parent / path if path else ROOT / name
        if not page.exists() or (anchor and anchor not in anchors(page)):
            broken.append(target)
    assert broken == []


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page are called in links."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_changelog_knows_the_version() -> None:
    with open(ROOT / "pyproject.toml", "rb") as file:
        source = tomllib.load(file)["tool"]["hatch"]["version"]["path"]
    version = re.search(r'^__version__ = "(.+)"$', text(source), re.MULTILINE)
    assert version
    assert f"## {version[1]}" in text("CHANGELOG.md")
