"""`envbuild rebuild`: the wheel of a package, built again and compared."""

from __future__ import annotations

from envbuild.cli.arguments import Command, Group, Option
from envbuild.cli.building import LIMITS
from envbuild.cli.explain import PACKAGE
from envbuild.cli.output import OUTPUT
from envbuild.cli.selecting import (
    BUILDING,
    CLASHES,
    FETCHING,
    LOCKFILE,
    PYTHON,
    VENV,
    WHAT_TO_INSTALL,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.cli.arguments import Arguments
    from envbuild.cli.terminal import Terminal


def run(arguments: Arguments, terminal: Terminal) -> int:
    """Build again; 1 where a check finds that it came out differently."""
    from envbuild.cli import render_explain as render
    from envbuild.cli.context import enter
    from envbuild.cli.failures import FAILED, complain
    from envbuild.cli.progress import reporter_for
    from envbuild.cli.realize import realise_options
    from envbuild.workflows.rebuild import rebuild

    assert arguments.positional is not None
    context = enter(arguments, terminal)
    options = realise_options(context, context.settings.text("lockfile"))
    with reporter_for(terminal, context) as reporter:
        result = rebuild(
            arguments.positional,
            options,
            environ=context.environ,
            cwd=context.cwd,
            reporter=reporter,
        )
    if terminal.as_json:
        terminal.data(render.rebuild_as_json(result, check=options.check))
    else:
        whole = terminal.verbosity > 0
        terminal.answer(render.rebuild_as_text(result, terminal.paint, whole=whole))
    if options.check and result.is_equal is False:
        complain(terminal, f"`{result.name}` {result.version} is not reproducible")
        return FAILED
    return 0


COMMAND = Command(
    name="rebuild",
    summary="Build the wheel of a package again, and compare it with the one in the store",
    run=run,
    positional=PACKAGE,
    groups=(
        Group(
            title="Building again",
            options=(
                Option(name="check", help="Exit with 1 where the wheel comes out differently"),
                LOCKFILE,
                VENV,
                PYTHON,
            ),
        ),
        WHAT_TO_INSTALL,
        BUILDING,
        LIMITS,
        FETCHING,
        OUTPUT,
    ),
    clashes=CLASHES,
    notes="""\
No environment changes, and none will get another wheel than before: one that comes out differently is
kept beside the first, as evidence that the build is not reproducible. What was never built is
built; with `--check`, twice.

Examples:
  envbuild rebuild numpy --check         does it come out the same?
  envbuild rebuild numpy -v              with every file that differs""",
)
