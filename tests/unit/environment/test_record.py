from __future__ import annotations

import csv
import hashlib
import io
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.environment.record import (
    own_row,
    record_row,
    relative,
    written_row,
    written_rows,
)
from envbuild.environment.written import INSTALLER
from support.hostile import record_hash

PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1)
NAMES = st.sampled_from(["a", "b", "lib", "site"])
FOLDERS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@given(PATHS, st.binary(max_size=9))
def test_a_row_is_what_csv_writes(path: str, content: bytes) -> None:
    sha256 = hashlib.sha256(content).digest()
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([path, record_hash(content), len(content)])
    writer.writerow([path, "", ""])
    rows = record_row(path, sha256, len(content)) + own_row(path)
    assert rows == text.getvalue().encode()


@given(PATHS, st.binary(max_size=9) | st.sampled_from([b"", INSTALLER]))
def test_a_row_of_what_is_written_is_an_ordinary_row(path: str, data: bytes) -> None:
    assert written_row(path, data) == record_row(path, hashlib.sha256(data).digest(), len(data))


def test_a_carriage_return_is_quoted() -> None:
    (row,) = csv.reader(io.StringIO(own_row("a\rb").decode(), newline=""))
    assert row == ["a\rb", "", ""]


@given(FOLDERS, NAMES, FOLDERS)
def test_paths_are_relative_as_posixpath_has_them(folder: str, name: str, other: str) -> None:
    path = f"{folder}/file-{name}"
    assert relative(path, other) == posixpath.relpath(path, other)


@pytest.mark.parametrize(
    ("info", "launchers", "expected"),
    [
        (
            "lib/python3.13/site-packages/demo-1.dist-info",
            ["bin/demo", "bin/a"],
            [
                "../../../bin/a",
                "../../../bin/demo",
                "demo-1.dist-info/INSTALLER",
                "demo-1.dist-info/RECORD",
                "demo-1.dist-info/REQUESTED",
                "demo-1.dist-info/direct_url.json",
                "demo-1.dist-info/uv_cache.json",
            ],
        ),
        (
            "site/Zope-1.dist-info",
            [],
            [
                "Zope-1.dist-info/INSTALLER",
                "Zope-1.dist-info/RECORD",
                "Zope-1.dist-info/REQUESTED",
                "Zope-1.dist-info/direct_url.json",
                "Zope-1.dist-info/uv_cache.json",
            ],
        ),
    ],
)
def test_rows_that_may_be_written_are_known_beforehand(
    info: str, launchers: list[str], expected: list[str]
) -> None:
    assert written_rows(info, launchers) == expected
