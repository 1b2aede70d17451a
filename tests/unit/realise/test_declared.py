"""What sources say of themselves, read and never run."""

from __future__ import annotations

import pytest

from envbuild.lockfile.toml import NotToml
from envbuild.realise.declared import Declared, metadata_fields, promises, read_declared

PROJECT = '[project]\nname = "The.Project"\nversion = "1.0-beta1"\nrequires-python = ">=3.9"\n'
METADATA = "Metadata-Version: 2.1\nName: Of-Metadata\nVersion: 2.0\nRequires-Python: >=3.8\n"
PROMISED = METADATA.replace("2.1", "2.4")
SETUP_CFG = "[metadata]\nname = of_cfg\nversion = 3.0\n"
SCRIPT = "from setuptools import setup\nsetup(name='of.script', version='4.0')\n"


def declared(archive: str | None = None, **files: str) -> Declared:
    """Read files, whose names have `_` for `.`."""
    spelled = {"pkg_info": "PKG-INFO", "project": "pyproject.toml", "cfg": "setup.cfg"}
    named = {spelled.get(name, "setup.py"): text.encode() for name, text in files.items()}
    return read_declared(named, file="pyproject.toml", archive=archive)


def test_a_project_comes_first() -> None:
    assert declared(project=PROJECT, pkg_info=METADATA, cfg=SETUP_CFG, script=SCRIPT) == Declared(
        name="the-project", version="1.0b1", requires_python=">=3.9", is_project=True
    )


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"pkg_info": METADATA, "cfg": SETUP_CFG}, "of-metadata"),
        ({"project": '[tool.poetry]\nname = "of_poetry"\nversion = "1"\n'}, "of-poetry"),
        ({"cfg": SETUP_CFG, "script": SCRIPT}, "of-cfg"),
        ({"script": SCRIPT, "cfg": "[metadata]\nversion = 1\n"}, "of-script"),
        ({"script": "import setuptools as s\nNAME = 'x'\ns.setup(name=NAME)\n"}, "x"),
        ({"script": SCRIPT, "cfg": "name\nis [none"}, "of-script"),
        ({"script": "setup(name=compute())"}, None),
        ({"script": "if a:\n    setup(name='a')\nelse:\n    setup(name='b')\n"}, None),
        ({"script": "this is (no script"}, None),
        ({"script": "setup(name='no name!')"}, None),
        ({"cfg": "[metadata]\nname = file: name.txt\n"}, None),
        ({"project": "[project]\nname = 3\n"}, None),
        ({"project": "project = 1\ntool = 2\n"}, None),
        ({}, None),
    ],
)
def test_a_name_is_read_where_it_stands(files: dict[str, str], name: str | None) -> None:
    found = declared(**files)
    assert (found.name, found.version) == (name, None)


@pytest.mark.parametrize(
    ("archive", "metadata", "version"),
    [
        ("of_metadata-2.0.tar.gz", METADATA, "2.0"),
        ("of_metadata-main.tar.gz", METADATA, None),
        ("of_metadata-main.tar.gz", PROMISED, "2.0"),
        ("of_metadata-main.zip", PROMISED.replace("Version: 2.0", "Version: what"), None),
        ("of_metadata-2.0.zip", "Metadata-Version: 2.2\nName: of-metadata\n", None),
    ],
)
def test_the_version_of_an_archive_is_taken_where_it_is_certain(
    archive: str, metadata: str, version: str | None
) -> None:
    found = declared(archive, pkg_info=metadata)
    assert (found.name, found.version) == ("of-metadata", version)


def test_an_archive_that_says_nothing_has_the_name_of_its_file() -> None:
    assert declared("Some.Thing-1.0.tar.gz", script="setup()").name == "some-thing"
    assert declared("nothing.zip", script="setup()").name is None


def test_what_a_project_requires_of_python_is_believed_where_it_makes_sense() -> None:
    assert declared(pkg_info=METADATA).requires_python == ">=3.8"
    assert declared(project='[project]\nrequires-python = "soon"\n').requires_python is None
    assert declared(project="[project]\nrequires-python = 3\n").requires_python is None


def test_what_is_no_toml_is_said_to_be_none() -> None:
    with pytest.raises(NotToml):
        declared(project="[project\n", script=SCRIPT)


def test_headers_end_where_the_text_begins() -> None:
    assert metadata_fields(b"Name: a\n b: c\nName: d\n\nVersion: 1\n") == {"name": "a"}


def test_metadata_promises_from_2_2_on() -> None:
    found = [promises(version) for version in ("1.2", "2.1", "2.2", "2.10", "3.0", "", "2.x")]
    assert found == [False, False, True, True, True, False, False]
