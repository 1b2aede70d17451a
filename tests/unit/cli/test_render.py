from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from envbuild.cli.render import result_as_json, result_as_text
from envbuild.cli.terminal import PLAIN, Paint
from envbuild.digest import Digest
from envbuild.frozen import replace
from envbuild.workflows.options import Change, Pinned, RealiseOptions, RealiseResult

if TYPE_CHECKING:
    from envbuild.workflows.options import Action

OPTIONS = RealiseOptions(store="/store", cache="/cache")
DIGEST = Digest("d" * 64)
NOTHING = RealiseResult(
    lockfile="/p/uv.lock",
    prefix="/p/.venv",
    digest=DIGEST,
    python="3.12.1",
    interpreter="/usr/bin/python3.12",
    created=False,
    changes=(),
    packages=42,
)
MUCH = replace(
    NOTHING,
    changes=(
        Change(name="added", action="added", before=None, after="1.0"),
        Change(name="mended", action="repaired", before="2.0", after="2.0"),
        Change(name="other", action="replaced", before="3.0", after="3.0"),
        Change(name="removed", action="removed", before="4.0", after=None),
        Change(name="second", action="added", before=None, after="5.0", origin="file:///p/s%20d"),
        Change(name="upgraded", action="replaced", before="6.0", after="6.1"),
    ),
    pinned=(Pinned(name="loose", filename="loose-1-py3-none-any.whl", sha256="a" * 64),),
    notes=("links are not possible here, files are copied",),
    link_mode="copy",
    fetched=2,
    fetched_bytes=1000,
)


def test_nothing_to_do_is_said_in_three_lines() -> None:
    assert result_as_text(NOTHING, OPTIONS, 0.021, PLAIN).splitlines() == [
        "Checked 42 packages: nothing to do",
        "Environment /p/.venv (Python 3.12.1)",
        f"Digest {DIGEST}",
    ]


def test_everything_that_happened_is_said() -> None:
    assert result_as_text(MUCH, OPTIONS, 0.314, PLAIN).splitlines() == [
        "Realized 42 packages in 0.31s (2 added, 2 replaced, 1 removed, 1 repaired)",
        " + added==1.0",
        " ! mended==2.0 (repaired)",
        " ~ other==3.0 (other content)",
        " - removed==4.0",
        " + second==5.0 (from file:///p/s%20d)",
        " ~ upgraded==6.0 -> 6.1",
        f"pinned `loose-1-py3-none-any.whl`, for which the lock has no hash, to sha256:{'a' * 64}",
        "note links are not possible here, files are copied",
        "Environment /p/.venv (Python 3.12.1, copy)",
        f"Digest {DIGEST}",
    ]


def test_a_new_environment_is_said_to_be_new() -> None:
    empty = replace(NOTHING, created=True, packages=0)
    first, *_ = result_as_text(empty, OPTIONS, 1.0, PLAIN).splitlines()
    assert first == "Realized 0 packages in 1.00s (new environment)"


def test_what_was_not_done_is_said_in_the_conditional() -> None:
    planned = replace(MUCH, digest=None, missing=("a.whl", "b.whl"), pinned=(), notes=())
    for options in (replace(OPTIONS, dry_run=True), replace(OPTIONS, check=True)):
        lines = result_as_text(planned, options, 1.0, PLAIN).splitlines()
        assert lines[0] == (
            "Would realize 42 packages (2 to add, 2 to replace, 1 to remove, 1 to repair)"
        )
        assert lines[7:] == [
            "2 packages would be fetched or built",
            "Environment /p/.venv (Python 3.12.1, copy)",
        ]


@pytest.mark.parametrize(
    ("action", "before", "after", "line"),
    [
        ("added", None, "2", " + tree==2 (from git://h/t)"),
        ("added", None, None, " + tree (from git://h/t)"),
        ("repaired", "2", "2", " ! tree==2 (from git://h/t) (repaired)"),
        ("replaced", "1", "2", " ~ tree==1 -> 2 (from git://h/t)"),
        ("replaced", "2", "2", " ~ tree==2 (from git://h/t) (other content)"),
        ("replaced", "2", None, " ~ tree==2 (from git://h/t) (other content)"),
    ],
)
def test_what_comes_from_no_index_is_said_to_come_from_elsewhere(
    action: Action, before: str | None, after: str | None, line: str
) -> None:
    change = Change(name="tree", action=action, before=before, after=after, origin="git://h/t")
    result = replace(NOTHING, changes=(change,))
    assert result_as_text(result, OPTIONS, 1.0, PLAIN).splitlines()[1] == line


def test_no_url_can_draw_on_the_terminal() -> None:
    change = Change(name="t", action="added", before=None, after="1", origin="ssh://h/\x1b[2J")
    text = result_as_text(replace(NOTHING, changes=(change,)), OPTIONS, 1.0, PLAIN)
    assert "\x1b" not in text


def test_colours_change_no_word() -> None:
    painted = result_as_text(MUCH, OPTIONS, 0.314, Paint(enabled=True))
    assert painted != result_as_text(MUCH, OPTIONS, 0.314, PLAIN)
    for code in ("0", "1", "2", "31", "32", "33", "36"):
        painted = painted.replace(f"\x1b[{code}m", "")
    assert painted == result_as_text(MUCH, OPTIONS, 0.314, PLAIN)


def test_the_document_for_programs_is_what_it_always_is() -> None:
    document = json.loads(result_as_json(MUCH, replace(OPTIONS, dry_run=True)))
    assert document == {
        "schema": {"version": "1"},
        "command": "realize",
        "check": False,
        "dry_run": True,
        "lockfile": "/p/uv.lock",
        "prefix": "/p/.venv",
        "digest": DIGEST,
        "created": False,
        "packages": 42,
        "link_mode": "copy",
        "python": "3.12.1",
        "interpreter": "/usr/bin/python3.12",
        "changes": [
            dict(zip(("name", "action", "before", "after", "origin"), change, strict=True))
            for change in (
                ("added", "added", None, "1.0", None),
                ("mended", "repaired", "2.0", "2.0", None),
                ("other", "replaced", "3.0", "3.0", None),
                ("removed", "removed", "4.0", None, None),
                ("second", "added", None, "5.0", "file:///p/s%20d"),
                ("upgraded", "replaced", "6.0", "6.1", None),
            )
        ],
        "pinned": [{"name": "loose", "filename": "loose-1-py3-none-any.whl", "sha256": "a" * 64}],
        "notes": ["links are not possible here, files are copied"],
        "fetched": 2,
        "fetched_bytes": 1000,
        "missing": [],
    }
