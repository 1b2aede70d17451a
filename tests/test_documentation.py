"""The reference pages name everything that there is, and nothing that there is not."""

from __future__ import annotations

import re
from pathlib import Path

from envbuild.cli import commands
from envbuild.cli.arguments import GLOBAL
from envbuild.workflows.settings import SETTINGS
from reference_errors import PAGE, error_classes, errors_page

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """Return what stands below a heading, up to the next one of its level."""
    level = heading.partition(" ")[0]
    return text.partition(f"\n{heading}\n")[2].partition(f"\n{level} ")[0]


def test_the_commands_page_shows_every_option_of_every_command() -> None:
    text = page("commands.md")
    for name in commands.NAMES:
        described = section(text, f"## envbuild {name}")
        assert described, name
        shown = set(re.findall(r"`(?:-\w, )?--([\w-]+)", described))
        command = commands.load(name)
        # Options that `realize` has as well are described there.
        shared = commands.load("realize").groups if name != "realize" else ()
        groups = [group for group in command.groups if group not in shared]
        own = {option.name for group in groups for option in group.options if option.help}
        assert shown - {option.name for option in GLOBAL.options} == own, name
    everywhere = section(text, "## Options of every command")
    shown = set(re.findall(r"^\| `(?:-\w, )?--([\w-]+)", everywhere, re.MULTILINE))
    assert shown == {option.name for option in GLOBAL.options if option.help}


def test_the_settings_page_has_a_row_for_everything_that_has_a_variable() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|.*\| `(ENVBUILD_\w+)` \| (?:`(\w+)`)? *\| (yes)? *\|$",
                      page("settings.md"), re.MULTILINE)  # fmt: skip
    assert rows == [
        (setting.name, setting.variable, setting.uv_variable or "", "yes" * setting.in_files)
        for setting in SETTINGS.values()
        if setting.variable
    ]


def test_the_errors_page_is_what_its_script_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == errors_page(), "run `tests/reference_errors.py`"


def test_every_error_says_what_it_means() -> None:
    assert [each.__name__ for each in error_classes() if not each.__doc__] == []
