"""Where the files of a wheel go: the spreading rules of the wheel format, without touching a disk.

The rules are those of the binary distribution format ("Installing a wheel", PEP 427), with the
details in which pip and uv agree where it is silent.
"""

from __future__ import annotations

from itertools import pairwise

from envbuild.environment.placement import Placement
from envbuild.environment.record import METADATA, record_row, relative, written_rows
from envbuild.environment.reserved import reason_reserved
from envbuild.environment.scheme import real, scheme_folders, standing_folders, unit_for
from envbuild.errors import VenvError, raise_all
from envbuild.frozen import frozen
from envbuild.store import layout
from envbuild.store.tree import fault_of_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from envbuild.digest import Digest
    from envbuild.store.tree import Entry, Tree
    from envbuild.target.model import Scheme

_WHEEL_VERSION = 1
"""Major version of the wheel format that is understood."""

_BELOW_BLOBS = len(f"{layout.BLOBS}/")

_NOT_KEPT = frozenset({*METADATA, "RECORD.jws", "RECORD.p7s", "uv_build.json"})
"""Files of a `.dist-info` folder that speak of an installation, or sign a RECORD that is replaced."""


class UnusableWheel(VenvError):
    """A wheel that cannot be installed, whatever the environment."""

    def __init__(self, distribution: str, reason: str) -> None:
        super().__init__(f"the wheel of `{distribution}` cannot be installed: {reason}")
        self.distribution = distribution
        self.reason = reason


class PlaceTaken(VenvError):
    """Two files of one wheel, with different contents, that belong on one path."""

    def __init__(self, distribution: str, path: str, first: str, second: str) -> None:
        super().__init__(
            f"the wheel of `{distribution}` brings two files for `{path}`: `{first}` and `{second}`"
        )
        self.distribution = distribution
        self.path = path
        self.first = first
        self.second = second


class PlaceReserved(VenvError):
    """A file of a wheel on a path that is not the wheel's to take."""

    def __init__(self, distribution: str, path: str, source: str, reason: str) -> None:
        super().__init__(
            f"the wheel of `{distribution}` may not install `{source}` as `{path}`: {reason}"
        )
        self.distribution = distribution
        self.path = path
        self.source = source
        self.reason = reason


def place(
    tree: Tree,
    *,
    digest: Digest,
    distribution: str,
    scheme: Scheme,
    python: str,
    read: Callable[[Digest], bytes],
    excluded: tuple[str, ...] = (),
) -> Placement:
    """Decide where the files of an unpacked wheel go.

    Args:
        tree: the files.
        digest: the tree's.
        distribution: the normalised name.
        scheme: of the environment.
        python: the language version, such as `3.12`.
        read: gives the content of a blob, under whichever of its two names the store has it.
        excluded: sorted; which of these places are another distribution's.

    Raises:
        UnusableWheel: the tree is no wheel, or one of a format that is not known here.
        PlaceTaken: two of its files belong on one path.
        PlaceReserved: a file belongs where it must not go.
    """
    wheel = _Wheel(tree, distribution, read)
    problems: list[VenvError] = []
    claims: dict[str, _Claim] = {}
    for path, claim in wheel.claims(scheme, python, problems):
        first = claims.setdefault(path, claim)
        if first.outcome != claim.outcome:
            problems.append(PlaceTaken(distribution, path, first.source, claim.source))
    site = real(wheel.root(scheme))
    info = f"{site}/{wheel.info}"
    shared = scheme_folders(scheme)
    problems += _trespasses(claims, info, shared, scheme, distribution)
    raise_all(problems)
    for path in excluded:
        del claims[path]

    groups: dict[str, list[tuple[str, str, int]]] = {}
    launchers = []
    rows = []
    for path, claim in sorted(claims.items()):
        if claim.launcher is not None:
            launchers.append((path, claim.launcher))
            continue
        entry = claim.entry
        assert entry is not None
        assert entry.digest is not None
        assert entry.sha256 is not None
        assert entry.size is not None
        row = relative(path, site)
        rows.append((row, record_row(row, bytes.fromhex(entry.sha256), entry.size)))
        folder, _, name = path.rpartition("/")
        blob = layout.blob(entry.digest, executable=entry.kind == "executable")
        groups.setdefault(folder or ".", []).append((name, blob[_BELOW_BLOBS:], entry.size))
    rows.sort()
    return Placement(
        tree=digest,
        info=info,
        folders=tuple(sorted(_folders(claims) - standing_folders(scheme))),
        links=tuple((folder, tuple(files)) for folder, files in sorted(groups.items())),
        launchers=tuple(launchers),
        record=_cut(rows, written_rows(info, (path for path, _ in launchers))),
        units=tuple(sorted({unit_for(path, shared) for path in claims})),
        excluded=excluded,
    )


@frozen
class _Claim:
    """What a wheel wants on a path: one of its files, or a launcher.

    Attributes:
        source: what of the wheel asks for it.
        entry: the file to link.
        launcher: the content of the launcher, from the end of the shebang on.
    """

    source: str
    entry: Entry | None = None
    launcher: bytes | None = None

    @property
    def outcome(self) -> object:
        """What the file will be like, whatever it comes from."""
        return self.launcher, self.entry and (self.entry.digest, self.entry.kind)


class _Wheel:
    """An unpacked wheel: its files, and what its metadata says of where they belong."""

    def __init__(self, tree: Tree, distribution: str, read: Callable[[Digest], bytes]) -> None:
        self.distribution = distribution
        self.files = {entry.path: entry for entry in tree.entries}
        self.read = read
        tops = (path.partition("/")[0] for path in self.files)
        infos = sorted({top for top in tops if top.endswith(".dist-info")})
        if len(infos) != 1:
            found = ", ".join(f"`{info}`" for info in infos) or "none"
            reason = f"it must have one `.dist-info` folder, found {found}"
            raise UnusableWheel(distribution, reason)
        self.info = infos[0]
        self.fields = self._fields()

    def root(self, scheme: Scheme) -> str:
        """Return the folder that everything goes to which is not in `.data`."""
        pure = self.fields.get("root-is-purelib", "").lower() == "true"
        return scheme.purelib if pure else scheme.platlib

    def claims(
        self, scheme: Scheme, python: str, problems: list[VenvError]
    ) -> Iterator[tuple[str, _Claim]]:
        """Yield path and claim for every file that is to be, in a fixed order."""
        commands = set()
        for command, body in self._entry_points(python, problems):
            commands.add(command)
            source = f"{self.info}/entry_points.txt"
            yield f"{scheme.scripts}/{command}", _Claim(source=source, launcher=body)

        root = real(self.root(scheme))
        data = f"{self.info.removesuffix('.dist-info')}.data/"
        spread = {
            "data": f"{scheme.data}/".removeprefix("/"),
            "headers": f"{scheme.headers}/{self.distribution}/",
            "platlib": f"{scheme.platlib}/",
            "purelib": f"{scheme.purelib}/",
            "scripts": f"{scheme.scripts}/",
        }
        not_kept = {f"{self.info}/{name}" for name in _NOT_KEPT}
        for path, entry in self.files.items():
            if "__pycache__/" in path:
                # Python itself writes there: what it may replace can be neither linked nor listed.
                continue
            if entry.kind == "symlink":
                reason = f"`{path}` is a symbolic link, which the wheel format does not know"
                problems.append(UnusableWheel(self.distribution, reason))
            elif path.startswith(data):
                key, _, rest = path[len(data) :].partition("/")
                if key not in spread or not rest:
                    known = ", ".join(f"`{key}`" for key in spread)
                    reason = f"`{path}` is below none of {known}"
                    problems.append(UnusableWheel(self.distribution, reason))
                elif key != "scripts":
                    yield real(f"{spread[key]}{rest}"), _Claim(source=path, entry=entry)
                elif not _is_wrapper(rest, commands):
                    yield f"{spread[key]}{rest}", self._script(path, entry)
            elif path not in not_kept:
                yield f"{root}/{path}", _Claim(source=path, entry=entry)

    def _fields(self) -> dict[str, str]:
        """Return the fields of `WHEEL`, names in lower case, the first of each."""
        text = self._text("WHEEL")
        if text is None:
            raise UnusableWheel(self.distribution, f"`{self.info}` has no `WHEEL`")
        fields: dict[str, str] = {}
        for line in text.splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip().lower(), value.strip())
        version = fields.get("wheel-version", "")
        major = version.partition(".")[0]
        if not major.isdecimal() or int(major) > _WHEEL_VERSION:
            reason = f"it has version `{version}` of the wheel format, known is {_WHEEL_VERSION}"
            raise UnusableWheel(self.distribution, reason)
        return fields

    def _entry_points(self, python: str, problems: list[VenvError]) -> Iterator[tuple[str, bytes]]:
        """Yield name and body of every launcher that the wheel's entry points ask for."""
        text = self._text("entry_points.txt")
        if text is None or "_scripts" not in text:
            return
        from configparser import Error

        from installer.scripts import Script
        from installer.utils import parse_entrypoints

        try:
            scripts = list(parse_entrypoints(text))
        except (Error, AssertionError) as error:
            reason = f"`{self.info}/entry_points.txt` cannot be read: {str(error) or 'no object reference'}"
            problems.append(UnusableWheel(self.distribution, reason))
            return
        if self.distribution == "pip":
            scripts = list(_with_versioned_pip(scripts, python))
        for name, module, attribute, section in scripts:
            if "/" in name or fault_of_path(name):
                reason = f"its entry point `{name!r}` has a name that no file can have"
                problems.append(UnusableWheel(self.distribution, reason))
                continue
            _, launcher = Script(name, module, attribute, section).generate("python", "posix")
            yield name, launcher.partition(b"\n")[2]

    def _script(self, path: str, entry: Entry) -> _Claim:
        assert entry.digest is not None
        content = self.read(entry.digest)
        if content.startswith(b"#!python"):
            return _Claim(source=path, launcher=content.partition(b"\n")[2])
        return _Claim(source=path, entry=entry)

    def _text(self, name: str) -> str | None:
        entry = self.files.get(f"{self.info}/{name}")
        if entry is None or entry.digest is None:
            return None
        try:
            return self.read(entry.digest).decode("utf-8")
        except UnicodeDecodeError as error:
            reason = f"`{self.info}/{name}` is not UTF-8: {error}"
            raise UnusableWheel(self.distribution, reason) from error


def _is_wrapper(script: str, commands: set[str]) -> bool:
    """Tell whether old setuptools made this script to stand for an entry point (as pip does)."""
    lowered = script.lower()
    for suffix in (".exe", "-script.py", ".pya"):
        if lowered.endswith(suffix):
            return script[: -len(suffix)] in commands
    return script in commands


def _with_versioned_pip(
    scripts: Iterable[tuple[str, str, str, Any]], python: str
) -> Iterator[tuple[str, str, str, Any]]:
    """Give pip the command with the version in its name that its users expect.

    Old wheels of pip bring one for the Python they were made with, new ones bring none. pip and uv
    both make the right one at installation.
    """
    for script in scripts:
        if not script[0].startswith("pip3."):
            yield script
        if script[0] == "pip3":
            yield f"pip{python}", *script[1:]


def _trespasses(
    claims: dict[str, _Claim],
    info: str,
    shared: frozenset[str],
    scheme: Scheme,
    distribution: str,
) -> Iterator[VenvError]:
    """Yield an error for each claim to a path that is needed otherwise."""
    written = {f"{info}/{name}" for name in METADATA}
    folders = _folders(claims)
    for path, claim in claims.items():
        reason = reason_reserved(path, scheme.scripts)
        if path in written:
            reason = "it is written by the installer"
        elif path in shared:
            reason = "the environment has a folder there"
        elif path in folders:
            inside = min(other for other in claims if other.startswith(f"{path}/"))
            yield PlaceTaken(distribution, path, claim.source, claims[inside].source)
        if reason is not None:
            yield PlaceReserved(distribution, path, claim.source, reason)


def _folders(paths: Iterable[str]) -> set[str]:
    """Return every folder above one of `paths`, the prefix left out."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _cut(rows: list[tuple[str, bytes]], written: list[str]) -> tuple[bytes, ...]:
    """Join sorted rows, and cut where the rows of `written` come in."""
    from bisect import bisect_left

    paths = [path for path, _ in rows]
    cuts = [0, *(bisect_left(paths, path) for path in written), len(paths)]
    return tuple(b"".join(row for _, row in rows[start:end]) for start, end in pairwise(cuts))
