"""Environments of wheels that have different files for one path."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envbuild.environment import link, workers
from envbuild.environment.collisions import FileCollision, FolderCollision
from envbuild.environment.manifest import decode_manifest
from envbuild.environment.state import MANIFEST
from workflows.bench import Bench, bench_in, uv, uv_install

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envbuild.environment.collisions import CollisionPolicy

SHARED = "tests/__init__.py"


@pytest.fixture
def one(bench: Bench) -> str:
    return bench.wheel("one", "1", files={SHARED: "# one\n", "tests/one.py": "", "one.py": ""})


@pytest.fixture
def two(bench: Bench) -> str:
    return bench.wheel("two", "1", files={SHARED: "# two\n", "tests/two.py": "", "two.py": ""})


def shared(bench: Bench) -> str | None:
    path = bench.site / SHARED
    return path.read_text() if path.exists() else None


def record(bench: Bench, name: str) -> set[str]:
    (path,) = bench.site.glob(f"{name}-*.dist-info/RECORD")
    return {row[0] for row in csv.reader(path.read_text().splitlines())}


def excluded(bench: Bench) -> dict[str, tuple[str, ...]]:
    manifest = decode_manifest((bench.venv / MANIFEST).read_bytes())
    return {each.name: each.excluded for each in manifest.distributions if each.excluded}


@pytest.mark.parametrize("mode", ["hardlink", "copy", "symlink"])
def test_the_policy_decides_and_may_change(bench: Bench, one: str, two: str, mode: str) -> None:
    bench.lock(one, two)
    with pytest.raises(FileCollision) as caught:
        bench.realise(link_mode=mode)
    assert caught.value.hint is not None
    assert not bench.venv.exists()

    first = bench.realise(link_mode=mode, collisions="first")
    assert shared(bench) == "# one\n"
    assert excluded(bench) == {"two": (f"{bench.site.relative_to(bench.venv)}/{SHARED}",)}
    assert SHARED in record(bench, "one")
    assert SHARED not in record(bench, "two")
    assert {"tests/one.py", "tests/two.py"} <= record(bench, "one") | record(bench, "two")
    assert bench.realise(link_mode=mode, collisions="first").changes == ()

    last = bench.realise(link_mode=mode, collisions="last")
    assert bench.actions(last) == [("one", "replaced"), ("two", "replaced")]
    assert shared(bench) == "# two\n"
    assert set(excluded(bench)) == {"one"}
    assert last.digest != first.digest

    with pytest.raises(FileCollision):
        bench.realise(link_mode=mode)
    assert shared(bench) == "# two\n"
    again = bench.realise(link_mode=mode, collisions="first")
    assert again.digest == first.digest
    assert shared(bench) == "# one\n"


@pytest.mark.parametrize("mode", ["hardlink", "copy", "symlink"])
def test_without_the_provider_the_file_that_was_left_out_comes_in(
    bench: Bench, one: str, two: str, mode: str
) -> None:
    bench.lock(one, two)
    bench.realise(link_mode=mode, collisions="first")
    bench.lock(two)
    result = bench.realise(link_mode=mode, collisions="first")
    assert bench.actions(result) == [("one", "removed"), ("two", "replaced")]
    assert shared(bench) == "# two\n"
    assert SHARED in record(bench, "two")
    assert not (bench.site / "tests/one.py").exists()
    assert excluded(bench) == {}
    assert result.digest == bench.realise(link_mode=mode, venv="fresh").digest


@pytest.mark.parametrize("mode", ["hardlink", "copy", "symlink"])
def test_without_the_one_that_does_without_the_file_stays(
    bench: Bench, one: str, two: str, mode: str
) -> None:
    bench.lock(one, two)
    bench.realise(link_mode=mode, collisions="first")
    inode = (bench.site / SHARED).stat().st_ino
    bench.lock(one)
    result = bench.realise(link_mode=mode, collisions="first")
    assert bench.actions(result) == [("two", "removed")]
    assert shared(bench) == "# one\n"
    assert (bench.site / SHARED).stat().st_ino == inode
    assert not (bench.site / "tests/two.py").exists()


@pytest.mark.parametrize("mode", ["hardlink", "copy", "symlink"])
def test_one_that_comes_before_takes_the_path_over(
    bench: Bench, one: str, two: str, mode: str
) -> None:
    bench.lock(two)
    bench.realise(link_mode=mode, collisions="first")
    bench.python("import tests")
    bench.lock(one, two)
    result = bench.realise(link_mode=mode, collisions="first")
    assert bench.actions(result) == [("one", "added"), ("two", "replaced")]
    assert shared(bench) == "# one\n"
    assert bench.python("import tests.one, tests.two; print(tests.__file__)") == str(
        bench.site / SHARED
    )
    assert result.digest == bench.realise(link_mode=mode, collisions="first", venv="fresh").digest


def test_the_number_of_workers_changes_nothing(
    bench: Bench, one: str, two: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_FEW_FILES", 0)
    monkeypatch.setattr(workers, "worker_count", lambda most: most)
    bench.lock(one, two, bench.wheel("three", "1", files={SHARED: "# one\n", "tests/3.py": ""}))
    for number in range(5):
        bench.realise(collisions="last", venv=f"env-{number}")
        (file,) = (bench.folder / f"env-{number}").glob(f"lib/python*/site-packages/{SHARED}")
        assert file.read_text() == "# two\n"


def test_a_note_says_what_is_left_out(bench: Bench) -> None:
    bench.lock(*(
        bench.wheel(name, "1", files={f"fork/{i}.py": f"{name}\n" for i in range(9)})
        for name in ("one", "two")
    ))  # fmt: skip
    (note,) = bench.realise(collisions="last").notes
    assert note.startswith("`one` does without 9 files (`lib/python")
    assert note.endswith(", …), which `two` provides")
    assert note in bench.realise(collisions="last", venv="other").notes


def test_a_policy_without_collisions_changes_nothing(bench: Bench, one: str) -> None:
    bench.lock(one)
    results = [bench.realise(collisions=policy) for policy in ("error", "first", "last")]
    assert len({result.digest for result in results}) == 1
    assert [len(result.changes) for result in results] == [1, 0, 0]


@pytest.mark.parametrize("policy", ["error", "first", "last"])
def test_a_file_where_another_needs_a_folder_is_an_error(bench: Bench, policy: str) -> None:
    bench.lock(
        bench.wheel("one", "1", files={"ns/x/y.py": ""}),
        bench.wheel("two", "1", files={"ns/x": ""}),
    )
    with pytest.raises(FolderCollision):
        bench.realise(collisions=policy)


def test_commands_of_one_name_are_decided_as_well(bench: Bench) -> None:
    def wheel(name: str) -> str:
        code = f"def main():\n    print({name!r})\n"
        points = {"console_scripts": {"run": f"{name}:main", f"run-{name}": f"{name}:main"}}
        return bench.wheel(name, "1", files={f"{name}.py": code}, entry_points=points)

    def answer(command: str) -> str:
        run = [bench.venv / "bin" / command]
        return subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()

    one, two = wheel("one"), wheel("two")
    bench.lock(one, two)
    with pytest.raises(FileCollision, match="`bin/run`"):
        bench.realise()
    bench.realise(collisions="first")
    assert (answer("run"), answer("run-one"), answer("run-two")) == ("one", "one", "two")
    assert "../../../bin/run" not in record(bench, "two")
    bench.realise(collisions="last")
    assert answer("run") == "two"
    bench.lock(one)
    bench.realise(collisions="last")
    assert answer("run") == "one"
    assert not (bench.venv / "bin/run-two").exists()


def test_one_of_several_with_equal_content_provides_for_all_of_them(bench: Bench) -> None:
    wheels = [
        bench.wheel(name, "1", files={SHARED: content, f"{name}.py": ""})
        for name, content in (("a", "# x\n"), ("b", "# y\n"), ("c", "# x\n"))
    ]
    bench.lock(*wheels)
    bench.realise(collisions="first")
    assert set(excluded(bench)) == {"b"}
    assert SHARED in record(bench, "a") & record(bench, "c")
    bench.lock(*wheels[1:])
    result = bench.realise(collisions="first")
    assert bench.actions(result) == [("a", "removed"), ("b", "replaced"), ("c", "replaced")]
    assert shared(bench) == "# y\n"
    assert set(excluded(bench)) == {"c"}


def test_the_digest_is_the_same_at_every_path_in_every_store_and_link_mode(
    bench: Bench, one: str, two: str, tmp_path: Path
) -> None:
    bench.lock(one, two)
    digests = {
        bench.realise(collisions="last", venv=f"env-{mode}", link_mode=mode).digest
        for mode in ("hardlink", "copy", "symlink")
    }
    far = bench.realise(collisions="last", venv=str(tmp_path / "far"), store=str(tmp_path / "s2"))
    assert {far.digest} == digests


def test_what_is_remembered_of_an_earlier_lock_changes_nothing(
    bench: Bench, one: str, two: str, tmp_path: Path
) -> None:
    more = [bench.wheel(name, "1") for name in ("more", "still-more")]
    digests = []
    for wheels in ((one, two), (one, two, more[0]), (two, *more), (one, two, *more)):
        bench.lock(*wheels)
        digests.append(bench.realise(collisions="first").digest)
    fresh = bench.realise(collisions="first", venv="fresh", store=str(tmp_path / "other"))
    assert fresh.digest == digests[-1]
    assert len(set(digests)) == len(digests)


def uninstall(tool: str, bench: Bench, name: str) -> None:
    if tool == "uv":
        uv("pip", "uninstall", "--python", str(bench.venv), name)
        return
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", bench.venv, "uninstall", "--yes", name],
        check=True,
        capture_output=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )


@pytest.mark.parametrize("mode", ["hardlink", "copy", "symlink"])
@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_an_uninstaller_of_the_one_that_does_without_leaves_the_file(
    bench: Bench, one: str, two: str, mode: str, tool: str
) -> None:
    bench.lock(one, two)
    bench.realise(link_mode=mode, collisions="first")
    uninstall(tool, bench, "two")
    assert shared(bench) == "# one\n"
    assert not (bench.site / "tests/two.py").exists()
    result = bench.realise(link_mode=mode, collisions="first")
    assert bench.actions(result) == [("two", "repaired")]
    assert (bench.site / "tests/two.py").exists()
    assert shared(bench) == "# one\n"
    uninstall(tool, bench, "one")
    assert shared(bench) is None
    assert (bench.site / "tests/two.py").exists()
    assert bench.actions(bench.realise(link_mode=mode, collisions="first")) == [("one", "repaired")]
    assert shared(bench) == "# one\n"


@pytest.mark.parametrize("stays", [True, False])
def test_an_equal_file_that_an_uninstaller_took_along_comes_back(bench: Bench, stays: bool) -> None:
    wheels = [
        bench.wheel(name, "1", files={SHARED: "# both\n", f"tests/{name}.py": ""})
        for name in ("one", "two")
    ]
    bench.lock(*wheels)
    bench.realise()
    uninstall("uv", bench, "two")
    assert shared(bench) is None
    bench.lock(*(wheels if stays else wheels[:1]))
    result = bench.realise()
    assert bench.actions(result) == [
        ("one", "repaired"),
        ("two", "repaired" if stays else "removed"),
    ]
    assert shared(bench) == "# both\n"
    assert (bench.site / "tests/two.py").exists() is stays


def test_a_file_that_an_installer_has_written_over_comes_back(
    bench: Bench, one: str, two: str
) -> None:
    bench.lock(one)
    bench.realise()
    uv_install(bench, two)
    assert shared(bench) == "# two\n"
    result = bench.realise()
    assert bench.actions(result) == [("one", "repaired"), ("two", "removed")]
    assert shared(bench) == "# one\n"
    assert bench.realise().changes == ()


Wheels = dict[str, dict[str, str]]

NAMES = ("alpha", "beta", "gamma", "delta")
PATHS = ("ns/a.py", "ns/b.py", "ns/deep/c.py", "top.py", "other/d.py", "other/e.py")
WHEELS: st.SearchStrategy[Wheels] = st.dictionaries(
    st.sampled_from(NAMES),
    st.dictionaries(st.sampled_from(PATHS), st.sampled_from(["X = 1\n", "X = 2\n", ""])),
    min_size=1,
)
POLICIES = st.sampled_from(["first", "last"])
MODES = st.sampled_from(["hardlink", "copy", "symlink"])


def model(wheels: Wheels, policy: CollisionPolicy) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Return the files that there must be, and what each distribution must list of them."""
    order = sorted(wheels, reverse=policy == "first")
    files = {path: content for name in order for path, content in wheels[name].items()}
    listed = {
        name: {path for path, content in theirs.items() if files[path] == content}
        for name, theirs in wheels.items()
    }
    return files, listed


def files_below(site: Path, ours: Iterable[str]) -> dict[str, str]:
    found = {}
    for folder, _, names in os.walk(site, followlinks=True):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), site)
            if path in ours or ".dist-info" not in path:
                found[path] = Path(folder, name).read_text()
    return found


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(st.tuples(WHEELS, POLICIES, MODES), min_size=1, max_size=4))
def test_whatever_was_there_before_the_result_is_that_of_the_model(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[Wheels, CollisionPolicy, str]],
) -> None:
    bench = bench_in(tmp_path_factory.mktemp("case"))
    for number, (wheels, policy, mode) in enumerate(steps):
        # Another content is another version, as it should be; a wheel of the same stays the same.
        bench.lock(*(
            bench.wheel(name, str(stable_number(files)), files=files)
            for name, files in wheels.items()
        ))  # fmt: skip
        result = bench.realise(collisions=policy, link_mode=mode)
        expected, listed = model(wheels, policy)
        assert files_below(bench.site, PATHS) == expected
        assert {name: record(bench, name) & set(PATHS) for name in wheels} == listed
        assert not bench.realise(collisions=policy, link_mode=mode).changes
        fresh = bench.realise(collisions=policy, venv=f"fresh-{number}")
        assert fresh.digest == result.digest


def stable_number(files: Mapping[str, str]) -> int:
    return int.from_bytes(repr(sorted(files.items())).encode()) % 1_000_003
