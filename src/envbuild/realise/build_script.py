"""Prints what of an interpreter reaches what is built with it, as one line of JSON.

Run by the interpreter in question, with nothing but its standard library; see `build_facts`.
"""

import hashlib
import json
import os
import struct
import sys
import sysconfig

FORMAT = 1
VARIABLES = [
    "AR",
    "ARFLAGS",
    "BASECFLAGS",
    "BLDSHARED",
    "CC",
    "CCSHARED",
    "CFLAGS",
    "CONFIGURE_CFLAGS",
    "CONFIGURE_CPPFLAGS",
    "CONFIGURE_LDFLAGS",
    "CPPFLAGS",
    "CXX",
    "EXT_SUFFIX",
    "INCLUDEPY",
    "CONFINCLUDEPY",
    "LDCXXSHARED",
    "LDFLAGS",
    "LDLIBRARY",
    "LDSHARED",
    "LIBDIR",
    "LIBM",
    "LIBPL",
    "LIBS",
    "LINKFORSHARED",
    "MACOSX_DEPLOYMENT_TARGET",
    "MODLIBS",
    "OPT",
    "PY_CFLAGS",
    "PY_CFLAGS_NODIST",
    "PY_CPPFLAGS",
    "PY_LDFLAGS",
    "PY_LDFLAGS_NODIST",
    "Py_DEBUG",
    "Py_ENABLE_SHARED",
    "Py_GIL_DISABLED",
    "SHLIB_SUFFIX",
    "SYSLIBS",
]


def main() -> None:
    prefixes = sorted({sys.base_prefix, sys.base_exec_prefix}, key=len, reverse=True)
    found = sysconfig.get_config_vars()
    variables = {}
    for name in VARIABLES:
        value = str(found.get(name, ""))
        for prefix in prefixes:
            value = value.replace(prefix, "{prefix}")
        variables[name] = value
    answer = {
        "format": FORMAT,
        "cache_tag": sys.implementation.cache_tag or "",
        "ext_suffix": str(found.get("EXT_SUFFIX") or ""),
        "headers": headers(sysconfig.get_path("include")),
        "is_debug": bool(found.get("Py_DEBUG")),
        "pointer_bits": 8 * struct.calcsize("P"),
        "prefixes": prefixes,
        "soabi": str(found.get("SOABI") or ""),
        "variables": variables,
    }
    sys.stdout.write("\n" + json.dumps(answer))


def headers(folder: str) -> str:
    """Return a digest of the names and contents of all files below `folder`."""
    total = hashlib.sha256()
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                content = hashlib.sha256(file.read()).hexdigest()
            total.update((os.path.relpath(path, folder) + " " + content + "\n").encode())
    return total.hexdigest()


if __name__ == "__main__":
    main()
