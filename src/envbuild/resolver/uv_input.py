"""What the uv program is given to resolve build requirements: a project file, constraints, versions.

What says where packages come from is in the project file, as `[tool.uv]`.
"""

from __future__ import annotations

import posixpath

from envbuild.frozen import frozen
from envbuild.lockfile.names import normalise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from envbuild.buildlock.runtime import Locked
    from envbuild.buildlock.strategy import Pin, Place, ResolutionRequest


@frozen
class UvInput:
    """The texts of the files.

    Attributes:
        project: of `pyproject.toml`.
        constraints: of `constraints.txt`.
        previous: of `pylock.toml`, the versions to stay with; `None` for none.
    """

    project: str
    constraints: str
    previous: str | None


def write_input(
    request: ResolutionRequest, pins: Iterable[Pin], settings: Mapping[str, Any], *, folder: str
) -> UvInput:
    """Return what to give to uv.

    Args:
        request: what is asked for.
        pins: those that must hold.
        settings: see `envbuild.resolver.uv_settings`.
        folder: absolute path of the folder of the lock, which relative paths start from.
    """
    from tomli_w import dumps

    held = {pin.locked.name: pin.locked for pin in pins}
    project = {
        # It reads well in explanations, and no distribution has such a name.
        "name": f"the-build-of-{request.package}",
        "version": "0",
        "dependencies": [
            _located(text, request.places, held, folder) for text in request.requirements
        ],
    }
    uv = {
        **settings,
        "sources": _sources(request, held, settings),
        # Whatever is in the folders above, this is the root of its own workspace.
        "workspace": {},
    }
    constraints = [each.requirement for each in request.constraints]
    constraints += [_constraint(locked, folder) for locked in held.values()]
    return UvInput(
        project=dumps({"project": project, "tool": {"uv": uv}}),
        constraints="".join(f"{line}\n" for line in constraints),
        previous=_previous(request),
    )


def _sources(
    request: ResolutionRequest, held: Mapping[str, Locked], settings: Mapping[str, Any]
) -> dict[str, dict[str, str]]:
    """Return which indexes projects must be from: those named, and explicit ones of the lock."""
    explicit = {
        index["url"].rstrip("/"): index["name"]
        for index in settings.get("index", ())
        if index.get("explicit") and "name" in index
    }
    sources = {
        name: {"index": place.index}
        for name, place in request.places.items()
        if place.index is not None
    }
    for name, locked in held.items():
        known = explicit.get((locked.index or "").rstrip("/"))
        if known is not None:
            sources[name] = {"index": known}
        elif locked.place is not None:
            sources.pop(name, None)
    return sources


def _located(
    text: str, places: Mapping[str, Place], held: Mapping[str, Locked], folder: str
) -> str:
    """Return a requirement with the place where its project is to be taken from."""
    from packaging.requirements import Requirement

    requirement = Requirement(text)
    name = normalise(requirement.name)
    place = places.get(name)
    locked = held.get(name)
    if place is None or place.reference is None or (locked is not None and locked.place):
        return text
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    marker = f" ; {requirement.marker}" if requirement.marker else ""
    return f"{name}{extras} @ {_as_url(place.reference, folder)}{marker}"


def _constraint(locked: Locked, folder: str) -> str:
    if locked.place is not None:
        return f"{locked.name} @ {_as_url(locked.place.reference, folder)}"
    return f"{locked.name}=={locked.version}"


def _previous(request: ResolutionRequest) -> str | None:
    from tomli_w import dumps

    packages = [
        {"name": package.name, "version": package.version}
        for package in request.previous
        if package.version is not None
    ]
    if not packages:
        return None
    return dumps({"lock-version": "1.0", "created-by": "envbuild", "packages": packages})


def _as_url(reference: str, folder: str) -> str:
    from urllib.parse import quote

    if "://" in reference:
        return reference
    return "file://" + quote(posixpath.normpath(posixpath.join(folder, reference)))
