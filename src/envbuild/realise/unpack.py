"""A wheel's archive to a tree, its files as blobs in the store.

The archive's bytes have been verified; what is in them has not. Everything that can be known
beforehand is checked before the first blob is written: the archive's directory, the wheel's own
folders and metadata. Each member is then read once, decompressed once, and the same bytes are
hashed for the store and for RECORD and written. What is refused half-way leaves blobs that nothing
refers to, which is nothing.

The tree is the archive as it is: paths below `.data` are not spread, RECORD is not rewritten. An
environment's plan does that.
"""

from __future__ import annotations

from hashlib import new as new_hash
from hashlib import sha256 as new_sha256

from blake3 import blake3

from envbuild.digest import Digest
from envbuild.frozen import frozen
from envbuild.interruption import give_way
from envbuild.realise.archive_limits import Limits
from envbuild.realise.record import Record, RecordMismatch, shortened
from envbuild.realise.wheel import InvalidWheel, check_metadata, find_folders
from envbuild.realise.zip import Archive, in_one_piece
from envbuild.store.tree import Entry, Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from hashlib import _Hash

    from envbuild.realise.wheel import Folders
    from envbuild.realise.zip_directory import Member
    from envbuild.store.publish import Blobs

__all__ = ["Limits", "Unpacked", "unpack_wheel"]

_LARGEST_METADATA = 64 << 20


@frozen
class Unpacked:
    """What came of an archive.

    Attributes:
        tree: its files, whose blobs are in the store.
        notes: what the user should know of it, such as a RECORD that was not believed.
        new_bytes: bytes of the blobs that were not in the store before.
        files: number of its files.
    """

    tree: Tree
    notes: tuple[str, ...]
    new_bytes: int
    files: int


def unpack_wheel(
    archive: str | int,
    *,
    filename: str,
    distribution: str,
    version: str,
    verify_record: bool,
    limits: Limits,
    blobs: Blobs,
) -> Unpacked:
    """Put the files of a wheel into the store and return the tree that they make.

    A file is executable where its mode says so, and everywhere in `.data/scripts`. Nothing here is
    global: it may run in several threads, or in another process.

    Args:
        archive: path of the archive, or a descriptor of it that can be read at any offset.
        filename: how the wheel is called.
        distribution: normalised name that it must be of.
        version: version that it must be of.
        verify_record: whether a RECORD that disagrees is an error, or a note.
        limits: what it may unpack to.
        blobs: where the files go.

    Raises:
        ArchiveUnreadable: the operating system does not let the archive be read.
        DamagedArchive: it is no whole zip archive.
        UnsafeArchive: it is hostile, or can be understood in two ways.
        ArchiveTooLarge: it exceeds `limits`.
        InvalidWheel: it is no wheel, or that of another distribution or version.
        RecordMismatch: RECORD and the files disagree.
        StoreUnusable: the store cannot be written to.
    """
    with Archive(archive, name=filename, limits=limits) as opened:
        members = {member.path: member for member in opened.members}
        folders = find_folders(
            members, archive=filename, distribution=distribution, version=version
        )
        notes = check_metadata(
            _read_metadata(opened, members, f"{folders.info}/WHEEL"),
            _read_metadata(opened, members, f"{folders.info}/METADATA"),
            archive=filename,
            distribution=distribution,
            version=version,
        )
        path = f"{folders.info}/RECORD"
        record = Record(_read_metadata(opened, members, path), path=path)
        entries, new_bytes = _store(opened, folders, record, blobs)
    if record.disagreements and verify_record:
        raise RecordMismatch(filename, record.disagreements)
    notes += shortened(record.disagreements)
    if record.in_hexadecimal:
        notes += (f"RECORD spells the hashes of {record.in_hexadecimal} files in hexadecimal",)
    return Unpacked(tree=Tree.of(entries), notes=notes, new_bytes=new_bytes, files=len(entries))


def _read_metadata(archive: Archive, members: Mapping[str, Member], path: str) -> bytes | None:
    member = members.get(path)
    if member is None:
        return None
    if member.size > _LARGEST_METADATA:
        raise InvalidWheel(archive.name, [f"`{path}` has {member.size} bytes"])
    return archive.read(member) if in_one_piece(member) else b"".join(archive.pieces(member))


def _store(
    archive: Archive, folders: Folders, record: Record, blobs: Blobs
) -> tuple[list[Entry], int]:
    """Put all files into the store, comparing them with `record`; return entries and new bytes."""
    scripts = f"{folders.data}/scripts/"
    known: set[tuple[str, bool]] = set()
    entries = []
    new_bytes = 0
    # This loop is run for each of the 50,000 files of an ordinary project, so it is kept flat.
    for member in archive.members:
        give_way()
        path, size = member.path, member.size
        executable = member.executable or path.startswith(scripts)
        algorithm = record.algorithms.get(path)
        if in_one_piece(member):
            content = archive.read(member)
            if path.endswith("/"):
                continue
            sha256 = new_sha256(content)
            digest = Digest(blake3(content).hexdigest())
            other = new_hash(algorithm, content) if algorithm else None
            is_new = (digest, executable) not in known and blobs.put(
                content, digest, executable=executable
            )
        else:
            sha256 = new_sha256()
            other = new_hash(algorithm) if algorithm else None
            digest, is_new = _store_in_pieces(archive, member, sha256, other, blobs, executable)
        if is_new:
            new_bytes += size
        known.add((digest, executable))
        if path != record.path:
            record.compare(path, size, sha256.digest(), other.digest() if other else None)
        entries.append(
            Entry(
                path=path,
                kind="executable" if executable else "file",
                digest=digest,
                sha256=sha256.hexdigest(),
                size=size,
            )
        )
    record.finish()
    return entries, new_bytes


def _store_in_pieces(
    archive: Archive,
    member: Member,
    sha256: _Hash,
    other: _Hash | None,
    blobs: Blobs,
    executable: bool,
) -> tuple[Digest, bool]:
    """Put a large file into the store, feeding the hashes; return digest and whether it is new."""
    hasher = blake3()
    with blobs.draft() as draft:
        for piece in archive.pieces(member):
            give_way()
            hasher.update(piece)
            sha256.update(piece)
            if other:
                other.update(piece)
            draft.write(piece)
        digest = Digest(hasher.hexdigest())
        if blobs.has(digest, size=member.size, executable=executable):
            return digest, False
        return digest, draft.publish(digest, executable=executable)
