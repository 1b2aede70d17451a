"""What a source tree says of how it is built: `[build-system]` of its `pyproject.toml` (PEP 517, 518)."""

from __future__ import annotations

from envbuild.derivation.build import Backend
from envbuild.errors import RealiseError
from envbuild.frozen import frozen
from envbuild.lockfile.requirements import parse_requirement
from envbuild.lockfile.toml import NotToml, parse_toml

LEGACY = Backend(name="setuptools.build_meta:__legacy__")
"""Who is asked where nobody is named."""

LEGACY_REQUIRES = ("setuptools>=40.8.0",)
"""What that needs, where the tree does not say what it needs."""


_SHOWN = 100
_LONGEST = 4000


class InvalidBuildSystem(RealiseError):
    """A source tree that does not say as it should how it is built."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the `pyproject.toml` of `{name}` cannot be used to build it: {reason}")
        self.name = name
        self.reason = reason


@frozen
class BuildSystem:
    """How a tree is built.

    Attributes:
        backend: who is asked.
        requires: what has to be there for that, as the tree spells it.
    """

    backend: Backend
    requires: tuple[str, ...]


def read_build_system(text: bytes | None, *, name: str) -> BuildSystem:
    """Return how a tree is built.

    Args:
        text: content of its `pyproject.toml`, `None` where there is none.
        name: of the package, for errors.

    Raises:
        InvalidBuildSystem: it cannot be read, or an entry is not as it should be.
    """
    if text is None:
        return BuildSystem(backend=LEGACY, requires=LEGACY_REQUIRES)
    try:
        document = parse_toml(text.decode("utf-8"), file="pyproject.toml")
    except UnicodeDecodeError:
        raise InvalidBuildSystem(name, "it is not UTF-8") from None
    except NotToml as error:
        reason = f"line {error.line}, column {error.column}: {error.reason}"
        raise InvalidBuildSystem(name, reason) from error
    table = document.get("build-system")
    if table is None:
        return BuildSystem(backend=LEGACY, requires=LEGACY_REQUIRES)
    if not isinstance(table, dict):
        raise InvalidBuildSystem(name, "`build-system` is not a table")
    requires = _texts(table.get("requires"), "build-system.requires", name)
    for each in requires:
        if not is_requirement(each):
            reason = f"`build-system.requires` has `{each[:_SHOWN]}`, which is no requirement"
            raise InvalidBuildSystem(name, reason)
    if "build-backend" not in table:
        return BuildSystem(backend=LEGACY, requires=requires)
    backend = table["build-backend"]
    if not isinstance(backend, str) or not backend:
        raise InvalidBuildSystem(name, "`build-system.build-backend` is not a string")
    path = _texts(table.get("backend-path", []), "build-system.backend-path", name)
    return BuildSystem(backend=Backend(name=backend, path=path), requires=requires)


def is_requirement(text: str) -> bool:
    """Tell whether a text is a requirement (PEP 508) of a length that somebody may have written."""
    if len(text) > _LONGEST:
        return False
    try:
        parse_requirement(text)
    except ValueError:
        return False
    return True


def _texts(value: object, place: str, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise InvalidBuildSystem(name, f"`{place}` is not a list of strings")
    return tuple(str(each) for each in value)
