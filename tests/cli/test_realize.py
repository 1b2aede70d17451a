"""What `envbuild realize` prints, where, and how it ends."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from support.projects import lock_text, package, write_project
from support.wheel_locks import lock_of
from support.wheels import build_wheel

if TYPE_CHECKING:
    from cli.desk import Desk


def test_a_first_run_says_what_it_did(desk: Desk) -> None:
    ended = desk.run("realize")
    first, *lines = ended.out.splitlines()
    assert first.startswith("Realized 2 packages in ")
    assert first.endswith(" (2 added, new environment)")
    assert lines[:2] == [" + ant==1.0", " + bee==2.0"]
    assert lines[-2].startswith(f"Environment {desk.project}/.venv (Python 3.")
    assert lines[-1].startswith("Digest ")
    assert ended.err.splitlines()[0].startswith("Fetching 2 archives")
    assert "\x1b" not in ended.out + ended.err


def test_a_second_run_says_that_there_was_nothing_to_do(desk: Desk) -> None:
    digest = desk.run("realize").out.splitlines()[-1]
    for command in ("realize", "realise"):
        ended = desk.run(command)
        assert ended.out.splitlines()[0] == "Checked 2 packages: nothing to do"
        assert ended.out.splitlines()[-1] == digest
        assert ended.err == ""


def test_what_lies_on_this_machine_is_told_with_its_place(desk: Desk) -> None:
    place = write_project(desk.project / "demo", "demo").as_uri()
    app = package("app", 'virtual = "."', needs="demo")
    text = lock_text(app, package("demo", 'editable = "demo"'))
    (desk.project / "uv.lock").write_text(text, encoding="utf-8")
    assert f" + demo==1.0 (from {place})" in desk.run("realize").out.splitlines()
    assert desk.run("realize").out.startswith("Checked 1 package: nothing to do")
    ended = desk.run("realize", "--no-editable", "--json")
    assert ended.json["changes"] == [
        {"name": "demo", "action": "replaced", "before": "1.0", "after": "1.0", "origin": place}
    ]
    desk.run("realize", "--no-editable", "--locked", "--check")
    failed = desk.run("realize", "--no-editable", "--no-build", code=1)
    assert failed.err == (
        "error: `demo` 1.0 has no wheel, and building it from source is not permitted\n"
    )


def test_a_second_run_looks_at_what_an_editable_is_built_with(desk: Desk) -> None:
    sources = '[tool.uv.sources]\ntool = { path = "../tool" }\n'
    body = "import tool; files['made'] = tool.X.encode()"
    write_project(desk.project / "demo", "demo", requires=["tool"], body=body, more=sources)
    module = write_project(desk.project / "tool", "tool", code="X = 'one'\n") / "src/tool"
    app = package("app", 'virtual = "."', needs="demo")
    text = lock_text(app, package("demo", 'editable = "demo"'))
    (desk.project / "uv.lock").write_text(text, encoding="utf-8")
    for path in (desk.project, *desk.project.rglob("*")):
        os.utime(path, (10**9, 10**9))  # what is younger than two seconds is looked at anyway
    for _ in range(2):
        desk.run("realize")
    (module / "__init__.py").write_text("X = 'another'\n", encoding="utf-8")
    assert " ~ demo==1.0 (from " in desk.run("realize").out


def test_a_change_is_told_by_signs(desk: Desk) -> None:
    desk.run("realize")
    desk.lock((("ant", "1.1"), ("cat", "3.0")))
    lines = desk.run("realize").out.splitlines()
    assert lines[0].endswith(" (1 added, 1 replaced, 1 removed)")
    assert lines[1:4] == [" ~ ant==1.0 -> 1.1", " - bee==2.0", " + cat==3.0"]


def test_a_check_fails_where_something_differs(desk: Desk) -> None:
    ended = desk.run("realize", "--check", code=1)
    assert ended.out.splitlines()[0].startswith("Would realize 2 packages (2 to add")
    assert ended.err.endswith(
        f"error: the environment `{desk.project}/.venv` is not what the lock asks for\n"
    )
    assert not (desk.project / ".venv").exists()
    desk.run("realize")
    assert desk.run("realize", "--check").err == ""


def test_a_check_that_fails_is_one_document_for_programs(desk: Desk) -> None:
    ended = desk.run("realize", "--check", "--json", code=1)
    assert ended.json["check"] is True
    assert [change["name"] for change in ended.json["changes"]] == ["ant", "bee"]


def test_a_dry_run_ends_well(desk: Desk) -> None:
    ended = desk.run("realize", "--dry-run")
    assert "2 packages would be fetched or built" in ended.out
    assert not (desk.project / ".venv").exists()
    assert not desk.store.exists()


@pytest.mark.parametrize(
    ("options", "out", "err"),
    [(("-q",), False, False), (("-qq",), False, False), (("-v",), True, True)],
)
def test_quiet_and_verbose(desk: Desk, options: tuple[str, ...], out: bool, err: bool) -> None:
    ended = desk.run("realize", *options)
    assert bool(ended.out) is out
    assert ("Unpacked ant-1.0-py3-none-any.whl" in ended.err) is err
    assert bool(ended.err) is err


def test_quiet_leaves_errors_and_very_quiet_the_exit_code(desk: Desk) -> None:
    assert desk.run("realize", "absent.lock", "-q", code=2).err.startswith("error: ")
    ended = desk.run("realize", "absent.lock", "-qq", code=2)
    assert (ended.out, ended.err) == ("", "")


def test_programs_get_the_result_as_json(desk: Desk) -> None:
    ended = desk.run("realize", "--json", "-q")
    assert ended.err == ""
    assert ended.json["prefix"] == f"{desk.project}/.venv"
    assert {change["action"] for change in ended.json["changes"]} == {"added"}
    assert desk.run("realize", "--json").json["changes"] == []


def test_programs_get_errors_as_json_and_people_as_text(desk: Desk) -> None:
    ended = desk.run("realize", "--json", "--extra", "x", "--group", "y", code=1)
    assert len(ended.json["error"]["problems"]) == 2
    assert ended.err.startswith("error: there are 2 problems\n")


def test_an_unsupported_lock_is_no_ordinary_failure(desk: Desk) -> None:
    (desk.project / "uv.lock").write_text("version = 2\nrevision = 0\n", encoding="utf-8")
    assert "version 2" in desk.run("realize", code=2).err
    (desk.project / "uv.lock").write_text("version = 1\n[[", encoding="utf-8")
    desk.run("realize", code=1)


def test_settings_of_the_project_count(desk: Desk) -> None:
    (desk.project / "pyproject.toml").write_text(
        '[project]\nname = "project"\nversion = "0"\n'
        '[tool.envbuild]\nvenv = "env"\nlink-mode = "copy"\n',
        encoding="utf-8",
    )
    ended = desk.run("realize", "--json")
    assert ended.json["prefix"] == f"{desk.project}/env"
    assert ended.json["link_mode"] == "copy"
    ended = desk.run("realize", "--json", "--no-config", "--link-mode", "hardlink")
    assert ended.json["prefix"] == f"{desk.project}/.venv"
    assert ended.json["link_mode"] == "hardlink"


def test_who_has_a_path_that_two_claim_may_be_set(desk: Desk) -> None:
    wheels = [
        build_wheel(desk.project / "wheels", name, "1", files={"same.py": f"X = {name!r}\n"})
        for name in ("one", "two")
    ]
    (desk.project / "uv.lock").write_text(lock_of(wheels, folder=desk.project), encoding="utf-8")
    failed = desk.run("realize", code=1)
    assert "`one` and `two` both install `lib/python" in failed.err
    assert "hint: `--collisions first` takes" in failed.err
    (desk.project / "pyproject.toml").write_text(
        '[tool.envbuild]\ncollisions = "last"\n', encoding="utf-8"
    )
    assert "note `one` does without `lib/python" in desk.run("realize").out
    desk.variables["ENVBUILD_COLLISIONS"] = "first"
    assert "note `two` does without `lib/python" in desk.run("realize").out
    assert "note `one` does without `lib/python" in desk.run("realize", "--collisions=last").out


def test_what_uv_is_told_counts_as_soon_as_it_is_told(desk: Desk) -> None:
    desk.run("realize")
    assert desk.run("realize").out.startswith("Checked 2 packages")
    (desk.project / "uv.toml").write_text('link-mode = "soft"\n', encoding="utf-8")
    assert "`link-mode`: expected one of" in desk.run("realize", code=2).err
    (desk.project / "uv.toml").write_text('link-mode = "copy"\n', encoding="utf-8")
    assert desk.run("realize", "--clear", "--json").json["link_mode"] == "copy"


def test_a_wrong_setting_names_file_and_key(desk: Desk) -> None:
    path = desk.project / "pyproject.toml"
    path.write_text("[tool.envbuild]\nofline = true\n", encoding="utf-8")
    assert desk.run("realize", code=2).err == (
        f"error: `{path}`: there is no setting `tool.envbuild.ofline`\n"
        "  hint: did you mean `offline`?\n"
    )


def test_variables_of_uv_are_understood(desk: Desk) -> None:
    desk.variables["UV_PROJECT_ENVIRONMENT"] = "from-uv"
    assert desk.run("realize", "--json").json["prefix"] == f"{desk.project}/from-uv"
    desk.variables["ENVBUILD_VENV"] = "ours"
    assert desk.run("realize", "--json").json["prefix"] == f"{desk.project}/ours"


def test_another_folder_may_be_worked_in(desk: Desk) -> None:
    ended = desk.run("--directory", "project", "realize", "--json", cwd=desk.root)
    assert ended.json["prefix"] == f"{desk.project}/.venv"
    shutil.rmtree(desk.project / ".venv")
    assert desk.run("realize", "project", "--json", cwd=desk.root).json["created"] is True
