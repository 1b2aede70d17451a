"""What a run starts from: the lockfile, the project beside it, the place of the environment.

Files are found and read here. Whoever wants to know later whether a run would still come to the
same has to look at the same files again: they are `watched`, with what they held.
"""

from __future__ import annotations

import os

from envbuild.digest import digest_of
from envbuild.errors import LockfileError, UsageError
from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from envbuild.digest import Digest
    from envbuild.workflows.options import RealiseOptions

    LockKind = Literal["uv", "pylock", "none"]

UV_LOCK = "uv.lock"
PROJECT_FILE = "pyproject.toml"
BUILD_LOCK = "envbuild.lock"
ENVIRONMENT = ".venv"


class NoLockfile(UsageError):
    """No lockfile where one was looked for."""

    def __init__(self, place: str, *, named: bool) -> None:
        if named:
            message = f"there is no lockfile `{place}`"
            hint = None
        else:
            message = f"there is no `{UV_LOCK}` in `{place}` or any folder above it"
            hint = f"name one: `envbuild realize PATH/TO/{UV_LOCK}`, or make one with `uv lock`"
        super().__init__(message, hint=hint)
        self.place = place


class UnreadableLockfile(LockfileError):
    """A lockfile that the operating system or its encoding keeps from being read."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"cannot read `{path}`: {reason}")
        self.path = path
        self.reason = reason


@frozen
class Inputs:
    """What a run starts from.

    Attributes:
        lockfile: absolute path, and `folder` the folder that holds it.
        kind: of the lockfile; with none of them, its path and its text are empty.
        text: its content, and `lock_digest` the digest of that.
        project: text of the `pyproject.toml` beside it, `None` where there is none.
        member: folder of the workspace member that the run was started in, relative to `folder`;
            empty for the root.
        member_project: text of that member's `pyproject.toml`, for the root that beside the lock.
        prefix: absolute path of the environment.
        watched: files that were looked for, with the digests of what they held, or `None`.
    """

    lockfile: str
    folder: str
    kind: LockKind
    text: str
    lock_digest: Digest
    project: str | None
    member: str
    member_project: str | None
    prefix: str
    watched: tuple[tuple[str, Digest | None], ...]


def read_inputs(options: RealiseOptions, *, cwd: str) -> Inputs:
    """Find and read what the run starts from.

    Raises:
        NoLockfile: there is none.
        UnreadableLockfile: it cannot be read.
    """
    lockfile, passed = _find_lockfile(options.lockfile, cwd)
    folder = os.path.dirname(lockfile)
    try:
        with open(lockfile, "rb") as file:
            data = file.read()
        text = data.decode("utf-8")
    except FileNotFoundError:
        raise NoLockfile(lockfile, named=True) from None
    except IsADirectoryError:
        raise UnreadableLockfile(lockfile, "it is a folder") from None
    except OSError as error:
        raise UnreadableLockfile(lockfile, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise UnreadableLockfile(lockfile, f"it is not UTF-8 at byte {error.start}") from error
    lock_digest = digest_of(data)
    project_path = f"{folder}/{PROJECT_FILE}"
    project = _text_if_there(project_path)
    member, members = _member(folder, cwd)
    return Inputs(
        lockfile=lockfile,
        folder=folder,
        kind=_kind(lockfile),
        text=text,
        lock_digest=lock_digest,
        project=project,
        member=member,
        member_project=_text_if_there(f"{folder}/{member}/{PROJECT_FILE}") if member else project,
        prefix=_prefix(options.venv, folder, cwd),
        watched=(
            (lockfile, lock_digest),
            *(
                (path, _digest_if_there(path))
                for path in (project_path, f"{folder}/{BUILD_LOCK}", *passed, *members)
            ),
        ),
    )


def inputs_without_lock(folder: str, options: RealiseOptions, *, cwd: str) -> Inputs:
    """Return what a run starts from that has a project's folder, or any other, and no lock."""
    project = _text_if_there(f"{folder}/{PROJECT_FILE}")
    return Inputs(
        lockfile="",
        folder=folder,
        kind="none",
        text="",
        lock_digest=digest_of(b""),
        project=project,
        member="",
        member_project=project,
        prefix=_prefix(options.venv, folder, cwd),
        watched=(),
    )


def requires_python(inputs: Inputs) -> str | None:
    """Return the `requires-python` of a lock, `None` where it has none.

    Both uv and we write it on a line of its own near the top, so the rest is seldom read for it.

    Raises:
        NotToml: the text is no TOML.
    """
    for line in inputs.text.partition("\n[[package]]")[0].splitlines():
        key, separator, quoted = line.partition(" = ")
        if separator and key == "requires-python":
            plain = quoted[1:-1]
            if quoted[:1] == quoted[-1:] == '"' and '"' not in plain and "\\" not in plain:
                return plain
        if line.startswith("[") and line.endswith("]"):
            break
    from envbuild.lockfile.toml import parse_toml

    found = parse_toml(inputs.text, file=inputs.lockfile).get("requires-python")
    return found if isinstance(found, str) else None


def _find_lockfile(named: str | None, cwd: str) -> tuple[str, list[str]]:
    """Return the lockfile, and where one would have been found first."""
    if named is not None:
        path = os.path.normpath(os.path.join(cwd, named))
        return f"{path}/{UV_LOCK}" if os.path.isdir(path) else path, []
    passed: list[str] = []
    folder = cwd
    while True:
        path = os.path.join(folder, UV_LOCK)
        if os.path.exists(path):
            return path, passed
        passed.append(path)
        parent = os.path.dirname(folder)
        if parent == folder:
            raise NoLockfile(cwd, named=False)
        folder = parent


def _kind(lockfile: str) -> LockKind:
    if lockfile.endswith(".lock"):
        return "uv"
    from envbuild.lockfile.pylock import is_pylock_name

    return "pylock" if is_pylock_name(os.path.basename(lockfile)) else "uv"


def _prefix(named: str | None, folder: str, cwd: str) -> str:
    path = os.path.join(cwd, named) if named is not None else os.path.join(folder, ENVIRONMENT)
    # A link to an environment stands for what it leads to: that is what is exchanged.
    return os.path.realpath(path)


def _member(folder: str, cwd: str) -> tuple[str, list[str]]:
    """Return the folder of the project that `cwd` belongs to, and the files that made it so.

    The folder is relative to that of the lock, and empty for the lock's own.
    """
    looked_at: list[str] = []
    inside = cwd
    while inside.startswith(f"{folder}/"):
        path = f"{inside}/{PROJECT_FILE}"
        looked_at.append(path)
        if os.path.exists(path):
            return inside[len(folder) + 1 :], looked_at
        inside = os.path.dirname(inside)
    return "", looked_at


def _digest_if_there(path: str) -> Digest | None:
    data = _read_if_there(path)
    return None if data is None else digest_of(data)


def _text_if_there(path: str) -> str | None:
    data = _read_if_there(path)
    return None if data is None else data.decode("utf-8", "replace")


def _read_if_there(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None
