"""What can be asked of `realise`, and what it answers: the values between command line and work."""

from __future__ import annotations

from envbuild.frozen import field, frozen, replace
from envbuild.selection.model import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from envbuild.buildlock.model import Strategy
    from envbuild.digest import Digest
    from envbuild.environment.collisions import CollisionPolicy
    from envbuild.workflows.watched import Watched

    LinkMode = Literal["auto", "reflink", "hardlink", "copy", "symlink"]
    Action = Literal["added", "removed", "replaced", "repaired"]
    SandboxChoice = Literal["auto", "require", "bubblewrap", "namespaces", "landlock", "none"]


@frozen
class BuildLimits:
    """What building one package may take; none of it is part of what the result is known by.

    Attributes:
        seconds: of wall-clock time, all hooks of the backend together.
        memory: bytes, of all processes together; `None` for no limit.
        disk: bytes in the folder of the build, its sources included; `None` for no limit.
        output: bytes that it may print.
        processes: at a time.
    """

    seconds: int = 3600
    memory: int | None = None
    disk: int | None = None
    output: int = 64 * 2**20
    processes: int = 4096


@frozen
class RealiseOptions:
    """What the user said, with settings and environment variables already taken into account.

    Attributes:
        lockfile: as given, `None` to look for `uv.lock` here and upwards.
        venv: the environment's folder, `None` for `.venv` beside the lockfile.
        python: a request such as `3.12` or a path, `None` where the user has no wish.
        store: the store's folder.
        cache: folder for what is remembered about this machine (interpreters, invocations).
        link_mode: how files get from the store into the environment.
        collisions: what becomes of paths for which distributions have different files.
        require_link: fail where `link_mode` cannot be had, instead of falling back.
        clear: replace whatever environment is there.
        inexact: leave packages that the lock does not ask for.
        check: change nothing; a difference is a failure.
        dry_run: change nothing, in the environment or the store.
        offline: use no network.
        index_mirrors: pairs of URL prefixes, FROM and TO.
        verify_record: refuse wheels whose RECORD disagrees with their content.
        refresh: names whose artifacts without a locked hash are hashed anew; `*` for all.
        insecure_hosts: hosts whose certificates are not checked.
        keyring_provider: where passwords are looked for.
        jobs: transfers at once.
        unpack_limit: bytes that one wheel may unpack to, `None` for the default.
        build_strategy: which versions builds are done with, `None` for what the project says.
        sandbox: where builds may run; see `docs/decisions/sandbox.md`.
        build_network: names of packages whose builds may use the network.
        build_tools: absolute paths of folders that builds may read, and whose `bin` is on `PATH`.
        concurrent_builds: builds at once, `None` for as many as there are processors.
        build_limits: what each may take.
        locked: take what the build lock says, and nothing that would have to be resolved.
        config_settings: `KEY=VALUE` for every backend; they come on top of what the project says.
        package_config_settings: `NAME:KEY=VALUE` for the backend of that package.
        no_build_isolation: build everything beside what the environment holds, and
            `no_build_isolation_packages` at least.
    """

    lockfile: str | None = None
    venv: str | None = None
    python: str | None = None
    store: str
    cache: str
    request: Request = field(default_factory=Request)
    link_mode: LinkMode = "auto"
    collisions: CollisionPolicy = "error"
    require_link: bool = False
    clear: bool = False
    inexact: bool = False
    check: bool = False
    dry_run: bool = False
    offline: bool = False
    index_mirrors: tuple[tuple[str, str], ...] = ()
    verify_record: bool = True
    refresh: tuple[str, ...] = ()
    insecure_hosts: tuple[str, ...] = ()
    keyring_provider: Literal["auto", "disabled", "subprocess"] = "auto"
    jobs: int = 16
    unpack_limit: int | None = None
    build_strategy: Strategy | None = None
    sandbox: SandboxChoice = "auto"
    build_network: tuple[str, ...] = ()
    build_tools: tuple[str, ...] = ()
    concurrent_builds: int | None = None
    build_limits: BuildLimits = field(default_factory=BuildLimits)
    locked: bool = False
    config_settings: tuple[str, ...] = ()
    package_config_settings: tuple[str, ...] = ()
    no_build_isolation: bool = False
    no_build_isolation_packages: tuple[str, ...] = ()


@frozen
class Change:
    """One package that changed.

    Attributes:
        before: version, `None` where there was none.
        after: version, `None` where there is none now, or a tree computes it and was not built yet.
        origin: URL that it comes from, `None` for what an index has.
    """

    name: str
    action: Action
    before: str | None
    after: str | None
    origin: str | None = None


@frozen
class Pinned:
    """An artifact that the lock has no hash for, and the hash it was found to have."""

    name: str
    filename: str
    sha256: str


@frozen
class RealiseResult:
    """What `realise` did, or in a dry run would do.

    Attributes:
        lockfile: absolute path.
        prefix: absolute path of the environment.
        digest: the environment digest; `None` in a dry run that would have to fetch first.
        python: version of the environment's interpreter.
        interpreter: path of the interpreter it is made for.
        created: whether the environment is new or made anew.
        changes: sorted by name.
        packages: how many packages the environment holds.
        pinned: artifacts hashed on first use in this run.
        notes: further plain sentences the user should see, such as a fall-back of the link mode.
        link_mode: the mode that was used; `None` where nothing was linked.
        fetched: archives fetched in this run.
        fetched_bytes: their sum.
        missing: in a dry run, what would be fetched or built.
        watched: what this has relied on; `None` where that is not known.
    """

    lockfile: str
    prefix: str
    digest: Digest | None
    python: str
    interpreter: str
    created: bool
    changes: tuple[Change, ...]
    packages: int
    pinned: tuple[Pinned, ...] = ()
    notes: tuple[str, ...] = ()
    link_mode: LinkMode | None = None
    fetched: int = 0
    fetched_bytes: int = 0
    missing: tuple[str, ...] = ()
    watched: Watched | None = None

    def when_unchanged(self) -> RealiseResult:
        """Return what the same request gives when it finds the environment as this one left it."""
        return replace(
            self,
            created=False,
            changes=(),
            pinned=(),
            notes=(),
            link_mode=None,
            fetched=0,
            fetched_bytes=0,
        )
