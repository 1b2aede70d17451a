"""RECORD held against the files of an archive."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from installer.sources import WheelFile

from envbuild.realise.record import MOST_SHOWN, Record, RecordMismatch, shortened
from support.hostile import record_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

INFO = "demo-1.0.dist-info"
OWN = f"{INFO}/RECORD,,\n"
FILES = {
    "demo.py": b"x = 1\n",
    "caf\u00e9, \u65e5.txt": b"",
    f"{INFO}/WHEEL": b"Wheel-Version: 1.0\n",
}


def row(path: str, content: bytes, algorithm: str = "sha256") -> str:
    quoted = f'"{path}"' if "," in path else path
    return f"{quoted},{record_hash(content, algorithm)},{len(content)}\n"


ROWS = {path: row(path, content) for path, content in FILES.items()}
WHOLE = "".join(ROWS.values()) + OWN
DEMO = ROWS["demo.py"]
HASH = record_hash(FILES["demo.py"])
SHA512 = record_hash(FILES["demo.py"], "sha512")
HEXADECIMAL = hashlib.sha256(FILES["demo.py"]).hexdigest()


def compared(text: str | bytes | None, files: Mapping[str, bytes] = FILES) -> Record:
    """Hold a RECORD against files in the way in which unpacking does."""
    data = text.encode() if isinstance(text, str) else text
    record = Record(data, path=f"{INFO}/RECORD")
    for path, content in files.items():
        algorithm = record.algorithms.get(path)
        other = hashlib.new(algorithm, content).digest() if algorithm else None
        record.compare(path, len(content), hashlib.sha256(content).digest(), other)
    record.finish()
    return record


GOOD: dict[str, str] = {
    "as it should be": WHOLE,
    "in another order": OWN + "".join(reversed(ROWS.values())),
    "with the line ends of Windows": WHOLE.replace("\n", "\r\n"),
    "without a line end at its end": WHOLE.removesuffix("\n"),
    "with a path in quotes": WHOLE.replace("demo.py", '"demo.py"'),
    "with SHA-384": WHOLE.replace(DEMO, row("demo.py", FILES["demo.py"], "sha384")),
    "with SHA-512": WHOLE.replace(DEMO, row("demo.py", FILES["demo.py"], "sha512")),
    "with BLAKE2": WHOLE.replace(DEMO, row("demo.py", FILES["demo.py"], "blake2b")),
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_a_record_that_agrees_is_believed(text: str) -> None:
    record = compared(text)
    assert record.disagreements == []
    assert record.in_hexadecimal == 0


BAD: dict[str, tuple[str | bytes | None, list[str]]] = {
    "missing": (None, [f"`{INFO}/RECORD`: it is missing"]),
    "empty": (
        "",
        [f"`{path}`: it is not listed" for path in FILES]
        + [f"`{INFO}/RECORD`: it does not list itself"],
    ),
    "not UTF-8": (
        b"caf\xe9,,\n",
        [f"`{INFO}/RECORD`: it is not UTF-8 (invalid continuation byte at byte 3)"],
    ),
    "a row of two fields": (
        WHOLE + "demo.py,\n",
        [f"`{INFO}/RECORD`: row 4 has 2 fields, not 3"],
    ),
    "an empty row": (WHOLE + "\n", [f"`{INFO}/RECORD`: row 4 has 0 fields, not 3"]),
    "a file that is not listed": (WHOLE.replace(DEMO, ""), ["`demo.py`: it is not listed"]),
    "a row that no file has": (
        WHOLE + row("other.py", b""),
        ["`other.py`: it is listed, and the archive has no such file"],
    ),
    "a row for a folder": (
        WHOLE + "demo/,,\n",
        ["`demo/`: it is listed, and the archive has no such file"],
    ),
    "a row twice": (WHOLE + DEMO, ["`demo.py`: it is listed twice"]),
    "another hash": (
        WHOLE.replace(HASH, record_hash(b"")),
        [f"`demo.py`: expected `{record_hash(b'')}`, found `{HASH}`"],
    ),
    "another SHA-512": (
        WHOLE.replace(HASH, record_hash(b"", "sha512")),
        [f"`demo.py`: expected `{record_hash(b'', 'sha512')}`, found `{SHA512}`"],
    ),
    "another size": (
        WHOLE.replace(f"{HASH},6", f"{HASH},7"),
        ["`demo.py`: expected 7 bytes, found 6"],
    ),
    "no hash": (
        WHOLE.replace(HASH, ""),
        ["`demo.py`: it is listed without a hash or without a size"],
    ),
    "no size": (
        WHOLE.replace(f"{HASH},6", f"{HASH},"),
        ["`demo.py`: it is listed without a hash or without a size"],
    ),
    "a hash without a kind": (
        WHOLE.replace(HASH, "abc"),
        ["`demo.py`: it is listed without a hash or without a size"],
    ),
    "MD5": (
        WHOLE.replace(HASH, record_hash(FILES["demo.py"], "md5")),
        ["`demo.py`: it is listed with a hash of the kind `md5`"],
    ),
    "SHA-1": (
        WHOLE.replace(HASH, record_hash(FILES["demo.py"], "sha1")),
        ["`demo.py`: it is listed with a hash of the kind `sha1`"],
    ),
    "a hash with padding": (
        WHOLE.replace(HASH, HASH + "="),
        [f"`demo.py`: expected `{HASH}=`, found `{HASH}`"],
    ),
    "another hash in hexadecimal": (
        WHOLE.replace(HASH, "sha256=" + "0" * 64),
        [f"`demo.py`: expected `sha256={'0' * 64}`, found `{HASH}`"],
    ),
    "itself with a hash": (
        WHOLE.replace(OWN, row(f"{INFO}/RECORD", b"")),
        [f"`{INFO}/RECORD`: it lists itself with a hash or a size"],
    ),
    "not itself": (
        WHOLE.replace(OWN, ""),
        [f"`{INFO}/RECORD`: it does not list itself"],
    ),
}


@pytest.mark.parametrize(("text", "disagreements"), BAD.values(), ids=BAD)
def test_a_record_that_disagrees_says_where(
    text: str | bytes | None, disagreements: list[str]
) -> None:
    assert compared(text).disagreements == disagreements


def test_a_hash_in_hexadecimal_is_counted() -> None:
    record = compared(WHOLE.replace(HASH, f"sha256={HEXADECIMAL}"))
    assert record.disagreements == []
    assert record.in_hexadecimal == 1


def test_signatures_are_neither_listed_nor_missed() -> None:
    for name in ("RECORD.jws", "RECORD.p7s"):
        path = f"{INFO}/{name}"
        assert compared(WHOLE, {**FILES, path: b"signed"}).disagreements == []
        listed = compared(WHOLE + row(path, b"signed"), {**FILES, path: b"signed"})
        assert listed.disagreements == [f"`{path}`: it signs RECORD and must not be listed"]


def test_a_file_called_as_a_signature_elsewhere_is_a_file() -> None:
    assert compared(WHOLE, {**FILES, "demo/RECORD.jws": b""}).disagreements == [
        "`demo/RECORD.jws`: it is not listed"
    ]


def test_of_many_disagreements_the_first_are_shown() -> None:
    many = [f"`{number}`: it is not listed" for number in range(MOST_SHOWN + 5)]
    assert shortened(many) == (*many[:MOST_SHOWN], "and 5 more")
    assert shortened(many[:MOST_SHOWN]) == tuple(many[:MOST_SHOWN])
    error = RecordMismatch("demo.whl", many)
    assert error.disagreements == tuple(many)
    assert str(error).splitlines()[-1] == "  and 5 more"


def test_what_could_steer_a_terminal_is_escaped() -> None:
    (text,) = compared(WHOLE + "a\x1b[2J,sha256=x,1\n").disagreements
    assert text == r"`a\x1b[2J`: it is listed, and the archive has no such file"


FIELDS = st.sampled_from(
    [
        *FILES, f"{INFO}/RECORD", f"{INFO}/RECORD.jws", "other.py", "",
        *(record_hash(content) for content in FILES.values()),
        record_hash(FILES["demo.py"], "sha512"), record_hash(FILES["demo.py"], "md5"),
        f"sha256={HEXADECIMAL}", HASH + "=", "sha256=", "sha256", "none=abc",
        *(str(len(content)) for content in FILES.values()), "-1", "x", "06", " 6",
    ]
)  # fmt: skip


@st.composite
def almost_right(draw: st.DrawFn) -> list[list[str]]:
    """Draw the rows of a RECORD, a few fields of which are others."""
    rows = [[path, record_hash(content), str(len(content))] for path, content in FILES.items()]
    rows.append([f"{INFO}/RECORD", "", ""])
    for _ in range(draw(st.integers(0, 3))):
        number = draw(st.integers(0, len(rows) - 1))
        match draw(st.sampled_from(["field", "drop", "repeat"])):
            case "field":
                rows[number][draw(st.integers(0, 2))] = draw(FIELDS)
            case "drop" if len(rows) > 1:
                del rows[number]
            case _:
                rows.append(list(rows[number]))
    return rows


@given(rows=almost_right())
def test_whatever_installer_refuses_is_refused_here(rows: list[list[str]]) -> None:
    text = "".join(
        ",".join(f'"{field}"' if "," in field else field for field in fields) + "\n"
        for fields in rows
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, content in FILES.items():
            archive.writestr(path, content)
        archive.writestr(f"{INFO}/RECORD", text)
        archive.filename = "demo-1.0-py3-none-any.whl"
        record = compared(text)
        if record.disagreements or record.in_hexadecimal:
            return
        WheelFile(archive).validate_record()
