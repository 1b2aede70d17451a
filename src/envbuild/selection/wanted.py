"""What a request means for one lock: its roots, groups and extras, and what it leaves out."""

from __future__ import annotations

from envbuild.errors import EnvbuildError, SelectionError, raise_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envbuild.lockfile.package import DefaultGroups
    from envbuild.selection.evaluate import EvaluatedHead, EvaluatedPackage
    from envbuild.selection.graph import Graph
    from envbuild.selection.model import Request

_LOCAL_KINDS = frozenset({"path", "directory", "editable", "virtual"})

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
        self._members = head[6]
        main = _main_package(head, graph.packages)
        main_name = None if main is None else graph.packages[main][0]
        members = self._members or ((main_name,) if main_name is not None else ())

        names = request.roots
        if names is not None:
            raise_all(UnknownMember(name, members) for name in names if name not in members)
        elif request.all_packages or main_name is None:
            names = members
        else:
            names = (main_name,)
        single = not request.all_packages and (request.roots is not None or main_name is not None)
        self.selected = names[0] if single and len(names) == 1 else None
        self._project = main_name if request.all_packages else self.selected
        self._is_workspace = request.all_packages or (request.roots is None and main is None)

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
        defaults = self._default_groups(main)
        with_defaults = self.production and not request.no_default_groups
        self._all_by_default = with_defaults and defaults == "all"
        self._defaults = set(defaults) if with_defaults and defaults != "all" else set()
        self.group_root = self._inheriting_root(main)

    def check(self, version: str) -> None:
        """Make sure that the lock can serve the request on a target with Python `version`.

        Raises:
            UnsupportedPython, UnsupportedPlatform, UnknownExtra, UnknownGroup, ConflictingRequest:
                as each says; `Problems` for several.
        """
        _, requires_python, python_fits, covered, unsupported, *_ = self._head
        if not python_fits:
            raise UnsupportedPython(version, requires_python, None)
        raise_all(
            [
                *self._python_problems(version),
                *([UnsupportedPlatform(unsupported)] if unsupported or not covered else []),
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
        name, kind = package[0], package[2][0]
        request = self._request
        if request.no_install_project and name == self._project:
            return False
        if request.no_install_workspace and (name == self._project or name in self._members):
            return False
        if request.no_install_local and kind in _LOCAL_KINDS:
            return False
        return name not in request.no_install_packages

    def _default_groups(self, main: int | None) -> DefaultGroups:
        if self._head[0] < REVISION_WITH_GROUPS:
            configured = self._request.default_groups
            return "all" if configured is None else configured
        project = main if self.selected is None else self.roots[0]
        recorded = self._head[9] if project is None else self._graph.packages[project][9]
        return ("dev",) if recorded is None else recorded

    def _inheriting_root(self, main: int | None) -> int | None:
        if self.selected is None or main is None or main in self.roots:
            return None
        name = self._graph.packages[main][0]
        inherited = any(self.includes(name, group) for group in self._groups_of(main))
        return main if inherited else None

    def _groups_of(self, position: int) -> set[str]:
        package = self._graph.packages[position]
        return {*package[6], *package[8]}

    def _python_problems(self, version: str) -> Iterator[EnvbuildError]:
        if self._head[0] >= REVISION_WITH_GROUPS:
            positions = [*self.roots, *(() if self.group_root is None else (self.group_root,))]
            for position in positions:
                package = self._graph.packages[position]
                for group, specifiers in package[10].items():
                    if self.includes(package[0], group):
                        yield UnsupportedPython(version, specifiers, group)
        else:
            from envbuild.lockfile.versions import release_of, satisfies

            for group, specifiers in self._request.group_requires_python:
                if self.includes(self.selected, group) and not satisfies(
                    release_of(version), specifiers
                ):
                    yield UnsupportedPython(version, specifiers, group)
        for group, specifiers in self._head[10].items():
            if self.includes(None, group):
                yield UnsupportedPython(version, specifiers, group)

    def _unknown_names(self) -> Iterator[EnvbuildError]:
        request = self._request
        roots = [self._graph.packages[position] for position in self.roots]
        if self._head[0] >= REVISION_WITH_EXTRAS:
            known = {extra for root in roots for extra in (*root[5], *root[7])}
            for extra in dict.fromkeys((*request.extras, *request.no_extras)):
                if extra not in known:
                    yield UnknownExtra(extra, self._root_names)
        main = _main_package(self._head, self._graph.packages)
        known = {*self._head[8]}
        for position in (*self.roots, *((main,) if self.selected and main is not None else ())):
            known |= self._groups_of(position)
        for group in dict.fromkeys((*request.groups, *request.no_groups, *request.only_groups)):
            if group not in known:
                yield UnknownGroup(group, self._root_names)

    def _direct_conflicts(self) -> Iterator[EnvbuildError]:
        members: set[str] | None = None
        for items in self._head[5]:
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
                queue += [(position, extra) for extra in package[5] if self.has_extra(extra)]
            for group, edges in package[6].items():
                if self.includes(package[0], group):
                    for edge in edges:
                        queue += self._graph.ends(edge)
        seen = set(queue)
        for position, extra in queue:
            name = self._graph.packages[position][0]
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
    members = head[6]
    for position, package in enumerate(packages):
        kind, path, _ = package[2]
        if path in {".", ""} and (
            kind in {"editable", "virtual"} or (kind == "directory" and package[0] in members)
        ):
            return position
    return None


def _listed(roots: tuple[str, ...]) -> str:
    return ", ".join(f"`{root}`" for root in roots) or "the lock"
