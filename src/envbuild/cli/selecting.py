"""Options of every command that starts from a lock: what of it, for whom, in which form, from where."""

from __future__ import annotations

from envbuild.cli.arguments import Group, Option

LOCKFILE = Option(
    name="lockfile",
    metavar="PATH",
    help="A uv.lock or pylock.toml; by default the nearest uv.lock, here or upwards",
)
VENV = Option(
    name="venv",
    metavar="PATH",
    help="The environment; by default .venv beside the lockfile",
)
PYTHON = Option(
    name="python",
    short="p",
    metavar="SPEC",
    help="Interpreter: 3.12, cpython@3.13, >=3.10, or a path",
)
NO_VERIFY_RECORD = Option(
    name="no-verify-record",
    help="Accept wheels whose RECORD disagrees with their content",
)
VERIFY_RECORD = Option(name="verify-record", sets="no-verify-record", value=False)

WHAT_TO_INSTALL = Group(
    title="What to install",
    options=(
        Option(name="extra", metavar="NAME", help="Include this extra"),
        Option(name="all-extras", help="Include every extra"),
        Option(name="no-extra", metavar="NAME", help="Leave this out of --all-extras"),
        Option(name="group", metavar="NAME", help="Include this dependency group"),
        Option(name="all-groups", help="Include every dependency group"),
        Option(name="no-group", metavar="NAME", help="Leave this group out; always wins"),
        Option(
            name="only-group",
            metavar="NAME",
            help="Install this group and nothing of the project",
        ),
        Option(name="no-default-groups", help="Do not include the default groups"),
        Option(name="dev", help="Include the group dev", replaces="no-dev"),
        Option(name="no-dev", help="Leave the group dev out", replaces="dev"),
        Option(name="only-dev", help="Install the group dev and nothing of the project"),
        Option(name="package", metavar="NAME", help="Install for this member of the workspace"),
        Option(name="all-packages", help="Install for every member of the workspace"),
        Option(name="no-install-project", help="Leave the project out, not its dependencies"),
        Option(name="no-install-workspace", help="The same for all workspace members"),
        Option(name="no-install-local", help="The same for everything from local paths"),
        Option(name="no-install-package", metavar="NAME", help="The same for this package"),
        Option(
            name="no-editable",
            help="Install projects as others are, not as links to where they lie",
        ),
        Option(name="editable", sets="no-editable", value=False),
        Option(name="no-editable-package", metavar="NAME", help="The same for this package"),
    ),
)

HOW_TO_BUILD = (
    Option(
        name="build-dependency-strategy",
        metavar="STRATEGY",
        help="What is built with: latest, prefer-locked or require-locked versions",
    ),
    Option(
        name="config-setting",
        short="C",
        metavar="KEY=VALUE",
        help="Tell every build backend this",
    ),
    Option(name="config-settings", metavar="KEY=VALUE", sets="config-setting"),
    Option(
        name="config-settings-package",
        metavar="NAME:KEY=VALUE",
        help="Tell the backend of this package this",
    ),
    Option(
        name="no-build-isolation",
        help="Build with what the environment holds, not with what is declared",
    ),
    Option(name="build-isolation", sets="no-build-isolation", value=False),
    Option(name="no-build-isolation-package", metavar="NAME", help="The same for this package"),
    Option(name="locked", help="Build with what envbuild.lock pins, and resolve nothing"),
)

BUILDING = Group(
    title="Wheels and building",
    options=(
        Option(name="no-build", help="Take wheels alone, and build nothing"),
        Option(name="build", sets="no-build", value=False),
        Option(name="no-build-package", metavar="NAME", help="Do not build this package"),
        Option(name="no-binary", help="Build everything from source, and take no wheels"),
        Option(name="binary", sets="no-binary", value=False),
        Option(name="no-binary-package", metavar="NAME", help="Take no wheel for this package"),
        *HOW_TO_BUILD,
    ),
)

FETCHING = Group(
    title="Fetching",
    options=(
        Option(
            name="index-mirror",
            metavar="FROM=TO",
            help="Read what is below the URL FROM below TO instead",
        ),
        Option(
            name="allow-insecure-host",
            metavar="HOST",
            help="Do not check the certificate of this host",
        ),
        Option(
            name="keyring-provider",
            metavar="HOW",
            help="Where to find passwords: auto, disabled or subprocess",
        ),
        Option(name="concurrent-downloads", metavar="N", help="Transfers at once (default 16)"),
        Option(name="refresh", help="Pin anew what the lock has no hash for"),
        Option(name="refresh-package", metavar="NAME", help="The same for this package"),
        NO_VERIFY_RECORD,
        VERIFY_RECORD,
        Option(
            name="unpack-limit",
            metavar="SIZE",
            help="Refuse wheels that unpack to more than this",
        ),
    ),
)

CLASHES = (
    ("extra", "all-extras"),
    ("only-group", "extra"),
    ("only-group", "all-extras"),
    ("only-group", "group"),
    ("only-group", "all-groups"),
    ("only-group", "dev"),
    ("only-dev", "group"),
    ("only-dev", "all-groups"),
    ("only-dev", "no-dev"),
    ("package", "all-packages"),
)
"""Pairs of these options that cannot be given together."""
