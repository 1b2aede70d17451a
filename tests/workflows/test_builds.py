"""Source distributions on their way into an environment: built once, for whoever wants the same."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envbuild.errors import EnvbuildError, Problems
from envbuild.frozen import replace
from envbuild.realise.build import BuildFailed
from envbuild.realise.builder import WrongWheel
from envbuild.selection.model import Request
from envbuild.selection.select import NoFittingWheel
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.workflows.build_log import NoLog, find_log
from support.source_trees import sdist_tar
from workflows.bench import Bench, bench_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BACKEND = """
import base64, hashlib, os, zipfile

NAME, VERSION, TAG = "{name}", "{version}", "{tag}"

def get_requires_for_build_wheel(config_settings=None):
    return {hook_requires}

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    print("building", NAME)
{body}
    info = f"{{NAME}}-{{VERSION}}.dist-info"
    files = {{
        f"{{NAME}}.py": CODE,
        f"{{info}}/METADATA": f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n",
        f"{{info}}/WHEEL": f"Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: {{TAG}}\\n",
    }}
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        rows.append(f"{{path}},sha256={{digest.decode()}},{{len(text.encode())}}\\n")
    files[f"{{info}}/RECORD"] = "".join(rows) + f"{{info}}/RECORD,,\\n"
    filename = f"{{NAME}}-{{VERSION}}-{{TAG}}.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, filename), "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 2, 0, 0, 0)), text)
    return filename
"""


def sdist(
    folder: Path,
    name: str,
    *,
    code: str = "X = 1",
    body: str = "",
    requires: Iterable[str] = (),
    hook_requires: Iterable[str] = (),
    built_name: str = "",
    built_version: str = "1.0",
    tag: str = "py3-none-any",
) -> Path:
    """Write a source distribution with a backend of its own; `body` runs in it, and may set CODE."""
    backend = BACKEND.format(
        name=built_name or name,
        version=built_version,
        tag=tag,
        hook_requires=list(hook_requires),
        body="\n".join(f"    {line}" for line in [f"CODE = {code!r}", *body.splitlines()]),
    )
    listed = ", ".join(f'"{each}"' for each in requires)
    project = (
        f'[build-system]\nrequires = [{listed}]\nbuild-backend = "own"\nbackend-path = ["."]\n'
    )
    files = {
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: 1.0\n".encode(),
        "pyproject.toml": project.encode(),
        "own.py": backend.encode(),
    }
    path = folder / f"{name}-1.0.tar.gz"
    folder.mkdir(exist_ok=True)
    path.write_bytes(sdist_tar(files, top=f"{name}-1.0"))
    return path


def lock(bench: Bench, *archives: Path, hashes: bool = True) -> None:
    """Lock a project that needs all of these source distributions."""
    packages = ""
    for path in archives:
        name = path.name.partition("-")[0]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        hashed = f', hash = "sha256:{digest}"' if hashes else ""
        packages += f"""
[[package]]
name = "{name}"
version = "1.0"
source = {{ registry = "{os.path.relpath(path.parent, bench.folder)}" }}
sdist = {{ path = "{path.name}"{hashed} }}
"""
    edges = "".join(f'    {{ name = "{path.name.partition("-")[0]}" }},\n' for path in archives)
    (bench.folder / "uv.lock").write_text(
        'version = 1\nrevision = 3\nrequires-python = ">=3.9"\n'
        + packages
        + f'\n[[package]]\nname = "the-project"\nversion = "0.1.0"\nsource = {{ virtual = "." }}\n'
        f"dependencies = [\n{edges}]\n"
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is remembered of this machine, found out once."""
    return str(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def bench(tmp_path: Path, cache: str) -> Bench:
    made = bench_in(tmp_path)
    return Bench(folder=made.folder, options=replace(made.options, cache=cache))


def other(bench: Bench, name: str) -> Bench:
    """Return another project on the same store."""
    folder = bench.folder.parent / name
    folder.mkdir()
    return Bench(folder=folder, options=bench.options)


def builds(bench: Bench) -> int:
    """Return how many builds have left something printed in the store."""
    with Store.open(bench.options.store) as store:
        return sum(1 for _ in store.walk(layout.LOGS))


def failure(bench: Bench, **options: object) -> EnvbuildError:
    with pytest.raises(EnvbuildError) as caught:
        bench.realise(**options)
    return caught.value


def test_what_has_no_wheel_is_built_and_installed(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    result = bench.realise()
    assert bench.actions(result) == [("made", "added")]
    assert bench.python("import made; print(made.X)") == "1"
    assert bench.realise().changes == ()
    assert builds(bench) == 1


def test_a_new_environment_builds_nothing_again(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    first = bench.realise()
    again = bench.realise(clear=True, offline=True)
    assert (again.created, again.digest, again.fetched) == (True, first.digest, 0)
    assert builds(bench) == 1


def test_equal_inputs_of_two_projects_are_one_build(bench: Bench, tmp_path: Path) -> None:
    archive = sdist(tmp_path / "sdists", "made")
    lock(bench, archive)
    second = other(bench, "second")
    lock(second, archive)
    assert bench.realise().digest == second.realise().digest
    assert builds(bench) == 1


def test_another_byte_of_a_source_is_another_build(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    first = bench.realise()
    lock(bench, sdist(tmp_path / "sdists", "made", code="X = 2"))
    assert bench.realise().digest != first.digest
    assert bench.python("import made; print(made.X)") == "2"


def test_a_source_archive_without_a_hash_is_pinned(bench: Bench, tmp_path: Path) -> None:
    archive = sdist(tmp_path / "sdists", "made")
    lock(bench, archive, hashes=False)
    (pinned,) = bench.realise().pinned
    assert pinned.sha256 == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert bench.realise(clear=True).pinned == ()


def test_a_dry_run_builds_nothing(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    assert bench.realise(dry_run=True).missing == ("made-1.0.tar.gz",)
    bench.realise()
    (bench.folder / "envbuild.lock").rename(bench.folder / "kept")
    assert bench.realise(dry_run=True).missing == ("made-1.0.tar.gz",)
    (bench.folder / "kept").rename(bench.folder / "envbuild.lock")
    found = bench.realise(check=True)
    assert (found.missing, found.changes, builds(bench)) == ((), (), 1)


def test_what_a_build_is_done_with_is_pinned_beside_the_lock(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    bench.realise()
    text = (bench.folder / "envbuild.lock").read_text()
    assert 'name = "made"' in text
    bench.realise(clear=True)
    assert (bench.folder / "envbuild.lock").read_text() == text


def test_nothing_is_built_where_that_is_not_permitted(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    assert isinstance(failure(bench, request=Request(no_build=True)), NoFittingWheel)
    (bench.folder / "pyproject.toml").write_text(
        '[project]\nname = "the-project"\nversion = "0"\n[tool.uv]\nno-build-package = ["made"]\n'
    )
    assert isinstance(failure(bench), NoFittingWheel)


ENDS: Mapping[str, tuple[str, str]] = {
    "raises": ("raise RuntimeError('no way')", "exit status 1"),
    "dies": ("os.kill(os.getpid(), 9)", "signal 9"),
    "no wheel": ("return 'made-1.0-py3-none-any.whl'", "found nothing"),
    "two wheels": (
        "open(os.path.join(wheel_directory, 'made-2.0-py3-none-any.whl'), 'w').close()",
        "expected one wheel",
    ),
    "a link": (
        (
            "os.symlink('/etc/passwd', os.path.join(wheel_directory, 'made-1.0-py3-none-any.whl'))\n"
            "return 'made-1.0-py3-none-any.whl'"
        ),
        "is no file",
    ),
    "outside": (
        "open(os.path.join(wheel_directory, 'a.whl'), 'w').close()\nreturn '../../a.whl'",
        "the backend named `../../a.whl`",
    ),
}


@pytest.mark.parametrize(("body", "reason"), ENDS.values(), ids=ENDS)
def test_a_build_that_gives_no_wheel_fails(
    bench: Bench, tmp_path: Path, body: str, reason: str
) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made", body=body))
    error = failure(bench)
    assert isinstance(error, BuildFailed)
    assert reason in error.reason
    assert "building made" in error.lines
    assert Path(error.log).read_text().endswith("\n")
    assert not bench.venv.exists()
    with Store.open(bench.options.store) as store:
        assert find_log(store, "made==1.0").path == error.log
        assert [*store.walk(layout.WORK_LOCKS)] == []
        assert os.listdir(store.absolute(layout.STAGING)) == ["partial"]


WRONG: Mapping[str, dict[str, str]] = {
    "another name": {"built_name": "other"},
    "another version": {"built_version": "1.1"},
    "tags of another machine": {"tag": "cp39-cp39-win32"},
}


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG)
def test_a_wheel_that_is_another_is_refused(
    bench: Bench, tmp_path: Path, given: dict[str, str]
) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made", **given))
    error = failure(bench)
    assert type(error).__name__ in {WrongWheel.__name__, "InvalidWheel"}
    assert not bench.venv.exists()


def test_the_cause_of_a_failure_is_told_where_it_is_known(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made", body="import torch"))
    error = failure(bench)
    assert isinstance(error, BuildFailed)
    assert error.cause == "it imports `torch`, which it does not declare to need"
    assert error.hint == 'add `made = ["torch"]` to `[tool.uv.extra-build-dependencies]`'


def test_what_fails_does_not_keep_the_others_from_being_built(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "sdists"
    lock(
        bench,
        sdist(folder, "bad", body="raise ValueError"),
        sdist(folder, "good"),
        sdist(folder, "worse", body="raise TypeError"),
    )
    error = failure(bench)
    assert isinstance(error, Problems)
    assert [each.name for each in error.errors if isinstance(each, BuildFailed)] == ["bad", "worse"]
    lock(bench, folder / "good-1.0.tar.gz")
    assert bench.realise().fetched == 0
    assert builds(bench) == 3


def test_a_build_sees_no_network_no_home_and_nothing_inherited(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "s3cret")
    body = """
import socket
try:
    socket.create_connection(("127.0.0.1", 9), timeout=5)
except OSError as error:
    network = type(error).__name__
CODE = f"ENV = {dict(os.environ)!r}; HOME = {os.listdir(os.environ['HOME'])!r}"
"""
    lock(bench, sdist(tmp_path / "sdists", "made", body=body))
    bench.realise()
    assert bench.python("import made; print('A_SECRET' in made.ENV, made.HOME)") == "False []"
    assert bench.python("import made; print(made.ENV['SOURCE_DATE_EPOCH'])") == "315619200"


def test_there_is_no_log_of_what_was_never_built(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    bench.realise()
    with Store.open(bench.options.store) as store:
        assert "building made" in Path(find_log(store, "Made").path).read_text()
        for asked in ("other", "made==2.0"):
            with pytest.raises(NoLog):
                find_log(store, asked)
