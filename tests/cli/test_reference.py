"""The pages that list commands and settings list what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from envbuild.cli.arguments import GLOBAL, Option
from envbuild.cli.commands import NAMES, load
from envbuild.workflows.settings import SETTINGS

PAGES = Path(__file__).parents[2] / "docs" / "reference"


def rows(text: str) -> list[list[str]]:
    """Return the cells of all tables in `text`, without their heads."""
    lines = [line.strip("| ") for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r" \|(?: |$)", line)] for line in lines]


def written(options: tuple[Option, ...]) -> list[str]:
    return [
        f"`{', '.join(option.spellings)}{' ' * bool(option.metavar)}{option.metavar}`"
        for option in options
        if option.help
    ]


def sections() -> dict[str, str]:
    parts = (PAGES / "commands.md").read_text(encoding="utf-8").split("\n## ")
    return {part.partition("\n")[0]: part for part in parts}


@pytest.mark.parametrize("name", NAMES)
def test_every_option_of_a_command_is_listed(name: str) -> None:
    """Groups that `realize` has as well are listed there, and led to."""
    section, groups = sections()[f"envbuild {name}"], load(name).groups
    shared = [group for group in groups if name != "realize" and group in load("realize").groups]
    own = tuple(option for group in groups if group not in shared for option in group.options)
    assert [row[0] for row in rows(section)] == written(own)
    for group in shared:
        assert f"[{group.title}](#{group.title.lower().replace(' ', '-')})" in section


def test_every_global_option_is_listed() -> None:
    listed = [row[0] for row in rows(sections()["Options of every command"])]
    assert listed == written(GLOBAL.options)


def test_every_clash_is_listed() -> None:
    for name in NAMES:
        for pair in load(name).clashes:
            if name != "realize" and pair in load("realize").clashes:
                assert "what cannot be together in `realize`" in sections()["envbuild rebuild"]
                continue
            assert " and ".join(f"`--{each}`" for each in pair) in sections()[f"envbuild {name}"]


def test_every_setting_is_listed_with_its_variables() -> None:
    text = (PAGES / "settings.md").read_text(encoding="utf-8")
    (table,) = (part for part in text.split("\n\n") if part.startswith("| name | values |"))
    listed = {}
    for name, values, variable, *more in rows(table):
        of_uv, in_files = (*more, "", "")[:2]
        listed[name.strip("`")] = (values, variable.strip("`"), of_uv.strip("`"), in_files)
    expected = {name: s for name, s in SETTINGS.items() if s.variable is not None}
    assert list(listed) == list(expected)
    for name, setting in expected.items():
        values, variable, of_uv, in_files = listed[name]
        assert (variable, of_uv or None) == (setting.variable, setting.uv_variable)
        assert (in_files == "yes") is setting.in_files
        if setting.choices:
            assert values == ", ".join(f"`{choice}`" for choice in setting.choices)
