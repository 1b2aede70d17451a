"""`envbuild explain` and `envbuild rebuild`, as people and programs see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.own_backend import lock_archives, sdist

if TYPE_CHECKING:
    from cli.desk import Desk

RANDOM = "CODE = f'X = 1\\nTOKEN = {os.urandom(8).hex()!r}\\n'"


def lock_sdist(desk: Desk, *, body: str = "", code: str = "X = 1") -> None:
    lock_archives(desk.project, sdist(desk.root / "sdists", "made", body=body, code=code))


@pytest.fixture
def built(desk: Desk) -> Desk:
    """Return a desk whose project has a package that was built."""
    lock_sdist(desk)
    desk.run("realize")
    return desk


def test_what_decides_a_built_wheel_is_shown(built: Desk) -> None:
    out = built.run("explain", "made").out
    lines = out.splitlines()
    assert lines[0] == "made 1.0 is built from `made-1.0.tar.gz`"
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines[1:] if line.strip()}
    whole = built.run("explain", "made", "--json").json
    assert rows["Key"] == whole["key"][:12]
    (outcome,) = whole["outcomes"]
    assert rows["Entry"] == f"{outcome['entry'][:12]}, made-1.0-py3-none-any.whl"
    assert rows["Log"] == outcome["log"]
    assert outcome["isolation"] in {"sealed", "confined", "bare"}
    assert f"{outcome['isolation']} ({outcome['sandbox']})" in rows["Built"]
    assert rows["Sources"].endswith(f"the lock, {built.project}/uv.lock")
    assert rows["Backend"].startswith("own, from .  ")
    assert whole["resolved"]["kind"] == "build-wheel"
    assert {each["who"] for each in whole["inputs"]} >= {"lock", "sources", "machine", "envbuild"}
    assert whole["key"] in built.run("explain", "made", "-v").out
    assert "Compared with" not in out


def test_a_wheel_is_said_to_be_one(desk: Desk) -> None:
    desk.run("realize")
    out = desk.run("explain", "ant").out
    assert out.startswith("ant 1.0 comes as the wheel `ant-1.0-py3-none-any.whl`: nothing is built")
    found = desk.run("explain", "ant==1.0", "--json").json
    assert (found["built"], found["unknown"]) == (False, None)
    assert found["outcomes"][0]["sandbox"] is None


def test_what_has_to_be_built_anew_is_explained(built: Desk) -> None:
    (built.project / "pyproject.toml").write_text(
        '[project]\nname = "the-project"\nversion = "0"\n'
        '[tool.uv.extra-build-variables]\nmade = { MODE = "fast" }\n'
    )
    out = built.run("explain", "made").out
    assert "Built  not yet; `envbuild realize` does it\n" in out
    assert out.endswith("\n  variable `MODE` is new: fast\n")
    found = built.run("explain", "made", "--json").json
    assert found["outcomes"] == []
    assert found["compared"]["differences"] == [
        {
            "place": "variables[MODE]",
            "before": None,
            "after": {"value": "fast"},
            "follows": False,
            "words": "variable `MODE` is new: fast",
        }
    ]
    key = found["compared"]["with"]["key"]
    built.run("realize")
    for which in ("last", key[:8]):
        assert "variable `MODE` is new: fast" in built.run("explain", "made", "--since", which).out


def test_sources_that_changed_are_named(built: Desk) -> None:
    lock_sdist(built, code="X = 2")
    built.run("realize")
    out = built.run("explain", "made", "--since=last").out
    assert out.endswith("\n  the source tree differs: own.py changed\n")


def test_another_lockfile_can_be_named(built: Desk) -> None:
    elsewhere = built.root / "elsewhere"
    elsewhere.mkdir()
    out = built.run("explain", "made", "--lockfile", "../project", cwd=elsewhere).out
    assert f"the lock, {built.project}/uv.lock" in out
    built.run("rebuild", "made", "--check", "--lockfile", "../project/uv.lock", cwd=elsewhere)


def test_errors_say_what_to_do(built: Desk) -> None:
    unknown = built.run("explain", "maid", code=1).err
    assert unknown == (
        f"error: `maid`: `{built.project}/uv.lock` has no such package\n"
        "  hint: did you mean `made`?\n"
    )
    other = built.run("explain", "made", "--since", "last", code=2).err
    expected = "error: the store has no other realisation of `made` to compare with\n"
    assert other == expected
    nothing = built.run("explain", "made", "--store", "nowhere", code=1).err
    assert "there is no store at" in nothing
    assert "hint: `envbuild realize` makes one" in nothing
    missing = built.run("rebuild", code=2).err
    assert missing == "error: PACKAGE is missing\n"


def test_the_same_wheel_is_the_same(built: Desk) -> None:
    for options in ((), ("--check",)):
        ended = built.run("rebuild", "made", *options)
        assert ended.out.startswith("Rebuilt made 1.0 in ")
        assert ": the same, " in ended.out
    found = built.run("rebuild", "made", "--json").json
    assert (found["equal"], found["files"]) == (True, [])
    assert found["before"] == found["after"]


def test_another_wheel_is_shown_file_by_file(desk: Desk) -> None:
    lock_sdist(desk, body=RANDOM)
    desk.run("realize")
    ended = desk.run("rebuild", "made")
    lines = ended.out.splitlines()
    assert lines[0].endswith(": not the same")
    assert lines[1] == "  ~ made.py, from line 2 on"
    assert lines[2].startswith("      - TOKEN = ")
    assert lines[3].startswith("      + TOKEN = ")
    checked = desk.run("rebuild", "made", "--check", code=1)
    assert checked.err.endswith("error: `made` 1.0 is not reproducible\n")
    found = desk.run("rebuild", "made", "--check", "--json", code=1).json
    assert found["equal"] is False
    paths = [file["path"] for file in found["files"]]
    assert paths == ["made-1.0.dist-info/RECORD", "made.py"]
    assert found["files"][1]["parting"]["line"] == 2
    assert desk.run("explain", "made").out.count("Evidence") == 3
    assert "`made` 1.0 is not reproducible" in desk.run("realize", "--clear").out


def test_a_wheel_that_nobody_builds_is_not_rebuilt(desk: Desk) -> None:
    desk.run("realize")
    assert desk.run("rebuild", "ant", code=2).err == (
        "error: `ant` comes as the wheel `ant-1.0-py3-none-any.whl`, so there is nothing to build\n"
        "  hint: `--no-binary-package ant` has it built from its sources\n"
    )


def test_a_failed_build_is_told_by_explain(desk: Desk) -> None:
    lock_sdist(desk, body="raise ValueError('no')")
    desk.run("realize", code=1)
    out = desk.run("explain", "made").out
    assert "Built  not yet; it was tried, and failed\n" in out
    assert "ValueError: no" in desk.run("log", "made").out
    assert desk.run("rebuild", "made", code=1).err.count("ValueError: no") == 1
