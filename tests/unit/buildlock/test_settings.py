from __future__ import annotations

import pytest

from envbuild.buildlock.settings import (
    NO_SETTINGS,
    Constraint,
    ExtraRequirement,
    ProjectSource,
    parse_build_settings,
)
from envbuild.errors import EnvbuildError, Problems
from envbuild.lockfile.tables import InvalidEntry

HASH = "sha256:" + "5" * 64


def test_a_file_may_say_nothing() -> None:
    assert parse_build_settings("", file="pyproject.toml") == NO_SETTINGS
    text = "[tool.uv]\nlater = 1\n[tool.envbuild]\nlink-mode = 'copy'"
    assert parse_build_settings(text, file="pyproject.toml") == NO_SETTINGS


def test_what_a_file_says_is_read() -> None:
    text = f"""
[tool.envbuild]
build-dependency-strategy = "prefer-locked"

[tool.envbuild.build-dependency-strategy-package]
Torch_Ext = "require-locked"
plain = "latest"

[tool.uv]
build-constraint-dependencies = [
    "setuptools  <80",
    {{ requirement = "wheel==0.45", hashes = ["{HASH}"] }},
]
config-settings = {{ editable_mode = "compat", define = ["A=1", "B=2"] }}
no-build-isolation-package = ["Old_One"]

[tool.uv.extra-build-dependencies]
Flash_Attn = ["ninja", {{ requirement = "torch", match-runtime = true }}]

[tool.uv.extra-build-variables]
flash-attn = {{ MAX_JOBS = "4" }}

[tool.uv.config-settings-package]
Torch_Ext = {{ fast = "1" }}
"""
    settings = parse_build_settings(text, file="pyproject.toml")
    assert settings.strategy_for("torch-ext") == "require-locked"
    assert settings.strategy_for("plain") == "latest"
    assert settings.strategy_for("anything") == "prefer-locked"
    assert settings.constraints == (
        Constraint(requirement="setuptools <80"),
        Constraint(requirement="wheel==0.45", hashes=(HASH,)),
    )
    assert settings.extra_requires == {
        "flash-attn": (
            ExtraRequirement(requirement="ninja", match_runtime=False),
            ExtraRequirement(requirement="torch", match_runtime=True),
        )
    }
    assert settings.variables == {"flash-attn": {"MAX_JOBS": "4"}}
    assert settings.config_settings == {"editable_mode": "compat", "define": ("A=1", "B=2")}
    assert settings.package_config_settings == {"torch-ext": {"fast": "1"}}
    assert settings.no_isolation_packages == ("old-one",)
    assert not settings.no_isolation


SOURCES = {
    'git = "https://git.example/x"': ("git+https://git.example/x", None, False),
    'git = "https://git.example/x", tag = "v1", subdirectory = "py"': (
        "git+https://git.example/x@v1#subdirectory=py",
        None,
        False,
    ),
    'url = "https://a.example/x.zip"': ("https://a.example/x.zip", None, False),
    'url = "https://a.example/x.zip", subdirectory = "py"': (
        "https://a.example/x.zip#subdirectory=py",
        None,
        False,
    ),
    'path = "../x"': ("packages/x", None, False),
    'path = "../../x"': ("x", None, False),
    'index = "second"': (None, "second", False),
    "workspace = true": (None, None, True),
}


@pytest.mark.parametrize("said", SOURCES)
def test_a_source_is_where_a_requirement_is_from(said: str) -> None:
    text = f"[tool.uv.sources]\nMy_X = {{ {said} }}"
    settings = parse_build_settings(text, file="p", folder="packages/member")
    reference, index, is_member = SOURCES[said]
    assert settings.sources == {
        "my-x": (ProjectSource(reference=reference, index=index, is_member=is_member, marker=""),)
    }


def test_sources_may_be_several_and_those_of_extras_and_groups_build_nothing() -> None:
    text = """
[tool.uv.sources]
x = [
    { index = "a", marker = "sys_platform == 'linux'" },
    { index = "b", extra = "gpu" },
    { index = "c", group = "dev" },
]
"""
    (source,) = parse_build_settings(text, file="p").sources["x"]
    assert (source.index, source.marker) == ("a", "sys_platform == 'linux'")


FAULTS = {
    "[tool.envbuild]\nbuild-dependency-strategy = 'oldest'": (
        "tool.envbuild.build-dependency-strategy"
    ),
    "[tool.envbuild.build-dependency-strategy-package]\na = 'oldest'": (
        "tool.envbuild.build-dependency-strategy-package.a"
    ),
    "[tool.uv]\nbuild-constraint-dependencies = ['!']": "tool.uv.build-constraint-dependencies[0]",
    "[tool.uv]\nbuild-constraint-dependencies = [{ requirement = 'a' }]": (
        "tool.uv.build-constraint-dependencies[0]"
    ),
    "[tool.uv]\nbuild-constraint-dependencies = [{ requirement = '!', hashes = [] }]": (
        "tool.uv.build-constraint-dependencies[0].requirement"
    ),
    "[tool.uv]\nbuild-constraint-dependencies = [{ requirement = 'a', hashes = ['x'] }]": (
        "tool.uv.build-constraint-dependencies[0].hashes[0]"
    ),
    "[tool.uv.extra-build-dependencies]\na = ['b', 3]": ("tool.uv.extra-build-dependencies.a[1]"),
    "[tool.uv.extra-build-dependencies]\na = ['!']": "tool.uv.extra-build-dependencies.a[0]",
    "[tool.uv.extra-build-dependencies]\na = [{ requirement = 'b' }]": (
        "tool.uv.extra-build-dependencies.a[0]"
    ),
    "[tool.uv.extra-build-dependencies]\na = [{ requirement = 'b>1', match-runtime = true }]": (
        "tool.uv.extra-build-dependencies.a[0].requirement"
    ),
    "[tool.uv.extra-build-variables]\na = { B = 1 }": "tool.uv.extra-build-variables.a.B",
    "[tool.uv]\nconfig-settings = { a = true }": "tool.uv.config-settings.a",
    "[tool.uv.config-settings-package]\na = { b = [1] }": (
        "tool.uv.config-settings-package.a.b[0]"
    ),
    "[tool.uv]\nno-build-isolation = 'yes'": "tool.uv.no-build-isolation",
    "[tool.uv]\nno-build-isolation-package = ['!']": "tool.uv.no-build-isolation-package[0]",
    "[tool.uv.sources]\na = {}": "tool.uv.sources.a",
    "[tool.uv.sources]\na = 3": "tool.uv.sources.a",
    "[tool.uv.sources]\na = { index = 'b', marker = '!' }": "tool.uv.sources.a.marker",
}


@pytest.mark.parametrize("text", FAULTS)
def test_what_cannot_be_is_told_with_its_place(text: str) -> None:
    with pytest.raises(InvalidEntry) as caught:
        parse_build_settings(text, file="pyproject.toml")
    assert caught.value.place == FAULTS[text]


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(EnvbuildError) as caught:
        parse_build_settings(
            "[tool.uv]\nno-build-isolation = 1\nno-build-isolation-package = 1",
            file="pyproject.toml",
        )
    assert isinstance(caught.value, Problems)
    assert len(caught.value.errors) == 2
