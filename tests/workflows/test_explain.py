"""What decides a wheel, told of real builds: before, after, and when something has changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envbuild import canonical
from envbuild.derivation.compare import in_words, members
from envbuild.events import SILENT
from envbuild.frozen import replace
from envbuild.realise.build import BuildFailed
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.workflows.explain import (
    LAST,
    Explanation,
    NoSuchRealisation,
    explain,
)
from envbuild.workflows.rebuild import rebuild
from envbuild.workflows.store import NoStore
from envbuild.workflows.subject import NotInEnvironment
from support.own_backend import sdist
from workflows.test_builds import builds, lock, made_by, maker, strategy

if TYPE_CHECKING:
    from workflows.bench import Bench


def told(
    bench: Bench, asked: str = "made", *, since: str | None = None, **options: Any
) -> Explanation:
    return explain(
        asked,
        replace(bench.options, **options),
        since=since,
        environ=dict(os.environ),
        cwd=str(bench.folder),
        reporter=SILENT,
    )


def words(explanation: Explanation) -> list[str]:
    assert explanation.comparison is not None
    return [in_words(each) for each in explanation.comparison.differences]


def settings(bench: Bench, text: str) -> None:
    (bench.folder / "pyproject.toml").write_text(
        f'[project]\nname = "the-project"\nversion = "0"\n{text}'
    )


def test_everything_that_decides_a_build_is_told_with_its_origin(bench: Bench) -> None:
    maker(bench, "1", hook_requires=("helper",))
    maker_folder = bench.folder.parent / "index"
    sdist(maker_folder, "helper")
    settings(
        bench,
        '[tool.uv]\nconfig-settings = { opt = "1" }\n'
        '[tool.uv.extra-build-variables]\nmade = { MODE = "fast" }\n'
        '[tool.uv.extra-build-dependencies]\nmade = ["helper<2"]\n',
    )
    lock(bench, made_by(bench, "made", "maker>=1"))
    bench.realise()
    found = told(bench)
    assert found.form is not None
    assert (found.is_built, found.unknown, found.failed) == (True, None, None)
    assert found.key == canonical.digest(found.form)
    expected = {each for each in members(found.form) if each not in {"format", "kind", "version"}}
    assert {each.place for each in found.inputs} == expected
    who = {each.place: (each.who, each.where) for each in found.inputs}
    assert who["source.tree"] == ("lock", str(bench.folder / "uv.lock"))
    assert who["backend.name"] == ("sources", "pyproject.toml")
    assert who["requires[maker>=1]"][0] == "sources"
    assert who["requires[helper<2]"] == ("project", str(bench.folder / "pyproject.toml"))
    assert who["requires[helper]"] == ("backend", "")
    assert who["environment[maker]"] == ("build-lock", f"{bench.folder}/envbuild.lock, by `latest`")
    assert who["config_settings[opt]"][0] == who["variables[MODE]"][0] == "project"
    assert who["interpreter.version"][0] == "interpreter"
    assert who["platform.libc"][0] == who["sandbox.level"][0] == "machine"
    assert who["builder"][0] == "envbuild"
    (outcome,) = found.outcomes
    assert outcome.wheel == "made-1.0-py3-none-any.whl"
    assert outcome.duration_ms is not None
    assert outcome.log is not None
    assert "building made" in Path(outcome.log).read_text()
    assert (outcome.is_evidence, found.comparison) == (False, None)


def test_looking_does_nothing(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    with pytest.raises(NoStore):
        told(bench)
    Store.open(bench.options.store).close()
    found = told(bench)
    assert (found.key, found.derivation, found.form) == (None, None, None)
    assert found.unknown == "the sources of `made` are not in the store"
    assert {each.place for each in found.inputs} == {
        "distribution",
        "distribution_version",
        "subdirectory",
    }
    assert not (bench.folder / "envbuild.lock").exists()
    assert builds(bench) == 0


def test_what_is_not_pinned_is_said(bench: Bench) -> None:
    maker(bench, "1")
    lock(bench, made_by(bench, "made", "maker"))
    bench.realise()
    (bench.folder / "envbuild.lock").rename(bench.folder / "kept")
    found = told(bench)
    assert found.unknown == "`envbuild.lock` does not say what `made` is built with on this machine"
    assert "backend.name" in {each.place for each in found.inputs}
    (bench.folder / "kept").rename(bench.folder / "envbuild.lock")
    assert told(bench).unknown is None
    strategy(bench, "prefer-locked")
    reason = told(bench).unknown
    assert reason is not None
    assert reason.startswith(
        "what `envbuild.lock` says of `made` does not hold any more: the strat"
    )


def test_what_is_missing_to_build_it_is_named(bench: Bench) -> None:
    maker(bench, "1")
    lock(bench, made_by(bench, "made", "maker"))
    bench.realise()
    with Store.open(bench.options.store) as store:
        for realisation in store.all_realisations():
            if realisation.name.startswith("maker-"):
                store.forget(realisation.resolved_key)
    found = told(bench)
    assert found.unknown == "what it is built with is not in the store: `maker` 1"
    (dependency,) = (each for each in found.inputs if each.place == "environment[maker]")
    assert dependency.value == {"payload": None, "version": "1"}


def test_why_a_build_is_not_taken_is_told_by_the_nearest_one(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    for text in ('a = "1"', 'a = "1", b = "2"'):
        settings(bench, f"[tool.uv]\nconfig-settings = {{ {text} }}\n")
        bench.realise()
    settings(bench, '[tool.uv]\nconfig-settings = { a = "1", b = "3" }\n')
    found = told(bench)
    assert found.key is not None
    assert found.outcomes == ()
    assert words(found) == ["config setting `b` 2 → 3"]
    assert builds(bench) == 2
    bench.realise()
    assert told(bench).comparison is None
    assert words(told(bench, since=LAST)) == ["config setting `b` 2 → 3"]


def test_nothing_to_compare_with_is_no_comparison(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made", body="raise ValueError"))
    with pytest.raises(BuildFailed) as caught:
        bench.realise()
    found = told(bench)
    assert (found.outcomes, found.comparison, found.unknown) == ((), None, None)
    assert found.failed == caught.value.log


def test_a_build_requirement_that_moved_is_named_with_both_versions(bench: Bench) -> None:
    strategy(bench, "prefer-locked")
    made = made_by(bench, "made", "maker")
    for version in ("1", "2"):
        lock(bench, made, maker(bench, version))
        bench.realise()
    assert words(told(bench, since=LAST)) == ["maker 1 → 2 in the build environment"]


def test_sources_that_changed_are_told_file_by_file(bench: Bench, tmp_path: Path) -> None:
    for code in ("X = 1", "X = 2"):
        lock(bench, sdist(tmp_path / "sdists", "made", code=code))
        bench.realise()
    found = told(bench, since=LAST)
    assert words(found) == ["the source tree differs"]
    assert found.comparison is not None
    assert found.comparison.files is not None
    assert [(each.path, each.action) for each in found.comparison.files] == [("own.py", "changed")]


def test_another_realisation_is_named_by_its_key_or_its_entry(bench: Bench, tmp_path: Path) -> None:
    keys, trees = [], []
    for code in ("X = 1", "X = 2", "X = 3"):
        lock(bench, sdist(tmp_path / "sdists", "made", code=code))
        bench.realise()
        (outcome,) = told(bench).outcomes
        keys.append(outcome.key)
        trees.append(outcome.tree)
    for name in (keys[0], keys[0][:12].upper(), trees[0], trees[0][:12]):
        comparison = told(bench, since=name).comparison
        assert comparison is not None
        assert comparison.other.key == keys[0]
    same = told(bench, since=keys[2]).comparison
    assert same is not None
    assert (same.differences, same.files) == ((), None)
    for wanted in ("abc", "zzzz"):
        with pytest.raises(NoSuchRealisation) as caught:
            told(bench, since=wanted)
        assert keys[0][:12] in caught.value.message
        assert trees[1][:12] in caught.value.message


def test_one_tree_of_several_keys_is_ambiguous(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    for value in "123":
        settings(bench, f'[tool.uv]\nconfig-settings = {{ a = "{value}" }}\n')
        bench.realise()
    (outcome,) = told(bench).outcomes
    with pytest.raises(NoSuchRealisation, match="may be any of several"):
        told(bench, since=outcome.tree)


def test_with_nothing_else_built_there_is_no_last(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"), sdist(tmp_path / "sdists", "another"))
    bench.realise()
    with pytest.raises(NoSuchRealisation) as caught:
        told(bench, since=LAST)
    expected = "the store has no other realisation of `made` to compare with"
    assert caught.value.message == expected


def test_evidence_that_a_build_is_not_reproducible_is_told(bench: Bench, tmp_path: Path) -> None:
    body = "CODE = f'TOKEN = {os.urandom(8).hex()!r}'"
    lock(bench, sdist(tmp_path / "sdists", "made", body=body))
    bench.realise()
    (first,) = told(bench).outcomes
    for _ in range(2):
        rebuild(
            "made", bench.options, environ=dict(os.environ), cwd=str(bench.folder), reporter=SILENT
        )
    used, *evidence = told(bench).outcomes
    assert used == first
    assert [each.is_evidence for each in evidence] == [True, True]


def test_a_wheel_is_told_as_what_it_is(bench: Bench, tmp_path: Path) -> None:
    for code in (b"1", b"2"):
        bench.lock(bench.wheel("plain", "1.0", files={"plain.py": code.decode()}))
        bench.realise()
    found = told(bench, "Plain==1")
    assert (found.is_built, found.archive) == (False, "plain-1.0-py3-none-any.whl")
    assert found.hash is not None
    assert {each.place for each in found.inputs} == {
        "archive.name",
        "archive.sha256",
        "distribution",
        "distribution_version",
        "unpacker",
        "verify_record",
    }
    (outcome,) = found.outcomes
    assert (outcome.duration_ms, outcome.rung, outcome.log) == (None, None, None)
    with Store.open(bench.options.store) as store:
        assert store.has_tree(outcome.tree)
        assert found.key is not None
        assert store.read_record(layout.DERIVATIONS, found.key) is not None
    assert words(told(bench, "plain", since=LAST)) == ["the archive is another"]


def test_a_wheel_without_a_hash_that_was_not_fetched_has_no_key(bench: Bench) -> None:
    bench.lock(bench.wheel("plain", "1.0"), hashes=False)
    Store.open(bench.options.store).close()
    found = told(bench, "plain")
    assert found.key is None
    assert found.derivation is not None
    assert found.unknown is not None
    assert found.unknown.startswith("the lock has no SHA-256 of `plain-1.0-py3-none-any.whl`")
    bench.realise()
    assert told(bench, "plain").unknown is None


def test_a_package_that_is_not_there_is_an_error(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    bench.realise()
    with pytest.raises(NotInEnvironment, match="has no such package"):
        told(bench, "absent")
