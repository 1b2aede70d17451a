"""Environments from small locks over a folder of wheels: the whole way, without the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from envbuild.environment.collisions import FileCollision
from envbuild.environment.installed import NotRemovable
from envbuild.environment.present import NotAnEnvironment
from envbuild.errors import EnvbuildError
from envbuild.frozen import replace
from envbuild.realise.execute import HashChanged, MissingOffline
from envbuild.realise.fetch import HashMismatch
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.workflows.apply import LinkInTheWay
from envbuild.workflows.options import Change
from support.projects import lock_text, package, write_project
from workflows.bench import Bench, uv, uv_install


def snapshot(root: Path) -> dict[str, object]:
    """Return what is below `root`: of each file its content, inode and modification time.

    The folder of running work is left out: a command is in it while it runs.
    """
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else None
        if path.name != "running":
            found[str(path.relative_to(root))] = (content, status.st_ino, status.st_mtime_ns)
    return found


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".envbuild" not in path.parts and "__pycache__" not in path.parts
    }


def test_a_lock_becomes_an_environment(bench: Bench) -> None:
    bench.lock(
        bench.wheel(
            "alpha",
            "1",
            files={"alpha.py": "VERSION = '1'\ndef main(): return 0\n"},
            entry_points={"console_scripts": {"alpha": "alpha:main"}},
        ),
        bench.wheel("beta", "2"),
    )
    result = bench.realise()
    assert result.created
    assert bench.actions(result) == [("alpha", "added"), ("beta", "added")]
    assert result.fetched == 2
    assert bench.python("import alpha, beta; print(alpha.VERSION, beta.VERSION)") == "1 2"
    assert subprocess.run([bench.venv / "bin/alpha"], check=False).returncode == 0


def test_the_second_run_changes_nothing_and_writes_nothing(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"))
    bench.realise()
    before = snapshot(bench.venv), snapshot(Path(bench.options.store))
    result = bench.realise()
    assert not result.created
    assert result.changes == ()
    assert (snapshot(bench.venv), snapshot(Path(bench.options.store))) == before


def test_packages_are_added_replaced_and_removed_in_place(bench: Bench) -> None:
    kept = bench.wheel("kept", "1")
    bench.lock(kept, bench.wheel("moved", "1"), bench.wheel("gone", "1"))
    bench.realise()
    inode = (bench.site / "kept/__init__.py").stat().st_ino
    bench.lock(kept, bench.wheel("moved", "2"), bench.wheel("new", "1"))
    result = bench.realise()
    assert not result.created
    assert bench.actions(result) == [("gone", "removed"), ("moved", "replaced"), ("new", "added")]
    assert bench.python("import kept, moved, new; print(moved.VERSION)") == "2"
    assert not (bench.site / "gone").exists()
    assert not list(bench.site.glob("gone-*"))
    assert (bench.site / "kept/__init__.py").stat().st_ino == inode
    fresh = bench.realise(venv="fresh")
    assert fresh.digest == result.digest
    assert contents(bench.site) == contents(
        next((bench.folder / "fresh").glob("lib/python*/site-packages"))
    )


def test_stamps_are_the_times_of_what_is_there_after_every_change(bench: Bench) -> None:
    stays = bench.wheel("stays", "1", files={"shared/stays.py": ""})
    versions = [
        bench.wheel("goes", version, files={"shared/goes.py": f"{version}\n"}) for version in "12"
    ]
    for locked in ([stays], [stays, versions[0]], [stays, versions[1]], versions[:1]):
        bench.lock(*locked)
        assert bench.realise().changes
        for line in (bench.venv / ".envbuild/stamps").read_text().splitlines():
            time, _, path = line.partition(" ")
            assert int(time) == (bench.venv / path).lstat().st_mtime_ns, path
        assert not bench.realise().changes


def test_packages_that_share_a_folder_come_and_go_by_themselves(bench: Bench) -> None:
    one = bench.wheel("ns-one", "1", files={"ns/one.py": "X = 1\n", "ns/deep/one.py": ""})
    two = bench.wheel("ns-two", "1", files={"ns/two.py": "X = 2\n"})
    bench.lock(one, two)
    bench.realise()
    bench.lock(two, bench.wheel("ns-three", "1", files={"ns/three.py": "X = 3\n"}))
    bench.realise()
    assert sorted(path.name for path in (bench.site / "ns").iterdir()) == ["three.py", "two.py"]
    bench.lock(two)
    bench.realise()
    assert sorted(path.name for path in (bench.site / "ns").iterdir()) == ["two.py"]


def test_equal_files_of_two_packages_stay_until_the_last_is_gone(bench: Bench) -> None:
    one = bench.wheel("one", "1", files={"tests/__init__.py": "# both\n", "one.py": ""})
    two = bench.wheel("two", "1", files={"tests/__init__.py": "# both\n", "two.py": ""})
    bench.lock(one, two)
    bench.realise()
    bench.lock(two)
    bench.realise()
    assert (bench.site / "tests/__init__.py").read_text() == "# both\n"
    bench.lock(bench.wheel("three", "1"))
    bench.realise()
    assert not (bench.site / "tests").exists()


def test_unequal_files_of_two_packages_are_an_error_that_names_both(bench: Bench) -> None:
    bench.lock(
        bench.wheel("one", "1", files={"tests/__init__.py": "# one\n"}),
        bench.wheel("two", "1", files={"tests/__init__.py": "# two\n"}),
    )
    with pytest.raises(FileCollision) as caught:
        bench.realise()
    assert (caught.value.one, caught.value.other) == ("one", "two")
    (path,) = caught.value.paths
    assert path.endswith("tests/__init__.py")
    assert not bench.venv.exists()


def test_old_bytecode_never_survives_its_source(bench: Bench) -> None:
    """All sources have one time stamp; only their size would tell old bytecode from new."""
    bench.lock(
        bench.wheel("single", "1", files={"single.py": "X = 1\n"}),
        bench.wheel("folder", "1", files={"folder/__init__.py": "X = 1\n"}),
        bench.wheel("ns-a", "1", files={"ns/a.py": "X = 1\n"}),
        bench.wheel("ns-b", "1", files={"ns/b.py": "X = 1\n"}),
    )
    bench.realise()
    read = "import single, folder, ns.a; print(single.X, folder.X, ns.a.X)"
    assert bench.python(read) == "1 1 1"
    assert list(bench.site.glob("__pycache__/single.*.pyc"))
    bench.lock(
        bench.wheel("single", "2", files={"single.py": "X = 2\n"}),
        bench.wheel("folder", "2", files={"folder/__init__.py": "X = 2\n"}),
        bench.wheel("ns-a", "2", files={"ns/a.py": "X = 2\n"}),
        bench.wheel("ns-b", "1", files={"ns/b.py": "X = 1\n"}),
    )
    bench.realise()
    assert bench.python(read) == "2 2 2"


def test_files_of_nobody_stay_where_they_are(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"))
    bench.realise()
    (bench.site / "alpha/notes.txt").write_text("mine")
    (bench.site / "mine.py").write_text("X = 1\n")
    bench.lock(bench.wheel("alpha", "2"))
    bench.realise()
    assert (bench.site / "alpha/notes.txt").read_text() == "mine"
    assert bench.python("import alpha, mine; print(alpha.VERSION)") == "2"


def test_what_somebody_else_installed_is_removed_or_left_as_asked(bench: Bench) -> None:
    alpha = bench.wheel("alpha", "1")
    bench.lock(alpha)
    bench.realise()
    other = bench.wheel("other", "1")
    uv_install(bench, other)
    kept = bench.realise(inexact=True)
    assert kept.changes == ()
    assert (bench.site / "other").exists()
    result = bench.realise()
    assert bench.actions(result) == [("other", "removed")]
    assert not (bench.site / "other").exists()


def test_what_the_lock_no_longer_asks_for_is_left_as_it_is_or_was_made(bench: Bench) -> None:
    beta = bench.wheel("beta", "1")
    bench.lock(bench.wheel("alpha", "1"), beta)
    bench.realise()
    (bench.site / "alpha-1.dist-info/mine").touch()
    bench.lock(beta, bench.wheel("gamma", "1"))
    for check in (True, False):
        result = bench.realise(inexact=True, check=check)
        assert bench.actions(result) == [("gamma", "added")]
        assert bench.python("import alpha, beta; print(alpha.VERSION)") == "1"
    assert bench.actions(bench.realise()) == [("alpha", "removed")]


def test_a_version_that_somebody_else_installed_is_replaced(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"))
    bench.realise()
    uv_install(bench, bench.wheel("alpha", "2"))
    assert bench.python("import alpha; print(alpha.VERSION)") == "2"
    result = bench.realise()
    assert bench.actions(result) == [("alpha", "replaced")]
    assert bench.python("import alpha; print(alpha.VERSION)") == "1"
    assert not list(bench.site.glob("alpha-2*"))


def test_a_package_that_was_deleted_is_repaired(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"), bench.wheel("beta", "1"))
    bench.realise()
    shutil.rmtree(bench.site / "alpha")
    result = bench.realise()
    assert bench.actions(result) == [("alpha", "repaired")]
    assert bench.python("import alpha, beta; print(alpha.VERSION)") == "1"
    assert bench.realise().changes == ()


def test_the_digest_is_the_same_at_every_path_in_every_store_and_link_mode(
    bench: Bench, tmp_path: Path
) -> None:
    bench.lock(
        bench.wheel("alpha", "1", entry_points={"console_scripts": {"alpha": "alpha:main"}}),
        bench.wheel("ns-one", "1", files={"ns/one.py": "X = 1\n"}),
        bench.wheel("ns-two", "1", files={"ns/two.py": "X = 2\n"}),
    )
    digests = {
        bench.realise(venv=f"env-{mode}", link_mode=mode).digest
        for mode in ("hardlink", "copy", "symlink")
    }
    digests.add(bench.realise(venv=str(tmp_path / "far/away"), store=str(tmp_path / "st2")).digest)
    assert len(digests) == 1


def test_an_environment_of_symbolic_links_works_and_changes(bench: Bench) -> None:
    beta = bench.wheel("beta", "1")
    bench.lock(bench.wheel("alpha", "1"), beta)
    bench.realise(link_mode="symlink")
    assert (bench.site / "alpha").is_symlink()
    assert bench.python("import alpha, beta; print(alpha.VERSION)") == "1"
    bench.lock(bench.wheel("alpha", "2"), beta)
    bench.realise(link_mode="symlink")
    assert bench.python("import alpha, beta; print(alpha.VERSION)") == "2"
    bench.lock(beta)
    bench.realise(link_mode="symlink")
    assert not os.path.lexists(bench.site / "alpha")


def test_a_link_to_a_folder_becomes_a_folder_when_another_package_joins(bench: Bench) -> None:
    one = bench.wheel("ns-one", "1", files={"ns/one.py": "X = 1\n", "ns/deep/one.py": ""})
    two = bench.wheel("ns-two", "1", files={"ns/two.py": "X = 2\n"})
    bench.lock(one)
    bench.realise(link_mode="symlink")
    assert (bench.site / "ns").is_symlink()
    before = snapshot(Path(bench.options.store) / "views")
    bench.lock(one, two)
    result = bench.realise(link_mode="symlink")
    assert bench.actions(result) == [("ns-two", "added")]
    assert bench.python("import ns.one, ns.two, ns.deep.one; print(ns.one.X, ns.two.X)") == "1 2"
    assert snapshot(Path(bench.options.store) / "views") == before
    bench.lock(one)
    bench.realise(link_mode="symlink")
    assert bench.python("import ns.one; print(ns.one.X)") == "1"
    assert not (bench.site / "ns/two.py").exists()


def test_a_link_to_a_folder_is_dissolved_in_every_link_mode(bench: Bench) -> None:
    one = bench.wheel("ns-one", "1", files={"ns/one.py": "X = 1\n"})
    bench.lock(one)
    bench.realise(link_mode="symlink")
    before = snapshot(Path(bench.options.store) / "views")
    bench.lock(one, bench.wheel("ns-two", "1", files={"ns/two.py": "X = 2\n"}))
    bench.realise(link_mode="hardlink")
    assert sorted(path.name for path in (bench.site / "ns").iterdir()) == ["one.py", "two.py"]
    assert snapshot(Path(bench.options.store) / "views") == before


def test_nothing_is_added_to_a_link_that_is_to_be_left_alone(bench: Bench) -> None:
    bench.lock(bench.wheel("ns-one", "1", files={"ns/one.py": "X = 1\n"}))
    bench.realise(link_mode="symlink")
    bench.lock(bench.wheel("ns-two", "1", files={"ns/two.py": "X = 2\n"}))
    before = snapshot(bench.venv), snapshot(Path(bench.options.store) / "views")
    with pytest.raises(LinkInTheWay):
        bench.realise(link_mode="symlink", inexact=True)
    assert (snapshot(bench.venv), snapshot(Path(bench.options.store) / "views")) == before


def test_a_folder_with_files_of_nobody_is_not_replaced_by_a_link(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"))
    bench.realise()
    (bench.site / "alpha/notes.txt").write_text("mine")
    bench.lock(bench.wheel("alpha", "2"))
    bench.realise(link_mode="symlink")
    assert (bench.site / "alpha/notes.txt").read_text() == "mine"
    assert bench.python("import alpha; print(alpha.VERSION)") == "2"
    bench.realise(link_mode="symlink", venv="fresh")
    (fresh,) = (bench.folder / "fresh").glob("lib/python*/site-packages/alpha/__init__.py")
    assert fresh.read_text() == "VERSION = '2'\n"


def test_an_environment_of_uv_is_taken_over_package_by_package(bench: Bench) -> None:
    alpha = bench.wheel("alpha", "1")
    bench.lock(alpha, bench.wheel("beta", "1"))
    uv("venv", "--python", sys.executable, str(bench.venv))
    uv_install(bench, alpha, bench.wheel("other", "1"))
    (bench.venv / "mine.txt").write_text("mine")
    result = bench.realise()
    assert bench.actions(result) == [
        ("alpha", "replaced"),
        ("beta", "added"),
        ("other", "removed"),
    ]
    assert (bench.venv / "mine.txt").read_text() == "mine"
    fresh = bench.realise(venv="fresh")
    assert fresh.digest == result.digest
    assert bench.realise().changes == ()
    assert bench.python("import alpha, beta; print(alpha.VERSION)") == "1"


def test_an_environment_of_venv_with_pip_is_taken_over(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"))
    subprocess.run([sys.executable, "-m", "venv", bench.venv], check=True)
    result = bench.realise()
    assert ("pip", "removed") in bench.actions(result)
    assert ("alpha", "added") in bench.actions(result)
    assert not (bench.site / "pip").exists()
    assert bench.python("import alpha; print(alpha.VERSION)") == "1"


def test_what_cannot_be_removed_is_named_and_clear_replaces_it(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"))
    uv("venv", "--python", sys.executable, str(bench.venv))
    (bench.site / "old-1.egg-info").mkdir()
    before = snapshot(bench.venv)
    with pytest.raises(NotRemovable, match=r"old-1\.egg-info"):
        bench.realise()
    assert snapshot(bench.venv) == before
    assert bench.realise(clear=True).created
    assert not (bench.site / "old-1.egg-info").exists()


@pytest.mark.parametrize("clear", [False, True])
def test_a_folder_that_is_no_environment_is_never_touched(bench: Bench, clear: bool) -> None:
    bench.lock(bench.wheel("alpha", "1"))
    bench.venv.mkdir()
    (bench.venv / "thesis.tex").write_text("years of work")
    before = snapshot(bench.venv)
    with pytest.raises(NotAnEnvironment):
        bench.realise(clear=clear)
    assert snapshot(bench.venv) == before
    assert sorted(path.name for path in bench.folder.iterdir()) == [".venv", "uv.lock", "wheels"]


def test_an_environment_that_was_moved_is_made_anew(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"))
    bench.realise()
    bench.venv.rename(bench.folder / "elsewhere")
    result = bench.realise(venv="elsewhere")
    assert result.created
    activate = (bench.folder / "elsewhere/bin/activate").read_text()
    assert str(bench.folder / "elsewhere") in activate


def test_a_damaged_blob_is_realised_again(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"))
    bench.realise()
    module = bench.site / "alpha/__init__.py"
    module.chmod(0o644)
    module.write_text("VERSION = 'edited through the link'\n")
    result = bench.realise(venv="second")
    assert result.digest == bench.realise(venv="third").digest
    (second,) = (bench.folder / "second").glob("lib/python*/site-packages/alpha/__init__.py")
    assert second.read_text() == "VERSION = '1'\n"


def test_a_blob_that_was_only_touched_is_set_right(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"))
    bench.realise()
    os.utime(bench.site / "alpha/__init__.py")
    bench.realise(venv="second")
    assert (bench.site / "alpha/__init__.py").stat().st_mtime == layout.TIMESTAMP


def test_a_wrong_hash_reaches_nothing(bench: Bench) -> None:
    wheel = bench.wheel("alpha", "1")
    bench.lock(wheel, bench.wheel("beta", "1"))
    bench.wheel("alpha", "1", files={"alpha/__init__.py": "evil = True\n"})
    with pytest.raises(HashMismatch):
        bench.realise()
    assert not bench.venv.exists()
    store = Store.open(bench.options.store)
    assert [realisation.name for realisation in store.all_realisations()] == [
        "beta-1-py3-none-any.whl"
    ]


def test_without_a_locked_hash_the_first_use_pins_it(bench: Bench) -> None:
    wheel = bench.wheel("alpha", "1")
    bench.lock(wheel, hashes=False)
    result = bench.realise()
    assert [pinned.name for pinned in result.pinned] == ["alpha"]
    assert bench.realise(venv="second").pinned == ()
    bench.wheel("alpha", "1", files={"alpha/__init__.py": "other = True\n"})
    shutil.rmtree(Path(bench.options.store) / "trees")
    shutil.rmtree(Path(bench.options.store) / "cache")
    with pytest.raises(HashChanged):
        bench.realise(venv="third")
    accepted = bench.realise(venv="third", refresh=("alpha",))
    assert [pinned.name for pinned in accepted.pinned] == ["alpha"]
    assert bench.realise(venv="fourth").digest == accepted.digest


def test_offline_everything_that_is_missing_is_named(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"), bench.wheel("beta", "1"))
    text = (bench.folder / "uv.lock").read_text()
    text = text.replace('registry = "wheels"', 'registry = "https://index.example/simple"')
    text = text.replace('path = "', 'url = "https://index.example/')
    (bench.folder / "uv.lock").write_text(text)
    with pytest.raises(MissingOffline) as caught:
        bench.realise(offline=True)
    assert caught.value.names == ("alpha-1-py3-none-any.whl", "beta-1-py3-none-any.whl")


def test_offline_a_mirror_that_is_a_folder_needs_no_network(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"))
    text = (bench.folder / "uv.lock").read_text()
    text = text.replace('registry = "wheels"', 'registry = "https://index.example/simple"')
    text = text.replace('path = "', 'url = "https://index.example/files/')
    (bench.folder / "uv.lock").write_text(text)
    mirror = ("https://index.example/files", str(bench.folder / "wheels"))
    assert bench.realise(offline=True, index_mirrors=(mirror,)).fetched == 1


def test_offline_a_full_store_is_enough(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"))
    first = bench.realise()
    shutil.rmtree(bench.folder / "wheels")
    shutil.rmtree(Path(bench.options.store) / "cache")
    assert bench.realise(offline=True, venv="second").digest == first.digest


def test_a_dry_run_says_what_it_would_do_and_does_nothing(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"))
    result = bench.realise(dry_run=True)
    assert bench.actions(result) == [("alpha", "added")]
    assert result.missing == ("alpha-1-py3-none-any.whl",)
    assert not bench.venv.exists()
    assert not Path(bench.options.store).exists()


def test_a_check_finds_what_a_run_would_change(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"))
    bench.realise()
    assert bench.realise(check=True).changes == ()
    shutil.rmtree(bench.site / "alpha")
    before = snapshot(bench.venv)
    assert bench.actions(bench.realise(check=True)) == [("alpha", "repaired")]
    assert snapshot(bench.venv) == before


@pytest.mark.parametrize("version", ["1.0", None])
def test_a_tree_that_changed_is_another_one_before_it_is_built(
    bench: Bench, version: str | None
) -> None:
    tree = write_project(bench.folder / "a tree", "tree")
    (bench.folder / "uv.lock").write_text(
        lock_text(
            package("app", 'virtual = "."', needs="tree"),
            package("tree", 'directory = "a tree"', version=version),
        )
    )
    planned = Change(
        name="tree", action="added", before=None, after=version, origin=f"file://{quote(str(tree))}"
    )
    assert bench.realise(dry_run=True).changes == (planned,)
    assert bench.realise().changes == (replace(planned, after="1.0"),)
    assert bench.realise(check=True).changes == ()
    (tree / "src/tree/__init__.py").write_text("X = 2\n")
    edited = replace(planned, action="replaced", before="1.0")
    result = bench.realise(check=True)
    assert (result.changes, result.missing) == ((edited,), ("a tree",))
    assert bench.python("import tree; print(tree.X)") == "1"
    assert bench.realise().changes == (replace(edited, after="1.0"),)
    assert bench.python("import tree; print(tree.X)") == "2"
    (bench.folder / "uv.lock").write_text(lock_text(package("app", 'virtual = "."')))
    gone = Change(name="tree", action="removed", before="1.0", after=None)
    assert bench.realise(check=True).changes == (gone,)
    assert bench.realise(check=True, inexact=True).changes == ()


def test_the_environment_is_a_root_of_its_store(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"))
    result = bench.realise()
    (root,) = Store.open(bench.options.store).environment_roots()
    assert (root.path, root.manifest) == (str(bench.venv), result.digest)


def test_pip_and_uv_see_an_ordinary_environment(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"), bench.wheel("beta", "1", requires=["alpha>=1"]))
    bench.realise()
    listed = json.loads(uv("pip", "list", "--format", "json", "--python", str(bench.venv)))
    assert listed == [{"name": "alpha", "version": "1"}, {"name": "beta", "version": "1"}]
    uv("pip", "check", "--python", str(bench.venv))
    uv("pip", "uninstall", "--python", str(bench.venv), "alpha", "beta")
    assert not (bench.site / "alpha").exists()
    assert bench.actions(bench.realise()) == [("alpha", "repaired"), ("beta", "repaired")]


def test_two_requests_on_one_lock_are_two_environments(bench: Bench) -> None:
    bench.lock(bench.wheel("alpha", "1"), bench.wheel("beta", "1"))
    from envbuild.selection.model import Request

    whole = bench.realise()
    part = bench.realise(request=Request(no_install_packages=("beta",)))
    assert whole.digest != part.digest
    assert bench.actions(part) == [("beta", "removed")]


def test_errors_leave_the_environment_as_it_was(bench: Bench) -> None:
    alpha = bench.wheel("alpha", "1")
    bench.lock(alpha)
    bench.realise()
    before = snapshot(bench.venv)
    (bench.folder / "uv.lock").write_text("version = 1\nthis is no TOML")
    with pytest.raises(EnvbuildError):
        bench.realise()
    assert snapshot(bench.venv) == before
