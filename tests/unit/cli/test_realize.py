from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest

from envbuild.cli.arguments import Clash, parse
from envbuild.cli.context import NoSuchFolder, enter
from envbuild.cli.realize import COMMAND, realise_options
from envbuild.cli.terminal import Terminal
from envbuild.frozen import replace
from envbuild.selection.model import Request
from envbuild.workflows.options import BuildLimits, RealiseOptions

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = RealiseOptions(store="/h/.local/share/envbuild/store", cache="/h/.cache/envbuild")


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test start in an empty folder, with no variable but HOME set."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("ENVBUILD_", "UV_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/h")
    monkeypatch.setattr("sys.platform", "linux")


def options(line: str) -> RealiseOptions:
    arguments = parse(COMMAND, line.split())
    terminal = Terminal(io.StringIO(), io.StringIO())
    context = enter(arguments, terminal, lockfile=arguments.positional)
    return realise_options(context, arguments.positional)


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("", {}),
        ("some/uv.lock", {"lockfile": "some/uv.lock"}),
        ("--venv /v", {"venv": "/v"}),
        ("-p 3.12", {"python": "3.12"}),
        ("--store /s --cache-dir /c", {"store": "/s", "cache": "/c"}),
        ("--collisions last", {"collisions": "last"}),
        ("--link-mode clone --require-link", {"link_mode": "reflink", "require_link": True}),
        ("--clear", {"clear": True}),
        ("--inexact", {"inexact": True}),
        ("--inexact --exact", {}),
        ("--exact --inexact", {"inexact": True}),
        ("--check", {"check": True}),
        ("--dry-run", {"dry_run": True}),
        ("--check --dry-run", {"check": True, "dry_run": True}),
        ("--offline", {"offline": True}),
        ("--frozen", {}),
        (
            "--index-mirror https://a.example/f=https://b.example/g",
            {"index_mirrors": (("https://a.example/f", "https://b.example/g"),)},
        ),
        ("--no-verify-record", {"verify_record": False}),
        ("--no-verify-record --verify-record", {}),
        ("--refresh", {"refresh": ("*",)}),
        ("--refresh-package A --refresh-package b_c", {"refresh": ("a", "b-c")}),
        ("--refresh --refresh-package a", {"refresh": ("*",)}),
        (
            "--allow-insecure-host a --allow-insecure-host b:1",
            {"insecure_hosts": ("a", "b:1")},
        ),
        ("--keyring-provider disabled", {"keyring_provider": "disabled"}),
        ("--concurrent-downloads 3", {"jobs": 3}),
        ("--unpack-limit 1GiB", {"unpack_limit": 2**30}),
        ("--sandbox require", {"sandbox": "require"}),
        ("--concurrent-builds 3", {"concurrent_builds": 3}),
        ("-j4", {"concurrent_builds": 4}),
        ("--build-time-limit 5m", {"build_limits": BuildLimits(seconds=300)}),
        (
            "--build-memory-limit 2GiB --build-disk-limit 1MB",
            {"build_limits": BuildLimits(memory=2**31, disk=10**6)},
        ),
        (
            "--build-output-limit 1KiB --build-process-limit 9",
            {"build_limits": BuildLimits(output=1024, processes=9)},
        ),
        (
            "-C a=b --config-setting=--global-option=x=y --config-settings a=b -Cc=",
            {"config_settings": ("a=b", "--global-option=x=y", "c=")},
        ),
        (
            "--config-settings-package Some_Name:a=b --config-settings-package x:--y=z:1",
            {"package_config_settings": ("some-name:a=b", "x:--y=z:1")},
        ),
        ("--no-build-isolation", {"no_build_isolation": True}),
        ("--no-build-isolation --build-isolation", {}),
        (
            "--no-build-isolation-package A_b --no-build-isolation-package c",
            {"no_build_isolation_packages": ("a-b", "c")},
        ),
        ("--locked", {"locked": True}),
        ("--json -q --color never --no-progress", {}),
    ],
)
def test_options_become_values(line: str, changes: dict[str, object]) -> None:
    assert options(line) == replace(PLAIN, **changes)


SELECTION: list[tuple[str, dict[str, object]]] = [
    ("", {}),
    ("--extra Web --extra x_y", {"extras": ("web", "x-y")}),
    ("--all-extras --no-extra z", {"all_extras": True, "no_extras": ("z",)}),
    ("--group g --no-group h", {"groups": ("g",), "no_groups": ("h",)}),
    ("--only-group g --no-dev", {"only_groups": ("g",), "no_groups": ("dev",)}),
    ("--all-groups --no-default-groups", {"all_groups": True, "no_default_groups": True}),
    ("--dev", {"groups": ("dev",)}),
    ("--group dev --dev", {"groups": ("dev",)}),
    ("--no-dev --group a", {"groups": ("a",), "no_groups": ("dev",)}),
    ("--only-dev", {"only_groups": ("dev",)}),
    ("--only-dev --only-group g", {"only_groups": ("g", "dev")}),
    ("--only-dev --extra x", {"only_groups": ("dev",), "extras": ("x",)}),
    ("--dev --only-dev", {"only_groups": ("dev",), "groups": ("dev",)}),
    ("--package A --package b", {"roots": ("a", "b")}),
    ("--all-packages", {"all_packages": True}),
    (
        "--no-install-project --no-install-workspace --no-install-local",
        {"no_install_project": True, "no_install_workspace": True, "no_install_local": True},
    ),
    ("--no-install-package A_b", {"no_install_packages": ("a-b",)}),
    ("--no-editable", {"no_editable": True}),
    ("--no-editable --editable", {}),
    ("--editable --no-editable", {"no_editable": True}),
    (
        "--no-editable-package A_b --no-editable-package c",
        {"no_editable_packages": ("a-b", "c")},
    ),
    ("--no-build --no-build-package A_b", {"no_build": True, "no_build_packages": ("a-b",)}),
    ("--no-binary --no-binary-package A_b", {"no_binary": True, "no_binary_packages": ("a-b",)}),
]


@pytest.mark.parametrize(("line", "request_changes"), SELECTION)
def test_what_to_install_becomes_a_request(line: str, request_changes: dict[str, object]) -> None:
    assert options(line).request == replace(Request(), **request_changes)


@pytest.mark.parametrize(
    ("variables", "line", "request_changes"),
    [
        ({"UV_NO_DEV": "1"}, "", {"no_groups": ("dev",)}),
        ({"UV_NO_DEV": "1"}, "--dev", {"groups": ("dev",)}),
        ({"UV_NO_DEV": "1"}, "--only-dev", {"only_groups": ("dev",)}),
        ({"UV_NO_DEV": "1"}, "--group dev", {"groups": ("dev",), "no_groups": ("dev",)}),
        ({"UV_DEV": "1"}, "--no-dev", {"no_groups": ("dev",)}),
        ({"UV_DEV": "1", "UV_NO_DEV": "1"}, "", {"groups": ("dev",), "no_groups": ("dev",)}),
        ({"UV_NO_GROUP": "a b"}, "", {"no_groups": ("a", "b")}),
        ({"UV_NO_GROUP": "a b"}, "--no-group c", {"no_groups": ("c",)}),
        ({"UV_NO_GROUP": "a", "UV_NO_DEV": "1"}, "", {"no_groups": ("a", "dev")}),
        ({"UV_NO_DEFAULT_GROUPS": "1"}, "--dev", {"no_default_groups": True, "groups": ("dev",)}),
        ({"ENVBUILD_EXTRA": "a b"}, "", {"extras": ("a", "b")}),
        ({"UV_EXTRA": "a"}, "", {}),
        ({"UV_NO_INSTALL_PROJECT": "1"}, "", {"no_install_project": True}),
        ({"UV_NO_EDITABLE": "1"}, "", {"no_editable": True}),
        ({"UV_NO_EDITABLE": "1"}, "--editable", {}),
        ({"ENVBUILD_NO_EDITABLE_PACKAGE": "a B_c"}, "", {"no_editable_packages": ("a", "b-c")}),
        ({"ENVBUILD_ALL_EXTRAS": "1"}, "--extra x", {"all_extras": True, "extras": ("x",)}),
    ],
)
def test_variables_ask_for_what_they_ask_of_uv(
    variables: dict[str, str],
    line: str,
    request_changes: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert options(line).request == replace(Request(), **request_changes)


@pytest.mark.parametrize(
    ("variables", "changes"),
    [
        ({"ENVBUILD_LOCKED": "1"}, {"locked": True}),
        ({"UV_LOCKED": "1"}, {}),
        ({"UV_NO_BUILD_ISOLATION": "1"}, {"no_build_isolation": True}),
        (
            {"ENVBUILD_NO_BUILD_ISOLATION_PACKAGE": "a b"},
            {"no_build_isolation_packages": ("a", "b")},
        ),
        ({"ENVBUILD_CONFIG_SETTING": "a=b c=d"}, {"config_settings": ("a=b", "c=d")}),
        ({"ENVBUILD_CONFIG_SETTINGS_PACKAGE": "p:a=b"}, {"package_config_settings": ("p:a=b",)}),
    ],
)
def test_variables_say_how_to_build(
    variables: dict[str, str], changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert options("") == replace(PLAIN, **changes)


@pytest.mark.parametrize(
    "line",
    [
        "--extra x --all-extras",
        "--only-group g --extra x",
        "--only-group g --all-extras",
        "--only-group g --group h",
        "--only-group g --all-groups",
        "--only-group g --dev",
        "--only-dev --group g",
        "--only-dev --all-groups",
        "--only-dev --no-dev",
        "--package p --all-packages",
        "--check --clear",
    ],
)
def test_what_contradicts_itself_is_refused(line: str) -> None:
    with pytest.raises(Clash):
        options(line)


def test_the_folder_is_changed_before_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    assert options("--directory deep --store s").store == f"{tmp_path}/deep/s"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UV_WORKING_DIR", "deep")
    assert options("--store s").store == f"{tmp_path}/deep/s"
    with pytest.raises(NoSuchFolder, match="cannot change to `absent`: No such file or directory"):
        options("--directory absent")
