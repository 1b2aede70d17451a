"""Views: trees laid out as read-only folders, for symbolic links to point to.

A view is made of hard links to blobs, so it costs names and no content. It is derived from the
tree, may be removed whenever no environment points to it, and is never the truth.
"""

from __future__ import annotations

import os

from envbuild.store import layout
from envbuild.store.local import StoreUnusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.digest import Digest
    from envbuild.store.local import Store
    from envbuild.store.tree import Tree


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
        _lay_out(store, draft, tree)
        try:
            os.rename(draft, path)
        except OSError:
            # Somebody else was first.
            if not os.path.isdir(path):
                raise
            _remove(draft)
    except OSError as error:
        raise StoreUnusable(store.path, "write to", error) from error
    return path


def _lay_out(store: Store, root: str, tree: Tree) -> None:
    os.mkdir(root)
    folders = {""}
    for entry in tree.entries:
        _make_folders(root, entry.path.rpartition("/")[0], folders)
        path = f"{root}/{entry.path}"
        if entry.kind == "symlink":
            assert entry.target is not None
            os.symlink(entry.target, path)
        elif not entry.size:
            # Never linked, for the same reason as in an environment: too many would share it.
            mode = layout.EXECUTABLE_MODE if entry.kind == "executable" else layout.FILE_MODE
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode))
        else:
            assert entry.digest is not None
            blob = layout.blob(entry.digest, executable=entry.kind == "executable")
            os.link(store.absolute(blob), path)
    for folder in sorted(folders - {""}, reverse=True):
        os.chmod(f"{root}/{folder}", 0o555)


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
    shutil.rmtree(root)
