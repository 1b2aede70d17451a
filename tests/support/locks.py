"""Texts of `uv.lock` files in uv's own layout, from a few words.

lock_text(
    project("demo", dependencies=["bee", edge("ant", marker="sys_platform == 'linux'")]),
    package("ant"),
    package("bee", "2.0", dependencies=["ant"]),
)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

INDEX = "https://index.example/simple"
REGISTRY = f'registry = "{INDEX}"'


def lock_text(
    *packages: str, head: str = "", requires_python: str = ">=3.9", revision: int = 5
) -> str:
    """Return the text of a lock.

    Args:
        packages: texts that `package` and `project` return.
        head: further lines at the top.
        requires_python: specifiers.
        revision: of the format.
    """
    start = f'version = 1\nrevision = {revision}\nrequires-python = "{requires_python}"\n'
    return "\n".join([start + (f"{head.strip()}\n" if head else ""), *packages]).replace(
        "\n\n\n", "\n\n"
    )


def package(
    name: str,
    version: str = "1.0",
    *,
    source: str = REGISTRY,
    dependencies: Iterable[str] = (),
    extras: Mapping[str, Iterable[str]] | None = None,
    groups: Mapping[str, Iterable[str]] | None = None,
    wheels: Iterable[str] | None = None,
    sdist: bool = False,
    more: str = "",
    tables: str = "",
) -> str:
    """Return the text of a package.

    Args:
        name: normalised.
        version: empty for none.
        source: the inside of the inline table.
        dependencies: names, or what `edge` returns.
        extras: likewise by extra.
        groups: likewise by group.
        wheels: file names; one for any platform when `None`.
        sdist: whether it has a source distribution.
        more: further lines before the tables.
        tables: further tables.
    """
    lines = ["[[package]]", f'name = "{name}"']
    if version:
        lines.append(f'version = "{version}"')
    lines.append(f"source = {{ {source} }}")
    lines += more.strip().splitlines()
    lines += _edges("dependencies", dependencies)
    if sdist:
        lines.append(f"sdist = {{ {_artifact(f'{name}-{version}.tar.gz')} }}")
    if wheels is None:
        wheels = (f"{name.replace('-', '_')}-{version}-py3-none-any.whl",)
    rows = [f"    {{ {_artifact(wheel)} }}," for wheel in wheels]
    if rows:
        lines += ["wheels = [", *rows, "]"]
    for header, lists in (("optional-dependencies", extras), ("dev-dependencies", groups)):
        if lists:
            lines += ["", f"[package.{header}]"]
            for key, edges in lists.items():
                lines += _edges(key, edges) or [f"{key} = []"]
    if tables:
        lines += ["", *tables.strip().splitlines()]
    return "\n".join(lines) + "\n"


def project(
    name: str = "demo",
    version: str = "0.1",
    *,
    source: str = 'virtual = "."',
    dependencies: Iterable[str] = (),
    extras: Mapping[str, Iterable[str]] | None = None,
    groups: Mapping[str, Iterable[str]] | None = None,
    more: str = "",
    tables: str = "",
) -> str:
    """Return the text of a project: a package that is a tree, by default one not installed itself."""
    return package(
        name,
        version,
        source=source,
        dependencies=dependencies,
        extras=extras,
        groups=groups,
        wheels=(),
        more=more,
        tables=tables,
    )


def edge(
    name: str,
    version: str = "",
    *,
    source: str = "",
    extras: Iterable[str] = (),
    marker: str = "",
) -> str:
    """Return an edge for `dependencies`, `extras` and `groups` of `package`."""
    parts = [f'name = "{name}"']
    if version:
        parts.append(f'version = "{version}"')
        parts.append(f"source = {{ {source or REGISTRY} }}")
    listed = ", ".join(f'"{extra}"' for extra in extras)
    if listed:
        parts.append(f"extra = [{listed}]")
    if marker:
        parts.append(f'marker = "{marker}"')
    return "{ " + ", ".join(parts) + " }"


def _edges(key: str, edges: Iterable[str]) -> list[str]:
    rows = [f"    {row if row.startswith('{') else edge(row)}," for row in edges]
    return [f"{key} = [", *rows, "]"] if rows else []


def _artifact(filename: str) -> str:
    digest = f"{sum(filename.encode()):064x}"
    return f'url = "https://files.example/{filename}", hash = "sha256:{digest}", size = {len(filename)}'
