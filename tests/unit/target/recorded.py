"""Facts of interpreters that the machine running the tests need not have.

Written by hand after what such interpreters report: builds of python.org and Debian, of
python-build-standalone, and of the Alpine and PyPy projects.
"""

from __future__ import annotations

from envbuild.frozen import replace
from envbuild.target.facts import Facts
from envbuild.target.model import Scheme
from envbuild.target.tags import compatible_tags


def posix_scheme(folder: str, python: str) -> Scheme:
    packages = f"lib/{folder}/site-packages"
    return Scheme(
        purelib=packages,
        platlib=packages,
        scripts="bin",
        data="",
        headers=f"include/site/{python}",
    )


def markers(system: str, version: str, **others: str) -> dict[str, str]:
    machines = {"Linux": "x86_64", "Darwin": "arm64", "Windows": "AMD64"}
    return {
        "implementation_name": "cpython",
        "implementation_version": version,
        "os_name": "nt" if system == "Windows" else "posix",
        "platform_machine": machines[system],
        "platform_python_implementation": "CPython",
        "platform_release": "1",
        "platform_system": system,
        "platform_version": "#1",
        "python_full_version": version,
        "python_version": ".".join(version.split(".")[:2]),
        "sys_platform": {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}[system],
        **others,
    }


linux_313 = Facts(
    implementation="cpython",
    markers=markers("Linux", "3.13.0"),
    scheme=posix_scheme("python3.13", "python3.13"),
    cache_tag="cpython-313",
    soabi="cpython-313-x86_64-linux-gnu",
    ext_suffix=".cpython-313-x86_64-linux-gnu.so",
    abi_flags="",
    version_nodot="313",
    gil_disabled=False,
    debug=False,
    pointer_bits=64,
    platform="linux-x86_64",
    standalone=False,
    prefix="/usr",
    base_prefix="/usr",
    executable="/usr/bin/python3",
    base_executable="/usr/bin/python3",
    linux_arches=("x86_64",),
    elf_machine=62,
    glibc=(2, 36),
)
linux_313t = replace(
    linux_313,
    scheme=posix_scheme("python3.13t", "python3.13"),
    soabi="cpython-313t-x86_64-linux-gnu",
    ext_suffix=".cpython-313t-x86_64-linux-gnu.so",
    abi_flags="t",
    gil_disabled=True,
)
linux_313td = replace(
    linux_313t,
    soabi="cpython-313td-x86_64-linux-gnu",
    ext_suffix=".cpython-313td-x86_64-linux-gnu.so",
    abi_flags="td",
    debug=True,
)
linux_311d = replace(
    linux_313,
    markers=markers("Linux", "3.11.2"),
    scheme=posix_scheme("python3.11", "python3.11"),
    cache_tag="cpython-311",
    soabi="cpython-311d-x86_64-linux-gnu",
    ext_suffix=".cpython-311d-x86_64-linux-gnu.so",
    abi_flags="d",
    version_nodot="311",
    debug=True,
)
musl_312 = replace(
    linux_313,
    markers=markers("Linux", "3.12.8"),
    scheme=posix_scheme("python3.12", "python3.12"),
    cache_tag="cpython-312",
    soabi="cpython-312-x86_64-linux-musl",
    ext_suffix=".cpython-312-x86_64-linux-musl.so",
    version_nodot="312",
    glibc=None,
    musl=(1, 2),
)
arm_hard_float = replace(
    linux_313,
    markers=markers("Linux", "3.13.0", platform_machine="armv7l"),
    soabi="cpython-313-arm-linux-gnueabihf",
    ext_suffix=".cpython-313-arm-linux-gnueabihf.so",
    pointer_bits=32,
    platform="linux-armv7l",
    linux_arches=("armv7l",),
    elf_machine=40,
    elf_flags=0x05000400,
    glibc=(2, 31),
)
arm_on_64_bit_kernel = replace(
    arm_hard_float,
    markers=markers("Linux", "3.13.0", platform_machine="aarch64"),
    platform="linux-aarch64",
    linux_arches=("armv8l", "armv7l"),
)
i686_on_64_bit_kernel = replace(
    linux_313,
    soabi="cpython-313-i386-linux-gnu",
    ext_suffix=".cpython-313-i386-linux-gnu.so",
    pointer_bits=32,
    linux_arches=("i686",),
    elf_machine=3,
    glibc=(2, 17),
)
linux_aarch64 = replace(
    linux_313,
    markers=markers("Linux", "3.13.0", platform_machine="aarch64"),
    platform="linux-aarch64",
    linux_arches=("aarch64",),
    elf_machine=183,
    glibc=(2, 28),
)
linux_armv6 = replace(
    arm_hard_float,
    markers=markers("Linux", "3.13.0", platform_machine="armv6l"),
    platform="linux-armv6l",
    linux_arches=("armv6l",),
)
macos_arm_312 = replace(
    linux_313,
    markers=markers("Darwin", "3.12.4"),
    scheme=posix_scheme("python3.12", "python3.12"),
    cache_tag="cpython-312",
    soabi="cpython-312-darwin",
    ext_suffix=".cpython-312-darwin.so",
    version_nodot="312",
    platform="macosx-10.13-universal2",
    linux_arches=(),
    elf_machine=0,
    glibc=None,
    macos_version=(14, 5),
    macos_arch="arm64",
)
macos_intel_312 = replace(
    macos_arm_312,
    markers=markers("Darwin", "3.12.4", platform_machine="x86_64"),
    macos_version=(10, 15),
    macos_arch="x86_64",
)
windows_312 = replace(
    linux_313,
    markers=markers("Windows", "3.12.4"),
    scheme=Scheme(
        purelib="Lib/site-packages",
        platlib="Lib/site-packages",
        scripts="Scripts",
        data="",
        headers="include/site/python3.12",
    ),
    cache_tag="cpython-312",
    soabi="cp312-win_amd64",
    ext_suffix=".cp312-win_amd64.pyd",
    version_nodot="312",
    platform="win-amd64",
    linux_arches=(),
    elf_machine=0,
    glibc=None,
)
pypy_39 = replace(
    linux_313,
    implementation="pypy",
    markers=markers(
        "Linux",
        "3.9.16",
        implementation_name="pypy",
        implementation_version="7.3.11",
        platform_python_implementation="PyPy",
    ),
    scheme=posix_scheme("pypy3.9", "python3.9"),
    cache_tag="pypy39",
    soabi="pypy39-pp73",
    ext_suffix=".pypy39-pp73-x86_64-linux-gnu.so",
    version_nodot="39",
)
graalpy_311 = replace(
    linux_313,
    implementation="graalpy",
    markers=markers("Linux", "3.11.7", implementation_name="graalpy"),
    scheme=posix_scheme("python3.11", "python3.11"),
    cache_tag="graalpy242-311",
    soabi="graalpy242-311-native-x86_64-linux",
    ext_suffix=".graalpy242-311-native-x86_64-linux.so",
    version_nodot="311",
)

LINUX_313 = linux_313.target(compatible_tags(linux_313))
LINUX_313T = linux_313t.target(compatible_tags(linux_313t))
MUSL_312 = musl_312.target(compatible_tags(musl_312))
MACOS_ARM_312 = macos_arm_312.target(compatible_tags(macos_arm_312))
PYPY_39 = pypy_39.target(compatible_tags(pypy_39))
