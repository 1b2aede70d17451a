"""Who has a path that several wheels claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.environment.collisions import (
    FileCollision,
    FolderCollision,
    LeftOut,
    Overlaps,
    find_overlaps,
)
from envbuild.environment.footprint import owners
from envbuild.errors import Problems
from support.trees import unpacked
from unit.environment.test_diff import footprint
from unit.target.recorded import LINUX_313

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envbuild.environment.collisions import CollisionPolicy
    from envbuild.environment.placement import Placement

SITE = "lib/python3.13/site-packages"
WHEEL = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"


def placed(name: str, files: Mapping[str, bytes], executable: Iterable[str] = ()) -> Placement:
    content = {f"{name}-1.dist-info/WHEEL": WHEEL, **files}
    return unpacked(content, executable=executable).place(name, LINUX_313.scheme)


def overlaps_of(placements: Iterable[Placement], policy: CollisionPolicy) -> Overlaps:
    by_name = {each.info.rpartition("/")[2].partition("-")[0]: each for each in placements}
    footprints = [
        footprint(name, "1", *each.units, each.info) for name, each in sorted(by_name.items())
    ]
    shared = {unit: names for unit, names in owners(tuple(footprints)).items() if len(names) > 1}
    return find_overlaps(shared, by_name, policy)


def overlaps(wheels: Mapping[str, Mapping[str, bytes]], policy: CollisionPolicy) -> Overlaps:
    return overlaps_of((placed(name, files) for name, files in wheels.items()), policy)


def test_what_shares_nothing_has_nothing_in_common() -> None:
    found = overlaps({"a": {"a.py": b"1"}, "b": {"b.py": b"1"}}, "error")
    assert found == Overlaps(tolerated=frozenset(), left_out=())


@pytest.mark.parametrize("policy", ["error", "first", "last"])
def test_equal_content_passes_under_every_policy(policy: CollisionPolicy) -> None:
    found = overlaps({"a": {"t/x.py": b"1", "t/a": b""}, "b": {"t/x.py": b"1", "t/b": b""}}, policy)
    assert found == Overlaps(tolerated=frozenset({f"{SITE}/t/x.py"}), left_out=())


THREE: dict[str, dict[str, bytes]] = {
    "c": {"t/x.py": b"1", "t/y.py": b"1"},
    "a": {"t/x.py": b"1", "t/y.py": b"1"},
    "b": {"t/x.py": b"2", "t/y.py": b"1", "t/z.py": b"1"},
}


@pytest.mark.parametrize("policy", ["first", "last"])
def test_equal_content_passes_beside_unequal_content(policy: CollisionPolicy) -> None:
    x, y = f"{SITE}/t/x.py", f"{SITE}/t/y.py"
    provider = "a" if policy == "first" else "c"
    assert overlaps(THREE, policy) == Overlaps(
        tolerated=frozenset({x, y}), left_out=(LeftOut(name="b", path=x, provider=provider),)
    )


@pytest.mark.parametrize(
    ("policy", "provider", "others"), [("first", "a", ("b", "c")), ("last", "c", ("a", "b"))]
)
def test_the_name_decides(policy: CollisionPolicy, provider: str, others: tuple[str, str]) -> None:
    found = overlaps({name: {"t.py": name.encode()} for name in ("b", "c", "a")}, policy)
    path = f"{SITE}/t.py"
    assert found.left_out == tuple(
        LeftOut(name=name, path=path, provider=provider) for name in others
    )
    assert found.excluded() == dict.fromkeys(others, (path,))


def test_an_error_names_both_and_each_path() -> None:
    with pytest.raises(FileCollision) as caught:
        overlaps({"b": {"t/x": b"1", "t/y": b"1"}, "a": {"t/x": b"2", "t/y": b"2"}}, "error")
    error = caught.value
    assert (error.one, error.other) == ("a", "b")
    assert error.paths == (f"{SITE}/t/x", f"{SITE}/t/y")
    assert error.message == (
        f"`a` and `b` both install `{SITE}/t/x` and `{SITE}/t/y`, with different content"
    )
    assert error.hint is not None
    assert "--collisions first" in error.hint


def test_of_many_paths_a_few_are_named() -> None:
    with pytest.raises(FileCollision) as caught:
        overlaps({n: {f"t/{i}": n.encode() for i in range(50)} for n in "ab"}, "error")
    assert caught.value.message == (
        f"`a` and `b` both install 50 files (`{SITE}/t/0`, `{SITE}/t/1`, `{SITE}/t/10`, …),"
        " with different content"
    )
    (note,) = overlaps(
        {n: {f"t/{i}": n.encode() for i in range(50)} for n in "ab"}, "first"
    ).notes()
    assert note == (
        f"`b` does without 50 files (`{SITE}/t/0`, `{SITE}/t/1`, `{SITE}/t/10`, …),"
        " which `a` provides"
    )


def test_every_two_distributions_are_one_problem() -> None:
    with pytest.raises(Problems) as caught:
        overlaps({n: {"x": n.encode(), "y": n.encode()} for n in "abc"}, "error")
    found = [error for error in caught.value.errors if isinstance(error, FileCollision)]
    assert [(error.one, error.other) for error in found] == [("a", "b"), ("a", "c")]


@pytest.mark.parametrize("policy", ["error", "first", "last"])
def test_a_file_where_another_needs_a_folder_is_always_an_error(policy: CollisionPolicy) -> None:
    with pytest.raises(FolderCollision) as caught:
        overlaps({"a": {"t/x/y.py": b"1"}, "b": {"t/x": b"1"}}, policy)
    assert caught.value.message == f"`b` installs the file `{SITE}/t/x`, where `a` needs a folder"
    assert caught.value.hint is None


@pytest.mark.parametrize("policy", ["error", "first", "last"])
@pytest.mark.parametrize("name", ["WHEEL", "INSTALLER", "RECORD", "direct_url.json"])
@pytest.mark.parametrize("intruder", ["a", "z"])
def test_the_metadata_of_another_is_never_to_be_had(
    policy: CollisionPolicy, name: str, intruder: str
) -> None:
    wheels = {"m": {}, intruder: {f"{intruder}-1.data/purelib/m-1.dist-info/{name}": b"theirs"}}
    with pytest.raises(FileCollision) as caught:
        overlaps(wheels, policy)
    assert {caught.value.one, caught.value.other} == {"m", intruder}
    assert caught.value.paths == (f"{SITE}/m-1.dist-info/{name}",)
    assert caught.value.hint is None


def test_launchers_and_scripts_are_files_like_any_other() -> None:
    def command(name: str, module: str) -> dict[str, bytes]:
        text = f"[console_scripts]\nrun = {module}:main\n"
        return {f"{name}-1.dist-info/entry_points.txt": text.encode()}

    equal = overlaps({"a": command("a", "m"), "b": command("b", "m")}, "first")
    assert equal == Overlaps(tolerated=frozenset({"bin/run"}), left_out=())
    unequal = overlaps({"a": command("a", "m"), "b": command("b", "n")}, "first")
    assert unequal.excluded() == {"b": ("bin/run",)}
    script = {"c-1.data/scripts/run": b"#!/bin/sh\n"}
    assert overlaps({"a": command("a", "m"), "c": script}, "last").excluded() == {"a": ("bin/run",)}


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n"])
def test_what_one_may_run_and_the_other_not_is_unequal(content: bytes) -> None:
    wheels = [placed("a", {"t/x": content}, ["t/x"]), placed("b", {"t/x": content})]
    assert overlaps_of(wheels, "last").excluded() == {"a": (f"{SITE}/t/x",)}


PATHS = st.sampled_from(["t/1", "t/2", "t/deep/3", "u.py"])
WHEELS = st.dictionaries(
    st.sampled_from("abcd"), st.dictionaries(PATHS, st.sampled_from([b"1", b"2"])), min_size=1
)


@given(WHEELS, st.sampled_from(["first", "last"]))
def test_every_path_is_provided_once_or_with_one_content(
    wheels: dict[str, dict[str, bytes]], policy: CollisionPolicy
) -> None:
    found = overlaps(wheels, policy)
    excluded = found.excluded()
    for path in {path for files in wheels.values() for path in files}:
        placed_path = f"{SITE}/{path}"
        claiming = sorted(name for name, files in wheels.items() if path in files)
        provider = claiming[0 if policy == "first" else -1]
        placing = [name for name in claiming if placed_path not in excluded.get(name, ())]
        assert placing == [n for n in claiming if wheels[n][path] == wheels[provider][path]]
        assert (placed_path in found.tolerated) == (len(placing) > 1)
