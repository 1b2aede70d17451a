"""Whether a wheel that was built asks for what the lock gives it (`Requires-Dist` of core metadata).

A lock says what a package needs as its metadata said when it was locked. What a build says now may be
something else: other build requirements, or another state of a project, can change it. Requirements
of extras are not looked at.
"""

from __future__ import annotations

from envbuild.lockfile.names import normalise
from envbuild.lockfile.requirements import parse_requirement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envbuild.lockfile.tables import Table
    from envbuild.selection.model import SelectedPackage
    from envbuild.target.model import Target

_FIELD = b"requires-dist:"


def disagreements(
    metadata: bytes, package: SelectedPackage, versions: Mapping[str, str | None], target: Target
) -> dict[str, str]:
    """Return the requirements that are not met, by the project's name, each as half a sentence.

    Args:
        metadata: content of the wheel's METADATA.
        package: that it is of.
        versions: of everything that is in the environment, by name.
        target: that it was built for.
    """
    environment = {**target.markers, "extra": ""}
    found = {}
    for text in _requirements(metadata):
        try:
            requirement = parse_requirement(text)
        except ValueError:
            # Old metadata may spell it in ways that nothing understands any more.
            continue
        name = requirement.name
        if name == package.name or not requirement.holds(environment):
            continue
        version = versions.get(name)
        if package.needs is not None and name not in package.needs:
            found[name] = f"`{text}`, which the lock does not know of"
        elif version is not None and not requirement.admits(version):
            found[name] = f"`{text}`, and the lock has {version}"
    return found


def deliberate(manifest: Table, package: str) -> frozenset[str] | None:
    """Return the names of projects for which a lock differs on purpose, `None` for all.

    Args:
        manifest: the lock's table of that name.
        package: whose requirements these would be.
    """
    if package in _names(manifest.get("dependency-metadata")):
        return None
    return frozenset({*_names(manifest.get("overrides")), *_names(manifest.get("excludes"))})


def _names(entries: object) -> Iterator[str]:
    for entry in entries if isinstance(entries, list) else ():
        match entry:
            case str():
                yield normalise(entry)
            case {"package": _, "dependencies": list(scoped)}:
                yield from _names(scoped)
            case dict():
                yield _name(entry)
            case _:
                pass


def _name(entry: Table) -> str:
    name = entry.get("name")
    return normalise(name) if isinstance(name, str) else ""


def _requirements(metadata: bytes) -> Iterator[str]:
    """Yield the fields of that name in the head of the metadata, lines that go on joined."""
    text = b""
    for line in metadata.splitlines():
        if line[:1] in {b" ", b"\t"}:
            text += b" " + line.strip() if text else b""
            continue
        if text:
            yield text.decode("utf-8", "replace")
        text = b""
        if not line.strip():
            return
        if line.lower().startswith(_FIELD):
            text = line[len(_FIELD) :].strip()
    if text:
        yield text.decode("utf-8", "replace")
