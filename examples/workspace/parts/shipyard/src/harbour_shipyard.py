"""A build backend (PEP 517, PEP 660) for pure Python below `src`, as small as one can be."""

import base64
import hashlib
import os
import tomllib
import zipfile

SOURCES = "src"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    files = {}
    for folder, folders, names in os.walk(SOURCES):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        for name in sorted(names):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                files[os.path.relpath(path, SOURCES)] = file.read()
    return _write_wheel(wheel_directory, files)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = f"__editable__.{_project()['name']}.pth"
    return _write_wheel(wheel_directory, {name: f"{os.path.abspath(SOURCES)}\n".encode()})


def _write_wheel(folder, files):
    project = _project()
    stem = f"{project['name'].replace('-', '_')}-{project['version']}"
    files = files | {f"{stem}.dist-info/{name}": data for name, data in _metadata(project).items()}
    rows = [f"{path},{_digest(data)},{len(data)}\n" for path, data in files.items()]
    record = f"{stem}.dist-info/RECORD"
    files[record] = "".join([*rows, f"{record},,\n"]).encode()
    wheel = f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, wheel), "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 2, 0, 0, 0)), data)
    return wheel


def _metadata(project):
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    for requirement in project.get("dependencies", []):
        metadata += f"Requires-Dist: {requirement}\n"
    wheel = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    scripts = project.get("scripts", {})
    listed = "".join(f"{name} = {reference}\n" for name, reference in scripts.items())
    return {
        "METADATA": metadata.encode(),
        "WHEEL": wheel.encode(),
        "entry_points.txt": f"[console_scripts]\n{listed}".encode(),
    }


def _digest(data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    return f"sha256={digest.rstrip(b'=').decode()}"


def _project():
    with open("pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"]
