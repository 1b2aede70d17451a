"""Wheels made to order: deterministic archives with a RECORD that is right (PEP 427).

Equal arguments give equal bytes, whatever the machine, the time or the umask.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EPOCH = (1980, 1, 2, 0, 0, 0)


def build_wheel(
    folder: str | os.PathLike[str],
    name: str,
    version: str,
    *,
    tag: str = "py3-none-any",
    build: str | None = None,
    files: Mapping[str, str | bytes] | None = None,
    requires: Iterable[str] = (),
    extras: Mapping[str, Iterable[str]] | None = None,
    entry_points: Mapping[str, Mapping[str, str]] | None = None,
    data: Mapping[str, str | bytes] | None = None,
    metadata: str | None = None,
) -> str:
    """Write a wheel into `folder` and return its path.

    Args:
        folder: where the wheel goes; made when it is not there.
        name: as the project spells it; file names use the normalised form.
        version: as it is spelled in METADATA and in the file's name.
        tag: `python-abi-platform`, each part possibly a dotted set.
        build: the build tag.
        files: path in the archive to content; one small module when `None`.
        requires: `Requires-Dist` lines.
        extras: name of an extra to its requirements, each without the marker for the extra.
        entry_points: group to name to object reference.
        data: path below the `.data` folder (`scripts/run`, `purelib/x.py`) to content; what lies
            below `scripts/` is executable.
        metadata: the whole text of METADATA in place of the one made from the arguments.
    """
    module = re.sub(r"[-_.]+", "_", name).lower()
    stem = f"{module}-{version}"
    members: dict[str, tuple[bytes, int]] = {}

    def add(path: str, content: str | bytes, mode: int = 0o644) -> None:
        encoded = content.encode("utf-8") if isinstance(content, str) else content
        members[path] = (encoded, mode)

    if files is None:
        files = {f"{module}/__init__.py": f"VERSION = {version!r}\n"}
    for path, content in files.items():
        add(path, content)
    for path, content in (data or {}).items():
        add(f"{stem}.data/{path}", content, 0o755 if path.startswith("scripts/") else 0o644)
    info = f"{stem}.dist-info"
    add(f"{info}/METADATA", metadata or _metadata(name, version, requires, extras or {}))
    add(f"{info}/WHEEL", _wheel(tag, build))
    if entry_points is not None:
        add(f"{info}/entry_points.txt", _entry_points(entry_points))

    record = "".join(
        f"{_quoted(path)},sha256={_base64(hashlib.sha256(content).digest())},{len(content)}\n"
        for path, (content, _) in members.items()
    )
    add(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")

    os.makedirs(folder, exist_ok=True)
    target = os.path.join(folder, "-".join(filter(None, (stem, build, tag))) + ".whl")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, (content, mode) in members.items():
            member = zipfile.ZipInfo(path, EPOCH)
            member.create_system = 3
            member.external_attr = (0o100000 | mode) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    return target


def _metadata(
    name: str, version: str, requires: Iterable[str], extras: Mapping[str, Iterable[str]]
) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    for extra, requirements in extras.items():
        lines.append(f"Provides-Extra: {extra}")
        for requirement in requirements:
            plain, _, marker = (part.strip() for part in requirement.partition(";"))
            condition = f"({marker}) and extra == '{extra}'" if marker else f"extra == '{extra}'"
            lines.append(f"Requires-Dist: {plain} ; {condition}")
    return "\n".join(lines) + "\n"


def _wheel(tag: str, build: str | None) -> str:
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    lines = [
        "Wheel-Version: 1.0",
        "Generator: envbuild-tests",
        f"Root-Is-Purelib: {'true' if platforms == ['any'] else 'false'}",
        *(f"Build: {build}" for build in filter(None, (build,))),
        *(f"Tag: {p}-{a}-{m}" for p in pythons for a in abis for m in platforms),
    ]
    return "\n".join(lines) + "\n"


def _entry_points(groups: Mapping[str, Mapping[str, str]]) -> str:
    return "\n".join(
        f"[{group}]\n" + "".join(f"{name} = {reference}\n" for name, reference in entries.items())
        for group, entries in groups.items()
    )


def _quoted(path: str) -> str:
    return '"' + path.replace('"', '""') + '"' if set(path) & set(',"') else path


def _base64(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
