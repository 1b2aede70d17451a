"""What a run loads: next to nothing but what it executes, since loading is most of a short run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from support.own_backend import lock_archives, sdist

if TYPE_CHECKING:
    from workflows.bench import Bench

SCRIPT = """
import sys
from envbuild.__main__ import main
code = main()
print(*sorted(sys.modules))
sys.exit(code)
"""

SLOW = {
    "argparse", "collections", "contextlib", "dataclasses", "enum", "functools", "hashlib", "httpx",
    "inspect", "installer", "json", "packaging", "pathlib", "re", "rich", "shutil", "subprocess",
    "tempfile", "threading", "tomli", "typing", "urllib",
}  # fmt: skip

FOR_NEW_WHEELS = (
    "buildlock", "environment.activation", "environment.skeleton", "environment.spread", "index",
    "realise.execute", "realise.fetch", "realise.unpack", "sandbox", "workflows.builds",
)  # fmt: skip
"""Parts of the program, below `envbuild`, for wheels that are not in the store."""

FOR_NEW_LOCKS = (
    "derivation", "environment.manifest", "lockfile.parse", "realise", "selection.select",
    "store.records", "store.tree", "workflows.instantiate",
)  # fmt: skip
"""The same for locks that were never seen before."""


def loaded(bench: Bench) -> set[str]:
    """Run the program in a process of its own and return what it has loaded in the end."""
    options = bench.options
    arguments = ("realize", "-q", "--store", options.store, "--cache-dir", options.cache)
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        (sys.executable, "-S", "-c", SCRIPT, *arguments, "--python", sys.executable),
        cwd=bench.folder, env={**os.environ, "PYTHONPATH": path},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return set(done.stdout.split())


def test_exchanging_a_package_for_one_seen_before_loads_what_it_executes(bench: Bench) -> None:
    stays = bench.wheel("stays", "1")
    one, two = (
        bench.wheel("one", version, entry_points={"console_scripts": {"one": "one:main"}})
        for version in ("1", "2")
    )
    for wheel in (one, two):
        bench.lock(stays, wheel)
        bench.realise()
    bench.lock(stays, one)
    found = loaded(bench)
    assert bench.python("import one; print(one.VERSION)") == "1"
    assert found & SLOW == set()
    assert those_of(FOR_NEW_LOCKS + FOR_NEW_WHEELS, found) == set()


def test_exchanging_a_package_by_a_new_lock_loads_what_it_executes(bench: Bench) -> None:
    stays, old, new = (
        bench.wheel(name, version) for name, version in (("stays", "1"), ("one", "1"), ("one", "2"))
    )
    bench.lock(new)
    bench.realise(venv="elsewhere")
    bench.lock(stays, old)
    bench.realise()
    bench.lock(stays, new)
    found = loaded(bench)
    assert "envbuild.workflows.instantiate" in found
    assert found & SLOW == set()
    assert those_of(FOR_NEW_WHEELS, found) == set()


FOR_BUILDING = (
    "index.client", "realise.build_script", "realise.execute", "realise.fetch", "realise.unpack",
    "resolver", "sandbox.plan", "sandbox.probe", "sandbox.run",
)  # fmt: skip
"""The same for what is neither pinned nor built."""

FOR_BUILT = {
    "collections", "contextlib", "enum", "functools", "re", "threading", "tomli", "typing",
}  # fmt: skip
"""What is loaded of the standard library, and to read the build lock, to look at what was built."""


def test_exchanging_a_package_beside_one_that_was_built_loads_nothing_that_builds(
    bench: Bench, tmp_path: Path
) -> None:
    made = sdist(tmp_path / "sdists", "made")
    one, two = (Path(bench.wheel("one", version)) for version in ("1", "2"))
    for wheel in (one, two, one):
        lock_archives(bench.folder, made, wheel)
        bench.realise()
    lock_archives(bench.folder, made, two)
    found = loaded(bench)
    assert bench.python("import made, one; print(made.X, one.VERSION)") == "1 2"
    assert found & SLOW <= FOR_BUILT
    assert those_of(FOR_BUILDING, found) | found & {"envbuild.realise.build"} == set()


def those_of(parts: tuple[str, ...], modules: set[str]) -> set[str]:
    return {
        name for name in modules if name.startswith(tuple(f"envbuild.{part}" for part in parts))
    }
