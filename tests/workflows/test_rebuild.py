"""Wheels built again: the same, or different, and what becomes of the difference."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envbuild.events import SILENT
from envbuild.frozen import replace
from envbuild.realise.build import BuildFailed
from envbuild.realise.execute import MissingOffline
from envbuild.store import layout
from envbuild.store.difference import Parting
from envbuild.store.local import Store
from envbuild.store.records import RebuildOutput
from envbuild.workflows.build_log import find_log
from envbuild.workflows.rebuild import NotBuilt, RebuildResult, rebuild
from envbuild.workflows.store import NoStore
from envbuild.workflows.subject import NotInEnvironment
from support.own_backend import sdist
from workflows.test_builds import builds, lock

if TYPE_CHECKING:
    from workflows.bench import Bench

RANDOM = "CODE = f'X = 1\\nTOKEN = {os.urandom(8).hex()!r}\\n'"
"""A build whose result nobody can foresee."""


def again(bench: Bench, asked: str = "made", **options: Any) -> RebuildResult:
    return rebuild(
        asked,
        replace(bench.options, **options),
        environ=dict(os.environ),
        cwd=str(bench.folder),
        reporter=SILENT,
    )


def kinds(bench: Bench, key: str) -> list[type]:
    with Store.open(bench.options.store) as store:
        return [type(each.output) for each in store.realisations(key)]  # type: ignore[arg-type]


def test_a_wheel_that_comes_out_the_same_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    bench.realise()
    records = sorted((Path(bench.options.store) / layout.REALISATIONS).rglob("*.json"))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in records}
    result = again(bench, check=True)
    assert (result.is_equal, result.files, result.same_payload) == (True, (), True)
    assert result.wheel == "made-1.0-py3-none-any.whl"
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before}
    assert len(kinds(bench, result.key)) == 1
    assert "building made" in Path(result.log).read_text()


def test_a_wheel_that_comes_out_differently_is_evidence(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made", body=RANDOM))
    first = bench.realise()
    results = [again(bench, check=True) for _ in range(3)]
    assert [result.is_equal for result in results] == [False] * 3
    assert len({result.before for result in results}) == 1
    changed = {file.difference.path: file for file in results[0].files}
    assert list(changed) == ["made-1.0.dist-info/RECORD", "made.py"]
    part = changed["made.py"].parting
    assert isinstance(part, Parting)
    assert part.line == 2
    assert part.before is not None
    assert part.before.startswith("TOKEN = ")
    assert not results[0].same_payload
    assert [kind is RebuildOutput for kind in kinds(bench, results[0].key)] == [False] + [True] * 3
    environment = bench.realise(clear=True)
    assert environment.digest == first.digest
    (note,) = environment.notes
    assert note.startswith("`made` 1.0 is not reproducible: ")


def test_what_was_never_built_is_built(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"), sdist(tmp_path / "sdists", "other"))
    Store.open(bench.options.store).close()
    result = again(bench)
    assert (result.is_equal, result.before, builds(bench)) == (None, None, 1)
    assert not bench.venv.exists()
    assert (bench.folder / "envbuild.lock").exists()
    checked = again(bench, "other==1", check=True)
    assert checked.is_equal is True
    assert bench.realise(offline=True).fetched == 0


def test_what_was_never_built_and_is_not_reproducible_is_built_twice(
    bench: Bench, tmp_path: Path
) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made", body=RANDOM))
    Store.open(bench.options.store).close()
    assert again(bench, check=True).is_equal is False


def test_a_build_that_fails_leaves_its_log_alone(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made", body="raise ValueError"))
    Store.open(bench.options.store).close()
    with pytest.raises(BuildFailed) as caught:
        again(bench)
    with Store.open(bench.options.store) as store:
        assert find_log(store, "made").path == caught.value.log
        assert [*store.walk(layout.WORK_LOCKS)] == []
        assert os.listdir(store.absolute(layout.STAGING)) == ["partial"]


def test_a_wheel_is_not_built(bench: Bench) -> None:
    bench.lock(bench.wheel("plain", "1.0"))
    bench.realise()
    with pytest.raises(NotBuilt) as caught:
        again(bench, "Plain")
    assert caught.value.hint is not None
    assert "--no-binary-package plain" in caught.value.hint


def test_what_cannot_be_asked_for_says_why(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    with pytest.raises(NoStore):
        again(bench)
    bench.realise()
    for asked, told in {
        "mode": "did you mean `made`?",
        "made==2.0": "ask for `made`, or for `made==1.0`",
        "the-project": None,
        "quite-another": None,
    }.items():
        with pytest.raises(NotInEnvironment) as caught:
            again(bench, asked)
        assert caught.value.hint == told


def test_sources_that_are_gone_cannot_be_had_without_a_network(
    bench: Bench, tmp_path: Path
) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    text = (bench.folder / "uv.lock").read_text()
    text = text.replace('path = "made-1.0.tar.gz"', 'url = "https://index.example/made-1.0.tar.gz"')
    text = text.replace('registry = "../sdists"', 'registry = "https://index.example/simple"')
    (bench.folder / "uv.lock").write_text(text)
    Store.open(bench.options.store).close()
    with pytest.raises(MissingOffline):
        again(bench, offline=True)
