"""Commands and their options as values; reading a command line by them, and their help.

What a value may be is decided by `envbuild.workflows.settings`, which hears it from variables and
files too; here every value is still text. Reading, help and completion work from the same tables,
so each wording and each rule is ours on every version of Python.

The grammar is that of GNU programs: `--name value`, `--name=value`, `-n value`, `-nvalue`, `-qv`;
options and arguments in any order; `--` ends the options. Names are never abbreviated. Of options
that take one value, the last counts.
"""

from __future__ import annotations

from envbuild.errors import UsageError
from envbuild.frozen import frozen
from envbuild.workflows.settings import SETTINGS, similar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from envbuild.cli.terminal import Terminal
    from envbuild.workflows.settings import Given

_WIDTH = 96
_COLUMN = 32


@frozen
class Option:
    """One option of the command line.

    Attributes:
        name: without its hyphens.
        help: one sentence without a full stop; empty for what the help leaves out.
        short: a single letter.
        metavar: what its value is called; empty for a flag.
        sets: the setting that it speaks of, where that has another name.
        value: for a flag: what it says of that setting.
        replaces: a flag that no longer counts where it stands earlier on the line.
    """

    name: str
    help: str = ""
    short: str = ""
    metavar: str = ""
    sets: str = ""
    value: bool | str = True
    replaces: str = ""

    @property
    def setting(self) -> str:
        """The name in `SETTINGS` of what it speaks of."""
        return self.sets or self.name

    @property
    def spellings(self) -> tuple[str, ...]:
        """How it is written, the short form first."""
        return (f"-{self.short}", f"--{self.name}") if self.short else (f"--{self.name}",)


@frozen
class Group:
    """Options that belong together under a heading of the help."""

    title: str
    options: tuple[Option, ...]


@frozen
class Positional:
    """The argument without a name.

    Attributes:
        metavar: what it is called.
        help: one sentence without a full stop.
        required: whether it must be there.
        choices: all that it may be; empty where it is free.
        is_file: whether it names a file, for completion.
    """

    metavar: str
    help: str
    required: bool = False
    choices: tuple[str, ...] = ()
    is_file: bool = False


@frozen
class Command:
    """What can be asked of the program.

    Attributes:
        name: one word, or two for a command of a family.
        summary: one line, for lists of commands and the top of its help.
        run: does it, and returns the exit code.
        positional: its argument.
        groups: options of its own; `GLOBAL` comes on top.
        clashes: pairs of options that cannot be given together.
        notes: what its help ends with.
    """

    name: str
    summary: str
    run: Callable[[Arguments, Terminal], int]
    positional: Positional | None = None
    groups: tuple[Group, ...] = ()
    clashes: tuple[tuple[str, str], ...] = ()
    notes: str = ""

    @property
    def options(self) -> tuple[Option, ...]:
        """Every option that it takes, in the order of its help."""
        return tuple(option for group in (*self.groups, GLOBAL) for option in group.options)


class Arguments:
    """What stands on the command line, every value still text.

    Attributes:
        given: by the names in `SETTINGS`: a flag's state, a value, the values of a list.
        positional: the argument without a name.
        quiet: how often `-q` was given.
        verbose: how often `-v` was given.
        help: whether help is wanted and nothing else.
    """

    __slots__ = ("given", "help", "positional", "quiet", "verbose")

    def __init__(self) -> None:
        self.given: dict[str, Given] = {}
        self.positional: str | None = None
        self.quiet = 0
        self.verbose = 0
        self.help = False


GLOBAL = Group(
    title="Global options",
    options=(
        Option(name="store", metavar="PATH", help="Folder of the store"),
        Option(
            name="cache-dir",
            metavar="PATH",
            help="Folder for what is remembered about this machine",
        ),
        Option(name="offline", help="Use no network"),
        Option(name="no-offline", sets="offline", value=False),
        Option(name="directory", metavar="PATH", help="Change to this folder first"),
        Option(name="config-file", metavar="PATH", help="Read settings from this file alone"),
        Option(name="no-config", help="Read no settings files"),
        Option(name="color", metavar="WHEN", help="Colour the output: auto, always or never"),
        Option(name="no-progress", help="Show no progress"),
        Option(name="progress", sets="no-progress", value=False),
        Option(name="quiet", short="q", help="Print errors only; twice: print nothing"),
        Option(name="verbose", short="v", help="Print more, such as each archive"),
        Option(name="help", short="h", help="Show this help"),
    ),
)


class UnexpectedArgument(UsageError):
    """An option or a word that the command has no use for."""

    def __init__(self, command: str, word: str, *, meant: str | None) -> None:
        kind = "option" if word.startswith("-") else "argument"
        super().__init__(
            f"unexpected {kind} `{word}`",
            hint=f"did you mean `{meant}`?" if meant else f"see `envbuild {command} --help`",
        )
        self.word = word


class UnusableOption(UsageError):
    """An option without its value, or with one that it does not take."""

    def __init__(self, spelling: str, reason: str) -> None:
        super().__init__(f"`{spelling}` {reason}")
        self.spelling = spelling
        self.reason = reason


class BadArgument(UsageError):
    """An argument that is missing, or is none of those that there are."""

    def __init__(self, positional: Positional, found: str | None) -> None:
        metavar, choices = positional.metavar, positional.choices
        wrong = f"{metavar} is missing" if found is None else f"{metavar} cannot be `{found}`"
        expected = f": expected one of {', '.join(f'`{choice}`' for choice in choices)}"
        meant = None if found is None else similar(found, choices)
        super().__init__(
            wrong + (expected if choices else ""),
            hint=f"did you mean `{meant}`?" if meant else None,
        )
        self.found = found


class Clash(UsageError):
    """Two options that cannot be given together."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"`--{first}` cannot be used with `--{second}`")
        self.first = first
        self.second = second


def parse(command: Command, words: Sequence[str]) -> Arguments:
    """Return what `words` say to `command`.

    Raises:
        UsageError: they make no sense to it.
    """
    known = {spelling: option for option in command.options for spelling in option.spellings}
    arguments = Arguments()
    written: set[str] = set()
    free: list[str] = []
    rest = list(reversed(words))

    def note(option: Option, spelling: str, value: str | None) -> None:
        if option.metavar and value is None:
            # An option is no value: who means one that looks like it writes `--name=value`.
            if not rest or (rest[-1].startswith("-") and rest[-1] != "-"):
                raise UnusableOption(spelling, f"needs a value: {option.metavar}")
            value = rest.pop()
        written.add(option.name)
        written.discard(option.replaces)
        _note(arguments, option, value)

    while rest:
        word = rest.pop()
        if word == "--":
            free += reversed(rest)
            break
        if word.startswith("--"):
            spelling, equals, value = word.partition("=")
            option = known.get(spelling)
            if option is None:
                raise _unexpected(command, spelling)
            if equals and not option.metavar:
                raise UnusableOption(spelling, f"takes no value, found `{value}`")
            note(option, spelling, value if equals else None)
        elif word.startswith("-") and word != "-":
            letters = word[1:]
            while letters:
                spelling, letters = f"-{letters[0]}", letters[1:]
                option = known.get(spelling)
                if option is None:
                    raise _unexpected(command, spelling)
                note(option, spelling, letters if option.metavar and letters else None)
                if option.metavar:
                    break
        else:
            free.append(word)

    if not arguments.help:
        _check_positional(command, arguments, free)
        for first, second in (*_CLASHES, *command.clashes):
            if first in written and second in written:
                raise Clash(first, second)
    return arguments


def help_of(command: Command) -> str:
    """Return the help of a command."""
    usage = f"Usage: envbuild {command.name} [OPTIONS]"
    sections = [command.summary]
    positional = command.positional
    if positional is not None:
        usage += f" {positional.metavar}" if positional.required else f" [{positional.metavar}]"
    sections.append(usage)
    if positional is not None:
        text = positional.help
        if positional.choices:
            text += f": {', '.join(positional.choices)}"
        sections.append(section("Arguments", [(positional.metavar, text)]))
    sections += (section(group.title, option_rows(group)) for group in (*command.groups, GLOBAL))
    sections.append(section("Environment variables", _variables(command)))
    if command.notes:
        sections.append(command.notes)
    return "\n\n".join(sections)


def option_rows(group: Group) -> list[tuple[str, str]]:
    """Return how each option of a group is written, and what it does."""
    return [(_written(option), option.help) for option in group.options if option.help]


def section(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a heading and, in two columns, what belongs under it."""
    lines = [f"{title}:"]
    for left, right in rows:
        wrapped = _wrap(right, _WIDTH - _COLUMN)
        if len(left) + 3 <= _COLUMN:
            lines.append(f"  {left}".ljust(_COLUMN) + wrapped.pop(0))
        else:
            lines.append(f"  {left}")
        lines += (" " * _COLUMN + line for line in wrapped)
    return "\n".join(lines)


_CLASHES = (("quiet", "verbose"), ("config-file", "no-config"))


def _note(arguments: Arguments, option: Option, value: str | None) -> None:
    match option.name:
        case "quiet":
            arguments.quiet += 1
        case "verbose":
            arguments.verbose += 1
        case "help":
            arguments.help = True
        case _ if value is None:
            arguments.given.pop(option.replaces, None)
            arguments.given[option.setting] = option.value
        case _ if SETTINGS[option.setting].is_list:
            values = arguments.given.setdefault(option.setting, [])
            assert isinstance(values, list)
            values.append(value)
        case _:
            arguments.given[option.setting] = value


def _check_positional(command: Command, arguments: Arguments, free: list[str]) -> None:
    positional = command.positional
    allowed = 0 if positional is None else 1
    if len(free) > allowed:
        raise _unexpected(command, free[allowed])
    if positional is not None:
        found = free[0] if free else None
        is_missing = found is None and positional.required
        if is_missing or (found is not None and found not in (positional.choices or {found})):
            raise BadArgument(positional, found)
        arguments.positional = found


def _unexpected(command: Command, word: str) -> UnexpectedArgument:
    spellings = [f"--{option.name}" for option in command.options]
    return UnexpectedArgument(command.name, word, meant=similar(word, spellings))


def _written(option: Option) -> str:
    indent = "" if option.short else "    "
    value = f" {option.metavar}" if option.metavar else ""
    return indent + ", ".join(option.spellings) + value


def _variables(command: Command) -> list[tuple[str, str]]:
    """Return which variables say what options of a command say."""
    options = [option for option in command.options if option.help and not option.sets]
    known = [SETTINGS[option.name] for option in options if option.name in SETTINGS]
    without = ", ".join(f"--{setting.name}" for setting in known if setting.variable is None)
    of_uv = [setting.uv_variable for setting in known if setting.uv_variable is not None]
    rows = [
        ("ENVBUILD_<OPTION>", "Says what --<option> says" + f" (not for {without})" * bool(without))
    ]
    rows.append(("UV_<OPTION>", f"Counts where ours is not set: {', '.join(of_uv)}"))
    return rows


def _wrap(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip()
    return lines
