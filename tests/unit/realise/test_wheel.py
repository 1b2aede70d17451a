"""What a wheel says of itself, held against what it should be."""

from __future__ import annotations

import pytest

from envbuild.realise.wheel import InvalidWheel, check_metadata, find_folders

WHEEL = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
METADATA = b"Metadata-Version: 2.1\nName: My.Project\nVersion: 1.0\n\nName: not this one\n"


def folders_of(*paths: str, version: str = "1.0") -> tuple[str, str]:
    found = find_folders(paths, archive="x.whl", distribution="my-project", version=version)
    return found.info, found.data


@pytest.mark.parametrize(
    ("info", "version"),
    [
        ("my_project-1.0.dist-info", "1.0"),
        ("My.Project-1.0.dist-info", "1.0"),
        ("my-project-1.0.dist-info", "1.0"),
        ("MY__project-1.0.dist-info", "1.0"),
        ("my_project-1.0.0.dist-info", "1.0"),
        ("my_project-1.0.dist-info", "1.0.0"),
        ("my_project-1.0rc1.dist-info", "1.0.rc1"),
        ("my_project-1.0-1.dist-info", "1.0.post1"),
        ("my_project-1.0+cpu.dist-info", "1.0+cpu"),
        ("my_project-1.0.dist-info", "1.0+cpu"),
    ],
)
def test_the_info_folder_is_that_of_the_distribution(info: str, version: str) -> None:
    stem = info.removesuffix(".dist-info")
    assert folders_of("my/a.py", f"{info}/WHEEL", version=version) == (info, f"{stem}.data")


BAD_FOLDERS: dict[str, tuple[list[str], str]] = {
    "none": (["my/a.py"], "found none"),
    "two": (
        ["my_project-1.0.dist-info/WHEEL", "other-1.0.dist-info/WHEEL"],
        "found `my_project-1.0.dist-info`, `other-1.0.dist-info`",
    ),
    "a file": (["my_project-1.0.dist-info"], "found none"),
    "one further down": (["x/my_project-1.0.dist-info/WHEEL"], "found none"),
    "another distribution": (["other-1.0.dist-info/WHEEL"], "found `other-1.0.dist-info`"),
    "another version": (["my_project-1.1.dist-info/WHEEL"], "found `my_project-1.1.dist-info`"),
    "another local version": (["my_project-1.0+x.dist-info/WHEEL"], "found `my_project-1.0+x"),
    "no version": (["my_project.dist-info/WHEEL"], "found `my_project.dist-info`"),
    "what is no version": (["my_project-x.dist-info/WHEEL"], "found `my_project-x.dist-info`"),
    "another name of the data folder": (
        ["my_project-1.0.dist-info/WHEEL", "My_Project-1.0.data/scripts/x"],
        "expected the `.data` folder `my_project-1.0.data`, found `My_Project-1.0.data`",
    ),
    "another version of the data folder": (
        ["my_project-1.0.dist-info/WHEEL", "my_project-1.0.0.data/scripts/x"],
        "expected the `.data` folder `my_project-1.0.data`",
    ),
    "data for nowhere": (
        ["my_project-1.0.dist-info/WHEEL", "my_project-1.0.data/lib/x"],
        "`my_project-1.0.data/lib/x` is in none",
    ),
    "a file among the data folders": (
        ["my_project-1.0.dist-info/WHEEL", "my_project-1.0.data/scripts"],
        "`my_project-1.0.data/scripts` is in none",
    ),
}


@pytest.mark.parametrize(("paths", "reason"), BAD_FOLDERS.values(), ids=BAD_FOLDERS)
def test_other_folders_are_refused(paths: list[str], reason: str) -> None:
    with pytest.raises(InvalidWheel) as caught:
        folders_of(*paths)
    assert reason in str(caught.value)
    assert caught.value.archive == "x.whl"


def test_data_folders_of_others_are_ordinary_folders() -> None:
    paths = ["my_project-1.0.dist-info/WHEEL", "other-1.0.data/x", "my.data/x", "x/y.dist-info/z"]
    assert folders_of(*paths) == ("my_project-1.0.dist-info", "my_project-1.0.data")


def test_every_scheme_and_its_folder_members_are_known() -> None:
    data = "my_project-1.0.data"
    paths = [f"{data}/", "my_project-1.0.dist-info/"]
    for scheme in ("purelib", "platlib", "headers", "scripts", "data"):
        paths += [f"{data}/{scheme}/", f"{data}/{scheme}/x"]
    assert folders_of(*paths) == ("my_project-1.0.dist-info", data)


def checked(
    wheel: bytes | None = WHEEL, metadata: bytes | None = METADATA, version: str = "1.0"
) -> tuple[str, ...]:
    return check_metadata(
        wheel, metadata, archive="x.whl", distribution="my-project", version=version
    )


@pytest.mark.parametrize(
    ("metadata", "version"),
    [
        (METADATA, "1.0"),
        (METADATA, "1.0.0"),
        (METADATA, "1.0+local"),
        (METADATA.replace(b"\n", b"\r\n"), "1.0"),
        (METADATA.replace(b"Name", b"NAME"), "1.0"),
        (b"Name: my-project\nVersion: 1!2.0\nSummary: x\n Name: other\n", "1!2"),
        (b"Name: my-project\nVersion: 1.0\nthis line ends it\nName: other\n", "1.0"),
        (b"Name: my-project\nVersion: 1.0\nAuthor: Andr\xe9\n", "1.0"),
    ],
)
def test_metadata_of_the_distribution_is_accepted(metadata: bytes, version: str) -> None:
    assert checked(metadata=metadata, version=version) == ()


BAD_METADATA: dict[str, tuple[bytes | None, bytes | None, list[str]]] = {
    "nothing": (None, None, ["WHEEL is missing", "METADATA is missing"]),
    "another name": (
        WHEEL,
        METADATA.replace(b"My.Project", b"other"),
        ["expected the name `my-project` in METADATA, found `other`"],
    ),
    "another version": (
        WHEEL,
        METADATA.replace(b"1.0", b"1.1"),
        ["expected the version 1.0 in METADATA, found `1.1`"],
    ),
    "another local version": (
        WHEEL,
        METADATA.replace(b"1.0", b"1.0+cpu"),
        ["expected the version 1.0 in METADATA, found `1.0+cpu`"],
    ),
    "what is no version": (
        WHEEL,
        METADATA.replace(b"1.0", b"\x1bone"),
        [r"expected the version 1.0 in METADATA, found `\x1bone`"],
    ),
    "no name and no version": (
        WHEEL,
        b"\nName: my-project\nVersion: 1.0\n",
        [
            "expected one field `Name` in METADATA, found 0",
            "expected one field `Version` in METADATA, found 0",
        ],
    ),
    "two names": (
        WHEEL,
        b"Name: my-project\n" + METADATA,
        ["expected one field `Name` in METADATA, found 2"],
    ),
    "no version of the format": (
        b"Root-Is-Purelib: true\n",
        METADATA,
        ["expected one field `Wheel-Version` in WHEEL, found 0"],
    ),
    "a later major version of the format": (
        b"Wheel-Version: 2.0\n",
        METADATA,
        ["expected Wheel-Version 1 in WHEEL, found `2.0`"],
    ),
}


@pytest.mark.parametrize(("wheel", "metadata", "reasons"), BAD_METADATA.values(), ids=BAD_METADATA)
def test_metadata_of_another_distribution_is_refused(
    wheel: bytes | None, metadata: bytes | None, reasons: list[str]
) -> None:
    with pytest.raises(InvalidWheel) as caught:
        checked(wheel, metadata)
    assert list(caught.value.reasons) == reasons


def test_a_later_minor_version_of_the_format_is_noted() -> None:
    assert checked(b"Wheel-Version: 1.9\n") == (
        "its Wheel-Version is 1.9, newer than the 1.0 that is known",
    )
