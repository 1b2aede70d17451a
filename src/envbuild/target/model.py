"""What is installed *for*: a `Target`, and the `Interpreter` on this machine that stands for it.

A target is made of facts alone, so selection for any platform can be decided on any other. It knows
nothing of paths on this machine; those belong to the interpreter.
"""

from __future__ import annotations

from envbuild import canonical
from envbuild.frozen import field, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.canonical import Json
    from envbuild.digest import Digest

OLDEST_VERSION = (3, 9)
"""The oldest minor version of Python that environments are made for."""


@frozen
class Scheme:
    """Where a wheel's parts go, each relative to the environment's prefix with `/` between names.

    `data` is empty: it is the prefix itself. `headers` holds one folder for each project below it.
    """

    purelib: str
    platlib: str
    scripts: str
    data: str
    headers: str

    def as_json(self) -> dict[str, Json]:
        """Return the form used in manifests."""
        return {
            "data": self.data,
            "headers": self.headers,
            "platlib": self.platlib,
            "purelib": self.purelib,
            "scripts": self.scripts,
        }


@frozen
class Target:
    """The facts that decide what fits and where it goes.

    Attributes:
        implementation: `cpython`, `pypy`, … (`sys.implementation.name`).
        version: the full language version without build marks, such as `3.12.4` or `3.15.0rc1`.
        markers: the variables of PEP 508 with their values, `extra` left out.
        tags: compatible tags, best first, each spelled `python-abi-platform`.
        scheme: the `venv` install scheme.
        cache_tag: the name that bytecode files carry, such as `cpython-312`.
        soabi: the ABI name of extension modules; empty where there is none.
        ext_suffix: the file name suffix of extension modules.
        abi_flags: such as `t` for free-threaded builds, `d` for debug builds.
        platform: `sysconfig.get_platform()`, such as `linux-x86_64`.
        libc: `glibc 2.36`, `musl 1.2`, or empty where neither is.
    """

    implementation: str
    version: str
    markers: Mapping[str, str]
    tags: tuple[str, ...]
    scheme: Scheme
    cache_tag: str
    soabi: str
    ext_suffix: str
    abi_flags: str
    platform: str
    libc: str
    _digest: Digest | None = field(default=None, init=False, repr=False)

    @property
    def digest(self) -> Digest:
        """Digest of every fact: what results computed for this target are remembered under.

        The kernel's release is one of the facts (`platform_release`), so this is no identity to
        compare between machines.
        """
        if self._digest is None:
            self.remember_digest(self._compute_digest())
        assert self._digest is not None
        return self._digest

    def remember_digest(self, digest: Digest) -> None:
        """Take over the digest that this target had when it was stored."""
        object.__setattr__(self, "_digest", digest)

    def _compute_digest(self) -> Digest:
        return canonical.digest(
            {
                "abi_flags": self.abi_flags,
                "cache_tag": self.cache_tag,
                "ext_suffix": self.ext_suffix,
                "implementation": self.implementation,
                "libc": self.libc,
                "markers": dict(self.markers),
                "platform": self.platform,
                "scheme": self.scheme.as_json(),
                "soabi": self.soabi,
                "tags": list(self.tags),
                "version": self.version,
            }
        )


@frozen
class Interpreter:
    """An interpreter found on this machine.

    Attributes:
        target: its facts.
        executable: the absolute path to start, which a virtual environment must link to: never one
            inside another virtual environment.
        home: the folder of `executable`, for `pyvenv.cfg`.
    """

    target: Target
    executable: str
    home: str


def experiment_mismatch(target: Target) -> str | None:
    """Return why a target is not taken unasked, if it is an experiment of Python's makers.

    Before 3.14, free-threaded builds were (PEP 779).
    """
    minor = tuple(map(int, target.markers["python_version"].split(".")))
    if "t" in target.abi_flags and minor < (3, 14):
        return "it is a free-threaded build, which must be asked for"
    return None
