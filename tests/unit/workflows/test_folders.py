from __future__ import annotations

import pytest

from envbuild.workflows.folders import default_cache, default_store, user_settings

HOME = {"HOME": "/h"}
XDG = {"XDG_DATA_HOME": "/d", "XDG_CACHE_HOME": "/c", "XDG_CONFIG_HOME": "/f"}
RELATIVE = {"XDG_DATA_HOME": "d", "XDG_CACHE_HOME": "c", "XDG_CONFIG_HOME": "f"}
APPLE = "/h/Library"


@pytest.mark.parametrize(
    ("platform", "environ", "store", "cache", "settings"),
    [
        ("linux", HOME, "/h/.local/share/envbuild/store", "/h/.cache/envbuild",
         "/h/.config/envbuild/config.toml"),
        ("linux", HOME | XDG, "/d/envbuild/store", "/c/envbuild", "/f/envbuild/config.toml"),
        ("linux", HOME | RELATIVE, "/h/.local/share/envbuild/store", "/h/.cache/envbuild",
         "/h/.config/envbuild/config.toml"),
        ("freebsd14", HOME, "/h/.local/share/envbuild/store", "/h/.cache/envbuild",
         "/h/.config/envbuild/config.toml"),
        ("darwin", HOME, f"{APPLE}/Application Support/envbuild/store", f"{APPLE}/Caches/envbuild",
         "/h/.config/envbuild/config.toml"),
        ("darwin", HOME | XDG, "/d/envbuild/store", "/c/envbuild", "/f/envbuild/config.toml"),
        ("win32", {"LOCALAPPDATA": "L", "APPDATA": "R"}, "L/envbuild/store", "L/envbuild/cache",
         "R/envbuild/config.toml"),
        ("win32", HOME, "/h/AppData/Local/envbuild/store", "/h/AppData/Local/envbuild/cache",
         "/h/AppData/Roaming/envbuild/config.toml"),
    ],
)  # fmt: skip
def test_each_platform_has_its_folders(
    platform: str, environ: dict[str, str], store: str, cache: str, settings: str
) -> None:
    assert default_store(environ, platform) == store
    assert default_cache(environ, platform) == cache
    assert user_settings(environ, platform) == settings


def test_without_a_home_the_user_database_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/asked")
    assert default_store({}, "linux") == "/asked/.local/share/envbuild/store"
