"""The projects that uv locks for these tests, and the packages that they find.

`INDEX` in a text stands for the folder of the index, `REPOSITORY` for the URL of the repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Release:
    """One version of a package in the index, with a wheel for each tag; `1:tag` has build tag 1."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    extras: Mapping[str, tuple[str, ...]] | None = None
    tags: tuple[str, ...] = ("py3-none-any",)
    sdist: bool = False


LINUX = "manylinux_2_17_x86_64.manylinux2014_x86_64"

RELEASES = (
    Release("ant", "1.0"),
    Release("ant", "2.0"),
    Release("ant", "3.0"),
    Release("bee", "1.0", ("ant",)),
    Release("bee", "2.0", ("ant>=2", "moth ; sys_platform == 'win32'")),
    Release(
        "crab",
        "1.0",
        ("bee",),
        {"fast": ("wasp",), "slow": ("snail ; python_version < '3.12'", "wasp")},
    ),
    Release("dove", "1.0", ("crab[fast]", "eel ; platform_machine == 'arm64'")),
    Release("eel", "1.0"),
    Release("moth", "1.0"),
    Release("snail", "1.0"),
    Release("wasp", "1.0", ("wren ; implementation_name == 'cpython'",)),
    Release("wren", "1.0"),
    Release(
        "newt", "1.0", ("ant ; python_full_version < '3.12'", "eel ; python_version >= '3.12'")
    ),
    # Chosen by tag.
    Release(
        "wheels",
        "1.0",
        tags=(
            "cp311-cp311-win_amd64",
            "cp312-cp312-win_amd64",
            "cp313-cp313-win_amd64",
            "cp39-abi3-macosx_11_0_arm64",
            "cp39-abi3-" + LINUX,
            "cp311-cp311-" + LINUX,
            "cp312-cp312-" + LINUX,
            "cp313-cp313-" + LINUX,
            "py3-none-any",
        ),
    ),
    Release(
        "builds",
        "1.0",
        tags=("py3-none-any", "1:py3-none-any", "10:py3-none-any", "2b:py3-none-any"),
    ),
    Release(
        "sets",
        "1.0",
        tags=(
            "py2.py3-none-any",
            "py3-none-manylinux_2_28_x86_64.musllinux_1_1_x86_64",
            "cp312.cp313-abi3.none-any",
        ),
    ),
    Release(
        "libc", "1.0", tags=("cp39-abi3-manylinux_2_28_x86_64", "cp39-abi3-musllinux_1_2_x86_64")
    ),
    Release(
        "native",
        "1.0",
        tags=("cp312-cp312-" + LINUX, "cp313-cp313-" + LINUX, "cp311-cp311-" + LINUX),
    ),
    Release("macs", "1.0", tags=("py3-none-macosx_10_9_universal2", "py3-none-macosx_12_0_arm64")),
    # What can, or has to, be built.
    Release("made", "1.0", ("ant",), tags=(), sdist=True),
    Release("both", "1.0", sdist=True),
    # What conflicts are about.
    Release("torch", "2.0"),
    Release("torch", "2.0+cpu"),
    Release("torch", "2.0+cu"),
    Release("lens", "1.0", ("torch",)),
    Release("lamp", "1.0", (), {"a": ("ant==1.0",), "b": ("ant==2.0",)}),
    Release("mirror", "1.0", ("lens", "ant")),
)

_SIMPLE = """
[project]
name = "simple"
version = "0.1"
requires-python = ">=3.9"
dependencies = ["bee", "dove ; sys_platform != 'darwin'", "newt"]

[project.optional-dependencies]
x = ["snail"]
y = ["crab[slow]", "eel ; sys_platform == 'darwin'"]
all = ["simple[x,y]"]
nothing = []

[dependency-groups]
dev = ["wren", {include-group = "lint"}]
lint = ["moth"]
docs = ["eel", "simple[x]"]
empty = []
"""

_CONFLICTS = """
[project]
name = "conflicts"
version = "0.1"
requires-python = ">=3.9"
dependencies = ["mirror"]

[project.optional-dependencies]
cpu = ["torch==2.0+cpu"]
cu = ["torch==2.0+cu"]
more = ["bee ; sys_platform == 'linux'"]

[dependency-groups]
old = ["ant==1.0"]
new = ["ant==3.0", {include-group = "shared"}]
shared = ["wren"]
dev = ["eel"]
deep = ["conflicts[cpu]"]

[tool.uv]
conflicts = [
    [{ extra = "cpu" }, { extra = "cu" }],
    [{ group = "old" }, { group = "new" }],
    [{ extra = "cu" }, { group = "new" }],
]
"""

_WORKSPACE = """
[project]
name = "root"
version = "0.1"
requires-python = ">=3.9"
dependencies = ["left", "ant"]

[project.optional-dependencies]
x = ["snail"]

[dependency-groups]
dev = ["wren"]
docs = ["eel"]
shared = ["moth"]

[tool.uv]
default-groups = ["dev", "docs"]

[tool.uv.workspace]
members = ["members/*"]

[tool.uv.sources]
left = { workspace = true }
right = { workspace = true }
"""

_LEFT = """
[project]
name = "left"
version = "0.2"
requires-python = ">=3.9"
dependencies = ["right[x]", "wasp ; sys_platform == 'linux'"]

[project.optional-dependencies]
y = ["crab"]

[dependency-groups]
dev = ["bee"]
shared = ["snail"]
test = ["newt"]

[build-system]
requires = ["made-up"]
build-backend = "made_up"
"""

_BUILT = """
[build-system]
requires = ["made-up"]
build-backend = "made_up"
"""

_DYNAMIC = """
[project]
name = "NAME"
dynamic = ["version"]
requires-python = ">=3.9"
dependencies = DEPENDENCIES

[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

_DYNAMIC_BACKEND = """
import os

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    info = "NAME-2.5.dist-info"
    os.mkdir(os.path.join(folder, info))
    with open(os.path.join(folder, info, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.2\\nName: NAME\\nVersion: 2.5\\n")
        for name in DEPENDENCIES:
            file.write(f"Requires-Dist: {name}\\n")
    return info

prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel

def build_wheel(folder, config_settings=None, metadata_directory=None):
    raise NotImplementedError
"""


def _dynamic(name: str, *dependencies: str) -> tuple[str, str]:
    """Return the project file and the backend of a project that computes its version."""
    project, backend = (
        text.replace("NAME", name).replace("DEPENDENCIES", str([*dependencies]))
        for text in (_DYNAMIC, _DYNAMIC_BACKEND)
    )
    return project, backend


_DYNAMIC_ROOT = _dynamic("dynamic", "member", "fixed")
_DYNAMIC_MEMBER = _dynamic("member", "ant")

_RIGHT = """
[project]
name = "right"
version = "0.3"
requires-python = ">=3.9"
dependencies = []

[project.optional-dependencies]
x = ["eel"]

[dependency-groups]
only-right = ["ant"]
"""

_LONELY = """
[project]
name = "lonely"
version = "0.4"
requires-python = ">=3.9"
dependencies = ["dove"]

[tool.uv]
default-groups = []

[dependency-groups]
dev = ["moth"]
"""

INDEX = """
[[tool.uv.index]]
name = "local"
url = "INDEX"
format = "flat"
default = true
"""

_BUILDING = """
[project]
name = "building"
version = "0.1"
requires-python = ">=3.9"
dependencies = ["made", "both", "ant"]
"""

PROJECTS: Mapping[str, Mapping[str, str]] = {
    "building": {"pyproject.toml": _BUILDING},
    "simple": {"pyproject.toml": _SIMPLE},
    "all-groups-by-default": {"pyproject.toml": _SIMPLE + '\n[tool.uv]\ndefault-groups = "all"\n'},
    "no-groups-by-default": {"pyproject.toml": _SIMPLE + "\n[tool.uv]\ndefault-groups = []\n"},
    "other-groups-by-default": {
        "pyproject.toml": _SIMPLE + '\n[tool.uv]\ndefault-groups = ["docs"]\n'
    },
    "packaged": {"pyproject.toml": _SIMPLE + _BUILT},
    "conflicts": {"pyproject.toml": _CONFLICTS},
    "inner-conflict": {
        "pyproject.toml": """
[project]
name = "inner-conflict"
version = "0.1"
requires-python = ">=3.9"
dependencies = []

[project.optional-dependencies]
one = ["lamp[a]"]
two = ["lamp[b]"]

[tool.uv]
conflicts = [[{ extra = "one" }, { extra = "two" }]]
"""
    },
    "workspace": {
        "pyproject.toml": _WORKSPACE,
        "members/left/pyproject.toml": _LEFT,
        "members/right/pyproject.toml": _RIGHT,
        "members/lonely/pyproject.toml": _LONELY,
    },
    "virtual-root": {
        "pyproject.toml": """
[dependency-groups]
dev = ["moth"]
docs = ["dove ; sys_platform == 'linux'", "left[y]"]

[tool.uv]
default-groups = ["docs"]

[tool.uv.workspace]
members = ["members/*"]

[tool.uv.sources]
left = { workspace = true }
right = { workspace = true }
""",
        "members/left/pyproject.toml": _LEFT,
        "members/right/pyproject.toml": _RIGHT,
    },
    "forks": {
        "pyproject.toml": """
[project]
name = "forks"
version = "0.1"
requires-python = ">=3.9"
dependencies = [
    "ant<2 ; sys_platform == 'win32'",
    "ant<3 ; sys_platform != 'win32' and python_version < '3.12'",
    "ant ; sys_platform != 'win32' and python_version >= '3.12'",
    "bee",
]

[project.optional-dependencies]
x = ["crab ; python_version >= '3.13'"]
"""
    },
    "environments": {
        "pyproject.toml": """
[project]
name = "environments"
version = "0.1"
requires-python = ">=3.11"
dependencies = ["bee", "dove ; sys_platform == 'win32'"]

[tool.uv]
environments = ["sys_platform == 'linux'", "sys_platform == 'win32'"]
"""
    },
    "compiled": {
        "pyproject.toml": """
[project]
name = "compiled"
version = "0.1"
requires-python = ">=3.9"
dependencies = ["wheels", "builds", "sets"]

[project.optional-dependencies]
libc = ["libc"]
native = ["native"]
macs = ["macs", "native"]
"""
    },
    "group-python": {
        "pyproject.toml": """
[project]
name = "group-python"
version = "0.1"
requires-python = ">=3.9"
dependencies = ["ant"]

[dependency-groups]
dev = ["wren"]
newer = ["eel"]
around = [{include-group = "newer"}]

[tool.uv.dependency-groups]
newer = { requires-python = ">=3.13" }
"""
    },
    "sources": {
        "pyproject.toml": """
[project]
name = "sources"
version = "0.1"
requires-python = ">=3.9"
dependencies = ["ant", "tree", "linked", "shell"]

[tool.uv.sources]
ant = { path = "INDEX/ant-1.0-py3-none-any.whl" }
tree = { path = "tree" }
linked = { path = "linked", editable = true }
shell = { path = "shell", package = false }
""",
        "tree/pyproject.toml": _LONELY.replace("lonely", "tree"),
        "linked/pyproject.toml": """
[project]
name = "linked"
version = "0.5"
requires-python = ">=3.9"
dependencies = ["wren"]

[project.optional-dependencies]
x = ["moth"]
""",
        "shell/pyproject.toml": """
[project]
name = "shell"
version = "0.6"
requires-python = ">=3.9"
dependencies = ["snail"]
""",
    },
    "dynamic": {
        "backend.py": _DYNAMIC_ROOT[1],
        "pyproject.toml": _DYNAMIC_ROOT[0]
        + """
[tool.uv.sources]
member = { workspace = true }
fixed = { workspace = true, editable = false }

[tool.uv.workspace]
members = ["member", "fixed"]
""",
        "member/pyproject.toml": _DYNAMIC_MEMBER[0],
        "member/backend.py": _DYNAMIC_MEMBER[1],
        "fixed/pyproject.toml": _RIGHT.replace("right", "fixed") + _BUILT,
    },
    "repository": {
        "pyproject.toml": """
[project]
name = "repository"
version = "0.1"
requires-python = ">=3.9"
dependencies = ["ant", "upper"]

[project.optional-dependencies]
deep = ["deep"]

[tool.uv.sources]
upper = { git = "REPOSITORY", tag = "v1" }
deep = { git = "REPOSITORY", subdirectory = "a/deep" }
""",
    },
}

REPOSITORY: Mapping[str, str] = {
    "pyproject.toml": _LONELY.replace("lonely", "upper") + _BUILT,
    "a/deep/pyproject.toml": _RIGHT.replace("right", "deep") + _BUILT,
}
"""The files of the commit that has the tag `v1`."""

SCRIPT = """# /// script
# requires-python = ">=3.9"
# dependencies = ["crab[fast]", "eel ; sys_platform == 'win32'", "newt"]
#
# [[tool.uv.index]]
# name = "local"
# url = "INDEX"
# format = "flat"
# default = true
# ///
"""
