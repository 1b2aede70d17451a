"""From an instantiation to the environment at a prefix: what is there, what differs, change it."""

from __future__ import annotations

import os

from envbuild.environment.commit import (
    Blueprint,
    Placed,
    Wish,
    build,
    change,
    lock_environment,
    recover,
    stamp,
)
from envbuild.environment.diff import Difference, compare
from envbuild.environment.footprint import SKELETON, Footprint, owners
from envbuild.environment.installed import Installed, read_installed, strays_in
from envbuild.environment.present import (
    Contents,
    Foreign,
    Nothing,
    Ours,
    contents,
    look,
    refuse_others,
)
from envbuild.environment.written import concrete, direct_url, uv_cache, written_files
from envbuild.errors import VenvError
from envbuild.frozen import frozen, replace
from envbuild.store.roots import is_registered, register
from envbuild.workflows.options import Change
from envbuild.workflows.placements import load_placement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envbuild.environment.commit import Skeleton
    from envbuild.environment.instantiation import Distribution, Instantiation
    from envbuild.environment.placement import Placement
    from envbuild.environment.written import WrittenFile
    from envbuild.selection.model import Selection
    from envbuild.target.model import Interpreter
    from envbuild.workflows.inputs import Inputs
    from envbuild.workflows.options import Action, LinkMode, RealiseOptions
    from envbuild.workflows.workshop import Workshop


class OtherInterpreter(VenvError):
    """An environment of somebody else's, for another interpreter than the one that is wanted."""

    def __init__(self, prefix: str, found: str, wanted: str) -> None:
        super().__init__(
            f"the environment `{prefix}` is for `{found}`, not for `{wanted}`",
            hint="`--clear` replaces it",
        )
        self.prefix = prefix
        self.found = found
        self.wanted = wanted


class UnregisteredSymlinks(VenvError):
    """An environment of symbolic links that the store would not know of."""

    def __init__(self, prefix: str) -> None:
        super().__init__(
            f"the environment `{prefix}` cannot be made of symbolic links: the store cannot be "
            "written, so a collector would not know that the environment needs it",
            hint="choose another `--link-mode`",
        )
        self.prefix = prefix


class LinkInTheWay(VenvError):
    """A folder that is one link into the store, and has to be shared with what is to be left alone."""

    def __init__(self, prefix: str, folder: str) -> None:
        super().__init__(
            f"nothing can be added to the folder `{folder}` of the environment `{prefix}`: it is one "
            "link into the store, of a package that is to be left alone",
            hint="leave out `--inexact`, or add `--clear`",
        )
        self.prefix = prefix
        self.folder = folder


@frozen
class Applied:
    """What became of the environment.

    Attributes:
        created: whether it was made, or made anew.
        changes: packages that changed, sorted by name.
        link_mode: how files were placed, `None` where none were.
        notes: sentences for the user.
        footprints: what it holds now.
        stamped: whether its stamps agree with that.
    """

    created: bool
    changes: tuple[Change, ...]
    link_mode: LinkMode | None
    notes: tuple[str, ...]
    footprints: tuple[Footprint, ...]
    stamped: bool = False


def apply(
    inputs: Inputs, instantiation: Instantiation, interpreter: Interpreter, workshop: Workshop
) -> Applied:
    """Bring the environment into the state that the instantiation describes.

    In a dry run, or where only a check is wanted, nothing is changed.

    Raises:
        VenvError: the environment cannot be changed; it is as it was, or its journal will be
            completed by the next command.
        DamagedBlobs: the store holds damaged blobs; the environment is as it was.
    """
    prefix, options = inputs.prefix, workshop.options
    if options.dry_run or options.check:
        return _Run(inputs, instantiation, interpreter, workshop).compare_only()
    # Looked at before anything is made beside it, and more closely under the lock.
    refuse_others(prefix)
    lock = lock_environment(prefix, workshop.reporter)
    try:
        recover(prefix)
        return _Run(inputs, instantiation, interpreter, workshop).work()
    finally:
        lock.release()


def compare_versions(
    inputs: Inputs,
    selection: Selection,
    interpreter: Interpreter,
    options: RealiseOptions,
    *,
    unbuilt: frozenset[str],
) -> Applied:
    """Compare names and versions only, for packages of which nothing more is known yet.

    What comes from local trees that are `unbuilt`, by name, is another thing whatever its version.
    """
    present = look(inputs.prefix)
    found: tuple[Footprint, ...] = ()
    anew = isinstance(present, Nothing) or options.clear
    if not isinstance(present, Nothing):
        found = contents(inputs.prefix, present, interpreter.target.scheme).footprints
    before = {each.name: each.version for each in found if each.name != SKELETON}
    after = {package.name: package for package in selection.packages}
    changes = []
    for name in sorted(before.keys() | after.keys()):
        old, package = before.get(name), after.get(name)
        if package is None:
            if not options.inexact:
                changes.append(Change(name=name, action="removed", before=old, after=None))
        elif old is None or package.version not in {None, old} or name in unbuilt:
            action: Action = "added" if old is None else "replaced"
            origin = direct_url(package, lock_folder=inputs.folder)
            changes.append(
                Change(
                    name=name,
                    action=action,
                    before=old,
                    after=package.version,
                    origin=None if origin is None else _url(origin),
                )
            )
    return Applied(created=anew, changes=tuple(changes), link_mode=None, notes=(), footprints=found)


class _Run:
    """One environment being brought into its state."""

    def __init__(
        self,
        inputs: Inputs,
        instantiation: Instantiation,
        interpreter: Interpreter,
        workshop: Workshop,
    ) -> None:
        self.inputs = inputs
        self.instantiation = instantiation
        self.interpreter = interpreter
        self.workshop = workshop
        self.prefix = inputs.prefix
        self.scheme = interpreter.target.scheme
        self.present = look(self.prefix)
        self.wanted = (
            instantiation.skeleton,
            *(each.footprint for each in instantiation.distributions),
        )

    def work(self) -> Applied:
        """Compare and change."""
        if self._must_be_made_anew():
            return self._build()
        found = contents(self.prefix, self._environment(), self.scheme)
        if found.broken:
            return self._build()
        staying = self._staying(found.footprints)
        difference = self._difference(found, staying)
        if difference.is_empty:
            return self._nothing_to_do(found)
        outgoing = self._outgoing(found, difference)
        overwritten = self._overwritten(found, difference, outgoing)
        if overwritten:
            found = replace(found, damaged=found.damaged | overwritten)
            difference = self._difference(found, staying)
        moved = self._owners_of_links(found, difference)
        if moved:
            difference = self._difference(found, staying, moved=moved)
        if overwritten or moved:
            outgoing = self._outgoing(found, difference)
        known = frozenset(path for installed in outgoing.values() for path in installed.files)
        strays = strays_in(self.prefix, difference.swapped, known)
        if strays:
            difference = self._difference(found, staying, moved=moved, strays=strays)
        links = self._links_in(difference.merged)
        if links:
            raise LinkInTheWay(self.prefix, min(links))
        return self._change(found, difference, outgoing, staying)

    def compare_only(self) -> Applied:
        """Return what `work` would do."""
        anew = self._must_be_made_anew()
        footprints: tuple[Footprint, ...] = ()
        damaged: frozenset[str] = frozenset()
        if not isinstance(self.present, Nothing):
            found = contents(self.prefix, self._environment(), self.scheme)
            anew = anew or found.broken
            footprints, damaged = found.footprints, found.damaged
        staying = self._staying(footprints) if not anew else ()
        difference = compare(
            footprints,
            tuple(sorted((*self.wanted, *staying), key=_name)),
            damaged=damaged - {each.name for each in staying},
        )
        return self._applied(difference, footprints, created=anew)

    def _environment(self) -> Ours | Foreign:
        assert not isinstance(self.present, Nothing)
        return self.present

    def _must_be_made_anew(self) -> bool:
        match self.present:
            case Nothing():
                return True
            case Ours(state=state):
                return (
                    self.workshop.options.clear
                    or state.prefix != self.prefix
                    or state.interpreter != self.interpreter.executable
                )
            case Foreign():
                if self.workshop.options.clear:
                    return True
                found = os.path.realpath(f"{self.prefix}/{self.scheme.scripts}/python")
                if found != os.path.realpath(self.interpreter.executable):
                    raise OtherInterpreter(self.prefix, found, self.interpreter.executable)
                return False

    def _difference(
        self,
        found: Contents,
        staying: tuple[Footprint, ...],
        *,
        moved: frozenset[str] = frozenset(),
        strays: frozenset[str] = frozenset(),
    ) -> Difference:
        footprints = found.footprints
        if isinstance(self.present, Foreign):
            # What makes it an environment is somebody else's too, and is replaced by ours.
            skeleton = replace(self.instantiation.skeleton, identity="")
            footprints = (skeleton, *footprints)
        wanted = tuple(sorted((*self.wanted, *staying), key=_name))
        # What stays without being asked for cannot be placed again: nobody knows its tree any more.
        left_alone = {each.name for each in staying}
        return compare(
            footprints,
            wanted,
            damaged=found.damaged - left_alone,
            moved=moved - left_alone,
            strays=strays,
        )

    def _overwritten(
        self, found: Contents, difference: Difference, outgoing: Mapping[str, Installed]
    ) -> frozenset[str]:
        """Return names of ours that stay and have a file which a stranger that goes has as well.

        Whoever installed that has written over the file, and our own metadata tells nothing of it.
        """
        if not found.strangers:
            return frozenset()
        theirs = {
            path for name in found.strangers & outgoing.keys() for path in outgoing[name].files
        }
        units = frozenset(
            unit
            for name in found.strangers & outgoing.keys()
            for unit in outgoing[name].footprint.units
        )
        leaving = difference.outgoing
        return frozenset(
            footprint.name
            for footprint in found.footprints
            if footprint.identity
            and footprint.info
            and footprint.name not in leaving
            and not units.isdisjoint(footprint.units)
            and not theirs.isdisjoint(
                read_installed(self.prefix, footprint.info, self.scheme).files
            )
        )

    def _owners_of_links(self, found: Contents, difference: Difference) -> frozenset[str]:
        """Return names of those that have a folder as one link, which others are to be in as well.

        It leads into the store, so nothing may enter or leave it: it has to be exchanged as a whole.
        """
        links = self._links_in(difference.merged)
        return frozenset(
            footprint.name
            for footprint in found.footprints
            if not links.isdisjoint(footprint.units)
        )

    def _links_in(self, units: Iterable[str]) -> frozenset[str]:
        """Return those of `units` that are folders by way of a link."""
        paths = ((unit, f"{self.prefix}/{unit}") for unit in units)
        return frozenset(
            unit for unit, path in paths if os.path.islink(path) and os.path.isdir(path)
        )

    def _staying(self, footprints: tuple[Footprint, ...]) -> tuple[Footprint, ...]:
        """Return what others installed and is to be left."""
        if not self.workshop.options.inexact:
            return ()
        wanted = {each.name for each in self.wanted}
        return tuple(each for each in footprints if each.name not in wanted)

    def _outgoing(self, found: Contents, difference: Difference) -> dict[str, Installed]:
        """Read what the metadata of each distribution that goes says about its files."""
        outgoing = {}
        names = difference.outgoing - {SKELETON}
        for footprint in found.footprints:
            if footprint.name not in names:
                continue
            if footprint.identity and footprint.name in found.damaged:
                # Its metadata may be what is damaged; what it had is known without.
                outgoing[footprint.name] = Installed(footprint=footprint, files=())
            if os.path.exists(f"{self.prefix}/{footprint.info}/RECORD"):
                outgoing[footprint.name] = read_installed(self.prefix, footprint.info, self.scheme)
        return outgoing

    def _build(self) -> Applied:
        before: tuple[Footprint, ...] = ()
        generation = 1
        if isinstance(self.present, Ours):
            before = self.present.state.footprints
            generation = self.present.state.generation + 1
        self._register()
        placed = build(self.prefix, self._blueprint(), self._wish(), generation=generation)
        difference = compare(before, self.wanted)
        return self._applied(difference, before, created=True, placed=placed)

    def _change(
        self,
        found: Contents,
        difference: Difference,
        outgoing: Mapping[str, Installed],
        staying: tuple[Footprint, ...],
    ) -> Applied:
        generation = 1
        if isinstance(self.present, Ours):
            generation = self.present.state.generation + 1
        self._register()
        placed = change(
            self.prefix,
            self._blueprint(frozenset(difference.merged)),
            self._wish(),
            difference=difference,
            outgoing=outgoing,
            generation=generation,
            staying=staying,
            stamps=found.stamps,
        )
        return self._applied(
            difference,
            found.footprints,
            created=False,
            placed=placed,
            staying=staying,
        )

    def _nothing_to_do(self, found: Contents) -> Applied:
        """Leave everything alone but hints and roots that are missing."""
        manifest = self.instantiation.manifest
        store = self.workshop.store
        if not is_registered(store, self.prefix, self.instantiation.environment):
            register(store, self.prefix, manifest)
        # With strangers that are left alone, the next run has to look as closely again.
        stamped = found.stamps is not None or (
            not found.strangers and stamp(self.prefix, found.footprints, self.scheme)
        )
        return Applied(
            created=False,
            changes=(),
            link_mode=None,
            notes=(),
            footprints=found.footprints,
            stamped=stamped,
        )

    def _wish(self) -> Wish:
        options = self.workshop.options
        return Wish(
            store=self.workshop.store.path,
            link_mode=options.link_mode,
            required=options.require_link,
            reporter=self.workshop.reporter,
        )

    def _register(self) -> None:
        """Make the environment a root before it needs anything of the store."""
        of_symlinks = self.workshop.options.link_mode == "symlink"
        registered = register(
            self.workshop.store,
            self.prefix,
            self.instantiation.manifest,
            durable=of_symlinks,
        )
        if not registered and of_symlinks:
            raise UnregisteredSymlinks(self.prefix)

    def _blueprint(self, merged: frozenset[str] = frozenset()) -> Blueprint:
        by_name = {each.footprint.name: each for each in self.instantiation.distributions}
        wants_symlinks = self.workshop.options.link_mode == "symlink"
        return Blueprint(
            environment=self.instantiation.environment,
            manifest=self.instantiation.manifest,
            interpreter=self.interpreter.executable,
            scheme=self.scheme,
            footprints=self.wanted,
            skeleton=self._skeleton,
            load=lambda name: self._load(by_name[name]),
            tolerated=self.instantiation.tolerated,
            symlinks=self._symlinks(merged) if wants_symlinks else {},
            # What leads to one folder is of no use to others, so nothing is shared with them.
            copied=frozenset(name for name, each in by_name.items() if each.is_editable),
        )

    def _skeleton(self) -> Skeleton:
        from envbuild.environment.skeleton import skeleton_files, skeleton_links

        target, executable = self.interpreter.target, self.interpreter.executable
        files = skeleton_files(
            target,
            prefix=self.prefix,
            home=self.interpreter.home,
            executable=executable,
            prompt=os.path.basename(self.inputs.folder) or "envbuild",
        )
        return files, skeleton_links(target, executable)

    def _load(self, distribution: Distribution) -> tuple[Placement, tuple[WrittenFile, ...]]:
        target = self.interpreter.target
        placement = load_placement(
            self.workshop.store,
            distribution.tree,
            distribution=distribution.footprint.name,
            target=target,
            excluded=distribution.excluded,
        )
        url, cache = distribution.direct_url, None
        if url is not None:
            url = concrete(url, lock_folder=self.inputs.folder)
        if distribution.local_source is not None:
            path = os.path.join(self.inputs.folder, distribution.local_source)
            if os.path.isdir(path):
                from envbuild.workflows.uv_note import note_of

                cache = note_of(path, self.workshop.environ)
            else:
                try:
                    cache = uv_cache(os.stat(path).st_ctime_ns)
                except OSError:
                    cache = None
        written = written_files(
            placement,
            prefix=self.prefix,
            scripts=self.scheme.scripts,
            requested=distribution.requested,
            direct_url=url,
            uv_cache=cache,
        )
        return placement, written

    def _symlinks(self, merged: frozenset[str]) -> dict[str, tuple[tuple[str, str], ...]]:
        """Return for each distribution the folders that can be one link into its view.

        Args:
            merged: units that are changed file by file.
        """
        from envbuild.store.views import ensure_view

        store = self.workshop.store
        distributions = self.instantiation.distributions
        alone = {
            unit
            for unit, names in owners(tuple(each.footprint for each in distributions)).items()
            if len(names) == 1 and unit not in merged
        }
        site_folders = {self.scheme.purelib, self.scheme.platlib}
        found = {}
        for distribution in distributions:
            tree = None if distribution.is_editable else store.read_tree(distribution.tree)
            if tree is None or any(".data/" in entry.path for entry in tree.entries):
                continue
            folders = {entry.path.partition("/")[0] for entry in tree.entries if "/" in entry.path}
            units = [
                unit
                for unit in distribution.footprint.units
                if unit in alone
                and unit != distribution.footprint.info
                and unit.rpartition("/")[0] in site_folders
                and unit.rpartition("/")[2] in folders
            ]
            if units:
                view = ensure_view(store, distribution.tree, tree)
                found[distribution.footprint.name] = tuple(
                    (unit, f"{view}/{unit.rpartition('/')[2]}") for unit in units
                )
        return found

    def _applied(
        self,
        difference: Difference,
        before: tuple[Footprint, ...],
        *,
        created: bool,
        placed: Placed | None = None,
        staying: tuple[Footprint, ...] = (),
    ) -> Applied:
        old = {each.name: each.version for each in before}
        new = {each.name: each.version for each in self.wanted}
        actions: tuple[tuple[Action, tuple[str, ...]], ...] = (
            ("removed", difference.removed),
            ("added", difference.added),
            ("replaced", difference.replaced),
            ("repaired", difference.repaired),
        )
        changes = [
            Change(
                name=name,
                action=action,
                before=old.get(name),
                after=new.get(name),
                origin=None if action == "removed" else self._origin(name),
            )
            for action, names in actions
            for name in names
            if name != SKELETON
        ]
        return Applied(
            created=created,
            changes=tuple(sorted(changes, key=lambda change: change.name)),
            link_mode=None if placed is None else placed.mode,
            notes=() if placed is None else placed.notes,
            footprints=tuple(sorted((*self.wanted, *staying), key=_name)),
            stamped=placed is not None and placed.stamped,
        )

    def _origin(self, name: str) -> str | None:
        """Return the URL that a distribution comes from, `None` for what an index has."""
        for each in self.instantiation.distributions:
            if each.footprint.name == name and each.direct_url is not None:
                return _url(concrete(each.direct_url, lock_folder=self.inputs.folder))
        return None


def _url(direct_url: bytes) -> str:
    import json

    return str(json.loads(direct_url)["url"])


def _name(footprint: Footprint) -> str:
    return footprint.name
