"""Bytecode that is made of what is in the store, for this interpreter."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING

import pytest

from envbuild.environment.placement import Placement
from envbuild.realise.build_facts import probe_build_facts
from envbuild.realise.bytecode import Bytecode
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from envbuild.target.probe import probe
from support.interpreters import running
from support.stores import add_files, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = {"demo.py": b"X = 1\n", "other.py": b"X = 2\n", "broken.py": b"X =\n", "data.txt": b"X"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "store")) as opened:
        yield opened


@pytest.fixture
def bytecode(store: Store, tmp_path: Path) -> Bytecode:
    cache = str(tmp_path / "cache")
    facts = probe_build_facts(probe(running().path, cache_dir=cache), cache_dir=cache)
    return Bytecode(store, facts.executable, facts.identity)


@pytest.fixture
def placement(store: Store) -> Placement:
    with Publication(store) as publication:
        digest = add_files(publication, FILES)
        publication.commit()
    links = tuple(
        (entry.path, layout.blob(entry.digest, executable=False).partition("/")[2], entry.size)
        for entry in tree_of(FILES).entries
        if entry.digest is not None and entry.size is not None
    )
    return Placement(
        tree=digest, info="", folders=("lib",), links=(("lib", links),),
        launchers=(), record=(), units=(),
    )  # fmt: skip


def names(bytecode: Bytecode, placement: Placement) -> list[str]:
    return [os.path.basename(path) for path, _ in bytecode.files(placement, "/environment")]


def test_what_was_imported_is_compiled(bytecode: Bytecode, placement: Placement) -> None:
    assert names(bytecode, placement) == []
    bytecode.note([placement], ["lib/demo.py"])
    assert names(bytecode, placement) == [f"demo.{sys.implementation.cache_tag}.pyc"]
    bytecode.note([placement], ["lib/other.py"])
    assert len(names(bytecode, placement)) == 2


def test_the_interpreter_takes_it_for_the_source(
    bytecode: Bytecode, placement: Placement, tmp_path: Path
) -> None:
    bytecode.note([placement], ["lib/demo.py"])
    ((path, compiled),) = bytecode.files(placement, "/environment")
    source, place = tmp_path / "lib" / "demo.py", tmp_path / path
    place.parent.mkdir(parents=True)
    # Equally long, so that what is executed shows what was read.
    source.write_bytes(b"X = 3\n")
    place.write_bytes(compiled)
    for stamp, expected in ((layout.TIMESTAMP, 1), (layout.TIMESTAMP + 1, 3)):
        os.utime(source, (stamp, stamp))
        place.write_bytes(compiled)
        spec = importlib.util.spec_from_file_location("demo", source)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert expected == module.X


def test_nothing_is_compiled_that_is_not_of_the_distribution(
    bytecode: Bytecode, placement: Placement
) -> None:
    bytecode.note([placement], ["lib/absent.py", "../../etc/passwd", "lib/data.txt", "demo.py", ""])
    assert names(bytecode, placement) == []


def test_what_cannot_be_compiled_is_left_to_whoever_imports_it(
    bytecode: Bytecode, placement: Placement
) -> None:
    bytecode.note([placement], ["lib/broken.py", "lib/demo.py"])
    assert names(bytecode, placement) == [f"demo.{sys.implementation.cache_tag}.pyc"]


def test_a_source_that_was_changed_in_the_store_is_not_compiled(
    bytecode: Bytecode, placement: Placement, store: Store
) -> None:
    ((_, files),) = placement.links
    blob = next(blob for name, blob, _ in files if name == "demo.py")
    path = store.absolute(f"{layout.BLOBS}/{blob}")
    os.chmod(path, 0o644)
    with open(path, "wb") as file:
        file.write(b"X = 9\n")
    os.chmod(path, 0o444)
    os.utime(path, (layout.TIMESTAMP, layout.TIMESTAMP))
    bytecode.note([placement], ["lib/demo.py"])
    assert names(bytecode, placement) == []


SITE = "lib/site"
BACKEND = {
    f"{SITE}/backend.py": b"import helper\ndef build():\n    from pack import late\n",
    f"{SITE}/helper.py": b"X = 1\n",
    f"{SITE}/pack/__init__.py": b"from . import inner\n",
    f"{SITE}/pack/inner.py": b"X =\n",
    f"{SITE}/pack/late.py": b"import backend\n",
    f"{SITE}/plugin.py": b"import own\n",
    f"{SITE}/own.py": b"X = 1\n",
    f"{SITE}/command.py": b"X = 1\n",
    f"{SITE}/unused.py": b"X = 1\n",
    f"{SITE}/b-1.dist-info/entry_points.txt": (
        b"[console_scripts]\nrun = command:main\n\n[some.plugins]\none = plugin:hook [extra]\n"
    ),
}


@pytest.fixture
def backend(store: Store) -> Placement:
    with Publication(store) as publication:
        digest = add_files(publication, BACKEND)
        publication.commit()
    folders: dict[str, list[tuple[str, str, int]]] = {}
    for entry in tree_of(BACKEND).entries:
        if entry.digest is not None and entry.size is not None:
            folder, _, name = entry.path.rpartition("/")
            blob = layout.blob(entry.digest, executable=False).partition("/")[2]
            folders.setdefault(folder, []).append((name, blob, entry.size))
    return Placement(
        tree=digest, info="", folders=(), launchers=(), record=(), units=(),
        links=tuple((folder, tuple(files)) for folder, files in folders.items()),
    )  # fmt: skip


def stems(bytecode: Bytecode, placement: Placement) -> set[str]:
    return {name.partition(".")[0] for name in names(bytecode, placement)}


def test_what_a_backend_and_its_plugins_import_is_compiled_before_it_is_seen(
    bytecode: Bytecode, backend: Placement
) -> None:
    bytecode.foresee("backend", [backend], [SITE], "/environment")
    # What cannot be compiled is known, and not tried again.
    assert stems(bytecode, backend) == {"backend", "helper", "__init__", "late", "plugin", "own"}
    assert bytecode.count(backend.tree) == 7
    bytecode.note([backend], [f"{SITE}/unused.py"])
    assert "unused" in stems(bytecode, backend)


def test_what_is_known_is_not_compiled_again(
    store: Store, bytecode: Bytecode, backend: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    bytecode.foresee("backend", [backend], [SITE], "/environment")
    monkeypatch.setattr(bytecode, "_executable", "/nowhere/python")
    bytecode.foresee("backend", [backend], [SITE], "/environment")
    assert stems(bytecode, backend) == {"backend", "helper", "__init__", "late", "plugin", "own"}


def test_a_backend_that_is_not_in_the_environment_foresees_nothing(
    bytecode: Bytecode, placement: Placement
) -> None:
    bytecode.foresee("own_backend", [placement], ["lib"], "/environment")
    assert names(bytecode, placement) == []
