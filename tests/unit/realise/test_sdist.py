"""Source distributions to trees: the same from every archive, and nothing from a hostile one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envbuild import interruption
from envbuild.realise import tar as tar_module
from envbuild.realise import zip as zip_module
from envbuild.realise.archive_limits import Limits
from envbuild.realise.sdist import InvalidSdist, UnsupportedSdist, unpack_sdist
from envbuild.realise.zip_directory import ArchiveTooLarge, DamagedArchive, UnsafeArchive
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from support import hostile, hostile_tar
from support.hostile_tar import Member, tar_gz
from support.source_trees import (
    executable,
    files_below,
    files_of,
    link,
    sdist_tar,
    sdist_zip,
    write_files,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from random import Random

    from envbuild.realise.unpack import Unpacked
    from envbuild.store.publish import Blobs

METADATA = b"Metadata-Version: 2.2\nName: demo\nVersion: 1.0\n\nText\nName: other\n"
FILES: Mapping[str, bytes | str] = {
    "PKG-INFO": METADATA,
    "pyproject.toml": b"[project]\nname = 'demo'\n",
    "src/demo/__init__.py": b"",
    "src/demo/main.py": b"print('hello')\n" * 50,
    "src/demo/same.py": b"print('hello')\n" * 50,
    "tools/build.sh": executable("#!/bin/sh\n"),
    "docs/readme.md": link("../pyproject.toml"),
    "docs/nowhere": link("not/here"),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(str(tmp_path_factory.mktemp("sdist") / "store")) as opened:
        yield opened


@pytest.fixture(scope="module")
def blobs(store: Store) -> Iterator[Blobs]:
    with Publication(store) as publication:
        yield publication.blobs


def unpack(
    source: bytes | Path,
    blobs: Blobs,
    name: str = "demo-1.0.tar.gz",
    *,
    distribution: str | None = "demo",
    version: str | None = "1.0",
    limits: Limits | None = None,
) -> Unpacked:
    descriptor = os.memfd_create("archive")
    try:
        os.write(descriptor, source if isinstance(source, bytes) else source.read_bytes())
        return unpack_sdist(
            descriptor,
            filename=name,
            distribution=distribution,
            version=version,
            limits=limits or Limits(),
            blobs=blobs,
        )
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("name", ["demo-1.0.tar.gz", "demo-1.0.tgz", "DEMO-1.0.TAR.GZ"])
def test_a_tar_archive_gives_its_files_without_the_folder(
    name: str, blobs: Blobs, store: Store
) -> None:
    unpacked = unpack(sdist_tar(FILES), blobs, name)
    assert files_of(unpacked.tree, store) == FILES
    assert unpacked.files == len(FILES)
    assert unpacked.notes == ()


def test_a_zip_archive_gives_the_same_tree(blobs: Blobs) -> None:
    tarred = unpack(sdist_tar(FILES), blobs)
    zipped = unpack(sdist_zip(FILES), blobs, "demo-1.0.zip")
    assert zipped.tree == tarred.tree


def test_an_archive_may_be_named_by_its_path(tmp_path: Path, blobs: Blobs, store: Store) -> None:
    path = tmp_path / "archive"
    path.write_bytes(sdist_tar(FILES))
    unpacked = unpack_sdist(
        str(path),
        filename="demo-1.0.tar.gz",
        distribution="demo",
        version="1.0",
        limits=Limits(),
        blobs=blobs,
    )
    assert files_of(unpacked.tree, store) == FILES


def test_what_is_in_the_store_already_is_not_counted_as_new(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "store")) as store, Publication(store) as publication:
        first = unpack(sdist_tar(FILES), publication.blobs)
        again = unpack(sdist_zip(FILES), publication.blobs, "demo-1.0.zip")
        distinct = {content for content in FILES.values() if not str(content).startswith("link:")}
        sizes = [len(str(content).removeprefix("run:")) if isinstance(content, str) else
                 len(content) for content in distinct]  # fmt: skip
        assert first.new_bytes == sum(sizes)
        assert again.new_bytes == 0
        assert len(list(store.walk(layout.BLOBS))) == len(distinct)


def test_large_files_are_read_in_pieces(monkeypatch: pytest.MonkeyPatch, blobs: Blobs) -> None:
    whole = unpack(sdist_tar(FILES), blobs)
    monkeypatch.setattr(tar_module, "PIECE", 100)
    monkeypatch.setattr(zip_module, "PIECE", 100)
    assert unpack(sdist_tar(FILES), blobs).tree == whole.tree
    assert unpack(sdist_zip(FILES), blobs, "demo-1.0.zip").tree == whole.tree


def test_the_order_and_the_times_of_members_change_nothing(blobs: Blobs) -> None:
    other = Member(name="demo-1.0/b", content=b"b", fields={"time": hostile_tar.octal(9, 12)})
    ahead = [Member(name="demo-1.0/", kind=b"5"), Member(name="demo-1.0/a"), other]
    behind = [Member(name="./demo-1.0/b", content=b"b"), Member(name="demo-1.0/./a", mode=0o600)]
    assert unpack(tar_gz(ahead), blobs).tree == unpack(tar_gz(behind), blobs).tree


def test_the_name_of_the_folder_changes_nothing(blobs: Blobs) -> None:
    trees = {
        unpack(sdist_tar(FILES, top=top), blobs).tree for top in ("demo-1.0", "x", "demo-main")
    }
    assert len(trees) == 1


def test_a_hard_link_is_a_second_file_of_the_same_content(blobs: Blobs, store: Store) -> None:
    members = [
        Member(name="d/a", content=b"x", mode=0o755),
        Member(name="d/b", kind=b"1", target="d/a"),
        Member(name="d/c/d", kind=b"1", target="./d/b"),
    ]
    found = files_of(unpack(tar_gz(members), blobs).tree, store)
    assert found == dict.fromkeys(("a", "b", "c/d"), executable("x"))


@pytest.mark.parametrize("target", ["d/b", "d/later", "d", "d/link"])
def test_a_hard_link_to_what_is_no_file_before_it_is_refused(target: str, blobs: Blobs) -> None:
    members = [
        Member(name="d/a"),
        Member(name="d/link", kind=b"2", target="a"),
        Member(name="d/x", kind=b"1", target=target),
        Member(name="d/later"),
    ]
    with pytest.raises(UnsafeArchive, match=f"it is a link to `{target}`, no file before it"):
        unpack(tar_gz(members), blobs)


OUTSIDE = ["/etc/passwd", "..", "../x", "sub/../../x", "../../demo-1.0/x", "a\\b", "", "a/../b"]


@pytest.mark.parametrize("target", OUTSIDE)
def test_links_that_may_lead_outside_are_refused(target: str, blobs: Blobs) -> None:
    with pytest.raises(UnsafeArchive, match="a symbolic link that may lead outside"):
        unpack(tar_gz([Member(name="d/a", kind=b"2", target=target)]), blobs)
    zipped = hostile.Member(name="d/a", content=target.encode(), mode=hostile.LINK)
    with pytest.raises(UnsafeArchive, match="a symbolic link that may lead outside"):
        unpack(hostile.archive([zipped]), blobs, "demo.zip")


def test_a_link_in_a_zip_archive_is_short_and_text(blobs: Blobs) -> None:
    for content, reason in ((b"x" * 4097, "of 4097 bytes"), (b"\xff", "may lead outside")):
        member = hostile.Member(name="d/a", content=content, mode=hostile.LINK)
        with pytest.raises(UnsafeArchive, match=reason):
            unpack(hostile.archive([member]), blobs, "demo.zip")


EXCLUSIVE: dict[str, list[Member]] = {
    "a file twice": [Member(name="d/a"), Member(name="d/a")],
    "a file twice, otherwise spelled": [Member(name="d/a"), Member(name="d/.//a")],
    "a link and a file": [Member(name="d/a", kind=b"2", target="b"), Member(name="d/a")],
    "a file below a file": [Member(name="d/a"), Member(name="d/a/b")],
    "a file below a link": [Member(name="d/a", kind=b"2", target="."), Member(name="d/a/b")],
    "a link over a file below it": [
        Member(name="d/a/b"),
        Member(name="d/a", kind=b"2", target="."),
    ],
    "a folder and a file": [Member(name="d/a/", kind=b"5"), Member(name="d/a")],
}


@pytest.mark.parametrize("members", EXCLUSIVE.values(), ids=EXCLUSIVE)
def test_members_that_exclude_one_another_are_refused(members: list[Member], blobs: Blobs) -> None:
    with pytest.raises(UnsafeArchive, match=r"it stands twice|it is a file and a folder"):
        unpack(tar_gz(members), blobs)


def test_a_folder_may_stand_twice(blobs: Blobs) -> None:
    folder = Member(name="d/a/", kind=b"5")
    assert unpack(tar_gz([folder, Member(name="d/a/b"), folder]), blobs).files == 1


def test_names_that_differ_in_case_alone_are_refused_where_they_are_one_file(blobs: Blobs) -> None:
    data = tar_gz([Member(name="d/Readme"), Member(name="d/README")])
    assert unpack(data, blobs).files == 2
    with pytest.raises(UnsafeArchive, match="`Readme` is the same file here"):
        unpack(data, blobs, limits=Limits(folds_case=True))


NOT_ONE_FOLDER: dict[str, tuple[list[str], str]] = {
    "two": (["a/x", "b/y"], "found `a` and `b`"),
    "a file beside it": (["a/x", "PKG-INFO"], "found `a` and `PKG-INFO`"),
    "a file alone": (["setup.py"], "found the file `setup.py`"),
    "a file first": (["setup.py", "a/x"], "found the file `setup.py`"),
}


@pytest.mark.parametrize(("names", "reason"), NOT_ONE_FOLDER.values(), ids=NOT_ONE_FOLDER)
def test_everything_must_be_in_one_folder(names: list[str], reason: str, blobs: Blobs) -> None:
    with pytest.raises(InvalidSdist, match=reason):
        unpack(tar_gz([Member(name=name) for name in names]), blobs)
    with pytest.raises(InvalidSdist, match=reason):
        unpack(hostile.archive([hostile.Member(name=name) for name in names]), blobs, "demo.zip")


def test_an_archive_of_nothing_is_refused(blobs: Blobs) -> None:
    for members in ([], [Member(name="d/", kind=b"5")]):
        with pytest.raises(InvalidSdist, match="there is no file in it"):
            unpack(tar_gz(members), blobs)
    with pytest.raises(InvalidSdist, match="there is no file in it"):
        unpack(hostile.archive([hostile.Member(name="d/", mode=0)]), blobs, "demo.zip")


@pytest.mark.parametrize(
    "name",
    ["demo-1.0.tar.bz2", "demo-1.0.tar.xz", "demo-1.0.tar.zst", "demo-1.0.tar", "demo-1.0.tbz",
     "demo-1.0-py3-none-any.whl", "demo-1.0.gz", "demo", "tar.gz"],
)  # fmt: skip
def test_other_formats_are_refused_by_name(name: str, blobs: Blobs) -> None:
    with pytest.raises(UnsupportedSdist) as caught:
        unpack(sdist_tar(FILES), blobs, name)
    assert str(caught.value) == (
        f"`{name}` is no source distribution: only `.tar.gz` and `.zip` archives are accepted"
    )


def test_an_archive_that_is_another_than_its_name_says_is_damaged(blobs: Blobs) -> None:
    with pytest.raises(DamagedArchive, match="it is no gzip file"):
        unpack(sdist_zip(FILES), blobs)
    with pytest.raises(DamagedArchive, match="it does not end as a zip archive does"):
        unpack(sdist_tar(FILES), blobs, "demo-1.0.zip")


def test_limits_hold_for_both_formats(blobs: Blobs) -> None:
    limits = Limits(members=3)
    for data, name in ((sdist_tar(FILES), "demo.tar.gz"), (sdist_zip(FILES), "demo.zip")):
        with pytest.raises(ArchiveTooLarge, match="the limit `members` allows 3"):
            unpack(data, blobs, name, limits=limits)


METADATA_CASES: dict[str, tuple[str, list[str]]] = {
    "the same": ("Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n", []),
    "a name in another spelling": ("Metadata-Version: 2.2\nName: De_Mo\nVersion: 1.0\n", []),
    "a version in another spelling": ("Metadata-Version: 2.2\nName: de-mo\nVersion: 1.0.0\n", []),
    "a longer one": ("Metadata-Version: 2.2\nDescription: x\n  Name: y\nname: de.mo\nVERSION:1\n", []),
    "another name": (
        "Metadata-Version: 2.2\nName: other\nVersion: 1.0\n",
        ["expected the name `de-mo` in PKG-INFO, found `other`"],
    ),
    "another version": (
        "Metadata-Version: 3.0\nName: de-mo\nVersion: 1.1\n",
        ["expected the version 1.0 in PKG-INFO, found `1.1`"],
    ),
    "no version": (
        "Metadata-Version: 2.2\nName: de-mo\nVersion: banana\n",
        ["expected the version 1.0 in PKG-INFO, found `banana`"],
    ),
    "nothing of use": (
        "Metadata-Version: 2.10\nSummary: x\n",
        ["expected the name `de-mo` in PKG-INFO, found ``",
         "expected the version 1.0 in PKG-INFO, found ``"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "reasons"), METADATA_CASES.values(), ids=METADATA_CASES)
def test_metadata_that_promises_something_must_agree(
    text: str, reasons: list[str], blobs: Blobs
) -> None:
    text = text.replace("Name: demo", "Name: de-mo")
    data = sdist_tar({"PKG-INFO": text.encode()})
    if not reasons:
        assert unpack(data, blobs, distribution="de-mo").notes == ()
        return
    with pytest.raises(InvalidSdist) as caught:
        unpack(data, blobs, distribution="de-mo")
    assert list(caught.value.reasons) == reasons


@pytest.mark.parametrize("version", ["1.0", "1.2", "2.1", "", "two"])
def test_older_metadata_that_disagrees_is_told(version: str, blobs: Blobs) -> None:
    text = f"Metadata-Version: {version}\nName: UNKNOWN\nVersion: 0.0.0\n"
    unpacked = unpack(sdist_tar({"PKG-INFO": text.encode()}), blobs)
    assert unpacked.notes == (
        "expected the name `demo` in PKG-INFO, found `UNKNOWN`",
        "expected the version 1.0 in PKG-INFO, found `0.0.0`",
    )


def test_metadata_is_not_asked_for_what_nobody_expects(blobs: Blobs) -> None:
    other = sdist_tar({"PKG-INFO": METADATA.replace(b"demo", b"other")})
    assert unpack(other, blobs, distribution=None, version=None).notes == ()
    assert unpack(sdist_tar({"setup.py": b""}), blobs).notes == ()
    nested = sdist_tar({"sub/PKG-INFO": METADATA.replace(b"demo", b"other")})
    assert unpack(nested, blobs).notes == ()


def test_metadata_without_end_is_refused(monkeypatch: pytest.MonkeyPatch, blobs: Blobs) -> None:
    monkeypatch.setattr(tar_module, "PIECE", 100)
    with pytest.raises(InvalidSdist, match="`PKG-INFO` has 101 bytes"):
        unpack(sdist_tar({"PKG-INFO": bytes(101)}), blobs)


@pytest.mark.parametrize("form", ["tar.gz", "zip"])
def test_what_git_archives_is_a_source(
    form: str, tmp_path: Path, blobs: Blobs, store: Store
) -> None:
    repository = write_files(tmp_path / "repository", FILES)
    for command in (
        ("init", "--quiet"),
        ("add", "."),
        ("-c", "user.name=x", "-c", "user.email=x@y.example", "commit", "--quiet", "-m", "x"),
        ("archive", f"--output=../it.{form}", "--prefix=demo-main/", "HEAD"),
    ):
        subprocess.run(("git", *command), cwd=repository, check=True)
    unpacked = unpack(tmp_path / f"it.{form}", blobs, f"it.{form}")
    assert files_of(unpacked.tree, store) == FILES


@pytest.mark.parametrize("form", ["ustar", "gnu", "pax", "v7", "oldgnu"])
def test_what_gnu_tar_writes_is_read(form: str, tmp_path: Path, blobs: Blobs, store: Store) -> None:
    folder = write_files(tmp_path / "demo-1.0", FILES)
    os.link(folder / "pyproject.toml", folder / "zz-hard-link")
    path = tmp_path / "it.tar.gz"
    command = ("tar", f"--format={form}", "-C", str(tmp_path), "-czf", str(path), "./demo-1.0")
    subprocess.run(command, check=True)
    expected = {**FILES, "zz-hard-link": FILES["pyproject.toml"]}
    assert files_of(unpack(path, blobs).tree, store) == expected


@pytest.mark.parametrize("program", ["bsdtar", "zip"])
def test_what_other_programs_write_is_read(
    program: str, tmp_path: Path, blobs: Blobs, store: Store
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"no {program} here")
    write_files(tmp_path / "demo-1.0", FILES)
    name = "it.zip" if program == "zip" else "it.tar.gz"
    how = ("-q", "-r", "--symlinks", name) if program == "zip" else ("-czf", name)
    subprocess.run((program, *how, "demo-1.0"), cwd=tmp_path, check=True)
    assert files_of(unpack(tmp_path / name, blobs, name).tree, store) == FILES


SEGMENT = st.text("abcXY-_. é日", min_size=1, max_size=30).filter(
    lambda name: name not in {".", ".."}
)
PATHS = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join)
CONTENTS = st.one_of(
    st.binary(max_size=2000),
    st.text(max_size=50).map(executable),
    st.sampled_from(("x", "./x", "sub/x", "x/")).map(link),
)


def _is_a_tree(files: Mapping[str, bytes | str]) -> bool:
    folders = {path[:at] for path in files for at, letter in enumerate(path) if letter == "/"}
    return not folders & files.keys()


@settings(deadline=None)
@given(
    files=st.dictionaries(PATHS, CONTENTS, min_size=1, max_size=8).filter(_is_a_tree),
    chance=st.randoms(use_true_random=False),
)
def test_one_tree_comes_of_every_archive_of_the_same_files(
    files: dict[str, bytes | str], chance: Random, blobs: Blobs, store: Store
) -> None:
    shuffled = dict(chance.sample(list(files.items()), len(files)))
    unpacked = unpack(sdist_tar(files), blobs)
    assert files_of(unpacked.tree, store) == files
    assert unpack(sdist_tar(shuffled, form=tarfile.GNU_FORMAT), blobs).tree == unpacked.tree
    assert unpack(sdist_zip(shuffled), blobs, "demo.zip").tree == unpacked.tree


@pytest.mark.parametrize("form", ["tar.gz", "zip"])
def test_the_standard_library_unpacks_the_same(
    form: str, tmp_path: Path, blobs: Blobs, store: Store
) -> None:
    plain = {path: content for path, content in FILES.items() if isinstance(content, bytes)}
    data = sdist_tar(plain) if form == "tar.gz" else sdist_zip(plain)
    path = tmp_path / f"it.{form}"
    path.write_bytes(data)
    if form == "zip":
        with zipfile.ZipFile(path) as zipped:
            zipped.extractall(tmp_path / "out")
    else:
        with tarfile.open(path) as tarred:
            tarred.extractall(tmp_path / "out", filter="data")
    unpacked = unpack(data, blobs, path.name)
    assert files_of(unpacked.tree, store) == files_below(tmp_path / "out" / "demo-1.0")


@pytest.mark.parametrize("content", [b"x", b"x" * 2**23], ids=["small", "large"])
@pytest.mark.parametrize("form", ["tar.gz", "zip"])
def test_whoever_is_told_to_give_up_stops_between_files_and_within_a_large_one(
    form: str, content: bytes, blobs: Blobs
) -> None:
    files = {"PKG-INFO": METADATA, **{f"{number}.bin": content for number in range(3)}}
    data = sdist_tar(files) if form == "tar.gz" else sdist_zip(files)
    asked = iter(range(3))
    interruption.ask(lambda: next(asked, None) is None)
    try:
        with pytest.raises(KeyboardInterrupt):
            unpack(data, blobs, f"demo-1.0.{form}")
    finally:
        interruption.ask(None)
