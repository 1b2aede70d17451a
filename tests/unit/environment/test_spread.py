"""Where the files of a wheel go, held against what `installer` does with the same wheel."""

from __future__ import annotations

import csv
import dataclasses
import marshal
import os
import posixpath
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from envbuild.environment.placement import Placement
from envbuild.environment.scheme import scheme_folders, unit_for
from envbuild.environment.spread import PlaceReserved, PlaceTaken, UnusableWheel
from envbuild.environment.written import written_files
from envbuild.errors import Problems
from envbuild.frozen import replace
from envbuild.store.tree import Entry, Tree
from support.trees import Unpacked, installed, unpacked, unpacked_wheel
from support.wheels import build_wheel
from unit.target.recorded import LINUX_313

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEME = LINUX_313.scheme
SITE = "lib/python3.13/site-packages"
SPLIT = replace(SCHEME, platlib="platform/modules")
"""A scheme in which it shows what is taken for pure."""

WHEEL = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"


def wheel(files: Mapping[str, bytes] | None = None, **named: str) -> Unpacked:
    """Return a minimal wheel of `demo`; keywords are files of its `.dist-info` folder."""
    info = {
        f"demo-1.dist-info/{name.replace('__', '.')}": text.encode() for name, text in named.items()
    }
    return unpacked({"demo-1.dist-info/WHEEL": WHEEL, **info, **(files or {})})


def linked(placement: Placement) -> set[str]:
    return {
        name if folder == "." else f"{folder}/{name}"
        for folder, files in placement.links
        for name, _, _ in files
    }


def by_installer(
    path: str, prefix: Path, metadata: dict[str, bytes]
) -> dict[str, tuple[bytes, bool]]:
    """Return what `installer` makes of the wheel at `path` in an environment at `prefix`."""
    with WheelFile.open(Path(path)) as source:
        destination = SchemeDictionaryDestination(
            {
                "purelib": str(prefix / SPLIT.purelib),
                "platlib": str(prefix / SPLIT.platlib),
                "scripts": str(prefix / SPLIT.scripts),
                "data": str(prefix),
                "headers": str(prefix / SPLIT.headers / source.distribution.replace("_", "-")),
            },
            interpreter=f"{prefix}/bin/python",
            script_kind="posix",
        )
        install(source, destination, metadata)
    files = {}
    for folder, _, names in os.walk(prefix):
        for name in names:
            file = os.path.join(folder, name)
            with open(file, "rb") as stream:
                data = stream.read()
            files[os.path.relpath(file, prefix)] = data, bool(os.stat(file).st_mode & stat.S_IXUSR)
    return files


def without_order(files: dict[str, tuple[bytes, bool]]) -> dict[str, object]:
    """Replace the text of RECORD by its rows; `installer` sorts them by another rule."""
    result: dict[str, object] = dict(files)
    for path, (data, executable) in files.items():
        if path.endswith(".dist-info/RECORD"):
            rows = [tuple(row) for row in csv.reader(data.decode().splitlines())]
            assert len(rows) == len(set(rows))
            result[path] = frozenset(rows), executable
    return result


def assert_installed_as_by_installer(
    path: str, distribution: str, prefix: Path, metadata: dict[str, bytes]
) -> None:
    wheel = unpacked_wheel(path)
    placement = wheel.place(distribution, SPLIT)
    written = written_files(
        placement,
        prefix=str(prefix),
        scripts=SPLIT.scripts,
        requested="REQUESTED" in metadata,
        direct_url=metadata.get("direct_url.json"),
        uv_cache=metadata.get("uv_cache.json"),
    )
    ours = installed(placement, wheel.blobs, written)
    assert without_order(ours) == without_order(by_installer(path, prefix, metadata))
    folders = {os.path.dirname(file) for file in ours} - {"", SPLIT.purelib, SPLIT.platlib, "bin"}
    assert folders <= set(placement.folders)
    assert list(placement.folders) == sorted(placement.folders)


NAMES = st.text(
    st.sampled_from("abz019 ,;\"'éß環#%&()[]{}+=~@!$^`-_."), min_size=1, max_size=6
).filter(lambda name: name.strip(". ") == name)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CONTENTS = st.sampled_from([b"", b"x = 1\n", b"\0binary\xff", b"#!python\r\nprint()\r\n"])
SCRIPTS = st.sampled_from(
    [b"#!python\nprint()\n", b"#!pythonw -s\n", b"#!python", b"#!/bin/sh\n:\n", b"\x7fELF", b""]
)
IDENTIFIERS = st.sampled_from(["main", "a.b", "Class.method", "déjà"])


def free_of_conflicts(paths: set[str]) -> bool:
    """Tell whether no path is a folder of another."""
    return not any(other.startswith(f"{path}/") for path in paths for other in paths)


@st.composite
def wheels(draw: st.DrawFn) -> dict[str, Any]:
    files = draw(
        st.dictionaries(PATHS, CONTENTS, max_size=5).filter(lambda d: free_of_conflicts(set(d)))
    )
    data: dict[str, bytes] = {}
    for key in draw(st.sets(st.sampled_from(["purelib", "platlib", "headers", "data"]))):
        extra = draw(
            st.dictionaries(PATHS, CONTENTS, max_size=3).filter(lambda d: free_of_conflicts(set(d)))
        )
        data |= {f"{key}/{key}-{path}": content for path, content in extra.items()}
    for name, content in draw(st.dictionaries(NAMES, SCRIPTS, max_size=3)).items():
        data[f"scripts/script-{name}"] = content
    commands = st.dictionaries(
        st.sampled_from(["run", "run-it", "Run.IT", "déjà-vu"]),
        st.tuples(IDENTIFIERS, IDENTIFIERS).map(lambda pair: f"pkg.{pair[0]}:{pair[1]} [extra]"),
        max_size=3,
    )
    entry_points = draw(
        st.none()
        | st.fixed_dictionaries({"console_scripts": commands, "other": st.just({"x": "y"})})
        | st.fixed_dictionaries({"gui_scripts": commands})
    )
    return {
        "files": files,
        "data": data,
        "entry_points": entry_points,
        "tag": draw(st.sampled_from(["py3-none-any", "cp313-cp313-linux_x86_64"])),
    }


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    wheels(),
    st.booleans(),
    st.none() | st.just(b'{"url":"x"}'),
    st.sampled_from(["p", "s p", "l" * 99]),
)
def test_every_wheel_is_installed_as_installer_does_it(
    tmp_path_factory: pytest.TempPathFactory,
    described: dict[str, Any],
    requested: bool,
    direct_url: bytes | None,
    prefix: str,
) -> None:
    folder = tmp_path_factory.mktemp("case")
    if any(text.startswith(b"#!python") for text in described["data"].values()):
        prefix = "p"  # `installer` rewrites scripts to a plain line even where that cannot work
    path = build_wheel(folder, "Demo.Wheel", "1.0", **described)
    metadata = {"INSTALLER": b"envbuild\n"}
    if requested:
        metadata["REQUESTED"] = b""
    if direct_url is not None:
        metadata["direct_url.json"] = direct_url
        metadata["uv_cache.json"] = b"{}"
    assert_installed_as_by_installer(path, "demo-wheel", folder / prefix, metadata)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wheels(), st.data())
def test_what_is_left_to_others_is_missing_and_nothing_else_changes(
    tmp_path_factory: pytest.TempPathFactory, described: dict[str, Any], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("case")
    wheel = unpacked_wheel(build_wheel(folder, "demo", "1.0", **described))

    def parts(excluded: tuple[str, ...]) -> tuple[Placement, dict[str, object], set[object]]:
        placement = wheel.place("demo", SPLIT, excluded=excluded)
        written = written_files(
            placement, prefix="/p", scripts="bin", requested=True, direct_url=None
        )
        files = without_order(installed(placement, wheel.blobs, written))
        rows: Any = files.pop(f"{placement.info}/RECORD")
        return placement, files, set(rows[0])

    whole, files, rows = parts(())
    choice = st.sets(st.sampled_from(sorted(linked(whole) | {path for path, _ in whole.launchers})))
    excluded = tuple(sorted(data.draw(choice)))
    part, files_left, rows_left = parts(excluded)
    assert part.excluded == excluded
    assert files_left == {path: file for path, file in files.items() if path not in excluded}
    site = posixpath.dirname(whole.info)
    gone = {posixpath.relpath(path, site) for path in excluded}
    assert rows_left == {row for row in rows if row[0] not in gone}  # type: ignore[index]
    kept = linked(part) | {path for path, _ in part.launchers}
    assert part.units == tuple(sorted({unit_for(path, scheme_folders(SPLIT)) for path in kept}))
    assert Placement.from_tuple(marshal.loads(marshal.dumps(part.as_tuple()))) == part


def test_the_files_that_speak_of_an_installation_are_left_behind() -> None:
    left = {
        f"demo-1.dist-info/{name}": b"theirs"
        for name in (
            "INSTALLER",
            "RECORD",
            "RECORD.jws",
            "RECORD.p7s",
            "REQUESTED",
            "direct_url.json",
            "uv_build.json",
            "uv_cache.json",
        )
    }
    kept = {"demo-1.dist-info/licenses/RECORD": b"", "demo/RECORD": b"", "other.dist-info.txt": b""}
    placement = wheel(left | kept).place("demo", SCHEME)
    assert linked(placement) == {f"{SITE}/{path}" for path in [*kept, "demo-1.dist-info/WHEEL"]}


def test_bytecode_is_left_behind() -> None:
    files = {
        "demo/__pycache__/demo.cpython-313.pyc": b"",
        "demo/legacy.pyc": b"",
        "demo-1.data/purelib/__pycache__/other.pyc": b"",
    }
    placement = wheel(files).place("demo", SCHEME)
    assert linked(placement) == {f"{SITE}/demo/legacy.pyc", f"{SITE}/demo-1.dist-info/WHEEL"}
    assert not any("__pycache__" in folder for folder in placement.folders)


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("Wheel-Version: 1.0\nRoot-Is-Purelib: true", SITE),
        ("wheel-version:1.9\nROOT-IS-PURELIB:True", SITE),
        ("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nRoot-Is-Purelib: false", SITE),
        ("Wheel-Version: 1.0\nRoot-Is-Purelib: false", SPLIT.platlib),
        ("Wheel-Version: 0.1", SPLIT.platlib),
    ],
)
def test_the_wheel_says_where_its_root_is(text: str, folder: str) -> None:
    placement = unpacked({"demo-1.dist-info/WHEEL": text.encode()}).place("demo", SPLIT)
    assert placement.info == f"{folder}/demo-1.dist-info"


def test_files_are_spread_by_their_keys() -> None:
    keys = {
        "purelib/a.py": f"{SITE}/a.py",
        "platlib/b.py": "platform/modules/b.py",
        "scripts/c": "bin/c",
        "scripts/deep/d": "bin/deep/d",
        "headers/e.h": "include/site/python3.13/demo/e.h",
        "data/share/f": "share/f",
        "data/g": "g",
        "data/bin/h": "bin/h",
    }
    placement = wheel({f"demo-1.data/{path}": path.encode() for path in keys}).place("demo", SPLIT)
    assert linked(placement) == {*keys.values(), f"{SITE}/demo-1.dist-info/WHEEL"}
    assert placement.units == (
        "bin/c",
        "bin/deep",
        "bin/h",
        "g",
        "include/site/python3.13/demo",
        f"{SITE}/a.py",
        f"{SITE}/demo-1.dist-info",
        "platform/modules/b.py",
        "share",
    )
    assert placement.folders == (
        "bin/deep",
        "include",
        "include/site",
        "include/site/python3.13",
        "include/site/python3.13/demo",
        f"{SITE}/demo-1.dist-info",
        "share",
    )


def test_lib64_is_lib() -> None:
    fedora = replace(SCHEME, platlib="lib64/python3.13/site-packages")
    files = {
        "demo/a.py": b"",
        "demo-1.data/data/lib64/b": b"",
        "demo-1.data/platlib/demo/c.py": b"",
        "demo-1.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\n",
    }
    placement = unpacked(files).place("demo", fedora)
    assert linked(placement) == {
        "lib/b",
        f"{SITE}/demo/a.py",
        f"{SITE}/demo/c.py",
        f"{SITE}/demo-1.dist-info/WHEEL",
    }


def test_an_entry_point_stands_before_the_scripts_made_for_it() -> None:
    scripts = ("run", "run.exe", "run-script.py", "run.pya", "RUN.EXE", "run2", "run.py")
    files = {f"demo-1.data/scripts/{name}": b"old" for name in scripts}
    placement = wheel(files, entry_points__txt="[console_scripts]\nrun = m:f\n").place(
        "demo", SCHEME
    )
    assert [path for path, _ in placement.launchers] == ["bin/run"]
    assert {path for path in linked(placement) if path.startswith("bin/")} == {
        "bin/RUN.EXE",
        "bin/run.py",
        "bin/run2",
    }


@pytest.mark.parametrize(
    ("distribution", "names", "expected"),
    [
        ("pip", "pip pip3", "pip pip3 pip3.13"),
        ("pip", "pip pip3 pip3.9", "pip pip3 pip3.13"),
        ("pip", "pip", "pip"),
        ("other", "pip3 pip3.9", "pip3 pip3.9"),
    ],
)
def test_pip_has_a_command_for_this_version(distribution: str, names: str, expected: str) -> None:
    text = "[console_scripts]\n" + "".join(f"{name} = pip:main\n" for name in names.split())
    placement = wheel(entry_points__txt=text).place(distribution, SCHEME)
    assert [path for path, _ in placement.launchers] == [f"bin/{name}" for name in expected.split()]


def test_two_files_of_one_content_may_share_a_place() -> None:
    files = {"a.py": b"1", "demo-1.data/purelib/a.py": b"1", "demo-1.data/platlib/a.py": b"1"}
    text = "[console_scripts]\nrun = m:f\n[gui_scripts]\nrun = m:f\n"
    placement = wheel(files, entry_points__txt=text).place("demo", SCHEME)
    assert f"{SITE}/a.py" in linked(placement)
    assert len(placement.launchers) == 1
    assert b"".join(placement.record).count(b"a.py") == 1


INFO = f"{SITE}/demo-1.dist-info"
ENTRY_POINTS = "demo-1.dist-info/entry_points.txt"


@pytest.mark.parametrize(
    ("files", "entry_points", "path", "sources"),
    [
        (
            {"a.py": b"1", "demo-1.data/purelib/a.py": b"2"},
            "",
            f"{SITE}/a.py",
            ("a.py", "demo-1.data/purelib/a.py"),
        ),
        (
            {"demo-1.data/data/bin/x": b"1"},
            "[console_scripts]\nx = m:f",
            "bin/x",
            (ENTRY_POINTS, "demo-1.data/data/bin/x"),
        ),
        (
            {},
            "[console_scripts]\nx = m:f\n[gui_scripts]\nx = m:g",
            "bin/x",
            (ENTRY_POINTS, ENTRY_POINTS),
        ),
        (
            {"a/b": b"", "demo-1.data/purelib/a": b""},
            "",
            f"{SITE}/a",
            ("demo-1.data/purelib/a", "a/b"),
        ),
        (
            {"demo-1.data/data/bin/x": b"1", "demo-1.data/scripts/x": b"1"},
            "",
            "bin/x",
            ("demo-1.data/data/bin/x", "demo-1.data/scripts/x"),
        ),
    ],
)
def test_two_files_of_unequal_content_on_one_place_are_named(
    files: dict[str, bytes], entry_points: str, path: str, sources: tuple[str, str]
) -> None:
    with pytest.raises(PlaceTaken) as caught:
        wheel(files, entry_points__txt=entry_points).place("demo", SCHEME)
    assert (caught.value.path, (caught.value.first, caught.value.second)) == (path, sources)
    assert "`{}` and `{}`".format(*sources) in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "pyvenv.cfg",
        "PyVenv.cfg",
        ".envbuild",
        ".envbuild/state.json",
        ".gitignore",
        "CACHEDIR.TAG",
        "lib64",
        "bin/python",
        "bin/python3",
        "bin/python3.13",
        "bin/Python3.13t",
        "bin/python.exe",
        "bin/python3.py",
        "bin/python/below",
        "bin/pythonw",
        "bin/pypy3.10",
        "bin/graalpy",
        "bin/activate",
        "bin/ACTIVATE.fish",
        "bin/activate_this.py",
        "bin/deactivate.bat",
        "bin/pydoc.bat",
        "bin",
        "lib/python3.13",
        SITE,
        f"{INFO}/RECORD",
        f"{INFO}/INSTALLER",
        f"{INFO}/direct_url.json",
    ],
)
def test_what_belongs_to_the_environment_is_no_wheels_to_take(path: str) -> None:
    with pytest.raises(PlaceReserved) as caught:
        wheel({f"demo-1.data/data/{path}": b""}).place("demo", SCHEME)
    assert caught.value.path == path
    assert caught.value.source == f"demo-1.data/data/{path}"


@pytest.mark.parametrize(
    "path",
    [
        "bin/python-config",
        "bin/python3-config",
        "bin/pythonic",
        "bin/activate-env",
        "bin/pydoc",
        "bin/sub/python",
        "share/pyvenv.cfg",
        "pyvenv.cfg.d/x",
        "lib/lib64/x",
        f"{SITE}/python",
    ],
)
def test_what_only_looks_like_it_is_allowed(path: str) -> None:
    assert path in linked(wheel({f"demo-1.data/data/{path}": b""}).place("demo", SCHEME))


def test_everything_that_is_wrong_is_said_at_once() -> None:
    files = {"demo-1.data/scripts/python3": b"#!python\n"}
    with pytest.raises(Problems) as caught:
        wheel(files, entry_points__txt="[console_scripts]\npython = m:f\n").place("demo", SCHEME)
    first, second = caught.value.errors
    assert str(first) == (
        "the wheel of `demo` may not install `demo-1.dist-info/entry_points.txt` as `bin/python`: "
        "it is the name of an interpreter"
    )
    assert isinstance(second, PlaceReserved)
    assert second.path == "bin/python3"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"demo.py": b""}, "it must have one `.dist-info` folder, found none"),
        (
            {"a.dist-info/WHEEL": b"", "b.dist-info/WHEEL": b""},
            "it must have one `.dist-info` folder, found `a.dist-info`, `b.dist-info`",
        ),
        ({"a.dist-info/METADATA": b""}, "`a.dist-info` has no `WHEEL`"),
        ({"a.dist-info/WHEEL": b"\xff"}, "`a.dist-info/WHEEL` is not UTF-8"),
        ({"a.dist-info/WHEEL": b"Tag: x"}, "it has version `` of the wheel format, known is 1"),
        (
            {"a.dist-info/WHEEL": b"Wheel-Version: 2.0"},
            "it has version `2.0` of the wheel format, known is 1",
        ),
        (
            {"a.dist-info/WHEEL": WHEEL, "a.data/lib/x": b""},
            "`a.data/lib/x` is below none of `data`, `headers`, `platlib`, `purelib`, `scripts`",
        ),
        ({"a.dist-info/WHEEL": WHEEL, "a.data/data": b""}, "`a.data/data` is below none of"),
        (
            {"a.dist-info/WHEEL": WHEEL, "a.dist-info/entry_points.txt": b"[console_scripts]\nx"},
            "`a.dist-info/entry_points.txt` cannot be read",
        ),
        (
            {"a.dist-info/WHEEL": WHEEL, "a.dist-info/entry_points.txt": b"[gui_scripts]\nx=m"},
            "`a.dist-info/entry_points.txt` cannot be read: no object reference",
        ),
        (
            {
                "a.dist-info/WHEEL": WHEEL,
                "a.dist-info/entry_points.txt": b"[gui_scripts]\n../x=m:f",
            },
            "its entry point `'../x'` has a name that no file can have",
        ),
        (
            {"a.dist-info/WHEEL": WHEEL, "a.dist-info/entry_points.txt": b"[gui_scripts]\n..=m:f"},
            "its entry point `'..'` has a name that no file can have",
        ),
    ],
)
def test_what_is_no_wheel_is_refused_with_the_reason(files: dict[str, bytes], reason: str) -> None:
    with pytest.raises(UnusableWheel) as caught:
        unpacked(files).place("demo", SCHEME)
    assert caught.value.reason.startswith(reason)


def test_a_symbolic_link_is_refused() -> None:
    link = Entry(path="a", kind="symlink", digest=None, sha256=None, size=None, target="b")
    found = wheel()
    with pytest.raises(UnusableWheel, match="`a` is a symbolic link"):
        dataclasses.replace(found, tree=Tree.of([*found.tree.entries, link])).place("demo", SCHEME)


def test_empty_files_are_among_the_links() -> None:
    placement = wheel({"demo/__init__.py": b"", "demo/py.typed": b""}).place("demo", SCHEME)
    sizes = {name: size for _, files in placement.links for name, _, size in files}
    assert sizes["__init__.py"] == sizes["py.typed"] == 0


def test_executable_files_are_linked_from_executable_blobs() -> None:
    found = unpacked({"demo-1.dist-info/WHEEL": WHEEL, "a": b"1", "b": b"1"}, executable=["b"])
    placement = found.place("demo", SCHEME)
    blobs = {name: blob for _, files in placement.links for name, blob, _ in files}
    assert blobs["b"] == f"{blobs['a']}.x"


def through_marshal(placement: Placement) -> Placement:
    values: Any = placement.as_tuple()
    return Placement.from_tuple(marshal.loads(marshal.dumps(values)))


@given(wheels(), wheels())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_placement_keeps_its_promises(
    tmp_path_factory: pytest.TempPathFactory, first: dict[str, Any], second: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("case")
    placements = [
        unpacked_wheel(build_wheel(folder, name, "1", **described)).place(name, SPLIT)
        for name, described in (("one", first), ("two", second))
    ]
    for placement in placements:
        assert through_marshal(placement) == placement
        assert list(placement.units) == sorted(set(placement.units))
        folders = [folder for folder, _ in placement.links]
        assert folders == sorted(set(folders))
        assert "" not in folders
        files = linked(placement) | {path for path, _ in placement.launchers}
        for path in files:
            assert sum(path == unit or path.startswith(f"{unit}/") for unit in placement.units) == 1
        for unit in placement.units:
            assert any(path == unit or path.startswith(f"{unit}/") for path in files)
            assert unit not in scheme_folders(SPLIT)
    for one in placements[0].units:
        assert not any(f"{two}/".startswith(f"{one}/") for two in placements[1].units if two != one)
        assert not any(f"{one}/".startswith(f"{two}/") for two in placements[1].units if two != one)
