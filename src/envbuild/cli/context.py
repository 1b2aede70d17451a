"""What every command needs before it starts: the folder, the settings, and how to print."""

from __future__ import annotations

import os
import sys

from envbuild.errors import UsageError
from envbuild.frozen import frozen
from envbuild.workflows.folders import default_cache, default_store
from envbuild.workflows.settings import SETTINGS, gather, settings_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.cli.arguments import Arguments
    from envbuild.cli.terminal import Terminal
    from envbuild.workflows.settings import Settings


class NoSuchFolder(UsageError):
    """The folder to work in cannot be entered."""

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(f"cannot change to `{path}`: {error.strerror or error}")
        self.path = path


@frozen
class Context:
    """Where a command works, and what its user has said.

    Attributes:
        settings: from options, variables and files.
        environ: the environment.
        cwd: absolute path of the working folder.
    """

    settings: Settings
    environ: Mapping[str, str]
    cwd: str

    @property
    def store(self) -> str:
        """Absolute path of the store."""
        return self.settings.text("store") or default_store(self.environ, sys.platform)

    @property
    def cache(self) -> str:
        """Absolute path of the folder for what is remembered about this machine."""
        return self.settings.text("cache-dir") or default_cache(self.environ, sys.platform)


def enter(
    arguments: Arguments,
    terminal: Terminal,
    *,
    lockfile: str | None = None,
    source: str | None = None,
) -> Context:
    """Go where the user wants to work, gather the settings, and let the terminal follow them.

    Args:
        arguments: of the command line.
        terminal: that is printed to.
        lockfile: as named by the user, where no option names it; the project's settings are beside it.
        source: where no lock is named: path of what is to be built, which has settings as well.

    Raises:
        UsageError: something that was said makes no sense.
    """
    environ = os.environ
    directory = arguments.given.get("directory") or _named(environ, "directory")
    if directory:
        assert isinstance(directory, str)
        try:
            os.chdir(directory)
        except OSError as error:
            raise NoSuchFolder(directory, error) from error
    cwd = os.getcwd()
    if source is not None:
        lockfile = settings_folder(source, cwd)
    elif lockfile is None:
        named = arguments.given.get("lockfile")
        assert named is None or isinstance(named, str)
        lockfile = named
    settings = gather(
        arguments.given, lockfile=lockfile, environ=environ, platform=sys.platform, cwd=cwd
    )
    terminal.as_json = settings.text("output-format") == "json"
    terminal.set_colors(settings.text("color"), environ)
    return Context(settings=settings, environ=environ, cwd=cwd)


def _named(environ: Mapping[str, str], name: str) -> str | None:
    setting = SETTINGS[name]
    for variable in (setting.variable, setting.uv_variable):
        if variable and environ.get(variable):
            return environ[variable]
    return None
