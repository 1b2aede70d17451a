"""Addresses of repositories, in git's own spellings."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from envbuild.sources.git_url import parse_address, repository_key, submodule_url, transport
from support.git_repositories import commit, git, make_repository

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "url", "root", "secret_root"),
    [
        ("https://git.example/a/b", "https://git.example/a/b", "https://git.example/", ""),
        ("https://git.example/a?rev=x&lfs=true#1234", "https://git.example/a", "https://git.example/", ""),
        (
            "https://me:s@cret@git.example:8443/a.git",
            "https://git.example:8443/a.git",
            "https://git.example:8443/",
            "https://me:s@cret@git.example:8443/",
        ),
        ("http://token@git.example", "http://git.example", "http://git.example/", "http://token@git.example/"),
        ("ssh://git@git.example/a", "ssh://git@git.example/a", "", ""),
        ("git@git.example:a/b", "git@git.example:a/b", "", ""),
        ("file:///srv/a", "file:///srv/a", "", ""),
        ("/srv/a", "/srv/a", "", ""),
    ],
)  # fmt: skip
def test_an_address_is_taken_apart(text: str, url: str, root: str, secret_root: str) -> None:
    address = parse_address(text)
    assert (address.url, address.root, address.secret_root) == (url, root, secret_root)


def test_no_representation_shows_a_secret() -> None:
    assert "s3cret" not in repr(parse_address("https://me:s3cret@git.example/a"))


@pytest.mark.parametrize(
    "spellings",
    [
        ("https://git.example/a/b", "HTTPS://Git.Example/a/b/", "https://git.example/a/b.git",
         "https://git.example/a/b.git/"),
        ("https://git.example/A/b",),
        ("ssh://git@git.example/a/b.git", "ssh://git@git.example/a/b"),
        ("/srv/a", "/srv/a/", "/srv/a.git", "/srv/a/.git"),
        ("git@git.example:a", "git@git.example:a.git"),
    ],
)  # fmt: skip
def test_spellings_of_one_repository_have_one_key(spellings: tuple[str, ...]) -> None:
    assert len({repository_key(url) for url in spellings}) == 1


def test_different_repositories_have_different_keys() -> None:
    urls = (
        "https://git.example/a",
        "https://git.example/A",
        "http://git.example/a",
        "/a",
        "git.example:a",
    )
    assert len({repository_key(url) for url in urls}) == len(urls)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://git.example/a", "https"),
        ("HTTP://git.example/a", "http"),
        ("ssh://git.example/a", "ssh"),
        ("git+ssh://git.example/a", "ssh"),
        ("git://git.example/a", "git"),
        ("git@git.example:a/b", "ssh"),
        ("git.example:a", "ssh"),
        ("file:///srv/a", "file"),
        ("/srv/a", "file"),
        ("/srv/a:b", "file"),
        ("./a:b", "file"),
        ("a/b", "file"),
        ("ext::sh -c x", "ext"),
        ("ext::sh -c x/y", "ext"),
        ("fd::17/x", "fd"),
    ],
)
def test_the_transport_is_the_one_that_git_would_use(url: str, expected: str) -> None:
    assert transport(url) == expected


def refusals(tmp_path: Path, url: str) -> str:
    """Return what git says to `url` where no transport is allowed."""
    done = subprocess.run(
        ("git", "ls-remote", "--", url),
        cwd=tmp_path,
        env={"GIT_ALLOW_PROTOCOL": "none", "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        capture_output=True,
        check=False,
    )
    return done.stderr.decode()


@pytest.mark.parametrize(
    "url",
    ["https://git.example/a", "ssh://git.example/a", "git://git.example/a", "git.example:a",
     "me@git.example:a/b", "file:///srv/a", "ext::sh -c x/y"],
)  # fmt: skip
def test_git_agrees_about_the_transport(url: str, tmp_path: Path) -> None:
    assert f"transport '{transport(url)}' not allowed" in refusals(tmp_path, url)


RELATIVE = [
    ("https://git.example/a/b", "../c", "https://git.example/a/c"),
    ("https://git.example/a/b/", "../c", "https://git.example/a/c"),
    ("https://git.example/a/b", "./c", "https://git.example/a/b/c"),
    ("https://git.example/a/b", "../../c/d", "https://git.example/c/d"),
    ("https://git.example/a/b", "./../c/", "https://git.example/a/c"),
    ("https://git.example/a/b.git", "../c.git", "https://git.example/a/c.git"),
    ("git@git.example:a/b", "../c", "git@git.example:a/c"),
    ("git@git.example:a", "../c", "git@git.example:c"),
    ("/srv/a/b", "../../c", "/srv/c"),
    ("/srv", "../c", "/c"),
    ("file:///srv/a", "../c", "file:///srv/c"),
]


@pytest.mark.parametrize(("parent", "stated", "expected"), RELATIVE)
def test_relative_addresses_of_submodules_go_by_the_parent_s(
    parent: str, stated: str, expected: str
) -> None:
    assert submodule_url(parent, stated) == expected


@pytest.mark.parametrize(("parent", "stated", "expected"), RELATIVE)
def test_git_finds_the_same_addresses(
    parent: str, stated: str, expected: str, tmp_path: Path
) -> None:
    inner = make_repository(tmp_path / "inner", {"x": b""})
    outer = make_repository(tmp_path / "outer", {})
    git(outer, "submodule", "--quiet", "add", str(inner), "sub")
    git(outer, "config", "--file=.gitmodules", "submodule.sub.url", stated)
    commit(outer, {})
    git(outer, "config", "remote.origin.url", parent)
    git(outer, "submodule", "--quiet", "sync")
    assert git(outer, "config", "submodule.sub.url").rstrip("/") == expected


@pytest.mark.parametrize(
    "stated", ["https://git.example/x", "git@git.example:x", "/srv/x", "x/y", "..x"]
)
def test_other_addresses_of_submodules_are_taken_as_they_are(stated: str) -> None:
    assert submodule_url("https://git.example/a/b", stated) == stated


@pytest.mark.parametrize(
    ("parent", "stated"),
    [
        ("https://git.example/a", ""),
        ("https://git.example/a", "-oProxyCommand=x"),
        ("https://git.example/a", "https://git.example/\nx"),
        ("https://git.example/a", "../../x"),
        ("https://git.example/a", "../../../../x"),
        ("/a", "../../x"),
        ("git@git.example:a", "../../x"),
    ],
)
def test_what_is_no_address_is_refused(parent: str, stated: str) -> None:
    with pytest.raises(ValueError, match=r"it (is|leads)"):
        submodule_url(parent, stated)
