"""Every command there is; each is loaded when it is asked for."""

from __future__ import annotations

from envbuild.cli.arguments import GLOBAL, Command, Positional, option_rows, section
from envbuild.errors import UsageError
from envbuild.workflows.settings import similar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from envbuild.cli.arguments import Arguments
    from envbuild.cli.terminal import Terminal

NAMES = (
    "realize",
    "build",
    "explain",
    "rebuild",
    "log",
    "store path",
    "store ls",
    "store info",
    "store verify",
    "completion",
)
ALIASES = {"realise": "realize"}
FAMILIES = {
    "": "Python environments from a lockfile, through a content-addressed store",
    "store": "Look into the store, and check it",
}


class UnknownCommand(UsageError):
    """A word that is no command, where one is expected."""

    def __init__(self, word: str, family: str, *, meant: str | None) -> None:
        super().__init__(
            f"there is no command `{f'{family} {word}'.lstrip()}`",
            hint=f"did you mean `{meant}`?" if meant else _see(family),
        )
        self.word = word


class MissingCommand(UsageError):
    """Options, and nothing that they could belong to."""

    def __init__(self, family: str) -> None:
        super().__init__(f"`{f'envbuild {family}'.rstrip()}` needs a command", hint=_see(family))
        self.family = family


def find(argv: Sequence[str]) -> tuple[str, list[str]]:
    """Return which command `argv` names, and all other words in their order.

    Global options may stand before the command. The name is that of a family (`store`, or empty)
    where the words end before they name a command.

    Raises:
        UnknownCommand: a word that cannot begin, or continue, the name of a command.
    """
    if argv[:1] == ["help"]:
        argv = [*argv[1:], "--help"]
    valued = {
        spelling for option in GLOBAL.options if option.metavar for spelling in option.spellings
    }
    family = ""
    others: list[str] = []
    rest = list(reversed(argv))
    while rest:
        word = rest.pop()
        if word.startswith("-"):
            others.append(word)
            if word in valued and rest:
                others.append(rest.pop())
            continue
        name = f"{family} {ALIASES.get(word, word)}".lstrip()
        if name in NAMES:
            return name, [*others, *reversed(rest)]
        if name not in FAMILIES:
            raise UnknownCommand(word, family, meant=similar(word, _members(family)))
        family = name
    return family, others


def load(name: str) -> Command:
    """Return the command called `name`, one of `NAMES`."""
    match name:
        case "realize":
            from envbuild.cli.realize import COMMAND

            return COMMAND
        case "build":
            from envbuild.cli.build import COMMAND as BUILD

            return BUILD
        case "explain":
            from envbuild.cli.explain import COMMAND as EXPLAIN

            return EXPLAIN
        case "rebuild":
            from envbuild.cli.rebuild import COMMAND as REBUILD

            return REBUILD
        case "log":
            from envbuild.cli.log import COMMAND as LOG

            return LOG
        case "completion":
            return _COMPLETION
        case _:
            from envbuild.cli.store import COMMANDS

            return COMMANDS[name]


def _print_completion(arguments: Arguments, terminal: Terminal) -> int:
    from envbuild.cli.completion import script

    assert arguments.positional is not None
    terminal.data(script(arguments.positional, map(load, NAMES), ALIASES))
    return 0


_COMPLETION = Command(
    name="completion",
    summary="Print a script that completes commands and options in a shell",
    run=_print_completion,
    positional=Positional(
        metavar="SHELL",
        help="Shell to print it for",
        required=True,
        choices=("bash", "zsh", "fish"),
    ),
    notes="""\
Examples:
  eval "$(envbuild completion bash)"        in ~/.bashrc
  eval "$(envbuild completion zsh)"         in ~/.zshrc, after compinit
  envbuild completion fish | source         in ~/.config/fish/config.fish""",
)


def overview(family: str) -> str:
    """Return the help of a family of commands; of the whole program, where that is empty."""
    names = [name for name in NAMES if name.startswith(family)]
    usage = f"Usage: envbuild {family}".rstrip() + " COMMAND [OPTIONS]"
    sections = [
        FAMILIES[family],
        usage,
        section("Commands", [(name, load(name).summary) for name in names]),
        section(GLOBAL.title, [*option_rows(GLOBAL), ("-V, --version", "Show the version")]),
    ]
    if not family:
        sections += [
            section("Exit codes", _EXIT_CODES),
            section("Environment variables", _VARIABLES),
            section("Settings files", _FILES),
            _EXAMPLES,
        ]
    return "\n\n".join(sections)


_EXIT_CODES = (
    ("0", "Done"),
    ("1", "Failed, or a check found a difference"),
    ("2", "The request makes no sense, or the version of the lock is not supported"),
    ("130", "Interrupted"),
)
_VARIABLES = (
    ("ENVBUILD_<OPTION>", "Says what --<option> says; ENVBUILD_STORE is the store's folder"),
    ("UV_<OPTION>", "Counts where ours is not set, and uv's has the same meaning"),
    ("NO_COLOR, FORCE_COLOR", "Never colour, always colour"),
    ("ENVBUILD_HTTP_TIMEOUT", "Seconds to wait for data (30)"),
    ("ENVBUILD_HTTP_RETRIES", "How often a failed transfer is tried again (3)"),
    ("HTTP_PROXY, HTTPS_PROXY", "Proxies, with ALL_PROXY and NO_PROXY"),
    ("SSL_CERT_FILE, SSL_CERT_DIR", "Certificates to trust in place of the system's"),
    ("ENVBUILD_BACKTRACE", "Print where in the program an error arose"),
)
_FILES = (
    ("pyproject.toml", "[tool.envbuild], in the file beside the lock"),
    ("uv.toml", "Beside the lock, or [tool.uv]: what means the same to uv"),
    ("envbuild/config.toml", "In the user's configuration folder; the project's comes first"),
)
_EXAMPLES = """\
Examples:
  envbuild realize                 build .venv from the uv.lock here
  envbuild realize --help          everything that can be asked of it
  envbuild build -o wheels         build the project here to a wheel file
  envbuild store info              how large the store is, and what it saves
  envbuild store verify            read everything in the store, and compare digests"""


def _members(family: str) -> list[str]:
    known = [name.removeprefix(family).split()[0] for name in NAMES if name.startswith(family)]
    return [*dict.fromkeys(known), *(ALIASES if not family else ())]


def _see(family: str) -> str:
    return f"see `{' '.join(filter(None, ('envbuild', family, '--help')))}`"
