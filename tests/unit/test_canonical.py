"""Canonical JSON: laws; what is refused stands in `store_layout/v1/vectors`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild import canonical
from envbuild.canonical import LARGEST_INTEGER, NotCanonical
from envbuild.digest import digest_of

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
    | st.text(st.characters(codec="utf-8"))
)
KEYS = st.text(st.characters(codec="ascii"))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20
)


@given(VALUES)
def test_what_is_encoded_decodes_to_the_same_value(value: Any) -> None:
    assert canonical.decode(canonical.encode(value), what="value") == value


@given(VALUES)
def test_what_is_encoded_is_json(value: Any) -> None:
    assert json.loads(canonical.encode(value)) == value


@given(st.dictionaries(KEYS, SCALARS))
def test_the_order_in_which_members_came_does_not_matter(value: Any) -> None:
    backwards = dict(reversed(list(value.items())))
    assert canonical.encode(backwards) == canonical.encode(value)


@given(
    st.binary(max_size=40) | st.text(alphabet='{}[]",:0123456789eE.-\\ untrfals').map(str.encode)
)
def test_bytes_are_refused_or_are_the_one_form_of_their_value(data: bytes) -> None:
    try:
        value = canonical.decode(data, what="value")
    except NotCanonical:
        return
    assert canonical.encode(value) == data


@given(VALUES)
def test_any_other_spelling_is_refused(value: Any) -> None:
    data = canonical.encode(value)
    spelled = json.dumps(value, indent=1).encode()
    if spelled != data:
        with pytest.raises(NotCanonical):
            canonical.decode(spelled, what="value")


@pytest.mark.parametrize(
    "value",
    [1.0, 2**53, -(2**53), {"é": 1}, {1: 2}, "\ud800", ["\udcff"], b"bytes", {"a": {1}}, object()],
)
def test_a_value_without_a_canonical_form_is_our_own_mistake(value: Any) -> None:
    with pytest.raises(AssertionError):
        canonical.encode(value)


def test_a_tuple_is_an_array() -> None:
    assert canonical.encode((1, ("a",))) == b'[1,["a"]]'


def test_the_error_says_what_was_read_and_why_it_was_refused() -> None:
    with pytest.raises(NotCanonical) as caught:
        canonical.decode(b"[1.5]", what="tree")
    assert caught.value.what == "tree"
    assert str(caught.value) == "tree is not canonical JSON: it holds a float"


def test_the_digest_of_a_value_is_that_of_its_bytes() -> None:
    assert canonical.digest({"b": 1, "a": None}) == digest_of(b'{"a":null,"b":1}')


def test_foreign_bytes_are_refused_where_assertions_are_off() -> None:
    code = (
        "from envbuild import canonical\n"
        "try: canonical.decode(b'1.5', what='value')\n"
        "except canonical.NotCanonical: print('refused')\n"
    )
    done = subprocess.run(
        (sys.executable, "-O", "-c", code), check=True, capture_output=True, text=True
    )
    assert done.stdout == "refused\n"
