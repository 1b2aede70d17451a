"""What uv notes of a local folder that it installs from, to tell later whether that has changed.

Times, which count for nothing here. But where the note is missing or another one, uv takes what is
installed for out of date and installs it anew, whoever installed it. Its format is uv's own, seen in
environments that uv has made; what is not understood costs an installation by uv, no more.
"""

from __future__ import annotations

import os
import sys

from envbuild.environment.written import uv_cache, uv_timestamp
from envbuild.errors import EnvbuildError
from envbuild.realise.local_files import find_keyed
from envbuild.sources.cache_keys import FolderKey, GitKey, VariableKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.canonical import Json

_AT_FDCWD = -100
_STATX_BTIME = 0x800
_STATX_BYTES = 256
_MASK, _SECONDS, _NANOSECONDS = slice(0, 4), slice(80, 88), slice(88, 92)
"""Where `struct statx` of Linux has what was found out, and when the inode was made."""


def note_of(folder: str, environ: Mapping[str, str]) -> bytes:
    """Return the content of `uv_cache.json` for what is installed from `folder`.

    Where variables or the state of a repository count, it is one that tells uv nothing: what
    variables say may be a secret, which does not belong into an environment.
    """
    try:
        keys, files = find_keyed(folder, environ)
        if any(isinstance(key, GitKey | VariableKey) for key in keys):
            return uv_cache(None)
        names = [key.path for key in keys if isinstance(key, FolderKey)]
        folders = {name: _note_of_folder(os.path.join(folder, name)) for name in names}
    except (OSError, EnvbuildError):
        return uv_cache(None)
    return uv_cache(max((file.changed for file in files), default=None), folders)


def _note_of_folder(path: str) -> Json:
    """Return when a folder was made, its inode where that is not known, `None` where it is not there."""
    if not os.path.isdir(path):
        return None
    made = _made(path)
    return os.stat(path).st_ino if made is None else uv_timestamp(made)


def _made(path: str) -> int | None:
    """Return when an inode was made, in nanoseconds, which Python does not tell on Linux."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    statx = getattr(ctypes.CDLL(None), "statx", None)
    if statx is None:
        return None
    found = ctypes.create_string_buffer(_STATX_BYTES)
    if statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, found) != 0:
        return None
    if not int.from_bytes(found.raw[_MASK], sys.byteorder) & _STATX_BTIME:
        return None
    seconds = int.from_bytes(found.raw[_SECONDS], sys.byteorder, signed=True)
    return seconds * 10**9 + int.from_bytes(found.raw[_NANOSECONDS], sys.byteorder)
