"""Removing a folder whose content somebody else has made, whatever that is.

What a build leaves behind may be deeper than a path can be long or a process can recurse, may be
closed to its owner, and may be a link where a folder was. Nearly always it is nothing of the kind, so
it is first removed as it is. For what is left, folders are moved up before they are emptied, so that
short names and two descriptors do for any depth. No link is followed.
"""

from __future__ import annotations

import os
import stat

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_USUAL_DEPTH = 30


def remove_all(path: str) -> None:
    """Remove what is at `path`, a folder with all that is in it or anything else; or nothing.

    Raises:
        OSError: the operating system refuses; some of it may be gone.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        os.unlink(path)
        return
    os.chmod(path, 0o700)
    top = os.open(path, _FOLDER)
    try:
        try:
            _clear_as_it_is(top, _USUAL_DEPTH)
        except OSError:
            # What stood in the way is seen to below, and said, should it not go away.
            pass
        waiting = _clear(top, top)
        while waiting:
            name = waiting.pop()
            os.chmod(name, 0o700, dir_fd=top)
            folder = os.open(name, _FOLDER, dir_fd=top)
            try:
                waiting += _clear(folder, top)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(path)


def _clear_as_it_is(folder: int, depth: int) -> None:
    """Remove what is in a folder, up to a depth."""
    with os.scandir(folder) as scan:
        entries = list(scan)
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.name, dir_fd=folder)
        elif depth:
            below = os.open(entry.name, _FOLDER, dir_fd=folder)
            try:
                _clear_as_it_is(below, depth - 1)
            finally:
                os.close(below)
            os.rmdir(entry.name, dir_fd=folder)


def _clear(folder: int, top: int) -> list[str]:
    """Remove the files of a folder, and return the names that its folders have in `top` now."""
    names = []
    with os.scandir(folder) as scan:
        # All of them first: a folder that changes while it is read may leave some out.
        entries = list(scan)
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.name, dir_fd=folder)
        elif folder == top:
            names.append(entry.name)
        else:
            # Whoever moves a folder must be able to write to it.
            os.chmod(entry.name, 0o700, dir_fd=folder)
            name = f"{os.urandom(8).hex()}-{len(names)}"
            os.rename(entry.name, name, src_dir_fd=folder, dst_dir_fd=top)
            names.append(name)
    return names
