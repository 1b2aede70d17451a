"""`envbuild store`: what is in the store, where, and whether it is sound."""

from __future__ import annotations

from envbuild.cli.arguments import Command, Positional
from envbuild.cli.output import OUTPUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.cli.arguments import Arguments
    from envbuild.cli.terminal import Terminal


def run_path(arguments: Arguments, terminal: Terminal) -> int:
    """Print where the store is, or the record of an entry."""
    from envbuild.cli.context import enter
    from envbuild.cli.render import document

    path = enter(arguments, terminal).store
    if arguments.positional is not None:
        from envbuild.workflows.store import entries, find_entry, open_existing, record_of

        with open_existing(path) as store:
            path = record_of(store, find_entry(entries(store), arguments.positional))
    terminal.data(document({"command": "store path", "path": path}) if terminal.as_json else path)
    return 0


def run_ls(arguments: Arguments, terminal: Terminal) -> int:
    """List the entries of the store, or the files of one."""
    from envbuild.cli import render_store as render
    from envbuild.cli.context import enter
    from envbuild.workflows.store import describe, entries, find_entry, open_existing

    with open_existing(enter(arguments, terminal).store) as store:
        known = entries(store)
        if arguments.positional is not None:
            entry = describe(store, find_entry(known, arguments.positional))
            text = render.files_as_json(entry) if terminal.as_json else render.files_as_text(entry)
        else:
            described = [describe(store, each) for each in known]
            text = (
                render.entries_as_json(described)
                if terminal.as_json
                else render.entries_as_text(described, terminal.paint)
            )
    if text:
        terminal.data(text)
    return 0


def run_info(arguments: Arguments, terminal: Terminal) -> int:
    """Print what the store, or one entry of it, amounts to."""
    from envbuild.cli import render_store as render
    from envbuild.cli.context import enter
    from envbuild.workflows.store import describe, entries, find_entry, open_existing, totals

    with open_existing(enter(arguments, terminal).store) as store:
        if arguments.positional is not None:
            entry = describe(store, find_entry(entries(store), arguments.positional))
            text = (
                render.entry_as_json(entry)
                if terminal.as_json
                else render.entry_as_text(entry, terminal.paint)
            )
        else:
            found = totals(store)
            text = (
                render.totals_as_json(found)
                if terminal.as_json
                else render.totals_as_text(found, terminal.paint)
            )
    terminal.data(text)
    return 0


def run_verify(arguments: Arguments, terminal: Terminal) -> int:
    """Read and hash everything in the store; 1 where something is wrong."""
    from os import cpu_count

    from envbuild.cli import render_store as render
    from envbuild.cli.context import enter
    from envbuild.cli.failures import FAILED, complain
    from envbuild.cli.progress import reporter_for
    from envbuild.cli.wording import count
    from envbuild.maintenance.verify import verify_store
    from envbuild.workflows.store import open_existing

    context = enter(arguments, terminal)
    with (
        open_existing(context.store) as store,
        reporter_for(terminal, context) as reporter,
    ):
        report = verify_store(store, reporter=reporter, jobs=cpu_count() or 1)
    if terminal.as_json:
        terminal.data(render.report_as_json(store.path, report))
    else:
        whole = terminal.verbosity > 0
        terminal.answer(render.report_as_text(report, terminal.paint, whole=whole))
    if report.is_clean:
        return 0
    problems = count(len(report.findings), "problem")
    complain(terminal, f"the store `{store.path}` is damaged: {problems}")
    return FAILED


_ENTRY = Positional(
    metavar="ENTRY",
    help="A digest or its first digits, a project, project==version, or an archive's name",
)

COMMANDS = {
    command.name: command
    for command in (
        Command(
            name="store path",
            summary="Print where the store is, or the record of an entry",
            run=run_path,
            positional=_ENTRY,
            groups=(OUTPUT,),
        ),
        Command(
            name="store ls",
            summary="List the entries of the store, or the files of one",
            run=run_ls,
            positional=_ENTRY,
            groups=(OUTPUT,),
            notes="An entry is the content of one wheel. Executable files end with `*`.",
        ),
        Command(
            name="store info",
            summary="Print what the store, or one entry of it, amounts to",
            run=run_info,
            positional=_ENTRY,
            groups=(OUTPUT,),
        ),
        Command(
            name="store verify",
            summary="Read and hash everything in the store, and name what is damaged",
            run=run_verify,
            groups=(OUTPUT,),
            notes="The exit code is 1 where something is damaged. Nothing is changed.",
        ),
    )
}
