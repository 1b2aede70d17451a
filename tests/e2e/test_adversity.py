"""Disks that are full, folders that may not be written, and others at work at the same time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from e2e.comparison import contents, differences, record_faults

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from e2e.shop import Shop
    from e2e.workbench import Finished, Workbench

pytestmark = pytest.mark.slow

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and "CI" not in os.environ, reason="only root may mount a file system"
)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system of this size, in memory, at `folder`."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def without_privileges(bench: Workbench, *arguments: str) -> Finished:
    """Run envbuild so that the modes of files and folders count, even for root."""
    drop = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    return bench.run(*drop, sys.executable, "-m", "envbuild", *arguments, code=None)


def realize_arguments(bench: Workbench, venv: str, lock: str) -> tuple[str, ...]:
    return ("realize", lock, "--json", "--venv", venv, "--python", bench.python)


def assert_same(bench: Workbench, venv: str, lock: str) -> None:
    """The environment is what a fresh store and a fresh folder give for `lock`."""
    fresh = bench.folder.parent / "fresh"
    bench.realize(str(fresh), lock, ENVBUILD_STORE=f"{fresh}-store")
    assert differences(contents(str(bench.folder / venv)), contents(str(fresh))) == []
    assert record_faults(str(bench.folder / venv)) == []


@needs_root
def test_the_store_is_on_a_full_disk(workbench: Workbench, shop: Shop, tmp_path: Path) -> None:
    workbench.realize("elsewhere", shop.first)
    whole = occupied(workbench.store)
    with small_disk(tmp_path / "disk", "4k") as disk:
        bench = replace(workbench, store=disk / "store")
        for percent in (5, 30, 60, 80, 95):
            remount(disk, f"size={whole * percent // 100}")
            failed = bench.realize("env", shop.first, code=1)
            assert "No space left on device" in failed.err
            assert not (bench.folder / "env").exists()
        remount(disk, "size=50m")
        bench.envbuild("store", "verify")
        bench.realize("env", shop.first)
        assert_same(bench, "env", shop.first)
        bench.envbuild("store", "verify")


@needs_root
def test_the_environment_is_on_a_full_disk(
    workbench: Workbench, shop: Shop, tmp_path: Path
) -> None:
    workbench.realize("elsewhere", shop.second)
    with small_disk(tmp_path / "disk", "2m") as disk:
        env = str(disk / "env")
        workbench.realize(env, shop.first)
        before = contents(env)
        (disk / "ballast").write_bytes(bytes(free(disk) - 16 * 1024))
        failed = workbench.realize(env, shop.second, code=1)
        assert "No space left on device" in failed.err
        assert contents(env) == before
        (disk / "ballast").unlink()
        workbench.realize(env, shop.second)
        assert_same(workbench, env, shop.second)


def free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def occupied(folder: Path) -> int:
    """Return the bytes of the blocks of all files below `folder`."""
    return sum(
        os.lstat(os.path.join(above, name)).st_blocks * 512
        for above, _, names in os.walk(folder)
        for name in names
    )


@needs_root
def test_a_new_environment_on_a_full_disk_leaves_nothing(
    workbench: Workbench, shop: Shop, tmp_path: Path
) -> None:
    workbench.realize("elsewhere", shop.first)
    with small_disk(tmp_path / "disk", "200k") as disk:
        failed = workbench.realize(str(disk / "env"), shop.first, code=1)
        assert "No space left on device" in failed.err
        assert os.listdir(disk) == []


@needs_root
def test_a_full_store_may_be_read_only(workbench: Workbench, shop: Shop, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "50m") as disk:
        bench = replace(workbench, store=disk / "store")
        first = bench.realize("env", shop.first).json
        remount(disk, "ro")
        assert bench.realize("env", shop.first).json["changes"] == []
        second = bench.realize("other", shop.first).json
        assert second["digest"] == first["digest"]
        assert_same(bench, "other", shop.first)
        failed = bench.realize("env", shop.second, code=1)
        assert str(bench.store) in failed.err
        assert bench.realize("env", shop.first).json["changes"] == []
        bench.envbuild("store", "verify")


def test_the_store_may_not_be_written(workbench: Workbench, shop: Shop) -> None:
    workbench.store.mkdir(mode=0o555)
    done = without_privileges(workbench, *realize_arguments(workbench, "env", shop.first))
    assert done.code == 1
    assert str(workbench.store) in done.err
    assert "Permission denied" in done.err
    assert not (workbench.folder / "env").exists()


def test_the_folder_of_the_environment_may_not_be_written(workbench: Workbench, shop: Shop) -> None:
    (workbench.folder / "closed").mkdir(mode=0o555)
    arguments = realize_arguments(workbench, "closed/env", shop.first)
    done = without_privileges(workbench, *arguments)
    assert done.code == 1
    assert "closed/env" in done.err
    assert "Permission denied" in done.err
    workbench.envbuild("store", "verify")
    os.chmod(workbench.folder / "closed", 0o755)
    workbench.realize("closed/env", shop.first)
    assert_same(workbench, "closed/env", shop.first)


def test_a_folder_inside_the_environment_may_not_be_written(
    workbench: Workbench, shop: Shop
) -> None:
    workbench.realize("env", shop.first)
    before = contents(str(workbench.folder / "env"))
    site = next((workbench.folder / "env" / "lib").glob("python*/site-packages"))
    site.chmod(0o555)
    done = without_privileges(workbench, *realize_arguments(workbench, "env", shop.second))
    assert done.code == 1
    assert "Permission denied" in done.err
    site.chmod(0o755)
    after = contents(str(workbench.folder / "env"))
    workbench.realize("env", shop.second)
    assert_same(workbench, "env", shop.second)
    assert after == before


def test_several_processes_work_on_one_store_and_one_environment(
    workbench: Workbench, shop: Shop
) -> None:
    seen = len(shop.server.seen("*.whl"))
    processes = [
        workbench.start(*realize_arguments(workbench, venv, lock))
        for venv, lock in (
            ("env", shop.first),
            ("env", shop.first),
            ("other", shop.first),
            ("third", shop.second),
        )
    ]
    reports = [_finish(process) for process in processes]
    assert len({report["digest"] for report in reports[:3]}) == 1
    assert_same(workbench, "env", shop.first)
    assert (
        differences(
            contents(str(workbench.folder / "env")), contents(str(workbench.folder / "other"))
        )
        == []
    )
    # Seven wheels make up both locks; `assert_same` fetched five of them once more.
    assert len(shop.server.seen("*.whl")) - seen == 7 + 5
    workbench.envbuild("store", "verify")


def test_two_processes_want_one_environment_to_be_different(
    workbench: Workbench, shop: Shop
) -> None:
    for _ in range(4):
        for process in [
            workbench.start(*realize_arguments(workbench, "env", lock))
            for lock in (shop.first, shop.second)
        ]:
            _finish(process)
        digest = workbench.realize("env", shop.first).json["digest"]
        assert workbench.realize("another", shop.first).json["digest"] == digest
        assert_same(workbench, "env", shop.first)


def _finish(process: subprocess.Popen[str]) -> Any:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return json.loads(out)
