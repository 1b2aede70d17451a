"""Source distributions on their way into an environment: built once, for whoever wants the same."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envbuild.errors import EnvbuildError, Problems
from envbuild.events import BuildFinished, BuildStarted, BuildStopped
from envbuild.frozen import replace
from envbuild.realise.build import BuildFailed
from envbuild.realise.built_wheels import WrongWheel
from envbuild.realise.execute import MissingOffline
from envbuild.realise.fetch import HashMismatch
from envbuild.realise.needs import BuildCycle
from envbuild.resolver import uv_program
from envbuild.selection.model import Request
from envbuild.selection.select import NoFittingWheel
from envbuild.store import layout
from envbuild.store.local import Store
from envbuild.workflows.build_log import NoLog, find_log
from envbuild.workflows.build_pins import NotPinned
from envbuild.workflows.realise import realise
from envbuild.workflows.watch import signature
from support.own_backend import lock_archives, sdist
from support.wheels import build_wheel
from workflows.bench import Bench, bench_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envbuild.events import Event


def lock(bench: Bench, *archives: Path, hashes: bool = True) -> None:
    lock_archives(bench.folder, *archives, hashes=hashes)


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
    with Store.open(bench.options.store) as store:
        assert "building" in Path(find_log(store, "made").path).read_text()


def test_the_cause_of_a_failure_is_told_where_it_is_known(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made", body="import torch"))
    error = failure(bench)
    assert isinstance(error, BuildFailed)
    assert error.cause == "it imports `torch`, which it does not declare to need"
    assert error.hint == (
        'add `made = [{ requirement = "torch", match-runtime = true }]` to '
        "`[tool.uv.extra-build-dependencies]`"
    )


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


MAKER = """
def get_requires_for_build_wheel(config_settings=None):
    return {hook_requires}

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import sys
    sys.path.insert(0, ".")
    import own
    own.MAKER = {version!r}
    return own.build_wheel(wheel_directory, config_settings)
"""


def maker(bench: Bench, version: str, *, hook_requires: Iterable[str] = ()) -> Path:
    """Make a wheel whose backend makes what a source distribution of `made_by` asks of it."""
    code = MAKER.format(version=version, hook_requires=list(hook_requires))
    folder = bench.folder.parent / "index"
    return Path(build_wheel(folder, "maker", version, files={"maker.py": code}))


def made_by(
    bench: Bench, name: str, *requires: str, backend: str = "maker", body: str = ""
) -> Path:
    """Write a source distribution that needs what is in the index to be built."""
    body = body or "CODE = f'MAKER = {MAKER!r}'"
    return sdist(bench.folder.parent / "index", name, requires=requires, backend=backend, body=body)


def strategy(bench: Bench, name: str) -> None:
    (bench.folder / "pyproject.toml").write_text(
        f'[project]\nname = "the-project"\nversion = "0"\n'
        f'[tool.envbuild]\nbuild-dependency-strategy = "{name}"\n'
    )


def test_each_project_gets_the_wheel_of_its_own_build_requirements(bench: Bench) -> None:
    one, two = maker(bench, "1"), maker(bench, "2")
    made = made_by(bench, "made", "maker")
    second = other(bench, "second")
    for each, wheel in ((bench, one), (second, two)):
        strategy(each, "prefer-locked")
        lock(each, made, wheel)
        each.realise()
    for each, version in ((bench, "1"), (second, "2"), (bench, "1")):
        each.realise(clear=True, offline=True)
        assert each.python("import made; print(made.MAKER)") == version
    assert builds(bench) == 2


def test_a_build_requirement_that_moves_rebuilds_what_is_built_with_it(bench: Bench) -> None:
    one = maker(bench, "1")
    strategy(bench, "prefer-locked")
    lock(bench, made_by(bench, "made", "maker"), sdist(bench.folder.parent / "index", "plain"), one)
    bench.realise()
    lock(bench, *(bench.folder.parent / "index").glob("*.tar.gz"), maker(bench, "2"))
    result = bench.realise()
    assert bench.actions(result) == [("made", "replaced"), ("maker", "replaced")]
    assert bench.python("import made; print(made.MAKER)") == "2"
    assert builds(bench) == 3


def test_an_input_that_comes_to_the_same_payload_rebuilds_nothing(bench: Bench) -> None:
    wheel = maker(bench, "1")
    lock(bench, made_by(bench, "made", "maker"))
    bench.realise()
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content.replace(b"\nGenerator: ", b"\nGenerator: another "))
    (bench.folder / "envbuild.lock").unlink()
    bench.realise(clear=True, verify_record=False)
    assert builds(bench) == 1


def test_with_the_build_lock_nothing_is_resolved(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker(bench, "1")
    lock(bench, made_by(bench, "made", "maker"))
    first = bench.realise()
    maker(bench, "2")
    monkeypatch.setattr(uv_program, "find_uv", lambda _: pytest.fail("nothing is to be resolved"))
    again = bench.realise(clear=True, store=str(tmp_path / "fresh"), offline=True)
    assert again.digest == first.digest
    assert bench.python("import made; print(made.MAKER)") == "1"


def test_a_pinned_file_that_has_changed_is_refused(bench: Bench, tmp_path: Path) -> None:
    maker(bench, "1")
    lock(bench, made_by(bench, "made", "maker"))
    bench.realise()
    build_wheel(bench.folder.parent / "index", "maker", "1", files={"maker.py": "raise OSError"})
    error = failure(bench, clear=True, store=str(tmp_path / "fresh"))
    assert isinstance(error, HashMismatch)


def test_what_the_backend_asks_for_is_in_the_environment_as_well(bench: Bench) -> None:
    build_wheel(bench.folder.parent / "index", "extra", "1", files={"extra.py": "VALUE = 7"})
    maker(bench, "1", hook_requires=("extra",))
    body = "import extra\nCODE = f'EXTRA = {extra.VALUE}'"
    lock(bench, made_by(bench, "made", "maker", body=body))
    bench.realise()
    assert bench.python("import made; print(made.EXTRA)") == "7"
    assert 'hook-requires = [\n    "extra",\n]' in (bench.folder / "envbuild.lock").read_text()


def test_what_the_backend_does_not_ask_for_again_since_it_is_there_stays_pinned(
    bench: Bench, tmp_path: Path
) -> None:
    build_wheel(bench.folder.parent / "index", "extra", "1", files={"extra.py": ""})
    hook = """
import importlib.util

def get_requires_for_build_wheel(config_settings=None):
    return [] if importlib.util.find_spec("extra") else ["extra"]
"""
    code = MAKER.format(version="1", hook_requires=[]) + hook
    build_wheel(bench.folder.parent / "index", "maker", "1", files={"maker.py": code})
    lock(bench, made_by(bench, "made", "maker", body="import extra\nCODE = ''"))
    bench.realise()
    pinned = (bench.folder / "envbuild.lock").read_text()
    assert 'name = "extra"' in pinned
    bench.realise(clear=True, store=str(tmp_path / "fresh"), offline=True)
    assert (bench.folder / "envbuild.lock").read_text() == pinned


def test_build_requirements_are_built_where_they_have_no_wheel(bench: Bench) -> None:
    body = f"CODE = {MAKER.format(version='built', hook_requires=[])!r}"
    sdist(bench.folder.parent / "index", "maker", body=body)
    lock(bench, made_by(bench, "made", "maker"))
    bench.realise()
    assert bench.python("import made; print(made.MAKER)") == "built"
    assert builds(bench) == 2


@pytest.mark.parametrize(
    "options",
    [{"no_binary_packages": ("maker",)}, {"no_binary": True}],
    ids=["one", "all"],
)
def test_build_requirements_of_which_no_wheel_may_be_taken_are_built(
    bench: Bench, options: dict[str, object]
) -> None:
    maker(bench, "1.0")
    body = f"CODE = {MAKER.format(version='built', hook_requires=[])!r}"
    sdist(bench.folder.parent / "index", "maker", body=body)
    lock(bench, made_by(bench, "made", "maker"))
    bench.realise()
    assert bench.python("import made; print(made.MAKER)") == "1.0"
    # What is pinned is a wheel.
    request = Request(**options)  # type: ignore[arg-type]
    assert isinstance(failure(bench, request=request, locked=True), NotPinned)
    bench.realise(request=request)
    assert bench.python("import made; print(made.MAKER)") == "built"
    bench.realise(request=request, locked=True, offline=True, clear=True)
    assert bench.python("import made; print(made.MAKER)") == "built"
    assert builds(bench) == 3


def test_a_build_requirement_that_must_be_built_and_has_no_source_is_told(bench: Bench) -> None:
    maker(bench, "1.0")
    lock(bench, made_by(bench, "made", "maker"))
    error = failure(bench, request=Request(no_binary_packages=("maker",)))
    assert "maker" in str(error)
    assert "`maker`" in str(error)


class Heard:
    """Hears what is told of builds."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def report(self, event: Event) -> None:
        match event:
            case BuildStarted(name=name) | BuildFinished(name=name):
                self.events.append((type(event).__name__, name))
            case BuildStopped(name=name, failed=failed):
                self.events.append(("failed" if failed else "found", name))


def test_how_a_build_ended_is_told(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    heard = Heard()

    def run() -> None:
        realise(bench.options, environ=dict(os.environ), cwd=str(bench.folder), reporter=heard)

    run()
    assert heard.events == [("BuildStarted", "made"), ("BuildFinished", "made")]
    heard.events.clear()
    lock(bench, sdist(tmp_path / "sdists", "made", body="raise SystemExit(1)"))
    with pytest.raises(BuildFailed):
        run()
    assert heard.events == [("BuildStarted", "made"), ("failed", "made")]


def test_what_is_built_with_itself_is_refused_by_name(bench: Bench) -> None:
    one = made_by(bench, "one", "two", backend="two")
    made_by(bench, "two", "one", backend="one")
    lock(bench, one)
    error = failure(bench)
    assert isinstance(error, BuildCycle)
    assert set(error.names) == {"one", "two"}


def test_an_extra_build_requirement_is_added(bench: Bench) -> None:
    build_wheel(bench.folder.parent / "index", "extra", "1", files={"extra.py": "VALUE = 7"})
    archive = sdist(
        bench.folder.parent / "index", "made", body="import extra\nCODE = f'X = {extra.VALUE}'"
    )
    lock(bench, archive)
    assert isinstance(failure(bench), BuildFailed)
    (bench.folder / "pyproject.toml").write_text(
        '[project]\nname = "the-project"\nversion = "0"\n'
        '[tool.uv.extra-build-dependencies]\nmade = ["extra"]\n'
    )
    bench.realise()
    assert bench.python("import made; print(made.X)") == "7"


def test_settings_and_variables_are_told_and_are_part_of_the_build(bench: Bench) -> None:
    body = "CODE = f'TOLD = {config_settings!r}, {os.environ.get(\"MADE\")!r}'"
    lock(bench, sdist(bench.folder.parent / "index", "made", body=body))
    bench.realise()
    assert bench.python("import made; print(made.TOLD)") == "({}, None)"
    (bench.folder / "pyproject.toml").write_text(
        '[project]\nname = "the-project"\nversion = "0"\n'
        '[tool.uv]\nconfig-settings = { a = "1", b = ["2", "3"] }\n'
        '[tool.uv.extra-build-variables]\nmade = { MADE = "here" }\n'
    )
    bench.realise()
    told = bench.python("import made; print(made.TOLD)")
    assert told == "({'a': '1', 'b': ['2', '3']}, 'here')"
    assert builds(bench) == 2


REACHING = """
import socket
with socket.create_connection(("127.0.0.1", {port}), timeout=5) as connection:
    CODE = f"HEARD = {{connection.recv(5)!r}}"
"""


def test_a_build_may_use_the_network_where_the_user_says_so(bench: Bench, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        body = REACHING.format(port=server.getsockname()[1])

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.sendall(b"hello")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        lock(bench, sdist(tmp_path / "sdists", "made", body=body))
        assert isinstance(failure(bench), BuildFailed)
        assert isinstance(failure(bench, build_network=("other",)), BuildFailed)
        bench.realise(build_network=("made",))
        thread.join()
    assert bench.python("import made; print(made.HEARD)") == "b'hello'"


def test_another_reach_is_another_build(bench: Bench, tmp_path: Path) -> None:
    lock(bench, sdist(tmp_path / "sdists", "made"))
    bench.realise()
    bench.realise(clear=True, build_network=("other",))
    assert builds(bench) == 1
    bench.realise(clear=True, build_network=("made",))
    assert builds(bench) == 2


def test_tools_of_the_user_s_are_found_and_are_part_of_the_build(
    bench: Bench, tmp_path: Path
) -> None:
    tool = tmp_path / "tools/bin/a-tool"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\ncat $(dirname $0)/../share\n")
    tool.chmod(0o755)
    (tmp_path / "tools/share").write_text("one")
    body = (
        "import subprocess\nCODE = f'SAYS = {subprocess.check_output([\"a-tool\"], text=True)!r}'"
    )
    lock(bench, sdist(tmp_path / "sdists", "made", body=body))
    missing = failure(bench)
    assert isinstance(missing, BuildFailed)
    assert missing.cause == "there is no program `a-tool`"
    bench.realise(build_tools=(str(tmp_path / "tools"),))
    assert bench.python("import made; print(made.SAYS)") == "one"
    tool.write_text("#!/bin/sh\nprintf two\n")
    bench.realise(clear=True, build_tools=(str(tmp_path / "tools"),))
    assert bench.python("import made; print(made.SAYS)") == "two"


def test_what_is_missing_offline_is_told_at_once_for_wheels_and_for_builds(bench: Bench) -> None:
    archives = [
        Path(build_wheel(bench.folder.parent / "files", "ready", "1.0")),
        sdist(bench.folder.parent / "files", "made", requires=["tool"]),
    ]
    address = "https://index.example/files"
    lock(bench, *archives)
    text = (bench.folder / "uv.lock").read_text()
    for path in archives:
        text = text.replace(f'path = "{path.name}"', f'url = "{address}/{path.name}"')
    folder = os.path.relpath(archives[0].parent, bench.folder)
    (bench.folder / "uv.lock").write_text(
        text.replace(f'registry = "{folder}"', 'registry = "https://index.example/simple"')
    )
    error = failure(bench, offline=True)
    assert isinstance(error, MissingOffline)
    assert error.names == ("made-1.0.tar.gz", "ready-1.0-py3-none-any.whl")


def test_another_program_that_builds_is_looked_at_by_the_next_run(
    bench: Bench, tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    (tools / "bin").mkdir(parents=True)
    program = tools / "bin" / "tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    lock(bench, sdist(tmp_path / "files", "made"))
    watched = bench.realise(build_tools=(str(tools),)).watched
    assert watched is not None
    signatures = dict(watched.signatures)
    assert signatures[str(program)] == signature(str(program))
    program.write_text("#!/bin/sh\nexit 1\n")
    assert signatures[str(program)] != signature(str(program))
    assert signatures.keys() >= {"/usr/bin/cc", "/usr/bin/bwrap"}
