"""A source distribution's archive to a source tree, its files as blobs in the store.

Archives are `.tar.gz`, as PEP 625 has it, or `.zip`, as older ones are; other formats are refused,
as uv has done since 0.12. What is in one folder in the archive is the tree; the folder's name is
dropped. Symbolic links that stay inside are kept, a hard link becomes a second entry of the same
content, anybody's execute permission makes a file executable, and nothing else of modes, owners and
times is looked at. The archive's bytes have been verified; what is in them has not.

An archive of a repository's host, without `PKG-INFO`, is as good as one that a backend has made.
"""

from __future__ import annotations

from functools import partial

from envbuild.errors import RealiseError
from envbuild.lockfile.names import normalise
from envbuild.lockfile.versions import is_version, same_version
from envbuild.realise import tar
from envbuild.realise import zip as zip_archive
from envbuild.realise.declared import METADATA, metadata_fields, promises
from envbuild.realise.tree_draft import TreeDraft
from envbuild.realise.zip_directory import UnsafeArchive, check_paths, printable
from envbuild.store.tree import stays_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from envbuild.realise.archive_limits import Limits
    from envbuild.realise.unpack import Unpacked
    from envbuild.store.publish import Blobs
    from envbuild.store.tree import Entry

_LONGEST_TARGET = 4096
_TAR_ENDS, _ZIP_END = (".tar.gz", ".tgz"), ".zip"


class UnsupportedSdist(RealiseError):
    """An archive in a format that source distributions do not have."""

    def __init__(self, archive: str) -> None:
        super().__init__(
            f"`{printable(archive)}` is no source distribution: only `.tar.gz` and `.zip` archives "
            "are accepted"
        )
        self.archive = archive


class InvalidSdist(RealiseError):
    """An archive that is not the source distribution that it should be.

    Attributes:
        archive: its file name.
        reasons: a sentence for everything that is wrong.
    """

    def __init__(self, archive: str, reasons: Sequence[str]) -> None:
        super().__init__(
            f"`{archive}` is not the source distribution it should be: {'; '.join(reasons)}"
        )
        self.archive = archive
        self.reasons = tuple(reasons)


def unpack_sdist(
    archive: str | int,
    *,
    filename: str,
    distribution: str | None,
    version: str | None,
    limits: Limits,
    blobs: Blobs,
) -> Unpacked:
    """Put the files of a source distribution into the store and return the tree that they make.

    Nothing here is global: it may run in several threads, or in another process.

    Args:
        archive: path of the archive, or a descriptor of it that can be read at any offset.
        filename: how it is called, which decides how it is read.
        distribution: normalised name that it must be of, `None` for any.
        version: version that it must be of, `None` for any.
        limits: what it may unpack to.
        blobs: where the files go.

    Raises:
        UnsupportedSdist: it is in no format that is read.
        ArchiveUnreadable: the operating system does not let the archive be read.
        DamagedArchive: it is no whole archive.
        UnsafeArchive: it is hostile, or can be understood in two ways.
        ArchiveTooLarge: it exceeds `limits`.
        InvalidSdist: it is not one folder, or `PKG-INFO` is that of something else.
        StoreUnusable: the store cannot be written to.
    """
    source = _Source(filename, TreeDraft(blobs))
    lower = filename.lower()
    if lower.endswith(_TAR_ENDS):
        with tar.TarArchive(archive, name=filename, limits=limits) as opened:
            source.add_tar(opened)
    elif lower.endswith(_ZIP_END):
        with zip_archive.Archive(archive, name=filename, limits=limits, symlinks=True) as zipped:
            source.add_zip(zipped)
    else:
        raise UnsupportedSdist(filename)
    entries = source.draft.entries
    if not entries:
        raise InvalidSdist(filename, ["there is no file in it"])
    paths = [*(entry.path for entry in entries), *(f"{path}/" for path in source.folders)]
    check_paths(paths, filename, folds_case=limits.folds_case)
    notes = _check_metadata(source.metadata, filename, distribution, version)
    return source.draft.finish(notes)


def is_sdist_name(filename: str) -> bool:
    """Tell whether an archive called so may be a source distribution."""
    return filename.lower().endswith((*_TAR_ENDS, _ZIP_END))


def read_top_files(
    path: str, names: Collection[str], *, last: str, longest: int, limits: Limits
) -> dict[str, bytes]:
    """Return files at the top of a source distribution, by name.

    Args:
        path: of the archive.
        names: of the files.
        last: the one behind which no other is wanted.
        longest: bytes that a file may have; longer ones are left out.
        limits: what the archive may unpack to.

    Raises:
        UnsupportedSdist, ArchiveUnreadable, DamagedArchive, UnsafeArchive, ArchiveTooLarge: as
            `unpack_sdist`.
    """
    found: dict[str, bytes] = {}
    filename = path.rpartition("/")[2]
    for below, size, read in _top_files(path, filename, limits):
        if below in names and size <= longest:
            found[below] = read()
        if last in found:
            break
    return found


def _top_files(
    path: str, filename: str, limits: Limits
) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    if filename.lower().endswith(_TAR_ENDS):
        with tar.TarArchive(path, name=filename, limits=limits) as opened:
            for member in opened.members():
                if member.kind == "file":
                    yield member.path.partition("/")[2], member.size, opened.read
    elif filename.lower().endswith(_ZIP_END):
        with zip_archive.Archive(path, name=filename, limits=limits, symlinks=True) as zipped:
            for each in zipped.members:
                if not each.symlink:
                    yield each.path.partition("/")[2], each.size, partial(zipped.read, each)
    else:
        raise UnsupportedSdist(filename)


class _Source:
    """The files of one archive on their way into a tree.

    Attributes:
        draft: what has been added.
        folders: the folders that have an entry of their own.
        metadata: content of `PKG-INFO`, `None` where there is none.
    """

    def __init__(self, filename: str, draft: TreeDraft) -> None:
        self.draft = draft
        self.folders: set[str] = set()
        self.metadata: bytes | None = None
        self._filename = filename
        self._top: str | None = None

    def add_tar(self, archive: tar.TarArchive) -> None:
        """Add everything that is in a tar archive."""
        files: dict[str, Entry] = {}
        for member in archive.members():
            path = self._below_top(member.path, is_folder=member.kind == "folder")
            match member.kind:
                case "folder":
                    if path:
                        self.folders.add(path)
                case "symlink":
                    self._add_symlink(path, member.target)
                case "hardlink":
                    original = files.get(member.target)
                    if original is None:
                        reason = f"it is a link to `{printable(member.target)}`, no file before it"
                        raise UnsafeArchive(self._filename, member.path, reason)
                    files[member.path] = self.draft.add_like(path, original)
                case "file" if tar.in_one_piece(member):
                    content = archive.read()
                    files[member.path] = self._add(path, content, executable=member.executable)
                case "file":
                    files[member.path] = self._add_in_pieces(
                        path, archive.pieces(), member.size, executable=member.executable
                    )

    def add_zip(self, archive: zip_archive.Archive) -> None:
        """Add everything that is in a zip archive."""
        for member in archive.members:
            is_folder = member.path.endswith("/")
            path = self._below_top(member.path.rstrip("/"), is_folder=is_folder)
            if member.symlink:
                if member.size > _LONGEST_TARGET:
                    reason = f"it is a symbolic link of {member.size} bytes"
                    raise UnsafeArchive(self._filename, member.path, reason)
                self._add_symlink(path, archive.read(member).decode("utf-8", "surrogateescape"))
            elif zip_archive.in_one_piece(member):
                content = archive.read(member)
                if not is_folder:
                    self._add(path, content, executable=member.executable)
            else:
                self._add_in_pieces(
                    path, archive.pieces(member), member.size, executable=member.executable
                )

    def _below_top(self, path: str, *, is_folder: bool) -> str:
        """Return `path` without the one folder that everything must be in."""
        top, slash, below = path.partition("/")
        if not top:
            return ""
        if self._top is None:
            self._top = top
        if top != self._top:
            found = f"found `{printable(self._top)}` and `{printable(top)}`"
            raise InvalidSdist(self._filename, [f"expected everything in one folder, {found}"])
        if not slash and not is_folder:
            reason = f"expected everything in one folder, found the file `{printable(top)}`"
            raise InvalidSdist(self._filename, [reason])
        return below

    def _add(self, path: str, content: bytes, *, executable: bool) -> Entry:
        if path == METADATA:
            self.metadata = content
        return self.draft.add(path, content, executable=executable)

    def _add_in_pieces(
        self, path: str, pieces: Iterable[bytes], size: int, *, executable: bool
    ) -> Entry:
        if path == METADATA:
            raise InvalidSdist(self._filename, [f"`{METADATA}` has {size} bytes"])
        return self.draft.add_in_pieces(path, pieces, executable=executable)

    def _add_symlink(self, path: str, target: str) -> None:
        if not stays_inside(path, target):
            reason = f"it is a symbolic link that may lead outside, to `{printable(target)}`"
            raise UnsafeArchive(self._filename, path, reason)
        self.draft.add_symlink(path, target)


def _check_metadata(
    data: bytes | None, archive: str, distribution: str | None, version: str | None
) -> tuple[str, ...]:
    """Compare `PKG-INFO`, where there is one, with what the archive must be of.

    Before metadata 2.2 (PEP 643) the file promises nothing of what will be built, and some were
    never filled in: then a difference is told, and the built wheel decides.
    """
    if data is None:
        return ()
    fields = metadata_fields(data)
    reasons = []
    name, found = fields.get("name", ""), fields.get("version", "")
    if distribution is not None and normalise(name) != distribution:
        reasons.append(f"expected the name `{distribution}` in {METADATA}, found `{name}`")
    if version is not None and not _agrees(found, version):
        reasons.append(f"expected the version {version} in {METADATA}, found `{found}`")
    if reasons and promises(fields.get("metadata-version", "")):
        raise InvalidSdist(archive, reasons)
    return tuple(reasons)


def _agrees(found: str, version: str) -> bool:
    return found == version or (is_version(found) and same_version(found, version))
