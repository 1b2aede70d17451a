"""Projects whose build asks the repository for the version, and how to answer it.

The tools that do so are asked for in `[build-system]`, or named in the settings of a backend. What is
built from a commit alone has no tags beside it; its version is locked, and told to those tools by
the variables that they have for the purpose.
"""

from __future__ import annotations

from envbuild.lockfile.names import is_name, normalise
from envbuild.lockfile.toml import NotToml, parse_toml

_TOOLS = frozenset(
    {
        "dunamai", "flit-scm", "hatch-vcs", "pbr", "poetry-dynamic-versioning", "setuptools-git",
        "setuptools-git-versioning", "setuptools-scm", "uv-dynamic-versioning", "vcs-versioning",
        "versioneer", "versioningit",
    }
)  # fmt: skip
_SETTINGS = (
    (("tool", "hatch", "version", "source"), "vcs"),
    (("tool", "pdm", "version", "source"), "scm"),
)
"""Places in a project file, and what stands there where the repository is asked."""

_HINTS = (b"scm", b"vcs", b"version", b"pbr", b"setuptools-git", b"dunamai")
"""Some of it is in every project file that is worth being read for this."""


def asks_repository(project_file: bytes | None) -> bool:
    """Tell whether the build of a project asks the repository that the project is in.

    Args:
        project_file: content of its `pyproject.toml`, `None` where there is none.
    """
    if project_file is None or not any(hint in project_file.lower() for hint in _HINTS):
        return False
    try:
        document = parse_toml(project_file.decode("utf-8", "replace"), file="pyproject.toml")
    except NotToml:
        # Whoever has to understand it says so.
        return False
    requires = _at(document, ("build-system", "requires"))
    names = (_name(text) for text in (requires if isinstance(requires, list) else ()) if text)
    if any(name in _TOOLS for name in names):
        return True
    return any(_at(document, place) == value for place, value in _SETTINGS)


def version_variables(name: str, version: str) -> dict[str, str]:
    """Return the variables that tell such tools the version of a package."""
    suffix = normalise(name).replace("-", "_").upper()
    return {
        f"SETUPTOOLS_SCM_PRETEND_VERSION_FOR_{suffix}": version,
        "PBR_VERSION": version,
        "PDM_BUILD_SCM_VERSION": version,
        "POETRY_DYNAMIC_VERSIONING_BYPASS": version,
        "SETUPTOOLS_SCM_PRETEND_VERSION": version,
        "UV_DYNAMIC_VERSIONING_BYPASS": version,
    }


def _at(document: object, place: tuple[str, ...]) -> object:
    for key in place:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _name(requirement: object) -> str:
    """Return the normalised name that a requirement (PEP 508) begins with."""
    text = requirement.strip() if isinstance(requirement, str) else ""
    end = next(
        (index for index, char in enumerate(text) if not (char.isalnum() or char in "-_.")),
        len(text),
    )
    return normalise(text[:end]) if is_name(text[:end]) else ""
