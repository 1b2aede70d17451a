"""Remembering that a command had nothing to do, and what that rested on.

The commonest run changes nothing: the lock is the same, nobody touched the environment. Then the
answer is the one of last time, and to know that takes no understanding of options, locks or
environments: the same words in the same folder and environment, files with the same content, paths
that have not been touched. Anything else, and the command runs as always.

This module is read before any other and imports next to nothing.
"""

from __future__ import annotations

import os
import sys

from blake3 import blake3

from envbuild import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envbuild.workflows.watched import Watched

_FORMAT = "envbuild-recall 1"
_COMMANDS = frozenset({"realize", "realise"})
_VARIABLES = ("ENVBUILD_", "UV_", "XDG_", "CLICOLOR")
_EXACT_VARIABLES = ("HOME", "NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "VIRTUAL_ENV", "LC_ALL")
_MOST_KEPT = 500


def recall(argv: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Return what the command `argv` has to print, where it is known to have nothing to do."""
    if not argv or argv[0] not in _COMMANDS:
        return None
    try:
        with open(_path(argv, environ), encoding="utf-8") as file:
            content = file.read()
        facts, separator, text = content.partition("\n\n")
        first, *lines = facts.split("\n")
        if separator and first == _FORMAT and all(_holds(line) for line in lines):
            return text
    except (OSError, ValueError):
        pass
    return None


def remember(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    watched: Watched,
    settings: Iterable[str],
    text: str,
) -> None:
    """Keep what the command would print if it were given again now.

    Args:
        argv: its words.
        environ: environment variables.
        watched: what its work relied on.
        settings: paths of settings files that were looked for.
        text: what to print.
    """
    lines = [f"content {digest or '-'} {path}" for path, digest in watched.contents]
    lines += [f"content {_content(path)} {path}" for path in settings]
    for path, numbers in watched.signatures:
        shown = "-" if numbers is None else ",".join(map(str, numbers))
        lines.append(f"touched {shown} {path}")
    if watched.stamps is not None:
        lines.append(f"stamps hold {watched.stamps}")
    if any("\n" in line for line in lines):
        return
    path = _path(argv, environ)
    draft = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _forget_old(os.path.dirname(path))
        with open(draft, "w", encoding="utf-8") as file:
            file.write("\n".join((_FORMAT, *lines)) + "\n\n" + text)
        os.replace(draft, path)
    except (OSError, ValueError):
        try:
            os.unlink(draft)
        except OSError:
            pass


def _holds(line: str) -> bool:
    kind, value, path = line.split(" ", 2)
    if kind == "touched":
        try:
            status = os.lstat(path)
        except OSError:
            return value == "-"
        return value == f"{status.st_mtime_ns},{status.st_ino},{status.st_size}"
    if kind == "stamps":
        return _stamps_hold(path)
    return kind == "content" and value == _content(path)


def _stamps_hold(path: str) -> bool:
    """Tell whether times are what the stamps of an environment say; for `environment.state`."""
    prefix = os.path.dirname(os.path.dirname(path))
    with open(path, encoding="utf-8") as file:
        for line in file:
            time, _, relative = line.rstrip("\n").partition(" ")
            try:
                found = os.lstat(f"{prefix}/{relative}").st_mtime_ns
            except OSError:
                found = -1
            if time != str(found):
                return False
    return True


def _content(path: str) -> str:
    """Return the digest of a file's content, `-` where there is none to be read."""
    try:
        with open(path, "rb") as file:
            return blake3(file.read()).hexdigest()
    except OSError:
        return "-"


def _path(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    facts = [__version__, sys.version, os.getcwd()]
    facts += [str(os.isatty(descriptor)) for descriptor in (1, 2)]
    facts += argv
    facts += sorted(
        f"{name}={value}"
        for name, value in environ.items()
        if name.startswith(_VARIABLES) or name in _EXACT_VARIABLES
    )
    key = blake3("\0".join(facts).encode("utf-8", "surrogateescape")).hexdigest()
    return f"{_folder(environ)}/{key}"


def _folder(environ: Mapping[str, str]) -> str:
    named = environ.get("ENVBUILD_CACHE_DIR")
    if named:
        return os.path.abspath(f"{named}/recall")
    from envbuild.workflows.folders import default_cache

    return f"{default_cache(environ, sys.platform)}/recall"


def _forget_old(folder: str) -> None:
    """Start again where too much has been kept: each of it takes one run to come back."""
    names = os.listdir(folder)
    if len(names) > _MOST_KEPT:
        for name in names:
            os.unlink(f"{folder}/{name}")
