"""`envbuild build`: a project or a source distribution, to a wheel file."""

from __future__ import annotations

from envbuild.cli.arguments import Command, Group, Option, Positional
from envbuild.cli.building import LIMITS
from envbuild.cli.output import OUTPUT
from envbuild.cli.selecting import FETCHING, HOW_TO_BUILD, PYTHON
from envbuild.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.cli.arguments import Arguments
    from envbuild.cli.terminal import Terminal


class NoSdists(UsageError):
    """A source distribution is asked for."""

    def __init__(self) -> None:
        super().__init__(
            "`--sdist`: wheels are built here, and no source distributions",
            hint="`uv build --sdist` makes one, and `envbuild build` a wheel from it",
        )


def run(arguments: Arguments, terminal: Terminal) -> int:
    """Build, and print what came of it."""
    from envbuild.cli import render_build as render
    from envbuild.cli.context import enter
    from envbuild.cli.progress import reporter_for
    from envbuild.cli.realize import realise_options
    from envbuild.workflows.build_wheels import build_wheels

    source = arguments.positional or "."
    context = enter(arguments, terminal, source=source)
    settings = context.settings
    if settings.flag("sdist"):
        raise NoSdists
    with reporter_for(terminal, context) as reporter:
        result = build_wheels(
            source,
            realise_options(context, None),
            members=settings.texts("package"),
            all_members=settings.flag("all-packages"),
            out_dir=settings.text("out-dir"),
            compress=settings.flag("compress"),
            environ=context.environ,
            cwd=context.cwd,
            reporter=reporter,
        )
    if terminal.as_json:
        terminal.data(render.build_as_json(result))
    else:
        terminal.answer(render.build_as_text(result, terminal.paint, cwd=context.cwd))
    return 0


COMMAND = Command(
    name="build",
    summary="Build a project or a source distribution to a wheel file",
    run=run,
    positional=Positional(
        metavar="SRC",
        help="A project's folder, or a .tar.gz or .zip of its sources; by default the folder here",
        is_file=True,
    ),
    groups=(
        Group(
            title="What to build",
            options=(
                Option(name="package", metavar="NAME", help="Build this member of the workspace"),
                Option(name="all-packages", help="Build every member of the workspace"),
                Option(
                    name="out-dir",
                    short="o",
                    metavar="PATH",
                    help="Folder for wheels; by default dist in the project, or beside the archive",
                ),
                Option(name="compress", help="Write smaller files, which differ between machines"),
                Option(name="wheel", help="Build a wheel, which is always done"),
                Option(name="sdist"),
                PYTHON,
            ),
        ),
        Group(title="How to build it", options=HOW_TO_BUILD),
        LIMITS,
        FETCHING,
        OUTPUT,
    ),
    clashes=(("package", "all-packages"),),
    notes="""\
The same inputs are built once, here and for environments: what `envbuild realize` has built is found,
and the other way round. The nearest uv.lock, in that folder or above it, says which settings and
which envbuild.lock count; without one they are those of the folder itself.

Examples:
  envbuild build                           the project here, into dist
  envbuild build packages/app -o wheels    another one, elsewhere
  envbuild build numpy-2.1.0.tar.gz        a source distribution, beside it
  envbuild build --all-packages --json     every member of a workspace, for a script""",
)
