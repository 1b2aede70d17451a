"""Explanations and comparisons, laid out: every kind of line that there is."""

from __future__ import annotations

import json
import re
from typing import Any

from envbuild.cli.render_explain import (
    explanation_as_json,
    explanation_as_text,
    rebuild_as_json,
    rebuild_as_text,
)
from envbuild.cli.terminal import PLAIN, Paint
from envbuild.derivation.compare import Difference
from envbuild.digest import Digest
from envbuild.frozen import replace
from envbuild.store.difference import FileDifference, Parting
from envbuild.workflows.explain import Comparison, Explanation, Input, Outcome
from envbuild.workflows.rebuild import ChangedFile, RebuildResult
from support.stores import file_entry

KEY, TREE, OTHER = (Digest(digit * 64) for digit in "123")
USED = Outcome(
    key=KEY,
    tree=TREE,
    wheel="made-1.0-py3-none-any.whl",
    recorded=86_400 * 10**9,
    duration_ms=61_500,
    rung="bubblewrap",
    log="/s/logs/a.log",
)
EXPLANATION = Explanation(
    lockfile="/p/uv.lock",
    name="made",
    version="1.0",
    is_built=True,
    archive="made-1.0.tar.gz",
    location="https://index.example/made-1.0.tar.gz",
    hash="sha256:" + "a" * 64,
    derivation=OTHER,
    form={"kind": "build-wheel"},
    key=KEY,
    unknown=None,
    inputs=(
        Input(place="backend.name", value="own", who="sources", where="pyproject.toml"),
        Input(place="backend.path", value=[], who="sources", where="pyproject.toml"),
        Input(
            place="environment[flit-core]",
            value={"payload": None, "version": "3.9"},
            who="build-lock",
            where="/p/envbuild.lock, by `latest`",
        ),
        Input(
            place="environment[wheel]",
            value={"payload": OTHER, "version": "0.45"},
            who="build-lock",
            where="/p/envbuild.lock, by `latest`",
        ),
        Input(place="interpreter.is_debug", value=False, who="interpreter", where="/bin/python"),
        Input(place="interpreter.version", value="3.12.1", who="interpreter", where="/bin/python"),
        Input(
            place="interpreter.implementation",
            value="cpython",
            who="interpreter",
            where="/bin/python",
        ),
        Input(place="requires[wheel]", value="wheel", who="sources", where="pyproject.toml"),
        Input(place="requires[flit]", value="flit", who="backend"),
        Input(place="salt", value=None, who="project"),
        Input(
            place="toolchain.programs[cc]",
            value={"version": "", "digest": OTHER},
            who="machine",
        ),
        Input(
            place="config_settings[a]", value={"values": ["1", "2"]}, who="project", where="/p/x"
        ),
        Input(place="variables[B\x1b]", value={"value": "c\x1b"}, who="project", where="/p/x"),
    ),
    outcomes=(USED,),
    failed=None,
    comparison=None,
)


def text(*, whole: bool = False, **changes: Any) -> list[str]:
    return explanation_as_text(replace(EXPLANATION, **changes), PLAIN, whole=whole).splitlines()


def test_an_explanation_is_a_head_and_a_table() -> None:
    (made,) = (line for line in text() if line.startswith("Built "))
    assert made.endswith(", in 1m 02s, sealed (bubblewrap)")
    head, table = (part.splitlines() for part in "\n".join(text()).split("\n\n"))
    assert [line for line in head if line != made] == [
        "made 1.0 is built from `made-1.0.tar.gz`",
        f"Hash   sha256:{'a' * 64}",
        "Key    111111111111",
        "Entry  222222222222, made-1.0-py3-none-any.whl",
        "Log    /s/logs/a.log",
    ]
    odd = "\N{REPLACEMENT CHARACTER}"
    assert [re.split(r" {2,}", line) for line in table] == [
        ["What decides it"],
        ["", "Backend", "own", "its sources, pyproject.toml"],
        ["", "Requirements", "wheel", "its sources, pyproject.toml"],
        ["", "flit", "its backend"],
        [
            "",
            "Built with",
            "flit-core 3.9 (not in the store)",
            "the build lock, /p/envbuild.lock, by `latest`",
        ],
        ["", "wheel 0.45 (payload 333333333333)"],
        ["", "Config settings", "a = 1, 2", "the project, /p/x"],
        ["", "Variables", f"B{odd} = c{odd}", "the project, /p/x"],
        ["", "Interpreter", "cpython, 3.12.1", "the interpreter, /bin/python"],
        ["", "Toolchain", "cc: no version (333333333333)", "this machine"],
    ]
    assert len({line.index("its sources") for line in table if "its sources" in line}) == 1


def test_everything_is_shown_where_that_is_asked_for() -> None:
    shown = text(whole=True)
    assert f"Key    {KEY}" in shown
    assert any("cpython, 3.12.1, is_debug no" in line for line in shown)


def test_what_is_not_known_is_said_with_its_reason() -> None:
    shown = text(inputs=(), outcomes=(), key=None, form=None, unknown="the sources are gone")
    assert shown[1:] == [
        f"Hash   sha256:{'a' * 64}",
        "Key    not known: the sources are gone",
        "Built  not yet; `envbuild realize` does it",
    ]


def test_a_failure_evidence_and_notes_are_told() -> None:
    assert "Built  not yet; it was tried, and failed" in text(outcomes=(), failed="/s/logs/b.log")
    used = replace(USED, notes=("RECORD is not as it should be",))
    evidence = replace(USED, tree=OTHER, is_evidence=True, rung="later")
    shown = text(outcomes=(used, evidence))
    assert "Note      RECORD is not as it should be" in shown
    (line,) = (line for line in shown if line.startswith("Evidence"))
    assert line.startswith("Evidence  333333333333, came of building again: not reproducible; ")
    assert line.endswith(", in 1m 02s, later")


def comparison(*differences: Difference, files: tuple[FileDifference, ...] | None) -> list[str]:
    shown = text(comparison=Comparison(other=USED, differences=differences, files=files))
    return shown[shown.index("") :][-1 - len(differences) :]


SOURCE = Difference(place="source.tree", before=TREE, after=OTHER)


def test_a_comparison_names_inputs_files_and_what_follows() -> None:
    files = tuple(
        FileDifference(path=f"{number}.py", before=None, after=file_entry("a", b""))
        for number in range(7)
    )
    shown = comparison(
        SOURCE,
        Difference(place="interpreter.version", before="3.12.1", after="3.13.0"),
        Difference(place="interpreter.soabi", before="a", after="b", follows=True),
        Difference(place="platform.tags", before=TREE, after=OTHER, follows=True),
        files=files,
    )
    listed = ", ".join(f"{number}.py added" for number in range(5))
    follows = "ABI of extension modules, the tags that the wheel may have"
    assert shown[-3:] == [
        f"  the source tree differs: {listed}, and 2 more files",
        "  interpreter 3.12.1 → 3.13.0",
        f"  and what comes with it: {follows}",
    ]
    assert comparison(SOURCE, files=None)[-1] == (
        "  the source tree differs, and one of the two is not in the store"
    )
    assert text(comparison=Comparison(other=USED, differences=(), files=None))[-1] == (
        "  nothing differs: it is this very one"
    )


def test_an_explanation_is_whole_as_json() -> None:
    compared = Comparison(other=USED, differences=(SOURCE,), files=())
    found = json.loads(explanation_as_json(replace(EXPLANATION, comparison=compared)))
    assert found["key"] == KEY
    assert found["outcomes"][0]["recorded"] == "1970-01-02T00:00:00Z"
    assert found["outcomes"][0]["isolation"] == "sealed"
    assert found["compared"]["differences"][0]["words"] == "the source tree differs"
    assert found["compared"]["files"] == []
    assert [each["place"] for each in found["inputs"]] == [
        each.place for each in EXPLANATION.inputs
    ]


def changed(path: str, *, parting: Parting | None = None, executable: bool = False) -> ChangedFile:
    before = file_entry(path, b"1")
    after = file_entry(path, b"22", executable=executable)
    return ChangedFile(
        difference=FileDifference(path=path, before=before, after=after), parting=parting
    )


ADDED = ChangedFile(
    difference=FileDifference(path="new.py", before=None, after=file_entry("new.py", b"")),
    parting=None,
)
REMOVED = ChangedFile(
    difference=FileDifference(path="old.py", before=file_entry("old.py", b""), after=None),
    parting=None,
)
RECORD = changed("made-1.0.dist-info/RECORD", parting=Parting(offset=0, line=1))
RESULT = RebuildResult(
    name="made",
    version="1.0",
    key=KEY,
    wheel="made-1.0-py3-none-any.whl",
    before=TREE,
    after=OTHER,
    files=(
        changed("a.so", parting=Parting(offset=1234)),
        changed("big", executable=True),
        RECORD,
        changed("m.py", parting=Parting(offset=1, line=2, before="x" * 99, after=None)),
        ADDED,
        REMOVED,
    ),
    same_payload=False,
    duration_ms=1500,
    rung="none",
    log="/s/logs/a.log",
)


def test_every_kind_of_difference_between_wheels_has_its_line() -> None:
    assert rebuild_as_text(RESULT, PLAIN, whole=False).splitlines() == [
        "Rebuilt made 1.0 in 1.50s: not the same",
        "  ~ a.so, from byte 1,234 of 1 -> 2 on",
        "  ~ big (file -> executable)",
        "  ~ m.py, from line 2 on",
        f"      - {'x' * 59}…",
        "      + (the end)",
        "  + new.py",
        "  - old.py",
        "Before  222222222222, which environments go on getting",
        "Now     333333333333, kept as evidence",
        "Log     /s/logs/a.log",
    ]


def test_a_record_is_only_named_where_nothing_else_differs() -> None:
    alone = replace(RESULT, files=(RECORD,), same_payload=True)
    shown = rebuild_as_text(alone, PLAIN, whole=False)
    assert "~ made-1.0.dist-info/RECORD" in shown
    assert "To what is built with it they are the same" in shown


def test_many_files_are_counted() -> None:
    many = replace(RESULT, files=tuple(changed(f"{number}.so") for number in range(9)))
    assert "  and 4 more files; `-v` names them" in rebuild_as_text(many, PLAIN, whole=False)
    assert "  ~ 8.so" in rebuild_as_text(many, PLAIN, whole=True)


def test_the_same_and_the_first_are_one_line() -> None:
    same = replace(RESULT, after=TREE, files=(), same_payload=True)
    assert rebuild_as_text(same, PLAIN, whole=False) == (
        "Rebuilt made 1.0 in 1.50s: the same, 222222222222"
    )
    first = replace(same, before=None)
    assert rebuild_as_text(first, PLAIN, whole=False) == (
        "Built made 1.0 in 1.50s, for the first time: 222222222222"
    )
    assert json.loads(rebuild_as_json(first, check=False))["equal"] is None


def test_differences_are_whole_as_json() -> None:
    found = json.loads(rebuild_as_json(RESULT, check=True))
    assert (found["check"], found["equal"]) == (True, False)
    assert [(file["path"], file["action"]) for file in found["files"]][-2:] == [
        ("new.py", "added"),
        ("old.py", "removed"),
    ]
    assert found["files"][0]["parting"] == {
        "offset": 1234,
        "line": None,
        "before": None,
        "after": None,
    }


def test_colours_change_no_text() -> None:
    paint = Paint(enabled=True)
    for plain, painted in (
        (
            explanation_as_text(EXPLANATION, PLAIN, whole=False),
            explanation_as_text(EXPLANATION, paint, whole=False),
        ),
        (
            rebuild_as_text(RESULT, PLAIN, whole=False),
            rebuild_as_text(RESULT, paint, whole=False),
        ),
    ):
        assert painted != plain
        stripped = painted
        for code in ("1", "2", "31", "32", "33", "36", "0"):
            stripped = stripped.replace(f"\x1b[{code}m", "")
        assert [line.rstrip() for line in stripped.splitlines()] == plain.splitlines()
