"""`envbuild log`: what the latest build of a package printed."""

from __future__ import annotations

from envbuild.cli.arguments import Command, Positional
from envbuild.cli.output import OUTPUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.cli.arguments import Arguments
    from envbuild.cli.terminal import Terminal


def run(arguments: Arguments, terminal: Terminal) -> int:
    """Print the log."""
    from envbuild.cli.context import enter
    from envbuild.cli.render import document
    from envbuild.workflows.build_log import find_log
    from envbuild.workflows.store import open_existing

    assert arguments.positional is not None
    with open_existing(enter(arguments, terminal).store) as store:
        found = find_log(store, arguments.positional)
    with open(found.path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if terminal.as_json:
        text = document(
            {
                "command": "log",
                "key": found.key,
                "log": text,
                "name": found.name,
                "path": found.path,
                "version": found.version,
            }
        )
    terminal.data(text.rstrip("\n"))
    return 0


COMMAND = Command(
    name="log",
    summary="Print what the latest build of a package printed",
    run=run,
    positional=Positional(
        metavar="PACKAGE",
        help="A package, such as numpy or numpy==2.1.0",
        required=True,
    ),
    groups=(OUTPUT,),
    notes="""\
Builds that failed have logs as well.

Examples:
  envbuild log numpy                what its latest build printed
  envbuild log numpy==2.1.0         the same of that version""",
)
