"""`envbuild realize`: from a lockfile to an environment."""

from __future__ import annotations

from envbuild.cli.arguments import Command, Group, Option, Positional
from envbuild.cli.building import LIMITS, build_limits
from envbuild.cli.output import AS_JSON
from envbuild.cli.selecting import (
    BUILDING,
    CLASHES,
    FETCHING,
    PYTHON,
    VENV,
    WHAT_TO_INSTALL,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.cli.arguments import Arguments
    from envbuild.cli.context import Context
    from envbuild.cli.terminal import Terminal
    from envbuild.selection.model import Request
    from envbuild.workflows.options import RealiseOptions, RealiseResult
    from envbuild.workflows.settings import Settings


def run(arguments: Arguments, terminal: Terminal) -> int:
    """Realise, and print what came of it; 1 where a check finds a difference."""
    from time import perf_counter

    from envbuild.cli.context import enter
    from envbuild.cli.progress import reporter_for

    started = perf_counter()
    context = enter(arguments, terminal, lockfile=arguments.positional)
    options = realise_options(context, arguments.positional)

    from envbuild.workflows.realise import realise

    with reporter_for(terminal, context) as reporter:
        result = realise(options, environ=context.environ, cwd=context.cwd, reporter=reporter)

    seconds = perf_counter() - started
    _print(result, options, seconds, terminal)
    if options.check or options.dry_run:
        if options.check and (result.created or result.changes):
            from envbuild.cli.failures import complain

            complain(terminal, f"the environment `{result.prefix}` is not what the lock asks for")
            return 1
        return 0
    _remember(result, options, terminal, context)
    return 0


def _print(
    result: RealiseResult, options: RealiseOptions, seconds: float, terminal: Terminal
) -> None:
    from envbuild.cli import render

    if terminal.as_json:
        terminal.data(render.result_as_json(result, options))
    else:
        terminal.answer(render.result_as_text(result, options, seconds, terminal.paint))


def _remember(
    result: RealiseResult, options: RealiseOptions, terminal: Terminal, context: Context
) -> None:
    """Keep what the same command will have to say when it finds nothing to do."""
    if result.watched is None or options.clear or options.refresh:
        return
    from io import StringIO
    from sys import argv

    from envbuild.cli.recall import remember

    told = StringIO()
    _print(result.when_unchanged(), options, 0.0, terminal.copy_to(told))
    remember(
        argv[1:],
        context.environ,
        watched=result.watched,
        settings=context.settings.looked_for,
        text=told.getvalue(),
    )


def realise_options(context: Context, lockfile: str | None) -> RealiseOptions:
    """Return what the settings ask of `realise`."""
    from envbuild.workflows.options import RealiseOptions

    settings = context.settings
    mirrors = (text.partition("=") for text in settings.texts("index-mirror"))
    refresh = ("*",) if settings.flag("refresh") else settings.texts("refresh-package")
    return RealiseOptions(
        lockfile=lockfile,
        venv=settings.text("venv"),
        python=settings.text("python"),
        store=context.store,
        cache=context.cache,
        request=_request(settings),
        link_mode=settings.choice("link-mode") or "auto",
        collisions=settings.choice("collisions") or "error",
        require_link=settings.flag("require-link"),
        clear=settings.flag("clear"),
        inexact=settings.flag("inexact"),
        check=settings.flag("check"),
        dry_run=settings.flag("dry-run"),
        offline=settings.flag("offline"),
        index_mirrors=tuple((source, target) for source, _, target in mirrors),
        verify_record=not settings.flag("no-verify-record"),
        refresh=refresh,
        insecure_hosts=settings.texts("allow-insecure-host"),
        keyring_provider=settings.choice("keyring-provider") or "auto",
        jobs=settings.number("concurrent-downloads") or 16,
        unpack_limit=settings.number("unpack-limit"),
        build_strategy=settings.choice("build-dependency-strategy"),
        sandbox=settings.choice("sandbox") or "auto",
        build_network=settings.texts("build-network-package"),
        build_tools=settings.texts("build-tools"),
        concurrent_builds=settings.number("concurrent-builds"),
        build_limits=build_limits(settings),
        locked=settings.flag("locked"),
        config_settings=settings.texts("config-setting"),
        package_config_settings=settings.texts("config-settings-package"),
        no_build_isolation=settings.flag("no-build-isolation"),
        no_build_isolation_packages=settings.texts("no-build-isolation-package"),
    )


def _request(settings: Settings) -> Request:
    from envbuild.selection.model import Request

    # One of the three on the command line means that no variable speaks of the group.
    dev = settings.first_said(("dev", "no-dev", "only-dev"))
    return Request(
        roots=settings.texts("package") or None,
        all_packages=settings.flag("all-packages"),
        extras=settings.texts("extra"),
        all_extras=settings.flag("all-extras"),
        no_extras=settings.texts("no-extra"),
        groups=_with_dev(settings, "group", "dev" in dev),
        all_groups=settings.flag("all-groups"),
        no_groups=_with_dev(settings, "no-group", "no-dev" in dev),
        only_groups=_with_dev(settings, "only-group", "only-dev" in dev),
        no_default_groups=settings.flag("no-default-groups"),
        no_install_project=settings.flag("no-install-project"),
        no_install_workspace=settings.flag("no-install-workspace"),
        no_install_local=settings.flag("no-install-local"),
        no_install_packages=settings.texts("no-install-package"),
        no_build=settings.flag("no-build"),
        no_build_packages=settings.texts("no-build-package"),
        no_binary=settings.flag("no-binary"),
        no_binary_packages=settings.texts("no-binary-package"),
        no_editable=settings.flag("no-editable"),
        no_editable_packages=settings.texts("no-editable-package"),
    )


def _with_dev(settings: Settings, name: str, dev: bool) -> tuple[str, ...]:
    names = settings.texts(name)
    return (*names, "dev") if dev and "dev" not in names else names


COMMAND = Command(
    name="realize",
    summary="Build the environment that a lockfile describes",
    run=run,
    positional=Positional(
        metavar="LOCKFILE",
        help="A uv.lock or pylock.toml; by default the nearest uv.lock, here or upwards",
        is_file=True,
    ),
    groups=(
        WHAT_TO_INSTALL,
        BUILDING,
        LIMITS,
        Group(
            title="Environment",
            options=(
                VENV,
                PYTHON,
                Option(
                    name="link-mode",
                    metavar="MODE",
                    help="How files get in: auto, reflink, hardlink, copy or symlink",
                ),
                Option(
                    name="collisions",
                    metavar="HOW",
                    help="Where packages have different files for one path: error, first or last",
                ),
                Option(name="require-link", help="Fail where the link mode cannot be had"),
                Option(name="no-require-link", sets="require-link", value=False),
                Option(name="clear", help="Replace whatever environment is there"),
                Option(name="inexact", help="Keep packages that the lock does not ask for"),
                Option(name="exact", sets="inexact", value=False),
                Option(name="check", help="Change nothing; exit with 1 where something differs"),
                Option(name="dry-run", help="Change nothing; print what would be done"),
            ),
        ),
        FETCHING,
        Group(
            title="Output",
            options=(
                *AS_JSON,
                Option(name="frozen", help="Use the lock as it is, which is always done"),
            ),
        ),
    ),
    clashes=(*CLASHES, ("check", "clear")),
    notes="""\
Options that take a NAME, a HOST or FROM=TO may be given several times, and their variables hold
several, separated by spaces.

Examples:
  envbuild realize                         the project here, with its default groups
  envbuild realize --extra web --no-dev    for production, with one extra
  envbuild realize deploy/uv.lock --venv /srv/app/.venv --python 3.12
  envbuild realize --check                 is the environment what the lock asks for?
  envbuild realize --offline --json        from the store alone, for a script""",
)
