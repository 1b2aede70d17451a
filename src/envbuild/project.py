"""What a `pyproject.toml` beside a lock says that the lock leaves to it.

Dependencies are the lock's business and are not looked at, nor are the settings of this program.
"""

from __future__ import annotations

from envbuild.errors import raise_all
from envbuild.frozen import frozen
from envbuild.lockfile.parse_package import parse_default_groups
from envbuild.lockfile.tables import Faults, get_flag, get_table, get_tables, get_text
from envbuild.lockfile.toml import parse_toml
from envbuild.lockfile.versions import check_specifiers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from envbuild.lockfile.tables import Table


@frozen
class Index:
    """One `[[tool.uv.index]]`.

    Attributes:
        name: by which credentials in the environment name it; empty where it has none.
        url: or a path, relative to the file's folder.
    """

    name: str
    url: str


@frozen
class Project:
    """What the file says.

    Attributes:
        name: normalised; `None` where the file is a workspace's root and no project.
        requires_python: specifiers, `None` for none.
        default_groups: groups that are installed unless turned off; `None` for all.
        group_requires_python: groups and the specifiers that they add, those of the groups that they
            include among them.
        is_managed: whether the project's environment may be looked after.
        indexes: in order.
    """

    name: str | None
    requires_python: str | None
    default_groups: tuple[str, ...] | None
    group_requires_python: tuple[tuple[str, str], ...]
    is_managed: bool
    indexes: tuple[Index, ...]


def parse_project(text: str, *, file: str) -> Project:
    """Return what the text of a `pyproject.toml` says.

    Args:
        text: of the file.
        file: how to call it in errors.

    Raises:
        NotToml: `text` is not TOML.
        InvalidEntry: an entry that is read here cannot be; `Problems` for several.
    """
    document = parse_toml(text, file=file)
    faults = Faults(file)
    project = get_table(document, "project", "", faults)
    uv = get_table(get_table(document, "tool", "", faults), "uv", "tool", faults)
    name = get_text(project, "name", "project", faults)
    requires_python = get_text(project, "requires-python", "project", faults)
    if requires_python is not None:
        faults.check(requires_python, "project.requires-python", check_specifiers)
    parsed = Project(
        name=None if name is None else faults.name(name, "project.name"),
        requires_python=requires_python,
        default_groups=_default_groups(uv, faults),
        group_requires_python=tuple(_group_requires_python(document, uv, faults)),
        is_managed=get_flag(uv, "managed", "tool.uv", faults) is not False,
        indexes=tuple(_indexes(uv, faults)),
    )
    raise_all(faults.errors)
    return parsed


def _default_groups(uv: Table, faults: Faults) -> tuple[str, ...] | None:
    groups = parse_default_groups(uv, "tool.uv", faults)
    if groups == "all":
        return None
    return ("dev",) if groups is None else groups


def _indexes(uv: Table, faults: Faults) -> Iterator[Index]:
    for place, table in get_tables(uv, "index", "tool.uv", faults):
        url = get_text(table, "url", place, faults)
        if url is not None:
            yield Index(name=get_text(table, "name", place, faults) or "", url=url)
        elif "url" not in table:
            faults.add(f"{place}.url", "is missing")


def _group_requires_python(document: Table, uv: Table, faults: Faults) -> Iterator[tuple[str, str]]:
    """Yield each group that adds specifiers, with its own and those of what it includes."""
    settings = get_table(uv, "dependency-groups", "tool.uv", faults)
    own: dict[str, str] = {}
    for group in settings:
        place = f"tool.uv.dependency-groups.{group}"
        table = get_table(settings, group, "tool.uv.dependency-groups", faults)
        specifiers = get_text(table, "requires-python", place, faults)
        if specifiers is not None:
            faults.check(specifiers, f"{place}.requires-python", check_specifiers)
            own[faults.name(group, place)] = specifiers
    if not own:
        return
    included = _included_groups(document, faults)
    for group in sorted({*own, *included}):
        reached = [group]
        for name in reached:
            reached += [other for other in included.get(name, ()) if other not in reached]
        parts = [own[name] for name in reached if name in own]
        if parts:
            yield group, ",".join(parts)


def _included_groups(document: Table, faults: Faults) -> dict[str, list[str]]:
    groups = get_table(document, "dependency-groups", "", faults)
    included: dict[str, list[str]] = {}
    for group, items in groups.items():
        place = f"dependency-groups.{group}"
        included[faults.name(group, place)] = [
            faults.name(name, place)
            for item in (items if isinstance(items, list) else ())
            if isinstance(item, dict) and isinstance(name := item.get("include-group"), str)
        ]
    return included
