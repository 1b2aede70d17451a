from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import Tag, parse_tag
from packaging.utils import parse_wheel_filename

from envbuild.selection.wheels import WheelChooser
from support.targets import make_target

TAGS = (
    "cp312-cp312-manylinux_2_28_x86_64",
    "cp312-cp312-manylinux_2_17_x86_64",
    "cp312-abi3-manylinux_2_17_x86_64",
    "cp312-none-manylinux_2_17_x86_64",
    "cp39-abi3-manylinux_2_17_x86_64",
    "py3-none-manylinux_2_17_x86_64",
    "py312-none-any",
    "py3-none-any",
)


def choose(*ends: str, tags: tuple[str, ...] = TAGS) -> str | None:
    filenames = [f"a-1.0-{end}.whl" for end in ends]
    position = WheelChooser(tags).choose(filenames)
    return None if position is None else ends[position]


@pytest.mark.parametrize(
    ("ends", "chosen"),
    [
        ((), None),
        (("cp311-cp311-manylinux_2_17_x86_64",), None),
        (("py3-none-any",), "py3-none-any"),
        (
            ("py3-none-any", "cp312-cp312-manylinux_2_17_x86_64"),
            "cp312-cp312-manylinux_2_17_x86_64",
        ),
        (("py2.py3-none-any",), "py2.py3-none-any"),
        (("py3-none-any", "py2.py312-none-any"), "py2.py312-none-any"),
        # A compressed set counts as the best of its tags.
        (
            (
                "cp39-abi3-manylinux_2_17_x86_64",
                "cp38.cp312-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64",
            ),
            "cp38.cp312-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64",
        ),
        # Of equal tags the highest build, of equal builds the first.
        (("py3-none-any", "py3-none-any"), "py3-none-any"),
        (("py3-none-any", "1-py3-none-any"), "1-py3-none-any"),
        (("10-py3-none-any", "9-py3-none-any"), "10-py3-none-any"),
        (("1b-py3-none-any", "1a-py3-none-any", "1-py3-none-any"), "1b-py3-none-any"),
        (("9-py3-none-any", "py312-none-any"), "py312-none-any"),
        (("0-py3-none-any", "py3-none-any"), "0-py3-none-any"),
        # Variants are passed over.
        (("py3-none-any", "cp312-cp312-manylinux_2_17_x86_64-x8664v3"), "py3-none-any"),
        (("1-cp312-cp312-manylinux_2_17_x86_64-x8664v3",), None),
    ],
)
def test_the_best_wheel_is_chosen(ends: tuple[str, ...], chosen: str | None) -> None:
    assert choose(*ends) == chosen


def test_the_first_of_equals_is_chosen() -> None:
    filenames = ["a-1.0-py3-none-any.whl", "a-1.0.0-py3-none-any.whl"]
    assert WheelChooser(TAGS).choose(filenames) == 0
    assert WheelChooser(TAGS).choose(filenames[::-1]) == 0


@pytest.mark.parametrize(
    ("ends", "miss"),
    [
        ((), None),
        (
            ("cp311-cp311-manylinux_2_17_x86_64", "py27-none-any"),
            ("python", "cp312", ("cp311", "py27")),
        ),
        (
            ("cp312-cp312t-manylinux_2_17_x86_64", "cp311-cp311-win32"),
            ("abi", "cp312", ("cp312t",)),
        ),
        (
            ("cp312-cp312-win_amd64.win32", "cp39-abi3-macosx_11_0_arm64", "cp311-cp311-any"),
            ("platform", "manylinux_2_28_x86_64", ("macosx_11_0_arm64", "win32", "win_amd64")),
        ),
        (("cp312-none-win32",), ("platform", "manylinux_2_28_x86_64", ("win32",))),
        (("cp39-none-any", "cp38-cp38-any"), ("python", "cp312", ("cp38", "cp39"))),
        (("py3-none-any-variant",), ("variant", "", ())),
        (("py3-none-any-variant", "cp311-cp311-any"), ("python", "cp312", ("cp311",))),
    ],
)
def test_a_miss_names_what_the_nearest_wheels_have(ends: tuple[str, ...], miss: object) -> None:
    assert WheelChooser(TAGS).miss(f"a-1.0-{end}.whl" for end in ends) == miss


def test_a_target_without_tags_fits_nothing() -> None:
    chooser = WheelChooser(())
    assert chooser.choose(["a-1.0-py3-none-any.whl"]) is None
    assert chooser.miss(["a-1.0-py3-none-any.whl"]) == ("python", "", ("py3",))


FREE = make_target("3.13.0", free_threaded=True)


@pytest.mark.parametrize(
    ("end", "fits"),
    [
        ("cp313-cp313t-manylinux_2_17_x86_64", True),
        ("cp313-cp313-manylinux_2_17_x86_64", False),
        ("cp39-abi3-manylinux_2_17_x86_64", False),
        ("py3-none-any", True),
    ],
)
def test_a_free_threaded_interpreter_takes_no_stable_abi(end: str, fits: bool) -> None:
    assert (choose(end, tags=FREE.tags) == end) is fits


MUSL = make_target(musl=(1, 2))


@pytest.mark.parametrize(
    ("end", "fits"),
    [
        ("cp312-cp312-musllinux_1_1_x86_64", True),
        ("cp312-cp312-musllinux_1_3_x86_64", False),
        ("cp312-cp312-manylinux_2_17_x86_64", False),
    ],
)
def test_the_c_library_must_fit(end: str, fits: bool) -> None:
    assert (choose(end, tags=MUSL.tags) == end) is fits


ENDS = st.builds(
    "{}-{}-{}".format,
    st.sampled_from(["py3", "cp312", "cp39", "py2.py3", "cp311.cp312", "py312"]),
    st.sampled_from(["none", "abi3", "cp312", "abi3.none"]),
    st.sampled_from(["any", "manylinux_2_17_x86_64", "win32", "win32.manylinux_2_28_x86_64.any"]),
)


@given(st.lists(ENDS, max_size=6))
def test_the_choice_is_the_one_that_tag_ranks_make(ends: list[str]) -> None:
    ranks = {next(iter(parse_tag(tag))): rank for rank, tag in enumerate(TAGS)}

    def rank(end: str) -> int:
        found: frozenset[Tag] = parse_wheel_filename(f"a-1.0-{end}.whl")[-1]
        return min((ranks[tag] for tag in found if tag in ranks), default=len(ranks))

    best = min(ends, key=rank, default=None)
    expected = None if best is None or rank(best) == len(ranks) else best
    chosen = choose(*ends)
    assert (chosen is None) is (expected is None)
    if chosen is not None and expected is not None:
        assert rank(chosen) == rank(expected)
        assert ends.index(chosen) == min(
            i for i, end in enumerate(ends) if rank(end) == rank(chosen)
        )
