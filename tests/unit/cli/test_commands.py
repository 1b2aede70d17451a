from __future__ import annotations

import pytest

from envbuild.cli.commands import ALIASES, FAMILIES, NAMES, UnknownCommand, find, load, overview
from envbuild.workflows.settings import SETTINGS

NOT_SETTINGS = {"quiet", "verbose", "help"}


@pytest.mark.parametrize(
    ("line", "name", "others"),
    [
        ("realize", "realize", ""),
        ("realise x", "realize", "x"),
        ("store ls x", "store ls", "x"),
        ("-q realize x -v", "realize", "-q x -v"),
        ("--store path realize", "realize", "--store path"),
        ("--store=path store path", "store path", "--store=path"),
        ("store --store path ls", "store ls", "--store path"),
        ("--color never store -q verify --json", "store verify", "--color never -q --json"),
        ("help realize", "realize", "--help"),
        ("help store ls", "store ls", "--help"),
        ("help", "", "--help"),
        ("help store", "store", "--help"),
        ("", "", ""),
        ("-q", "", "-q"),
        ("store", "store", ""),
        ("--store", "", "--store"),
    ],
)
def test_the_command_is_found_among_global_options(line: str, name: str, others: str) -> None:
    assert find(line.split()) == (name, others.split())


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("relize", "there is no command `relize`", "did you mean `realize`?"),
        ("reliase", "there is no command `reliase`", "did you mean `realise`?"),
        ("zzz", "there is no command `zzz`", "see `envbuild --help`"),
        ("store verfy", "there is no command `store verfy`", "did you mean `verify`?"),
        ("store zzz", "there is no command `store zzz`", "see `envbuild store --help`"),
        ("ls", "there is no command `ls`", "see `envbuild --help`"),
        ("store store", "there is no command `store store`", "see `envbuild store --help`"),
    ],
)
def test_an_unknown_command_is_refused(line: str, message: str, hint: str) -> None:
    with pytest.raises(UnknownCommand) as caught:
        find(line.split())
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_consistent(name: str) -> None:
    command = load(name)
    assert command.name == name
    assert not command.summary.endswith(".")
    options = command.options
    names = [option.name for option in options]
    spellings = [spelling for option in options for spelling in option.spellings]
    assert len(spellings) == len(set(spellings))
    for option in options:
        assert option.setting in SETTINGS.keys() | NOT_SETTINGS
        assert not option.help.endswith(".")
        assert option.replaces == "" or option.replaces in names
        if option.metavar and not option.sets:
            assert SETTINGS[option.name].kind != "flag"
        elif option.setting in SETTINGS and not option.sets:
            assert SETTINGS[option.name].kind == "flag"
    for pair in command.clashes:
        assert set(pair) <= set(names)


def test_every_setting_can_be_said_on_the_command_line() -> None:
    said = {option.setting for name in NAMES for option in load(name).options}
    assert said == SETTINGS.keys() | NOT_SETTINGS


def test_every_alias_leads_to_a_command() -> None:
    assert set(ALIASES.values()) <= set(NAMES)
    assert not ALIASES.keys() & set(NAMES)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_overview_names_every_command(family: str) -> None:
    text = overview(family)
    for name in NAMES:
        assert (f"\n  {name}  " in text) == name.startswith(family)
        if name.startswith(family):
            assert load(name).summary in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 96
