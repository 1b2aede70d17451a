"""Who waits for whom: nobody for himself, by whatever way."""

from __future__ import annotations

import pytest

from envbuild.realise.needs import BuildCycle, Needs


def test_what_is_needed_is_told_again() -> None:
    needs = Needs()
    needs.add("1", "one", {"2": "two", "3": "three"})
    needs.add("1", "one", {"4": "four"})
    assert (needs.of("1"), needs.of("2")) == (("2", "3", "4"), ())


@pytest.mark.parametrize(
    ("added", "names"),
    [
        ([("1", "one", {"1": "one"})], ("one", "one")),
        ([("1", "one", {"2": "two"}), ("2", "two", {"1": "one"})], ("two", "one", "two")),
        (
            [
                ("1", "one", {"2": "two", "5": "five"}),
                ("2", "two", {"3": "three"}),
                ("3", "three", {"4": "four", "1": "one"}),
            ],
            ("three", "one", "two", "three"),
        ),
    ],
)
def test_what_would_wait_for_itself_is_refused_with_the_way_round(
    added: list[tuple[str, str, dict[str, str]]], names: tuple[str, ...]
) -> None:
    needs = Needs()
    for each in added[:-1]:
        needs.add(*each)
    with pytest.raises(BuildCycle) as caught:
        needs.add(*added[-1])
    assert caught.value.names == names


def test_two_ways_to_one_thing_are_no_cycle() -> None:
    needs = Needs()
    needs.add("1", "one", {"2": "two", "3": "three"})
    needs.add("2", "two", {"4": "four"})
    needs.add("3", "three", {"4": "four"})
