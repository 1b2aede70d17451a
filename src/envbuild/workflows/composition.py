"""From the trees of packages to an instantiation: where everything goes, and what that comes to."""

from __future__ import annotations

from envbuild.digest import digest_of
from envbuild.environment.footprint import Footprint, owners
from envbuild.environment.instantiation import Distribution, Instantiation
from envbuild.environment.written import PROJECT, direct_url, local_source
from envbuild.errors import VenvError, raise_all
from envbuild.frozen import frozen
from envbuild.workflows.descriptions import Described, shared_key
from envbuild.workflows.placements import load_placement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.digest import Digest
    from envbuild.environment.collisions import CollisionPolicy, Overlaps
    from envbuild.environment.frame import Frame
    from envbuild.environment.placement import Placement
    from envbuild.selection.model import SelectedPackage, Selection
    from envbuild.store.local import Store
    from envbuild.target.model import Target
    from envbuild.workflows.descriptions import Descriptions


@frozen
class Editable:
    """Something that is used where it lies.

    Attributes:
        folder: absolute path that it leads to.
        payload: its payload digest, the same in whatever folder.
    """

    folder: str
    payload: Digest


class Composition:
    """The packages of one environment, put together.

    Args:
        trees: of every package, by name; they are in the store.
        known: what is remembered of earlier compositions.
        target: what the environment is for.
        store: holds the trees.
        collisions: what becomes of paths for which packages have different files.
        editables: by name.
    """

    def __init__(
        self,
        *,
        trees: Mapping[str, Digest],
        known: Descriptions,
        target: Target,
        store: Store,
        collisions: CollisionPolicy,
        editables: Mapping[str, Editable],
    ) -> None:
        self._editables = editables
        self._trees = trees
        self._known = known
        self._target = target
        self._store = store
        self._collisions = collisions
        self._placements: dict[str, Placement] = {}

    def instantiation(self, selection: Selection, notes: tuple[str, ...]) -> Instantiation:
        """Decide where everything goes, who has what several claim, and write the manifest.

        Raises:
            VenvError: wheels collide, or one does not fit into an environment.
        """
        described = self._described(selection)
        overlaps = self._overlaps(tuple(each.footprint for each in described.values()))
        excluded = overlaps.excluded()
        for package in selection.packages:
            if package.name in excluded:
                described[package.name] = self._without(package, excluded[package.name])
        frame = self._frame()
        manifest = frame.manifest_of(described[name].record for name in sorted(described))
        return Instantiation(
            environment=digest_of(manifest),
            manifest=manifest,
            skeleton=frame.skeleton,
            distributions=tuple(
                Distribution(
                    footprint=described[package.name].footprint,
                    tree=self._trees[package.name],
                    requested=package.requested,
                    direct_url=direct_url(package, lock_folder=PROJECT),
                    local_source=local_source(package),
                    archive=package.distribution.label,
                    excluded=excluded.get(package.name, ()),
                    is_editable=package.name in self._editables,
                )
                for package in selection.packages
            ),
            tolerated=overlaps.tolerated,
            notes=(*notes, *overlaps.notes()),
        )

    def _frame(self) -> Frame:
        frame = self._known.frame()
        if frame is None:
            from envbuild.environment.plan import frame_for

            frame = frame_for(self._target)
            self._known.keep_frame(frame)
        return frame

    def _described(self, selection: Selection) -> dict[str, Described]:
        """Return what every package comes to by itself."""
        found: dict[str, Described] = {}
        faults: list[VenvError] = []
        for package in selection.packages:
            described = self._known_description(package)
            if described is None:
                try:
                    described = self._describe(package, self._placement(package.name))
                except VenvError as error:
                    faults.append(error)
                    continue
            found[package.name] = described
        raise_all(faults)
        return found

    def _overlaps(self, footprints: tuple[Footprint, ...]) -> Overlaps:
        """Return what packages have in common; only those that share units need a closer look."""
        shared = {unit: names for unit, names in owners(footprints).items() if len(names) > 1}
        key = shared_key(shared, self._trees, self._collisions)
        overlaps = self._known.overlaps(key)
        if overlaps is None:
            from envbuild.environment.collisions import find_overlaps

            names = {name for sharing in shared.values() for name in sharing}
            placements = {name: self._placement(name) for name in names}
            overlaps = find_overlaps(shared, placements, self._collisions)
            self._known.keep_overlaps(key, overlaps)
        return overlaps

    def _without(self, package: SelectedPackage, excluded: tuple[str, ...]) -> Described:
        """Return what a package comes to when others provide some of its paths."""
        described = self._known_description(package, excluded)
        if described is not None:
            return described
        tree = self._trees[package.name]
        placement = load_placement(
            self._store, tree, distribution=package.name, target=self._target, excluded=excluded
        )
        return self._describe(package, placement)

    def _known_description(
        self, package: SelectedPackage, excluded: tuple[str, ...] = ()
    ) -> Described | None:
        if package.name in self._editables:
            return None
        return self._known.described(package, self._trees[package.name], excluded)

    def _describe(self, package: SelectedPackage, placement: Placement) -> Described:
        from envbuild.environment.plan import describe_distribution

        editable = self._editables.get(package.name)
        distribution = describe_distribution(
            self._target,
            package,
            placement,
            direct_url(package, lock_folder=PROJECT),
            payload=None if editable is None else editable.payload,
        )
        record = distribution.encode()
        identity = digest_of(record)
        if editable is not None:
            # What leads to another folder is another thing to this environment.
            identity = digest_of(f"{identity} {editable.folder}".encode())
        described = Described(
            tree=placement.tree,
            excluded=distribution.excluded,
            record=record,
            footprint=Footprint(
                name=package.name,
                version=distribution.version,
                identity=identity,
                info=placement.info,
                units=tuple(sorted({*placement.units, placement.info})),
                files=sum(len(files) for _, files in placement.links),
                folders=len(placement.folders),
            ),
        )
        if editable is None:
            self._known.keep(package, described)
        return described

    def _placement(self, name: str) -> Placement:
        if name not in self._placements:
            self._placements[name] = load_placement(
                self._store, self._trees[name], distribution=name, target=self._target
            )
        return self._placements[name]
