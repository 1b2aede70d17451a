"""Trees and stores made to order."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from envbuild import canonical
from envbuild.derivation.model import Fetch, Unpack
from envbuild.digest import digest_of
from envbuild.store import layout
from envbuild.store.records import Realisation, TreeOutput
from envbuild.store.tree import Entry, Tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.digest import Digest
    from envbuild.store.publish import Publication


def file_entry(path: str, content: bytes, *, executable: bool = False) -> Entry:
    """Return the entry of a file with `content`."""
    return Entry(
        path=path,
        kind="executable" if executable else "file",
        digest=digest_of(content),
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
    )


def link_entry(path: str, target: str) -> Entry:
    """Return the entry of a symbolic link."""
    return Entry(path=path, kind="symlink", digest=None, sha256=None, size=None, target=target)


def tree_of(files: Mapping[str, bytes], executables: Mapping[str, bytes] | None = None) -> Tree:
    """Return the tree of `files` (path to content) and `executables`."""
    entries = [file_entry(path, content) for path, content in files.items()]
    for path, content in (executables or {}).items():
        entries.append(file_entry(path, content, executable=True))
    return Tree.of(entries)


def add_files(
    publication: Publication,
    files: Mapping[str, bytes],
    executables: Mapping[str, bytes] | None = None,
) -> Digest:
    """Put the contents, stage their tree, and return its digest."""
    for content in files.values():
        publication.add_blob(content)
    for content in (executables or {}).values():
        publication.add_blob(content, executable=True)
    return publication.add_tree(tree_of(files, executables))


def unpack_of(name: str, archive: bytes) -> Unpack:
    """Return the derivation of the wheel called `name` (`demo-1.0-py3-none-any.whl`)."""
    distribution, version = name.split("-")[:2]
    hashed = "sha256:" + hashlib.sha256(archive).hexdigest()
    source = Fetch(name=name, hash=hashed, location=None)
    return Unpack(source=source, distribution=distribution, version=version)


def add_wheel(
    publication: Publication,
    name: str,
    files: Mapping[str, bytes],
    executables: Mapping[str, bytes] | None = None,
) -> Digest:
    """Add what unpacking a wheel adds (blobs, tree, derivations, realisation); return the tree."""
    archive = repr((name, sorted(files.items()))).encode()
    tree = add_files(publication, files, executables)
    unpack = unpack_of(name, archive)
    assert isinstance(unpack.source, Fetch)
    for form in (unpack.source.as_json(), unpack.as_json()):
        publication.add_record(layout.DERIVATIONS, canonical.encode(form))
    resolved = canonical.encode(unpack.resolved(hashlib.sha256(archive).hexdigest()))
    key = publication.add_record(layout.DERIVATIONS, resolved)
    output = TreeOutput(digest=tree)
    publication.add_realisation(Realisation(resolved_key=key, output=output, name=name))
    return tree
