"""Whole runs on an index of this machine: digests, link modes, doing nothing, taking over."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from e2e.comparison import contents, differences, record_faults
from e2e.workbench import snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.shop import Shop
    from e2e.workbench import Workbench

LINK_MODES = ("auto", "hardlink", "reflink", "copy", "symlink")
WRITES = (
    "open,openat,creat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,"
    "unlink,unlinkat,rmdir,truncate,chmod,fchmodat,utimensat"
)


@pytest.fixture(params=LINK_MODES)
def link_mode(request: pytest.FixtureRequest) -> str:
    mode: str = request.param
    return mode


def test_the_digest_depends_on_neither_path_nor_store_nor_link_mode(
    workbench: Workbench, shop: Shop, tmp_path: Path
) -> None:
    digests = {workbench.realize(f"env-{m}", shop.first, "--link-mode", m).json["digest"]
               for m in LINK_MODES}  # fmt: skip
    elsewhere = replace(workbench, store=tmp_path / "another store")
    digests.add(elsewhere.realize(str(tmp_path / "a deeper" / "place"), shop.first).json["digest"])
    assert len(digests) == 1


def test_every_link_mode_gives_what_uv_gives(
    workbench: Workbench, shop: Shop, link_mode: str
) -> None:
    workbench.realize("env", shop.first, "--link-mode", link_mode)
    theirs = str(workbench.folder / "theirs")
    workbench.uv("sync", "--frozen", "--project", f"{shop.folder}/first",
                 UV_PROJECT_ENVIRONMENT=theirs)  # fmt: skip
    ours = str(workbench.folder / "env")
    assert differences(contents(ours), contents(theirs)) == []
    assert record_faults(ours) == []
    assert workbench.run("env/bin/till").out == "1.0\n"
    assert workbench.run("env/bin/count-coins").out == "counted\n"
    workbench.pip("env", "check")


def test_every_link_mode_follows_a_change_of_the_lock(
    workbench: Workbench, shop: Shop, link_mode: str
) -> None:
    for lock in (shop.first, shop.second, shop.first, shop.second):
        workbench.realize("env", lock, "--link-mode", link_mode)
    workbench.realize("fresh", shop.second)
    ours, fresh = (contents(str(workbench.folder / name)) for name in ("env", "fresh"))
    assert differences(ours, fresh) == []
    assert workbench.run("env/bin/till").out == "2.0\n"


def test_a_change_leaves_other_packages_alone(workbench: Workbench, shop: Shop) -> None:
    workbench.realize("env", shop.first)
    site = next((workbench.folder / "env" / "lib").glob("python*/site-packages"))
    staying = (site / "shop_space", site / "shop_coins-1.5.dist-info")
    before = snapshot(*staying)
    report = workbench.realize("env", shop.second).json
    assert snapshot(*staying) == before
    assert {(c["name"], c["action"]) for c in report["changes"]} == {
        ("shop-till", "replaced"),
        ("shop-cellar", "added"),
        ("shop-labels", "removed"),
        ("shop-awning", "removed"),
    }


def test_replaced_sources_take_their_bytecode_along(workbench: Workbench, shop: Shop) -> None:
    workbench.realize("env", shop.first)
    assert workbench.run("env/bin/python", "-m", "compileall", "-q", "env/lib").code == 0
    assert workbench.run("env/bin/till").out == "1.0\n"
    workbench.realize("env", shop.second)
    assert workbench.run("env/bin/till").out == "2.0\n"
    stale = [
        path
        for path in (workbench.folder / "env").rglob("*.pyc")
        if not (path.parent.parent / f"{path.name.partition('.')[0]}.py").exists()
    ]
    assert stale == []


def test_a_second_run_writes_nothing(workbench: Workbench, shop: Shop) -> None:
    workbench.realize("env", shop.first)
    workbench.realize("env", shop.first)
    before = snapshot(workbench.folder / "env", workbench.store)
    assert workbench.realize("env", shop.first).json["changes"] == []
    assert snapshot(workbench.folder / "env", workbench.store) == before


@pytest.mark.skipif(
    not shutil.which("strace") and "CI" not in os.environ, reason="strace is not installed"
)
def test_a_second_run_makes_no_call_that_could_write(
    workbench: Workbench, shop: Shop, tmp_path: Path
) -> None:
    workbench.realize("env", shop.first)
    trace = tmp_path / "trace"
    command = (sys.executable, "-m", "envbuild", "realize", shop.first, "--venv", "env",
               "--python", workbench.python)  # fmt: skip
    workbench.run(*command)
    workbench.run("strace", "-f", "-y", "-o", str(trace), "-e", f"trace={WRITES}", *command)
    calls = [re.sub(r"^\d+ +", "", line) for line in trace.read_text().splitlines()]
    writing = [
        call
        for call in calls
        if not re.match(r"open(at)?\(", call) or re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC)", call)
    ]
    allowed = ("+++", "---")
    # Byte code of envbuild itself may be written on a first run from a fresh checkout.
    assert [c for c in writing if not c.startswith(allowed) and "__pycache__" not in c] == []


def test_a_lock_of_pep_751_gives_the_same_files(workbench: Workbench, shop: Shop) -> None:
    lock = str(workbench.folder / "pylock.toml")
    workbench.uv("export", "--frozen", "--project", f"{shop.folder}/first", "--quiet",
                 "--format", "pylock.toml", "--output-file", lock)  # fmt: skip
    workbench.realize("env", lock)
    workbench.realize("fresh", shop.first)
    ours, fresh = (contents(str(workbench.folder / name)) for name in ("env", "fresh"))
    assert differences(ours, fresh) == []


def test_offline_says_everything_that_is_missing_at_once(workbench: Workbench, shop: Shop) -> None:
    failed = workbench.realize("env", shop.first, "--offline", code=1)
    for name in ("shop_awning", "shop_coins", "shop_labels", "shop_shelf", "shop_till"):
        assert name in failed.err
    assert not (workbench.folder / "env").exists()


def test_offline_is_enough_where_the_store_has_everything(workbench: Workbench, shop: Shop) -> None:
    first = workbench.realize("env", shop.first).json
    seen = len(shop.server.seen())
    assert workbench.realize("other", shop.first, "--offline").json["digest"] == first["digest"]
    assert len(shop.server.seen()) == seen


def test_check_tells_a_difference_and_changes_nothing(workbench: Workbench, shop: Shop) -> None:
    workbench.realize("env", shop.first)
    workbench.realize("env", shop.first, "--check")
    before = snapshot(workbench.folder / "env")
    workbench.realize("env", shop.second, "--check", code=1)
    assert snapshot(workbench.folder / "env") == before


def test_a_dry_run_changes_nothing(workbench: Workbench, shop: Shop) -> None:
    report = workbench.realize("env", shop.first, "--dry-run").json
    assert {c["name"] for c in report["changes"]} >= {"shop-till", "shop-coins"}
    assert not (workbench.folder / "env").exists()
    seen = shop.server.seen("*.whl")
    workbench.realize("env", shop.first)
    before = snapshot(workbench.folder / "env")
    workbench.realize("env", shop.second, "--dry-run")
    assert snapshot(workbench.folder / "env") == before
    assert len(shop.server.seen("*.whl")) - len(seen) == 5


def test_a_folder_that_is_no_environment_is_never_touched(workbench: Workbench, shop: Shop) -> None:
    (workbench.folder / "env").mkdir()
    (workbench.folder / "env" / "thesis.txt").write_text("years of work\n")
    before = snapshot(workbench.folder / "env")
    for arguments in ((), ("--clear",)):
        workbench.realize("env", shop.first, *arguments, code=1)
        assert snapshot(workbench.folder / "env") == before


def test_an_environment_of_another_tool_is_replaced_on_demand(
    workbench: Workbench, shop: Shop
) -> None:
    workbench.uv("venv", "env")
    workbench.uv("pip", "install", "--python", "env", "--default-index", shop.server.index_url,
                 "shop-till==2.0", "shop-cellar")  # fmt: skip
    workbench.realize("env", shop.first, "--clear")
    workbench.realize("fresh", shop.first)
    ours, fresh = (contents(str(workbench.folder / name)) for name in ("env", "fresh"))
    assert differences(ours, fresh) == []


def test_what_others_did_to_an_environment_is_mended(workbench: Workbench, shop: Shop) -> None:
    workbench.realize("env", shop.first)
    workbench.uv("pip", "uninstall", "--python", "env", "shop-till")
    workbench.uv("pip", "install", "--python", "env", "--default-index", shop.server.index_url,
                 "shop-cellar", "shop-awning", "--reinstall-package", "shop-awning")  # fmt: skip
    report = workbench.realize("env", shop.first).json
    assert report["changes"] != []
    workbench.realize("fresh", shop.first)
    ours, fresh = (contents(str(workbench.folder / name)) for name in ("env", "fresh"))
    assert differences(ours, fresh) == []


def test_the_lock_is_found_upwards_and_the_environment_beside_it(
    workbench: Workbench, shop: Shop
) -> None:
    project = workbench.folder / "copy"
    shutil.copytree(f"{shop.folder}/first", project)
    (project / "deep" / "down").mkdir(parents=True)
    deep = replace(workbench, folder=project / "deep" / "down")
    report = deep.envbuild("realize", "--json", "--python", deep.python).json
    assert report["prefix"] == str(project / ".venv")
    assert deep.run(str(project / ".venv/bin/till")).out == "1.0\n"


def test_an_environment_that_was_moved_is_made_anew_in_place(
    workbench: Workbench, shop: Shop
) -> None:
    workbench.realize("env", shop.first)
    os.rename(workbench.folder / "env", workbench.folder / "moved")
    workbench.realize("moved", shop.first)
    assert workbench.run("moved/bin/till").out == "1.0\n"
    assert str(workbench.folder / "env") not in (workbench.folder / "moved/bin/till").read_text()
