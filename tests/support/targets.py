"""Targets of any kind, made from their names: no interpreter is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.tags import compatible_tags, cpython_tags, mac_platforms

from envbuild.target.model import Scheme, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKERS = {
    "linux": ("posix", "Linux", "linux"),
    "macos": ("posix", "Darwin", "darwin"),
    "windows": ("nt", "Windows", "win32"),
}


def make_target(
    version: str = "3.12.4",
    system: str = "linux",
    machine: str = "x86_64",
    *,
    glibc: tuple[int, int] = (2, 28),
    musl: tuple[int, int] | None = None,
    macos: tuple[int, int] = (13, 0),
    free_threaded: bool = False,
) -> Target:
    """Return a CPython target.

    Args:
        version: full version of Python.
        system: `linux`, `macos` or `windows`.
        machine: as `platform.machine()` says on that system.
        glibc: version of the C library on Linux.
        musl: version of musl, in place of `glibc`.
        macos: version of macOS.
        free_threaded: whether the interpreter has no global lock.
    """
    major, minor = (int(part) for part in version.split(".")[:2])
    os_name, platform_system, sys_platform = _MARKERS[system]
    platforms = list(_platforms(system, machine, glibc, musl, macos))
    flags = "t" if free_threaded else ""
    abi = f"cp{major}{minor}{flags}"
    tags = [
        *cpython_tags((major, minor), [abi], platforms),
        *compatible_tags((major, minor), f"cp{major}{minor}", platforms),
    ]
    release = ".".join(str(part) for part in (major, minor))
    return Target(
        implementation="cpython",
        version=version,
        markers={
            "implementation_name": "cpython",
            "implementation_version": version,
            "os_name": os_name,
            "platform_machine": machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": platform_system,
            "platform_version": "",
            "python_full_version": version,
            "python_version": release,
            "sys_platform": sys_platform,
        },
        tags=tuple(dict.fromkeys(str(tag) for tag in tags)),
        scheme=Scheme(
            purelib=f"lib/python{release}/site-packages",
            platlib=f"lib/python{release}/site-packages",
            scripts="bin",
            data="",
            headers=f"include/site/python{release}",
        ),
        cache_tag=f"cpython-{major}{minor}",
        soabi=f"cpython-{major}{minor}{flags}",
        ext_suffix=".so",
        abi_flags=flags,
        platform=f"{system}-{machine}",
        libc="" if system != "linux" else f"musl {musl}" if musl else f"glibc {glibc}",
    )


def _platforms(
    system: str,
    machine: str,
    glibc: tuple[int, int],
    musl: tuple[int, int] | None,
    macos: tuple[int, int],
) -> Iterator[str]:
    if system == "macos":
        yield from mac_platforms(macos, machine)
    elif system == "windows":
        yield {"AMD64": "win_amd64", "ARM64": "win_arm64", "x86": "win32"}[machine]
    elif musl is not None:
        for minor in range(musl[1], -1, -1):
            yield f"musllinux_{musl[0]}_{minor}_{machine}"
        yield f"linux_{machine}"
    else:
        legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
        floor = 5 if machine in {"x86_64", "i686"} else 17
        for minor in range(glibc[1], floor - 1, -1):
            yield f"manylinux_{glibc[0]}_{minor}_{machine}"
            if minor in legacy:
                yield f"{legacy[minor]}_{machine}"
        yield f"linux_{machine}"
