"""Answers about this machine that are kept between runs, each with what it holds for.

An answer counts as long as its stamp is the same: whatever it depends on, such as a file's inode, size
and time stamps. Files may go at any time; failing to write one costs nothing but time.
"""

from __future__ import annotations

import os

from envbuild.plain_json import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def recall(path: str, stamp: object) -> Any:
    """Return the answer at a path, `None` where there is none for this stamp."""
    try:
        with open(path, encoding="utf-8") as file:
            kept = loads(file.read())
        return kept["answer"] if kept["stamp"] == stamp else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(path: str, stamp: object, answer: object) -> None:
    """Keep an answer at a path; both are plain lists, tables, texts and numbers."""
    draft = f"{path}.{os.getpid()}-{os.urandom(4).hex()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(draft, "w", encoding="utf-8") as file:
            file.write(dumps({"stamp": stamp, "answer": answer}))
        os.replace(draft, path)
    except OSError:
        # Nothing is lost but time.
        pass


def stamp_of(path: str) -> list[object]:
    """Return what changes with a file: where it really is, which one it is, and its times."""
    status = os.stat(path)
    return [
        os.path.realpath(path),
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    ]
