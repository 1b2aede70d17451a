"""What has to change, and how: footprints to units that are swapped or merged, and to renames."""

from __future__ import annotations

import pytest

from envbuild.environment.diff import Difference, compare
from envbuild.environment.footprint import Footprint, join, owners, unit_of
from envbuild.environment.moves import plan_moves

SITE = "lib/python3.12/site-packages"


def footprint(name: str, version: str = "1", *units: str, identity: str | None = None) -> Footprint:
    return Footprint(
        name=name,
        version=version,
        identity=f"{name}-{version}" if identity is None else identity,
        info=f"{SITE}/{name}-{version}.dist-info",
        units=tuple(sorted({*units, f"{SITE}/{name}-{version}.dist-info"})),
        files=1,
        folders=1,
    )


IDNA = footprint("idna", "3.6", f"{SITE}/idna")
IDNA_NEW = footprint("idna", "3.7", f"{SITE}/idna")
GOOGLE_AUTH = footprint("google-auth", "2", f"{SITE}/google")
GOOGLE_API = footprint("google-api", "1", f"{SITE}/google")


def test_equal_sets_differ_in_nothing() -> None:
    difference = compare((IDNA, GOOGLE_API), (IDNA, GOOGLE_API))
    assert difference.is_empty
    assert difference == Difference(
        removed=(), added=(), replaced=(), repaired=(), moved=(), swapped=(), merged=()
    )


def test_a_new_version_swaps_its_folders() -> None:
    difference = compare((IDNA,), (IDNA_NEW,))
    assert difference.replaced == ("idna",)
    assert difference.swapped == (
        f"{SITE}/idna",
        f"{SITE}/idna-3.6.dist-info",
        f"{SITE}/idna-3.7.dist-info",
    )
    assert difference.merged == ()


def test_a_folder_that_another_distribution_shares_is_merged() -> None:
    difference = compare((GOOGLE_API,), (GOOGLE_API, GOOGLE_AUTH))
    assert difference.added == ("google-auth",)
    assert difference.merged == (f"{SITE}/google",)


def test_a_folder_that_changes_hands_is_swapped() -> None:
    difference = compare((GOOGLE_API,), (GOOGLE_AUTH,))
    assert difference.removed == ("google-api",)
    assert f"{SITE}/google" in difference.swapped


def test_a_folder_of_several_that_all_change_is_swapped() -> None:
    newer = footprint("google-api", "2", f"{SITE}/google")
    assert f"{SITE}/google" in compare((GOOGLE_API,), (GOOGLE_AUTH, newer)).swapped
    assert f"{SITE}/google" in compare((GOOGLE_API, GOOGLE_AUTH), ()).swapped
    assert f"{SITE}/google" in compare((GOOGLE_API, GOOGLE_AUTH), (newer,)).swapped
    assert f"{SITE}/google" in compare((GOOGLE_API, GOOGLE_AUTH), (newer, GOOGLE_AUTH)).merged


def test_what_has_to_be_placed_again_leaves_and_enters_like_what_is_damaged() -> None:
    moved = frozenset({"google-api"})
    difference = compare((GOOGLE_API,), (GOOGLE_API, GOOGLE_AUTH), moved=moved)
    assert (difference.repaired, difference.moved) == ((), ("google-api",))
    assert difference.outgoing == {"google-api"}
    assert difference.incoming == {"google-api", "google-auth"}
    assert f"{SITE}/google" in difference.swapped
    assert compare((GOOGLE_API,), (GOOGLE_API,), damaged=moved, moved=moved).moved == ()
    assert compare((GOOGLE_API,), (), moved=moved).moved == ()


def test_a_folder_with_files_of_nobody_is_merged() -> None:
    difference = compare((IDNA,), (IDNA_NEW,), strays=frozenset({f"{SITE}/idna"}))
    assert difference.merged == (f"{SITE}/idna",)


def test_what_is_damaged_is_repaired_and_what_is_both_is_replaced() -> None:
    names = frozenset({"idna", "google-api"})
    difference = compare((GOOGLE_API, IDNA), (GOOGLE_API, IDNA_NEW), damaged=names)
    assert difference.repaired == ("google-api",)
    assert difference.replaced == ("idna",)


def test_a_distribution_of_others_is_replaced_by_ours_of_the_same_version() -> None:
    stranger = footprint("idna", "3.6", f"{SITE}/idna", identity="")
    assert compare((stranger,), (IDNA,)).replaced == ("idna",)


def test_swapped_units_move_whole_and_merged_ones_file_by_file() -> None:
    difference = compare((GOOGLE_API, IDNA), (GOOGLE_AUTH, GOOGLE_API, IDNA_NEW))
    moves = plan_moves(
        difference,
        outgoing={"idna": [f"{SITE}/idna/core.py"]},
        incoming={"google-auth": [f"{SITE}/google/auth/a.py", f"{SITE}/google/shared.py"]},
        staying=frozenset({f"{SITE}/google/shared.py"}),
        arriving_units=frozenset((*GOOGLE_AUTH.units, *IDNA_NEW.units)),
        state=(".envbuild/state.json",),
    )
    assert f"{SITE}/idna" in moves.outward
    assert f"{SITE}/idna-3.6.dist-info" in moves.outward
    assert moves.outward[-1] == moves.inward[-1] == ".envbuild/state.json"
    assert f"{SITE}/google/auth/a.py" in moves.inward
    assert f"{SITE}/google/shared.py" not in moves.inward
    assert f"{SITE}/idna-3.6.dist-info" not in moves.inward
    assert moves.folders.index(f"{SITE}/google") < moves.folders.index(f"{SITE}/google/auth")


def test_folders_of_merged_units_are_removed_deepest_first_and_those_of_the_scheme_never() -> None:
    difference = compare((GOOGLE_API, GOOGLE_AUTH), (GOOGLE_API,))
    moves = plan_moves(
        difference,
        outgoing={"google-auth": [f"{SITE}/google/auth/deep/a.py"]},
        incoming={},
        staying=frozenset(),
        arriving_units=frozenset(),
        state=(),
    )
    assert moves.emptied == (
        f"{SITE}/google/auth/deep",
        f"{SITE}/google/auth",
        f"{SITE}/google",
    )


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("bin/httpx", "bin/httpx"),
        (f"{SITE}/idna/core.py", f"{SITE}/idna"),
        (f"{SITE}/idna", f"{SITE}/idna"),
        (f"{SITE}/idnadata.py", None),
        ("bin", None),
    ],
)
def test_the_unit_of_a_path_is_the_one_that_it_is_or_lies_in(path: str, unit: str | None) -> None:
    assert unit_of(path, frozenset({"bin/httpx", f"{SITE}/idna"})) == unit


def test_owners_lists_who_touches_a_unit() -> None:
    assert owners((GOOGLE_API, GOOGLE_AUTH))[f"{SITE}/google"] == ["google-api", "google-auth"]


def test_the_prefix_is_the_folder_named_dot() -> None:
    assert join(".", "pyvenv.cfg") == "pyvenv.cfg"
    assert join("bin", "python") == "bin/python"
