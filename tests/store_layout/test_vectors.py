"""Each vector is valid, decodes, encodes back to its bytes, and has its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envbuild.digest import digest_of
from store_layout.broken import BROKEN as BROKEN_RECORDS
from store_layout.broken import Broken
from store_layout.broken_build_locks import BROKEN_BUILD_LOCKS
from store_layout.formats import BY_KIND, FORMATS, Format
from store_layout.schemas import schema_faults

if TYPE_CHECKING:
    from pathlib import Path

    from store_layout.conftest import Golden

BROKEN = (*BROKEN_RECORDS, *BROKEN_BUILD_LOCKS)
VALID = [(form, name) for form in FORMATS for name in form.values]
IDS = [f"{form.kind}/{name}" for form, name in VALID]


@pytest.mark.parametrize(("form", "name"), VALID, ids=IDS)
def test_the_code_writes_the_vector_and_its_digest(form: Format, name: str, golden: Golden) -> None:
    data = form.encode(form.values[name])
    golden(
        {
            f"vectors/{form.kind}/{name}{form.suffix}": data,
            f"vectors/{form.kind}/{name}.digest": f"{digest_of(data)}\n".encode(),
        }
    )


@pytest.mark.parametrize(("form", "name"), VALID, ids=IDS)
def test_the_code_reads_the_vector_and_writes_it_back(form: Format, name: str, v1: Path) -> None:
    data = (v1 / f"vectors/{form.kind}/{name}{form.suffix}").read_bytes()
    value = form.decode(data)
    assert value == form.values[name]
    assert form.encode(value) == data


@pytest.mark.parametrize(("form", "name"), VALID, ids=IDS)
def test_the_schema_allows_the_vector(form: Format, name: str, v1: Path) -> None:
    if form.has_schema:
        data = (v1 / f"vectors/{form.kind}/{name}{form.suffix}").read_bytes()
        assert schema_faults(v1, form.kind, data) == []


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: f"{case.kind}/{case.name}")
def test_an_invalid_vector_and_its_verdict_are_written_down(case: Broken, golden: Golden) -> None:
    path = f"vectors/invalid/{case.kind}/{case.name}"
    suffix = BY_KIND[case.kind].suffix
    golden({f"{path}{suffix}": case.data, f"{path}.error.json": case.verdict})


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: f"{case.kind}/{case.name}")
def test_the_code_refuses_an_invalid_vector_as_its_verdict_says(case: Broken, v1: Path) -> None:
    suffix = BY_KIND[case.kind].suffix
    data = (v1 / f"vectors/invalid/{case.kind}/{case.name}{suffix}").read_bytes()
    with pytest.raises(Exception) as caught:
        BY_KIND[case.kind].decode(data)
    assert type(caught.value).__name__ == case.error
    assert getattr(caught.value, "place", None) == case.place


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: f"{case.kind}/{case.name}")
def test_the_schema_refuses_what_it_can_see(case: Broken, v1: Path) -> None:
    if case.error in {"NotCanonical", "NotToml"}:
        assert not case.schema_sees
    else:
        assert bool(schema_faults(v1, case.kind, case.data)) == case.schema_sees


def test_there_is_no_vector_without_a_case(v1: Path) -> None:
    expected = {
        f"{form.kind}/{name}{end}" for form, name in VALID for end in (form.suffix, ".digest")
    }
    expected |= {
        f"invalid/{case.kind}/{case.name}{end}"
        for case in BROKEN
        for end in (BY_KIND[case.kind].suffix, ".error.json")
    }
    folder = v1 / "vectors"
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {name for name in found if not name.startswith("stores/")} == expected
