"""Planning an environment: from what was selected and placed to the manifest."""

from __future__ import annotations

from envbuild.digest import digest_of
from envbuild.environment.footprint import SKELETON, Footprint
from envbuild.environment.frame import Frame
from envbuild.environment.manifest import (
    Manifest,
    ManifestDistribution,
    ManifestEditable,
    WrittenDigest,
)
from envbuild.environment.written import PREFIX, local_source, uv_cache, written_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from envbuild.digest import Digest
    from envbuild.environment.placement import Placement
    from envbuild.environment.written import WrittenFile
    from envbuild.selection.model import SelectedPackage
    from envbuild.target.model import Target

EXECUTABLE = "{executable}"
"""Stands for the path of the base interpreter in symbolic contents."""

HOME = "{home}"
"""Stands for the folder of the base interpreter in symbolic contents."""

PROMPT = "{prompt}"
"""Stands for what activation shows in symbolic contents."""


def frame_for(target: Target) -> Frame:
    """Return what all environments for `target` have in common."""
    manifest = build_manifest(target, ())
    return Frame(
        manifest=manifest.encode(),
        skeleton=Footprint(
            name=SKELETON,
            version="",
            identity=manifest.skeleton_digest,
            info="",
            units=manifest.skeleton_paths,
            files=len(manifest.skeleton),
            folders=0,
        ),
    )


def build_manifest(target: Target, distributions: Iterable[ManifestDistribution]) -> Manifest:
    """Return the manifest of the environment that holds `distributions`, in any order."""
    from envbuild.environment.skeleton import skeleton_files, skeleton_links

    return Manifest(
        implementation=target.implementation,
        version=target.version,
        cache_tag=target.cache_tag,
        soabi=target.soabi,
        abi_flags=target.abi_flags,
        platform=target.platform,
        scheme=target.scheme,
        distributions=tuple(sorted(distributions, key=lambda distribution: distribution.name)),
        skeleton=_digests(
            skeleton_files(target, prefix=PREFIX, home=HOME, executable=EXECUTABLE, prompt=PROMPT)
        ),
        links=tuple(sorted(skeleton_links(target, EXECUTABLE))),
    )


def describe_distribution(
    target: Target,
    package: SelectedPackage,
    placement: Placement,
    direct_url: bytes | None,
    *,
    payload: Digest | None = None,
) -> ManifestDistribution:
    """Return what a manifest says of a package, which has a version.

    Args:
        target: what the environment is for.
        package: what was selected.
        placement: where its files go.
        direct_url: the symbolic content of its `direct_url.json`.
        payload: for an editable, its payload digest.
    """
    assert package.version is not None
    written = written_files(
        placement,
        prefix=PREFIX,
        scripts=target.scheme.scripts,
        requested=package.requested,
        direct_url=direct_url,
        uv_cache=None if local_source(package) is None else uv_cache(None),
    )
    editable: ManifestEditable | None = None
    if payload is not None:
        editable = ManifestEditable(folder=package.source_location, payload=payload)
        # It has the hashes of files that name the folder; what it says follows from the rest.
        written = written[:-1]
    return ManifestDistribution(
        name=package.name,
        version=package.version,
        tree=placement.tree if editable is None else None,
        editable=editable,
        requested=package.requested,
        direct_url=None if direct_url is None else direct_url.decode("utf-8"),
        written=_digests(written),
        excluded=placement.excluded,
    )


def _digests(files: Iterable[WrittenFile]) -> tuple[WrittenDigest, ...]:
    return tuple(
        sorted(
            (
                WrittenDigest(
                    path=file.path, digest=digest_of(file.data), executable=file.executable
                )
                for file in files
            ),
            key=lambda file: file.path,
        )
    )
