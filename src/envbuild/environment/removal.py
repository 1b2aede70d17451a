"""Removing a folder with everything in it, without following symbolic links.

`shutil.rmtree` does it too, and takes 4 ms to import: a tenth of a run that changes one package.
"""

from __future__ import annotations

import os


def remove_tree(path: str) -> None:
    """Remove the folder at `path`; raises `OSError` where something cannot be removed."""
    with os.scandir(path) as scan:
        for entry in scan:
            if entry.is_dir(follow_symlinks=False):
                remove_tree(entry.path)
            else:
                os.unlink(entry.path)
    os.rmdir(path)
