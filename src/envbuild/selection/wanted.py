"""What a request means for one lock: its roots, groups and extras, and what it leaves out."""

from __future__ import annotations

import posixpath

from envbuild.errors import EnvbuildError, SelectionError, raise_all
from envbuild.selection.evaluated import (
    CONFLICTS,
    DECLARED_GROUPS,
    DEFAULT_GROUPS,
    EXTRAS,
    GROUPS,
    IS_COVERED,
    MEMBERS,
    NAME,
    PROVIDED_EXTRAS,
    PYTHON_FITS,
    REQUIRES_PYTHON,
    REVISION,
    ROOT_DEFAULT_GROUPS,
    ROOT_GROUPS,
    ROOT_UNMET_GROUPS,
    SOURCE,
    UNMET_GROUPS,
    UNSUPPORTED,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envbuild.lockfile.package import DefaultGroups
    from envbuild.selection.evaluated import EvaluatedHead, EvaluatedPackage
    from envbuild.selection.graph import Graph
    from envbuild.selection.model import Request

_TREE_KINDS = frozenset({"directory", "editable", "virtual"})
_LOCAL_KINDS = _TREE_KINDS | {"path"}

REVISION_WITH_EXTRAS = 1
"""From here on a lock lists every extra that its members declare."""

REVISION_WITH_GROUPS = 5
"""From here on a lock records default groups and what Python a group asks for."""


class UnknownMember(SelectionError):
    """A package was asked for as a root and is not a member of the lock's workspace."""

    def __init__(self, name: str, members: tuple[str, ...]) -> None:
        listed = ", ".join(f"`{member}`" for member in members)
        super().__init__(f"`{name}` is not a member of the workspace, which has {listed or 'none'}")
        self.name = name
        self.members = members


class MissingMember(SelectionError):
    """The lock names a member or a requirement and has no package of that name, or several."""

    def __init__(self, name: str, count: int) -> None:
        found = "is not in it" if not count else f"fits {count} of its packages"
        super().__init__(f"the lock asks for `{name}`, which {found}")
        self.name = name
        self.count = count


class UnknownExtra(SelectionError):
    """An extra was named that no root declares."""

    def __init__(self, extra: str, roots: tuple[str, ...]) -> None:
        super().__init__(f"the extra `{extra}` is not declared by {_listed(roots)}")
        self.extra = extra
        self.roots = roots


class UnknownGroup(SelectionError):
    """A dependency group was named that no root declares."""

    def __init__(self, group: str, roots: tuple[str, ...]) -> None:
        super().__init__(f"the dependency group `{group}` is not declared by {_listed(roots)}")
        self.group = group
        self.roots = roots


class UnsupportedPython(SelectionError):
    """The target's Python lies outside what the lock, or a group, was resolved for."""

    def __init__(self, version: str, specifiers: str, group: str | None) -> None:
        who = "the lock" if group is None else f"the dependency group `{group}`"
        super().__init__(f"{who} requires Python `{specifiers}`, and the target has {version}")
        self.version = version
        self.specifiers = specifiers
        self.group = group


class UnsupportedPlatform(SelectionError):
    """The target lies outside the environments that the lock was resolved for."""

    def __init__(self, markers: tuple[str, ...]) -> None:
        if markers:
            listed = ", ".join(f"`{marker}`" for marker in markers)
            message = f"the lock supports only {listed}, and the target is none of these"
        else:
            message = "no fork of the resolution in the lock covers the target"
        super().__init__(message)
        self.markers = markers


class ConflictingRequest(SelectionError):
    """Extras, groups or projects are wanted together that exclude each other."""

    def __init__(self, items: tuple[tuple[str, str, str], ...]) -> None:
        listed = " and ".join(describe_item(item) for item in items)
        super().__init__(f"{listed} exclude each other and cannot be installed together")
        self.items = items


class Wanted:
    """A request, read with one lock at hand.

    Attributes:
        roots: positions of the packages whose dependencies are wanted.
        group_root: position of the workspace's root when a member is wanted that inherits groups
            from it; `None` otherwise.
        production: whether the dependencies of the roots are wanted, and not their groups alone.
    """

    def __init__(self, request: Request, head: EvaluatedHead, graph: Graph) -> None:
        """Read `request`.

        Raises:
            UnknownMember: a root is asked for that the workspace does not have.
            MissingMember: the lock's members and its packages disagree.
        """
        self._request = request
        self._head = head
        self._graph = graph
        self._members = head[MEMBERS]
        self._main = _main_package(head, graph.packages)
        self._current = self._member_at(request.member) if request.member else self._main
        current_name = None if self._current is None else graph.packages[self._current][NAME]
        members = self._members
        if not members and self._main is not None:
            members = (graph.packages[self._main][NAME],)

        names = request.roots
        if names is not None:
            raise_all(UnknownMember(name, members) for name in names if name not in members)
        elif request.all_packages or current_name is None:
            names = members
        else:
            names = (current_name,)
        self._is_workspace = request.roots is None and (
            request.all_packages or current_name is None
        )
        self.selected = names[0] if not self._is_workspace and len(names) == 1 else None
        self._project = current_name if request.all_packages else self.selected

        raise_all(
            MissingMember(name, len(graph.positions(name)))
            for name in names
            if len(graph.positions(name)) != 1
        )
        self.roots = tuple(graph.positions(name)[0] for name in names)
        self._root_names = names
        self.production = not request.only_groups and request.dev != "only"

        included = {*request.groups, *request.only_groups}
        if request.dev in {"include", "only"}:
            included.add("dev")
        self._excluded = {*request.no_groups, *(("dev",) if request.dev == "exclude" else ())}
        self._all_groups = request.all_groups
        self._asked = included
        defaults = self._default_groups()
        with_defaults = self.production and not request.no_default_groups
        self._all_by_default = with_defaults and defaults == "all"
        self._defaults = set(defaults) if with_defaults and defaults != "all" else set()
        self.group_root = self._inheriting_root()

    def check(self, version: str) -> None:
        """Make sure that the lock can serve the request on a target with Python `version`.

        Raises:
            UnsupportedPython, UnsupportedPlatform, UnknownExtra, UnknownGroup, ConflictingRequest:
                as each says; `Problems` for several.
        """
        if not self._head[PYTHON_FITS]:
            raise UnsupportedPython(version, self._head[REQUIRES_PYTHON], None)
        raise_all(
            [
                *self._python_problems(version),
                *self._platform_problems(),
                *self._unknown_names(),
                *self._direct_conflicts(),
            ]
        )

    def includes(self, package: str | None, group: str) -> bool:
        """Tell whether a group is wanted of `package`, `None` for a root that is no project."""
        if group in self._excluded:
            return False
        asked = self._all_groups or group in self._asked
        if not asked and not self._all_by_default and group not in self._defaults:
            return False
        if self.selected is None or package == self.selected:
            return True
        # The groups of the workspace's root are inherited by a member that has none of that name,
        # and only when they are asked for.
        return asked and group not in self._groups_of(self.roots[0])

    def has_extra(self, extra: str) -> bool:
        """Tell whether an extra is wanted of the roots."""
        request = self._request
        return (request.all_extras or extra in request.extras) and extra not in request.no_extras

    def installs(self, position: int) -> bool:
        """Tell whether a package is not one of those to be left out."""
        package = self._graph.packages[position]
        name, kind = package[NAME], package[SOURCE][0]
        request = self._request
        if request.no_install_project and name == self._project:
            return False
        if request.no_install_workspace and (name == self._project or name in self._members):
            return False
        if request.no_install_local and kind in _LOCAL_KINDS:
            return False
        return name not in request.no_install_packages

    def is_member(self, position: int) -> bool:
        """Tell whether a package is a member of the workspace."""
        name = self._graph.packages[position][NAME]
        return position == self._main or name in self._members

    def _member_at(self, folder: str) -> int | None:
        """Return the member whose tree is `folder`, the project of the lock where there is none."""
        for position, (name, _, (kind, path, _), *_) in enumerate(self._graph.packages):
            if kind in _TREE_KINDS and name in self._members and posixpath.normpath(path) == folder:
                return position
        return self._main

    def _default_groups(self) -> DefaultGroups:
        if self._head[REVISION] < REVISION_WITH_GROUPS:
            configured = self._request.default_groups
            return "all" if configured is None else configured
        project = self._current if self.selected is None else self.roots[0]
        recorded = (
            self._head[ROOT_DEFAULT_GROUPS]
            if project is None
            else self._graph.packages[project][DEFAULT_GROUPS]
        )
        return ("dev",) if recorded is None else recorded

    def _inheriting_root(self) -> int | None:
        if self.selected is None or self._main is None or self._main in self.roots:
            return None
        name = self._graph.packages[self._main][NAME]
        inherited = any(self.includes(name, group) for group in self._groups_of(self._main))
        return self._main if inherited else None

    def _groups_of(self, position: int) -> set[str]:
        package = self._graph.packages[position]
        return {*package[GROUPS], *package[DECLARED_GROUPS]}

    def _platform_problems(self) -> Iterator[EnvbuildError]:
        if self._head[UNSUPPORTED] or not self._head[IS_COVERED]:
            yield UnsupportedPlatform(self._head[UNSUPPORTED])

    def _python_problems(self, version: str) -> Iterator[EnvbuildError]:
        if self._head[REVISION] >= REVISION_WITH_GROUPS:
            positions = [*self.roots, *(() if self.group_root is None else (self.group_root,))]
            for position in positions:
                package = self._graph.packages[position]
                for group, specifiers in package[UNMET_GROUPS].items():
                    if self.includes(package[NAME], group):
                        yield UnsupportedPython(version, specifiers, group)
        else:
            from envbuild.lockfile.versions import release_of, satisfies

            for group, specifiers in self._request.group_requires_python:
                if self.includes(self.selected, group) and not satisfies(
                    release_of(version), specifiers
                ):
                    yield UnsupportedPython(version, specifiers, group)
        for group, specifiers in self._head[ROOT_UNMET_GROUPS].items():
            if self.includes(None, group):
                yield UnsupportedPython(version, specifiers, group)

    def _unknown_names(self) -> Iterator[EnvbuildError]:
        request = self._request
        roots = [self._graph.packages[position] for position in self.roots]
        if self._head[REVISION] >= REVISION_WITH_EXTRAS:
            known = {extra for root in roots for extra in (*root[EXTRAS], *root[PROVIDED_EXTRAS])}
            for extra in dict.fromkeys((*request.extras, *request.no_extras)):
                if extra not in known:
                    yield UnknownExtra(extra, self._root_names)
        known = {*self._head[ROOT_GROUPS]}
        for position in self.roots:
            known |= self._groups_of(position)
        if self.selected is not None and self._main is not None:
            known |= self._groups_of(self._main)
        for group in dict.fromkeys((*request.groups, *request.no_groups, *request.only_groups)):
            if group not in known:
                yield UnknownGroup(group, self._root_names)

    def _direct_conflicts(self) -> Iterator[EnvbuildError]:
        members: set[str] | None = None
        for items in self._head[CONFLICTS]:
            if members is None:
                members = self._reachable_members()
            wanted = tuple(item for item in items if item[0] in members and self._wants_item(item))
            if len(wanted) > 1:
                yield ConflictingRequest(wanted)

    def _wants_item(self, item: tuple[str, str, str]) -> bool:
        _, kind, name = item
        match kind:
            case "extra":
                return self.has_extra(name)
            case "group":
                return name not in self._excluded and (
                    self._all_groups
                    or self._all_by_default
                    or name in self._asked
                    or name in self._defaults
                )
            case _:
                return self.production

    def _reachable_members(self) -> set[str]:
        """Return the members that the roots lead to, on whatever target."""
        if self._is_workspace:
            return {*self._root_names}
        reached = {*self._root_names}
        queue: list[tuple[int, str | None]] = []
        for position in (*self.roots, *(() if self.group_root is None else (self.group_root,))):
            package = self._graph.packages[position]
            if position != self.group_root and self.production:
                queue.append((position, None))
                queue += [(position, extra) for extra in package[EXTRAS] if self.has_extra(extra)]
            for group, edges in package[GROUPS].items():
                if self.includes(package[NAME], group):
                    for edge in edges:
                        queue += self._graph.ends(edge)
        seen = set(queue)
        for position, extra in queue:
            name = self._graph.packages[position][NAME]
            if name in self._members:
                reached.add(name)
            for edge in self._graph.edges(position, extra):
                for end in self._graph.ends(edge):
                    if end not in seen:
                        seen.add(end)
                        queue.append(end)
        return reached


def describe_item(item: tuple[str, str, str]) -> str:
    """Return how an item of a conflict is called in messages."""
    package, kind, name = item
    match kind:
        case "extra":
            return f"the extra `{package}[{name}]`"
        case "group":
            return f"the group `{name}` of `{package}`"
        case _:
            return f"the project `{package}`"


def _main_package(head: EvaluatedHead, packages: Sequence[EvaluatedPackage]) -> int | None:
    """Return the position of the package whose tree the lock lies in."""
    members = head[MEMBERS]
    for position, package in enumerate(packages):
        kind, path, _ = package[SOURCE]
        if path in {".", ""} and (
            kind in {"editable", "virtual"} or (kind == "directory" and package[NAME] in members)
        ):
            return position
    return None


def _listed(roots: tuple[str, ...]) -> str:
    return ", ".join(f"`{root}`" for root in roots) or "the lock"
