"""`envbuild explain`: what decides the wheel that an environment has of a package."""

from __future__ import annotations

from envbuild.cli.arguments import Command, Group, Option, Positional
from envbuild.cli.building import ISOLATION
from envbuild.cli.output import OUTPUT
from envbuild.cli.selecting import (
    BUILDING,
    CLASHES,
    LOCKFILE,
    NO_VERIFY_RECORD,
    PYTHON,
    VENV,
    VERIFY_RECORD,
    WHAT_TO_INSTALL,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.cli.arguments import Arguments
    from envbuild.cli.terminal import Terminal


def run(arguments: Arguments, terminal: Terminal) -> int:
    """Explain, whether the wheel is there or not."""
    from envbuild.cli import render_explain as render
    from envbuild.cli.context import enter
    from envbuild.cli.progress import reporter_for
    from envbuild.cli.realize import realise_options
    from envbuild.workflows.explain import explain

    assert arguments.positional is not None
    context = enter(arguments, terminal)
    with reporter_for(terminal, context) as reporter:
        explanation = explain(
            arguments.positional,
            realise_options(context, context.settings.text("lockfile")),
            since=context.settings.text("since"),
            environ=context.environ,
            cwd=context.cwd,
            reporter=reporter,
        )
    if terminal.as_json:
        terminal.data(render.explanation_as_json(explanation))
    else:
        whole = terminal.verbosity > 0
        terminal.data(render.explanation_as_text(explanation, terminal.paint, whole=whole))
    return 0


PACKAGE = Positional(
    metavar="PACKAGE",
    help="A package of the environment, such as numpy or numpy==2.1.0",
    required=True,
)

COMMAND = Command(
    name="explain",
    summary="Show what decides the wheel of a package, and why it is built anew",
    run=run,
    positional=PACKAGE,
    groups=(
        Group(
            title="Explanation",
            options=(
                Option(
                    name="since",
                    metavar="WHICH",
                    help="Compare with another build of it: the first digits of its key or entry,"
                    " or last",
                ),
                LOCKFILE,
                VENV,
                PYTHON,
                *ISOLATION,
                NO_VERIFY_RECORD,
                VERIFY_RECORD,
            ),
        ),
        WHAT_TO_INSTALL,
        BUILDING,
        OUTPUT,
    ),
    clashes=CLASHES,
    notes="""\
Nothing is fetched, resolved or built. Ask with the options that `envbuild realize` is given, since
they decide which wheel it is. Where that is not there yet, it is compared with the nearest one
that is. `-v` shows digests whole, and every file.

Examples:
  envbuild explain numpy                 what is in the key of its wheel, and who put it there
  envbuild explain numpy --since last    what has changed since it was last built differently
  envbuild explain numpy --json          the same for a program, digests whole""",
)
