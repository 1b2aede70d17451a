"""One build: a source tree and an environment, laid out; the backend's hooks, run in a sandbox (PEP 517).

The tree is copied, since a build may write into its sources; the environment is linked from the
store and can only be read. Where the sandbox has fixed paths, both are where they are on every
machine. What is printed goes into one log, hook after hook.

Which environment that is, and what becomes of the wheel, is decided by `builder`.
"""

from __future__ import annotations

import os
import shutil

from envbuild.environment.link import Job, place, probe_mode
from envbuild.environment.placement import place as plan_placement
from envbuild.environment.skeleton import skeleton_files, skeleton_folders, skeleton_links
from envbuild.environment.written import written_files
from envbuild.errors import RealiseError
from envbuild.events import SILENT, BuildPrinted
from envbuild.frozen import frozen
from envbuild.realise.causes import likely_cause
from envbuild.sandbox.model import FOLDER, TEMPORARY, Readable, Request, guarantees, inside
from envbuild.sandbox.model import HOME as HOME_NAME
from envbuild.sandbox.plan import SYSTEM
from envbuild.sandbox.run import run
from envbuild.sandbox.variables import build_environment
from envbuild.store import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Self

    from envbuild.derivation.build import Backend
    from envbuild.digest import Digest
    from envbuild.events import Reporter
    from envbuild.realise.build_facts import BuildFacts
    from envbuild.sandbox.machine import Machine
    from envbuild.sandbox.model import Limits, Outcome, Rung
    from envbuild.sandbox.run import Stop
    from envbuild.store.local import Store
    from envbuild.store.tree import Tree
    from envbuild.target.model import Target

ENVIRONMENT = "/environment"
"""Where the build environment is, on a rung with fixed paths."""

_SOURCE = "source"
_HOOK = "hook"
_DIST = "dist"
_SHOWN_LINES = 20
_TIME = (layout.TIMESTAMP, layout.TIMESTAMP)


class BuildFailed(RealiseError):
    """A build that did not give a wheel.

    Attributes:
        name: of the package.
        version: likewise.
        reason: how it ended.
        lines: the last that it printed.
        log: path of everything that it printed.
        cause: what probably made it fail, `None` where that is not known.
    """

    def __init__(
        self, name: str, version: str, reason: str, *, lines: Sequence[str], log: str
    ) -> None:
        found = likely_cause(lines, package=name)
        self.name = name
        self.version = version
        self.reason = reason
        self.lines = tuple(lines[-_SHOWN_LINES:])
        self.log = log
        self.cause = found.reason if found else None
        shown = "".join(f"\n    {line}" for line in self.lines)
        probably = f"\n  probably {self.cause}" if self.cause else ""
        super().__init__(
            f"building `{name}` {version} failed: {reason}{shown}{probably}\n  log: {log}",
            hint=found.remedy if found else None,
        )


class HookFailed(Exception):
    """A hook that gave no answer; `reason` says how it ended."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@frozen
class Place:
    """Where builds are done, and how.

    Attributes:
        store: where trees are.
        machine: what it offers for sandboxes.
        rung: that builds are done on.
        facts: about the interpreter.
        target: that is built for.
        limits: what a build may use.
        stop: ends all builds.
        reporter: told what is printed.
    """

    store: Store
    machine: Machine
    rung: Rung
    facts: BuildFacts
    target: Target
    limits: Limits
    stop: Stop
    reporter: Reporter


class BuildRoom:
    """A folder in which one package is built. Use as a context manager: it is gone afterwards.

    Args:
        name: of the package.
        folder: absolute path of a folder on the store's file system that can be filled.
        where: how builds are done.
        source: the source tree.
        subdirectory: of the project in it, empty for its root.
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
        source: Tree,
        subdirectory: str,
        backend: Backend,
        variables: Mapping[str, str],
        config_settings: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._name = name
        self._folder = folder
        self._where = where
        self._source = source
        self._subdirectory = subdirectory
        self._backend = backend
        self._variables = variables
        self._config_settings = {
            key: values[0] if len(values) == 1 else list(values)
            for key, values in config_settings.items()
        }
        self._work = f"{folder}/work"
        self._environment = f"{folder}/environment"
        self._log = f"{folder}/log"
        self._copied = False
        self.duration_ms = 0

    def __enter__(self) -> Self:
        os.makedirs(self._work)
        with open(self._log, "wb"):
            pass
        return self

    def __exit__(self, *_: object) -> None:
        _remove(self._folder)

    @property
    def log(self) -> bytes:
        """Everything that was printed so far."""
        with open(self._log, "rb") as file:
            return file.read()

    def furnish(self, trees: Mapping[str, Digest]) -> None:
        """Lay the build environment out anew: the distributions called so, in these trees.

        Raises:
            VenvError: they do not fit into one environment.
            StoreError: a tree is damaged.
        """
        _remove(self._environment)
        os.mkdir(self._environment)
        target, store = self._where.target, self._where.store
        prefix = self._inner(self._environment, ENVIRONMENT)
        executable = self._where.facts.executable
        for folder in skeleton_folders(target.scheme):
            os.makedirs(f"{self._environment}/{folder}", exist_ok=True)
        for path, leads_to in skeleton_links(target, executable):
            os.symlink(leads_to, f"{self._environment}/{path}")
        for file in skeleton_files(
            target,
            prefix=prefix,
            home=os.path.dirname(executable),
            executable=executable,
            prompt="build",
        ):
            _write(f"{self._environment}/{file.path}", file.data)
        mode, _ = probe_mode(store.path, self._environment, "auto", required=False)
        for name, digest in sorted(trees.items()):
            tree = store.read_tree(digest)
            assert tree is not None
            placement = plan_placement(
                tree,
                digest=digest,
                distribution=name,
                scheme=target.scheme,
                python=target.markers["python_version"],
                read=store.read_blob,
            )
            written = written_files(
                placement,
                prefix=prefix,
                scripts=target.scheme.scripts,
                requested=False,
                direct_url=None,
            )
            job = Job(
                load=lambda placement=placement, written=written: (placement, written),  # type: ignore[misc]
                files=sum(len(files) for _, files in placement.links),
                folders=len(placement.folders),
            )
            # One at a time: what places many at once forks, which no thread may do.
            place(
                [job],
                store=store.path,
                root=self._environment,
                mode=mode,
                required=False,
                reporter=SILENT,
            )

    def requires(self) -> tuple[str, ...]:
        """Return what the backend says that it needs besides what is declared.

        Raises:
            HookFailed: it gave no answer.
        """
        found = self._call("get_requires_for_build_wheel", self._config_settings)
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise HookFailed("`get_requires_for_build_wheel` did not return a list of strings")
        return tuple(found)

    def build(self) -> str:
        """Have the wheel built and return its path.

        Raises:
            HookFailed: there is no wheel, or more than one.
        """
        dist = f"{self._work}/{_DIST}"
        _remove(dist)
        os.mkdir(dist)
        named = self._call(
            "build_wheel", self._inner(dist, f"{FOLDER}/{_DIST}"), self._config_settings
        )
        found = sorted(os.listdir(dist))
        if len(found) != 1:
            listed = ", ".join(f"`{name}`" for name in found) or "nothing"
            raise HookFailed(f"expected one wheel, found {listed}")
        path = f"{dist}/{found[0]}"
        if named != found[0] or not found[0].endswith(".whl"):
            raise HookFailed(f"the backend named `{named}`, and made `{found[0]}`")
        if os.path.islink(path) or not os.path.isfile(path):
            raise HookFailed(f"`{found[0]}` is no file")
        return path

    def _call(self, hook: str, *arguments: Any) -> Any:
        from pyproject_hooks import (
            BackendUnavailable,
            BuildBackendHookCaller,
            UnsupportedOperation,
        )

        self._copy_source()
        source = f"{self._work}/{_SOURCE}"
        inner = f"{FOLDER}/{_SOURCE}"
        if self._subdirectory:
            source, inner = f"{source}/{self._subdirectory}", f"{inner}/{self._subdirectory}"
        python = f"{self._inner(self._environment, ENVIRONMENT)}/bin/python"
        try:
            caller = BuildBackendHookCaller(
                self._inner(source, inner),
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
        """Run one hook for `pyproject_hooks`, which asks and answers through files in a folder."""
        python, script, hook, asked = cmd
        folder = f"{self._work}/{_HOOK}"
        _remove(folder)
        os.mkdir(folder)
        shutil.copyfile(script, f"{folder}/run_hook.py")
        shutil.copyfile(f"{asked}/input.json", f"{folder}/input.json")
        inner = self._inner(folder, f"{FOLDER}/{_HOOK}")
        work = self._inner(self._work, FOLDER)
        programs = f"{self._inner(self._environment, ENVIRONMENT)}/bin"
        variables = build_environment(
            self._variables,
            home=f"{work}/{HOME_NAME}",
            tmp=f"{work}/{TEMPORARY}",
            path=(programs,),
        )
        request = Request(
            argv=(python, f"{inner}/run_hook.py", hook, inner),
            cwd=cwd or work,
            variables={**variables, **(extra_environ or {})},
            folder=self._work,
            reads=self._reads(),
            limits=self._where.limits,
        )
        self._note(f"# {hook}\n")
        outcome = self._supervise(request)
        self.duration_ms += outcome.duration_ms
        if not outcome.succeeded:
            raise HookFailed(_ending(hook, outcome))
        self._answer(f"{folder}/output.json", f"{asked}/output.json")

    def _answer(self, path: str, asked: str) -> None:
        """Hand the answer of a hook over; warnings among it are for the log."""
        import json

        if os.path.islink(path):
            raise HookFailed("its answer is a symbolic link")
        with open(path, encoding="utf-8") as file:
            answer = json.load(file)
        if not isinstance(answer, dict):
            raise HookFailed("its answer is no object")
        warnings = answer.pop("warnings", ())
        for warning in warnings if isinstance(warnings, list) else ():
            if isinstance(warning, dict):
                self._note(f"# warning: {warning.get('message')}\n")
        with open(asked, "w", encoding="utf-8") as file:
            json.dump(answer, file)

    def _supervise(self, request: Request) -> Outcome:
        where, name = self._where, self._name
        part = f"{self._folder}/log-of-hook"

        def told(line: str) -> None:
            where.reporter.report(BuildPrinted(name=name, line=line))

        try:
            return run(request, where.rung, where.machine, log=part, on_line=told, stop=where.stop)
        finally:
            if os.path.exists(part):
                with open(part, "rb") as file, open(self._log, "ab") as log:
                    shutil.copyfileobj(file, log)
                os.unlink(part)

    def _reads(self) -> tuple[Readable, ...]:
        environment = Readable(
            outer=self._environment, inner=self._inner(self._environment, ENVIRONMENT)
        )
        folders = [*self._where.facts.folders, os.path.dirname(self._where.facts.executable)]
        reads = {
            folder: Readable(outer=folder, inner=folder)
            for folder in folders
            if not any(folder == system or folder.startswith(f"{system}/") for system in SYSTEM)
        }
        return (environment, *reads.values())

    def _copy_source(self) -> None:
        if self._copied:
            return
        self._copied = True
        root = f"{self._work}/{_SOURCE}"
        os.mkdir(root)
        store = self._where.store
        for entry in self._source.entries:
            path = f"{root}/{entry.path}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if entry.target is not None:
                os.symlink(entry.target, path)
                os.utime(path, _TIME, follow_symlinks=False)
                continue
            assert entry.digest is not None
            executable = entry.kind == "executable"
            shutil.copyfile(store.absolute(layout.blob(entry.digest, executable=executable)), path)
            os.chmod(path, 0o755 if executable else 0o644)
            os.utime(path, _TIME)
        for place_, _, _ in os.walk(root, topdown=False):
            os.utime(place_, _TIME)

    def _inner(self, outer: str, fixed: str) -> str:
        return inside(self._where.rung, outer, fixed)

    def _note(self, text: str) -> None:
        with open(self._log, "ab") as file:
            file.write(text.encode("utf-8", "replace"))


def _ending(hook: str, outcome: Outcome) -> str:
    match outcome.ended:
        case "timeout":
            return f"`{hook}` took longer than it may"
        case "memory":
            return f"`{hook}` used more memory than it may"
        case "output":
            return f"`{hook}` printed more than it may"
        case "disk":
            return f"`{hook}` used more of the disk than it may"
        case "processes":
            return f"`{hook}` started more processes than it may"
        case "stopped":
            return f"`{hook}` was stopped"
        case "finished":
            if outcome.signal is not None:
                return f"`{hook}` was ended by signal {outcome.signal}"
            return f"`{hook}` ended with exit status {outcome.exit_code}"


def level_of(rung: Rung) -> str:
    """Return the level of a rung, for people."""
    return guarantees(rung, network=False).level


def _write(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def _remove(folder: str) -> None:
    def once_more(function: Any, path: str, _: object) -> None:
        # A build may leave folders behind that even their owner cannot empty.
        try:
            os.chmod(os.path.dirname(path), 0o700)
            os.chmod(path, 0o700, follow_symlinks=False) if not os.path.islink(path) else None
            function(path)
        except OSError:
            pass

    if os.path.lexists(folder):
        shutil.rmtree(folder, onerror=once_more)
