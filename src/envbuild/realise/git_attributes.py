"""What git would convert when it checks files out: by `.gitattributes` alone, and on every machine.

Line ends, `$Id$` and encodings are part of what a project's authors see, so a checkout has them as
git writes them on a system without settings. Filters are programs of the user's configuration and
are not run; of Git LFS, which is one, it is said which files it keeps.
"""

from __future__ import annotations

import os

from envbuild.realise.git import GitFailed, last_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from envbuild.realise.git import Git

    Conversion = Literal["git", "lfs"]

FILE = ".gitattributes"

_WORDS = (b"crlf", b"filter", b"ident", b"working-tree-encoding")
"""Without any of these, attributes change nothing that is checked out."""

_ATTRIBUTES = ("eol", "filter", "ident", "text", "working-tree-encoding")
_UNSAID = frozenset({"set", "unset", "unspecified"})
_SETTINGS = ("-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", f"core.attributesFile={os.devnull}")  # fmt: skip


class Attributes:
    """The `.gitattributes` of one commit, written to a folder where git finds them.

    Args:
        git: that knows no configuration.
        repository: folder of the bare repository that has the commit.
        folder: an empty one, to write to.
    """

    def __init__(self, git: Git, repository: str, folder: str) -> None:
        self._git = git
        self._repository = repository
        self._folder = folder

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write the files, path to content."""
        for path, content in files.items():
            place = f"{self._folder}/{path}"
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "wb") as file:
                file.write(content)

    def conversions(self, paths: Sequence[str]) -> dict[str, Conversion]:
        """Return those of `paths` that are not checked out as they are stored, and by what."""
        listed = "".join(f"{path}\0" for path in paths).encode()
        answer = self._run("check-attr", "-z", "--stdin", *_ATTRIBUTES, data=listed)
        words = answer.decode().split("\0")
        attributes: dict[str, dict[str, str]] = {}
        for at in range(0, len(words) - 2, 3):
            path, attribute, value = words[at : at + 3]
            attributes.setdefault(path, {})[attribute] = value
        found: dict[str, Conversion] = {}
        for path, values in attributes.items():
            if values["filter"] == "lfs":
                found[path] = "lfs"
            elif (
                values["ident"] == "set"
                or values["working-tree-encoding"] not in _UNSAID
                or (values["eol"] == "crlf" and values["text"] != "unset")
            ):
                found[path] = "git"
        return found

    def convert(self, path: str, name: str) -> bytes:
        """Return the content of the object `name` as git would check it out to `path`."""
        return self._run("cat-file", "--filters", f"--path={path}", name)

    def _run(self, *arguments: str, data: bytes | None = None) -> bytes:
        done = self._git.run(
            f"--git-dir={self._repository}",
            f"--work-tree={self._folder}",
            *_SETTINGS,
            *arguments,
            folder=self._folder,
            data=data,
        )
        if done.returncode:
            raise GitFailed("read attributes of", self._repository, last_words(done))
        return done.stdout


def may_convert(files: Mapping[str, bytes]) -> bool:
    """Tell whether these attributes, path to content, can change anything that is checked out."""
    return any(word in content for content in files.values() for word in _WORDS)
