"""From the facts of an interpreter to the wheel tags that it accepts, best first.

The sets of PEP 425, 600, 656, 703 and 803, in the order that uv ranks them; the order differs from
`packaging.tags` in one point: `linux_*`, which promises nothing about the C library, comes last
among the platforms of Linux. `packaging` computes whatever it can compute from arguments; the tags
of Linux it reads off the running process, so they are computed here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from envbuild.target.facts import Facts

# The oldest glibc 2 of any wheel (PEP 513 for x86, PEP 599 for the others) and the old names of
# the levels that had one (PEP 600).
_OLDEST_MANYLINUX = {"x86_64": 5, "i686": 5}
_OLDEST_MANYLINUX_ELSEWHERE = 17
_LEGACY_MANYLINUX = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
_MANYLINUX_64_BIT = frozenset(
    {"x86_64", "aarch64", "ppc64", "ppc64le", "s390x", "loongarch64", "riscv64"}
)

_ELF_MACHINE_I386 = 3
_ELF_MACHINE_ARM = 40
_ELF_ARM_ABI_MASK = 0xFF000000
_ELF_ARM_ABI_VERSION_5 = 0x05000000
_ELF_ARM_HARD_FLOAT = 0x00000400


def compatible_tags(facts: Facts) -> tuple[str, ...]:
    """Return the tags, best first, each spelled `python-abi-platform`, none twice."""
    from packaging import tags

    platforms = platform_tags(facts)
    version = facts.minor_version
    if facts.implementation == "cpython":
        interpreter = "cp" + facts.version_nodot
        own = tags.cpython_tags(version, _cpython_abis(facts), platforms)
        pure_interpreter: str | None = interpreter
    else:
        short = tags.INTERPRETER_SHORT_NAMES.get(facts.implementation, facts.implementation)
        interpreter = short + facts.version_nodot
        own = tags.generic_tags(interpreter, _generic_abis(facts), platforms)
        pure_interpreter = "pp3" if short == "pp" else None
    shared = tags.compatible_tags(version, pure_interpreter, platforms)
    return tuple(dict.fromkeys(str(tag) for source in (own, shared) for tag in source))


def platform_tags(facts: Facts) -> tuple[str, ...]:
    """Return the platform part of the tags, best first."""
    if facts.linux_arches:
        return tuple(_linux_platforms(facts))
    if facts.macos_version is not None:
        from packaging import tags

        return tuple(tags.mac_platforms(facts.macos_version, facts.macos_arch))
    return (_normalised(facts.platform),)


def _cpython_abis(facts: Facts) -> list[str]:
    release = f"cp{facts.version_nodot}{'t' if facts.gil_disabled else ''}"
    # A debug build loads the extension modules of release builds too (since 3.8).
    return [release + "d", release] if facts.debug else [release]


def _generic_abis(facts: Facts) -> list[str]:
    """Return the ABI that the suffix of extension modules names, the platform in it left out."""
    middle = facts.ext_suffix.split(".")[1:-1]
    if not middle or not middle[0]:
        return []
    parts = middle[0].split("-")
    kept = {"pypy": 2, "graalpy": 3}.get(facts.implementation, len(parts))
    return [_normalised("-".join(parts[:kept]))]


def _linux_platforms(facts: Facts) -> Iterator[str]:
    if facts.glibc is not None and _fits_manylinux(facts):
        for arch in facts.linux_arches:
            yield from _manylinux(facts.glibc, arch, facts.manylinux_refused)
    if facts.musl is not None:
        for arch in facts.linux_arches:
            for minor in range(facts.musl[1], -1, -1):
                yield f"musllinux_{facts.musl[0]}_{minor}_{arch}"
    for arch in facts.linux_arches:
        yield f"linux_{arch}"


def _fits_manylinux(facts: Facts) -> bool:
    """Tell whether the executable has the calling convention that manylinux wheels assume."""
    if "armv7l" in facts.linux_arches:
        return (
            facts.pointer_bits == 32
            and facts.elf_machine == _ELF_MACHINE_ARM
            and facts.elf_flags & _ELF_ARM_ABI_MASK == _ELF_ARM_ABI_VERSION_5
            and facts.elf_flags & _ELF_ARM_HARD_FLOAT != 0
        )
    if "i686" in facts.linux_arches:
        return facts.pointer_bits == 32 and facts.elf_machine == _ELF_MACHINE_I386
    return not _MANYLINUX_64_BIT.isdisjoint(facts.linux_arches)


def _manylinux(
    glibc: tuple[int, int], arch: str, refused: frozenset[tuple[int, int, str]]
) -> Iterator[str]:
    major, newest = glibc
    oldest = _OLDEST_MANYLINUX.get(arch, _OLDEST_MANYLINUX_ELSEWHERE)
    for minor in range(newest, oldest - 1, -1):
        if (major, minor, arch) not in refused:
            yield f"manylinux_{major}_{minor}_{arch}"
            if minor in _LEGACY_MANYLINUX:
                yield f"{_LEGACY_MANYLINUX[minor]}_{arch}"


def _normalised(name: str) -> str:
    return name.replace(".", "_").replace("-", "_").replace(" ", "_")
