"""`envbuild build`, as people and programs see it."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.own_backend import sdist
from support.projects import lock_text, package, write_project

if TYPE_CHECKING:
    from cli.desk import Desk

WHEEL = "demo-1.0-py3-none-any.whl"


@pytest.fixture
def at(desk: Desk) -> Desk:
    """Return a desk whose project can be built, and has no lock."""
    os.unlink(desk.project / "uv.lock")
    write_project(desk.project, "demo")
    return desk


def test_a_project_is_built_once(at: Desk) -> None:
    first = at.run("build")
    assert first.out == f"Built demo 1.0: dist/{WHEEL} (896 B)\n"
    assert first.err.splitlines() == [
        "Building demo",
        first.err.splitlines()[1],
        f"note what was built is pinned in `{at.project}/envbuild.lock`; keep it beside the project",
    ]
    second = at.run("build")
    assert second.out == f"Found demo 1.0, built before: dist/{WHEEL} (896 B, as it was)\n"
    assert second.err == ""
    (at.project / "dist" / WHEEL).write_bytes(b"something else")
    third = at.run("build", "../project", "--locked", "--offline", "--wheel")
    assert third.out.endswith(f"dist/{WHEEL} (896 B, in place of another one)\n")
    assert at.run("build", "-q").out == ""


def test_a_result_can_be_read_by_programs(at: Desk) -> None:
    found = at.run("build", "--json", "-o", "out").json
    assert (found["schema"], found["command"], found["lockfile"]) == (
        {"version": "1"},
        "build",
        None,
    )
    (wheel,) = found["wheels"]
    path = Path(wheel["path"])
    assert path == at.project / "out" / WHEEL
    data = path.read_bytes()
    assert (wheel["sha256"], wheel["size"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert (wheel["name"], wheel["version"], wheel["built"]) == ("demo", "1.0", True)
    assert wheel["file"] == "written"
    assert "building" not in Path(wheel["log"]).read_text()
    assert wheel["notes"] == []
    assert wheel["entry"] in at.run("store", "path", "demo").out.replace("/", "")
    again = at.run("build", "--json", "-o", "out").json["wheels"][0]
    assert again == {**wheel, "built": False, "file": "kept"}


def test_the_folder_may_be_elsewhere(at: Desk) -> None:
    elsewhere = at.root / "elsewhere"
    elsewhere.mkdir()
    assert f"{at.project}/dist/{WHEEL}" in at.run("build", "../project", cwd=elsewhere).out
    out = at.run("build", "--directory", "../project", "--out-dir=w", cwd=elsewhere).out
    assert f": w/{WHEEL} (" in out
    assert (at.project / "w" / WHEEL).exists()


def test_settings_are_those_beside_the_lock_or_the_project(at: Desk) -> None:
    settings = '[tool.envbuild]\nbuild-time-limit = "soon"\n'
    with (at.project / "pyproject.toml").open("a") as file:
        file.write(settings)
    elsewhere = at.root / "elsewhere"
    elsewhere.mkdir()
    assert "build-time-limit" in at.run("build", str(at.project), cwd=elsewhere, code=2).err
    member = write_project(at.root / "space" / "member", "member")
    (member.parent / "uv.lock").write_text(lock_text(package("member", 'editable = "member"')))
    (member.parent / "pyproject.toml").write_text("[tool.uv.workspace]\n" + settings)
    assert "build-time-limit" in at.run("build", str(member), cwd=elsewhere, code=2).err


def test_a_source_distribution_is_built_beside_itself(at: Desk) -> None:
    archive = sdist(at.root / "sdists", "made")
    done = at.run("build", "../sdists/made-1.0.tar.gz")
    assert done.out.startswith(f"Built made 1.0: {at.root}/sdists/made-1.0-py3-none-any.whl (")
    assert "is not pinned, since there is no" in done.err
    assert sorted(os.listdir(archive.parent)) == ["made-1.0-py3-none-any.whl", archive.name]


def test_files_can_be_made_smaller(at: Desk) -> None:
    at.run("build", "--compress")
    with zipfile.ZipFile(at.project / "dist" / WHEEL) as archive:
        assert {each.compress_type for each in archive.infolist()} == {zipfile.ZIP_DEFLATED}


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["--sdist"], "`--sdist`: wheels are built here", "`uv build --sdist` makes one"),
        (["nowhere"], "/project/nowhere` is not there", None),
        (["src"], "/project/src` is no project", "there is one above: `"),
        ([".."], "` is no project: it has neither", None),
        (["VERSION"], "/project/VERSION` is neither a folder nor", "archives are `.tar.gz` or"),
        (["x.whl"], "/project/x.whl` is a wheel, and built already", None),
        (["-o", "VERSION"], "no wheel can be written into `", "`--out-dir`"),
        (["-o", "VERSION/x"], "/project/VERSION` is no folder", "`--out-dir`"),
        (["--package", "demo"], "that says which members the workspace has", "`uv lock`"),
        (["--all-packages"], "that says which members the workspace has", "`uv lock`"),
        (["x.zip", "--all-packages"], "is an archive: `--all-packages` is for", None),
        (["--no-build-isolation"], "and there is no lock", "`uv lock`, or build it in isolation"),
        (["--package=a", "--all-packages"], "cannot be used with", None),
        (["a", "b"], "unexpected argument `b`", "see `envbuild build --help`"),
    ],
)
def test_what_makes_no_sense_is_refused(
    at: Desk, words: list[str], message: str, hint: str | None
) -> None:
    for name in ("x.whl", "x.zip"):
        (at.project / name).write_bytes(b"")
    ended = at.run("build", *words, code=2)
    assert message in ended.err
    assert ("hint: " in ended.err) is (hint is not None)
    assert (hint or "") in ended.err
    assert not (at.project / "dist").exists()


def test_a_project_without_a_name_is_refused(at: Desk) -> None:
    (at.project / "pyproject.toml").write_text("[build-system]\nrequires = []\n")
    ended = at.run("build", code=2)
    assert "does not say what its project is called" in ended.err
    assert "hint: put `name` under `[project]` in its `pyproject.toml`\n" in ended.err


def test_a_build_that_fails_is_told_and_leaves_no_folder(at: Desk) -> None:
    write_project(at.project, "demo", body="raise ValueError('no')")
    ended = at.run("build", code=1)
    assert ended.err.count("ValueError: no") == 1
    assert f"log: {at.store}/logs/" in ended.err
    assert not (at.project / "dist").exists()
