"""Projects on this machine with a backend of their own, which needs nothing, and locks of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.source_trees import write_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_BACKEND = """
import base64, hashlib, os, zipfile

NAME = "{name}"

def _version():
    with open("VERSION") as file:
        return file.read().strip()

def _wheel(folder, files):
    version = _version()
    info = f"{{NAME}}-{{version}}.dist-info"
    files = {{
        **files,
        f"{{info}}/METADATA": (
            f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{version}}\\n{needs}"
        ).encode(),
        f"{{info}}/WHEEL": b"Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }}
    record = ""
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
        record += f"{{path}},sha256={{digest.decode()}},{{len(data)}}\\n"
    files[f"{{info}}/RECORD"] = f"{{record}}{{info}}/RECORD,,\\n".encode()
    filename = f"{{NAME}}-{{version}}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, filename), "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 2, 0, 0, 0)), data)
    return filename

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    files = {{}}
    for place, folders, names in os.walk("src"):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                files[os.path.relpath(path, "src")] = file.read()
{body}
    return _wheel(wheel_directory, files)

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    files = {{f"_{{NAME}}.pth": os.path.abspath("src").encode() + b"\\n"}}
{body}
    return _wheel(wheel_directory, files)
"""


def write_project(
    folder: Path,
    name: str,
    *,
    code: str = "X = 1\n",
    version: str = "1.0",
    is_static: bool = False,
    requires: Iterable[str] = (),
    needs: Iterable[str] = (),
    body: str = "",
    more: str = "",
) -> Path:
    """Write a project, and return its folder.

    Args:
        folder: where; it may be there.
        name: of the project, and of its package below `src`.
        code: of the package.
        version: that its backend gives it.
        is_static: whether the version is in `pyproject.toml` as well.
        requires: what it declares to be built with.
        needs: what its wheel says that it needs.
        body: statements that run in the backend, where `files` is what goes into the wheel.
        more: text at the end of its `pyproject.toml`.
    """
    listed = ", ".join(f'"{each}"' for each in requires)
    backend = _BACKEND.format(
        name=name,
        needs="".join(f"Requires-Dist: {need}\\n" for need in needs),
        body="\n".join(f"    {line}" for line in body.splitlines()),
    )
    project = f"""\
[project]
name = "{name}"
{f'version = "{version}"' if is_static else 'dynamic = ["version"]'}

[build-system]
requires = [{listed}]
build-backend = "backend"
backend-path = ["."]
"""
    write_files(
        folder,
        {
            "VERSION": f"{version}\n".encode(),
            "backend.py": backend.encode(),
            "pyproject.toml": (project + more).encode(),
            f"src/{name}/__init__.py": code.encode(),
        },
    )
    return folder


def package(name: str, source: str, *, version: str | None = "1.0", needs: str = "") -> str:
    """Return the text that a lock has of a package; `source` is that of its TOML table."""
    stated = f'version = "{version}"\n' if version else ""
    edges = "".join(f'    {{ name = "{each}" }},\n' for each in needs.split())
    listed = f"dependencies = [\n{edges}]\n" if edges else ""
    return f'\n[[package]]\nname = "{name}"\n{stated}source = {{ {source} }}\n{listed}'


def lock_text(*packages: str) -> str:
    """Return the text of a lock with these packages."""
    return 'version = 1\nrevision = 3\nrequires-python = ">=3.9"\n' + "".join(packages)
