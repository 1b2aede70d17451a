"""Local trees: what changes their identity and what does not, and what comes of them."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envbuild.derivation.sources import PRESENT, Fact
from envbuild.digest import digest_of
from envbuild.errors import LockfileError
from envbuild.realise import local_source
from envbuild.realise.git import GitMissing
from envbuild.realise.local_files import InvalidLocalTree, LocalFiles, LocalTreeUnreadable
from envbuild.realise.local_source import IdentifiedTree, identify_tree, ingest_tree
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from support.git_repositories import ENVIRONMENT, commit, git, make_repository
from support.source_trees import executable, files_of, link, write_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from support.source_trees import Files

FILES: Files = {
    "pyproject.toml": b"[project]\nname = 'demo'\n",
    "src/demo/__init__.py": b"",
    "src/demo/main.py": b"print('hello')\n",
    "run": executable("#!/bin/sh\n"),
    "docs/link": link("../run"),
    "dangling": link("nowhere"),
}


class Bench:
    """A project and a store that remembers it."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder
        self.store = store
        self.environ: dict[str, str] = dict(ENVIRONMENT)

    def identify(self, *, editable: bool = False, folder: Path | None = None) -> IdentifiedTree:
        found = identify_tree(
            str(folder or self.folder), editable=editable, environ=self.environ, store=self.store
        )
        if not editable:
            # What is remembered, and what the store gets, is what is there.
            with Publication(self.store) as publication:
                ingested = ingest_tree(
                    str(folder or self.folder), environ=self.environ, blobs=publication.blobs
                )
            assert ingested.source == found.source
            assert ingested.subdirectory == found.subdirectory
            assert ingested.unpacked.notes == found.notes
            assert ingested.unpacked.files == found.files
        return found

    def files(self) -> dict[str, bytes | str]:
        """Return what the store gets."""
        with Publication(self.store) as publication:
            ingested = ingest_tree(str(self.folder), environ=self.environ, blobs=publication.blobs)
            return files_of(ingested.unpacked.tree, self.store)

    def settle(self) -> None:
        """Make every file as old as one whose times can be believed."""
        old = time.time() - 3600
        for place in [self.folder, *self.folder.rglob("*")]:
            os.utime(place, (old, old), follow_symlinks=False)

    def keys(self, keys: str) -> None:
        """Let the project state these `cache-keys`."""
        content = FILES["pyproject.toml"]
        assert isinstance(content, bytes)
        text = content.decode() + f"[tool.uv]\ncache-keys = {keys}\n"
        (self.folder / "pyproject.toml").write_text(text)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    # Times of changes cannot be set, so here every time is old enough to be believed.
    monkeypatch.setattr(local_source, "_RACY", -(10**18))
    with Store.open(str(tmp_path / "store")) as store:
        yield Bench(write_files(tmp_path / "project", FILES), store)


def test_a_tree_is_its_files(bench: Bench) -> None:
    found = bench.identify()
    assert bench.files() == FILES
    assert (found.files, found.subdirectory, found.notes) == (len(FILES), "", ())
    assert found.source.facts == ()


def test_an_archive_and_a_checkout_of_the_same_files_are_the_same_tree(bench: Bench) -> None:
    from envbuild.realise.archive_limits import Limits
    from envbuild.realise.sdist import unpack_sdist
    from support.source_trees import sdist_tar

    with Publication(bench.store) as publication:
        path = bench.folder.parent / "it.tar.gz"
        path.write_bytes(sdist_tar(FILES))
        unpacked = unpack_sdist(
            str(path), filename=path.name, distribution=None, version=None, limits=Limits(),
            blobs=publication.blobs,
        )  # fmt: skip
    assert unpacked.tree.digest == bench.identify().source.tree


def test_what_has_not_changed_is_not_read_again(bench: Bench) -> None:
    first = bench.identify()
    assert first.read == len(FILES)
    again = bench.identify()
    assert (again.source, again.read) == (first.source, 0)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a byte": lambda folder: (folder / "src/demo/main.py").write_bytes(b"print('hallo')\n"),
    "a byte more": lambda folder: (folder / "src/demo/__init__.py").write_bytes(b"\n"),
    "a new file": lambda folder: (folder / "new").write_bytes(b""),
    "a file less": lambda folder: (folder / "run").unlink(),
    "another name": lambda folder: (folder / "run").rename(folder / "ran"),
    "executable": lambda folder: (folder / "pyproject.toml").chmod(0o755),
    "no longer executable": lambda folder: (folder / "run").chmod(0o644),
    "another link": lambda folder: relink(folder / "docs/link", "../pyproject.toml"),
    "a link less": lambda folder: (folder / "dangling").unlink(),
    "a file for a link": lambda folder: replace_by_content(folder / "docs/link"),
}


def relink(place: Path, target: str) -> None:
    place.unlink()
    place.symlink_to(target)


def replace_by_content(place: Path) -> None:
    content = place.read_bytes()
    place.unlink()
    place.write_bytes(content)
    place.chmod(0o755)


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_a_tree_changes_its_identity(name: str, bench: Bench) -> None:
    before = bench.identify()
    CHANGES[name](bench.folder)
    after = bench.identify()
    assert after.source.digest != before.source.digest
    assert after.read <= 1


def same_content(folder: Path) -> None:
    place = folder / "src/demo/main.py"
    content = place.read_bytes()
    place.unlink()
    place.write_bytes(content)


NO_CHANGES: dict[str, Callable[[Path], object]] = {
    "touched": lambda folder: os.utime(folder / "src/demo/main.py"),
    "touched link": lambda folder: os.utime(folder / "dangling", follow_symlinks=False),
    "written again": same_content,
    "other permissions": lambda folder: (folder / "src/demo/main.py").chmod(0o600),
    "executable for fewer": lambda folder: (folder / "run").chmod(0o700),
    "an empty folder": lambda folder: (folder / "empty").mkdir(),
    "a cache": lambda folder: write_files(folder, {"src/demo/__pycache__/a.pyc": b"x"}),
    "an environment": lambda folder: write_files(folder, {".venv/pyvenv.cfg": b"", ".venv/x": b""}),
    "a pipe": lambda folder: os.mkfifo(folder / "pipe"),
}


@pytest.mark.parametrize("name", NO_CHANGES)
def test_what_does_not_matter_changes_nothing(name: str, bench: Bench) -> None:
    before = bench.identify()
    NO_CHANGES[name](bench.folder)
    assert bench.identify().source == before.source


@pytest.mark.parametrize("is_repository", [True, False])
def test_a_store_that_lies_in_the_folder_is_no_source(bench: Bench, is_repository: bool) -> None:
    if is_repository:
        make_repository(bench.folder, {})
    before = bench.identify()
    with Store.open(str(bench.folder / "ci" / "store")) as store:
        store_file = store.absolute("cache/kept")
        write_files(bench.folder, {os.path.relpath(store_file, bench.folder): b"kept"})
    assert bench.identify().source == before.source
    # What is only called like the file that makes it one is a source like any other.
    (bench.folder / "ci" / "store" / "format.json").chmod(0o600)
    write_files(bench.folder, {"ci/store/format.json": b'{"format":"other"}'})
    assert "ci/store/cache/kept" in bench.files()


def test_a_tree_is_the_same_in_every_place(bench: Bench) -> None:
    before = bench.identify()
    other = bench.folder.parent / "elsewhere" / "copy"
    shutil.copytree(bench.folder, other, symlinks=True)
    assert bench.identify(folder=other).source == before.source
    through = bench.folder.parent / "through"
    through.symlink_to(other)
    assert bench.identify(folder=through).source == before.source
    make_repository(other, {})
    assert bench.identify(folder=other).source == before.source


def test_a_change_that_times_do_not_show_is_seen_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_source, "_RACY", 2 * 10**9)
    before = bench.identify()
    # Everything is too young to be believed, whatever its times say next time.
    assert bench.identify().read == len(FILES)
    place = bench.folder / "src/demo/main.py"
    status = place.stat()
    with place.open("r+b") as file:
        file.write(b"P")
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert bench.identify().source != before.source


def test_what_is_old_enough_is_believed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_source, "_RACY", 0)
    bench.settle()
    bench.identify()
    time.sleep(0.02)
    bench.identify()
    assert bench.identify().read == 0


def test_the_memory_can_be_lost_or_damaged(bench: Bench) -> None:
    before = bench.identify()
    folder = bench.folder.parent / "store" / layout.CACHE / "sources"
    (memory,) = folder.iterdir()
    for content in (b"", b"x" * 100, memory.read_bytes()[:-1]):
        memory.write_bytes(content)
        again = bench.identify()
        assert (again.source, again.read) == (before.source, len(FILES))
    shutil.rmtree(folder)
    assert bench.identify().source == before.source


def test_a_memory_of_another_version_is_forgotten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bench.identify()
    monkeypatch.setattr(local_source, "_MEMORY_VERSION", 0)
    assert bench.identify().read == len(FILES)
    assert bench.identify().source == before.source


def test_large_files_are_read_in_pieces(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(3 << 20)
    (bench.folder / "large").write_bytes(content)
    before = bench.identify()
    monkeypatch.setattr(local_source, "_PIECE", 10)
    assert bench.files()["large"] == content
    assert bench.identify().source == before.source


# Links that lead outside.


def test_a_link_to_a_file_outside_is_that_file(bench: Bench) -> None:
    outside = bench.folder.parent / "README.md"
    outside.write_bytes(b"read me")
    for name, target in (("README.md", "../README.md"), ("absolute", str(outside))):
        (bench.folder / name).symlink_to(target)
    (bench.folder / "inside").symlink_to("src/../run")
    found = bench.files()
    assert (found["README.md"], found["absolute"]) == (b"read me", b"read me")
    assert found["inside"] == FILES["run"]
    before = bench.identify()
    assert bench.identify().read == 0
    outside.write_bytes(b"read us")
    after = bench.identify()
    assert after.source != before.source
    assert after.read == 2
    outside.chmod(0o755)
    assert bench.identify().source != after.source


def test_a_relative_link_to_a_folder_outside_is_that_folder(bench: Bench) -> None:
    write_files(
        bench.folder.parent / "common",
        {".gitignore": b"*.o\n", "a.o": b"", "a.c": b"1", "sub/b.c": b"2", "up": link("sub/b.c")},
    )
    (bench.folder / "src" / "common").symlink_to("../../common")
    expected = {
        "src/common/.gitignore": b"*.o\n",
        "src/common/a.c": b"1",
        "src/common/sub/b.c": b"2",
        "src/common/up": link("sub/b.c"),
    }
    assert bench.files() == {**FILES, **expected}
    before = bench.identify()
    (bench.folder.parent / "common" / "a.c").write_bytes(b"3")
    assert bench.identify().source != before.source


def test_links_that_can_be_nothing_elsewhere_are_left_out_and_told(bench: Bench) -> None:
    folder = bench.folder
    (folder / "up").symlink_to("..")
    (folder / "itself").symlink_to("../project")
    (folder / "gone").symlink_to("../gone")
    (folder / "absolute").symlink_to(folder.parent)
    (folder / "loop").symlink_to("../project/loop")
    assert bench.files() == FILES
    assert bench.identify().notes == (
        f"`absolute` is left out: it is a link that leads to the folder `{folder.parent}` of this machine",
        "`gone` is left out: it is a link that leads to `../gone`, where nothing is",
        "`itself` is left out: it is a link that leads to `../project`, which it is in itself",
        "`loop` is left out: it is a link that leads to `../project/loop`, where nothing is",
        "`up` is left out: it is a link that leads to `..`, which it is in itself",
    )


def test_folders_that_lead_to_one_another_end(bench: Bench) -> None:
    one = write_files(bench.folder.parent / "one", {"1": b"1", "two": link("../two")})
    write_files(bench.folder.parent / "two", {"2": b"2", "one": link("../one")})
    (bench.folder / "one").symlink_to("../one")
    found = bench.files()
    assert {path for path in found if path.startswith("one")} == {"one/1", "one/two/2"}
    assert one.exists()


# `cache-keys`.


def test_an_ignored_file_counts_where_a_key_names_it(bench: Bench) -> None:
    make_repository(bench.folder, {".gitignore": b"*.gen\n"})
    write_files(bench.folder, {"a.gen": b"1", "src/b.gen": b"2", ".venv/c.gen": b"3"})
    assert "a.gen" not in bench.files()
    bench.keys('["a.gen"]')
    assert bench.files()["a.gen"] == b"1"
    before = bench.identify()
    (bench.folder / "a.gen").write_bytes(b"2")
    assert bench.identify().source != before.source
    bench.keys('["**/*.{gen,nothing}"]')
    assert {path for path in bench.files() if path.endswith(".gen")} == {"a.gen", "src/b.gen"}


def test_a_key_never_takes_a_file_away(bench: Bench) -> None:
    bench.keys('["pyproject.toml", "not/here", "src", "nothing/*.x"]')
    assert bench.files().keys() == FILES.keys()


def test_a_link_that_a_key_names_is_what_it_leads_to(bench: Bench) -> None:
    make_repository(bench.folder, {".gitignore": b"gen/\n"})
    write_files(bench.folder, {"gen/a": b"1", "to": link("gen/a"), "folder": link("gen")})
    bench.keys('["to", "folder/a"]')
    found = bench.files()
    assert (found["to"], found["gen/a"], found["folder"]) == (b"1", b"1", link("gen"))


def test_a_tree_with_files_outside_begins_above_its_project(bench: Bench) -> None:
    write_files(
        bench.folder.parent, {"Cargo.lock": b"lock", "common/a.c": b"1", "common/a.h": b"2"}
    )
    bench.keys('["../Cargo.lock", { file = "../common/*.c" }]')
    found = bench.identify()
    assert found.subdirectory == "project"
    assert bench.files() == {
        **{f"project/{path}": content for path, content in FILES.items()},
        "project/pyproject.toml": (bench.folder / "pyproject.toml").read_bytes(),
        "Cargo.lock": b"lock",
        "common/a.c": b"1",
    }
    for place in ("Cargo.lock", "common/a.c"):
        before = bench.identify()
        (bench.folder.parent / place).write_bytes(b"other")
        assert bench.identify().source != before.source
    bench.keys(f'["{bench.folder.parent}/Cargo.lock"]')
    assert "Cargo.lock" in bench.files()


def test_variables_are_facts_and_not_shown(bench: Bench) -> None:
    bench.keys('[{ env = "MODE" }, { env = "TOKEN" }]')
    bench.environ["TOKEN"] = "s3cret"
    found = bench.identify()
    assert found.source.facts == (
        Fact(kind="environment", name="MODE", value=None),
        Fact(kind="environment", name="TOKEN", value=digest_of(b"s3cret")),
    )
    assert "s3cret" not in repr(found)
    bench.environ["MODE"] = ""
    assert bench.identify().source != found.source
    bench.environ["OTHER"] = "x"
    del bench.environ["MODE"]
    assert bench.identify().source == found.source


def test_folders_are_there_or_not(bench: Bench) -> None:
    bench.keys('[{ dir = "generated" }, { dir = "src" }, { dir = "src" }]')
    found = bench.identify()
    assert found.source.facts == (
        Fact(kind="folder", name="generated", value=None),
        Fact(kind="folder", name="src", value=PRESENT),
    )
    (bench.folder / "generated").mkdir()
    assert bench.identify().source != found.source


def test_commit_and_tags_count_where_keys_say_so(bench: Bench) -> None:
    bench.keys("[{ git = { commit = true, tags = true } }]")
    nothing = bench.identify()
    assert [fact.value for fact in nothing.source.facts] == [None, None]
    make_repository(bench.folder)
    assert bench.identify().source == nothing.source
    first = commit(bench.folder, {})
    found = bench.identify()
    assert found.source.facts[0] == Fact(kind="git-commit", name="", value=first)
    git(bench.folder, "tag", "v1")
    tagged = bench.identify()
    assert tagged.source.facts[0] == found.source.facts[0]
    assert tagged.source.facts[1].value is not None
    commit(bench.folder, {})
    later = bench.identify()
    assert later.source.facts[0] != tagged.source.facts[0]
    assert later.source.facts[1] == tagged.source.facts[1]
    git(bench.folder, "tag", "--delete", "v1")
    git(bench.folder, "tag", "v1")
    assert bench.identify().source.facts[1] != tagged.source.facts[1]
    bench.keys("[{ git = true }]")
    assert [fact.kind for fact in bench.identify().source.facts] == ["git-commit"]


def test_git_is_missed_only_where_there_is_something_to_ask(bench: Bench) -> None:
    bench.keys("[{ git = true }]")
    before = bench.identify()
    bench.environ["PATH"] = "/nowhere"
    assert bench.identify().source == before.source
    (bench.folder.parent / ".git").mkdir()
    with pytest.raises(GitMissing):
        bench.identify()


def test_keys_that_cannot_be_read_are_errors(bench: Bench) -> None:
    for text in ("[1]", "["):
        bench.keys(text)
        with pytest.raises(LockfileError):
            bench.identify()
    (bench.folder / "pyproject.toml").write_bytes(b"\xff cache-keys")
    with pytest.raises(LockfileError):
        bench.identify()
    (bench.folder / "pyproject.toml").write_bytes(b"no TOML, and none of our business")
    assert bench.identify().files == len(FILES)


# Editables.


def test_an_editable_is_what_uv_looks_at(bench: Bench) -> None:
    before = bench.identify(editable=True)
    assert before.files == 1
    assert before.source.facts == (Fact(kind="folder", name="src", value=PRESENT),)
    write_files(bench.folder, {"src/demo/main.py": b"other", "new": b""})
    assert bench.identify(editable=True).source == before.source
    for name in ("pyproject.toml", "setup.py", "setup.cfg"):
        now = bench.identify(editable=True)
        (bench.folder / name).write_bytes(b"other")
        assert bench.identify(editable=True).source != now.source
    shutil.rmtree(bench.folder / "src")
    assert bench.identify(editable=True).source != now.source


def test_an_editable_is_what_its_keys_name(bench: Bench) -> None:
    bench.keys('["src/**/*.py"]')
    before = bench.identify(editable=True)
    assert (before.files, before.source.facts) == (2, ())
    (bench.folder / "setup.py").write_bytes(b"")
    assert bench.identify(editable=True).source == before.source
    (bench.folder / "src/demo/main.py").write_bytes(b"other")
    assert bench.identify(editable=True).source != before.source


def test_an_editable_and_a_copy_are_remembered_apart(bench: Bench) -> None:
    bench.identify()
    assert bench.identify(editable=True).read == 1
    assert bench.identify().read == 0
    assert bench.identify(editable=True).read == 0


# What cannot be.


def test_names_that_no_tree_can_hold_are_told_together(bench: Bench) -> None:
    (bench.folder / "back\\slash").write_bytes(b"")
    (bench.folder / "\udcff").write_bytes(b"")
    with pytest.raises(InvalidLocalTree) as caught:
        bench.identify()
    assert caught.value.reasons == (
        "`back\\slash`: it holds a backslash or a NUL",
        "`\\udcff`: it is not Unicode text",
    )
    with Publication(bench.store) as publication, pytest.raises(InvalidLocalTree):
        ingest_tree(str(bench.folder), environ=bench.environ, blobs=publication.blobs)


def test_a_tree_has_files_and_is_a_folder(bench: Bench) -> None:
    empty = bench.folder.parent / "empty"
    empty.mkdir()
    with pytest.raises(InvalidLocalTree, match="there is no file in it"):
        bench.identify(folder=empty)
    for name in ("nothing", "project/run"):
        with pytest.raises(InvalidLocalTree, match="it is no folder"):
            bench.identify(folder=bench.folder.parent / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(bench: Bench) -> None:
    (bench.folder / "run").chmod(0)
    with pytest.raises(LocalTreeUnreadable, match="run"):
        bench.identify()


def test_a_file_that_goes_while_it_is_read_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = LocalFiles.check_paths

    def remove_one(found: LocalFiles) -> None:
        check(found)
        (bench.folder / "run").unlink()

    monkeypatch.setattr(LocalFiles, "check_paths", remove_one)
    with pytest.raises(LocalTreeUnreadable, match=r"cannot read `.*/run`: No such file") as caught:
        bench.identify()
    assert caught.value.path == str(bench.folder / "run")


EDITS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from("abcd"), st.sampled_from((b"", b"x", b"y", b"xx"))),
    st.tuples(st.just("remove"), st.sampled_from("abcd"), st.just(b"")),
    st.tuples(st.just("touch"), st.sampled_from("abcd"), st.just(b"")),
    st.tuples(st.just("mode"), st.sampled_from("abcd"), st.sampled_from((b"6", b"7"))),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits=st.lists(EDITS, max_size=8))
def test_equal_trees_are_equal_whatever_came_before(
    edits: list[tuple[str, str, bytes]], tmp_path: Path
) -> None:
    state: dict[str, tuple[bytes, bool]] = {"fixed": (b"", False)}
    seen: dict[str, Mapping[str, tuple[bytes, bool]]] = {}
    folder = tmp_path / "walk"
    shutil.rmtree(folder, ignore_errors=True)
    write_files(folder, {"fixed": b""})
    with Store.open(str(tmp_path / "store")) as store:
        for action, name, content in edits:
            place = folder / name
            match action:
                case "write":
                    place.write_bytes(content)
                    state[name] = content, state.get(name, (b"", False))[1]
                case "remove":
                    place.unlink(missing_ok=True)
                    state.pop(name, None)
                case _ if name not in state:
                    continue
                case "touch":
                    os.utime(place)
                case _:
                    place.chmod(0o744 if content == b"7" else 0o644)
                    state[name] = state[name][0], content == b"7"
            found = identify_tree(str(folder), editable=False, environ=ENVIRONMENT, store=store)
            known = seen.setdefault(found.source.tree, dict(state))
            assert known == state
        assert len(seen) == len({tuple(sorted(each.items())) for each in seen.values()})


def test_nothing_heavy_is_loaded_to_recognise_a_tree() -> None:
    loaded = "import envbuild.realise.local_source, sys; print(*sorted(sys.modules))"
    import subprocess

    done = subprocess.run(
        (sys.executable, "-I", "-c", loaded), check=True, capture_output=True, text=True
    )
    heavy = {
        "re",
        "subprocess",
        "tempfile",
        "shutil",
        "json",
        "tomllib",
        "tomli",
        "pathlib",
        "zlib",
    }
    assert heavy & set(done.stdout.split()) == set()
