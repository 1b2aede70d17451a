"""What uv would install from a lock, and what is selected from it here, for the same flags."""

from __future__ import annotations

import json
import os
import subprocess
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from uv import find_uv_bin

from envbuild.errors import EnvbuildError
from envbuild.frozen import replace
from envbuild.lockfile.parse import parse_lock
from envbuild.selection.model import LocalTree, Repository, Request, Wheel
from envbuild.selection.pylock import select_pylock
from envbuild.selection.select import select
from selection_against_uv.projects import INDEX, PROJECTS, RELEASES, REPOSITORY, SCRIPT, Release
from support.git_repositories import git, make_repository
from support.interpreters import Python, pythons
from support.source_trees import sdist_tar
from support.targets import make_target
from support.wheels import build_wheel

if TYPE_CHECKING:
    from envbuild.selection.model import SelectedPackage, Selection
    from envbuild.target.model import Target

PLATFORMS: dict[str, dict[str, Any]] = {
    "linux": {"system": "linux", "machine": "x86_64"},
    "windows": {"system": "windows", "machine": "AMD64"},
    "macos": {"system": "macos", "machine": "arm64"},
    "x86_64-apple-darwin": {"system": "macos", "machine": "x86_64"},
    "x86_64-manylinux_2_17": {"system": "linux", "machine": "x86_64", "glibc": (2, 17)},
    "aarch64-unknown-linux-gnu": {"system": "linux", "machine": "aarch64"},
    "x86_64-unknown-linux-musl": {"system": "linux", "machine": "x86_64", "musl": (1, 2)},
}
THREE = ("linux", "windows", "macos")

# Project or member of a workspace, flags of uv, platforms.
CASES: list[tuple[str, str, tuple[str, ...]]] = [
    ("simple", "", tuple(PLATFORMS)),
    ("simple", "--no-dev", THREE),
    ("simple", "--dev", ("linux",)),
    ("simple", "--only-dev", ("linux",)),
    ("simple", "--no-default-groups", ("linux",)),
    ("simple", "--extra x", THREE),
    ("simple", "--extra y", THREE),
    ("simple", "--extra y --extra x", ("linux",)),
    ("simple", "--extra all", ("linux", "macos")),
    ("simple", "--extra nothing", ("linux",)),
    ("simple", "--all-extras", THREE),
    ("simple", "--all-extras --no-extra y", THREE),
    ("simple", "--extra X", ("linux",)),
    ("simple", "--group docs", ("linux", "macos")),
    ("simple", "--group docs --no-dev", ("linux",)),
    ("simple", "--group docs --no-group docs", ("linux",)),
    ("simple", "--group empty", ("linux",)),
    ("simple", "--all-groups", THREE),
    ("simple", "--all-groups --no-group dev", ("linux",)),
    ("simple", "--all-groups --all-extras", THREE),
    ("simple", "--only-group lint", ("linux",)),
    ("simple", "--only-group docs", ("linux", "macos")),
    ("simple", "--only-group docs --only-group lint", ("linux",)),
    ("simple", "--only-group docs --only-dev", ("linux",)),
    ("simple", "--no-install-package bee", ("linux",)),
    ("simple", "--no-install-package bee --no-install-package ant", ("linux", "windows")),
    ("simple", "--no-install-project", ("linux",)),
    ("all-groups-by-default", "", THREE),
    ("all-groups-by-default", "--no-group docs", ("linux",)),
    ("all-groups-by-default", "--no-default-groups", ("linux",)),
    ("all-groups-by-default", "--no-dev", ("linux",)),
    ("no-groups-by-default", "", ("linux",)),
    ("no-groups-by-default", "--dev", ("linux",)),
    ("no-groups-by-default", "--only-dev", ("linux",)),
    ("other-groups-by-default", "", ("linux", "windows")),
    ("other-groups-by-default", "--group lint", ("linux",)),
    ("other-groups-by-default", "--no-group docs --dev", ("linux",)),
    ("packaged", "", THREE),
    ("packaged", "--no-install-project", ("linux",)),
    ("packaged", "--no-install-workspace", ("linux",)),
    ("packaged", "--no-install-local", ("linux",)),
    ("packaged", "--only-group docs", ("linux",)),
    ("packaged", "--only-group lint", ("linux",)),
    ("packaged", "--no-install-package packaged", ("linux",)),
    ("conflicts", "", THREE),
    ("conflicts", "--extra cpu", THREE),
    ("conflicts", "--extra cu", THREE),
    ("conflicts", "--extra more", THREE),
    ("conflicts", "--extra cpu --extra more", ("linux",)),
    ("conflicts", "--extra cu --extra more", ("linux",)),
    ("conflicts", "--extra cpu --extra cu", ("linux",)),
    ("conflicts", "--all-extras", ("linux",)),
    ("conflicts", "--all-extras --no-extra cu", ("linux",)),
    ("conflicts", "--group old", ("linux",)),
    ("conflicts", "--group new", ("linux",)),
    ("conflicts", "--group old --group new", ("linux",)),
    ("conflicts", "--group old --group new --no-group old", ("linux",)),
    ("conflicts", "--group shared", ("linux",)),
    ("conflicts", "--extra cu --group new", ("linux",)),
    ("conflicts", "--extra cpu --group new", ("linux",)),
    ("conflicts", "--extra cpu --group old --extra more", ("linux",)),
    ("conflicts", "--group deep", ("linux",)),
    ("conflicts", "--only-group deep", ("linux",)),
    ("conflicts", "--group deep --extra cu", ("linux",)),
    ("conflicts", "--group deep --extra more --group new", ("linux",)),
    ("conflicts", "--all-groups", ("linux",)),
    ("conflicts", "--only-group old", ("linux",)),
    ("conflicts", "--only-group old --only-group new", ("linux",)),
    ("inner-conflict", "", ("linux",)),
    ("inner-conflict", "--extra one", ("linux",)),
    ("inner-conflict", "--extra two", ("linux",)),
    ("inner-conflict", "--extra one --extra two", ("linux",)),
    ("workspace", "", THREE),
    ("workspace", "--all-packages", THREE),
    ("workspace", "--all-packages --extra x", ("linux",)),
    ("workspace", "--all-packages --all-extras --all-groups", ("linux",)),
    ("workspace", "--all-packages --no-dev", ("linux",)),
    ("workspace", "--all-packages --only-group only-right", ("linux",)),
    ("workspace", "--package left", THREE),
    ("workspace", "--package left --extra y", ("linux",)),
    ("workspace", "--package left --extra x", ("linux",)),
    ("workspace", "--package left --group shared", ("linux",)),
    ("workspace", "--package left --group docs", ("linux",)),
    ("workspace", "--package left --only-group docs", ("linux",)),
    ("workspace", "--package left --group test --no-dev", ("linux",)),
    ("workspace", "--package left --all-groups", ("linux",)),
    ("workspace", "--package right", ("linux",)),
    ("workspace", "--package right --all-extras", ("linux",)),
    ("workspace", "--package right --only-group only-right", ("linux",)),
    ("workspace", "--package lonely", ("linux",)),
    ("workspace", "--package lonely --dev", ("linux",)),
    ("workspace", "--package left --package right", ("linux",)),
    ("workspace", "--package left --package right --extra x", ("linux",)),
    ("workspace", "--package left --package right --group shared", ("linux",)),
    ("workspace", "--package missing", ("linux",)),
    ("workspace", "--no-install-project", ("linux",)),
    ("workspace", "--no-install-workspace", ("linux",)),
    ("workspace", "--no-install-local", ("linux",)),
    ("workspace", "--all-packages --no-install-project", ("linux",)),
    ("workspace", "--all-packages --no-install-workspace", ("linux",)),
    ("workspace", "--package left --no-install-project", ("linux",)),
    ("workspace", "--package left --no-install-workspace", ("linux",)),
    ("workspace", "--no-install-package left", ("linux",)),
    ("workspace", "--only-dev", ("linux",)),
    ("workspace/members/left", "", THREE),
    ("workspace/members/left", "--group docs --group test", ("linux",)),
    ("workspace/members/left", "--all-packages", ("linux",)),
    ("workspace/members/left", "--all-packages --no-install-project", ("linux",)),
    ("workspace/members/left", "--no-install-project", ("linux",)),
    ("workspace/members/left", "--no-install-workspace", ("linux",)),
    ("workspace/members/left", "--package right", ("linux",)),
    ("workspace/members/lonely", "", ("linux",)),
    ("workspace/members/lonely", "--all-packages", ("linux",)),
    ("virtual-root/members/left", "", ("linux",)),
    ("virtual-root/members/left", "--group docs", ("linux",)),
    ("virtual-root", "", THREE),
    ("virtual-root", "--no-default-groups", ("linux",)),
    ("virtual-root", "--dev", ("linux",)),
    ("virtual-root", "--all-groups", ("linux", "windows")),
    ("virtual-root", "--all-packages", ("linux",)),
    ("virtual-root", "--only-group docs", THREE),
    ("virtual-root", "--only-group dev", ("linux",)),
    ("virtual-root", "--extra y", ("linux",)),
    ("virtual-root", "--extra x", ("linux",)),
    ("virtual-root", "--package left", ("linux",)),
    ("virtual-root", "--package left --group docs", ("linux",)),
    ("virtual-root", "--package left --group test", ("linux",)),
    ("virtual-root", "--package right --only-group docs", ("linux",)),
    ("virtual-root", "--no-install-workspace", ("linux",)),
    ("virtual-root", "--no-install-project", ("linux",)),
    ("forks", "", tuple(PLATFORMS)),
    ("forks", "--extra x", THREE),
    ("environments", "", THREE),
    ("environments", "--no-dev", ("linux", "windows")),
    ("compiled", "", tuple(PLATFORMS)),
    ("compiled", "--extra libc", tuple(PLATFORMS)),
    ("compiled", "--extra native", THREE),
    ("compiled", "--extra native --no-install-package native", ("windows", "macos")),
    ("compiled", "--extra macs", ("macos", "x86_64-apple-darwin", "linux")),
    ("building", "", THREE),
    ("building", "--no-build", ("linux",)),
    ("building", "--no-build-package made", ("linux",)),
    ("building", "--no-build-package both", ("linux",)),
    ("building", "--no-build --no-install-package made", ("linux",)),
    ("building", "--no-binary", ("linux",)),
    ("building", "--no-binary-package both", ("linux",)),
    ("building", "--no-binary-package ant", ("linux",)),
    ("building", "--no-binary-package both --no-build-package both", ("linux",)),
    ("building", "--no-binary --no-build --no-install-package made", ("linux",)),
    ("building", "--no-binary --no-build-package ant", ("linux",)),
    ("building", "--no-binary --no-build-package made", ("linux",)),
    ("building", "--no-build --no-binary-package made", ("linux",)),
    ("building", "--no-build --no-build-package made --no-binary-package made", ("linux",)),
    ("building", "--no-binary --no-build --no-build-package ant", ("linux",)),
    ("group-python", "", ("linux",)),
    ("group-python", "--group newer", ("linux",)),
    ("group-python", "--group around", ("linux",)),
    ("group-python", "--group newer --no-group newer", ("linux",)),
    ("group-python", "--all-groups", ("linux",)),
    ("group-python", "--only-group around", ("linux",)),
    ("sources", "", THREE),
    ("sources", "--no-install-local", ("linux",)),
    ("sources", "--no-install-project", ("linux",)),
    ("sources", "--no-install-package linked", ("linux",)),
    ("sources", "--no-editable", ("linux",)),
    ("sources", "--no-build", ("linux",)),
    ("sources", "--no-build --no-install-package tree", ("linux",)),
    ("sources", "--no-build --no-install-local", ("linux",)),
    ("sources", "--no-build --no-binary-package tree", ("linux",)),
    ("sources", "--no-build --no-binary-package tree --no-binary-package linked", ("linux",)),
    ("sources", "--no-build-package tree", ("linux",)),
    ("sources", "--no-build-package linked --no-editable", ("linux",)),
    ("sources", "--no-binary-package linked", ("linux",)),
    ("sources", "--no-binary", ("linux",)),
    ("dynamic", "", THREE),
    ("dynamic", "--no-editable", ("linux",)),
    ("dynamic", "--no-editable-package member --no-editable-package unknown", ("linux",)),
    ("dynamic", "--no-build", ("linux",)),
    ("dynamic", "--no-build-package dynamic --no-build-package fixed", ("linux",)),
    ("dynamic/member", "--no-build", ("linux",)),
    ("packaged", "--no-build", ("linux",)),
    ("packaged", "--no-build --no-editable", ("linux",)),
    ("workspace", "--no-build", ("linux",)),
    ("workspace", "--all-packages --no-build-package left", ("linux",)),
    ("repository", "", THREE),
    ("repository", "--extra deep", ("linux",)),
    ("repository", "--no-build", ("linux",)),
    ("repository", "--no-build --no-binary-package upper", ("linux",)),
    ("repository", "--no-build-package upper", ("linux",)),
    ("repository", "--no-build-package deep", ("linux",)),
    ("repository", "--no-binary-package upper", ("linux",)),
    ("repository", "--no-install-local --extra deep", ("linux",)),
    ("repository", "--no-install-package upper", ("linux",)),
    ("simple", "--extra missing", ("linux",)),
    ("simple", "--no-extra missing", ("linux",)),
    ("simple", "--group missing", ("linux",)),
    ("simple", "--no-group missing", ("linux",)),
    ("simple", "--only-group missing", ("linux",)),
    ("group-python", "--extra x", ("linux",)),
    ("script", "", THREE),
    ("script", "--extra x", ("linux",)),
    ("script", "--group x", ("linux",)),
]

# What uv writes into a pylock.toml for these is selected from that as well.
EXPORTS = [
    ("simple", ""),
    ("simple", "--all-extras --all-groups"),
    ("simple", "--only-group docs"),
    ("packaged", ""),
    ("packaged", "--no-editable --extra x"),
    ("packaged", "--no-editable-package packaged"),
    ("conflicts", "--extra cu"),
    ("conflicts", "--group new --extra cpu"),
    ("workspace", ""),
    ("workspace", "--all-packages"),
    ("workspace", "--all-packages --no-editable"),
    ("workspace", "--package left --no-editable-package right"),
    ("workspace", "--package left --no-editable-package left"),
    ("virtual-root", "--all-packages"),
    ("forks", "--extra x"),
    ("environments", ""),
    ("compiled", "--extra libc --extra macs"),
    ("building", ""),
    ("sources", ""),
    ("sources", "--no-editable"),
    ("sources", "--no-editable-package linked"),
    ("sources", "--no-editable-package tree --no-editable-package sources"),
    ("dynamic", ""),
    ("dynamic", "--no-editable-package member"),
    ("repository", "--extra deep"),
]

CHOICES = [
    ("compiled", "", tuple(PLATFORMS)),
    ("compiled", "--extra libc", ("linux", "x86_64-unknown-linux-musl")),
    ("compiled", "--extra macs --no-install-package native", ("macos", "x86_64-apple-darwin")),
]


def expand(cases: list[tuple[str, str, tuple[str, ...]]]) -> list[Any]:
    return [
        pytest.param(
            project, flags, platform, id=" ".join(filter(None, (project, flags, platform)))
        )
        for project, flags, platforms in cases
        for platform in platforms
    ]


# One interpreter for each version that the machine has; the rest would only repeat.
INTERPRETERS = {
    python.version[:2]: python for python in pythons() if python.implementation == "cpython"
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the index and every project, locked."""
    folder = tmp_path_factory.mktemp("against-uv")
    for release in RELEASES:
        if release.sdist:
            build_sdist(folder / "index", release)
        for tag in release.tags:
            build, _, plain_tag = tag.rpartition(":")
            build_wheel(
                folder / "index",
                release.name,
                release.version,
                tag=plain_tag,
                build=build or None,
                requires=release.requires,
                extras=release.extras,
            )
    repository = make_repository(folder / "a repository", REPOSITORY)
    git(repository, "tag", "v1")
    for name, files in PROJECTS.items():
        for path, text in files.items():
            whole = text + INDEX if path == "pyproject.toml" else text
            whole = whole.replace("INDEX", "../index").replace("REPOSITORY", repository.as_uri())
            file = folder / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(whole)
        uv(folder, name, "lock")
    script = folder / "script" / "script.py"
    script.parent.mkdir()
    script.write_text(SCRIPT.replace("INDEX", "../index"))
    uv(folder, "script", "lock", "--script", "script.py")
    return folder


def build_sdist(folder: Path, release: Release) -> None:
    stem = f"{release.name}-{release.version}"
    requires = "".join(f"Requires-Dist: {each}\n" for each in release.requires)
    metadata = (
        f"Metadata-Version: 2.2\nName: {release.name}\nVersion: {release.version}\n{requires}"
    )
    files = {"PKG-INFO": metadata.encode(), "pyproject.toml": b""}
    folder.mkdir(exist_ok=True)
    (folder / f"{stem}.tar.gz").write_bytes(sdist_tar(files, top=stem))


def uv(
    folder: Path,
    project: str,
    *arguments: str,
    check: bool = True,
    environment: Path | None = None,
) -> str | None:
    """Run uv in a project and return its output, `None` when it fails."""
    variables = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "UV_CACHE_DIR": str(folder / "cache"),
        "UV_OFFLINE": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "UV_PROJECT_ENVIRONMENT": str(environment or folder / "venv"),
    }
    if arguments[0] == "lock":
        newest = INTERPRETERS[max(INTERPRETERS)]
        arguments = (*arguments, "--python", newest.path)
    run = subprocess.run(
        [find_uv_bin(), *arguments],
        cwd=folder / project,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or run.returncode == 0, run.stderr
    return run.stdout if run.returncode == 0 else None


def request_of(flags: str) -> Request:
    """Return the request that flags of uv stand for."""
    fields: dict[str, Any] = {}
    words = iter(flags.split())
    for word in words:
        match word:
            case "--dev":
                fields.setdefault("dev", "include")
            case "--no-dev":
                fields["dev"] = "exclude"
            case "--only-dev":
                fields["dev"] = "only"
            case "--no-install-package":
                fields["no_install_packages"] = (
                    *fields.get("no_install_packages", ()),
                    next(words),
                )
            case "--no-build-package" | "--no-binary-package" | "--no-editable-package":
                key = word.removeprefix("--").replace("-", "_") + "s"
                fields[key] = (*fields.get(key, ()), next(words))
            case "--extra" | "--group" | "--no-extra" | "--no-group" | "--only-group":
                key = word.removeprefix("--").replace("-", "_") + "s"
                fields[key] = (*fields.get(key, ()), next(words).lower())
            case "--package":
                fields["roots"] = (*fields.get("roots", ()), next(words))
            case _:
                fields[word.removeprefix("--").replace("-", "_")] = True
    return Request(**fields)


def target_of(platform: str, python: Python) -> Target:
    return make_target(".".join(map(str, python.version)), **PLATFORMS[platform])


def selection_of(folder: Path, project: str, flags: str, target: Target) -> Selection | None:
    root, _, member = project.partition("/")
    lockfile = folder / root / ("script.py.lock" if root == "script" else "uv.lock")
    lock = parse_lock(lockfile.read_text(), file=str(lockfile))
    try:
        return select(lock, replace(request_of(flags), member=member), target)
    except EnvbuildError:
        return None


@pytest.mark.parametrize("version", INTERPRETERS, ids=lambda version: f"{version[0]}.{version[1]}")
@pytest.mark.parametrize(("project", "flags", "platform"), expand(CASES))
def test_the_same_packages_are_selected(
    folder: Path, project: str, flags: str, platform: str, version: tuple[int, int]
) -> None:
    python = INTERPRETERS[version]
    answer = uv(
        folder,
        project,
        "sync",
        "--frozen",
        "--dry-run",
        "--output-format=json",
        f"--python={python.path}",
        f"--python-platform={platform}",
        *(("--script", "script.py") if project == "script" else ()),
        *flags.split(),
        check=False,
    )
    selection = selection_of(folder, project, flags, target_of(platform, python))
    if answer is None:
        assert selection is None
        return
    expected = {
        (change["name"], change.get("version"))
        for change in json.loads(answer)["sync"]["changes"]
        if change["action"] == "installed"
    }
    assert selection is not None
    # What uv would build from a tree has no version in its answer.
    found = {
        (package.name, None if is_tree(package) else package.version)
        for package in selection.packages
    }
    assert found == expected


def is_tree(package: SelectedPackage) -> bool:
    return isinstance(package.distribution, LocalTree | Repository)


@pytest.mark.parametrize(("project", "flags"), EXPORTS)
def test_an_exported_lock_selects_the_same(folder: Path, project: str, flags: str) -> None:
    text = uv(folder, project, "export", "--frozen", "--format=pylock.toml", *flags.split())
    assert text is not None
    for version, platform in product(INTERPRETERS, THREE):
        target = target_of(platform, INTERPRETERS[version])
        found = selection_of(folder, project, flags, target)
        try:
            exported = select_pylock(text, file="pylock.toml", request=Request(), target=target)
        except EnvbuildError:
            assert found is None
        else:
            assert found is not None
            assert list(map(describe, exported.packages)) == list(map(describe, found.packages))


def describe(package: SelectedPackage) -> object:
    distribution = package.distribution
    if is_tree(package):
        # A pylock names no version of a local tree, which may change.
        version = package.version if package.source == "git" else None
        return package.name, version, package.source, package.subdirectory, distribution
    return package.name, package.version, type(distribution), distribution.label


@pytest.mark.parametrize("version", INTERPRETERS, ids=lambda version: f"{version[0]}.{version[1]}")
@pytest.mark.parametrize(("project", "flags", "platform"), expand(CHOICES))
def test_the_same_wheels_are_chosen(
    folder: Path, tmp_path: Path, project: str, flags: str, platform: str, version: tuple[int, int]
) -> None:
    python = INTERPRETERS[version]
    selection = selection_of(folder, project, flags, target_of(platform, python))
    assert selection is not None
    uv(
        folder,
        project,
        "sync",
        "--frozen",
        f"--python={python.path}",
        f"--python-platform={platform}",
        *flags.split(),
        environment=tmp_path / "venv",
    )
    for package in selection.packages:
        assert isinstance(package.distribution, Wheel)
        (wheel,) = (tmp_path / "venv").glob(f"**/{package.name}-*.dist-info/WHEEL")
        assert read_tags(wheel.read_text()) == tags_of(package.distribution.filename)


def read_tags(text: str) -> tuple[str, set[str]]:
    lines = [line.partition(": ")[::2] for line in text.splitlines()]
    build = "".join(value for key, value in lines if key == "Build")
    return build, {value for key, value in lines if key == "Tag"}


def tags_of(filename: str) -> tuple[str, set[str]]:
    *start, pythons, abis, platforms = filename.removesuffix(".whl").split("-")
    return start[2] if len(start) > 2 else "", {
        f"{python}-{abi}-{platform}"
        for python in pythons.split(".")
        for abi in abis.split(".")
        for platform in platforms.split(".")
    }
