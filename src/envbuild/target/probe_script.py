"""Tells what the interpreter that runs it is: one line of JSON on standard output.

Not a module of the program: it is started inside interpreters that know nothing of envbuild, in
isolated mode and without `site`. So it uses the standard library alone and no syntax newer than
Python 3.6; whether a version is supported is for the caller to say. It reports raw facts and decides
nothing: `envbuild.target.facts` describes each of them.
"""

import json
import os
import platform
import re
import struct
import sys
import sysconfig

FORMAT = 1


def main() -> None:
    arches = linux_arches()
    elf = read_elf(sys.executable) if arches else ElfHeader(0, 0, "")
    glibc = glibc_version() if arches else None
    answer = {
        "format": FORMAT,
        "implementation": sys.implementation.name,
        "markers": markers(),
        "scheme": scheme(),
        "cache_tag": sys.implementation.cache_tag or "",
        "soabi": sysconfig.get_config_var("SOABI") or "",
        "ext_suffix": sysconfig.get_config_var("EXT_SUFFIX") or "",
        "abi_flags": getattr(sys, "abiflags", ""),
        "version_nodot": version_nodot(),
        "gil_disabled": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "debug": is_debug_build(),
        "pointer_bits": struct.calcsize("P") * 8,
        "platform": sysconfig.get_platform(),
        "standalone": is_standalone(),
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "executable": sys.executable,
        "base_executable": getattr(sys, "_base_executable", None) or "",
        "linux_arches": arches,
        "elf_machine": elf.machine,
        "elf_flags": elf.flags,
        "glibc": glibc,
        "musl": musl_version(elf.interpreter),
        "manylinux_refused": manylinux_refused(arches, glibc),
        "macos": macos(),
    }
    sys.stdout.write(json.dumps(answer) + "\n")


def markers() -> "dict[str, str]":
    """Return the variables of PEP 508 that describe an interpreter and its machine."""
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": implementation_version(),
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        # A build from a checkout appends a bare `+`, which no version may end with.
        "python_full_version": platform.python_version().rstrip("+"),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }


def implementation_version() -> str:
    info = sys.implementation.version
    version = f"{info[0]}.{info[1]}.{info[2]}"
    if info[3] != "final":
        version += info[3][0] + str(info[4])
    return version


def scheme() -> "dict[str, str]":
    """Return where a virtual environment of this interpreter keeps things, relative to its prefix."""
    names = sysconfig.get_scheme_names()
    # The scheme named `venv` came with 3.11. Before it, distributors changed what the default
    # scheme says, but left alone the one that the `venv` module itself went by.
    if "venv" in names:
        name = "venv"
    elif os.name == "nt":
        name = "pypy_nt" if sys.implementation.name == "pypy" and "pypy_nt" in names else "nt"
    else:
        name = "posix_prefix"
    prefix = "/prefix"
    bases = ("base", "platbase", "installed_base", "installed_platbase")
    paths = sysconfig.get_paths(name, dict.fromkeys(bases, prefix))
    relative = {
        key: paths[key].replace(os.sep, "/")[len(prefix) :].strip("/")
        for key in ("purelib", "platlib", "scripts", "data")
    }
    relative["headers"] = "include/site/python{}.{}".format(*sys.version_info[:2])
    return relative


def version_nodot() -> str:
    return str(sysconfig.get_config_var("py_version_nodot") or "{}{}".format(*sys.version_info[:2]))


def is_debug_build() -> bool:
    configured = sysconfig.get_config_var("Py_DEBUG")
    if configured is not None:
        return bool(configured)
    # Windows does not record it, but such a build loads extension modules of another name.
    from importlib.machinery import EXTENSION_SUFFIXES

    return hasattr(sys, "gettotalrefcount") or "_d.pyd" in EXTENSION_SUFFIXES


def is_standalone() -> bool:
    """Tell whether this is a relocatable build, which finds its library by its own place alone."""
    return sysconfig.get_config_var("prefix") == "/install" or bool(
        sysconfig.get_config_var("PYTHON_BUILD_STANDALONE")
    )


def linux_arches() -> "list[str]":
    """Return the architectures in Linux platform tags, closest first; none on other systems."""
    name = re.sub("[.-]", "_", sysconfig.get_platform())
    if platform.system() != "Linux" or not name.startswith("linux_"):
        return []
    arch = name[len("linux_") :]
    if struct.calcsize("P") == 4:
        # The kernel names the machine; a 32-bit interpreter on it loads 32-bit modules.
        arch = {"x86_64": "i686", "aarch64": "armv8l"}.get(arch, arch)
    return ["armv8l", "armv7l"] if arch == "armv8l" else [arch]


class ElfHeader:
    """What the header of a program says; `interpreter` is its dynamic linker."""

    def __init__(self, machine: int, flags: int, interpreter: str) -> None:
        self.machine = machine
        self.flags = flags
        self.interpreter = interpreter


def read_elf(path: str) -> ElfHeader:
    """Return what the ELF header says, zeros for a file of another format."""
    try:
        with open(path, "rb") as program:
            identity = program.read(16)
            if identity[:4] != b"\x7fELF":
                return ElfHeader(0, 0, "")
            wide = identity[4] == 2
            order = "<" if identity[5] == 1 else ">"
            form = struct.Struct(order + ("HHIQQQIHHH" if wide else "HHIIIIIHHH"))
            fields = form.unpack(program.read(form.size))
            machine, table, flags, entry_size, entries = (fields[at] for at in (1, 4, 6, 8, 9))
            header = ElfHeader(machine, flags, "")
            segment = struct.Struct(order + ("IIQQQQ" if wide else "IIIII"))
            for index in range(entries):
                program.seek(table + index * entry_size)
                fields = segment.unpack(program.read(segment.size))
                if fields[0] == 3:  # PT_INTERP
                    program.seek(fields[2] if wide else fields[1])
                    header.interpreter = os.fsdecode(program.read(fields[-1])).strip("\0")
                    break
            return header
    except (OSError, struct.error):
        return ElfHeader(0, 0, "")


def glibc_version() -> "list[int] | None":
    try:
        name = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        name = glibc_version_by_symbol()
    # A fork of glibc may add words and dates to its version.
    match = re.search(r"([0-9]+)\.([0-9]+)", name)
    return [int(match.group(1)), int(match.group(2))] if match else None


def glibc_version_by_symbol() -> str:
    try:
        import ctypes

        function = ctypes.CDLL(None).gnu_get_libc_version
    except (ImportError, OSError, AttributeError):
        return ""
    function.restype = ctypes.c_char_p
    return str(function().decode("ascii"))


def musl_version(interpreter: str) -> "list[int] | None":
    """Return the version that musl's dynamic linker tells when it is started with nothing to load."""
    if "musl" not in interpreter:
        return None
    import subprocess

    process = subprocess.run([interpreter], stderr=subprocess.PIPE, check=False)
    told = process.stderr.decode("ascii", "replace")
    match = re.search(r"^musl.*\nVersion ([0-9]+)\.([0-9]+)", told)
    return [int(match.group(1)), int(match.group(2))] if match else None


def manylinux_refused(arches: "list[str]", glibc: "list[int] | None") -> "list[list[object]]":
    """Return the manylinux levels that a module `_manylinux` refuses (PEP 600), with their arch."""
    module = manylinux_module() if glibc else None
    if module is None or glibc is None:
        return []
    refused: list[list[object]] = []
    for arch in arches:
        for minor in range(glibc[1] + 1):
            if hasattr(module, "manylinux_compatible"):
                answer = module.manylinux_compatible(glibc[0], minor, arch)
            else:
                legacy = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}.get(minor, "")
                answer = getattr(module, legacy + "_compatible", None)
            if answer is not None and not answer:
                refused.append([glibc[0], minor, arch])
    return refused


def manylinux_module() -> "object":
    import importlib.util
    import site
    from importlib.machinery import PathFinder

    # `site` has not run, so the folders that it adds are not on the path.
    spec = PathFinder.find_spec("_manylinux", sys.path + site.getsitepackages())
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def macos() -> "dict[str, object] | None":
    """Return the version of macOS and the architecture of this process; nothing elsewhere."""
    if platform.system() != "Darwin":
        return None
    version, _, arch = platform.mac_ver()
    if struct.calcsize("P") == 4:
        arch = "ppc" if arch.startswith("ppc") else "i386"
    return {"version": [int(part) for part in version.split(".")[:2]], "arch": arch}


if __name__ == "__main__":
    main()
