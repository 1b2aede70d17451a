"""What an archive may unpack to."""

from __future__ import annotations

from envbuild.frozen import frozen


@frozen
class Limits:
    """How much an archive may unpack to.

    Declared sizes are held to these before anything is unpacked, and nothing is unpacked beyond its
    declared size: a bomb costs no more than a look. The defaults are at least ten times what the
    largest wheels known need (22,000 files; 1.3 GB in all, 0.7 GB in one file; eighteen times the
    size of the archive).

    Attributes:
        members: number of files and folders.
        member_size: bytes of one file.
        total_size: bytes of all files.
        ratio: bytes of all files for each byte of the archive, counted only once the files come to
            more than `ratio_from` bytes. (Small files reach the 1,032 that deflate can do.)
        ratio_from: see `ratio`.
        folds_case: whether names that differ in case or Unicode normalisation alone are one file,
            as they are for the usual file systems of macOS and Windows; then they are refused.
    """

    members: int = 250_000
    member_size: int = 16 << 30
    total_size: int = 64 << 30
    ratio: int = 200
    ratio_from: int = 1 << 30
    folds_case: bool = False
