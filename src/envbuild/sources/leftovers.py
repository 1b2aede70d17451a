"""What tools leave behind in a tree of sources, and what no backend may take for a source.

Where git knows a tree, what is committed always counts, whatever its name. For everything else the
names here are told apart by what they certainly are: a wrong file more costs a build now and then, a
file less gives a wrong wheel.
"""

from __future__ import annotations

ENVIRONMENT = "pyvenv.cfg"
"""A folder with a file of this name is an environment."""

_NAMES = frozenset(
    {
        # Version control: a tree is what it holds, not how it came to be.
        ".bzr",
        ".git",
        ".hg",
        ".jj",
        ".svn",
        "_darcs",
        # Caches and environments of tools, made anew at any time.
        ".eggs",
        ".hypothesis",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".nox",
        ".pytest_cache",
        ".ruff_cache",
        ".tox",
        ".venv",
        "__pycache__",
        # The desktop's.
        ".DS_Store",
    }
)
_ARCHIVES = (".egg", ".tar.gz", ".whl", ".zip")


def is_leftover(path: str, *, is_unpacked_sdist: bool) -> bool:
    """Tell whether a file or folder that is not committed counts for nothing.

    Args:
        path: relative to the project's folder.
        is_unpacked_sdist: whether a `PKG-INFO` lies at the top. Then `.egg-info` came with the
            sources, and setuptools looks up in it which files belong to the package.
    """
    folder, _, name = path.rpartition("/")
    if name in _NAMES:
        return True
    if name.endswith(".egg-info"):
        return not is_unpacked_sdist
    match folder:
        case "build":
            # What setuptools has built, and would take up again, objects of another interpreter
            # and deleted modules included.
            return name == "lib" or name.startswith(("bdist.", "lib.", "temp."))
        case "dist":
            return name.endswith(_ARCHIVES)
        case _:
            return False
