"""What a build may see of the repository that its sources are in: commits and tags.

There is no `.git` in a source tree. A build that asks for it gets one of its own in its copy of the
sources, which borrows the objects of the repository it comes from and has nothing of its settings,
hooks, branches and remotes. Its index is that of the commit, in which files that are no part of the
tree count as unchanged, so that what differs are the changes that the sources really have.
"""

from __future__ import annotations

import os
import posixpath

from envbuild import canonical
from envbuild.buildlock.model import FILE_NAME as BUILD_LOCK
from envbuild.frozen import frozen
from envbuild.realise.git import Git, GitFailed, last_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from subprocess import CompletedProcess

    from envbuild.digest import Digest

_SHA256_DIGITS = 64


@frozen
class History:
    """A repository at one moment.

    Attributes:
        top: absolute path of its work tree, empty where it has none.
        inside: path below that of the sources in question, empty for all.
        commit: that is checked out.
        tags: rows of name, object, and the object that it leads to (empty where that is the same),
            apart by single spaces; sorted.
        objects: absolute paths of the folders that hold objects.
        shallow: content of the file that says where the history ends, empty where it is whole.
    """

    top: str
    inside: str
    commit: str
    tags: tuple[str, ...]
    objects: tuple[str, ...]
    shallow: bytes

    @property
    def tags_digest(self) -> Digest | None:
        """Digest of the canonical list of the tags with what they name, `None` for none."""
        rows = sorted(row.rpartition(" ")[0] for row in self.tags)
        return canonical.digest(list(rows)) if rows else None


def read_history(folder: str, environ: Mapping[str, str]) -> History | None:
    """Return the history of the repository that `folder` is in, `None` where it has no commit.

    Raises:
        GitMissing: there is no git.
        GitFailed: the repository cannot be read.
    """
    git = Git(environ, protocols=())
    found = git.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}", folder=folder)
    commit = found.stdout.decode("ascii", "replace").strip()
    if found.returncode or not commit:
        return None
    form = "--format=%(refname) %(objectname) %(*objectname)"
    listed = _must(git.run("for-each-ref", form, "refs/tags", folder=folder), folder)
    words = ("--path-format=absolute", "--git-path", "objects", "--git-path", "shallow")
    places = _must(git.run("rev-parse", *words, "--show-toplevel", folder=folder), folder)
    objects, shallow, top = places.splitlines()
    top = os.path.realpath(top)
    inside = os.path.relpath(os.path.realpath(folder), top)
    return History(
        top=top,
        inside="" if inside == "." else inside,
        commit=commit,
        tags=tuple(sorted(listed.splitlines())),
        objects=tuple(_with_borrowed(objects)),
        shallow=_content(shallow),
    )


def bare_history(repository: str, commit: str) -> History:
    """Return the history of a commit in a bare repository that has no work tree, without tags."""
    return History(
        top="",
        inside="",
        commit=commit,
        tags=(),
        objects=tuple(_with_borrowed(f"{repository}/objects")),
        shallow=_content(f"{repository}/shallow"),
    )


def lay_out(
    history: History, root: str, *, shown: Mapping[str, str], environ: Mapping[str, str]
) -> None:
    """Make a `.git` in `root`, a copy of sources, that a build can ask.

    Args:
        history: what it is to tell.
        root: absolute path of the copy, which has the top of the work tree as its own.
        shown: for each folder of objects, the path by which the build knows it.
        environ: the environment.

    Raises:
        GitMissing, GitFailed: git cannot do it.
    """
    own = f"{root}/.git"
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
        os.makedirs(f"{own}/{folder}")
    is_sha256 = len(history.commit) == _SHA256_DIGITS
    settings = "[core]\n\trepositoryformatversion = 1\n\tfilemode = true\n\tbare = false\n"
    settings += f"[extensions]\n\tobjectFormat = {'sha256' if is_sha256 else 'sha1'}\n"
    _write(f"{own}/config", settings.encode())
    _write(f"{own}/HEAD", f"{history.commit}\n".encode())
    _write(f"{own}/packed-refs", "".join(_packed(history.tags)).encode())
    if history.shallow:
        _write(f"{own}/shallow", history.shallow)
    borrowed = f"{own}/objects/info/alternates"
    _write(borrowed, "".join(f"{path}\n" for path in history.objects).encode())
    git = Git.alone(environ)
    _must(git.run("read-tree", "HEAD", folder=root), root)
    listed = git.run("ls-files", "-z", folder=root)
    _must(listed, root)
    inside = os.fsencode(f"{history.inside}/") if history.inside else b""
    absent = [
        path + b"\0"
        for path in listed.stdout.split(b"\0")
        if path and (not path.startswith(inside) or path == inside + os.fsencode(BUILD_LOCK))
    ]
    if absent:
        words = ("update-index", "--skip-worktree", "-z", "--stdin")
        _must(git.run(*words, folder=root, data=b"".join(absent)), root)
    _write(borrowed, "".join(f"{shown[path]}\n" for path in history.objects).encode())


def _packed(tags: Iterable[str]) -> Iterable[str]:
    yield "# pack-refs with: peeled fully-peeled sorted \n"
    for row in tags:
        name, target, *peeled = row.split(" ")
        yield f"{target} {name}\n"
        if peeled and peeled[0]:
            yield f"^{peeled[0]}\n"


def _with_borrowed(objects: str) -> list[str]:
    """Return a folder of objects, and those that it borrows from, each once."""
    found = [os.path.realpath(objects)]
    for folder in found:
        for line in _content(f"{folder}/info/alternates").splitlines():
            if line and not line.startswith(b"#"):
                path = posixpath.join(folder, os.fsdecode(line))
                path = os.path.realpath(path)
                if path not in found and os.path.isdir(path):
                    found.append(path)
    return found


def _must(done: CompletedProcess[bytes], folder: str) -> str:
    if done.returncode:
        raise GitFailed("read the repository of", folder, last_words(done))
    return done.stdout.decode("utf-8", "surrogateescape")


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
