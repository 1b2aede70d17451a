"""Holding what was built against the lock: does it ask for what the lock gives it?"""

from __future__ import annotations

from envbuild.digest import digest_of
from envbuild.errors import RealiseError, raise_all
from envbuild.selection.agreement import deliberate, disagreements
from envbuild.selection.model import LocalTree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envbuild.realise.built import Built
    from envbuild.selection.model import SelectedPackage, Selection
    from envbuild.store.local import Store
    from envbuild.target.model import Target
    from envbuild.workflows.descriptions import Descriptions
    from envbuild.workflows.inputs import Inputs


class RequirementsDiffer(RealiseError):
    """A wheel that was built, and asks for something that the lock does not give it.

    Attributes:
        name: of the package.
        version: likewise.
        requirements: what is not met, each as half a sentence.
    """

    def __init__(self, name: str, version: str | None, requirements: Iterable[str]) -> None:
        self.requirements = tuple(requirements)
        super().__init__(
            f"`{name}` {version}, as it was built, needs {'; '.join(self.requirements)}",
            hint="lock again; where the lock is right, an entry of `override-dependencies` or"
            " `dependency-metadata` in `[tool.uv]` says so",
        )
        self.name = name
        self.version = version


def check_built(
    built: Mapping[str, Built],
    selection: Selection,
    target: Target,
    inputs: Inputs,
    store: Store,
    known: Descriptions,
) -> tuple[str, ...]:
    """Make sure that what was built asks for what the lock gives it; return what the user should know.

    A project on this machine may be ahead of its lock, as it often is while it is worked on: that is
    told, and no error.

    Raises:
        RequirementsDiffer: of everything else, one asks for something else; `Problems` for several.
    """
    versions = {package.name: package.version for package in selection.packages}
    notes, problems = [], []
    for package in selection.packages:
        if package.name not in built:
            continue
        tree = built[package.name].tree
        facts = (tree, sorted(package.needs or ()), package.needs is None, target.digest)
        key = digest_of(repr((*facts, sorted(versions.items()))).encode())
        if known.agrees(key):
            continue
        metadata = _metadata(store, built[package.name])
        found = disagreements(metadata, package, versions, target)
        if found:
            found = _without_deliberate(found, package, inputs)
        if not found:
            known.keep_agreement(key)
            continue
        error = RequirementsDiffer(package.name, package.version, found.values())
        if isinstance(package.distribution, LocalTree):
            notes.append(f"{error}; {error.hint}")
        else:
            problems.append(error)
    raise_all(problems)
    return tuple(notes)


def _without_deliberate(
    found: Mapping[str, str], package: SelectedPackage, inputs: Inputs
) -> dict[str, str]:
    from envbuild.lockfile.toml import parse_toml

    manifest = parse_toml(inputs.text, file=inputs.lockfile).get("manifest", {})
    names = deliberate(manifest if isinstance(manifest, dict) else {}, package.name)
    return {} if names is None else {name: row for name, row in found.items() if name not in names}


def _metadata(store: Store, built: Built) -> bytes:
    tree = store.read_tree(built.tree)
    assert tree is not None
    for entry in tree.entries:
        folder, _, name = entry.path.partition("/")
        if name == "METADATA" and folder.endswith(".dist-info") and entry.digest is not None:
            return store.read_blob(entry.digest)
    return b""
