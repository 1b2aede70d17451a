"""Wheels to trees, beside what `installer` makes of them; and what is refused on the way."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import stat
import threading
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from envbuild.digest import digest_of
from envbuild.errors import RealiseError
from envbuild.realise import zip as zip_module
from envbuild.realise.archive_limits import Limits
from envbuild.realise.record import RecordMismatch
from envbuild.realise.unpack import Unpacked, unpack_wheel
from envbuild.realise.wheel import InvalidWheel
from envbuild.realise.zip_directory import ArchiveTooLarge, DamagedArchive, UnsafeArchive
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from support.hostile import LINK, Member, archive, record_hash, record_of, wheel
from support.wheels import build_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from envbuild.store.publish import Blobs

INFO = "demo-1.0.dist-info"
FILES = {
    "demo/__init__.py": b"",
    "demo/main.py": b"print('hello')\n" * 50,
    "demo/empty.txt": b"",
    "demo/same.py": b"print('hello')\n" * 50,
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "store"))
    yield opened
    opened.close()


@pytest.fixture
def blobs(store: Store) -> Iterator[Blobs]:
    with Publication(store) as publication:
        yield publication.blobs


def unpack(
    source: str | bytes | Iterable[Member],
    blobs: Blobs,
    *,
    distribution: str = "demo",
    version: str = "1.0",
    verify_record: bool = True,
    limits: Limits | None = None,
) -> Unpacked:
    """Unpack a wheel from its path, its bytes or its members."""
    if not isinstance(source, str):
        data = source if isinstance(source, bytes) else archive(source)
        descriptor = os.memfd_create("archive")
        os.write(descriptor, data)
    try:
        return unpack_wheel(
            source if isinstance(source, str) else descriptor,
            filename=os.path.basename(source) if isinstance(source, str) else "demo.whl",
            distribution=distribution,
            version=version,
            verify_record=verify_record,
            limits=limits or Limits(),
            blobs=blobs,
        )
    finally:
        if not isinstance(source, str):
            os.close(descriptor)


def contents(unpacked: Unpacked, store: Store) -> dict[str, tuple[bytes, bool]]:
    """Return path to content and executability, read from the store and checked."""
    found = {}
    for entry in unpacked.tree.entries:
        assert entry.digest is not None
        executable = entry.kind == "executable"
        path = store.absolute(layout.blob(entry.digest, executable=executable))
        with open(path, "rb") as file:
            content = file.read()
        assert os.stat(path).st_mode & 0o777 == (0o555 if executable else 0o444)
        assert os.stat(path).st_mtime == layout.TIMESTAMP
        assert entry.digest == digest_of(content)
        assert entry.sha256 == hashlib.sha256(content).hexdigest()
        assert entry.size == len(content)
        found[entry.path] = (content, executable)
    return found


def blobs_in(store: Store) -> list[str]:
    return list(store.walk(layout.BLOBS))


def installed(path: str, folder: Path) -> dict[str, tuple[bytes, bool]]:
    """Return what `installer` makes of a wheel: path in the archive to content, executability."""
    schemes = {name: folder / name for name in ("purelib", "platlib", "headers", "scripts", "data")}
    schemes["platlib"] = schemes["purelib"]
    destination = SchemeDictionaryDestination(
        {name: str(place) for name, place in schemes.items()},
        interpreter="/usr/bin/python3",
        script_kind="posix",
    )
    with WheelFile.open(path) as source:  # type: ignore[arg-type]
        install(source, destination, additional_metadata={})
    found = {}
    for name, place in schemes.items():
        for parent, _, files in os.walk(place):
            for file in files:
                whole = os.path.join(parent, file)
                below = os.path.relpath(whole, place)
                with open(whole, "rb") as opened:
                    content = opened.read()
                top = "" if name in {"purelib", "platlib"} else f"{name}/"
                found[top + below] = (content, bool(os.stat(whole).st_mode & stat.S_IXUSR))
    return found


def spread(found: dict[str, tuple[bytes, bool]], stem: str) -> dict[str, tuple[bytes, bool]]:
    """Return `found` with the paths below `.data` as `installed` has them."""
    spread = {}
    for path, value in found.items():
        below = path.removeprefix(f"{stem}.data/")
        if below != path and below.startswith(("purelib/", "platlib/")):
            below = below.partition("/")[2]
        spread[below] = value
    return spread


WHEELS: dict[str, dict[str, object]] = {
    "a module": {},
    "packages and data": {
        "files": {
            "demo/__init__.py": "",
            "demo/deep/er/still/module.py": "x = 1\n",
            "demo/data.bin": bytes(range(256)) * 500,
            "demo.libs/lib.so": b"\x7fELF" + bytes(70_000),
        }
    },
    "every scheme": {
        "data": {
            "scripts/run": "#!/bin/sh\nexit 0\n",
            "scripts/nested/run": b"\x7fELF",
            "purelib/pure.py": "pure = 1\n",
            "platlib/plat.so": b"\x7fELF",
            "headers/demo.h": "#pragma once\n",
            "data/share/demo/demo.conf": "[demo]\n",
        }
    },
    "entry points": {"entry_points": {"console_scripts": {"demo": "demo:main"}}},
    "odd names": {
        "files": {
            "demo/sch\u00f6n/\u65e5\u672c\u8a9e.txt": "x",
            "demo/with space, and comma.txt": "x",
            'demo/quo"te.txt': "x",
            "demo/.hidden": "x",
            "demo/a..b": "x",
            "demo/\U0001f40d.py": "x",
        }
    },
}


@pytest.mark.parametrize("options", WHEELS.values(), ids=WHEELS)
def test_a_tree_holds_what_installer_installs(
    options: dict[str, object], tmp_path: Path, store: Store, blobs: Blobs
) -> None:
    path = build_wheel(tmp_path, "demo", "1.0", **options)  # type: ignore[arg-type]
    unpacked = unpack(path, blobs)
    expected = installed(path, tmp_path / "installed")
    found = spread(contents(unpacked, store), "demo-1.0")
    record = f"{INFO}/RECORD"
    assert found.pop(record)[0] == zipfile.ZipFile(path).read(record)
    del expected[record]
    expected.pop("scripts/demo", None)  # made from an entry point
    assert found == expected
    assert unpacked.files == len(unpacked.tree.entries)
    assert unpacked.notes == ()


def test_what_is_new_is_counted_and_what_is_there_is_left(store: Store, blobs: Blobs) -> None:
    members = wheel(FILES)
    first = unpack(members, blobs)
    assert first.files == 7
    sizes = {entry.digest: entry.size or 0 for entry in first.tree.entries}
    assert first.new_bytes == sum(sizes.values())
    assert len(blobs_in(store)) == len(sizes) == 5
    again = unpack(members, blobs)
    assert again.new_bytes == 0
    assert again.tree == first.tree


def test_one_content_in_two_modes_is_two_blobs(store: Store, blobs: Blobs) -> None:
    members = wheel({"a": b"#!/bin/sh\n", "b": b"#!/bin/sh\n"})
    members[1].mode = 0o100755
    found = contents(unpack(members, blobs), store)
    assert (found["a"], found["b"]) == ((b"#!/bin/sh\n", False), (b"#!/bin/sh\n", True))


def test_everything_in_the_scripts_folder_is_executable(store: Store, blobs: Blobs) -> None:
    paths = [
        "demo-1.0.data/scripts/a",
        "demo-1.0.data/scripts/b/c",
        "demo-1.0.data/data/scripts/d",
        "demo/scripts/e",
        "demo-1.0.data/headers/f",
    ]
    members = wheel(dict.fromkeys(paths, b"x"))
    found = contents(unpack(members, blobs), store)
    assert [found[path][1] for path in paths] == [True, True, False, False, False]


def test_folders_are_no_entries(store: Store, blobs: Blobs) -> None:
    folders = [Member(name="demo/", mode=0o040755), Member(name=f"{INFO}/", mode=0o040755)]
    unpacked = unpack([*folders, *wheel(FILES)], blobs)
    assert unpacked.tree == unpack(wheel(FILES), blobs).tree


def test_the_order_and_the_compression_of_members_change_nothing(blobs: Blobs) -> None:
    members = wheel(FILES)
    expected = unpack(members, blobs).tree
    for member in members:
        member.method = 0
    assert unpack(reversed(members), blobs).tree == expected


def test_large_files_are_streamed_and_come_out_the_same(
    store: Store, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = {"large.bin": bytes(3 << 20) + b"end", "twice.bin": bytes(3 << 20) + b"end"}
    info = {**large, "other.bin": b"other" * 999}
    rows = record_of({**info, **_metadata()}, INFO)
    rows = rows.replace(
        record_hash(large["large.bin"]).encode(), record_hash(large["large.bin"], "sha512").encode()
    )
    members = wheel(info, record=rows)
    expected = unpack(members, blobs, verify_record=False)
    assert expected.notes == ()
    found = contents(expected, store)
    monkeypatch.setattr(zip_module, "PIECE", 1000)
    again = unpack(members, blobs)
    assert (again.tree, again.new_bytes) == (expected.tree, 0)
    for blob in blobs_in(store):
        os.unlink(store.absolute(blob))
    anew = unpack(members, blobs)
    assert (anew.tree, anew.new_bytes) == (expected.tree, expected.new_bytes)
    assert contents(anew, store) == found
    members[0].content = b"\0" + large["large.bin"][1:-1] + b"!"
    with pytest.raises(RecordMismatch, match=r"`large\.bin`: expected `sha512="):
        unpack(members, blobs)


def _metadata() -> dict[str, bytes]:
    """Return METADATA and WHEEL as `wheel` writes them."""
    return {
        str(member.name): member.content
        for member in wheel({})
        if not str(member.name).endswith("RECORD")
    }


MALICIOUS: dict[str, tuple[list[Member], type[RealiseError]]] = {
    "path traversal": ([Member(name="../evil.py")], UnsafeArchive),
    "a symbolic link": ([Member(name="evil", content=b"/etc", mode=LINK)], UnsafeArchive),
    "a file twice": ([Member(name="demo/main.py", content=b"evil")], UnsafeArchive),
    "a file below a file": ([Member(name="demo/main.py/evil")], UnsafeArchive),
    "a second distribution": ([Member(name="evil-1.0.dist-info/METADATA")], InvalidWheel),
    "a hidden data folder": ([Member(name="Demo-1.0.data/scripts/evil")], InvalidWheel),
    "data for nowhere": ([Member(name="demo-1.0.data/evil/x")], InvalidWheel),
}


@pytest.mark.parametrize(("more", "error"), MALICIOUS.values(), ids=MALICIOUS)
@pytest.mark.parametrize("verify_record", [True, False])
def test_what_is_known_beforehand_leaves_no_trace(
    more: list[Member], error: type[RealiseError], verify_record: bool, store: Store, blobs: Blobs
) -> None:
    with pytest.raises(error, match=r"demo\.whl"):
        unpack([*wheel(FILES), *more], blobs, verify_record=verify_record)
    assert blobs_in(store) == []


def test_a_bomb_leaves_no_trace(store: Store, blobs: Blobs) -> None:
    with pytest.raises(ArchiveTooLarge):
        unpack(wheel({"bomb": bytes(1 << 20)}), blobs, limits=Limits(ratio_from=1000))
    assert blobs_in(store) == []


def test_another_distribution_leaves_no_trace(store: Store, blobs: Blobs) -> None:
    members = wheel(FILES)
    with pytest.raises(InvalidWheel, match=r"`other` 1\.0, found `demo-1"):
        unpack(members, blobs, distribution="other")
    with pytest.raises(InvalidWheel, match=r"`demo` 2\.0, found `demo-1"):
        unpack(members, blobs, version="2.0")
    members = wheel(FILES, replaced={f"{INFO}/METADATA": b"Name: other\nVersion: 1.0\n"})
    with pytest.raises(InvalidWheel, match="expected the name `demo` in METADATA, found `other`"):
        unpack(members, blobs)
    assert blobs_in(store) == []


@pytest.mark.parametrize("name", ["METADATA", "WHEEL"])
def test_a_wheel_without_its_own_metadata_is_refused(name: str, blobs: Blobs) -> None:
    with pytest.raises(InvalidWheel, match=f"{name} is missing"):
        unpack(wheel(FILES, replaced={f"{INFO}/{name}": None}), blobs)


def test_metadata_without_end_is_refused(blobs: Blobs, store: Store) -> None:
    members = wheel(FILES)
    for member in members:
        if member.name == f"{INFO}/RECORD":
            member.central = {"size": 65 << 20}
    with pytest.raises(InvalidWheel, match="RECORD` has 68157440 bytes"):
        unpack(members, blobs)
    assert blobs_in(store) == []


def test_damage_behind_the_first_files_is_found(blobs: Blobs) -> None:
    members = wheel(FILES)
    members[3].central = {"crc": 1}
    members[3].local = {"crc": 1}
    with pytest.raises(DamagedArchive, match=r"`demo/same\.py`: its CRC"):
        unpack(members, blobs)


def test_a_record_that_disagrees_is_refused_or_noted(store: Store, blobs: Blobs) -> None:
    members = wheel(
        FILES, replaced={"demo/main.py": b"changed", "demo/more.py": b"", "demo/same.py": None}
    )
    with pytest.raises(RecordMismatch) as caught:
        unpack(members, blobs)
    assert [text.partition(": ")[0] for text in caught.value.disagreements] == [
        "`demo/main.py`",
        "`demo/more.py`",
        "`demo/same.py`",
    ]
    accepted = unpack(members, blobs, verify_record=False)
    assert accepted.notes == caught.value.disagreements
    assert contents(accepted, store)["demo/main.py"] == (b"changed", False)


def test_a_wheel_without_a_record_is_refused_or_noted(blobs: Blobs) -> None:
    members = wheel(FILES, replaced={f"{INFO}/RECORD": None})
    with pytest.raises(RecordMismatch, match="RECORD`: it is missing"):
        unpack(members, blobs)
    assert unpack(members, blobs, verify_record=False).notes == (f"`{INFO}/RECORD`: it is missing",)


def test_hashes_in_hexadecimal_are_accepted_and_noted(blobs: Blobs) -> None:
    record = record_of({**FILES, **_metadata()}, INFO)
    for content in {*FILES.values(), *_metadata().values()}:
        spelled = f"sha256={hashlib.sha256(content).hexdigest()}"
        record = record.replace(record_hash(content).encode(), spelled.encode())
    unpacked = unpack(wheel(FILES, record=record), blobs)
    assert unpacked.notes == ("RECORD spells the hashes of 6 files in hexadecimal",)


def test_wheels_are_unpacked_side_by_side(store: Store, blobs: Blobs) -> None:
    shared = {f"demo/{number}.py": b"%d" % (number % 50) for number in range(300)}
    members = wheel(shared)
    expected = unpack(members, blobs)
    for blob in blobs_in(store):
        os.unlink(store.absolute(blob))
    results: list[Unpacked] = []
    threads = [
        threading.Thread(target=lambda: results.append(unpack(members, blobs))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.tree for result in results] == [expected.tree] * 4
    assert sum(result.new_bytes for result in results) == expected.new_bytes
    assert contents(results[0], store).keys() == {*shared, *_metadata(), f"{INFO}/RECORD"}


def test_what_comes_of_it_can_go_to_another_process(blobs: Blobs) -> None:
    unpacked = unpack(wheel(FILES), blobs)
    assert pickle.loads(pickle.dumps(unpacked)) == unpacked
    assert pickle.loads(pickle.dumps(Limits(members=7))) == Limits(members=7)


PARTS = st.text(st.sampled_from("ab.\u00e9 -"), min_size=1, max_size=3).filter(
    lambda part: part not in {".", ".."}
)
TREES = st.dictionaries(
    st.lists(PARTS, min_size=1, max_size=3).map("/".join), st.binary(max_size=40), max_size=8
).filter(lambda files: not any(path.startswith(f"{other}/") for path in files for other in files))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=TREES)
def test_any_tree_that_is_zipped_is_unpacked_as_it_was(
    files: dict[str, bytes], store: Store, blobs: Blobs
) -> None:
    stream = io.BytesIO()
    members = wheel(files)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for member in members:
            made.writestr(str(member.name), member.content)
    found = contents(unpack(stream.getvalue(), blobs), store)
    assert found == {str(member.name): (member.content, False) for member in members}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0), st.integers(1, 255)), min_size=1, max_size=3),
    verify_record=st.booleans(),
)
def test_a_changed_wheel_is_refused_or_gives_the_same_tree(
    changes: list[tuple[int, int]], verify_record: bool, store: Store, blobs: Blobs
) -> None:
    members = wheel(FILES)
    data = bytearray(archive(members))
    for at, mask in changes:
        data[at % len(data)] ^= mask
    try:
        unpacked = unpack(bytes(data), blobs, verify_record=verify_record)
    except RealiseError:
        return
    # Modes stand in the directory alone, and nothing vouches for them.
    found = {path: content for path, (content, _) in contents(unpacked, store).items()}
    assert found == {str(member.name): member.content for member in members}
