"""Source distributions as they are published, one for each backend, beside what uv builds of them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from envbuild.frozen import replace
from envbuild.sandbox.model import LADDER, guarantees
from envbuild.selection.model import Request
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.store.records import BuildOutput
from envbuild.workflows.build_pins import read_build_lock
from support.machine_code import machine_code
from support.rust import rust_toolchain
from workflows.bench import Bench, bench_in, offline_environment

if TYPE_CHECKING:
    from envbuild.digest import Digest

pytestmark = [pytest.mark.network, pytest.mark.slow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A source distribution on the default index.

    Attributes:
        stands_for: what is particular about how it is built.
        name: of the project.
        version: that is built.
        backend: that it names, or that is taken where it names none.
        module: that is imported of it.
        uses: projects that must be in the build environment.
        settings: for the table `[tool.uv]`.
        without: what it needs at run time, and not to be imported.
        variables: that are declared for its build.
        needs_rust: whether it is compiled by a toolchain that may lie in a home folder.
        apart: suffixes of files whose content says in which folder they were made.
    """

    stands_for: str
    name: str
    version: str
    backend: str
    module: str
    uses: tuple[str, ...]
    settings: str = ""
    without: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    needs_rust: bool = False
    apart: tuple[str, ...] = ()


PUBLISHED = (
    Published(
        stands_for="setuptools without a pyproject.toml",
        name="docopt",
        version="0.6.2",
        backend="setuptools.build_meta:__legacy__",
        module="docopt",
        uses=("setuptools",),
    ),
    Published(
        stands_for="setuptools with a C extension",
        name="markupsafe",
        version="3.0.2",
        backend="setuptools.build_meta",
        module="markupsafe._speedups",
        uses=("setuptools",),
    ),
    Published(
        stands_for="setuptools-scm",
        name="pluggy",
        version="1.6.0",
        backend="setuptools.build_meta",
        module="pluggy._version",
        uses=("setuptools", "setuptools-scm"),
    ),
    Published(
        stands_for="hatchling",
        name="annotated-types",
        version="0.7.0",
        backend="hatchling.build",
        module="annotated_types",
        uses=("hatchling",),
    ),
    Published(
        stands_for="hatch-vcs",
        name="iniconfig",
        version="2.1.0",
        backend="hatchling.build",
        module="iniconfig._version",
        uses=("hatchling", "hatch-vcs"),
    ),
    Published(
        stands_for="flit-core",
        name="mdurl",
        version="0.1.2",
        backend="flit_core.buildapi",
        module="mdurl",
        uses=("flit-core",),
    ),
    Published(
        stands_for="poetry-core",
        name="tomlkit",
        version="0.13.2",
        backend="poetry.core.masonry.api",
        module="tomlkit",
        uses=("poetry-core",),
    ),
    Published(
        stands_for="pdm-backend",
        name="findpython",
        version="0.6.3",
        backend="pdm.backend",
        module="findpython.__version__",
        uses=("pdm-backend",),
    ),
    Published(
        stands_for="uv_build",
        name="annotated-doc",
        version="0.0.3",
        backend="uv_build",
        module="annotated_doc",
        uses=("uv-build",),
    ),
    Published(
        stands_for="scikit-build-core",
        name="mapbox-earcut",
        version="1.0.3",
        backend="scikit_build_core.build",
        module="mapbox_earcut",
        uses=("cmake", "ninja", "scikit-build-core"),
        without=("numpy",),
        settings='extra-build-dependencies = { mapbox-earcut = ["cmake", "ninja"] }\n',
    ),
    Published(
        stands_for="meson-python",
        name="faust-cchardet",
        version="3.2.0",
        backend="mesonpy",
        module="cchardet._cchardet",
        uses=("cython", "meson-python"),
        settings='config-settings-package = { faust-cchardet = { setup-args = "-Dbuildtype=plain" } }\n',
    ),
    Published(
        stands_for="Cython",
        name="cymem",
        version="2.0.11",
        backend="setuptools.build_meta",
        module="cymem.cymem",
        uses=("cython", "setuptools"),
    ),
    Published(
        stands_for="a backend in the tree, built with nothing",
        name="flit-core",
        version="3.12.0",
        backend="flit_core.buildapi",
        module="flit_core.buildapi",
        uses=(),
    ),
    Published(
        stands_for="maturin, with the sources of its crates",
        name="orjson",
        version="3.11.4",
        backend="maturin",
        module="orjson",
        uses=("maturin",),
        # For the sake of time.
        variables=(
            ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
            ("CARGO_PROFILE_RELEASE_LTO", "off"),
            ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"),
        ),
        needs_rust=True,
        apart=(".cyclonedx.json", ".so"),
    ),
)


INSTALLERS = {
    "INSTALLER",
    "RECORD",
    "REQUESTED",
    "direct_url.json",
    "uv_build.json",
    "uv_cache.json",
}


@pytest.mark.parametrize(
    "published", [pytest.param(each, id=each.stands_for) for each in PUBLISHED]
)
def test_it_is_built_as_uv_builds_it_and_again_the_same(
    published: Published, tmp_path: Path
) -> None:
    bench = project_of(published, tmp_path)
    result = bench.realise()
    assert bench.python(f"import {published.module}; print('imported')") == "imported"
    key, output = build_in(bench.options.store)
    check_inputs(published, bench.options.store, key)
    pinned = (bench.folder / "envbuild.lock").read_bytes()

    theirs = uv_builds(published, bench, tmp_path)
    assert files_of(bench.site, published) == files_of(theirs, published)

    store = str(tmp_path / "another store")
    again = bench.realise(clear=True, store=store)
    assert (bench.folder / "envbuild.lock").read_bytes() == pinned
    key_again, output_again = build_in(store)
    assert key_again == key
    # On others, compilers are told another folder each time.
    if output.rung in {rung for rung in LADDER if guarantees(rung, network=False).fixed}:
        assert (output_again.digest, output_again.archive) == (output.digest, output.archive)
        assert again.digest == result.digest


def project_of(published: Published, folder: Path) -> Bench:
    """Lock a project that needs a package, for which no wheel is to be taken."""
    made = bench_in(folder)
    variables = ", ".join(f'{name} = "{value}"' for name, value in published.variables)
    (made.folder / "pyproject.toml").write_text(
        '[project]\nname = "the-project"\nversion = "0"\nrequires-python = ">=3.11"\n'
        f'dependencies = ["{published.name}=={published.version}"]\n'
        f"[tool.uv]\n{published.settings}"
        f"[tool.uv.extra-build-variables]\n{published.name} = {{ {variables} }}\n"
    )
    uv(made.folder, "lock", "--python", sys.executable)
    options = replace(
        made.options,
        request=Request(
            no_binary_packages=(published.name,), no_install_packages=published.without
        ),
        build_tools=(rust_toolchain(),) if published.needs_rust else (),
    )
    return Bench(folder=made.folder, options=options)


def uv(folder: Path, *words: str, **variables: str) -> None:
    run = subprocess.run(
        [find_uv_bin(), *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**offline_environment(), **variables},
    )
    assert run.returncode == 0, run.stderr


def check_inputs(published: Published, store: str, key: Digest) -> None:
    """Check that a package was built by what it stands for."""
    with Store.open(store) as opened:
        path = opened.absolute(layout.record(layout.DERIVATIONS, key))
    derivation = json.loads(Path(path).read_bytes())
    assert derivation["distribution"] == published.name
    assert derivation["backend"]["name"] == published.backend
    assert {each["name"] for each in derivation["environment"]} >= {*published.uses}


def uv_builds(published: Published, bench: Bench, folder: Path) -> Path:
    """Have uv build a package with what it was built with here; return where it is installed."""
    (build,) = read_build_lock(str(bench.folder / "envbuild.lock")).builds
    pins = {each.name: each.version for each in build.packages}
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
    venv = folder / "venv"
    uv(folder, "venv", "--python", sys.executable, str(venv))
    # In the project's folder, so that its settings count.
    uv(
        bench.folder,
        *("pip", "install", f"{published.name}=={published.version}", "--no-deps"),
        *("--no-binary", published.name, "--build-constraints", str(constraints)),
        # What is in uv's cache may have been built with something else.
        *("--no-cache", "--python", str(venv)),
        **dict(published.variables),
    )
    (site,) = venv.glob("lib/python*/site-packages")
    return site


def build_in(store: str) -> tuple[Digest, BuildOutput]:
    """Return the resolved key of the one build that a store has seen, and what it gave."""
    with Store.open(store) as opened:
        found = [
            (each.resolved_key, each.output)
            for each in opened.all_realisations()
            if isinstance(each.output, BuildOutput)
        ]
    (only,) = found
    return only


def files_of(site: Path, published: Published) -> dict[str, bytes]:
    """Return what a distribution has installed, as far as that is to be the same.

    What an installer says of itself is not, nor the wording of what starts programs; of machine
    code, what compilers were told of folders.
    """
    (record,) = site.glob(f"{published.name.replace('-', '_')}-*.dist-info/RECORD")
    found = {}
    for path, _, _ in csv.reader(record.read_text().splitlines()):
        file = site / path
        if file.name in INSTALLERS or file.suffix == ".pyc":
            continue
        if path.startswith("../") or path.endswith(published.apart):
            found[path] = b""
        else:
            content = file.read_bytes()
            found[path] = machine_code(content) if file.suffix == ".so" else content
    assert len(found) > 1
    return found
