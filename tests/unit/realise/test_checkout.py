"""Commits to trees, beside what git itself checks out; and what a repository must not do."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envbuild.events import FetchFinished, FetchStarted, WaitingFor
from envbuild.realise import git_objects
from envbuild.realise.archive_limits import Limits
from envbuild.realise.checkout import checkout
from envbuild.realise.git import GitFailed, GitMissing
from envbuild.realise.git_cache import CommitMissing, CommitMissingOffline, Repositories
from envbuild.realise.git_lfs import LfsFileMissing, LfsMissing, parse_pointer
from envbuild.realise.git_objects import DamagedRepository
from envbuild.realise.zip_directory import ArchiveTooLarge, UnsafeArchive
from envbuild.store import locks
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from support.git_repositories import (
    add_commit,
    add_object,
    add_tree,
    commit,
    git,
    make_repository,
)
from support.git_server import serve_repositories
from support.source_trees import executable, files_below, files_of, link

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envbuild.events import Event
    from envbuild.realise.unpack import Unpacked

    Files = Mapping[str, bytes | str]

FILES: Files = {
    "pyproject.toml": b"[project]\nname = 'demo'\n",
    "src/demo/__init__.py": b"",
    "src/demo/same.py": b"",
    "src/demo/\u65e5\u672c.py": b"x = 1\n",
    "run": executable("#!/bin/sh\n"),
    "link": link("src/demo"),
    "docs/up": link("../run"),
}
FOR_FILES = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.version"}
OLD_PROTOCOL = {**FOR_FILES, "GIT_CONFIG_VALUE_0": "0"}
needs_lfs = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="no git-lfs here")


class Workshop:
    """A store, a folder of copies, and the environment that git runs in."""

    def __init__(self, folder: Path, store: Store, publication: Publication) -> None:
        self.folder = folder
        self.store = store
        self.publication = publication
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(folder / "home")}
        self.events: list[Event] = []
        (folder / "home").mkdir()

    @property
    def copies(self) -> Path:
        return self.folder / "cache" / "git"

    def report(self, event: Event) -> None:
        self.events.append(event)

    def configure(self, text: str) -> None:
        """Let the user have this configuration of git."""
        (self.folder / "home" / ".gitconfig").write_text(text)

    def check_out(
        self,
        url: str | Path,
        name: str,
        *,
        lfs: bool = False,
        offline: bool = False,
        limits: Limits | None = None,
    ) -> Unpacked:
        return checkout(
            str(url),
            name,
            lfs=lfs,
            repositories=Repositories(
                str(self.copies), environ=self.environ, offline=offline, reporter=self
            ),
            limits=limits or Limits(),
            blobs=self.publication.blobs,
        )

    def files(self, url: str | Path, name: str, *, lfs: bool = False) -> dict[str, bytes | str]:
        return files_of(self.check_out(url, name, lfs=lfs).tree, self.store)


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    with (
        Store.open(str(tmp_path / "store")) as store,
        Publication(store) as publication,
    ):
        yield Workshop(tmp_path, store, publication)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository", FILES)


def head(repository: Path) -> str:
    return git(repository, "rev-parse", "HEAD")


def by_git(repository: Path, name: str, folder: Path) -> dict[str, bytes | str]:
    """Return what git checks out."""
    git(repository.parent, "clone", "--quiet", "--no-checkout", str(repository), str(folder))
    git(folder, "checkout", "--quiet", "--detach", name)
    git(folder, "submodule", "--quiet", "update", "--init", "--recursive")
    found = files_below(folder)
    return {path: found[path] for path in found if ".git" not in path.split("/")}


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://{}?branch=main&subdirectory=x#0"])
def test_a_commit_gives_its_files(form: str, workshop: Workshop, repository: Path) -> None:
    unpacked = workshop.check_out(form.format(repository), head(repository))
    assert files_of(unpacked.tree, workshop.store) == FILES
    assert unpacked.notes == ()
    assert unpacked.files == len(FILES)


def test_the_files_are_those_that_git_checks_out(
    workshop: Workshop, repository: Path, tmp_path: Path
) -> None:
    name = commit(
        repository,
        {
            ".gitattributes": b"* text=auto\n*.bat text eol=crlf\n*.md ident\n*.no -text eol=crlf\n"
            b"*.rc working-tree-encoding=UTF-16LE\n[attr]keep export-ignore\n*.skip keep\n"
            b"*.sub export-subst\n*.bin filter=lfs -text\n",
            "sub/.gitattributes": b"*.txt eol=crlf\n*.bat eol=lf\n",
            "a.bat": b"one\ntwo\n",
            "a.txt": b"one\ntwo\n",
            "a.no": b"one\ntwo\n",
            "a.md": b"$Id$\n",
            "a.rc": "schön\n".encode("utf-16-le"),
            "a.skip": b"kept\n",
            "a.sub": b"$Format:%H$\n",
            "a.bin": b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 1\n"
            % (b"0" * 64),
            "sub/a.bat": b"one\n",
            "sub/a.txt": b"one\n",
            "sub/deep/a.txt": b"one\n",
            "mixed.bat": b"a\r\nb\n",
        },
    )
    found = workshop.files(repository, name)
    assert found == by_git(repository, name, tmp_path / "clone")
    assert found["a.bat"] == b"one\r\ntwo\r\n"
    assert found["a.skip"] == b"kept\n"
    assert found["a.sub"] == b"$Format:%H$\n"


def test_what_is_not_committed_does_not_count(workshop: Workshop, repository: Path) -> None:
    (repository / "more").write_text("x")
    (repository / "run").write_text("y")
    assert workshop.files(repository, head(repository)) == FILES


def test_large_files_are_read_in_pieces(
    workshop: Workshop, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(3 << 20)
    name = commit(repository, {"large": content, "again": content})
    whole = workshop.check_out(repository, name)
    monkeypatch.setattr(git_objects, "PIECE", 10)
    assert workshop.check_out(repository, name).tree == whole.tree
    assert files_of(whole.tree, workshop.store)["large"] == content


def test_an_executable_file_and_a_plain_one_of_the_same_content_are_both_there(
    workshop: Workshop, repository: Path
) -> None:
    name = commit(repository, {"plain": b"same", "other": b"same", "runs": executable("same")})
    found = workshop.files(repository, name)
    assert (found["plain"], found["other"], found["runs"]) == (b"same", b"same", executable("same"))


def test_a_commit_of_nothing_is_an_empty_tree(workshop: Workshop, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "empty", {})
    assert workshop.check_out(repository, head(repository)).tree.entries == ()


# Fetching.


def test_a_commit_is_fetched_without_its_history(workshop: Workshop, repository: Path) -> None:
    commit(repository, {"new": b"x"})
    old = git(repository, "rev-parse", "HEAD~")
    with serve_repositories(repository.parent) as server:
        assert workshop.files(f"{server.url}/repository/.git", old) == FILES
    (copy,) = workshop.copies.iterdir()
    assert git(copy, "rev-list", "--all") == old


def test_a_second_time_nothing_is_asked(workshop: Workshop, repository: Path) -> None:
    name = head(repository)
    with serve_repositories(repository.parent) as server:
        url = f"{server.url}/repository/.git"
        first = workshop.check_out(url, name)
        started = [event for event in workshop.events if isinstance(event, FetchStarted)]
        finished = [event for event in workshop.events if isinstance(event, FetchFinished)]
        assert [event.name for event in started] == [f"{url}@{name[:12]}"]
        assert finished[0].size > 0
        server.requests.clear()
        for spelling in (url, url.removesuffix("/.git") + "/.git/", f"{url}?tag=v1#{name}"):
            assert workshop.check_out(spelling, name.upper()).tree == first.tree
        assert server.requests == []
    assert workshop.check_out(url, name, offline=True).tree == first.tree


def test_servers_that_only_hand_out_files_will_do(workshop: Workshop, repository: Path) -> None:
    commit(repository, {"new": b"x"})
    old = git(repository, "rev-parse", "HEAD~")
    git(repository, "gc", "--quiet")
    git(repository, "update-server-info")
    with serve_repositories(repository.parent, dumb=True) as server:
        assert workshop.files(f"{server.url}/repository/.git", old) == FILES


@pytest.mark.parametrize("newest_first", [False, True])
def test_servers_that_give_only_what_a_ref_names_will_do(
    newest_first: bool, workshop: Workshop, repository: Path
) -> None:
    # Nothing but the tips can be had of such a server, so a copy without history must be completed.
    old = head(repository)
    new = commit(repository, {"new": b"x"})
    workshop.environ |= OLD_PROTOCOL
    with serve_repositories(repository.parent) as server:
        url = f"{server.url}/repository/.git"
        if newest_first:
            assert workshop.files(url, new) == {**FILES, "new": b"x"}
        assert workshop.files(url, old) == FILES


def test_a_commit_that_no_branch_holds_any_more_is_found(
    workshop: Workshop, repository: Path
) -> None:
    lost = commit(repository, {"new": b"x"})
    git(repository, "reset", "--hard", "--quiet", "HEAD~")
    with serve_repositories(repository.parent) as server:
        assert "new" in workshop.files(f"{server.url}/repository/.git", lost)


def test_a_shallow_repository_is_as_good_as_any(
    workshop: Workshop, repository: Path, tmp_path: Path
) -> None:
    name = commit(repository, {"new": b"x"})
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", "shallow")
    assert workshop.files(f"file://{tmp_path}/shallow", name) == {**FILES, "new": b"x"}


@pytest.mark.parametrize("environ", [{}, OLD_PROTOCOL], ids=["new", "old"])
def test_a_commit_that_is_not_there_is_said_to_be_missing(
    environ: dict[str, str], workshop: Workshop, repository: Path
) -> None:
    workshop.environ |= environ
    with (
        serve_repositories(repository.parent) as server,
        pytest.raises(CommitMissing) as caught,
    ):
        workshop.check_out(f"{server.url}/repository/.git", "1" * 40)
    assert str(caught.value) == f"`{server.url}/repository/.git` has no commit `{'1' * 40}`"


def test_something_that_is_no_commit_is_refused(workshop: Workshop, repository: Path) -> None:
    tree = git(repository, "rev-parse", "HEAD^{tree}")
    with pytest.raises((CommitMissing, DamagedRepository)):
        workshop.check_out(repository, tree)
    git(repository, "tag", "--annotate", "--message=x", "v1")
    with pytest.raises(DamagedRepository, match="is no commit"):
        workshop.check_out(repository, git(repository, "rev-parse", "v1"))


def test_a_repository_that_is_not_there_is_git_s_own_message(workshop: Workshop) -> None:
    with pytest.raises(
        GitFailed, match=r"cannot fetch from .*does not appear to be a git repository"
    ):
        workshop.check_out("file:///nowhere/at/all", "1" * 40)
    with (
        serve_repositories(workshop.folder) as server,
        pytest.raises(GitFailed, match="not found"),
    ):
        workshop.check_out(f"{server.url}/nothing", "1" * 40)


def test_offline_what_is_missing_is_said(workshop: Workshop, repository: Path) -> None:
    name = head(repository)
    with serve_repositories(repository.parent) as server:
        with pytest.raises(CommitMissingOffline) as caught:
            workshop.check_out(f"{server.url}/repository/.git", name, offline=True)
        assert server.requests == []
    assert caught.value.hint == "run once without `--offline`"
    assert workshop.check_out(repository, name, offline=True).files == len(FILES)


def test_without_git_it_is_git_that_is_missing(workshop: Workshop) -> None:
    workshop.environ["PATH"] = "/nowhere"
    os.environ["PATH"], path = "/nowhere", os.environ["PATH"]
    try:
        with pytest.raises(GitMissing, match="not on PATH"):
            workshop.check_out("https://git.example/x", "1" * 40)
    finally:
        os.environ["PATH"] = path


# Who we are.


def test_credentials_are_used_and_never_kept_or_shown(workshop: Workshop, repository: Path) -> None:
    name = head(repository)
    with serve_repositories(repository.parent, password="s3cret") as server:
        url = f"{server.url}/repository/.git"
        with_secret = url.replace("http://", "http://me:s3cret@")
        with pytest.raises(GitFailed) as refused:
            workshop.check_out(url, name)
        assert refused.value.hint == f"git must be let in by itself: try `git ls-remote {url}`"
        with pytest.raises(GitFailed) as wrong:
            workshop.check_out(with_secret.replace("s3cret", "wr0ng"), name)
        unpacked = workshop.check_out(with_secret, name)
    assert files_of(unpacked.tree, workshop.store) == FILES
    shown = [repr(error) + str(error) for error in (refused.value, wrong.value)]
    shown += map(repr, workshop.events)
    assert not [text for text in shown if "s3cret" in text or "wr0ng" in text]
    for path in (workshop.folder / "cache").rglob("*"):
        assert "s3cret" not in path.name
        assert not path.is_file() or b"s3cret" not in path.read_bytes()


def test_the_user_s_credential_helper_is_asked(workshop: Workshop, repository: Path) -> None:
    workshop.configure(
        '[credential]\n\thelper = "!f() { echo username=me; echo password=s3cret; }; f"\n'
    )
    with serve_repositories(repository.parent, password="s3cret") as server:
        assert workshop.files(f"{server.url}/repository/.git", head(repository)) == FILES


def test_the_user_s_rewrites_of_addresses_hold(workshop: Workshop, repository: Path) -> None:
    workshop.configure(f'[url "file://{repository.parent}/"]\n\tinsteadOf = https://git.example/\n')
    for offline in (True, False):
        found = workshop.check_out(
            "https://git.example/repository", head(repository), offline=offline
        )
        assert found.files == len(FILES)
        shutil.rmtree(workshop.copies)


def test_the_user_s_ssh_is_used(workshop: Workshop, repository: Path) -> None:
    script = workshop.folder / "ssh"
    script.write_text(
        '#!/bin/sh\necho "$@" >> "$0.log"\nwhile [ $# -gt 1 ]; do shift; done\neval "$1"\n'
    )
    script.chmod(0o755)
    workshop.environ |= {"GIT_SSH": str(script), "GIT_SSH_VARIANT": "simple"}
    url = f"ssh://git@git.example{repository}"
    assert workshop.files(url, head(repository)) == FILES
    assert script.with_suffix(".log").read_text().startswith("git@git.example git-upload-pack")


# Submodules.


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """Make a repository with a submodule with a submodule, by relative addresses."""
    make_repository(
        tmp_path / "far" / "inner", {"inner.txt": b"inner", "to": link("../../top.txt")}
    )
    make_repository(tmp_path / "outer", {"outer.txt": b"outer"})
    git(
        tmp_path / "outer",
        "submodule",
        "--quiet",
        "add",
        f"file://{tmp_path}/far/inner",
        "deep/inner",
    )
    git(
        tmp_path / "outer",
        "config",
        "--file=.gitmodules",
        "submodule.deep/inner.url",
        "../far/inner",
    )
    commit(tmp_path / "outer", {})
    top = make_repository(tmp_path / "top", {"top.txt": b"top"})
    git(top, "submodule", "--quiet", "add", f"file://{tmp_path}/outer", "libs/outer")
    git(top, "config", "--file=.gitmodules", "submodule.libs/outer.url", "./../outer/")
    commit(top, {})
    return top


def test_submodules_are_in_their_places(workshop: Workshop, family: Path) -> None:
    found = workshop.files(f"file://{family}", head(family))
    assert found == by_git(family, head(family), workshop.folder / "clone")
    assert found["libs/outer/deep/inner/inner.txt"] == b"inner"
    assert found["libs/outer/deep/inner/to"] == link("../../top.txt")


def test_submodules_come_over_http_and_offline(workshop: Workshop, family: Path) -> None:
    with serve_repositories(family.parent, password="s3cret") as server:
        url = server.url.replace("http://", "http://me:s3cret@")
        first = workshop.check_out(f"{url}/top", head(family))
    assert len(list(workshop.copies.iterdir())) == 3
    again = workshop.check_out(f"{server.url}/top", head(family), offline=True)
    assert again.tree == first.tree
    shutil.rmtree(min(workshop.copies.iterdir()))
    with pytest.raises(CommitMissingOffline):
        workshop.check_out(f"{server.url}/top", head(family), offline=True)


def with_submodule(repository: Path, url: str, *, more: str = "", target: str = "1" * 40) -> str:
    """Return a commit of a repository that has a submodule somewhere else."""
    text = f'[submodule "x"]\n\tpath = sub\n\turl = "{url}"\n{more}'
    modules = add_object(repository, "blob", text.encode())
    entries = {b".gitmodules": ("100644", modules), b"sub": ("160000", target)}
    return add_commit(repository, add_tree(repository, entries))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ext::sh -c 'touch /tmp/owned'", "its address .* is not followed"),
        ("file:///etc", "its address .* is not followed"),
        ("/etc", "its address .* is not followed"),
        ("sub/x", "its address .* is not followed"),
        ("ftp://git.example/x", "its address .* is not followed"),
        ("-u./payload", "it is no address of a repository"),
        ("https://git.example/\\nx", "it is no address of a repository"),
        ("../../../x", "it leads above the repository's host"),
    ],
)
def test_submodules_that_would_reach_for_this_machine_are_refused(
    url: str, reason: str, workshop: Workshop, repository: Path
) -> None:
    name = with_submodule(repository, url)
    with (
        serve_repositories(repository.parent) as server,
        pytest.raises(UnsafeArchive, match=f"`sub`: as a submodule, {reason}"),
    ):
        workshop.check_out(f"{server.url}/repository/.git", name)


def test_a_rewrite_leads_no_submodule_to_this_machine(workshop: Workshop, repository: Path) -> None:
    workshop.configure('[url "file:///"]\n\tinsteadOf = https://git.example/\n')
    name = with_submodule(repository, f"https://git.example{repository}", target=head(repository))
    with (
        serve_repositories(repository.parent) as server,
        pytest.raises(GitFailed, match="transport 'file' not allowed"),
    ):
        workshop.check_out(f"{server.url}/repository/.git", name)


def test_submodules_that_nobody_says_where_to_find_are_left_out(
    workshop: Workshop, repository: Path
) -> None:
    name = with_submodule(repository, "../x", more="\tupdate = none\n")
    assert workshop.check_out(repository, name).notes == (
        "`sub` is left out, as `.gitmodules` says",
    )
    bare = add_commit(repository, add_tree(repository, {b"sub": ("160000", "1" * 40)}))
    assert workshop.check_out(repository, bare).notes == (
        "`sub` is left out: `.gitmodules` does not say where it is",
    )


def test_modules_that_cannot_be_read_are_an_error(workshop: Workshop, repository: Path) -> None:
    name = with_submodule(repository, "x", more="[[[\n")
    with pytest.raises(GitFailed, match=r"cannot read `.gitmodules` of"):
        workshop.check_out(repository, name)


def test_modules_include_nothing_from_this_machine(workshop: Workshop, repository: Path) -> None:
    other = workshop.folder / "other"
    other.write_text('[submodule "x"]\n\tupdate = none\n')
    name = with_submodule(repository, "ext::x", more=f"[include]\n\tpath = {other}\n")
    with pytest.raises(UnsafeArchive, match="is not followed"):
        workshop.check_out(repository, name)


# What a repository must not do.


def test_nothing_is_run_by_a_checkout(workshop: Workshop, repository: Path) -> None:
    mark = workshop.folder / "ran"
    hooks = workshop.folder / "hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "post-checkout", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (hooks / name).chmod(0o755)
    workshop.configure(
        f"[core]\n\thooksPath = {hooks}\n\tfsmonitor = touch {mark}\n"
        f"[init]\n\ttemplateDir = {workshop.folder}\n"
        f'[filter "evil"]\n\tsmudge = touch {mark}; cat\n\trequired = true\n'
        f'[filter "lfs"]\n\tsmudge = touch {mark}; cat\n\tprocess = touch {mark}\n'
    )
    name = commit(repository, {".gitattributes": b"* filter=evil eol=crlf\n*.bin filter=lfs\n"})
    with serve_repositories(repository.parent) as server:
        workshop.check_out(f"{server.url}/repository/.git", name)
    assert not mark.exists()


@pytest.mark.parametrize(
    "variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY",
                 "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_SHALLOW_FILE", "GIT_TEMPLATE_DIR"],
)  # fmt: skip
def test_variables_that_lead_git_elsewhere_are_taken_out(
    variable: str, workshop: Workshop, repository: Path
) -> None:
    workshop.environ[variable] = str(workshop.folder / "elsewhere")
    assert workshop.files(repository, head(repository)) == FILES


def test_replaced_objects_are_not_believed(workshop: Workshop, repository: Path) -> None:
    name = head(repository)
    other = commit(repository, {"other": b"x"})
    workshop.check_out(repository, name)
    (copy,) = workshop.copies.iterdir()
    workshop.check_out(repository, other)
    git(copy, "replace", name, other)
    assert workshop.files(repository, name) == FILES


HOSTILE_NAMES = {
    b"..": "'..'",
    b".": "'.'",
    b"": "empty",
    b".git": "it is no name for a file",
    b".GiT": "it is no name for a file",
    b"a/b": "it is no name for a file",
    b"/etc": "it is no name for a file",
    b"a\\b": "backslash",
    b"a\nb": "control character",
    b"caf\xe9": "its name is not UTF-8",
    b"n" * 300: "longer than",
}


@pytest.mark.parametrize(("name", "reason"), HOSTILE_NAMES.items(), ids=repr)
@pytest.mark.parametrize("mode", ["100644", "40000", "120000"])
def test_names_that_are_fit_for_no_folder_are_refused(
    name: bytes, reason: str, mode: str, workshop: Workshop, repository: Path
) -> None:
    blob = add_object(repository, "blob", b"x")
    target = add_tree(repository, {b"f": ("100644", blob)}) if mode == "40000" else blob
    found = add_commit(repository, add_tree(repository, {name: (mode, target)}))
    with pytest.raises((UnsafeArchive, GitFailed), match=reason):
        workshop.check_out(repository, found)


def test_what_stands_twice_is_refused(workshop: Workshop, repository: Path) -> None:
    blob = add_object(repository, "blob", b"x")
    below = add_tree(repository, {b"b": ("100644", blob)})
    row = b"100644 a\0" + bytes.fromhex(blob)
    twice = add_object(repository, "tree", row + row)
    both = add_object(repository, "tree", row + b"40000 a\0" + bytes.fromhex(below))
    for tree, reason in ((twice, "it stands twice"), (both, "it is a file and a folder")):
        with pytest.raises(UnsafeArchive, match=reason):
            workshop.check_out(repository, add_commit(repository, tree))


def test_case_counts_where_the_system_says_so(workshop: Workshop, repository: Path) -> None:
    name = commit(repository, {"Readme": b"", "README": b""})
    assert workshop.check_out(repository, name).files == len(FILES) + 2
    with pytest.raises(UnsafeArchive, match="is the same file here"):
        workshop.check_out(repository, name, limits=Limits(folds_case=True))


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "src/../run", "\udcff"])
def test_links_that_may_lead_outside_are_left_out_and_told(
    target: str, workshop: Workshop, repository: Path
) -> None:
    name = commit(repository, {"docs/bad": link(target)})
    unpacked = workshop.check_out(repository, name)
    assert files_of(unpacked.tree, workshop.store) == FILES
    (note,) = unpacked.notes
    assert note.startswith("`docs/bad` is left out: it is a symbolic link that may lead outside")


def test_a_link_without_end_is_refused(workshop: Workshop, repository: Path) -> None:
    blob = add_object(repository, "blob", b"x" * 5000)
    tree = add_tree(repository, {b"a": ("120000", blob)})
    with pytest.raises(UnsafeArchive, match="a symbolic link of 5000 bytes"):
        workshop.check_out(repository, add_commit(repository, tree))


def test_a_few_objects_that_come_to_many_files_are_counted_as_many(
    workshop: Workshop, repository: Path
) -> None:
    tree, kind = add_object(repository, "blob", b"x"), "100644"
    for _ in range(12):
        tree = add_tree(repository, {b"%02d" % n: (kind, tree) for n in range(10)})
        kind = "40000"
    name = add_commit(repository, tree)
    with pytest.raises(ArchiveTooLarge, match="the limit `members` allows 250000"):
        workshop.check_out(repository, name)


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(members=3), "members"),
        (Limits(member_size=999), "member_size"),
        (Limits(total_size=3999), "total_size"),
    ],
)
def test_limits_hold_with_all_copies_of_a_file(
    limits: Limits, limit: str, workshop: Workshop, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "r", {name: bytes(1000) for name in "abcd"})
    with pytest.raises(ArchiveTooLarge) as caught:
        workshop.check_out(repository, head(repository), limits=limits)
    assert caught.value.limit == limit


def test_limits_count_submodules_too(workshop: Workshop, family: Path) -> None:
    with pytest.raises(ArchiveTooLarge, match="`members`"):
        workshop.check_out(f"file://{family}", head(family), limits=Limits(members=5))


# Copies.


def test_a_damaged_copy_is_made_anew(workshop: Workshop, repository: Path) -> None:
    name = head(repository)
    with serve_repositories(repository.parent) as server:
        url = f"{server.url}/repository/.git"
        first = workshop.check_out(url, name)
        for break_it in (shrink_packs, replace_objects, remove_objects):
            (copy,) = workshop.copies.iterdir()
            break_it(copy)
            with pytest.raises((CommitMissingOffline, DamagedRepository)):
                workshop.check_out(url, name, offline=True)
            assert workshop.check_out(url, name).tree == first.tree


def shrink_packs(copy: Path) -> None:
    for pack in (copy / "objects").rglob("*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:40])


def replace_objects(copy: Path) -> None:
    """Let every blob be another one under the name that it has."""
    objects = copy / "objects"
    for pack in list(objects.rglob("*.pack")):
        data = pack.read_bytes()
        for part in pack.parent.glob(f"{pack.stem}.*"):
            part.unlink()
        git(copy, "unpack-objects", "-q", data=data)
    other = add_object(copy, "blob", b"something else")
    for path in objects.glob("??/*"):
        name = path.parent.name + path.name
        if git(copy, "cat-file", "-t", name) == "blob" and name != other:
            path.unlink()
            shutil.copyfile(objects / other[:2] / other[2:], path)


def remove_objects(copy: Path) -> None:
    shutil.rmtree(copy / "objects")
    (copy / "objects").mkdir()


def test_a_copy_left_half_made_is_completed(workshop: Workshop, repository: Path) -> None:
    name = head(repository)
    workshop.check_out(repository, name)
    (copy,) = workshop.copies.iterdir()
    for path in copy.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    assert workshop.files(repository, name) == FILES


def test_git_keeps_the_commits_that_were_needed(workshop: Workshop, repository: Path) -> None:
    first = head(repository)
    second = commit(repository, {"new": b"x"})
    for name in (first, second):
        workshop.check_out(repository, name)
    (copy,) = workshop.copies.iterdir()
    git(copy, "gc", "--quiet", "--prune=now")
    shutil.rmtree(repository)
    assert workshop.files(repository, first) == FILES
    assert workshop.files(repository, second) == {**FILES, "new": b"x"}


def test_who_needs_a_copy_that_another_is_making_waits(
    workshop: Workshop, repository: Path
) -> None:
    name = head(repository)
    workshop.check_out(repository, name)
    (copy,) = workshop.copies.iterdir()
    lock = locks.wait_for_mutex(f"{copy}.lock")
    # As another process would have written it: of ourselves nobody is told.
    Path(f"{copy}.lock").write_text("process 1 (another) on some machine")
    results: list[Unpacked] = []
    thread = threading.Thread(target=lambda: results.append(workshop.check_out(repository, name)))
    thread.start()
    while not any(isinstance(event, WaitingFor) for event in workshop.events):
        thread.join(0.01)
    assert results == []
    lock.release()
    thread.join()
    assert results[0].files == len(FILES)


def test_many_at_once_get_the_same(workshop: Workshop, repository: Path) -> None:
    names = [commit(repository, {"n": str(number).encode()}) for number in range(3)] * 2
    results: dict[int, dict[str, bytes | str]] = {}
    threads = [
        threading.Thread(
            target=lambda n=n, name=name: results.update({n: workshop.files(repository, name)})
        )
        for n, name in enumerate(names)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[n]["n"] for n in range(6)] == [b"0", b"1", b"2"] * 2


# Git LFS.

CONTENT = b"large\0" * 1000
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n"


def test_a_pointer_says_hash_and_size() -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    pointer = parse_pointer(POINTER % (digest.encode(), len(CONTENT)))
    assert pointer is not None
    assert (pointer.sha256, pointer.size) == (digest, len(CONTENT))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text\n",
        b"\xff\xfe",
        POINTER % (b"ab" * 31, 1),
        POINTER % (b"XY" * 32, 1),
        (POINTER % (b"ab" * 32, 1)).replace(b"sha256", b"sha512"),
        (POINTER % (b"ab" * 32, 1)).replace(b"spec/v1", b"spec/v2"),
        (POINTER % (b"ab" * 32, 1)).replace(b"size 1", b"size -1"),
        (POINTER % (b"ab" * 32, 1)) + b"x" * 1024,
    ],
)
def test_what_is_no_pointer_is_the_file_itself(content: bytes) -> None:
    assert parse_pointer(content) is None


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Make a repository of which Git LFS keeps a file."""
    repository = make_repository(tmp_path / "kept")
    git(repository, "lfs", "install", "--local")
    git(repository, "lfs", "track", "*.bin")
    commit(repository, {"a.bin": CONTENT, "sub/again.bin": CONTENT, "a.txt": b"text"})
    return repository


@needs_lfs
def test_files_that_lfs_keeps_are_fetched_when_asked_for(workshop: Workshop, kept: Path) -> None:
    url, name = f"file://{kept}", head(kept)
    pointers = workshop.files(url, name)
    assert isinstance(pointers["a.bin"], bytes)
    assert parse_pointer(pointers["a.bin"]) is not None
    found = workshop.files(url, name, lfs=True)
    assert (found["a.bin"], found["sub/again.bin"], found["a.txt"]) == (CONTENT, CONTENT, b"text")
    shutil.rmtree(kept)
    assert workshop.files(url, name, lfs=True) == found


@needs_lfs
def test_a_file_that_lfs_has_lost_is_an_error(workshop: Workshop, kept: Path) -> None:
    for path in (kept / ".git" / "lfs" / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises((GitFailed, LfsFileMissing)):
        workshop.check_out(f"file://{kept}", head(kept), lfs=True)


@needs_lfs
def test_a_file_that_lfs_has_with_another_content_is_refused(
    workshop: Workshop, kept: Path
) -> None:
    url, name = f"file://{kept}", head(kept)
    workshop.check_out(url, name, lfs=True)
    (copy,) = workshop.copies.iterdir()
    for path in (copy / "lfs" / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(LfsFileMissing, match="is not what its pointer says"):
        workshop.check_out(url, name, lfs=True)


def with_pointer(repository: Path) -> str:
    digest = hashlib.sha256(CONTENT).hexdigest().encode()
    return commit(
        repository,
        {
            ".gitattributes": b"*.bin filter=lfs -text\n",
            "a.bin": POINTER % (digest, len(CONTENT)),
            "small.bin": b"in the repository",
            "large.bin": b"in the repository" * 100,
        },
    )


def test_without_lfs_it_is_lfs_that_is_missing(workshop: Workshop, repository: Path) -> None:
    name = with_pointer(repository)
    programs = workshop.folder / "programs"
    programs.mkdir()
    (programs / "git").symlink_to(shutil.which("git") or "")
    workshop.environ["PATH"] = str(programs)
    with pytest.raises(LfsMissing, match="there is no `git lfs` here"):
        workshop.check_out(repository, name, lfs=True)
    assert workshop.files(repository, name)["small.bin"] == b"in the repository"


def test_files_that_lfs_should_keep_and_does_not_are_taken_as_they_are(
    workshop: Workshop, repository: Path
) -> None:
    name = with_pointer(repository)
    workshop.check_out(repository, name)
    (copy,) = workshop.copies.iterdir()
    digest = hashlib.sha256(CONTENT).hexdigest()
    place = copy / "lfs" / "objects" / digest[:2] / digest[2:4] / digest
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    found = workshop.files(repository, name, lfs=True)
    assert found["a.bin"] == CONTENT
    assert found["small.bin"] == b"in the repository"
    assert found["large.bin"] == b"in the repository" * 100


def test_offline_a_file_that_lfs_keeps_must_be_here(workshop: Workshop, repository: Path) -> None:
    name = with_pointer(repository)
    with serve_repositories(repository.parent) as server:
        url = f"{server.url}/repository/.git"
        workshop.check_out(url, name)
        with pytest.raises(LfsFileMissing, match="is not here, and the network is off") as caught:
            workshop.check_out(url, name, lfs=True, offline=True)
    assert caught.value.hint == "run once without `--offline`"
