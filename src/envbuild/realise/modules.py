"""The modules of an environment by their names, as far as that can be told without running anything."""

from __future__ import annotations

from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envbuild.digest import Digest
    from envbuild.environment.placement import Placement
    from envbuild.realise.compiler import Import

_VENDORED = "/_vendor/"
"""Folder in which backends have modules of others, which they import by their own names."""

_ALIASES = {"setuptools._distutils": "distutils"}
"""What setuptools takes the place of."""


@frozen
class Module:
    """A module.

    Attributes:
        name: by which it is imported.
        tree: of the distribution.
        path: in the environment.
        blob: path of its content, relative to all blobs.
        is_package: whether modules may be below it.
    """

    name: str
    tree: Digest
    path: str
    blob: str
    is_package: bool

    def resolve(self, imports: Iterable[Import]) -> Iterator[str]:
        """Return the names of what may be modules among those that this one imports."""
        own = self.name.split(".")
        for level, name, chosen in imports:
            above = own[: len(own) + self.is_package - level] if level else []
            place = ".".join([*above, name] if name else above)
            yield place
            for each in chosen:
                yield f"{place}.{each}"


class Modules:
    """The modules of distributions.

    Args:
        placements: of the distributions.
        roots: folders that modules are looked for in, relative to the environment.
    """

    __slots__ = ("_by_name",)

    def __init__(self, placements: Iterable[Placement], roots: Iterable[str]) -> None:
        self._by_name: dict[str, Module] = {}
        beginnings = tuple(f"{root}/" for root in dict.fromkeys(roots))
        vendored = []
        for placement in placements:
            for path, blob in module_files(placement).items():
                if not path.startswith(beginnings):
                    continue
                inside = next(path[len(each) :] for each in beginnings if path.startswith(each))
                found = _module(inside, placement.tree, path, blob)
                self._by_name[found.name] = found
                if _VENDORED in inside:
                    short = inside.rpartition(_VENDORED)[2]
                    vendored.append(_module(short, placement.tree, path, blob))
                for package, alias in _ALIASES.items():
                    if f"{found.name}.".startswith(f"{package}."):
                        short = alias + found.name.removeprefix(package)
                        self._by_name[short] = found
        for found in vendored:
            self._by_name.setdefault(found.name, found)

    def found(self, name: str) -> Iterator[Module]:
        """Return the module called so, and before it the packages that it is in, as far as they exist."""
        end = name.find(".")
        while end >= 0:
            if name[:end] in self._by_name:
                yield self._by_name[name[:end]]
            end = name.find(".", end + 1)
        if name in self._by_name:
            yield self._by_name[name]


def module_files(placement: Placement) -> dict[str, str]:
    """Return the paths of modules with content, in the environment, and of their blobs below `blobs`."""
    return {
        f"{folder}/{name}": blob
        for folder, files in placement.links
        for name, blob, size in files
        if size and name.endswith(".py")
    }


def _module(inside: str, tree: Digest, path: str, blob: str) -> Module:
    dotted = inside.removesuffix(".py").replace("/", ".")
    is_package = dotted.endswith(".__init__")
    return Module(
        name=dotted.removesuffix(".__init__"),
        tree=tree,
        path=path,
        blob=blob,
        is_package=is_package,
    )
