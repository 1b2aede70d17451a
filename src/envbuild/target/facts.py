"""What an interpreter told about itself: `Facts`, before any decision is made from them.

The probe script prints them; tests of other platforms write them down by hand. Nothing here looks
at the machine.
"""

from __future__ import annotations

from envbuild.frozen import frozen
from envbuild.target.model import Scheme, Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
"""The form of the script's answer; what it prints under another number is not understood."""


@frozen
class Facts:
    """The answer of the probe script.

    Attributes:
        implementation: `sys.implementation.name`.
        markers: the variables of PEP 508 with their values, `extra` left out.
        scheme: the `venv` install scheme, or what stands for it where there is none of that name.
        cache_tag: the name that bytecode files carry.
        soabi: the ABI name of extension modules.
        ext_suffix: their file name suffix.
        abi_flags: `sys.abiflags`, empty where there is none.
        version_nodot: the language version as tags spell it, such as `313`.
        gil_disabled: whether this is a free-threaded build.
        debug: whether this is a debug build.
        pointer_bits: 32 or 64.
        platform: `sysconfig.get_platform()`.
        standalone: whether it is a relocatable build that finds its library by its own place alone.
        prefix: `sys.prefix`.
        base_prefix: `sys.base_prefix`.
        executable: `sys.executable`.
        base_executable: `sys._base_executable`, empty where there is none.
        linux_arches: architectures for Linux tags, closest first; empty on other systems.
        elf_machine: the machine number in the ELF header of the executable, 0 for other formats.
        elf_flags: the flags there.
        glibc: major and minor version of the C library, `None` where it is another.
        musl: the same for musl.
        manylinux_refused: glibc major, minor and architecture that a `_manylinux` module refuses.
        macos_version: major and minor version of the system, `None` elsewhere.
        macos_arch: the architecture that the process runs as there.
    """

    implementation: str
    markers: Mapping[str, str]
    scheme: Scheme
    cache_tag: str
    soabi: str
    ext_suffix: str
    abi_flags: str
    version_nodot: str
    gil_disabled: bool
    debug: bool
    pointer_bits: int
    platform: str
    standalone: bool
    prefix: str
    base_prefix: str
    executable: str
    base_executable: str
    linux_arches: tuple[str, ...] = ()
    elf_machine: int = 0
    elf_flags: int = 0
    glibc: tuple[int, int] | None = None
    musl: tuple[int, int] | None = None
    manylinux_refused: frozenset[tuple[int, int, str]] = frozenset()
    macos_version: tuple[int, int] | None = None
    macos_arch: str = ""

    @property
    def version(self) -> str:
        """The full language version, such as `3.12.4` or `3.15.0rc1`."""
        return self.markers["python_full_version"]

    @property
    def minor_version(self) -> tuple[int, int]:
        """The language version to the minor part, such as `(3, 12)`."""
        major, minor = self.markers["python_version"].split(".")
        return int(major), int(minor)

    @property
    def libc(self) -> str:
        """The C library as `Target.libc` spells it."""
        for name, version in (("musl", self.musl), ("glibc", self.glibc)):
            if version is not None:
                return f"{name} {version[0]}.{version[1]}"
        return ""

    def target(self, tags: tuple[str, ...]) -> Target:
        """Return the target that these facts and the tags that follow from them make."""
        return Target(
            implementation=self.implementation,
            version=self.version,
            markers=self.markers,
            tags=tags,
            scheme=self.scheme,
            cache_tag=self.cache_tag,
            soabi=self.soabi,
            ext_suffix=self.ext_suffix,
            abi_flags=self.abi_flags,
            platform=self.platform,
            libc=self.libc,
        )


def parse_facts(text: str) -> Facts | None:
    """Return the facts in what the script printed, or `None` when this is not its answer.

    The answer is the last line: what start-up files of an interpreter print comes before it.
    """
    import json

    try:
        answer = json.loads(text.rstrip().rpartition("\n")[2])
        if answer["format"] != FORMAT:
            return None
        macos = answer["macos"]
        return Facts(
            implementation=answer["implementation"],
            markers=answer["markers"],
            scheme=Scheme(**answer["scheme"]),
            cache_tag=answer["cache_tag"],
            soabi=answer["soabi"],
            ext_suffix=answer["ext_suffix"],
            abi_flags=answer["abi_flags"],
            version_nodot=answer["version_nodot"],
            gil_disabled=answer["gil_disabled"],
            debug=answer["debug"],
            pointer_bits=answer["pointer_bits"],
            platform=answer["platform"],
            standalone=answer["standalone"],
            prefix=answer["prefix"],
            base_prefix=answer["base_prefix"],
            executable=answer["executable"],
            base_executable=answer["base_executable"],
            linux_arches=tuple(answer["linux_arches"]),
            elf_machine=answer["elf_machine"],
            elf_flags=answer["elf_flags"],
            glibc=_pair(answer["glibc"]),
            musl=_pair(answer["musl"]),
            manylinux_refused=frozenset(
                (major, minor, arch) for major, minor, arch in answer["manylinux_refused"]
            ),
            macos_version=_pair(macos["version"]) if macos else None,
            macos_arch=macos["arch"] if macos else "",
        )
    except (ValueError, TypeError, KeyError):
        return None


def _pair(numbers: list[int] | None) -> tuple[int, int] | None:
    return None if numbers is None else (numbers[0], numbers[1])
