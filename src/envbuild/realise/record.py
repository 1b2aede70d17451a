"""RECORD in a wheel's archive: what it says of each file, held against what the file is.

The format is that of the "Recording installed projects" specification (PEP 376, PEP 427): every file
is listed with its path, hash and size, except RECORD itself, listed without them, and its
signatures, not listed. What `installer.sources.WheelFile.validate_record` refuses is refused here,
and so are rows without a file, rows that stand twice and the hashes that the specification forbids.
One thing is accepted that it refuses, because published wheels have it and it can be verified as
well: a SHA-256 in hexadecimal.

This is not the RECORD of an environment, which is written anew.
"""

from __future__ import annotations

from binascii import b2a_base64

from envbuild.errors import RealiseError
from envbuild.realise.zip_directory import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_SHOWN = 20

_OTHER_ALGORITHMS = frozenset(
    {"sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"}
)
_SIGNATURES = (".jws", ".p7s")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class RecordMismatch(RealiseError):
    """A wheel whose RECORD and content disagree.

    Attributes:
        archive: file name of the wheel.
        disagreements: one sentence each, in the order in which the files lie in the archive.
    """

    def __init__(self, archive: str, disagreements: Sequence[str]) -> None:
        listed = "".join(f"\n  {text}" for text in shortened(disagreements))
        super().__init__(
            f"`{archive}` disagrees with its RECORD:{listed}",
            hint="to accept it as it is, run again with `--no-verify-record`",
        )
        self.archive = archive
        self.disagreements = tuple(disagreements)


class Record:
    """The rows of one RECORD, and how they agree with the files that are held against them.

    Attributes:
        path: of RECORD in the archive.
        algorithms: path to algorithm for the rows that speak another one than SHA-256.
        disagreements: a sentence for each that has been found.
        in_hexadecimal: how many files agree with a hash in hexadecimal.
    """

    __slots__ = ("_readable", "_rows", "algorithms", "disagreements", "in_hexadecimal", "path")

    def __init__(self, data: bytes | None, *, path: str) -> None:
        """Read `data`, the content of the member `path`, or `None` where there is no such member."""
        self.path = path
        self.disagreements: list[str] = []
        self.in_hexadecimal = 0
        self._readable = True
        self._rows: dict[str, tuple[str, str]] = {}
        try:
            self._read(data)
        except ValueError as error:
            self._readable = False
            self._rows.clear()
            self.disagreements = [f"`{path}`: {error}"]
        self.algorithms: dict[str, str] = {}
        for listed, (spelled, _) in self._rows.items():
            algorithm = spelled.partition("=")[0]
            if algorithm in _OTHER_ALGORITHMS:
                self.algorithms[listed] = algorithm

    def compare(self, path: str, size: int, sha256: bytes, other: bytes | None) -> None:
        """Hold a file's row against the file.

        Args:
            path: of the file; anything but RECORD itself.
            size: in bytes.
            sha256: SHA-256 of the content.
            other: hash of the content where `algorithms` asks for another one.
        """
        row = self._rows.pop(path, None)
        if row != (_spelled("sha256", sha256), str(size)):
            self._look_closer(path, row, size, sha256, other)

    def finish(self) -> None:
        """Look at the rows that no file was held against; call it once, after the last file."""
        own = self._rows.pop(self.path, None)
        if not self._readable:
            return
        if own is None:
            self._disagree(self.path, "it does not list itself")
        elif own != ("", ""):
            self._disagree(self.path, "it lists itself with a hash or a size")
        for path in sorted(self._rows):
            self._disagree(path, "it is listed, and the archive has no such file")

    def _read(self, data: bytes | None) -> None:
        import csv
        import io

        if data is None:
            raise ValueError("it is missing")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"it is not UTF-8 ({error.reason} at byte {error.start})") from None
        try:
            for number, row in enumerate(csv.reader(io.StringIO(text, newline=""))):
                if len(row) != 3:
                    raise ValueError(f"row {number} has {len(row)} fields, not 3")
                path, spelled, size = row
                if path in self._rows:
                    self._disagree(path, "it is listed twice")
                self._rows[path] = spelled, size
        except csv.Error as error:
            raise ValueError(str(error)) from None
        for suffix in _SIGNATURES:
            if self._rows.pop(self.path + suffix, None) is not None:
                self._disagree(self.path + suffix, "it signs RECORD and must not be listed")

    def _look_closer(
        self,
        path: str,
        row: tuple[str, str] | None,
        size: int,
        sha256: bytes,
        other: bytes | None,
    ) -> None:
        if not self._readable or path in {self.path + suffix for suffix in _SIGNATURES}:
            return
        if row is None:
            self._disagree(path, "it is not listed")
            return
        spelled, listed_size = row
        algorithm, _, value = spelled.partition("=")
        if not value or not listed_size:
            self._disagree(path, "it is listed without a hash or without a size")
            return
        if other is not None:
            found = _spelled(algorithm, other)
        elif algorithm == "sha256":
            found = _spelled(algorithm, sha256)
            if value.lower() == sha256.hex():
                self.in_hexadecimal += 1
                found = spelled
        else:
            self._disagree(path, f"it is listed with a hash of the kind `{algorithm}`")
            return
        if spelled != found:
            self._disagree(path, f"expected `{spelled}`, found `{found}`")
        elif listed_size != str(size):
            self._disagree(path, f"expected {listed_size} bytes, found {size}")

    def _disagree(self, path: str, reason: str) -> None:
        self.disagreements.append(printable(f"`{path}`: {reason}"))


def shortened(disagreements: Sequence[str]) -> tuple[str, ...]:
    """Return the first of `disagreements`, and how many more there are."""
    shown = tuple(disagreements[:MOST_SHOWN])
    more = len(disagreements) - len(shown)
    return (*shown, f"and {more} more") if more else shown


def _spelled(algorithm: str, digest: bytes) -> str:
    text = b2a_base64(digest, newline=False).translate(_URL_SAFE).rstrip(b"=")
    return f"{algorithm}={text.decode('ascii')}"
