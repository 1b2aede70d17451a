"""What a wheel says of itself: its `.dist-info` and `.data` folders, WHEEL and METADATA.

The format is that of the "Binary distribution format" specification (PEP 427) and of core
metadata (PEP 566 and later), of which no more is read than tells one distribution from another.
"""

from __future__ import annotations

from envbuild.errors import RealiseError
from envbuild.frozen import frozen
from envbuild.lockfile.names import normalise
from envbuild.lockfile.versions import is_version, same_version
from envbuild.realise.zip_directory import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_SCHEMES = frozenset({"purelib", "platlib", "headers", "scripts", "data"})
_INFO, _DATA = ".dist-info", ".data"


class InvalidWheel(RealiseError):
    """An archive that is not the wheel it should be.

    Attributes:
        archive: its file name.
        reasons: a sentence for everything that is wrong.
    """

    def __init__(self, archive: str, reasons: Sequence[str]) -> None:
        super().__init__(f"`{archive}` is not the wheel it should be: {'; '.join(reasons)}")
        self.archive = archive
        self.reasons = tuple(reasons)


@frozen
class Folders:
    """The top-level folders of a wheel that are not installed as they are.

    Attributes:
        info: name of the `.dist-info` folder.
        data: name of the `.data` folder, whether there is one or not.
    """

    info: str
    data: str


def find_folders(paths: Iterable[str], *, archive: str, distribution: str, version: str) -> Folders:
    """Return the special folders of a wheel.

    Args:
        paths: of all members, those of folders with a `/` at the end.
        archive: how errors call the wheel.
        distribution: normalised name that the wheel must be of.
        version: version that it must be of.

    Raises:
        InvalidWheel: there is not exactly one `.dist-info` folder, it is that of another
            distribution or version, or a `.data` folder is not as it should be.
    """
    tops: dict[str, set[str]] = {}
    for path in paths:
        top, slash, below = path.partition("/")
        if slash and top.endswith((_INFO, _DATA)):
            tops.setdefault(top, set()).add(below)
    infos = sorted(top for top in tops if top.endswith(_INFO))
    if len(infos) != 1:
        found = ", ".join(f"`{info}`" for info in infos) or "none"
        raise InvalidWheel(archive, [f"expected one `{_INFO}` folder, found {found}"])
    stem = infos[0].removesuffix(_INFO)
    folders = Folders(info=infos[0], data=stem + _DATA)
    reasons = []
    if not any(_agrees(found, version) for found in _versions(stem, distribution)):
        reasons.append(
            f"expected the `{_INFO}` folder of `{distribution}` {version}, found `{folders.info}`"
        )
    for top in sorted(tops):
        named_otherwise = top.endswith(_DATA) and top != folders.data
        # Whoever names the folder otherwise would get its content installed as it is.
        if named_otherwise and any(_versions(top.removesuffix(_DATA), distribution)):
            reasons.append(f"expected the `{_DATA}` folder `{folders.data}`, found `{top}`")
    for below in sorted(tops.get(folders.data, ())):
        scheme, slash, _ = below.partition("/")
        if below and not (slash and scheme in _SCHEMES):
            reasons.append(f"`{folders.data}/{below}` is in none of the folders that have a place")
    if reasons:
        raise InvalidWheel(archive, reasons)
    return folders


def check_metadata(
    wheel: bytes | None, metadata: bytes | None, *, archive: str, distribution: str, version: str
) -> tuple[str, ...]:
    """Make sure that WHEEL can be understood and METADATA is of the right distribution.

    Args:
        wheel: content of WHEEL, `None` where it is missing.
        metadata: content of METADATA, `None` where it is missing.
        archive: how errors call the wheel.
        distribution: normalised name that METADATA must have.
        version: version that it must have; its local part may be missing.

    Returns:
        What the user should know of a wheel that is good enough.

    Raises:
        InvalidWheel: a file or a field is missing or wrong.
    """
    reasons = []
    notes = []
    if wheel is None:
        reasons.append("WHEEL is missing")
    else:
        found = _field(wheel, "Wheel-Version", "WHEEL", reasons)
        major, _, minor = (found or "1.0").partition(".")
        if major != "1":
            reasons.append(f"expected Wheel-Version 1 in WHEEL, found `{found}`")
        elif minor != "0":
            notes.append(f"its Wheel-Version is {found}, newer than the 1.0 that is known")
    if metadata is None:
        reasons.append("METADATA is missing")
    else:
        found = _field(metadata, "Name", "METADATA", reasons)
        if found is not None and normalise(found) != distribution:
            reasons.append(f"expected the name `{distribution}` in METADATA, found `{found}`")
        found = _field(metadata, "Version", "METADATA", reasons)
        if found is not None and not _agrees(found, version):
            reasons.append(f"expected the version {version} in METADATA, found `{found}`")
    if reasons:
        raise InvalidWheel(archive, reasons)
    return tuple(notes)


def _versions(stem: str, distribution: str) -> Iterator[str]:
    """Yield what may be the version in `stem`, if it begins with the name of `distribution`."""
    name, hyphen, version = stem.rpartition("-")
    while hyphen:
        if normalise(name) == distribution:
            yield version
        name, hyphen, more = name.rpartition("-")
        version = f"{more}-{version}"


def _agrees(found: str, expected: str) -> bool:
    if not is_version(found):
        return False
    return same_version(found, expected) or same_version(found, expected.partition("+")[0])


def _field(data: bytes, name: str, file: str, reasons: list[str]) -> str | None:
    """Return the one value of a header field; where there is not one, say so in `reasons`."""
    values = []
    for line in data.splitlines():
        if line[:1] in {b" ", b"\t"}:
            continue
        key, colon, value = line.partition(b":")
        if not colon:
            break
        if key.strip().lower() == name.lower().encode():
            values.append(printable(value.strip().decode("utf-8", "backslashreplace")))
    if len(values) == 1:
        return values[0]
    reasons.append(f"expected one field `{name}` in {file}, found {len(values)}")
    return None
