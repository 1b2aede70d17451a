"""Whole tiny stores: made by the code, damaged on purpose, and written down as lists of files."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envbuild import canonical
from envbuild.digest import digest_of
from envbuild.frozen import replace as replace_value
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from envbuild.store.records import BuildOutput, Realisation
from envbuild.store.root_records import EnvironmentRoot
from envbuild.store.roots import register
from store_layout.formats import (
    EDITABLE,
    LIVE,
    LIVE_FILES,
    LIVE_PAYLOAD,
    LIVE_TREE,
    LOCAL,
    PAYLOADS,
    SMALL,
)
from support.stores import add_files, add_wheel, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable

_EPOCH = "1980-01-02T00:00:00Z"
_NOW = "2026-01-01T00:00:00Z"
_SECONDS = {_EPOCH: layout.TIMESTAMP, _NOW: 1_767_225_600}


@dataclass(frozen=True)
class File:
    """One file of a store.

    Attributes:
        path: relative to the store.
        mode: four octal digits.
        modified: its time stamp, `None` where that does not matter.
        content: text, UTF-8 on disk.
    """

    path: str
    mode: str
    modified: str | None
    content: str


@dataclass(frozen=True)
class TinyStore:
    """A store as a list of files, and what there is to be found in it.

    Attributes:
        about: what is special about it.
        folders: those that hold no file.
        files: sorted by path.
        opening: name of the error that opening it gives, `None` where it opens.
        findings: path and kind of each, and what is affected, as `verify_store` has it.
        damaged_trees: what must be realised again.
        leftovers: how many things of dead processes lie about.
    """

    about: str
    folders: tuple[str, ...]
    files: tuple[File, ...]
    opening: str | None = None
    findings: tuple[dict[str, Any], ...] = ()
    damaged_trees: tuple[str, ...] = ()
    leftovers: int = 0

    def encode(self) -> bytes:
        """Return the text of the vector."""
        document = {
            "about": self.about,
            "folders": list(self.folders),
            "files": [
                {"path": f.path, "mode": f.mode, "modified": f.modified, "content": f.content}
                for f in self.files
            ],
            "opening": self.opening,
            "findings": list(self.findings),
            "damaged_trees": list(self.damaged_trees),
            "leftovers": self.leftovers,
        }
        return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()

    def without(self, path: str) -> TinyStore:
        return replace(self, files=tuple(file for file in self.files if file.path != path))

    def with_file(self, path: str, content: str, mode: str = "0444", modified: str | None = None) -> TinyStore:  # fmt: skip
        """Return the store with a file added or replaced."""
        files = [*self.without(path).files, File(path, mode, modified, content)]
        return replace(self, files=tuple(sorted(files, key=lambda file: file.path)))

    def file(self, path: str) -> File:
        return next(file for file in self.files if file.path == path)


def decode_store(data: bytes) -> TinyStore:
    """Return the store that a vector describes."""
    document = json.loads(data)
    document["folders"] = tuple(document["folders"])
    document["files"] = tuple(File(**file) for file in document["files"])
    document["findings"] = tuple(document["findings"])
    document["damaged_trees"] = tuple(document["damaged_trees"])
    return TinyStore(**document)


def lay_out(store: TinyStore, root: Path) -> None:
    """Make a real folder of `store`."""
    root.mkdir()
    for folder in store.folders:
        (root / folder).mkdir(parents=True)
    for file in store.files:
        path = root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content.encode())
        path.chmod(int(file.mode, 8))
        if file.modified is not None:
            os.utime(path, (_SECONDS[file.modified],) * 2)


def read_store(root: Path, about: str) -> TinyStore:
    """Return the store at `root`, with the modes that the format fixes and others as usual."""
    folders, files = [], []
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_dir():
            if not any(path.iterdir()):
                folders.append(name)
            continue
        status = path.stat()
        fixed = name.partition("/")[0] not in {"locks", "running", "staging"}
        is_old = status.st_mtime == layout.TIMESTAMP
        files.append(
            File(
                path=name,
                mode=f"{status.st_mode & 0o7777:04o}" if fixed else "0644",
                modified=_EPOCH if is_old else None,
                content=path.read_text(encoding="utf-8"),
            )
        )
    return TinyStore(about, tuple(folders), tuple(files))


def made(about: str, fill: Callable[[Store, Publication], None]) -> TinyStore:
    """Return the store that the code makes."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "store")
        with Store.open(str(root)) as store, Publication(store) as publication:
            fill(store, publication)
            publication.commit()
        return read_store(root, about)


WHEEL = "demo-1.0-py3-none-any.whl"
NEXT_WHEEL = "demo-1.1-py3-none-any.whl"
SHARED = b"def hello():\n    return 'hello'\n"
FILES = {"demo/__init__.py": b"VERSION = '1.0'\n", "demo/hello.py": SHARED, "demo/py.typed": b""}
NEXT_FILES = {**FILES, "demo/__init__.py": b"VERSION = '1.1'\n"}
SCRIPTS = {"demo-1.1.data/scripts/demo": SHARED}
TREE = tree_of(FILES)
PREFIX = "/srv/app/.venv"
MANIFEST = replace_value(
    SMALL,
    distributions=(replace_value(SMALL.distributions[0], tree=TREE.digest),),
)
NEXT_TREE = tree_of(NEXT_FILES, SCRIPTS)
LIVE_WHEEL = "live-0.1-0.editable-py3-none-any.whl"
LIVE_MANIFEST = replace_value(MANIFEST, distributions=(*MANIFEST.distributions, LIVE))


def blob_of(content: bytes, *, executable: bool = False) -> str:
    """Return the path of the blob with `content`."""
    return layout.blob(digest_of(content), executable=executable)


def affected(path: str) -> list[dict[str, str]]:
    """Return the use of something by a file, or all, of the tree of `WHEEL`."""
    return [{"name": WHEEL, "tree": TREE.digest, "path": path}]


def finding(path: str, kind: str, affects: list[dict[str, str]] | None = None) -> dict[str, Any]:
    return {"path": path, "kind": kind, "affects": affects or []}


def _nothing(_store: Store, _publication: Publication) -> None:
    pass


def _one_wheel(_store: Store, publication: Publication) -> None:
    add_wheel(publication, WHEEL, FILES)


def _two_wheels(_store: Store, publication: Publication) -> None:
    add_wheel(publication, WHEEL, FILES)
    add_wheel(publication, NEXT_WHEEL, NEXT_FILES, SCRIPTS)


def _one_environment(store: Store, publication: Publication) -> None:
    _one_wheel(store, publication)
    publication.commit()
    assert register(store, PREFIX, MANIFEST.encode())


def _one_editable(store: Store, publication: Publication) -> None:
    _one_wheel(store, publication)
    tree = add_files(publication, LIVE_FILES)
    resolved = EDITABLE.resolved(LOCAL.tree, PAYLOADS)
    key = publication.add_record(layout.DERIVATIONS, canonical.encode(resolved))
    output = BuildOutput(
        digest=tree,
        archive="5f" * 32,
        duration_ms=1234,
        log=digest_of(b""),
        payload=LIVE_PAYLOAD,
        rung="bubblewrap",
    )
    publication.add_realisation(Realisation(resolved_key=key, output=output, name=LIVE_WHEEL))
    publication.commit()
    assert register(store, PREFIX, LIVE_MANIFEST.encode())


def _stores() -> dict[str, TinyStore]:
    empty = made("nothing but what every store has", _nothing)
    one = made("one wheel: its blobs, tree, derivations and realisation", _one_wheel)
    two = made(
        "two wheels that share two contents, one of which is an executable as well", _two_wheels
    )
    hello = blob_of(SHARED)
    tree = layout.record(layout.TREES, TREE.digest)
    (realisation,) = (f.path for f in one.files if f.path.startswith(layout.REALISATIONS))
    key = layout.parse_realisation(realisation)
    assert key is not None
    derivation = layout.record(layout.DERIVATIONS, key[0])
    hello_content = one.file(hello).content
    by_hello = affected("demo/hello.py")
    by_tree = affected("")
    other_kind = canonical.encode(
        {"format": "envbuild-derivation", "kind": "brew", "version": 1, "water": 2}
    ).decode()
    other = layout.record(layout.DERIVATIONS, digest_of(other_kind.encode()))
    environment = made("an environment is made of the wheel", _one_environment)
    editable = made("an environment that has an editable beside the wheel", _one_editable)
    root = EnvironmentRoot(path=PREFIX, manifest=MANIFEST.digest)
    manifest = layout.record(layout.MANIFESTS, MANIFEST.digest)
    by_root = [{"name": PREFIX, "tree": "", "path": ""}]
    return {
        "empty": empty,
        "one-wheel": one,
        "two-wheels-sharing-blobs": two,
        "one-environment": environment,
        "one-editable": editable,
        "one-editable-collected": replace(
            _without_editable(editable),
            about="what came of building the editable is gone, which its manifest does not need",
        ),
        "without-empty-folders": replace(
            one, about="carried by a tool that leaves empty folders behind", folders=()
        ),
        "interrupted-creation": replace(
            empty.without(layout.FORMAT_FILE).with_file(
                f"{layout.FORMAT_DRAFT}0123456789abcdef", "", mode="0600"
            ),
            about="its maker was killed before the format file had its name; it is made anew",
        ),
        "leftovers": replace(
            one.with_file("staging/4711-0a0b0c0d/owner", "process 4711 (envbuild) on host", "0644")
            .with_file("staging/4711-0a0b0c0d/1", "half a rec", "0600")
            .with_file("staging/rotated-4711-0a0b0c0d", "half a bl", "0600")
            .with_file("running/4711-0a0b0c0d", f"holder process 4711\ntree {TREE.digest}\n", "0644")
            .with_file(f"locks/work/{key[0]}", "process 4711 (envbuild) on host", "0644"),
            about="a process was killed at work: nothing is wrong",
            leftovers=4,
        ),
        "unknown-derivation-kind": replace(
            one.with_file(other, other_kind),
            about="a newer program works on the store as well: nothing is wrong",
        ),
        "torn-write": replace(
            one.with_file(hello, "", modified=_EPOCH),
            about="a blob of no length, as after a power cut on a file system that tears",
            findings=(finding(hello, "content", by_hello),),
            damaged_trees=(TREE.digest,),
        ),
        "torn-tree": replace(
            one.with_file(tree, ""),
            about="a tree's record of no length",
            findings=(finding(tree, "content", by_tree),),
            damaged_trees=(TREE.digest,),
        ),
        "missing-blob": replace(
            one.without(hello),
            about="a blob that a tree needs is not there",
            findings=(finding(hello, "missing", by_hello),),
            damaged_trees=(TREE.digest,),
        ),
        "bad-digest": replace(
            one.with_file(hello, hello_content.replace("hello", "hallo"), modified=_EPOCH),
            about="a blob with another content of the same length, and nothing to see from outside",
            findings=(finding(hello, "content", by_hello),),
            damaged_trees=(TREE.digest,),
        ),
        "edited-through-link": replace(
            one.with_file(hello, hello_content + "# edited\n", modified=_NOW),
            about="a blob that somebody edited in an environment",
            findings=(finding(hello, "content", by_hello),),
            damaged_trees=(TREE.digest,),
        ),
        "touched-blob": replace(
            one.with_file(hello, hello_content, mode="0644", modified=_NOW),
            about="a blob whose content is right and whose mode and time are not",
            findings=(finding(hello, "mode", by_hello), finding(hello, "time", by_hello)),
            damaged_trees=(TREE.digest,),
        ),
        "invalid-tree": replace(
            one.with_file(_bad_tree_path(), _BAD_TREE),
            about="a record that is what its name says, and no tree",
            findings=(
                finding(
                    _bad_tree_path(),
                    "invalid",
                    [{"name": "", "tree": digest_of(_BAD_TREE.encode()), "path": ""}],
                ),
            ),
            damaged_trees=(digest_of(_BAD_TREE.encode()),),
        ),
        "dangling-realisation": replace(
            one.without(tree),
            about="a realisation whose tree is not there, which must be as good as absent",
            findings=(finding(tree, "missing", by_tree),),
            damaged_trees=(TREE.digest,),
        ),
        "realisation-without-derivation": replace(
            one.without(derivation),
            about="nobody can say what the realisation is of",
            findings=(finding(derivation, "missing", [{"name": WHEEL, "tree": "", "path": ""}]),),
        ),
        "misplaced-realisation": replace(
            one.without(realisation).with_file(
                layout.realisation(key[0], "ab" * 32), one.file(realisation).content
            ),
            about="a realisation under a name that is not its own",
            findings=(finding(layout.realisation(key[0], "ab" * 32), "content"),),
        ),
        "dangling-root": replace(
            environment.without(manifest),
            about="a root whose manifest is not there",
            findings=(finding(manifest, "missing", by_root),),
        ),
        "dangling-manifest": replace(
            environment.without(tree).without(realisation),
            about="a manifest whose tree is not there, and nobody who says what it was",
            findings=(
                finding(tree, "missing", [{"name": "demo 1.0", "tree": TREE.digest, "path": ""}]),
            ),
            damaged_trees=(TREE.digest,),
        ),
        "torn-root": replace(
            environment.with_file(root.location, ""),
            about="a root of no length",
            findings=(finding(root.location, "invalid"),),
        ),
        "misplaced-root": replace(
            environment.without(root.location).with_file(
                layout.environment_root(digest_of(b"/elsewhere")),
                environment.file(root.location).content,
            ),
            about="a root under the name of another environment",
            findings=(finding(layout.environment_root(digest_of(b"/elsewhere")), "content"),),
        ),
        "strangers": replace(
            one.with_file("README", "not ours\n", "0644")
            .with_file("blobs/ab/short", "", "0644")
            .with_file("blobs/loose", "", "0644")
            .with_file("trees/notes.txt", "", "0644")
            .with_file(f"realisations/ab/{'cd' * 31}/readme", "", "0644")
            .with_file("roots/named/.hidden.json", "", "0644"),
            about="files that the format does not know",
            findings=(
                finding("README", "stranger"),
                finding("blobs/ab/short", "stranger"),
                finding("blobs/loose", "stranger"),
                finding(f"realisations/ab/{'cd' * 31}/readme", "stranger"),
                finding("roots/named/.hidden.json", "stranger"),
                finding("trees/notes.txt", "stranger"),
            ),
        ),
        "unknown-format-version": replace(
            one.with_file(layout.FORMAT_FILE, '{"format":"envbuild-store","version":2}\n'),
            about="a store of a version that does not exist yet",
            opening="UnsupportedStore",
        ),
        "torn-format": replace(
            one.with_file(layout.FORMAT_FILE, ""),
            about="a format file of no length",
            opening="NotAStore",
        ),
        "not-a-store": TinyStore(
            about="a folder of somebody else's, which must not be touched",
            folders=("cache",),
            files=(File("thesis.txt", "0644", None, "three years of work\n"),),
            opening="NotAStore",
        ),
    }  # fmt: skip


def _without_editable(store: TinyStore) -> TinyStore:
    key = EDITABLE.resolved_key(LOCAL.tree, PAYLOADS)
    for path in (
        layout.record(layout.DERIVATIONS, key),
        layout.realisation(key, LIVE_TREE.digest),
        layout.record(layout.TREES, LIVE_TREE.digest),
        *map(blob_of, LIVE_FILES.values()),
    ):
        store = store.without(path)
    return store


_BAD_TREE = canonical.encode(
    {
        "entries": [
            {
                "digest": None,
                "kind": "symlink",
                "path": "demo",
                "sha256": None,
                "size": None,
                "target": "../..",
            }
        ],
        "format": "envbuild-tree",
        "version": 1,
    }
).decode()


def _bad_tree_path() -> str:
    return layout.record(layout.TREES, digest_of(_BAD_TREE.encode()))


STORES = _stores()
