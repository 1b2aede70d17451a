"""Where things of the user's are kept by the conventions of each platform.

On Linux and other Unix systems that is the XDG Base Directory Specification; its variables count on
macOS too, where they are set. A relative path in one of them is ignored, as that specification asks.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def default_store(environ: Mapping[str, str], platform: str) -> str:
    """Return the store's folder where the user names none; `platform` is as in `sys.platform`."""
    match platform:
        case "win32":
            return _local(environ, "store")
        case "darwin":
            home = _home(environ)
            return _xdg(environ, "XDG_DATA_HOME", f"{home}/Library/Application Support", "store")
        case _:
            return _xdg(environ, "XDG_DATA_HOME", f"{_home(environ)}/.local/share", "store")


def default_cache(environ: Mapping[str, str], platform: str) -> str:
    """Return the folder for what is remembered about this machine, where the user names none."""
    match platform:
        case "win32":
            return _local(environ, "cache")
        case "darwin":
            return _xdg(environ, "XDG_CACHE_HOME", f"{_home(environ)}/Library/Caches")
        case _:
            return _xdg(environ, "XDG_CACHE_HOME", f"{_home(environ)}/.cache")


def user_settings(environ: Mapping[str, str], platform: str) -> str:
    """Return the path of the user's settings file, which need not exist."""
    if platform == "win32":
        folder = environ.get("APPDATA") or os.path.join(_home(environ), "AppData", "Roaming")
        return os.path.join(folder, "envbuild", "config.toml")
    return _xdg(environ, "XDG_CONFIG_HOME", f"{_home(environ)}/.config", "config.toml")


def _xdg(environ: Mapping[str, str], variable: str, fallback: str, *names: str) -> str:
    named = environ.get(variable, "")
    return os.path.join(named if os.path.isabs(named) else fallback, "envbuild", *names)


def _local(environ: Mapping[str, str], name: str) -> str:
    folder = environ.get("LOCALAPPDATA") or os.path.join(_home(environ), "AppData", "Local")
    return os.path.join(folder, "envbuild", name)


def _home(environ: Mapping[str, str]) -> str:
    return environ.get("HOME") or os.path.expanduser("~")
