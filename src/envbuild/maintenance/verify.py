"""A store re-hashed from end to end, and what is wrong with it, as values.

Everything of `store_layout/v1/invariants.md` that can be seen from outside is checked: names against
contents, records against their formats, references against what they refer to. Nothing is mended
and nothing is printed. What may be thrown away at any time (views, the cache, what lies in `trash`
and `quarantine`) is not looked at.
"""

from __future__ import annotations

import os
import stat

from blake3 import blake3

from envbuild.derivation.fields import InvalidDerivation
from envbuild.derivation.model import UnknownKind, decode_derivation
from envbuild.digest import Digest, digest_of
from envbuild.environment.manifest import InvalidManifest, decode_manifest
from envbuild.errors import StoreError
from envbuild.events import BlobsChecked, StoreCheckPlanned
from envbuild.frozen import frozen, replace
from envbuild.store import layout, locks
from envbuild.store.records import (
    InvalidRecord,
    TreeOutput,
    decode_realisation,
    decode_root,
)
from envbuild.store.root_records import NamedRoot
from envbuild.store.tree import InvalidTree, decode_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Literal

    from envbuild.events import Reporter
    from envbuild.store.local import Store
    from envbuild.store.tree import Tree

    Kind = Literal["content", "invalid", "missing", "mode", "stranger", "time", "unreadable"]

_BLOCK = 1 << 20
_DAMAGES: tuple[Kind, ...] = ("content", "invalid", "missing", "mode", "time", "unreadable")
_KNOWN_AT_TOP = {layout.FORMAT_FILE, "lost+found"} | {
    folder.partition("/")[0] for folder in layout.FOLDERS
}


@frozen
class Use:
    """Something that relies on what is damaged.

    Attributes:
        name: for people: the archive that a tree came from, an environment's path, a root's name;
            empty where nothing in the store tells.
        tree: the digest of the tree that is affected; empty where it is none.
        path: the file of that tree; empty where it is the tree as a whole.
    """

    name: str
    tree: str
    path: str


@frozen
class Finding:
    """One thing that is wrong.

    Attributes:
        path: where, relative to the store.
        kind: `content` (not what the name says), `invalid` (breaks a rule of its format),
            `missing` (referred to and not there), `mode`, `time` (a blob's), `stranger` (a name
            that the format does not know), `unreadable`.
        expected: what should be there.
        found: what is.
        affects: what relies on it, sorted.
    """

    path: str
    kind: Kind
    expected: str
    found: str
    affects: tuple[Use, ...] = ()


@frozen
class StoreReport:
    """What a store holds and what is wrong with it.

    Attributes:
        blobs: how many were hashed, and `bytes` their sizes in sum.
        trees: how many records of that kind there are, sound or not; likewise the next four.
        leftovers: files and folders of processes that were killed. They do no harm and are no
            finding; a collector clears them away.
        findings: sorted by path and kind.
    """

    blobs: int
    bytes: int
    trees: int
    derivations: int
    realisations: int
    manifests: int
    roots: int
    leftovers: int
    findings: tuple[Finding, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify_store(store: Store, *, reporter: Reporter, jobs: int) -> StoreReport:
    """Check everything in `store` and return all that is wrong with it.

    Other processes may add to the store meanwhile. The content of one blob per thread is in memory
    at most, in blocks; beyond that, one tree and the findings.

    Args:
        store: an open store.
        reporter: told of the blobs that are hashed, from several threads.
        jobs: threads that hash.
    """
    return _Check(store, reporter, jobs).run()


def damaged_trees(report: StoreReport) -> tuple[Digest, ...]:
    """Return, sorted, the trees that a finding makes unusable: what has to be realised again."""
    trees = {use.tree for finding in report.findings for use in finding.affects if use.tree}
    for finding in report.findings:
        digest = layout.parse_record(finding.path)
        if digest is not None and finding.path.startswith(layout.TREES):
            trees.add(digest)
    return tuple(Digest(tree) for tree in sorted(trees))


class _Check:
    """One check of one store."""

    def __init__(self, store: Store, reporter: Reporter, jobs: int) -> None:
        self._store = store
        self._reporter = reporter
        self._jobs = jobs
        self._findings: dict[tuple[str, Kind], Finding] = {}
        self._uses: dict[str, set[Use]] = {}
        self._names: dict[str, set[str]] = {}

    def run(self) -> StoreReport:
        """Check the store, things before what refers to them: so little has to be remembered."""
        self._check_top()
        blobs, size = self._check_blobs()
        derivations = self._check_derivations()
        realisations = self._check_realisations()
        trees = self._check_trees()
        manifests = self._check_manifests()
        roots = self._check_roots()
        leftovers = self._count_leftovers()
        findings = (
            replace(
                finding,
                affects=tuple(
                    sorted(
                        self._uses.get(finding.path, ()),
                        key=lambda use: (use.name, use.tree, use.path),
                    )
                ),
            )
            for finding in self._findings.values()
        )
        return StoreReport(
            blobs=blobs,
            bytes=size,
            trees=trees,
            derivations=derivations,
            realisations=realisations,
            manifests=manifests,
            roots=roots,
            leftovers=leftovers,
            findings=tuple(sorted(findings, key=lambda finding: (finding.path, finding.kind))),
        )

    def _check_top(self) -> None:
        found = self._read(layout.FORMAT_FILE)
        expected = layout.format_bytes()
        if found is not None and found != expected:
            self._add(layout.FORMAT_FILE, "content", _shown(expected), _shown(found))
        for entry in self._entries(""):
            if entry.name not in _KNOWN_AT_TOP and not entry.name.startswith(layout.FORMAT_DRAFT):
                self._add(entry.name, "stranger", "a name of the format", "another")

    def _check_blobs(self) -> tuple[int, int]:
        from concurrent.futures import ThreadPoolExecutor

        folders = []
        for entry in self._entries(layout.BLOBS):
            path = f"{layout.BLOBS}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                folders.append(path)
            else:
                self._add(path, "stranger", "a folder of blobs", "a file")
        count = sum(1 for folder in folders for _ in self._entries(folder))
        self._reporter.report(StoreCheckPlanned(blobs=count))
        blobs = size = 0
        with ThreadPoolExecutor(max_workers=self._jobs) as pool:
            for hashed, read, findings in pool.map(self._hash_blobs, folders):
                blobs += hashed
                size += read
                for finding in findings:
                    self._findings[finding.path, finding.kind] = finding
        return blobs, size

    def _hash_blobs(self, folder: str) -> tuple[int, int, list[Finding]]:
        """Hash the blobs of one folder; return how many, their size, and what is wrong."""
        blobs = size = 0
        findings: list[Finding] = []
        for path in sorted(f"{folder}/{entry.name}" for entry in self._entries(folder)):
            named = layout.parse_blob(path)
            if named is None:
                findings.append(_finding(path, "stranger", "the name of a blob", "another"))
                continue
            try:
                digest, status = _hash_file(self._store.absolute(path))
            except OSError as error:
                findings.append(_finding(path, "unreadable", "a file", _reason(error)))
                continue
            blobs += 1
            size += status.st_size
            findings += _blob_findings(path, named, digest, status)
        self._reporter.report(BlobsChecked(count=blobs))
        return blobs, size, findings

    def _check_trees(self) -> int:
        def check(path: str, data: bytes) -> None:
            tree = decode_tree(data)
            self._check_entries(path, Digest(digest_of(data)), tree)

        return self._check_named_records(layout.TREES, check)

    def _check_entries(self, path: str, digest: Digest, tree: Tree) -> None:
        for entry in tree.entries:
            if entry.digest is None:
                continue
            blob = layout.blob(entry.digest, executable=entry.kind == "executable")
            try:
                status = os.lstat(self._store.absolute(blob))
            except FileNotFoundError:
                self._add(blob, "missing", f"a blob of {entry.size} bytes", "nothing")
            except OSError as error:
                self._add(blob, "unreadable", "a file", _reason(error))
            else:
                if not self._is_damaged(blob) and status.st_size != entry.size:
                    found = f"`{blob}` has {status.st_size}"
                    self._add(path, "invalid", f"the sizes of its blobs, {entry.size}", found)
            if self._is_damaged(blob):
                self._use_by_tree(blob, digest, entry.path)

    def _is_damaged(self, path: str) -> bool:
        return any((path, kind) in self._findings for kind in _DAMAGES)

    def _check_derivations(self) -> int:
        def check(_path: str, data: bytes) -> None:
            try:
                decode_derivation(data)
            except UnknownKind:
                # Kinds are open: a newer version works on this store as well.
                pass

        return self._check_named_records(layout.DERIVATIONS, check)

    def _check_realisations(self) -> int:
        count = 0
        for path in self._files(layout.REALISATIONS):
            if layout.parse_realisation(path) is None:
                self._add(path, "stranger", "the name of a realisation", "another")
                continue
            count += 1
            data = self._read(path)
            if data is not None:
                self._judge(path, data, self._check_realisation)
        return count

    def _check_realisation(self, path: str, data: bytes) -> None:
        realisation = decode_realisation(data)
        if realisation.location != path:
            self._add(path, "content", realisation.location, path)
            return
        use = Use(name=realisation.name, tree="", path="")
        match realisation.output:
            case TreeOutput(digest=tree):
                self._names.setdefault(tree, set()).add(realisation.name)
                use = replace(use, tree=tree)
                self._must_be_there(layout.record(layout.TREES, tree), use)
        derivation = layout.record(layout.DERIVATIONS, realisation.resolved_key)
        self._must_be_there(derivation, replace(use, tree=""))

    def _check_manifests(self) -> int:
        def check(_path: str, data: bytes) -> None:
            for each in decode_manifest(data).distributions:
                if each.tree is None:
                    continue
                name = min(self._names.get(each.tree, {f"{each.name} {each.version}"}))
                use = Use(name=name, tree=each.tree, path="")
                self._must_be_there(layout.record(layout.TREES, each.tree), use)

        return self._check_named_records(layout.MANIFESTS, check)

    def _check_roots(self) -> int:
        count = 0
        for path in self._files(layout.ROOTS):
            if not layout.is_root(path):
                self._add(path, "stranger", "the name of a root", "another")
                continue
            count += 1
            data = self._read(path)
            if data is not None:
                self._judge(path, data, self._check_root)
        return count

    def _check_root(self, path: str, data: bytes) -> None:
        root = decode_root(data)
        if root.location != path:
            self._add(path, "content", root.location, path)
            return
        name = root.name if isinstance(root, NamedRoot) else root.path
        use = Use(name=name, tree="", path="")
        self._must_be_there(layout.record(layout.MANIFESTS, root.manifest), use)

    def _count_leftovers(self) -> int:
        """Count what nobody alive holds; what other processes do just now may be counted too."""
        count = 0
        for entry in self._entries(""):
            count += entry.name.startswith(layout.FORMAT_DRAFT)
        for entry in self._entries(layout.STAGING):
            owner = f"{entry.path}/{layout.STAGING_OWNER}"
            count += entry.name != os.path.basename(layout.PARTIAL) and not locks.is_held(owner)
        for folder in (layout.RUNNING, layout.WORK_LOCKS):
            count += sum(not locks.is_held(entry.path) for entry in self._entries(folder))
        return count

    def _check_named_records(self, kind: str, check: Callable[[str, bytes], None]) -> int:
        """Check the records of a folder where names are digests; return how many there are."""
        count = 0
        for path in self._files(kind):
            digest = layout.parse_record(path)
            if digest is None:
                self._add(path, "stranger", "the name of a record", "another")
                continue
            count += 1
            data = self._read(path)
            if data is not None:
                found = digest_of(data)
                if found == digest:
                    self._judge(path, data, check)
                else:
                    self._add(path, "content", digest, found)
            if kind == layout.TREES and self._is_damaged(path):
                self._use_by_tree(path, digest, "")
        return count

    def _judge(self, path: str, data: bytes, check: Callable[[str, bytes], None]) -> None:
        try:
            check(path, data)
        except (InvalidTree, InvalidDerivation, InvalidManifest, InvalidRecord) as error:
            self._add(path, "invalid", f"a valid `{error.place}`", error.reason)
        except StoreError as error:
            self._add(path, "invalid", "canonical JSON", str(error))

    def _must_be_there(self, path: str, use: Use) -> None:
        if not os.path.exists(self._store.absolute(path)):
            self._add(path, "missing", "a record", "nothing")
        if self._is_damaged(path):
            self._uses.setdefault(path, set()).add(use)

    def _use_by_tree(self, path: str, tree: Digest, file: str) -> None:
        for name in self._names.get(tree, {""}):
            self._uses.setdefault(path, set()).add(Use(name=name, tree=tree, path=file))

    def _add(self, path: str, kind: Kind, expected: str, found: str) -> None:
        self._findings.setdefault((path, kind), _finding(path, kind, expected, found))

    def _read(self, path: str) -> bytes | None:
        try:
            descriptor = _open(self._store.absolute(path))
            with open(descriptor, "rb") as file:
                return file.read()
        except OSError as error:
            self._add(path, "unreadable", "a file", _reason(error))
            return None

    def _files(self, folder: str) -> Iterator[str]:
        """Yield the paths of all files below `folder`, sorted."""
        for entry in sorted(self._entries(folder), key=lambda entry: entry.name):
            path = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from self._files(path)
            else:
                yield path

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(self._store.absolute(folder)) as scan:
                yield from scan
        except FileNotFoundError:
            # A folder that is not there has nothing in it.
            return
        except OSError as error:
            self._add(folder or ".", "unreadable", "a folder", _reason(error))


def _blob_findings(
    path: str, named: tuple[Digest, bool], digest: Digest, status: os.stat_result
) -> Iterator[Finding]:
    expected, executable = named
    if digest != expected:
        # Mode and time of what has to be replaced anyway do not matter.
        yield _finding(path, "content", expected, digest)
        return
    mode = layout.EXECUTABLE_MODE if executable else layout.FILE_MODE
    if stat.S_IMODE(status.st_mode) != mode:
        yield _finding(path, "mode", f"{mode:04o}", f"{stat.S_IMODE(status.st_mode):04o}")
    time = layout.TIMESTAMP * 10**9
    if status.st_mtime_ns != time:
        yield _finding(path, "time", _spelled_time(time), _spelled_time(status.st_mtime_ns))


def _finding(path: str, kind: Kind, expected: str, found: str) -> Finding:
    return Finding(path=path, kind=kind, expected=expected, found=found)


def _hash_file(path: str) -> tuple[Digest, os.stat_result]:
    descriptor = _open(path)
    try:
        hasher = blake3()
        while block := os.read(descriptor, _BLOCK):
            hasher.update(block)
        return Digest(hasher.hexdigest()), os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _open(path: str) -> int:
    """Open a regular file for reading; what else has its name must not make us wait or wander."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        import errno

        raise OSError(errno.EINVAL, "it is no regular file")
    return descriptor


def _spelled_time(nanoseconds: int) -> str:
    import time

    seconds, rest = divmod(nanoseconds, 10**9)
    fraction = f".{rest:09d}" if rest else ""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}{fraction}Z"


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _shown(data: bytes) -> str:
    return repr(data[:80].decode("utf-8", "replace"))
