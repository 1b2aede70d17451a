"""A commit of a git repository to a source tree, its files as blobs in the store.

The tree is what `git checkout` would give a user without settings: line ends and encodings as
`.gitattributes` has them, the files of submodules in their places, and no `.git` anywhere. It is read
out of a bare copy object by object, each checked against its name, so no work tree is ever made and
nothing in the repository is run.
"""

from __future__ import annotations

from envbuild.frozen import frozen
from envbuild.realise import git_objects
from envbuild.realise.git import Git, GitFailed, last_words
from envbuild.realise.git_attributes import FILE as ATTRIBUTES
from envbuild.realise.git_attributes import Attributes, may_convert
from envbuild.realise.git_lfs import LARGEST_POINTER, fetch_files, parse_pointer, read_file
from envbuild.realise.git_objects import DamagedRepository, Objects, list_files
from envbuild.realise.tree_draft import TreeDraft
from envbuild.realise.zip_directory import ArchiveTooLarge, UnsafeArchive, printable
from envbuild.sources.git_url import parse_address, submodule_url, transport
from envbuild.store.tree import stays_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from envbuild.realise.archive_limits import Limits
    from envbuild.realise.git_cache import Repositories
    from envbuild.realise.git_lfs import Pointer
    from envbuild.realise.git_objects import Item
    from envbuild.realise.unpack import Unpacked
    from envbuild.sources.git_url import Address
    from envbuild.store.publish import Blobs
    from envbuild.store.tree import Entry

_MODULES = ".gitmodules"
_LONGEST_TARGET = 4096
_FOR_SUBMODULES = ("git", "http", "https", "ssh")
"""Transports that a repository may send us to; its own machine's files only from there."""


def checkout(
    url: str,
    commit: str,
    *,
    lfs: bool,
    repositories: Repositories,
    limits: Limits,
    blobs: Blobs,
) -> Unpacked:
    """Put the files of a commit into the store and return the tree that they make.

    Args:
        url: of the repository, as the lock has it, or with credentials.
        commit: 40 hexadecimal digits.
        lfs: whether files that Git LFS keeps are wanted and not their pointers.
        repositories: copies of repositories.
        limits: how much a tree may hold.
        blobs: where the files go.

    Raises:
        GitMissing, LfsMissing: a program is not there.
        GitFailed: the repository or one of its submodules cannot be read.
        CommitMissing: it has no such commit.
        CommitMissingOffline: something would have to be fetched.
        DamagedRepository: what was fetched does not hold together.
        LfsFileMissing: a file that Git LFS keeps is not there or not right.
        UnsafeArchive: names, kinds or submodules are not as they should be.
        ArchiveTooLarge: it exceeds `limits`.
        LockFailed: the operating system refuses.
        StoreUnusable: the store cannot be written to.
    """
    run = _Run(lfs=lfs, repositories=repositories, limits=limits, draft=TreeDraft(blobs))
    waiting = [_Place(prefix="", address=parse_address(url), commit=commit.lower(), parent=None)]
    while waiting:
        waiting += run.add(waiting.pop())
    return run.draft.finish(sorted(run.notes))


@frozen
class _Place:
    """A commit, and where in the tree its files go.

    Attributes:
        prefix: of the paths of its files: empty, or ending in `/`.
        address: of the repository.
        commit: its full name.
        parent: how the repository that sent us here is reached; `None` where the user did.
    """

    prefix: str
    address: Address
    commit: str
    parent: str | None

    @property
    def label(self) -> str:
        """What errors call it."""
        return f"{self.address.url}@{self.commit}"


class _Run:
    """One checkout, with its submodules."""

    def __init__(
        self, *, lfs: bool, repositories: Repositories, limits: Limits, draft: TreeDraft
    ) -> None:
        self.draft = draft
        self.notes: list[str] = []
        self._lfs = lfs
        self._repositories = repositories
        self._limits = limits
        self._secrets: dict[str, str] = {}
        self._count = 0
        self._size = 0

    def add(self, place: _Place) -> list[_Place]:
        """Add the files of one commit; return its submodules."""
        if place.address.secret_root:
            self._secrets.setdefault(place.address.root, place.address.secret_root)
        git = Git(
            self._repositories.environ, protocols=self._protocols(place), secrets=self._secrets
        )
        before = len(self.draft.entries), len(self.notes), self._count, self._size
        for attempt in range(2):
            folder = self._repositories.obtain(place.address, place.commit, git)
            try:
                return self._read(place, folder, git)
            except DamagedRepository:
                if attempt or self._repositories.offline:
                    raise
                self._repositories.forget(place.address)
                del self.draft.entries[before[0] :], self.notes[before[1] :]
                _, _, self._count, self._size = before
        raise AssertionError

    def _protocols(self, place: _Place) -> tuple[str, ...] | None:
        if place.parent is None:
            return ("file",) if self._repositories.offline else None
        local = ("file",) if place.parent == "file" else ()
        return local if self._repositories.offline else (*_FOR_SUBMODULES, *local)

    def _read(self, place: _Place, folder: str, git: Git) -> list[_Place]:
        alone = Git.alone(self._repositories.environ)
        with Objects(alone, folder) as objects:
            items = list_files(objects, place.commit, label=place.label, limits=self._limits)
            self._count += len(items)
            if self._count > self._limits.members:
                raise ArchiveTooLarge(place.label, "members", self._count, self._limits.members)
            special = self._special(items, objects)
            modules = special.pop(_MODULES, b"")
            if may_convert(special):
                self._add_converted(place, folder, git, alone, objects, items, special)
            else:
                self._add_plain(place, objects, items)
        submodules = [item for item in items if item.kind == "submodule"]
        if not submodules:
            return []
        return list(self._submodules(place, submodules, _parse_modules(alone, modules, place)))

    def _special(self, items: Sequence[Item], objects: Objects) -> dict[str, bytes]:
        """Return the files that say something about other files, path to content."""
        found = [
            item
            for item in items
            if item.kind in {"file", "executable"}
            and (item.path == _MODULES or item.path.rpartition("/")[2] == ATTRIBUTES)
        ]
        contents = objects.read_all([item.object for item in found], "blob")
        return {
            item.path: b"".join(pieces) for item, (_, pieces) in zip(found, contents, strict=True)
        }

    def _add_converted(
        self,
        place: _Place,
        folder: str,
        git: Git,
        alone: Git,
        objects: Objects,
        items: Sequence[Item],
        attributes: Mapping[str, bytes],
    ) -> None:
        """Add files of which some are not checked out as they are stored."""
        from tempfile import TemporaryDirectory

        with TemporaryDirectory(prefix="envbuild-") as temporary:
            rules = Attributes(alone, folder, temporary)
            rules.write(attributes)
            files = [item for item in items if item.kind in {"file", "executable"}]
            found = rules.conversions([item.path for item in files])
            if not self._lfs:
                found = {path: how for path, how in found.items() if how != "lfs"}
            self._add_plain(place, objects, [item for item in items if item.path not in found])
            converted = [item for item in files if found.get(item.path) == "git"]
            for item in converted:
                # Read once for its hash: what git converts it from is then known to be right.
                objects.read(item.object, "blob")
                content = rules.convert(item.path, item.object)
                self._check_size(place, len(content), 1)
                self._put(place, item, content)
            kept = [item for item in files if found.get(item.path) == "lfs"]
            self._add_kept(place, folder, git, objects, kept)

    def _add_plain(self, place: _Place, objects: Objects, items: Iterable[Item]) -> None:
        """Add files as they are stored, each content once."""
        same: dict[tuple[str, str], list[Item]] = {}
        for item in items:
            if item.kind != "submodule":
                same.setdefault((item.object, item.kind), []).append(item)
        contents = objects.read_all([name for name, _ in same], "blob")
        for (item, *others), (size, pieces) in zip(same.values(), contents, strict=True):
            self._check_size(place, size, 1 + len(others))
            if item.kind == "symlink":
                if size > _LONGEST_TARGET:
                    reason = f"it is a symbolic link of {size} bytes"
                    raise UnsafeArchive(place.label, item.path, reason)
                self._add_symlinks(place, (item, *others), b"".join(pieces))
                continue
            if size <= git_objects.PIECE:
                entry = self._put(place, item, b"".join(pieces))
            else:
                entry = self.draft.add_in_pieces(
                    place.prefix + item.path, pieces, executable=item.kind == "executable"
                )
            for other in others:
                self.draft.add_like(place.prefix + other.path, entry)

    def _add_kept(
        self, place: _Place, folder: str, git: Git, objects: Objects, items: Sequence[Item]
    ) -> None:
        """Add files that Git LFS keeps; some may be in the repository all the same."""
        pointers: dict[Item, Pointer] = {}
        contents = objects.read_all([item.object for item in items], "blob")
        for item, (size, pieces) in zip(items, contents, strict=True):
            if size <= LARGEST_POINTER:
                pointer = parse_pointer(b"".join(pieces))
                if pointer is not None:
                    pointers[item] = pointer
            else:
                for _ in pieces:
                    pass
        self._add_plain(place, objects, [item for item in items if item not in pointers])
        offline = self._repositories.offline and transport(place.address.url) != "file"
        if not offline:
            fetch_files(git, folder, place.address, place.commit, pointers.values())
        for item, pointer in pointers.items():
            self._check_size(place, pointer.size, 1)
            path = place.prefix + item.path
            content = read_file(
                folder, pointer, path=item.path, repository=place.label, offline=offline
            )
            self.draft.add_in_pieces(path, content, executable=item.kind == "executable")

    def _add_symlinks(self, place: _Place, items: Iterable[Item], target: bytes) -> None:
        for item in items:
            path = place.prefix + item.path
            text = target.decode("utf-8", "surrogateescape")
            if stays_inside(path, text):
                self.draft.add_symlink(path, text)
            else:
                shown = printable(target.decode("utf-8", "backslashreplace"))
                self.notes.append(
                    f"`{path}` is left out: it is a symbolic link that may lead outside, "
                    f"to `{shown}`"
                )

    def _put(self, place: _Place, item: Item, content: bytes) -> Entry:
        path = place.prefix + item.path
        return self.draft.add(path, content, executable=item.kind == "executable")

    def _check_size(self, place: _Place, size: int, times: int) -> None:
        if size > self._limits.member_size:
            raise ArchiveTooLarge(place.label, "member_size", size, self._limits.member_size)
        self._size += size * times
        if self._size > self._limits.total_size:
            raise ArchiveTooLarge(place.label, "total_size", self._size, self._limits.total_size)

    def _submodules(
        self, place: _Place, items: Iterable[Item], modules: Mapping[str, Mapping[str, str]]
    ) -> Iterator[_Place]:
        """Yield the submodules that a checkout would have."""
        by = transport(place.address.url)
        allowed = {*_FOR_SUBMODULES, "file"} if by == "file" else {*_FOR_SUBMODULES}
        for item in items:
            path = place.prefix + item.path
            module = modules.get(item.path, {})
            stated = module.get("url")
            if stated is None:
                self.notes.append(f"`{path}` is left out: `{_MODULES}` does not say where it is")
                continue
            if module.get("update") == "none":
                self.notes.append(f"`{path}` is left out, as `{_MODULES}` says")
                continue
            try:
                address = parse_address(submodule_url(place.address.url, stated))
            except ValueError as error:
                raise UnsafeArchive(place.label, path, f"as a submodule, {error}") from None
            if transport(address.url) not in allowed:
                reason = f"as a submodule, its address `{printable(address.url)}` is not followed"
                raise UnsafeArchive(place.label, path, reason)
            yield _Place(prefix=f"{path}/", address=address, commit=item.object, parent=by)


def _parse_modules(git: Git, content: bytes, place: _Place) -> dict[str, dict[str, str]]:
    """Return what `.gitmodules` says of each submodule, by its path."""
    done = git.run("config", "--file=-", "--no-includes", "--null", "--list", data=content)
    if done.returncode:
        raise GitFailed(f"read `{_MODULES}` of", place.label, last_words(done))
    modules: dict[str, dict[str, str]] = {}
    for row in done.stdout.decode("utf-8", "replace").split("\0"):
        key, _, value = row.partition("\n")
        section, _, rest = key.partition(".")
        name, _, variable = rest.rpartition(".")
        if section == "submodule" and name:
            modules.setdefault(name, {})[variable] = value
    return {module["path"].rstrip("/"): module for module in modules.values() if "path" in module}
