from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envbuild.cli.arguments import (
    GLOBAL,
    BadArgument,
    Clash,
    Command,
    Group,
    Option,
    Positional,
    UnexpectedArgument,
    UnusableOption,
    help_of,
    parse,
    section,
)
from envbuild.frozen import replace

if TYPE_CHECKING:
    from envbuild.cli.arguments import Arguments
    from envbuild.cli.terminal import Terminal


def _run(_arguments: Arguments, _terminal: Terminal) -> int:
    return 0


BAKE = Command(
    name="bake",
    summary="Bake a loaf",
    run=_run,
    positional=Positional(metavar="FLOUR", help="What it is made of"),
    groups=(
        Group(
            title="Oven",
            options=(
                Option(name="python", short="p", metavar="SPEC", help="Who bakes"),
                Option(name="extra", metavar="NAME", help="What goes in"),
                Option(name="clear", help="Clean the oven first"),
                Option(name="dev", help="With a developer", replaces="no-dev"),
                Option(name="no-dev", help="Without one", replaces="dev"),
                Option(name="json", help="For machines", sets="output-format", value="json"),
                Option(name="output-format", metavar="FORMAT", help="For whom"),
            ),
        ),
    ),
    clashes=(("clear", "extra"),),
    notes="Bread rises.",
)
SLICE = Command(
    name="slice",
    summary="Slice a loaf",
    run=_run,
    positional=Positional(
        metavar="WIDTH", help="How wide", required=True, choices=("thin", "thick")
    ),
)
PLAIN = Command(name="plain", summary="Nothing", run=_run)


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("", {}),
        ("--python 3.12", {"python": "3.12"}),
        ("--python=3.12", {"python": "3.12"}),
        ("-p 3.12", {"python": "3.12"}),
        ("-p3.12", {"python": "3.12"}),
        ("-p=3.12", {"python": "=3.12"}),
        ("--python=", {"python": ""}),
        ("--python=-odd", {"python": "-odd"}),
        ("--python -", {"python": "-"}),
        ("-p 1 --python 2", {"python": "2"}),
        ("--extra a --extra=b", {"extra": ["a", "b"]}),
        ("--clear --clear", {"clear": True}),
        ("--offline --no-offline", {"offline": False}),
        ("--no-offline --offline", {"offline": True}),
        ("--dev --no-dev", {"no-dev": True}),
        ("--no-dev --dev", {"dev": True}),
        ("--json", {"output-format": "json"}),
        ("--json --output-format text", {"output-format": "text"}),
        ("--store s rye", {"store": "s"}),
    ],
)
def test_options_are_read(line: str, given: dict[str, object]) -> None:
    assert parse(BAKE, line.split()).given == given


@pytest.mark.parametrize(
    ("line", "positional"),
    [
        ("", None),
        ("rye", "rye"),
        ("--clear rye", "rye"),
        ("rye --clear", "rye"),
        ("-", "-"),
        ("-- --clear", "--clear"),
        ("--clear -- rye", "rye"),
    ],
)
def test_the_argument_may_stand_anywhere(line: str, positional: str | None) -> None:
    assert parse(BAKE, line.split()).positional == positional


@pytest.mark.parametrize(
    ("line", "quiet", "verbose"),
    [("", 0, 0), ("-q", 1, 0), ("-qq", 2, 0), ("-q --quiet", 2, 0), ("-vvv", 0, 3)],
)
def test_quiet_and_verbose_are_counted(line: str, quiet: int, verbose: int) -> None:
    arguments = parse(BAKE, line.split())
    assert (arguments.quiet, arguments.verbose) == (quiet, verbose)


def test_short_options_may_be_joined() -> None:
    arguments = parse(BAKE, ["-qqp3.12"])
    assert arguments.quiet == 2
    assert arguments.given == {"python": "3.12"}


@pytest.mark.parametrize(
    "line", ["-h", "--help", "--help a b c", "-hq -v", "--help --clear --extra x"]
)
def test_help_wins_over_what_else_is_wrong(line: str) -> None:
    assert parse(BAKE, line.split()).help


@pytest.mark.parametrize(
    ("line", "word", "hint"),
    [
        ("--pyton 3", "--pyton", "did you mean `--python`?"),
        ("--clea", "--clea", "did you mean `--clear`?"),
        ("--zzzz=1", "--zzzz", "see `envbuild bake --help`"),
        ("-x", "-x", "see `envbuild bake --help`"),
        ("-qx", "-x", "see `envbuild bake --help`"),
        ("rye wheat", "wheat", "see `envbuild bake --help`"),
    ],
)
def test_what_is_unknown_is_refused(line: str, word: str, hint: str) -> None:
    with pytest.raises(UnexpectedArgument) as caught:
        parse(BAKE, line.split())
    assert caught.value.word == word
    assert f"`{word}`" in caught.value.message
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--python", "`--python` needs a value: SPEC"),
        ("-p", "`-p` needs a value: SPEC"),
        ("-qp", "`-p` needs a value: SPEC"),
        ("--extra --clear", "`--extra` needs a value: NAME"),
        ("--extra -- x", "`--extra` needs a value: NAME"),
        ("--clear=yes", "`--clear` takes no value, found `yes`"),
        ("--quiet=2", "`--quiet` takes no value, found `2`"),
    ],
)
def test_values_are_neither_missing_nor_superfluous(line: str, message: str) -> None:
    with pytest.raises(UnusableOption) as caught:
        parse(BAKE, line.split())
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("line", "first", "second"),
    [
        ("--extra a --clear", "clear", "extra"),
        ("--clear --extra a", "clear", "extra"),
        ("-q -v", "quiet", "verbose"),
        ("--config-file x --no-config", "config-file", "no-config"),
    ],
)
def test_some_options_exclude_each_other(line: str, first: str, second: str) -> None:
    with pytest.raises(Clash) as caught:
        parse(BAKE, line.split())
    assert (caught.value.first, caught.value.second) == (first, second)


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("", "WIDTH is missing: expected one of `thin`, `thick`", None),
        (
            "thin_",
            "WIDTH cannot be `thin_`: expected one of `thin`, `thick`",
            "did you mean `thin`?",
        ),
    ],
)
def test_an_argument_with_choices_is_one_of_them(line: str, message: str, hint: str | None) -> None:
    with pytest.raises(BadArgument) as caught:
        parse(SLICE, line.split())
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_an_argument_may_be_required_whatever_it_is() -> None:
    needy = replace(PLAIN, positional=Positional(metavar="THING", help="Any", required=True))
    assert parse(needy, ["x"]).positional == "x"
    with pytest.raises(BadArgument, match=r"^THING is missing$"):
        parse(needy, [])


def test_a_command_without_an_argument_takes_none() -> None:
    with pytest.raises(UnexpectedArgument, match="unexpected argument `word`"):
        parse(PLAIN, ["word"])


def test_help_tells_everything_in_order() -> None:
    text = help_of(BAKE)
    places = [
        text.index(part)
        for part in (
            "Bake a loaf",
            "Usage: envbuild bake [OPTIONS] [FLOUR]",
            "FLOUR",
            "What it is made of",
            "Oven:",
            "-p, --python SPEC",
            "Who bakes",
            "    --clear",
            "Global options:",
            "-q, --quiet",
            "UV_PYTHON",
            "Bread rises.",
        )
    ]
    assert places == sorted(places)
    assert "--no-offline" not in text
    assert "Usage: envbuild slice [OPTIONS] WIDTH" in help_of(SLICE)


def test_lines_of_a_section_are_never_too_wide() -> None:
    words = "a word and another one " * 20
    text = section("Title", [("--short", words), (f"--{'long' * 10}", words)])
    assert max(map(len, text.splitlines())) <= 96
    assert " ".join(text.split()).count("a word and another one") == 40


def test_every_global_option_is_explained_or_the_reverse_of_one_that_is() -> None:
    explained = {option.name for option in GLOBAL.options if option.help}
    for option in GLOBAL.options:
        assert option.help or option.sets in explained
