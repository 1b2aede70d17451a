"""Build environments, shared by builds that cannot write to them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envbuild.realise.build_facts import probe_build_facts
from envbuild.realise.bytecode import Bytecode
from envbuild.realise.environments import BuildEnvironment, BuildEnvironments
from envbuild.realise.staging import Staging
from envbuild.store.local import Store
from envbuild.store.publish import Publication
from envbuild.target.probe import probe
from support.interpreters import running
from support.stores import add_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envbuild.digest import Digest
    from envbuild.sandbox.model import Rung

    Make = Callable[[Rung], BuildEnvironments]

SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "store")) as opened:
        yield opened


@pytest.fixture
def trees(store: Store) -> dict[str, Digest]:
    modules = {f"demo{number}.py": b"X = %d\n" % number for number in range(40)}
    info = "demo-1.0.dist-info"
    files = {
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with Publication(store) as publication:
        digest = add_files(publication, {**modules, **files})
        publication.commit()
    return {"demo": digest}


@pytest.fixture
def bytecode(store: Store, tmp_path: Path) -> Bytecode:
    cache = str(tmp_path / "cache")
    facts = probe_build_facts(probe(running().path, cache_dir=cache), cache_dir=cache)
    return Bytecode(store, facts.executable, facts.identity)


@pytest.fixture
def make(store: Store, bytecode: Bytecode, tmp_path: Path) -> Iterator[Make]:
    cache = str(tmp_path / "cache")
    interpreter = probe(running().path, cache_dir=cache)
    facts = probe_build_facts(interpreter, cache_dir=cache)
    target = interpreter.target
    with Staging(store) as staging:
        yield lambda rung: BuildEnvironments(
            store, staging, target=target, facts=facts, rung=rung, bytecode=bytecode
        )


def obtain(
    environments: BuildEnvironments, trees: dict[str, Digest], own: str = "/nowhere",
    *, backend: str = "", with_bytecode: bool = True,
) -> BuildEnvironment:  # fmt: skip
    return environments.obtain(trees, own, backend=backend, with_bytecode=with_bytecode)


def test_builds_with_the_same_share_one(make: Make, trees: dict[str, Digest]) -> None:
    environments = make("namespaces")
    first = obtain(environments, trees)
    assert obtain(environments, trees) is first
    assert obtain(environments, trees, with_bytecode=False).folder != first.folder
    assert obtain(environments, {}).folder != first.folder
    assert first.inner == "/environment"
    assert os.path.isfile(f"{first.folder}/{SITE}/demo7.py")


def test_a_build_that_could_write_to_it_has_its_own(
    make: Make, trees: dict[str, Digest], tmp_path: Path
) -> None:
    environments = make("none")
    for name in ("one", "two"):
        own = str(tmp_path / name)
        found = obtain(environments, trees, own)
        assert (found.folder, found.inner) == (own, own)


def test_nothing_is_added_to_one_that_may_be_in_use(
    make: Make, trees: dict[str, Digest], bytecode: Bytecode
) -> None:
    def compiled(folder: str) -> int:
        return len(list(Path(folder).rglob("*.pyc")))

    environments = make("namespaces")
    first = obtain(environments, trees)
    bytecode.note(first.placements, [f"{SITE}/demo1.py"])
    second = obtain(environments, trees)
    assert (compiled(first.folder), compiled(second.folder)) == (0, 1)
    bytecode.note(first.placements, [f"{SITE}/demo2.py"])
    assert obtain(environments, trees) is second
    bytecode.note(first.placements, [f"{SITE}/demo{number}.py" for number in range(20)])
    third = obtain(environments, trees)
    assert (compiled(second.folder), compiled(third.folder)) == (1, 20)


def test_what_a_backend_imports_is_compiled_from_the_beginning(
    make: Make, trees: dict[str, Digest]
) -> None:
    found = obtain(make("namespaces"), trees, backend="demo3")
    names = [path.name for path in Path(found.folder).rglob("*.pyc")]
    assert names == [f"demo3.{sys.implementation.cache_tag}.pyc"]
    assert found.modules == 1
