"""Realisations and roots know where they lie. Their forms are tested in `store_layout`."""

from __future__ import annotations

from envbuild.digest import Digest
from envbuild.store import layout
from envbuild.store.records import (
    ArchiveOutput,
    Realisation,
    TreeOutput,
)
from envbuild.store.root_records import EnvironmentRoot, NamedRoot

KEY = Digest("ab" * 32)
TREE = Digest("cd" * 32)


def test_a_realisation_lies_under_its_key_by_its_output() -> None:
    tree = Realisation(resolved_key=KEY, output=TreeOutput(digest=TREE), name="a")
    assert layout.parse_realisation(tree.location) == (KEY, TREE)
    archive = ArchiveOutput(sha256="12" * 32, size=1)
    fetched = Realisation(resolved_key=KEY, output=archive, name="a")
    assert layout.parse_realisation(fetched.location) == (KEY, "12" * 32)


def test_a_root_lies_by_its_path_or_name() -> None:
    environment = EnvironmentRoot(path="/srv/é", manifest=TREE)
    assert environment.location == layout.environment_root_of("/srv/é")
    assert NamedRoot(name="a", manifest=TREE).location == "roots/named/a.json"
