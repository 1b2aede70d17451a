"""`envbuild store` on a store that `realize` has filled."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from envbuild.store import layout
from envbuild.store.local import Store

if TYPE_CHECKING:
    from pathlib import Path

    from cli.desk import Desk

WHEEL = "ant-1.0-py3-none-any.whl"


@pytest.fixture
def filled(desk: Desk) -> Desk:
    """Return a desk whose store holds the two wheels."""
    desk.run("realize")
    return desk


def blob_of(desk: Desk, path: str) -> Path:
    """Return where the content of a file of the first wheel is kept."""
    with Store.open(str(desk.store)) as store:
        for record in store.walk(layout.TREES):
            digest = layout.parse_record(record)
            tree = None if digest is None else store.read_tree(digest)
            for entry in () if tree is None else tree.entries:
                if entry.path == path:
                    assert entry.digest is not None
                    return desk.store / layout.blob(entry.digest, executable=False)
    raise AssertionError(path)


def test_the_store_is_somewhere_even_before_it_is_there(desk: Desk) -> None:
    assert desk.run("store", "path").out == f"{desk.store}\n"
    assert desk.run("store", "path", "--store", "x").out == f"{desk.project}/x\n"
    desk.variables["ENVBUILD_STORE"] = ""
    assert desk.run("store", "path").out == f"{desk.root}/home/.local/share/envbuild/store\n"
    assert desk.run("store", "path", "--json").json["path"].endswith("/envbuild/store")


@pytest.mark.parametrize("command", [("path", "ant"), ("ls",), ("info",), ("verify",)])
def test_there_is_nothing_to_look_at_before(desk: Desk, command: tuple[str, ...]) -> None:
    ended = desk.run("store", *command, code=1)
    assert ended.err.startswith(f"error: there is no store at `{desk.store}`\n  hint: ")
    assert not desk.store.exists()


def test_entries_are_listed(filled: Desk) -> None:
    lines = filled.run("store", "ls").out.splitlines()
    assert [line.split()[-1] for line in lines] == [WHEEL, "bee-2.0-py3-none-any.whl"]
    listed = filled.run("store", "ls", "--json").json["entries"]
    assert [entry["archives"] for entry in listed] == [[WHEEL], ["bee-2.0-py3-none-any.whl"]]
    assert lines[0].split()[0] == listed[0]["digest"][:12]
    assert lines[0].split()[1] == str(listed[0]["files"])


def test_the_files_of_an_entry_are_listed(filled: Desk) -> None:
    paths = [line.split()[-1] for line in filled.run("store", "ls", "ant").out.splitlines()]
    assert paths == sorted(paths)
    assert {"ant/__init__.py", "ant-1.0.dist-info/RECORD"} <= set(paths)
    content = filled.run("store", "ls", "ant", "--json").json["entry"]["content"]
    assert [file["path"] for file in content] == paths


@pytest.mark.parametrize("name", ["ant", "ant==1.0", "Ant==1", WHEEL])
def test_an_entry_has_many_names(filled: Desk, name: str) -> None:
    path = filled.run("store", "path", name).out.rstrip("\n")
    assert os.path.isfile(path)
    digest = filled.run("store", "info", name, "--json").json["entry"]["digest"]
    assert path.endswith(f"/{digest[:2]}/{digest[2:]}.json")
    assert filled.run("store", "path", digest[:10]).out.rstrip("\n") == path


def test_an_entry_that_is_not_there_is_an_error(filled: Desk) -> None:
    assert filled.run("store", "ls", "wasp", code=1).err == (
        "error: the store has no entry `wasp`\n"
        "  hint: name a digest or its beginning, a project, `project==version`, or an archive\n"
    )


def test_info_gives_totals(filled: Desk) -> None:
    rows = dict(line.split("  ", 1) for line in filled.run("store", "info").out.splitlines())
    assert {key.strip() for key in rows} >= {"Store", "Entries", "Contents", "Saved"}
    found = filled.run("store", "info", "--json").json["store"]
    assert found["entries"] == 2
    assert found["files"] > found["blobs"]
    assert found["environments"] == [f"{filled.project}/.venv"]
    assert found["environments_gone"] == 0


def test_a_sound_store_is_said_to_be_sound(filled: Desk) -> None:
    ended = filled.run("store", "verify")
    assert ended.out.startswith("Checked ")
    assert ended.out.endswith(": all sound\n")
    assert ended.err == ""
    assert filled.run("store", "verify", "--json").json["clean"] is True


def test_what_is_damaged_is_named(filled: Desk) -> None:
    blob = blob_of(filled, "ant/__init__.py")
    blob.chmod(0o644)
    with blob.open("ab") as file:
        file.write(b"import worm")
    ended = filled.run("store", "verify", code=1)
    assert f"content {blob.relative_to(filled.store)}: expected " in ended.out
    assert f"  {WHEEL}  ant/__init__.py" in ended.out
    assert ended.err == f"error: the store `{filled.store}` is damaged: 1 problem\n"
    quiet = filled.run("store", "verify", "-q", code=1)
    assert (quiet.out, quiet.err) == ("", ended.err)
    report = filled.run("store", "verify", "--json", code=1).json
    assert report["clean"] is False
    (finding,) = report["findings"]
    assert finding["kind"] == "content"
    (use,) = finding["affects"]
    assert (use["name"], use["path"]) == (WHEEL, "ant/__init__.py")
