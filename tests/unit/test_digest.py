"""Digests and their spellings."""

from __future__ import annotations

import hashlib

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from envbuild.digest import HEX_LENGTH, digest_of, is_digest, sha256_of


@given(st.binary(max_size=200))
def test_a_digest_is_blake3_in_lower_case(data: bytes) -> None:
    assert digest_of(data) == blake3(data).hexdigest()
    assert is_digest(digest_of(data))


@given(st.binary(max_size=200))
def test_a_sha256_is_that_of_the_standard_library(data: bytes) -> None:
    assert sha256_of(data) == hashlib.sha256(data).digest()


def test_the_digest_of_nothing_is_the_one_of_the_specification() -> None:
    # From the test vectors of BLAKE3.
    assert digest_of(b"") == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ab" * 31,
        "ab" * 33,
        "AB" * 32,
        "ag" * 32,
        "a" * 31 + "zz" + "a" * 31,
        "ab" * 31 + "a\n",
        "\u0660" * HEX_LENGTH,
        "b3:" + "a" * 61,
    ],
)
def test_other_texts_are_no_digests(text: str) -> None:
    assert not is_digest(text)
