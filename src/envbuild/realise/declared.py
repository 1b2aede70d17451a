"""What sources say of themselves without being run: their name, their version, their Python.

`[project]` comes first (PEP 621), then what a backend wrote into `PKG-INFO`, then where older projects
say it: `[tool.poetry]`, `setup.cfg`, and a plain `name=` in `setup.py`, which is read and not run.
Only a name is taken from these last ones; whatever else they say may be overruled when they are built.
"""

from __future__ import annotations

from envbuild.frozen import frozen
from envbuild.lockfile.names import is_name, normalise
from envbuild.lockfile.versions import check_specifiers, is_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterator, Mapping

METADATA = "PKG-INFO"
FILES = (METADATA, "pyproject.toml", "setup.cfg", "setup.py")
"""The files that are looked at, all beside one another."""

LONGEST = 1 << 20
"""Bytes of a file that is worth looking at."""


@frozen
class Declared:
    """What is said.

    Attributes:
        name: normalised; `None` where it cannot be read off.
        version: in its normal form; `None` where it is not said, or not for certain.
        requires_python: specifiers, `None` for none.
        is_project: whether there is a `[project]`, which then says of the version all that is said.
    """

    name: str | None
    version: str | None
    requires_python: str | None
    is_project: bool


def read_declared(files: Mapping[str, bytes], *, file: str, archive: str | None = None) -> Declared:
    """Return what sources say of themselves.

    Args:
        files: the contents of those of `FILES` that are there, by name.
        file: how to call `pyproject.toml` in errors.
        archive: name of the archive that they are from, which counts too; `None` for a folder.

    Raises:
        NotToml: `pyproject.toml` is no TOML.
    """
    document = _document(files.get("pyproject.toml"), file)
    project, fields = _table(document, "project"), metadata_fields(files.get(METADATA, b""))
    poetry = _table(_table(document, "tool"), "poetry")
    stem = _stem(archive)
    names = (
        lambda: project.get("name"),
        lambda: fields.get("name"),
        lambda: poetry.get("name"),
        lambda: _name_in_cfg(files.get("setup.cfg", b"")),
        lambda: _name_in_script(files.get("setup.py", b"")),
        lambda: stem.rpartition("-")[0],
    )
    version = project.get("version")
    if archive is not None and version is None and _is_certain(fields, stem):
        version = fields["version"]
    requires_python = project.get("requires-python", fields.get("requires-python"))
    return Declared(
        name=_first_name(names),
        version=_plain_version(version),
        requires_python=_specifiers(requires_python),
        is_project=bool(project),
    )


def metadata_fields(data: bytes) -> dict[str, str]:
    """Return the header fields of core metadata, names in lower case; of several, the first."""
    fields: dict[str, str] = {}
    for line in data.splitlines():
        if line[:1] in {b" ", b"\t"}:
            continue
        key, colon, value = line.partition(b":")
        if not colon:
            break
        name = key.strip().lower().decode("ascii", "replace")
        fields.setdefault(name, value.strip().decode("utf-8", "backslashreplace"))
    return fields


def promises(metadata_version: str) -> bool:
    """Tell whether metadata of that version says what will be built (PEP 643)."""
    major, _, minor = metadata_version.partition(".")
    if not major.isdecimal() or not minor.isdecimal():
        return False
    return (int(major), int(minor)) >= (2, 2)


def _document(data: bytes | None, file: str) -> dict[str, object]:
    from envbuild.lockfile.toml import parse_toml

    return {} if data is None else parse_toml(data.decode("utf-8", "replace"), file=file)


def _table(document: Mapping[str, object], key: str) -> dict[str, object]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _stem(archive: str | None) -> str:
    """Return the name of an archive without its ending."""
    stem = archive or ""
    for ending in (".tar.gz", ".tgz", ".zip"):
        if stem.lower().endswith(ending):
            return stem[: -len(ending)]
    return stem


def _is_certain(fields: Mapping[str, str], stem: str) -> bool:
    """Tell whether the version in `PKG-INFO` is that of the wheel: older metadata needs a witness."""
    version = fields.get("version")
    if version is None:
        return False
    return promises(fields.get("metadata-version", "")) or stem.endswith(f"-{version}")


def _first_name(sayings: tuple[Callable[[], object], ...]) -> str | None:
    for saying in sayings:
        name = saying()
        if isinstance(name, str) and name and is_name(name):
            return normalise(name)
    return None


def _plain_version(text: object) -> str | None:
    if not isinstance(text, str) or not is_version(text):
        return None
    from packaging.version import Version

    return str(Version(text))


def _specifiers(text: object) -> str | None:
    if not isinstance(text, str) or not text:
        return None
    try:
        check_specifiers(text)
    except ValueError:
        # Its backend will say so, which knows better where.
        return None
    return text


def _name_in_cfg(data: bytes) -> str | None:
    from configparser import ConfigParser, Error

    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(data.decode("utf-8", "replace"))
    except Error:
        return None
    return parser.get("metadata", "name", fallback=None)


def _name_in_script(data: bytes) -> str | None:
    """Return the name that a call of `setup` is given, where there is no doubt about it."""
    import ast

    try:
        module = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    values = {
        target.id: statement.value
        for statement in module.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    names = {_literal(value, values) for value in _named_in_setup(module)}
    return names.pop() if len(names) == 1 else None


def _named_in_setup(module: ast.Module) -> Iterator[ast.expr]:
    import ast

    for node in ast.walk(module):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id="setup") | ast.Attribute(attr="setup"):
                yield from (each.value for each in node.keywords if each.arg == "name")


def _literal(value: ast.expr, values: Mapping[str, ast.expr]) -> str | None:
    import ast

    if isinstance(value, ast.Name):
        value = values.get(value.id, value)
    match value:
        case ast.Constant(value=str() as text):
            return text
        case _:
            return None
