"""Source distributions made to order: what an index needs to serve them and a backend to build them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from support.source_trees import sdist_tar

if TYPE_CHECKING:
    from collections.abc import Iterable


def write_sdist(
    folder: str | os.PathLike[str],
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    build_requires: Iterable[str] = ("setuptools",),
) -> str:
    """Write a source distribution with static metadata into `folder` and return its path.

    Args:
        folder: where it goes; made when it is not there.
        name: normalised, without hyphens.
        version: of the distribution.
        requires: `Requires-Dist` lines.
        build_requires: what its build system requires; the backend is that of setuptools.
    """
    requires, build_requires = list(requires), list(build_requires)
    metadata = [f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n"]
    metadata += [f"Requires-Dist: {requirement}\n" for requirement in requires]
    project = f"""\
[build-system]
requires = {build_requires!r}
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "{version}"
dependencies = {requires!r}
"""
    top = f"{name}-{version}"
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{top}.tar.gz")
    with open(path, "wb") as file:
        file.write(
            sdist_tar(
                {
                    "PKG-INFO": "".join(metadata).encode(),
                    "pyproject.toml": project.encode(),
                    f"{name}.py": f"VERSION = {version!r}\n".encode(),
                },
                top=top,
            )
        )
    return path
