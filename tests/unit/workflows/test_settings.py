from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from envbuild.buildlock.model import STRATEGIES
from envbuild.errors import Problems, UsageError
from envbuild.workflows.settings import (
    SETTINGS,
    NotForProjects,
    Settings,
    UnknownSetting,
    UnreadableSettings,
    WrongValue,
    gather,
    lock_folder,
    similar,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envbuild.workflows.settings import Given


class Desk:
    """A project folder with a lock in it, and a home folder."""

    def __init__(self, root: Path) -> None:
        self.project = root / "project"
        self.home = root / "home"
        self.project.mkdir()
        self.home.mkdir()
        (self.project / "uv.lock").touch()

    def write_project(self, text: str) -> None:
        (self.project / "pyproject.toml").write_text(text, encoding="utf-8")

    def write_uv(self, text: str) -> None:
        (self.project / "uv.toml").write_text(text, encoding="utf-8")

    def write_user(self, text: str) -> None:
        folder = self.home / "envbuild"
        folder.mkdir()
        (folder / "config.toml").write_text(text, encoding="utf-8")

    def gather(
        self,
        given: Mapping[str, Given] | None = None,
        lockfile: str | None = None,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Settings:
        return gather(
            given or {},
            lockfile=lockfile,
            environ={"XDG_CONFIG_HOME": os.fspath(self.home), **(environ or {})},
            platform="linux",
            cwd=os.fspath(cwd or self.project),
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_nothing_said_is_nothing(desk: Desk) -> None:
    settings = desk.gather()
    assert settings.text("python") is None
    assert settings.number("concurrent-downloads") is None
    assert settings.flag("offline") is False
    assert settings.texts("extra") == ()


def test_what_stands_nearer_to_the_user_counts(desk: Desk) -> None:
    desk.write_user('link-mode = "copy"')
    assert desk.gather().text("link-mode") == "copy"
    desk.write_project('[tool.envbuild]\nlink-mode = "hardlink"')
    assert desk.gather().text("link-mode") == "hardlink"
    assert desk.gather(environ={"UV_LINK_MODE": "symlink"}).text("link-mode") == "symlink"
    both = {"UV_LINK_MODE": "symlink", "ENVBUILD_LINK_MODE": "reflink"}
    assert desk.gather(environ=both).text("link-mode") == "reflink"
    assert desk.gather({"link-mode": "auto"}, environ=both).text("link-mode") == "auto"


def test_an_option_may_turn_off_what_others_turn_on(desk: Desk) -> None:
    desk.write_user("offline = true")
    assert desk.gather(environ={"ENVBUILD_OFFLINE": "1"}).flag("offline") is True
    assert desk.gather(environ={"ENVBUILD_OFFLINE": "no"}).flag("offline") is False
    assert (
        desk.gather({"offline": False}, environ={"ENVBUILD_OFFLINE": "1"}).flag("offline") is False
    )


def test_lists_of_files_follow_the_list_of_an_option_or_a_variable(desk: Desk) -> None:
    desk.write_user('allow-insecure-host = ["user", "shared"]')
    desk.write_project('[tool.envbuild]\nallow-insecure-host = ["project", "shared"]')
    name = "allow-insecure-host"
    assert desk.gather().texts(name) == ("project", "shared", "user")
    assert desk.gather(environ={"UV_INSECURE_HOST": "a b"}).texts(name) == (
        "a", "b", "project", "shared", "user",
    )  # fmt: skip
    assert desk.gather({name: ["option"]}, environ={"UV_INSECURE_HOST": "a"}).texts(name) == (
        "option", "project", "shared", "user",
    )  # fmt: skip


@pytest.mark.parametrize("text", ["1", "true", "YES", "on", "t", "Y"])
def test_a_variable_turns_a_flag_on(desk: Desk, text: str) -> None:
    assert desk.gather(environ={"ENVBUILD_OFFLINE": text}).flag("offline") is True


@pytest.mark.parametrize("text", ["0", "false", "No", "off", "f", "n", ""])
def test_a_variable_leaves_a_flag_off(desk: Desk, text: str) -> None:
    assert desk.gather(environ={"ENVBUILD_OFFLINE": text}).flag("offline") is False


def test_an_empty_variable_says_nothing(desk: Desk) -> None:
    assert (
        desk.gather(environ={"ENVBUILD_PYTHON": "", "UV_PYTHON": "3.12"}).text("python") == "3.12"
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [("4096", 4096), ("1KiB", 1024), ("2 GiB", 2 * 2**30), ("3mb", 3_000_000), ("7B", 7)],
)
def test_sizes_may_have_units(desk: Desk, text: str, size: int) -> None:
    assert desk.gather({"unpack-limit": text}).number("unpack-limit") == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("45s", 45), ("30m", 1800), ("2 H", 7200), ("1d", 86400)],
)
def test_durations_may_have_units(desk: Desk, text: str, seconds: int) -> None:
    assert desk.gather({"build-time-limit": text}).number("build-time-limit") == seconds


@pytest.mark.parametrize("text", ["0", "-1", "1w", "m", "1.5h", "1h30m"])
def test_other_durations_are_refused(desk: Desk, text: str) -> None:
    with pytest.raises(WrongValue, match="expected a duration"):
        desk.gather({"build-time-limit": text})


def test_a_project_can_make_the_sandbox_stricter_and_not_weaker(desk: Desk) -> None:
    desk.write_user('sandbox = "landlock"')
    desk.write_project('[tool.envbuild]\nsandbox = "require"')
    assert desk.gather().text("sandbox") == "require"
    assert desk.gather({"sandbox": "none"}).text("sandbox") == "none"
    for weaker in ("auto", "landlock", "none"):
        desk.write_project(f'[tool.envbuild]\nsandbox = "{weaker}"')
        with pytest.raises(NotForProjects) as caught:
            desk.gather()
        assert caught.value.origin == f"`{desk.project}/pyproject.toml`: `tool.envbuild.sandbox`"
    desk.write_project('[tool.envbuild]\nsandbox = "unheard-of"')
    with pytest.raises(WrongValue, match="expected one of"):
        desk.gather()


@pytest.mark.parametrize(
    "said", ['build-network-package = ["demo"]', 'build-tools = ["/opt/rust"]']
)
def test_a_project_has_no_say_in_what_builds_can_reach(desk: Desk, said: str) -> None:
    desk.write_user(said)
    desk.gather()
    desk.write_project(f"[tool.envbuild]\n{said}")
    with pytest.raises(NotForProjects, match="a project cannot say this"):
        desk.gather()


def test_lists_of_paths_are_separated_as_paths_are(desk: Desk) -> None:
    desk.write_user('build-tools = ["~/rust", "tools"]')
    home = os.path.expanduser("~")
    files = (f"{home}/rust", str(desk.home / "envbuild/tools"))
    assert desk.gather().texts("build-tools") == files
    said = desk.gather(environ={"ENVBUILD_BUILD_TOOLS": f"/a b{os.pathsep}c"})
    assert said.texts("build-tools") == ("/a b", str(desk.project / "c"), *files)
    with pytest.raises(WrongValue, match="not empty"):
        desk.gather({"build-tools": [""]})


def test_names_are_normalised(desk: Desk) -> None:
    settings = desk.gather({"extra": ["A_b.C", "a-b-c"]}, environ={"UV_NO_GROUP": "Dev  x_y"})
    assert settings.texts("extra") == ("a-b-c",)
    assert settings.texts("no-group") == ("dev", "x-y")


def test_the_name_of_a_choice_in_uv_is_understood(desk: Desk) -> None:
    assert desk.gather(environ={"UV_LINK_MODE": "clone"}).text("link-mode") == "reflink"


def test_settings_for_backends_keep_what_they_say(desk: Desk) -> None:
    settings = desk.gather(
        {
            "config-setting": ["--build-option=--a=b", "key= v "],
            "config-settings-package": ["Some_Name:Key=a:b=c", "x:y="],
        }
    )
    assert settings.texts("config-setting") == ("--build-option=--a=b", "key= v ")
    assert settings.texts("config-settings-package") == ("some-name:Key=a:b=c", "x:y=")


def test_mirrors_lose_their_last_slash(desk: Desk) -> None:
    rule = "https://index.example/files/=https://user:word@mirror.example/a=b/"
    assert desk.gather({"index-mirror": [rule]}).texts("index-mirror") == (
        "https://index.example/files=https://user:word@mirror.example/a=b",
    )


def test_paths_start_where_they_are_said(desk: Desk) -> None:
    desk.write_user('store = "near"\ncache-dir = "/absolute"')
    deep = desk.project / "deep"
    deep.mkdir()
    project, home = os.fspath(desk.project), os.fspath(desk.home)
    assert desk.gather(cwd=deep).text("store") == f"{home}/envbuild/near"
    assert desk.gather(cwd=deep).text("cache-dir") == "/absolute"
    desk.write_project('[tool.envbuild]\nstore = "../common"')
    assert desk.gather(cwd=deep).text("store") == os.path.normpath(f"{project}/../common")
    assert (
        desk.gather(cwd=deep, environ={"ENVBUILD_STORE": "s"}).text("store") == f"{project}/deep/s"
    )
    assert desk.gather({"store": "../s"}, cwd=deep).text("store") == f"{project}/s"
    assert desk.gather({"venv": "v"}, cwd=deep).text("venv") == f"{project}/deep/v"


def test_a_variable_names_an_environment_beside_the_lock(desk: Desk) -> None:
    deep = desk.project / "deep"
    deep.mkdir()
    for name in ("ENVBUILD_VENV", "UV_PROJECT_ENVIRONMENT"):
        settings = desk.gather(cwd=deep, environ={name: "v"})
        assert settings.text("venv") == f"{desk.project}/v"


def test_a_tilde_in_a_file_is_the_home_folder(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somebody")
    desk.write_user('store = "~/store"')
    assert desk.gather().text("store") == "/somebody/store"


def test_the_settings_beside_the_named_lock_count(desk: Desk, tmp_path: Path) -> None:
    desk.write_project("[tool.envbuild]\noffline = true")
    for named in ("project", "project/uv.lock", str(desk.project / "uv.lock")):
        assert desk.gather(lockfile=named, cwd=tmp_path).flag("offline") is True
    assert desk.gather(cwd=tmp_path).flag("offline") is False


@pytest.mark.parametrize(
    "text",
    [
        "[tool]\nenvbuild.offline = true",
        "tool = { envbuild = { offline = true } }",
        "[ tool . 'envbuild' ]\noffline = true",
    ],
)
def test_every_spelling_of_the_table_is_found(desk: Desk, text: str) -> None:
    desk.write_project(text)
    assert desk.gather().flag("offline") is True


def test_a_project_without_our_name_in_it_is_not_even_parsed(desk: Desk) -> None:
    desk.write_project("this is no TOML")
    assert desk.gather().flag("offline") is False


OF_UV = """
link-mode = "clone"
allow-insecure-host = ["index.example:8443"]
keyring-provider = "subprocess"
offline = true
concurrent-downloads = 3
concurrent-builds = 2
no-build = true
no-build-package = ["Some_Name"]
no-binary-package = ["Other.Name"]
no-build-isolation = true
no-build-isolation-package = ["Third_Name"]
# What follows is uv's affair, whatever it is.
cache-dir = "elsewhere"
config-settings = { a = "b" }
python-downloads = "never"
required-version = ">=0.5"
something-new = 3
"""


@pytest.mark.parametrize("where", ["[tool.uv]", "uv.toml"])
def test_what_uv_is_told_counts_where_it_means_the_same(desk: Desk, where: str) -> None:
    if where == "uv.toml":
        desk.write_uv(OF_UV)
    else:
        desk.write_project(f"[tool.uv]\n{OF_UV}")
    settings = desk.gather()
    assert settings.text("link-mode") == "reflink"
    assert settings.texts("allow-insecure-host") == ("index.example:8443",)
    assert settings.text("keyring-provider") == "subprocess"
    assert settings.flag("offline") is True
    assert settings.number("concurrent-downloads") == 3
    assert settings.number("concurrent-builds") == 2
    assert settings.flag("no-build") is True
    assert settings.texts("no-build-package") == ("some-name",)
    assert settings.texts("no-binary-package") == ("other-name",)
    assert settings.flag("no-build-isolation") is True
    assert settings.texts("no-build-isolation-package") == ("third-name",)
    assert settings.text("cache-dir") is None
    assert settings.texts("config-setting") == ()


def test_what_uv_is_told_counts_less_than_ours_and_more_than_the_users(desk: Desk) -> None:
    desk.write_user('link-mode = "auto"\nconcurrent-downloads = 1\nunpack-limit = 7')
    both = '[tool.uv]\nlink-mode = "symlink"\nconcurrent-downloads = 2\n[tool.envbuild]\n'
    desk.write_project(f'{both}link-mode = "copy"')
    settings = desk.gather()
    assert settings.text("link-mode") == "copy"
    assert settings.number("concurrent-downloads") == 2
    assert settings.number("unpack-limit") == 7
    assert desk.gather(environ={"UV_CONCURRENT_DOWNLOADS": "4"}).number("concurrent-downloads") == 4


def test_lists_of_uv_stand_between_those_of_the_project_and_the_user(desk: Desk) -> None:
    desk.write_user('allow-insecure-host = ["c"]')
    desk.write_project(
        '[tool.uv]\nallow-insecure-host = ["b"]\n[tool.envbuild]\nallow-insecure-host = ["a"]'
    )
    assert desk.gather().texts("allow-insecure-host") == ("a", "b", "c")


def test_a_uv_toml_takes_the_place_of_all_of_uvs_table_and_of_nothing_else(desk: Desk) -> None:
    desk.write_project(
        '[tool.uv]\nlink-mode = "copy"\noffline = true\n[tool.envbuild]\ninexact = true'
    )
    desk.write_uv('link-mode = "symlink"')
    settings = desk.gather()
    assert settings.text("link-mode") == "symlink"
    assert settings.flag("offline") is False
    assert settings.flag("inexact") is True
    desk.write_uv("")
    assert desk.gather().text("link-mode") is None


def test_a_uv_toml_without_anything_for_us_is_not_even_parsed(desk: Desk) -> None:
    desk.write_uv("this is no TOML")
    assert desk.gather().text("link-mode") is None


@pytest.mark.parametrize(
    ("file", "text", "origin"),
    [
        ("pyproject.toml", '[tool.uv]\nlink-mode = "soft"', "tool.uv.link-mode"),
        ("uv.toml", 'link-mode = "soft"', "link-mode"),
    ],
)
def test_a_wrong_value_for_uv_names_file_and_key(
    desk: Desk, file: str, text: str, origin: str
) -> None:
    (desk.project / file).write_text(text, encoding="utf-8")
    with pytest.raises(WrongValue) as caught:
        desk.gather()
    assert caught.value.origin == f"`{desk.project}/{file}`: `{origin}`"


def test_a_broken_file_is_one_problem(desk: Desk) -> None:
    desk.write_project("[tool.envbuild]\noffline = \n[tool.uv]")
    with pytest.raises(UnreadableSettings, match=r"pyproject\.toml"):
        desk.gather()
    desk.write_project("")
    desk.write_uv("offline = ")
    with pytest.raises(UnreadableSettings, match=r"uv\.toml"):
        desk.gather()


def test_every_settings_file_is_looked_for(desk: Desk) -> None:
    project, user = desk.project, desk.home / "envbuild/config.toml"
    expected = (f"{project}/pyproject.toml", f"{project}/uv.toml", str(user))
    assert desk.gather().looked_for == expected
    assert desk.gather({"no-config": True}).looked_for == ()
    desk.write_uv("offline = true")
    assert desk.gather({"no-config": True}).flag("offline") is False


def test_files_may_be_left_alone(desk: Desk, tmp_path: Path) -> None:
    desk.write_project("[tool.envbuild]\noffline = true")
    desk.write_user("no-progress = true")
    named = tmp_path / "named.toml"
    named.write_text('python = "3.12"', encoding="utf-8")
    for settings in (
        desk.gather({"no-config": True}),
        desk.gather(environ={"ENVBUILD_NO_CONFIG": "1"}),
    ):
        assert not settings.flag("offline")
        assert not settings.flag("no-progress")
    for settings in (
        desk.gather({"config-file": str(named)}),
        desk.gather(environ={"ENVBUILD_CONFIG_FILE": "../named.toml"}),
    ):
        assert not settings.flag("offline")
        assert settings.text("python") == "3.12"


CHOICES = "expected one of `auto`, `reflink`, `hardlink`, `copy`, `symlink`"
NUMBER = "expected a whole number above 0"
SIZE = "expected a size such as `4GiB` or a number of bytes"
TEXT = "expected a text that is not empty"
LIST = "expected a list of texts"
NAME = (
    "a name consists of letters, digits, `-`, `_` and `.`, and starts and ends with a letter or"
    " digit"
)
PAIR = "expected `KEY=VALUE`"
PACKAGE_PAIR = "expected `PACKAGE:KEY=VALUE`"
MIRROR = "expected `FROM=TO`, FROM an `http` or `https` URL, TO a URL or an absolute path"


@pytest.mark.parametrize(
    ("name", "said", "reason", "found"),
    [
        ("link-mode", "hard", CHOICES, "hard"),
        ("concurrent-downloads", "0", NUMBER, "0"),
        ("concurrent-downloads", "-1", NUMBER, "-1"),
        ("concurrent-downloads", "\N{SUPERSCRIPT TWO}", NUMBER, "\N{SUPERSCRIPT TWO}"),
        ("unpack-limit", "much", SIZE, "much"),
        ("unpack-limit", "3 parsec", SIZE, "3 parsec"),
        ("unpack-limit", "0", SIZE, "0"),
        ("extra", ["a", "a b"], NAME, "a b"),
        ("group", [""], NAME, ""),
        ("store", "", TEXT, ""),
        ("index-mirror", ["https://user:secret@a.example"], MIRROR, "https://a.example"),
        ("config-setting", ["a"], PAIR, "a"),
        ("config-setting", ["a=b", "=b"], PAIR, "=b"),
        ("config-settings-package", ["a=b"], PACKAGE_PAIR, "a=b"),
        ("config-settings-package", ["a:b"], PACKAGE_PAIR, "a:b"),
        ("config-settings-package", ["a:=b"], PACKAGE_PAIR, "a:=b"),
        ("config-settings-package", ["a b:c=d"], PACKAGE_PAIR, "a b:c=d"),
        ("no-editable-package", ["a b"], NAME, "a b"),
    ],
)
def test_a_wrong_option_says_what_is_expected(
    desk: Desk, name: str, said: Given, reason: str, found: str
) -> None:
    with pytest.raises(WrongValue) as caught:
        desk.gather({name: said})
    assert caught.value.message == f"`--{name}`: {reason}, found `{found}`"


def test_a_wrong_variable_is_named(desk: Desk) -> None:
    with pytest.raises(WrongValue, match="`UV_OFFLINE`: expected `true` or `false`, found `maybe`"):
        desk.gather(environ={"UV_OFFLINE": "maybe"})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("offline = 1", "expected `true` or `false`"),
        ("concurrent-downloads = true", NUMBER),
        ("concurrent-downloads = 2.5", NUMBER),
        ("unpack-limit = -1", SIZE),
        ("python = 3.12", TEXT),
        ("store = []", TEXT),
        ("link-mode = []", CHOICES),
        ('index-mirror = "a=b"', LIST),
        ("allow-insecure-host = [1]", LIST),
    ],
)
def test_a_wrong_value_in_a_file_names_file_and_key(desk: Desk, line: str, reason: str) -> None:
    desk.write_project(f"[tool.envbuild]\n{line}")
    with pytest.raises(WrongValue) as caught:
        desk.gather()
    key = line.partition(" =")[0]
    assert caught.value.origin == f"`{desk.project}/pyproject.toml`: `tool.envbuild.{key}`"
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "key",
    [
        "extra",
        "dev",
        "check",
        "clear",
        "config-file",
        "config-setting",
        "locked",
        "no-editable",
        "refresh",
    ],
)
def test_files_do_not_say_what_to_do(desk: Desk, key: str) -> None:
    desk.write_user(f"{key} = true")
    with pytest.raises(UnknownSetting, match=f"there is no setting `{key}`"):
        desk.gather()


def test_strategies_for_single_packages_are_the_projects_alone(desk: Desk) -> None:
    table = "build-dependency-strategy-package]\ndemo = 'latest'\n"
    desk.write_project(
        f"[tool.envbuild]\nbuild-dependency-strategy = 'prefer-locked'\n[tool.envbuild.{table}"
    )
    assert desk.gather().choice("build-dependency-strategy") == "prefer-locked"
    desk.write_user(f"[{table}")
    with pytest.raises(UnknownSetting, match="no setting `build-dependency-strategy-package`"):
        desk.gather()


def test_strategies_are_those_that_there_are() -> None:
    assert SETTINGS["build-dependency-strategy"].choices == STRATEGIES


def test_a_misspelt_key_is_recognised(desk: Desk) -> None:
    desk.write_user("link_mode = 'copy'")
    with pytest.raises(UnknownSetting) as caught:
        desk.gather()
    assert (
        caught.value.message
        == f"`{desk.home}/envbuild/config.toml`: there is no setting `link_mode`"
    )
    assert caught.value.hint == "did you mean `link-mode`?"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[tool.envbuild", "line 1, column 15"),
        (b"# envbuild \xff", "it is not UTF-8"),
        (b"[tool]\nenvbuild = 3", "`tool.envbuild` is not a table"),
        (b"tool = 'envbuild'", "`tool.envbuild` is not a table"),
    ],
)
def test_a_broken_file_says_where(desk: Desk, content: bytes, reason: str) -> None:
    (desk.project / "pyproject.toml").write_bytes(content)
    with pytest.raises(UnreadableSettings) as caught:
        desk.gather()
    assert reason in caught.value.message
    assert caught.value.file == str(desk.project / "pyproject.toml")


def test_a_named_file_must_be_there(desk: Desk) -> None:
    with pytest.raises(UnreadableSettings, match="No such file or directory"):
        desk.gather({"config-file": "absent.toml"})


def test_every_fault_of_every_source_is_found_at_once(desk: Desk) -> None:
    desk.write_user("links = 1\noffline = 'x'")
    desk.write_project("[tool.envbuild]\nunknown = 1")
    with pytest.raises(Problems) as caught:
        desk.gather(
            {"link-mode": "x", "extra": ["!"]}, environ={"UV_OFFLINE": "?", "UV_PYTHON": "3.12"}
        )
    kinds = [type(error) for error in caught.value.errors]
    assert kinds == [WrongValue, WrongValue, WrongValue, UnknownSetting, UnknownSetting, WrongValue]
    assert all(isinstance(error, UsageError) for error in caught.value.errors)


@pytest.mark.parametrize(
    ("given", "variables", "expected"),
    [
        ({}, {}, set()),
        ({}, {"UV_NO_DEV": "1"}, {"no-dev"}),
        ({}, {"UV_NO_DEV": "1", "UV_DEV": "1"}, {"dev", "no-dev"}),
        ({"dev": True}, {"UV_NO_DEV": "1"}, {"dev"}),
        ({"only-dev": True}, {"UV_NO_DEV": "1"}, {"only-dev"}),
        ({}, {"UV_NO_DEV": "0"}, set()),
    ],
)
def test_of_flags_that_belong_together_the_foremost_source_decides(
    desk: Desk, given: Mapping[str, Given], variables: Mapping[str, str], expected: set[str]
) -> None:
    settings = desk.gather(given, environ=variables)
    assert settings.first_said(("dev", "no-dev", "only-dev")) == expected


def test_a_lock_is_found_upwards(desk: Desk, tmp_path: Path) -> None:
    deep = desk.project / "a" / "b"
    deep.mkdir(parents=True)
    assert lock_folder(None, str(deep)) == str(desk.project)
    assert lock_folder(None, str(tmp_path)) is None
    assert lock_folder("x/other.lock", str(tmp_path)) == f"{tmp_path}/x"


def test_variables_are_named_as_options_are() -> None:
    for setting in SETTINGS.values():
        expected = f"ENVBUILD_{setting.name.replace('-', '_').upper()}"
        assert setting.variable in {None, expected}
        assert setting.uv_variable is None or setting.uv_variable.startswith("UV_")


def test_what_is_similar_is_found_and_nothing_else() -> None:
    assert similar("hardlnk", ("copy", "hardlink")) == "hardlink"
    assert similar("zzz", ("copy", "hardlink")) is None
