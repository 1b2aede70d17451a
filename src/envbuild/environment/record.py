"""Rows of RECORD: path, hash and size of each installed file (PEP 376, PEP 627).

A row is spelled as the `csv` module spells it, byte for byte, without paying for its import.
"""

from __future__ import annotations

from envbuild.digest import sha256_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

METADATA = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json")
"""What is written into a `.dist-info` folder, if anything; never linked, whatever a wheel brings."""

_URL_SAFE = bytes.maketrans(b"+/", b"-_")

_KNOWN = {
    b"": b"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
    b"envbuild\n": b"4gP0VHxYWJucRWQ4c6IxSglOZ6svMiZWBBOD3895vSc",
}
"""Hashes of what nearly every distribution has. To find them out, two libraries have to be loaded."""


def record_row(path: str, sha256: bytes, size: int) -> bytes:
    """Return the row of a file.

    Args:
        path: relative to the folder that holds the `.dist-info` folder.
        sha256: the raw hash.
        size: in bytes.
    """
    return _row(path, _encoded(sha256), size)


def written_row(path: str, data: bytes) -> bytes:
    """Return the row of a file that holds `data`; `path` as for `record_row`."""
    return _row(path, _KNOWN.get(data) or _encoded(sha256_of(data)), len(data))


def own_row(path: str) -> bytes:
    """Return the row of the RECORD itself, which cannot hold its own hash."""
    return _quoted(path) + b",,\n"


def written_rows(info: str, launchers: Iterable[str]) -> list[str]:
    """Return the paths, as RECORD has them and sorted, of all files that may be written.

    Args:
        info: the `.dist-info` folder, relative to the prefix.
        launchers: paths relative to the prefix.
    """
    site, _, name = info.rpartition("/")
    rows = [f"{name}/{metadata}" for metadata in METADATA]
    rows += (relative(path, site) for path in launchers)
    return sorted(rows)


def relative(path: str, folder: str) -> str:
    """Return `path` as seen from `folder`; both are relative to one prefix."""
    if path.startswith(f"{folder}/"):
        return path[len(folder) + 1 :]
    names, passed = path.split("/"), folder.split("/")
    shared = 0
    while shared < len(passed) and names[shared] == passed[shared]:
        shared += 1
    return "../" * (len(passed) - shared) + "/".join(names[shared:])


def _row(path: str, sha256: bytes, size: int) -> bytes:
    return b"%s,sha256=%s,%d\n" % (_quoted(path), sha256, size)


def _encoded(sha256: bytes) -> bytes:
    from binascii import b2a_base64

    return b2a_base64(sha256, newline=False).rstrip(b"=").translate(_URL_SAFE)


def _quoted(field: str) -> bytes:
    if "," in field or '"' in field or "\n" in field or "\r" in field:
        field = '"' + field.replace('"', '""') + '"'
    return field.encode("utf-8")
