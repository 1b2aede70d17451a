"""One build: a source tree and an environment, laid out; the backend's hooks, run in a sandbox (PEP 517).

The tree is copied, since a build may write into its sources; the environment, which it shares with
others, can only be read. Where the sandbox has fixed paths, both are where they are on every
machine. What is printed goes into one log, hook after hook.

An editable (PEP 660) is built where it lies, since what comes of it leads there: its folder can be
written to, and the rest of the repository that it is in can be read.

Which environment that is, and what becomes of the wheel, is decided by `builder`.
"""

from __future__ import annotations

import os
import shutil
import stat

from envbuild.buildlock.model import plain_requirements
from envbuild.errors import RealiseError
from envbuild.events import BuildPrinted
from envbuild.frozen import replace
from envbuild.realise.build_system import is_requirement
from envbuild.realise.causes import likely_cause
from envbuild.realise.environments import ENVIRONMENT
from envbuild.realise.git_history import lay_out
from envbuild.realise.limits import exceeded
from envbuild.sandbox.model import FOLDER, TEMPORARY, Readable, Request, guarantees, inside
from envbuild.sandbox.model import HOME as HOME_NAME
from envbuild.sandbox.plan import SYSTEM
from envbuild.sandbox.run import run
from envbuild.sandbox.variables import build_environment
from envbuild.store import layout
from envbuild.store.descriptors import write_all
from envbuild.store.removal import remove_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Self

    from envbuild.derivation.build import Backend
    from envbuild.digest import Digest
    from envbuild.realise.causes import Cause
    from envbuild.realise.environments import BuildEnvironment
    from envbuild.realise.git_history import History
    from envbuild.realise.place import Place
    from envbuild.sandbox.model import Limits, Outcome
    from envbuild.store.tree import Tree

_OBJECTS = "/objects"
"""Where the objects of a repository are, on such a rung."""

_SOURCE = "source"
_HOOK = "hook"
_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hook_script.py")
_DIST = "dist"
_SHOWN_LINES = 20
_SHOWN_BEFORE, _SHOWN_AFTER = 5, 4
_SHOWN_WIDTH = 400
_LONGEST_ANSWER = 4 * 2**20
_PIECE = 2**20
_TIME = (layout.TIMESTAMP, layout.TIMESTAMP)


class EditableInTheWay(RealiseError):
    """A project that lies where builds see files of their own, so that it cannot be shown in its place.

    Attributes:
        name: of the package.
        folder: of the project.
    """

    def __init__(self, name: str, folder: str) -> None:
        super().__init__(
            f"`{name}` lies in `{folder}`, where builds have files of their own",
            hint=f"`--no-editable-package {name}` builds it from a copy",
        )
        self.name = name
        self.folder = folder


class BuildFailed(RealiseError):
    """A build that did not give a wheel.

    Attributes:
        name: of the package.
        version: likewise, empty where the lock has none.
        reason: how it ended.
        lines: the last that it printed, the beginnings of long ones. Where an earlier one says why it
            failed, those around that one, a line of dots, and fewer of the last.
        log: path of everything that it printed.
        cause: what probably made it fail, `None` where that is not known.
    """

    def __init__(
        self,
        name: str,
        version: str,
        reason: str,
        *,
        lines: Sequence[str],
        log: str,
        remedy: str | None = None,
        network: bool = False,
    ) -> None:
        # What is certain needs no guess beside it.
        found = None if remedy else likely_cause(lines, package=name, network=network)
        self.name = name
        self.version = version
        self.reason = reason
        self.lines = tuple(_cut(line) for line in _telling(lines, found))
        self.log = log
        self.cause = found.reason if found else None
        package = f"`{name}` {version}" if version else f"`{name}`"
        shown = "".join(f"\n    {line}" for line in self.lines)
        probably = f"\n  probably {self.cause}" if self.cause else ""
        super().__init__(
            f"building {package} failed: {reason}{shown}{probably}\n  log: {log}",
            hint=found.remedy if found else remedy,
        )


class HookFailed(Exception):
    """A hook that gave no answer.

    Attributes:
        reason: how it ended.
        remedy: what would let it go on, `None` where that is not certain.
    """

    def __init__(self, reason: str, *, remedy: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class BuildRoom:
    """A folder in which one package is built. Use as a context manager: it is gone afterwards.

    Args:
        name: of the package.
        folder: absolute path of a folder on the store's file system that can be filled.
        where: how builds are done.
        source: the source tree; for an editable, the absolute path of the project's folder.
        subdirectory: of the project in the tree, empty for its root.
        history: of the repository that the build may ask, `None` for none.
        backend: who is asked.
        variables: that were declared for this build.
        config_settings: for the backend.
    """

    def __init__(
        self,
        name: str,
        *,
        folder: str,
        where: Place,
        source: Tree | str,
        subdirectory: str,
        history: History | None,
        backend: Backend,
        variables: Mapping[str, str],
        config_settings: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._name = name
        self._folder = folder
        self._where = where
        self._source = source
        self._subdirectory = subdirectory
        self._history = history
        self._backend = backend
        self._variables = variables
        self._config_settings = {
            key: values[0] if len(values) == 1 else list(values)
            for key, values in config_settings.items()
        }
        self._work = f"{folder}/work"
        self._own_environment = f"{folder}/environment"
        self._environment: BuildEnvironment | None = None
        self._log = f"{folder}/log"
        self._copied = False
        # What the interpreter is told may change what it makes of bytecode.
        self._reads_bytecode = not any(name.startswith("PYTHON") for name in variables)
        self._expected: list[str] | None = None
        self._ahead: Outcome | None = None
        self.duration_ms = 0

    def __enter__(self) -> Self:
        has_fixed_paths = guarantees(self._where.rung, network=False).fixed
        if isinstance(self._source, str) and has_fixed_paths and is_taken(self._source):
            raise EditableInTheWay(self._name, self._source)
        os.makedirs(self._work)
        with open(self._log, "wb"):
            pass
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def clear(self) -> None:
        """Remove everything. What is gone before it gets to the disk need not get there."""
        try:
            remove_all(self._folder)
        except OSError:
            # What cannot be removed stays where a collector finds it.
            pass

    @property
    def _furnished(self) -> BuildEnvironment:
        assert self._environment is not None
        return self._environment

    @property
    def _hook(self) -> str:
        return "build_editable" if isinstance(self._source, str) else "build_wheel"

    @property
    def log(self) -> bytes:
        """Everything that was printed so far."""
        with open(self._log, "rb") as file:
            return file.read()

    def furnish(self, trees: Mapping[str, Digest]) -> None:
        """Take another build environment: the distributions called so, in these trees.

        Raises:
            VenvError: they do not fit into one environment.
            StoreError: a tree is damaged.
        """
        self._ahead = None
        remove_all(self._own_environment)
        self._environment = self._where.environments.obtain(
            trees,
            self._own_environment,
            backend=self._backend.name.partition(":")[0],
            with_bytecode=self._reads_bytecode,
        )

    def requires(self, expected: Iterable[str] | None = None) -> tuple[str, ...]:
        """Return what the backend says that it needs besides what is declared.

        Args:
            expected: where that is what it says, it has the wheel built at once, and `build` has
                nothing left to do but to look at it. `None` if it is only to be asked.

        Raises:
            HookFailed: it gave no answer.
        """
        self._expected = None if expected is None else list(plain_requirements(expected))
        found = self._call(self._asking, self._config_settings)
        if not isinstance(found, list):
            raise HookFailed(f"`{self._asking}` did not return a list of strings")
        for each in found:
            if not is_requirement(each):
                raise HookFailed(f"the backend asks for `{_cut(each)}`, which is no requirement")
        if self._ahead is not None:
            answer = f"{self._work}/{_HOOK}/{self._hook}/output.json"
            stayed = self._ahead.succeeded and not os.path.lexists(answer)
            if stayed or list(plain_requirements(found)) != self._expected:
                self._ahead = None
        if self._ahead is not None and self._ahead.succeeded:
            self._note_imports()
        return tuple(each.strip() for each in found)

    def build(self) -> str:
        """Have the wheel built and return its path.

        Raises:
            HookFailed: there is no wheel, or more than one.
        """
        dist = f"{self._work}/{_DIST}"
        if self._ahead is None:
            self._expected = None
            self._make_dist()
        named = self._call(self._hook, self._inner_dist, self._config_settings)
        if os.path.islink(dist) or not os.path.isdir(dist):
            raise HookFailed("the folder for the wheel is no folder any more")
        found = sorted(os.listdir(dist))
        if len(found) != 1:
            listed = ", ".join(f"`{_cut(name)}`" for name in found[:_SHOWN_LINES]) or "nothing"
            raise HookFailed(f"expected one wheel, found {listed}")
        (name,) = found
        path = f"{dist}/{name}"
        if named != name or not name.endswith(".whl"):
            raise HookFailed(f"the backend named `{_cut(str(named))}`, and made `{_cut(name)}`")
        if os.path.islink(path) or not os.path.isfile(path):
            raise HookFailed(f"`{_cut(name)}` is no file")
        return path

    @property
    def _asking(self) -> str:
        return f"get_requires_for_{self._hook}"

    @property
    def _inner_dist(self) -> str:
        return self._inner(f"{self._work}/{_DIST}", f"{FOLDER}/{_DIST}")

    def _make_dist(self) -> None:
        remove_all(f"{self._work}/{_DIST}")
        os.mkdir(f"{self._work}/{_DIST}")

    def _call(self, hook: str, *arguments: Any) -> Any:
        from pyproject_hooks import (
            BackendUnavailable,
            BuildBackendHookCaller,
            UnsupportedOperation,
        )

        folder = self._lay_out_source()
        python = f"{self._furnished.inner}/bin/python"
        try:
            caller = BuildBackendHookCaller(
                folder,
                self._backend.name,
                backend_path=list(self._backend.path) or None,
                runner=self._run,
                python_executable=python,
            )
            return getattr(caller, hook)(*arguments)
        except BackendUnavailable as error:
            self._note(error.traceback)
            raise HookFailed(f"the backend `{self._backend.name}` cannot be imported") from error
        except UnsupportedOperation as error:
            self._note(error.traceback)
            raise HookFailed(f"the backend does not support `{hook}`") from error
        except (OSError, ValueError) as error:
            # The answer is what the build wrote: it may be anything.
            raise HookFailed(f"`{hook}` gave no answer that can be read: {error}") from error

    def _run(
        self,
        cmd: Sequence[str],
        cwd: str | None = None,
        extra_environ: Mapping[str, str] | None = None,
    ) -> None:
        """Run a hook for `pyproject_hooks`, which asks and answers through files in a folder."""
        python, script, hook, asked = cmd
        folder = f"{self._work}/{_HOOK}/{hook}"
        if hook == self._hook and self._ahead is not None:
            outcome = self._ahead
        else:
            argv = (python, *self._script(script, hook, asked))
            self._note(f"# {hook}\n")
            outcome = self._supervise(self._request(argv, cwd, extra_environ or {}))
            self.duration_ms += outcome.duration_ms
            if self._expected is not None and os.path.lexists(f"{folder}/output.json"):
                # It has gone on to the hook that builds, and this is how that ended.
                self._ahead = outcome
        if not outcome.succeeded and (hook == self._hook or self._ahead is None):
            raise self._ending(hook, outcome)
        self._hand_over(hook, folder, f"{asked}/output.json")

    def _script(self, script: str, hook: str, asked: str) -> tuple[str, ...]:
        """Lay out what asks a hook, and return how it is called."""
        import json

        folder = f"{self._work}/{_HOOK}"
        inner = self._inner(folder, f"{FOLDER}/{_HOOK}")
        remove_all(folder)
        os.makedirs(f"{folder}/{hook}")
        shutil.copyfile(script, f"{folder}/run_hook.py")
        shutil.copyfile(f"{asked}/input.json", f"{folder}/{hook}/input.json")
        if self._expected is None:
            return (f"{inner}/run_hook.py", hook, f"{inner}/{hook}")
        self._make_dist()
        os.mkdir(f"{folder}/{self._hook}")
        shutil.copyfile(_SCRIPT, f"{folder}/hook_script.py")
        # What `pyproject_hooks` would write for the hook that builds.
        asked_next = {
            "wheel_directory": self._inner_dist,
            "config_settings": self._config_settings,
            "metadata_directory": None,
        }
        _write(f"{folder}/{self._hook}/input.json", json.dumps({"kwargs": asked_next}).encode())
        _write(f"{folder}/expected.json", json.dumps(self._expected).encode())
        return (f"{inner}/hook_script.py", inner, hook, self._hook)

    def _request(self, argv: tuple[str, ...], cwd: str | None, more: Mapping[str, str]) -> Request:
        work = self._inner(self._work, FOLDER)
        programs = f"{self._furnished.inner}/bin"
        variables = build_environment(
            self._variables,
            home=f"{work}/{HOME_NAME}",
            tmp=f"{work}/{TEMPORARY}",
            path=(programs, *(f"{folder}/bin" for folder in self._where.tools)),
        )
        return Request(
            argv=argv,
            cwd=cwd or work,
            variables={**variables, **more},
            folder=self._work,
            reads=self._reads(),
            writes=(self._source,) if isinstance(self._source, str) else (),
            network=self._name in self._where.network,
            limits=self._left(),
        )

    def _hand_over(self, hook: str, folder: str, asked: str) -> None:
        """Hand the answer of a hook over as far as it makes sense; warnings are for the log."""
        import json

        try:
            answer = json.loads(_read_answer(folder))
        except (OSError, ValueError, RecursionError) as error:
            raise HookFailed(f"`{hook}` gave no answer that can be read: {error}") from error
        match answer:
            case {"return_val": str() | [*_] as value} if _is_plain(value):
                known = {"return_val": value}
            case {"no_backend": True} | {"unsupported": True}:
                told = {key: answer.get(key, "") for key in ("traceback", "backend_error")}
                signs = {key: True for key in ("no_backend", "unsupported") if key in answer}
                known = {**signs, **{key: str(text) for key, text in told.items()}}
            case _:
                raise HookFailed(f"`{hook}` gave neither a text nor a list of texts")
        match answer:
            case {"warnings": [*warnings]}:
                for warning in warnings:
                    match warning:
                        case {"message": str() as message}:
                            self._note(f"# warning: {message}\n")
        with open(asked, "w", encoding="utf-8") as file:
            json.dump(known, file)

    def _note_imports(self) -> None:
        import json

        try:
            imported = json.loads(_read_answer(f"{self._work}/{_HOOK}", "imported.json"))
        except (OSError, ValueError, RecursionError):
            return
        if isinstance(imported, list):
            paths = [path for path in imported if isinstance(path, str)]
            self._where.bytecode.note(self._furnished.placements, paths)

    def _left(self) -> Limits:
        """Return what the next hook may use of what the whole build may."""
        limits = self._where.limits
        seconds = limits.seconds
        return replace(
            limits,
            seconds=None if seconds is None else max(0.001, seconds - self.duration_ms / 1000),
            output=max(1, limits.output - os.path.getsize(self._log)),
        )

    def _ending(self, hook: str, outcome: Outcome) -> HookFailed:
        match outcome.ended:
            case "finished" if outcome.signal is not None:
                return HookFailed(f"`{hook}` was ended by signal {outcome.signal}")
            case "finished":
                return HookFailed(f"`{hook}` ended with exit status {outcome.exit_code}")
            case "stopped":
                # By the user, who has been told, or will be.
                raise KeyboardInterrupt
            case limit:
                found = exceeded(limit, self._where.limits)
                return HookFailed(found.reason, remedy=found.remedy)

    def _supervise(self, request: Request) -> Outcome:
        where, name = self._where, self._name
        part = f"{self._folder}/log-of-hook"

        def told(line: str) -> None:
            where.reporter.report(BuildPrinted(name=name, line=line))

        try:
            with where.turns:
                return run(
                    request,
                    where.rung,
                    where.machine,
                    supervisors=where.supervisors,
                    log=part,
                    on_line=told,
                    stop=where.stop,
                )
        finally:
            if os.path.exists(part):
                with open(part, "rb") as file, open(self._log, "ab") as log:
                    shutil.copyfileobj(file, log)
                os.unlink(part)

    def _reads(self) -> tuple[Readable, ...]:
        where, environment = self._where, self._furnished
        folders = [*where.facts.folders, os.path.dirname(where.facts.executable), *where.tools]
        if isinstance(self._source, str):
            folders += repository_folders(self._source)
        reads = {
            folder: Readable(outer=folder, inner=folder)
            for folder in folders
            if not any(folder == system or folder.startswith(f"{system}/") for system in SYSTEM)
        }
        if self._history is not None:
            shown = self._shown(self._history)
            reads |= {path: Readable(outer=path, inner=inner) for path, inner in shown.items()}
        return (Readable(outer=environment.folder, inner=environment.inner), *reads.values())

    def _lay_out_source(self) -> str:
        """Return the path inside of the project's folder, which is there afterwards."""
        if isinstance(self._source, str):
            return self._source
        if not self._copied:
            self._copied = True
            self._copy(self._source)
            if self._history is not None:
                self._add_history(self._history)
        source, inner = f"{self._work}/{_SOURCE}", f"{FOLDER}/{_SOURCE}"
        if self._subdirectory:
            source, inner = f"{source}/{self._subdirectory}", f"{inner}/{self._subdirectory}"
        return self._inner(source, inner)

    def _add_history(self, history: History) -> None:
        place = self._subdirectory.removesuffix(history.inside).strip("/")
        root = os.path.normpath(f"{self._work}/{_SOURCE}/{place}")
        lay_out(history, root, shown=self._shown(history), environ=os.environ)

    def _shown(self, history: History) -> dict[str, str]:
        """Return by which paths the build knows folders of objects."""
        return {
            path: self._inner(path, f"{_OBJECTS}/{number}")
            for number, path in enumerate(history.objects)
        }

    def _copy(self, tree: Tree) -> None:
        root, store = f"{self._work}/{_SOURCE}", self._where.store
        os.mkdir(root)
        folders = {root: None}
        for entry in tree.entries:
            path = f"{root}/{entry.path}"
            folder = os.path.dirname(path)
            if folder not in folders:
                os.makedirs(folder, exist_ok=True)
                while folder not in folders:
                    folders[folder] = None
                    folder = os.path.dirname(folder)
            if entry.target is not None:
                os.symlink(entry.target, path)
                os.utime(path, _TIME, follow_symlinks=False)
                continue
            assert entry.digest is not None
            executable = entry.kind == "executable"
            blob = store.absolute(layout.blob(entry.digest, executable=executable))
            _copy_file(blob, path, 0o755 if executable else 0o644)
        for folder in sorted(folders, reverse=True):
            os.utime(folder, _TIME)

    def _inner(self, outer: str, fixed: str) -> str:
        return inside(self._where.rung, outer, fixed)

    def _note(self, text: str) -> None:
        with open(self._log, "ab") as file:
            file.write(text.encode("utf-8", "replace"))


def is_taken(folder: str) -> bool:
    """Tell whether a folder is, holds or lies in one that builds on rungs with fixed paths have."""
    place = f"{folder.rstrip('/')}/"
    own = (f"{FOLDER}/", f"{ENVIRONMENT}/", f"{_OBJECTS}/")
    return any(place.startswith(each) or each.startswith(place) for each in own)


def repository_folders(folder: str) -> list[str]:
    """Return the folders of the repository that `folder` is in: its work tree, and its data."""
    top = folder
    while not os.path.lexists(f"{top}/.git"):
        above = os.path.dirname(top)
        if above == top:
            return []
        top = above
    if top in {"/", os.path.expanduser("~")}:
        # Somebody's settings are kept in a repository; nothing in there belongs to the project.
        return []
    folders = [top] if top != folder else []
    try:
        # In a work tree beside the first one it is a file that says where the data is.
        with open(f"{top}/.git", encoding="utf-8", errors="surrogateescape") as file:
            data = file.read().removeprefix("gitdir:").strip()
    except OSError:
        return folders
    own = os.path.normpath(os.path.join(top, data))
    try:
        with open(f"{own}/commondir", encoding="utf-8", errors="surrogateescape") as file:
            folders.append(os.path.normpath(os.path.join(own, file.read().strip())))
    except OSError:
        folders.append(own)
    return [each for each in folders if os.path.isdir(each)]


def _write(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def _copy_file(source: str, path: str, mode: int) -> None:
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(source, "rb", buffering=0) as file:
            while data := file.read(_PIECE):
                write_all(target, data)
        # Whatever the user's mask is.
        os.fchmod(target, mode)
        os.utime(target, _TIME)
    finally:
        os.close(target)


def _read_answer(folder: str, name: str = "output.json") -> bytes:
    """Return what a hook left in its folder; nothing there is trusted to be a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no file, or too long.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    above = os.open(folder, flags | os.O_DIRECTORY)
    try:
        # A pipe would make us wait for somebody who writes to it.
        descriptor = os.open(name, flags | os.O_NONBLOCK, dir_fd=above)
    finally:
        os.close(above)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no file")
        data = file.read(_LONGEST_ANSWER + 1)
    if len(data) > _LONGEST_ANSWER:
        raise ValueError(f"it is longer than {_LONGEST_ANSWER} bytes")
    return data


def _is_plain(value: str | list[object]) -> bool:
    """Tell whether a value is a text or a list of texts, of characters that can be written."""
    texts = [value] if isinstance(value, str) else value
    return all(isinstance(text, str) and text.strip().isprintable() for text in texts)


def _telling(lines: Sequence[str], cause: Cause | None) -> Sequence[str]:
    """Return the lines that tell most about a failure."""
    last = lines[-_SHOWN_LINES:]
    if cause is None or cause.line >= len(lines) - len(last):
        return last
    # Some backends go on with advice about something else after what went wrong.
    around = lines[max(0, cause.line - _SHOWN_BEFORE) : cause.line + _SHOWN_AFTER + 1]
    return (*around, "[...]", *last[-_SHOWN_LINES // 2 :])


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_WIDTH else f"{text[:_SHOWN_WIDTH]}…"
