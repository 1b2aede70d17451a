from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.index.redaction import redact

REDACTED = {
    "https://user:hunter2@a.example/x": "https://a.example/x",
    "https://token@a.example/x": "https://a.example/x",
    "https://u:p@ss@a.example/x": "https://a.example/x",
    "see `https://u:p@a.example` and `http://v:q@b.example`": (
        "see `https://a.example` and `http://b.example`"
    ),
    "https://a.example/x?X-Amz-Signature=abc&b=1": "https://a.example/x?X-Amz-Signature=***&b=1",
    "https://a.example/x?access_token=abc#f": "https://a.example/x?access_token=***#f",
    "https://a.example/name@1.0/x": "https://a.example/name@1.0/x",
    "mail a@b.example": "mail a@b.example",
    "https://a.example/x?page=2": "https://a.example/x?page=2",
}


@pytest.mark.parametrize(("text", "expected"), REDACTED.items())
def test_redacted(text: str, expected: str) -> None:
    assert redact(text) == expected


@given(st.text())
def test_it_redacts_any_text_once_and_for_all(text: str) -> None:
    assert redact(redact(text)) == redact(text)
