"""What is written into an environment, judged by uv: it has nothing to do in it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from uv import find_uv_bin

from envbuild.environment.skeleton import skeleton_files, skeleton_folders, skeleton_links
from envbuild.environment.written import direct_url, local_source, uv_cache, written_files
from envbuild.selection.model import SelectedPackage, Wheel
from envbuild.target.probe import probe
from support.index_server import IndexServer
from support.interpreters import running
from support.trees import installed, unpacked_wheel
from support.wheels import build_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envbuild.target.model import Interpreter


def uv(project: Path, *arguments: str) -> str:
    result = subprocess.run(
        [find_uv_bin(), *arguments],
        cwd=project,
        env={
            "HOME": str(project.parent),
            "PATH": os.environ["PATH"],
            "UV_CACHE_DIR": str(project.parent / "cache"),
            "UV_PYTHON_DOWNLOADS": "never",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stderr


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A locked project with wheels from an index, from URLs, and from paths inside and outside."""
    folder = tmp_path / "a project"
    outside = tmp_path / "wheels é"
    index = tmp_path / "index"
    entry_points = {"console_scripts": {"hello": "one:main", "hello-path": "one:main"}}
    build_wheel(index, "one", "1", entry_points=entry_points)
    url = os.path.basename(build_wheel(index, "two", "1"))
    file_url = build_wheel(outside, "three", "1")
    inside = build_wheel(folder / "vendor +", "four", "1", data={"scripts/four": "#!python\n"})
    beside = build_wheel(outside, "five", "1", data={"data/share/five": "5"})
    with IndexServer(index) as server:
        (folder / "pyproject.toml").write_text(
            f"""\
[project]
name = "demo"
version = "0"
requires-python = ">=3.9"
dependencies = ["one", "two", "three @ {Path(file_url).as_uri()}", "four", "five"]

[[tool.uv.index]]
url = "{server.index_url}"
default = true

[tool.uv.sources]
two = {{ url = "{server.url}/files/{url}" }}
four = {{ path = "vendor +/{os.path.basename(inside)}" }}
five = {{ path = "../wheels é/{os.path.basename(beside)}" }}
""",
            encoding="utf-8",
        )
        uv(folder, "lock", "--python", running().path)
        yield folder


def packages(lock: Mapping[str, Any]) -> Iterator[SelectedPackage]:
    for package in lock["package"]:
        ((source, location), *_) = package["source"].items()
        if source == "virtual":
            continue
        (wheel,) = package["wheels"]
        yield SelectedPackage(
            name=package["name"],
            version=package["version"],
            source=source,
            source_location=location,
            subdirectory="",
            distribution=Wheel(
                filename=os.path.basename(wheel.get("filename") or wheel["url"]),
                location="",
                hash=wheel["hash"],
                size=None,
            ),
            requested=False,
        )


def install(project: Path, interpreter: Interpreter) -> None:
    """Make `.venv` beside the lock."""
    target = interpreter.target
    prefix = str(project / ".venv")
    files = {
        file.path: (file.data, file.executable)
        for file in skeleton_files(
            target,
            prefix=prefix,
            home=interpreter.home,
            executable=interpreter.executable,
            prompt="demo",
        )
    }
    wheels = {path.name: path for path in project.parent.rglob("*.whl")}
    lock = tomllib.loads((project / "uv.lock").read_text(encoding="utf-8"))
    for package in packages(lock):
        archive = local_source(package)
        wheel = unpacked_wheel(str(wheels[f"{package.name}-1-py3-none-any.whl"]))
        placement = wheel.place(package.name, target.scheme)
        changed = None if archive is None else os.stat(project / archive).st_ctime_ns
        written = written_files(
            placement,
            prefix=prefix,
            scripts=target.scheme.scripts,
            requested=package.requested,
            direct_url=direct_url(package, lock_folder=str(project)),
            uv_cache=None if changed is None else uv_cache(changed),
        )
        files |= installed(placement, wheel.blobs, written)
    for folder in skeleton_folders(target.scheme):
        os.makedirs(os.path.join(prefix, folder), exist_ok=True)
    for path, text in skeleton_links(target, interpreter.executable):
        os.symlink(text, os.path.join(prefix, path))
    for path, (data, executable) in files.items():
        full = os.path.join(prefix, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "xb") as file:
            file.write(data)
        os.chmod(full, 0o755 if executable else 0o644)


def test_uv_finds_nothing_to_do(project: Path, tmp_path: Path) -> None:
    install(project, probe(running().path, cache_dir=str(tmp_path / "cache")))
    uv(project, "sync", "--frozen", "--check", "--python", running().path)
    assert "Would make no changes" in uv(
        project, "sync", "--frozen", "--dry-run", "--python", running().path
    )
    uv(project, "pip", "check", "--python", ".venv")
    pip = [sys.executable, "-m", "pip", "--python", str(project / ".venv"), "check"]
    subprocess.run(pip, check=True, capture_output=True)
    subprocess.run([project / ".venv/bin/four"], check=True)


def test_uv_removes_all_of_what_is_installed(project: Path, tmp_path: Path) -> None:
    interpreter = probe(running().path, cache_dir=str(tmp_path / "cache"))
    install(project, interpreter)
    names = ("one", "two", "three", "four", "five")
    uv(project, "pip", "uninstall", "--python", ".venv", *names)
    prefix = project / ".venv"
    left = {str(path.relative_to(prefix)) for path in prefix.rglob("*")}
    links = {path for path, _ in skeleton_links(interpreter.target, interpreter.executable)}
    folders = set(skeleton_folders(interpreter.target.scheme))
    written = {
        file.path
        for file in skeleton_files(interpreter.target, prefix="", home="", executable="", prompt="")
    }
    # uv leaves its lock, and folders outside of `site-packages`.
    assert left - {".lock", "share"} == links | folders | written
