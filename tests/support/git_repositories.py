"""Git repositories made to order, whatever the machine's own configuration of git says."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from support.source_trees import write_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.source_trees import Files

ENVIRONMENT = {
    "GIT_AUTHOR_DATE": "2001-02-03T04:05:06Z",
    "GIT_AUTHOR_EMAIL": "me@mail.example",
    "GIT_AUTHOR_NAME": "Me",
    "GIT_COMMITTER_DATE": "2001-02-03T04:05:06Z",
    "GIT_COMMITTER_EMAIL": "me@mail.example",
    "GIT_COMMITTER_NAME": "Me",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "LC_ALL": "C",
    "PATH": os.environ["PATH"],
}


def git(folder: Path, *arguments: str, data: bytes | None = None, **environ: str) -> str:
    """Run git in `folder` and return what it prints."""
    done = subprocess.run(
        ("git", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always", *arguments),
        cwd=folder,
        env={**ENVIRONMENT, "HOME": str(folder), **environ},
        input=data,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def make_repository(folder: Path, files: Files | None = None) -> Path:
    """Make a repository with one commit of `files`, or with none; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet")
    if files is not None:
        commit(folder, files)
    return folder


def commit(folder: Path, files: Files, message: str = "a commit") -> str:
    """Write `files`, commit everything that is not ignored, and return the commit."""
    write_files(folder, files)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def add_object(folder: Path, kind: str, content: bytes) -> str:
    """Store an object as it is, whatever sense it makes, and return its name."""
    command = ("hash-object", "-w", "--literally", "--stdin", "-t", kind)
    return git(folder, *command, data=content)


def add_tree(folder: Path, entries: Mapping[bytes, tuple[str, str]]) -> str:
    """Store a tree: file name to mode and object, in the order given."""
    rows = (
        mode.encode() + b" " + name + b"\0" + bytes.fromhex(target)
        for name, (mode, target) in entries.items()
    )
    return add_object(folder, "tree", b"".join(rows))


def add_commit(folder: Path, tree: str) -> str:
    """Store a commit of a tree, let a branch point to it, and return it."""
    who = b"Me <me@mail.example> 981173106 +0000"
    text = b"tree %s\nauthor %s\ncommitter %s\n\nby hand\n" % (tree.encode(), who, who)
    name = add_object(folder, "commit", text)
    git(folder, "update-ref", f"refs/heads/by-hand-{name[:8]}", name)
    return name
