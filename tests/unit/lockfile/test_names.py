from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import InvalidName, canonicalize_name

from envbuild.lockfile.names import is_name, normalise

TEXTS = st.text(alphabet="abzAZ09-_.é ", max_size=8)


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("requests", "requests"),
        ("Flask_SQLAlchemy", "flask-sqlalchemy"),
        ("zope.interface", "zope-interface"),
        ("a__b--c..d", "a-b-c-d"),
        ("A", "a"),
    ],
)
def test_a_name_has_one_normal_form(name: str, normal: str) -> None:
    assert is_name(name)
    assert normalise(name) == normal


@pytest.mark.parametrize("text", ["", "-a", "a-", "a b", "é", ".", "a/b", "a\n"])
def test_other_texts_are_no_names(text: str) -> None:
    assert not is_name(text)


@given(TEXTS)
def test_names_and_normal_forms_agree_with_packaging(text: str) -> None:
    try:
        expected = canonicalize_name(text, validate=True)
    except InvalidName:
        assert not is_name(text)
    else:
        assert is_name(text)
        assert normalise(text) == expected
