"""Views: trees laid out as read-only folders, for symbolic links to point to.

A view is made of hard links to blobs, so it costs names and no content. It is derived from the
tree, may be removed whenever no environment points to it, and is never the truth.
"""

from __future__ import annotations

import errno
import os

from envbuild.store import layout
from envbuild.store.local import StoreUnusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.digest import Digest
    from envbuild.store.local import Store
    from envbuild.store.tree import Entry, Tree

_FOLDER_MODE = 0o555
_TIMES = (layout.TIMESTAMP * 10**9, layout.TIMESTAMP * 10**9)


def ensure_view(store: Store, digest: Digest, tree: Tree) -> str:
    """Return the absolute path of the view of `tree`, which is laid out where it is missing.

    Raises:
        StoreUnusable: the operating system refuses, or a blob is missing.
    """
    path = store.absolute(layout.view(digest))
    if os.path.isdir(path):
        return path
    draft = store.absolute(f"{layout.STAGING}/view-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        os.makedirs(draft)
        os.makedirs(store.absolute(layout.VIEWS), exist_ok=True)
        try:
            _lay_out(store, draft, tree)
            os.rename(draft, path)
        except OSError:
            _remove(draft)
            # Somebody else may have been faster.
            if not os.path.isdir(path):
                raise
        else:
            # Only now: a folder that may not be written cannot be moved to another folder.
            os.chmod(path, _FOLDER_MODE)
    except OSError as error:
        raise StoreUnusable(store.path, "lay out a tree in", error) from error
    return path


def _lay_out(store: Store, root: str, tree: Tree) -> None:
    folders = {""}
    for entry in tree.entries:
        _make_folders(root, entry.path.rpartition("/")[0], folders)
        path = f"{root}/{entry.path}"
        if entry.kind == "symlink":
            assert entry.target is not None
            os.symlink(entry.target, path)
        else:
            _place(store, entry, path)
    for folder in sorted(folders - {""}, reverse=True):
        os.chmod(f"{root}/{folder}", _FOLDER_MODE)


def _place(store: Store, entry: Entry, path: str) -> None:
    assert entry.digest is not None
    executable = entry.kind == "executable"
    blob = store.absolute(layout.blob(entry.digest, executable=executable))
    # Empty files are never linked, for the same reason as in an environment: too many would share
    # one inode. Others are copied only where theirs has as many links as it can have.
    if entry.size:
        try:
            os.link(blob, path)
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
        else:
            return
    import shutil

    shutil.copyfile(blob, path)
    os.chmod(path, layout.EXECUTABLE_MODE if executable else layout.FILE_MODE)
    os.utime(path, ns=_TIMES)


def _make_folders(root: str, folder: str, made: set[str]) -> None:
    if folder in made:
        return
    _make_folders(root, folder.rpartition("/")[0], made)
    os.mkdir(f"{root}/{folder}")
    made.add(folder)


def _remove(root: str) -> None:
    import shutil

    for folder, _, _ in os.walk(root):
        os.chmod(folder, 0o755)
    shutil.rmtree(root, ignore_errors=True)
