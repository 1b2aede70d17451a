"""Source distributions with a backend of their own, and locks of them: builds that do what a test says."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from support.source_trees import sdist_tar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BACKEND = """
import base64, hashlib, os, zipfile

NAME, VERSION, TAG = "{name}", "{version}", "{tag}"

def get_requires_for_build_wheel(config_settings=None):
{hook_body}
    return {hook_requires}

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    print("building", NAME)
{body}
    info = f"{{NAME}}-{{VERSION}}.dist-info"
    files = {{
        f"{{NAME}}.py": CODE,
        f"{{info}}/METADATA": f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n",
        f"{{info}}/WHEEL": f"Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: {{TAG}}\\n",
    }}
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        rows.append(f"{{path}},sha256={{digest.decode()}},{{len(text.encode())}}\\n")
    files[f"{{info}}/RECORD"] = "".join(rows) + f"{{info}}/RECORD,,\\n"
    filename = f"{{NAME}}-{{VERSION}}-{{TAG}}.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, filename), "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 2, 0, 0, 0)), text)
    return filename
"""


def sdist(
    folder: Path,
    name: str,
    *,
    code: str = "X = 1",
    body: str = "",
    requires: Iterable[str] = (),
    hook_requires: Iterable[str] = (),
    hook_body: str = "",
    built_name: str = "",
    built_version: str = "1.0",
    tag: str = "py3-none-any",
    backend: str = "own",
) -> Path:
    """Write a source distribution of version 1.0 with a backend of its own.

    Args:
        folder: where it goes.
        name: of the package.
        code: of its one module.
        body: statements that run where the wheel is built, and may set CODE, or return.
        requires: what it declares to need.
        hook_requires: what its backend adds to that.
        hook_body: statements that run where the backend is asked for that.
        built_name: of the wheel, where that is another.
        built_version: likewise.
        tag: of the wheel.
        backend: its module; another one than `own` is not brought by the source distribution.
    """
    own = BACKEND.format(
        name=built_name or name,
        version=built_version,
        tag=tag,
        hook_requires=list(hook_requires),
        hook_body="\n".join(f"    {line}" for line in hook_body.splitlines()),
        body="\n".join(f"    {line}" for line in [f"CODE = {code!r}", *body.splitlines()]),
    )
    listed = ", ".join(f'"{each}"' for each in requires)
    project = f'[build-system]\nrequires = [{listed}]\nbuild-backend = "{backend}"\n'
    if backend == "own":
        project += 'backend-path = ["."]\n'
    files = {
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: 1.0\n".encode(),
        "pyproject.toml": project.encode(),
        "own.py": own.encode(),
    }
    archive = folder / f"{name}-1.0.tar.gz"
    folder.mkdir(exist_ok=True)
    archive.write_bytes(sdist_tar(files, top=f"{name}-1.0"))
    return archive


def lock_archives(folder: Path, *archives: Path, hashes: bool = True) -> None:
    """Lock a project in `folder` that needs all of these wheels and source distributions."""
    packages = ""
    for path in archives:
        name, version = path.name.removesuffix(".tar.gz").split("-")[:2]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        hashed = f', hash = "sha256:{digest}"' if hashes else ""
        file = f'{{ path = "{path.name}"{hashed} }}'
        is_wheel = path.suffix == ".whl"
        packages += f"""
[[package]]
name = "{name}"
version = "{version}"
source = {{ registry = "{os.path.relpath(path.parent, folder)}" }}
{f"wheels = [{file}]" if is_wheel else f"sdist = {file}"}
"""
    edges = "".join(f'    {{ name = "{path.name.partition("-")[0]}" }},\n' for path in archives)
    (folder / "uv.lock").write_text(
        'version = 1\nrevision = 3\nrequires-python = ">=3.9"\n'
        + packages
        + f'\n[[package]]\nname = "the-project"\nversion = "0.1.0"\nsource = {{ virtual = "." }}\n'
        f"dependencies = [\n{edges}]\n"
    )
