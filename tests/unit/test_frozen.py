"""Frozen values: what one can rely on, whatever class is made one."""

from __future__ import annotations

import copy
import pickle

import pytest

from envbuild.frozen import FrozenError, as_dict, field, frozen, replace


@frozen
class Point:
    """Fields without and with a default, a fresh one for each, one that is not shown, and a memo."""

    x: int
    y: int = 2
    tags: list[str] = field(default_factory=list)
    secret: str = field(default="hidden", repr=False)
    _sum: int | None = field(default=None, init=False, repr=False)


@frozen
class Pixel(Point):
    """Fields of its own after those of another."""

    color: str


@frozen
class Even:
    """Equal where the author says so, and refused where what it is made of makes no sense."""

    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError(self.number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Even)

    def __hash__(self) -> int:
        return 0


def test_fields_have_what_is_given_and_else_their_default() -> None:
    point = Point(x=1)
    assert (point.x, point.y, point.tags, point.secret) == (1, 2, [], "hidden")
    assert Point(x=1, y=3).y == 3
    assert Point(x=1).tags is not Point(x=1).tags
    pixel = Pixel(x=1, color="red")
    assert (pixel.y, pixel.color) == (2, "red")


@pytest.mark.parametrize("given", [{}, {"y": 1}, {"x": 1, "z": 1}, {"x": 1, "_sum": 3}])
def test_what_is_missing_or_unknown_is_named(given: dict[str, int]) -> None:
    with pytest.raises(TypeError, match=r"Point: (missing x|unknown (z|_sum))"):
        Point(**given)  # type: ignore[arg-type]


def test_nothing_can_be_changed_but_a_memo_from_inside() -> None:
    point = Point(x=1)
    with pytest.raises(FrozenError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenError):
        point.other = 2  # type: ignore[attr-defined]
    with pytest.raises(FrozenError):
        del point.x
    object.__setattr__(point, "_sum", 3)
    assert point._sum == 3
    assert point == Point(x=1)


def test_values_are_equal_by_class_and_content() -> None:
    assert Point(x=1) == Point(x=1)
    assert Point(x=1) != Point(x=2)
    assert Pixel(x=1, color="red") != Point(x=1)
    assert len({Even(number=2), Even(number=4)}) == 1
    one = Pixel(x=1, tags=(), color="red")  # type: ignore[arg-type]
    assert hash(one) == hash(replace(one))


def test_values_show_their_fields_but_for_those_that_are_not_to_be_shown() -> None:
    assert repr(Pixel(x=1, color="red")) == "Pixel(x=1, y=2, tags=[], color='red')"


def test_values_survive_being_replaced_copied_and_pickled() -> None:
    pixel = Pixel(x=1, color="red")
    assert replace(pixel, x=5) == Pixel(x=5, color="red")
    assert copy.deepcopy(pixel) == pickle.loads(pickle.dumps(pixel)) == pixel


def test_a_value_becomes_a_dictionary_with_all_values_in_it() -> None:
    point = {"x": 1, "y": 2, "tags": [], "secret": "hidden"}
    assert as_dict(Point(x=Point(x=1))) == {**point, "x": point}  # type: ignore[arg-type]


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="3"):
        Even(number=3)
