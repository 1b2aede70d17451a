"""Builds that do what no build should: each is refused or ended, and nothing of it is left behind.

Real source distributions with a backend of their own, really built. What a sandbox holds back in
detail is the affair of `tests/unit/sandbox`; here it is what the whole makes of it.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envbuild.errors import EnvbuildError, Problems, ResolutionError
from envbuild.events import SILENT
from envbuild.frozen import replace
from envbuild.maintenance.verify import verify_store
from envbuild.realise.build import BuildFailed
from envbuild.realise.remembered import remember
from envbuild.sandbox.identity import identity
from envbuild.sandbox.machine import Missing, SandboxUnavailable
from envbuild.sandbox.processes import descendants
from envbuild.store import layout
from envbuild.store.local import Store, StoreUnusable
from envbuild.workflows.build_log import find_log
from envbuild.workflows.options import BuildLimits
from support.own_backend import lock_archives, sdist
from support.processes import processes_with
from support.sandboxes import machine
from workflows.bench import Bench, bench_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RUNGS = ("bubblewrap", "namespaces", "landlock", "none")
REAL_RUNGS = RUNGS[:-1]
_DRAFT = re.compile(r"\.\d+-[0-9a-f]+$")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is remembered of this machine, found out once."""
    return str(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def bench(tmp_path: Path, cache: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Yield a project whose builds carry its path in a variable; see that nothing is left of them."""
    made = bench_in(tmp_path)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    limits = BuildLimits(seconds=60)
    options = replace(made.options, cache=cache, build_limits=limits)
    yield Bench(folder=made.folder, options=options)
    assert processes_of(tmp_path) == []
    assert os.listdir(temporary) == []
    assert [path for path in Path(cache).rglob("*") if _DRAFT.search(path.name)] == []
    assert_nothing_left(Path(made.options.store))


def processes_of(root: Path) -> list[int]:
    """Return the processes below this one, and those that carry the mark of a build of `root`."""
    return sorted({*descendants(os.getpid()), *processes_with(f"MARK={root}")})


def assert_nothing_left(path: Path) -> None:
    assert os.listdir(path / layout.STAGING) == ["partial"]
    for folder in (layout.PARTIAL, layout.RUNNING, layout.WORK_LOCKS):
        assert os.listdir(path / folder) == [], folder
    with Store.open(str(path)) as store:
        report = verify_store(store, reporter=SILENT, jobs=1)
    assert report.findings == ()
    assert report.leftovers == 0


def lock(bench: Bench, *archives: Path) -> None:
    lock_archives(bench.folder, *archives)
    names = (path.name.partition("-")[0] for path in archives)
    marks = "".join(f'{name} = {{ MARK = "{bench.folder.parent}" }}\n' for name in names)
    (bench.folder / "pyproject.toml").write_text(
        f'[project]\nname = "the-project"\nversion = "0"\n[tool.uv.extra-build-variables]\n{marks}'
    )


def hostile(bench: Bench, body: str, *, hook_body: str = "") -> None:
    lock(bench, sdist(bench.folder.parent / "sdists", "hostile", body=body, hook_body=hook_body))


def failure(bench: Bench, **options: object) -> EnvbuildError:
    """Return the error of a run, which leaves no environment; what is harmless is built afterwards."""
    with pytest.raises(EnvbuildError) as caught:
        bench.realise(**options)
    assert not bench.venv.exists()
    lock(bench, sdist(bench.folder.parent / "sdists", "harmless"))
    bench.realise(**{name: value for name, value in options.items() if name == "sandbox"})
    assert bench.python("import harmless; print(harmless.X)") == "1"
    return caught.value


def failures(
    bench: Bench,
    *,
    bodies: Mapping[str, str] | None = None,
    hook_bodies: Mapping[str, str] | None = None,
    **options: object,
) -> dict[str, EnvbuildError]:
    """Build several at once, each of which fails; return why, by what it is called here."""
    bodies, hook_bodies = bodies or {}, hook_bodies or {}
    names = {what: f"hostile{number}" for number, what in enumerate([*bodies, *hook_bodies])}
    lock(
        bench,
        *(
            sdist(
                bench.folder.parent / "sdists",
                name,
                body=bodies.get(what, ""),
                hook_body=hook_bodies.get(what, ""),
            )
            for what, name in names.items()
        ),
    )
    error = failure(bench, **options)
    assert isinstance(error, Problems)
    return {
        what: next(each for each in error.errors if re.search(rf"{name}\b", each.message))
        for what, name in names.items()
    }


def needs(rung: str) -> None:
    for missing in machine().missing:
        if missing.rung == rung:
            pytest.skip(f"{rung}: {missing.reason}")


HANGS = """
import signal, subprocess, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
for session in (True, False, True):
    subprocess.Popen(["sleep", "300"], start_new_session=session)
time.sleep(300)
"""

LIMITS: Mapping[str, tuple[str, BuildLimits, str, str]] = {
    "hangs": (HANGS, BuildLimits(seconds=1), "it took longer than 1s", "build-time-limit"),
    "fills its folder": (
        "for number in range(10**6): open(f'file-{number}', 'wb').write(bytes(10**6))",
        BuildLimits(disk=20 * 2**20),
        "its folder grew larger than 20MiB",
        "build-disk-limit",
    ),
    "fills one file": (
        "with open('file', 'wb') as file:\n    while True: file.write(bytes(10**6))",
        BuildLimits(disk=20 * 2**20),
        "its folder grew larger than 20MiB",
        "build-disk-limit",
    ),
    "fills a temporary folder": (
        (
            "import tempfile\nkept = [open(tempfile.mkstemp()[1], 'wb') for _ in range(100)]\n"
            "while True:\n    for file in kept: file.write(bytes(10**6))"
        ),
        BuildLimits(disk=20 * 2**20),
        "its folder grew larger than 20MiB",
        "build-disk-limit",
    ),
    "takes memory": (
        "import time\nheld = [bytearray(b'x' * 10**6) for _ in range(300)]\ntime.sleep(60)",
        BuildLimits(memory=200 * 2**20),
        "it used more than 200MiB of memory",
        "build-memory-limit",
    ),
    "prints for ever": (
        "while True: print('x' * 1000)",
        BuildLimits(output=2**20),
        "it printed more than 1MiB",
        "build-output-limit",
    ),
    "multiplies": (
        (
            "import time\ndeadline = time.monotonic() + 20\n"
            "made = os.open('made', os.O_CREAT | os.O_RDWR)\n"
            "while time.monotonic() < deadline and os.fstat(made).st_size < 400:\n"
            "    try:\n"
            "        if not os.fork(): os.getpid() % 2 and os.setsid()\n"
            "        os.write(made, b'x')\n"
            "    except OSError: pass\n"
            "time.sleep(60)"
        ),
        BuildLimits(processes=100),
        "it had more than 100 processes",
        "build-process-limit",
    ),
}


# What the supervisor looks at is the same on every rung; how all is ended is not.
ENDS = [(how, "bubblewrap") for how in LIMITS] + [
    (how, rung) for how in ("hangs", "multiplies", "takes memory") for rung in RUNGS[1:]
]


@pytest.mark.parametrize(("how", "rung"), ENDS)
def test_a_limit_ends_a_build_and_is_named_with_what_raises_it(
    bench: Bench, how: str, rung: str
) -> None:
    needs(rung)
    body, limits, reason, setting = LIMITS[how]
    hostile(bench, body)
    error = failure(bench, sandbox=rung, build_limits=limits)
    assert isinstance(error, BuildFailed)
    assert error.reason == reason
    assert error.hint is not None
    assert f"`--{setting} " in error.hint
    assert error.cause is None


def test_the_time_limit_is_for_all_hooks_together(bench: Bench) -> None:
    sleeps = "import time\ntime.sleep(1.2)"
    hostile(bench, sleeps, hook_body=sleeps)
    error = failure(bench, build_limits=BuildLimits(seconds=2))
    assert isinstance(error, BuildFailed)
    assert error.reason == "it took longer than 2s"


LEAVES = """
import subprocess, sys, textwrap, time
DAEMON = '''
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir("/")
for number in range(3): os.close(number)
open(sys.argv[1], "w").close()
time.sleep(300)
'''
there = os.path.abspath("there")
subprocess.run([sys.executable, "-c", textwrap.dedent(DAEMON), there], check=True)
for session in [True, False] * 15:
    subprocess.Popen(["sleep", "300"], start_new_session=session)
while not os.path.exists(there): time.sleep(0.01)
"""


@pytest.mark.parametrize("rung", RUNGS)
def test_what_a_build_leaves_running_is_ended_and_its_wheel_is_good(
    bench: Bench, rung: str
) -> None:
    needs(rung)
    hostile(bench, LEAVES)
    bench.realise(sandbox=rung)
    assert processes_of(bench.folder.parent) == []
    assert bench.python("import hostile; print(hostile.X)") == "1"


REACHES = """
import ctypes, glob, socket
done = []
def tried(what, action):
    try:
        found = action()
    except Exception as error:
        print(what, type(error).__name__, error)
    else:
        if found: done.append((what, repr(found)[:100]))
root = {root!r}
tried("network", lambda: socket.create_connection(("127.0.0.1", {port}), timeout=2))
tried("socket", lambda: socket.socket(socket.AF_UNIX).connect(root + "/socket") or True)
tried("home", lambda: open({home!r} + "/secret").read())
tried("own home", lambda: os.listdir(os.environ["HOME"]))
tried("outside", lambda: open(root + "/secret").read())
tried("write", lambda: open(root + "/project/evil", "w"))
tried("environment", lambda: open(os.path.dirname(sys.executable) + "/evil", "w"))
tried("lock", lambda: open(root + "/project/uv.lock", "a"))
tried("store", lambda: open(root + "/store/evil", "w"))
tried("blob", lambda: [open(path, "ab") for path in glob.glob(root + "/store/blobs/*/*")])
tried("other sources", lambda: [
    path for place in (".", "..", root + "/store/staging")
    for path in glob.glob(place + "/**/of_the_other", recursive=True)
])
tried("temporary", lambda: open("/tmp/" + {mark!r}, "w") and not os.path.exists("/build"))
CODE = f"DONE = {{done!r}}"
"""


@pytest.mark.parametrize("rung", REAL_RUNGS)
def test_nothing_but_its_own_is_within_reach(
    bench: Bench, rung: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs(rung)
    root = bench.folder.parent
    (root / "home").mkdir()
    for secret in (root / "secret", root / "home" / "secret"):
        secret.write_text("secret")
    monkeypatch.setenv("HOME", str(root / "home"))
    mark = f"evil-{os.getpid()}-{rung}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as named:
        monkeypatch.chdir(root)
        named.bind("socket")
        named.listen()
        body = "import sys\n" + REACHES.format(
            root=str(root), home=str(root / "home"), port=server.getsockname()[1], mark=mark
        )
        # The other one is being built meanwhile: it waits until this one has looked around.
        other = "import time\nopen('of_the_other', 'w').close()\ntime.sleep(3)"
        lock(
            bench,
            sdist(root / "sdists", "hostile", body=f"import time\ntime.sleep(1.5)\n{body}"),
            sdist(root / "sdists", "other", body=other),
        )
        bench.realise(sandbox=rung, concurrent_builds=2)
        for each in (server, named):
            each.settimeout(0)
            with pytest.raises(BlockingIOError):
                each.accept()
    assert bench.python("import hostile; print(hostile.DONE)") == "[]"
    assert not os.path.exists(f"/tmp/{mark}")
    assert not (bench.folder / "evil").exists()


ANSWERS: Mapping[str, str] = {
    "a pipe": "os.mkfifo(answer)",
    "a link": "os.symlink('/etc/passwd', answer)",
    "a folder": "os.mkdir(answer)",
    "nothing": "pass",
    "no JSON": "write('{{{')",
    "no text": "open(answer, 'wb').write(b'\\xff\\xfe{}')",
    "no object": "write('[]')",
    "no value": "write('{}')",
    "a number": "write('{\"return_val\": 1}')",
    "nested texts": 'write(\'{"return_val": [["a"]]}\')',
    "a hook that is missing": "write('{\"hook_missing\": true}')",
    "too deep": "write('[' * 10**6)",
    "too long": "write('\"' + 'x' * 2**23 + '\"')",
    "a lone half of a character": 'write(\'{"return_val": ["\\\\ud800"]}\')',
    "odd types": 'write(\'{"no_backend": true, "traceback": 3, "backend_error": []}\')',
    "a folder that leads elsewhere": (
        "import shutil; shutil.rmtree(sys.argv[2]); os.mkdir('elsewhere'); "
        "open('elsewhere/output.json', 'w').write('{\"return_val\": []}'); "
        "os.symlink(os.path.abspath('elsewhere'), sys.argv[2])"
    ),
    "no folder": "import shutil; shutil.rmtree(sys.argv[2]); open(sys.argv[2], 'w').close()",
}


def test_an_answer_that_makes_no_sense_is_a_failure_of_the_build(bench: Bench) -> None:
    before = (
        "import sys\nanswer = sys.argv[2] + '/output.json'\n"
        "def write(text): open(answer, 'w').write(text)\n"
    )
    hooks = {what: f"{before}{action}\nos._exit(0)" for what, action in ANSWERS.items()}
    # Who waits for a pipe waits for the limit.
    limits = BuildLimits(seconds=4)
    for what, error in failures(bench, hook_bodies=hooks, build_limits=limits).items():
        assert isinstance(error, BuildFailed), what
        expected = "cannot be imported" if what == "odd types" else "get_requires_for_build_wheel"
        assert expected in error.reason, what
        assert len(error.message) < 4000


LEFT: Mapping[str, str] = {
    "folders that are very deep": (
        "for _ in range(2100):\n    os.mkdir('d')\n    os.chdir('d')\nopen('file', 'w').close()"
    ),
    "folders that are closed": (
        "os.makedirs('a/b/c')\nopen('a/b/file', 'w').close()\n"
        "for path in ('a/b/c', 'a/b', 'a', '.', '..'): os.chmod(path, 0)"
    ),
    "links that lead out": (
        "os.symlink({kept!r}, 'link')\nos.symlink('/', 'root')\nos.symlink('.', 'loop')"
    ),
    "names that are no text": (
        "open(b'\\xff\\n\\x1b[31m', 'w').close()\nos.mkdir(b'\\xfe')\nos.mkfifo('pipe')"
    ),
    "others in place of its folders": (
        "import shutil\nos.chdir('..')\n"
        "for name in ('home', 'tmp'):\n"
        "    shutil.rmtree(name)\n    os.symlink({kept!r}, name)"
    ),
}


@pytest.mark.parametrize("rung", ["bubblewrap", "landlock"])
@pytest.mark.parametrize("what", LEFT)
def test_whatever_it_leaves_in_its_folder_is_removed(bench: Bench, what: str, rung: str) -> None:
    needs(rung)
    kept = bench.folder.parent / "kept"
    kept.mkdir()
    (kept / "file").touch()
    body = LEFT[what].replace("{kept!r}", repr(str(kept)))
    hostile(bench, f"{body}\nraise RuntimeError('done')", hook_body=body)
    assert isinstance(failure(bench, sandbox=rung), BuildFailed)
    assert os.listdir(kept) == ["file"]


WHEELS: Mapping[str, tuple[str, str]] = {
    "no archive": ("write(b'this is no wheel')", "-1.0-py3-none-any.whl`"),
    "nothing in it": ("write(b'')", "-1.0-py3-none-any.whl`"),
    "a hole of a terabyte": ("os.truncate(write(b''), 2**40)", "-1.0-py3-none-any.whl`"),
    "a file above it": ("pack('../../../evil.py')", "evil.py"),
    "a file anywhere": ("pack('/tmp/evil.py')", "evil.py"),
    "a folder": ("os.mkdir(wheel)", "is no file"),
    "a pipe": ("os.mkfifo(wheel)", "is no file"),
    "a folder that leads elsewhere": (
        (
            "os.rmdir(wheel_directory); os.mkdir('elsewhere'); "
            "os.symlink(os.path.abspath('elsewhere'), wheel_directory); write(b'')"
        ),
        "is no folder any more",
    ),
    "a name that is no text": (
        "open(os.fsencode(wheel_directory) + b'/\\xff.whl', 'w').close(); return '\\udcff.whl'",
        "neither a text nor a list of texts",
    ),
    "a name with a line's end": (
        "open(wheel_directory + '/a\\n.whl', 'w').close(); return 'a\\n.whl'",
        "neither a text nor a list of texts",
    ),
    "a name of another": (
        (
            "open(wheel_directory + '/a-1.0-py3-none-any.whl', 'w').close(); "
            "return 'a-1.0-py3-none-any.whl'"
        ),
        "is no wheel of `hostile",
    ),
    "a hundred wheels": (
        "[open(f'{wheel_directory}/{n}.whl', 'w').close() for n in range(100)]",
        "expected one wheel",
    ),
}

WHEEL = """
name = f"{NAME}-1.0-py3-none-any.whl"
wheel = os.path.join(wheel_directory, name)
def write(data):
    with open(wheel, "wb") as file: file.write(data)
    return wheel
def pack(path):
    with zipfile.ZipFile(wheel, "w") as archive:
        for each, text in {
            path: "X = 1", f"{NAME}-1.0.dist-info/METADATA":
                "Metadata-Version: 2.1\\nName: " + NAME + "\\nVersion: 1.0\\n",
            f"{NAME}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n",
            f"{NAME}-1.0.dist-info/RECORD": "",
        }.items():
            archive.writestr(each, text)
"""


def test_what_is_no_wheel_is_refused(bench: Bench) -> None:
    bodies = {what: f"{WHEEL}{action}\nreturn name" for what, (action, _) in WHEELS.items()}
    for what, error in failures(bench, bodies=bodies).items():
        assert WHEELS[what][1] in error.message, what
        assert len(error.message) < 4000


def test_a_wheel_that_unpacks_to_too_much_is_refused(bench: Bench) -> None:
    hostile(bench, "CODE = 'X = 1\\n' * 10**6")
    error = failure(bench, unpack_limit=10**6)
    assert "hostile-1.0-py3-none-any.whl" in error.message


REQUIREMENTS: Mapping[str, str] = {
    "no requirement": "'!!'",
    "a file": "'a @ file:///etc/passwd'",
    "a path above": "'../../../etc'",
    "an option": "'--index-url=https://index.example'",
    "a line more": "'a\\n--no-deps'",
    "a name that is nowhere": "'a-name-that-is-nowhere'",
    "much": "'x' * 10**6",
}


def test_what_a_backend_asks_for_is_not_trusted(bench: Bench) -> None:
    hooks = {what: f"return [{text}]" for what, text in REQUIREMENTS.items()}
    for what, error in failures(bench, hook_bodies=hooks, offline=True).items():
        assert isinstance(error, BuildFailed | ResolutionError), what
        assert len(error.message) < 4000, what


def test_a_megabyte_of_output_is_kept_and_not_told(bench: Bench) -> None:
    body = "import sys\nsys.stdout.write('y' * 2**20 + '\\n' + 'line\\n' * 2**17)\n"
    hostile(bench, body)
    bench.realise()
    with Store.open(bench.options.store) as store:
        assert Path(find_log(store, "hostile").path).read_text().count("y" * 2**20) == 1
    hostile(bench, f"{body}sys.stdout.write('z' * 2**20)\nsys.stdout.flush()\nos._exit(3)")
    bench.venv.rename(bench.folder / "kept")
    error = failure(bench)
    assert isinstance(error, BuildFailed)
    assert error.reason == "`build_wheel` ended with exit status 3"
    assert len(error.message) < 10_000
    assert Path(error.log).stat().st_size > 2**21


@pytest.mark.skipif(
    os.geteuid() != 0 and "CI" not in os.environ, reason="only root may mount a file system"
)
@pytest.mark.parametrize("how", ["files", "output"])
def test_a_disk_that_a_build_fills_is_free_again(bench: Bench, tmp_path: Path, how: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", disk], check=True)
    try:
        small = Bench(folder=bench.folder, options=replace(bench.options, store=str(disk / "s")))
        hostile(
            small,
            "while True: print('x' * 10_000)" if how == "output" else LIMITS["fills its folder"][0],
        )
        error = failure(small)
        assert isinstance(error, BuildFailed | StoreUnusable)
        assert "No space left on device" in error.message
        assert_nothing_left(disk / "s")
        # The store of the fixture is looked at as well.
        bench.realise()
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_what_fails_at_once_does_not_end_the_others(bench: Bench) -> None:
    folder = bench.folder.parent / "sdists"
    slow = "import time\ntime.sleep(1)"
    lock(bench, sdist(folder, "hostile", body="os.kill(0, 9)"), sdist(folder, "slow", body=slow))
    error = failure(bench, concurrent_builds=2)
    assert isinstance(error, BuildFailed)
    assert "signal 9" in error.reason
    lock(bench, folder / "slow-1.0.tar.gz")
    started = time.monotonic()
    bench.realise()
    assert builds(bench, "slow") == 1
    assert time.monotonic() - started < 60


def builds(bench: Bench, name: str) -> int:
    """Return how often a package has been built with success."""
    with Store.open(bench.options.store) as store:
        return sum(
            json.loads(store.read(path) or b"").get("name", "").startswith(f"{name}-1.0-py3")
            for path in store.walk(layout.REALISATIONS)
        )


def test_limits_are_not_in_what_a_wheel_is_known_by_and_the_level_is(bench: Bench) -> None:
    lock(bench, sdist(bench.folder.parent / "sdists", "harmless"))
    bench.realise()
    limits = BuildLimits(seconds=99, memory=2**30, disk=2**30, output=2**20, processes=999)
    bench.realise(clear=True, build_limits=limits, concurrent_builds=1)
    assert builds(bench, "harmless") == 1
    bench.realise(clear=True, sandbox="none")
    assert builds(bench, "harmless") == 2


def test_where_no_sandbox_seals_nothing_is_built_if_one_is_required(
    bench: Bench, tmp_path: Path
) -> None:
    weak = replace_machine(
        Missing(rung="bubblewrap", reason="no `bwrap`", remedy="install it"),
        Missing(rung="namespaces", reason="refused", remedy=None),
    )
    remember(f"{tmp_path}/weak/builds/sandboxes.json", list(identity()), weak)
    lock(bench, sdist(tmp_path / "sdists", "harmless"))
    with pytest.raises(SandboxUnavailable) as caught:
        bench.realise(sandbox="require", cache=str(tmp_path / "weak"))
    assert caught.value.accepted == ("bubblewrap", "namespaces")
    assert caught.value.hint == "install it"
    if "landlock" in machine().rungs:
        assert caught.value.working == ("landlock", "none")
        bench.realise(sandbox="auto", cache=str(tmp_path / "weak"))
        assert builds(bench, "harmless") == 1


def replace_machine(*missing: Missing) -> dict[str, Any]:
    """Return this machine in the form in which it is remembered, with less than it has."""
    lacking = {each.rung: each for each in (*machine().missing, *missing)}
    rows = [[each.rung, each.reason, each.remedy] for each in lacking.values()]
    return {**machine().as_json(), "missing": rows}
