"""Options of every command that builds: where, how many at once, and what each may take."""

from __future__ import annotations

from envbuild.cli.arguments import Group, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.workflows.options import BuildLimits
    from envbuild.workflows.settings import Settings

SANDBOX = Option(
    name="sandbox",
    metavar="WHICH",
    help="Where builds run: auto, require, or one of bubblewrap, namespaces, landlock, none",
)

ISOLATION = (
    SANDBOX,
    Option(
        name="build-network-package",
        metavar="NAME",
        help="Let builds of this package use the network",
    ),
    Option(
        name="build-tools",
        metavar="FOLDER",
        help="Let builds use the programs in FOLDER/bin, and read what is in FOLDER",
    ),
)
"""What a build can reach, which is part of what its wheel is known by."""

LIMITS = Group(
    title="Limits of builds",
    options=(
        *ISOLATION,
        Option(
            name="concurrent-builds",
            metavar="N",
            help="Builds at once (default: one for each processor)",
        ),
        Option(
            name="jobs",
            short="j",
            metavar="N",
            help="The same as --concurrent-builds",
            sets="concurrent-builds",
        ),
        Option(
            name="build-time-limit",
            metavar="TIME",
            help="End a build that takes longer, such as 30m (default 1h)",
        ),
        Option(
            name="build-memory-limit",
            metavar="SIZE",
            help="End a build that uses more memory (default: none)",
        ),
        Option(
            name="build-disk-limit",
            metavar="SIZE",
            help="End a build whose folder grows larger (default: none)",
        ),
        Option(
            name="build-output-limit",
            metavar="SIZE",
            help="End a build that prints more (default 64MiB)",
        ),
        Option(
            name="build-process-limit",
            metavar="N",
            help="End a build that has more processes (default 4096)",
        ),
    ),
)


def build_limits(settings: Settings) -> BuildLimits:
    """Return what the settings say that one build may take."""
    from envbuild.workflows.options import BuildLimits

    limits = BuildLimits()
    return BuildLimits(
        seconds=settings.number("build-time-limit") or limits.seconds,
        memory=settings.number("build-memory-limit"),
        disk=settings.number("build-disk-limit"),
        output=settings.number("build-output-limit") or limits.output,
        processes=settings.number("build-process-limit") or limits.processes,
    )
