"""Source distributions as they are published, beside what uv builds of the same ones."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from envbuild.frozen import replace
from envbuild.selection.model import Request
from envbuild.store.local import Store
from envbuild.store.records import BuildOutput
from envbuild.workflows.build_pins import read_build_lock
from workflows.bench import Bench, bench_in, offline_environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = [pytest.mark.network, pytest.mark.slow]

# One for each backend, and what is imported of it.
PACKAGES = {
    "setuptools without pyproject": ("docopt", "0.6.2", "docopt"),
    "setuptools with a C extension": ("markupsafe", "3.0.2", "markupsafe._speedups"),
    "hatchling with hatch-vcs": ("iniconfig", "2.1.0", "iniconfig"),
    "flit-core": ("mdurl", "0.1.2", "mdurl"),
    "poetry-core": ("tomlkit", "0.13.2", "tomlkit"),
    "pdm-backend": ("tomli-w", "1.2.0", "tomli_w"),
}
NOT_COMPARED = {"INSTALLER", "RECORD", "REQUESTED", "WHEEL", "direct_url.json", "uv_build.json"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A project of all of them, built."""
    made = bench_in(tmp_path_factory.mktemp("real"))
    listed = "".join(f'"{name}=={version}", ' for name, version, _ in PACKAGES.values())
    (made.folder / "pyproject.toml").write_text(
        f'[project]\nname = "the-project"\nversion = "0"\nrequires-python = ">=3.11"\n'
        f"dependencies = [{listed}]\n"
    )
    uv(made.folder, "lock", "--python", sys.executable)
    names = tuple(name for name, _, _ in PACKAGES.values())
    options = replace(made.options, request=Request(no_binary_packages=names))
    built = Bench(folder=made.folder, options=options)
    built.realise()
    return built


def uv(folder: Path, *words: str) -> None:
    subprocess.run(
        [find_uv_bin(), *words],
        check=True,
        capture_output=True,
        cwd=folder,
        env=offline_environment(),
    )


def files_of(site: Path, name: str) -> dict[str, bytes]:
    """Return what a distribution has installed, as far as that is to be the same."""
    (record,) = site.glob(f"{name.replace('-', '_')}-*.dist-info/RECORD")
    found = {}
    for row in record.read_text().splitlines():
        path = row.partition(",")[0]
        file = site / path
        if file.name in NOT_COMPARED or "__pycache__" in path or path.startswith(".."):
            continue
        # Machine code names the folder that it was compiled in.
        found[path] = b"" if file.suffix == ".so" else file.read_bytes()
    return found


@pytest.mark.parametrize(("name", "version", "module"), PACKAGES.values(), ids=PACKAGES)
def test_the_files_are_those_that_uv_builds(
    bench: Bench, tmp_path: Path, name: str, version: str, module: str
) -> None:
    assert bench.python(f"import {module}; print('imported')") == "imported"
    lock = read_build_lock(str(bench.folder / "envbuild.lock"))
    (build,) = (each for each in lock.builds if each.name == name)
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("".join(f"{each.name}=={each.version}\n" for each in build.packages))
    target = tmp_path / "site"
    uv(
        tmp_path,
        *("pip", "install", f"{name}=={version}", "--no-deps", "--no-binary", name),
        *("--target", str(target), "--build-constraints", str(constraints)),
        *("--python", sys.executable),
    )
    assert files_of(bench.site, name) == files_of(target, name)


def test_building_again_gives_the_same(bench: Bench, tmp_path: Path) -> None:
    first = outputs(bench.options.store)
    again = bench.realise(clear=True, store=str(tmp_path / "store"))
    assert again.digest == bench.realise(clear=True).digest
    assert outputs(str(tmp_path / "store")) == first


def outputs(store: str) -> Sequence[tuple[str, str, str]]:
    """Return resolved key, tree and archive of every build."""
    with Store.open(store) as opened:
        return sorted(
            (each.resolved_key, each.output.digest, each.output.archive)
            for each in opened.all_realisations()
            if isinstance(each.output, BuildOutput)
        )
