from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

import packaging
import pytest
import uv

from envbuild.frozen import replace
from envbuild.target.probe import probe
from envbuild.target.tags import compatible_tags, platform_tags
from support.interpreters import Python, pythons
from support.wheels import build_wheel
from unit.target import recorded

if TYPE_CHECKING:
    from pathlib import Path

    from envbuild.target.facts import Facts

# The interpreter's own pip carries a copy of packaging for those that the newest is too new for.
ORACLE = """
import json, sys
sys.path.insert(0, sys.argv[1])
try:
    import packaging
    from packaging import tags
except (ImportError, SyntaxError):
    import pip._vendor.packaging as packaging
    from pip._vendor.packaging import tags
print(json.dumps([packaging.__version__, [str(tag) for tag in tags.sys_tags()]]))
"""


@pytest.mark.parametrize("python", pythons(), ids=str)
def test_the_tags_are_those_that_packaging_gives_inside_the_interpreter(
    python: Python, tmp_path: Path
) -> None:
    folder = tmp_path / "packaging"
    folder.mkdir()
    (folder / "packaging").symlink_to(os.path.dirname(packaging.__file__))
    run = subprocess.run(
        [python.path, "-B", "-c", ORACLE, str(folder)], capture_output=True, text=True, check=False
    )
    if "No module named" in run.stderr:
        pytest.skip(f"{python} can import neither packaging nor a copy of it")
    version, expected = json.loads(run.stdout)
    if version.startswith("21."):
        expected.append("cp{}{}-none-any".format(*python.version))
    tags = probe(python.path, cache_dir=str(tmp_path)).target.tags
    assert set(tags) == set(expected)
    assert len(tags) == len(set(tags))


@pytest.mark.parametrize("python", pythons(), ids=str)
def test_of_two_wheels_uv_takes_the_one_that_ranks_first(python: Python, tmp_path: Path) -> None:
    tags = probe(python.path, cache_dir=str(tmp_path / "cache")).target.tags
    # uv leaves out what packaging adds for PyPy.
    known = [tag for tag in tags if not re.match(r"pp\d+-none-", tag)]
    kinds = [re.sub(r"\d+_(x86|\w+64)", "N", tag) for tag in known]
    steps = [at for at in range(len(known) - 1) if kinds[at] != kinds[at + 1]]
    sample = sorted({*range(0, len(known), 37), *steps, *(at + 1 for at in steps)})
    expected = {}
    for number, (better, worse) in enumerate(itertools.pairwise(sample)):
        for at in (worse, better) if number % 2 else (better, worse):
            build_wheel(
                tmp_path / "wheels",
                f"pair{number}",
                "1",
                tag=known[at],
                files={f"pair{number}.txt": known[at]},
            )
        expected[f"pair{number}"] = known[better]
    command = ["pip", "install", "--quiet", "--offline", "--no-index", "--no-config"]
    command += ["--python", python.path, "--target", str(tmp_path / "site")]
    command += ["--find-links", str(tmp_path / "wheels"), *expected]
    subprocess.run(
        [uv.find_uv_bin(), *command],
        check=True,
        env={**os.environ, "UV_CACHE_DIR": str(tmp_path / "uv"), "UV_PYTHON_DOWNLOADS": "never"},
    )
    taken = {name: (tmp_path / "site" / f"{name}.txt").read_text() for name in expected}
    assert taken == expected


def test_the_order_of_a_release_build() -> None:
    facts = replace(recorded.linux_313, glibc=(2, 6))
    platforms = ["manylinux_2_6_x86_64", "manylinux_2_5_x86_64", "manylinux1_x86_64"]
    platforms.append("linux_x86_64")
    assert list(platform_tags(facts)) == platforms
    blocks = ["cp313-cp313", "cp313-abi3", "cp313-none"]
    blocks += [f"cp3{minor}-abi3" for minor in range(12, 1, -1)]
    blocks += ["py313-none", "py3-none", *(f"py3{minor}-none" for minor in range(12, -1, -1))]
    pure = ["cp313-none-any", "py313-none-any", "py3-none-any"]
    pure += [f"py3{minor}-none-any" for minor in range(12, -1, -1)]
    expected = [f"{block}-{platform}" for block in blocks for platform in platforms] + pure
    assert list(compatible_tags(facts)) == expected


def blocks_of(facts: Facts) -> list[str]:
    """Return interpreter and ABI of every tag, in order, each once."""
    return list(dict.fromkeys(tag.rpartition("-")[0] for tag in compatible_tags(facts)))


def test_a_free_threaded_build_takes_its_own_abi_and_no_abi3() -> None:
    blocks = blocks_of(recorded.linux_313t)
    assert blocks[:4] == ["cp313-cp313t", "cp313-abi3t", "cp313-none", "cp312-abi3t"]
    assert not any(block.endswith(("-abi3", "-cp313")) for block in blocks)


def test_a_debug_build_takes_wheels_of_release_builds_too() -> None:
    assert blocks_of(recorded.linux_311d)[:4] == [
        "cp311-cp311d",
        "cp311-cp311",
        "cp311-abi3",
        "cp311-none",
    ]
    assert blocks_of(recorded.linux_313td)[:3] == ["cp313-cp313td", "cp313-cp313t", "cp313-abi3t"]


def test_pypy_has_an_abi_of_its_own_version() -> None:
    blocks = blocks_of(recorded.pypy_39)
    assert blocks[:4] == ["pp39-pypy39_pp73", "pp39-none", "py39-none", "py3-none"]
    assert "pp3-none-any" in compatible_tags(recorded.pypy_39)


def test_graalpy_names_its_abi_with_the_kind_of_build() -> None:
    assert blocks_of(recorded.graalpy_311)[0] == "graalpy311-graalpy242_311_native"


def test_legacy_names_follow_the_level_that_they_stand_for() -> None:
    platforms = platform_tags(recorded.linux_313)
    assert platforms[0] == "manylinux_2_36_x86_64"
    for level, name in ((17, "manylinux2014"), (12, "manylinux2010"), (5, "manylinux1")):
        at = platforms.index(f"manylinux_2_{level}_x86_64")
        assert platforms[at + 1] == f"{name}_x86_64"
    assert platforms[-1] == "linux_x86_64"


PLATFORMS = [
    (recorded.musl_312, ["musllinux_1_2_x86_64", "musllinux_1_1_x86_64", "musllinux_1_0_x86_64"]),
    (replace(recorded.linux_aarch64, glibc=(2, 17)), ["manylinux_2_17_aarch64"]),
    (replace(recorded.arm_hard_float, glibc=(2, 17)), ["manylinux_2_17_armv7l"]),
    (replace(recorded.arm_hard_float, elf_flags=0x05000200), []),
    (recorded.linux_armv6, []),
    (replace(recorded.linux_aarch64, glibc=(2, 12)), []),
]


@pytest.mark.parametrize(("facts", "first"), PLATFORMS)
def test_a_c_library_and_a_calling_convention_decide_the_levels(
    facts: Facts, first: list[str]
) -> None:
    arch = facts.linux_arches[0]
    legacy = [f"manylinux2014_{arch}"] if facts.glibc == (2, 17) else []
    assert list(platform_tags(facts)) == [*first, *legacy, f"linux_{arch}"]


def test_32_bit_interpreters_on_64_bit_kernels_take_32_bit_wheels() -> None:
    platforms = platform_tags(recorded.i686_on_64_bit_kernel)
    assert platforms[0] == "manylinux_2_17_i686"
    assert platforms[-2:] == ("manylinux1_i686", "linux_i686")
    platforms = platform_tags(recorded.arm_on_64_bit_kernel)
    assert platforms[0] == "manylinux_2_31_armv8l"
    assert platforms[-3:] == ("manylinux2014_armv7l", "linux_armv8l", "linux_armv7l")


def test_a_level_that_the_distributor_refuses_is_left_out_with_its_old_name() -> None:
    refused = frozenset({(2, 17, "x86_64"), (2, 36, "x86_64"), (2, 5, "aarch64")})
    platforms = platform_tags(replace(recorded.linux_313, manylinux_refused=refused))
    assert platforms[0] == "manylinux_2_35_x86_64"
    assert "manylinux_2_17_x86_64" not in platforms
    assert "manylinux2014_x86_64" not in platforms
    assert "manylinux1_x86_64" in platforms


def test_macos_on_arm_takes_universal_wheels_of_systems_before_it() -> None:
    platforms = platform_tags(recorded.macos_arm_312)
    assert platforms[:4] == (
        "macosx_14_0_arm64",
        "macosx_14_0_universal2",
        "macosx_13_0_arm64",
        "macosx_13_0_universal2",
    )
    assert platforms[-1] == "macosx_10_4_universal2"
    assert "macosx_10_16_arm64" not in platforms


def test_macos_on_intel_ends_with_its_own_version() -> None:
    platforms = platform_tags(recorded.macos_intel_312)
    assert platforms[:3] == (
        "macosx_10_15_x86_64",
        "macosx_10_15_intel",
        "macosx_10_15_fat64",
    )
    assert not any("arm64" in platform for platform in platforms)


def test_windows_has_one_platform() -> None:
    assert platform_tags(recorded.windows_312) == ("win_amd64",)
    assert compatible_tags(recorded.windows_312)[0] == "cp312-cp312-win_amd64"
