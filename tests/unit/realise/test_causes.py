from __future__ import annotations

import pytest

from envbuild.realise.causes import likely_cause

# What programs print, and a part of what it means.
CASES = {
    "a.c:3:10: fatal error: libpq-fe.h: No such file or directory": "the header `libpq-fe.h`",
    "a.c:3:10: fatal error: 'libpq-fe.h' file not found": "the header `libpq-fe.h`",
    "a.c:1:10: fatal error: Python.h: No such file or directory": "headers of the interpreter",
    "a.c:9:10: fatal error: longintrepr.h: No such file or directory": "a Python older than 3.11",
    "a.c:2:10: fatal error: numpy/arrayobject.h: No such file or directory": "to need `numpy`",
    "a.cpp:1:10: fatal error: torch/extension.h: No such file or directory": "to need `torch`",
    "/usr/bin/ld: cannot find -lpq: No such file or directory": "the library `pq`",
    "/usr/bin/ld.gold: cannot find -lz": "the library `z`",
    "ld: library not found for -lomp": "the library `omp`",
    'meson.build:66:15: ERROR: Dependency "alsa" not found (tried pkg-config)': "library `alsa`",
    "../meson.build:3:4: ERROR: Dependency lookup for lapack with method 'pkgconfig' failed": "`lapack`",
    "Package cairo was not found in the pkg-config search path.": "the library `cairo`",
    "No package 'libffi' found": "the library `libffi`",
    "Exception: Can not find valid pkg-config name.": "`pkg-config`, or a library",
    (
        "CMake Error at FindPackageHandleStandardArgs.cmake:230 (message):\n"
        "  Could NOT find OpenSSL, try to set the path to OpenSSL root folder"
    ): "the library `OpenSSL`",
    (
        "CMake Error at FindPackageHandleStandardArgs.cmake:230 (message):\n"
        "  Could NOT find Python (missing: Python_INCLUDE_DIRS Development.Module)"
    ): "headers of the interpreter",
    "error: command 'gcc' failed: No such file or directory": "no C or C++ compiler",
    (
        "x86_64-linux-gnu-gcc -Wall -c made.c -o made.o\n"
        "error: [Errno 2] No such file or directory: 'x86_64-linux-gnu-gcc'"
    ): "no C or C++ compiler",
    "error: linker `cc` not found": "no C or C++ compiler",
    "../meson.build:1:0: ERROR: Unknown compiler(s): [['cc'], ['gcc']]": "no C or C++ compiler",
    "../meson.build:1:0: ERROR: Unknown compiler(s): [['gfortran'], ['flang']]": "no Fortran",
    "  No CMAKE_CXX_COMPILER could be found.": "no C or C++ compiler",
    "configure: error: no acceptable C compiler found in $PATH": "no C or C++ compiler",
    "make: g++: No such file or directory": "no C or C++ compiler",
    "make: nasm: No such file or directory": "no program `nasm`",
    "/bin/sh: 1: autoreconf: not found": "no program `autoreconf`",
    "sh: line 1: flex: command not found": "no program `flex`",
    "/usr/bin/env: \u2018node\u2019: No such file or directory": "no program `node`",
    "../meson.build:5:2: ERROR: Program 'glslc' not found or not executable": "no program `glslc`",
    "Error: pg_config executable not found.": "no program `pg_config`",
    (
        '  File "subprocess.py", line 1955, in _execute_child\n'
        "    raise child_exception_type(errno_num, err_msg, err_filename)\n"
        "FileNotFoundError: [Errno 2] No such file or directory: 'cmake'"
    ): "no program `cmake`",
    "error: can't find Rust compiler": "no Rust compiler",
    "Cargo, the Rust package manager, is not installed or is not on PATH.": "no Rust compiler",
    "OSError: CUDA_HOME environment variable is not set. Please set it": "no CUDA toolkit",
    "socket.gaierror: [Errno -3] Temporary failure in name resolution": "the network",
    "OSError: [Errno 101] Network is unreachable": "the network",
    "fatal: unable to access 'https://git.example/': Could not resolve host: git.example": "the network",
    "dns error: failed to lookup address information": "the network",
    "c++: fatal error: Killed signal terminated program cc1plus": "enough memory",
    "MemoryError": "enough memory",
    "LookupError: setuptools-scm was unable to detect version for /build/source.": "a repository",
    "Exception: Versioning for this project requires either an sdist tarball, or": "a repository",
    "error in made setup command: use_2to3 is invalid.": "from Python 2",
    "ModuleNotFoundError: No module named 'Cython'": "it imports `Cython`",
    "ImportError: No module named numpy": "it imports `numpy`",
    "ModuleNotFoundError: No module named 'imp'": "this Python does not have any more",
    "ModuleNotFoundError: No module named 'numpy.distutils'": "the `numpy` that it is built with",
    "ModuleNotFoundError: No module named 'pkg_resources'": "newer versions",
}  # fmt: skip


@pytest.mark.parametrize(("printed", "reason"), CASES.items())
def test_a_cause_is_recognised(printed: str, reason: str) -> None:
    cause = likely_cause(["first", *printed.splitlines(), "last"], package="a")
    assert cause is not None
    assert reason in cause.reason
    assert cause.remedy is not None
    assert 1 <= cause.line <= len(printed.splitlines())


REMEDIES = {
    "ModuleNotFoundError: No module named 'setuptools'": '`a-b = ["setuptools"]`',
    "ModuleNotFoundError: No module named 'distutils'": '`a-b = ["setuptools"]`',
    "ModuleNotFoundError: No module named 'poetry'": '`a-b = ["poetry-core"]`',
    "ModuleNotFoundError: No module named 'setuptools_scm'": '`a-b = ["setuptools-scm"]`',
    "ModuleNotFoundError: No module named 'pkg_resources'": '`a-b = ["setuptools<82"]`',
    "ModuleNotFoundError: No module named 'numpy.distutils'": '`a-b = ["numpy<VERSION"]`',
    "ModuleNotFoundError: No module named 'torch'": (
        '`a-b = [{ requirement = "torch", match-runtime = true }]`'
    ),
    "a.c:2:10: fatal error: pybind11/pybind11.h: No such file or directory": '`a-b = ["pybind11"]`',
    "/bin/sh: 1: cmake: not found": '`a-b = ["cmake"]`',
    "CUDA_HOME environment variable is not set": '`a-b = { CUDA_HOME = "/usr/local/cuda" }`',
    "setuptools-scm was unable to detect version": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "Temporary failure in name resolution": "`--build-network-package a-b`",
    "error: can't find Rust compiler": "--build-tools",
}


@pytest.mark.parametrize(("line", "remedy"), REMEDIES.items())
def test_what_helps_is_named_as_it_is_to_be_written(line: str, remedy: str) -> None:
    cause = likely_cause([line], package="a-b")
    assert cause is not None
    assert cause.remedy is not None
    assert remedy in cause.remedy


def test_what_was_printed_last_counts() -> None:
    header = "a.c:3:10: fatal error: zlib.h: No such file or directory"
    module = "ModuleNotFoundError: No module named 'numpy'"
    for lines, reason in (([header, module], "numpy"), ([module, header], "zlib.h")):
        cause = likely_cause(lines, package="a")
        assert cause is not None
        assert reason in cause.reason
        assert cause.line == 1


def test_a_compiler_that_would_be_fetched_is_what_is_missing() -> None:
    cause = likely_cause(
        [
            "Rust not found, installing into a temporary directory",
            "httpx.ConnectError: [Errno -3] Temporary failure in name resolution",
        ],
        package="a",
    )
    assert cause is not None
    assert cause.reason == "there is no Rust compiler"


NOTHING = [
    "ValueError: something else",
    "FileNotFoundError: [Errno 2] No such file or directory: 'README.md'",
    "error: [Errno 2] No such file or directory: 'version'",
    "-- Could NOT find Doxygen (missing: DOXYGEN_EXECUTABLE)",
    "Run-time dependency zlib found: NO (tried pkg-config and cmake)",
    "error: command '/usr/bin/gcc' failed with exit code 1",
]


@pytest.mark.parametrize("line", NOTHING)
def test_nothing_is_made_up(line: str) -> None:
    assert likely_cause(["before", line, "after"], package="a") is None


def test_who_has_the_network_does_not_miss_it() -> None:
    lines = ["Temporary failure in name resolution"]
    assert likely_cause(lines, package="a", network=True) is None
