from __future__ import annotations

import marshal
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from envbuild.errors import EnvbuildError
from envbuild.selection import memo as memo_module
from envbuild.selection.memo import EvaluationMemo
from envbuild.selection.model import LocalTree, RepositoryFile, Request, Selection
from envbuild.selection.select import select_text
from support.locks import edge, lock_text, package, project
from support.targets import make_target

if TYPE_CHECKING:
    from envbuild.digest import Digest

TARGET = make_target()
CONFLICT = "conflicts = [[{ package = 'demo', extra = 'x' }, { package = 'demo', extra = 'y' }]]"


def names(text: str, memo: EvaluationMemo | None, request: Request | None = None) -> object:
    """Return what a text selects, or the words in which it is refused."""
    asked = request or Request()
    try:
        return select_text(text, file="uv.lock", request=asked, target=TARGET, memo=memo)
    except EnvbuildError as error:
        return str(error)


def digest(letter: str) -> Digest:
    return letter * 64  # type: ignore[return-value]


TEXT = lock_text(project(dependencies=["a", "b"]), package("a", dependencies=["b"]), package("b"))


def test_a_memo_survives_being_written_and_read() -> None:
    assert not EvaluationMemo(digest("1")).changed
    memo = EvaluationMemo(digest("1"))
    selection = names(TEXT, memo)
    assert memo.changed
    read = EvaluationMemo.loads(memo.dumps(), digest("1"))
    assert names(TEXT, read) == selection
    assert not read.changed


def test_a_known_lock_is_neither_parsed_nor_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    memo = EvaluationMemo(digest("1"))
    selection = names(TEXT, memo)
    monkeypatch.setattr("envbuild.lockfile.toml.parse_toml", None)
    monkeypatch.setattr("envbuild.selection.evaluate.Evaluator", None)
    assert names(TEXT, memo) == selection
    assert names(TEXT, memo, Request(no_install_packages=("b",))) != selection


def test_only_what_changed_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    memo = EvaluationMemo(digest("1"))
    names(TEXT, memo)
    parsed: list[str] = []
    from envbuild.lockfile import toml

    parse_toml = toml.parse_toml

    def count(text: str, *, file: str) -> dict[str, object]:
        parsed.append(text)
        return parse_toml(text, file=file)

    monkeypatch.setattr(toml, "parse_toml", count)
    changed = TEXT.replace(package("b"), package("b", "2.0"))
    assert names(changed, memo) == names(changed, None)
    # One piece with the memo; the whole text without it does not go through this module's name.
    assert [text.count("[[package]]") for text in parsed if len(text) < len(TEXT) / 2] == [1]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: b"x" * len(data),
    ],
)
def test_a_damaged_memo_is_an_empty_one(damage: object) -> None:
    memo = EvaluationMemo(digest("1"))
    names(TEXT, memo)
    read = EvaluationMemo.loads(damage(memo.dumps()), digest("1"))  # type: ignore[operator]
    names(TEXT, read)
    assert read.changed


def test_a_memo_for_another_target_is_an_empty_one() -> None:
    memo = EvaluationMemo(digest("1"))
    names(TEXT, memo)
    read = EvaluationMemo.loads(memo.dumps(), digest("2"))
    names(TEXT, read)
    assert read.changed


def test_a_memo_of_another_format_is_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    memo = EvaluationMemo(digest("1"))
    names(TEXT, memo)
    data = memo.dumps()
    monkeypatch.setattr(memo_module, "FORMAT", memo_module.FORMAT + 1)
    read = EvaluationMemo.loads(data, digest("1"))
    names(TEXT, read)
    assert read.changed


def test_what_a_lock_no_longer_holds_is_forgotten() -> None:
    memo = EvaluationMemo(digest("1"))
    names(TEXT, memo)
    size = len(memo.dumps())
    names(lock_text(project(dependencies=["a"]), package("a")), memo)
    assert len(memo.dumps()) < size


@pytest.mark.parametrize(
    ("source", "file", "userinfo"),
    [
        (
            "url = 'https://me:s3cret@x.example/a-1.0-py3-none-any.whl'",
            f"wheels = [{{ hash = 'sha256:{'0' * 64}' }}]",
            "me:s3cret",
        ),
        (
            "url = 'https://s3cret@x.example/a-1.0.tar.gz'",
            f"sdist = {{ hash = 'sha256:{'0' * 64}' }}",
            "s3cret",
        ),
        (f"git = 'https://me:s3cret@g.example/a?rev=v1#{'0' * 40}'", "", "me:s3cret"),
        (f"git = 'https://s3cret@g.example/a#{'0' * 40}'", "", "s3cret"),
        (f"git = 'ssh://git:s3cret@g.example/a#{'0' * 40}'", "", "git:s3cret"),
    ],
)
def test_a_secret_is_not_written(source: str, file: str, userinfo: str) -> None:
    # The edge names the source once more.
    edges = [edge("a", "1.0", source=source), edge("b", "1.0")]
    text = lock_text(
        project(dependencies=edges), package("a", source=source, wheels=(), more=file), package("b")
    )
    memo = EvaluationMemo(digest("1"))
    selection = names(text, memo)
    assert isinstance(selection, Selection)
    distribution = selection.packages[0].distribution
    assert not isinstance(distribution, LocalTree | RepositoryFile)
    assert distribution.userinfo == userinfo
    assert "s3cret" not in repr(selection)
    assert b"s3cret" not in memo.dumps()
    assert names(text, EvaluationMemo.loads(memo.dumps(), digest("1"))) == selection


def test_a_repository_without_secret_is_written() -> None:
    source = f"git = 'ssh://git@g.example/a?subdirectory=s&lfs=true#{'0' * 40}'"
    text = lock_text(project(dependencies=["a"]), package("a", source=source, wheels=()))
    memo = EvaluationMemo(digest("1"))
    selection = names(text, memo)
    read = EvaluationMemo.loads(memo.dumps(), digest("1"))
    assert names(text, read) == selection
    assert not read.changed


def test_nothing_but_plain_values_is_written() -> None:
    memo = EvaluationMemo(digest("1"))
    names(TEXT, memo)
    data = memo.dumps()
    assert blake3(data[32:]).digest() == data[:32]
    marshal.loads(data[32:])


# Locks drawn from few names, so that edges often dangle, repeat or are ambiguous.
NAMES = st.sampled_from(["a", "b", "c", "demo"])
EDGES = st.lists(
    st.builds(
        edge,
        NAMES,
        st.sampled_from(["", "", "", "1.0", "2.0"]),
        extras=st.sampled_from([(), (), ("x",), ("x", "y")]),
        marker=st.sampled_from(
            [
                "",
                "",
                "sys_platform == 'win32'",
                "extra == 'extra-4-demo-x'",
                "extra != 'extra-4-demo-x'",
                "?",
            ]
        ),
    ),
    max_size=3,
)
PACKAGES = st.builds(
    package,
    NAMES,
    st.sampled_from(["1.0", "1.0", "2.0"]),
    dependencies=EDGES,
    extras=st.dictionaries(st.sampled_from(["x", "y"]), EDGES, max_size=2),
    wheels=st.sampled_from([None, None, (), ("a-1.0-cp39-cp39-win32.whl",)]),
    more=st.sampled_from(["", "", "note = 1", 'note = """\n\n[[package]]\n"""', "?"]),
)
TREES = st.builds(
    package,
    NAMES,
    st.sampled_from(["1.0", ""]),
    source=st.sampled_from(
        [
            "editable = 'e'",
            "directory = 'd'",
            f"git = 'https://g.example/r#{'0' * 40}'",
            f"git = 'https://me:pw@g.example/r?lfs=true#{'0' * 40}'",
        ]
    ),
    dependencies=EDGES,
    wheels=st.just(()),
)
LOCKS = st.builds(
    lambda root, others, head: lock_text(root, *others, head=head),
    st.builds(
        project,
        dependencies=EDGES,
        extras=st.dictionaries(st.sampled_from(["x", "y"]), EDGES, max_size=2),
        groups=st.dictionaries(st.just("dev"), EDGES, max_size=1),
    ),
    st.lists(PACKAGES | PACKAGES | TREES, max_size=4),
    st.sampled_from(["", "", CONFLICT, "resolution-markers = ['os_name == \"nt\"']", "a = ["]),
)
REQUESTS = st.builds(
    Request,
    extras=st.sampled_from([(), ("x",), ("x", "y")]),
    all_extras=st.booleans(),
    dev=st.sampled_from([None, "exclude", "only"]),
    no_install_packages=st.sampled_from([(), ("a",)]),
    no_build=st.booleans(),
    no_editable=st.booleans(),
)


@settings(max_examples=400)
@given(st.lists(LOCKS, min_size=1, max_size=3), REQUESTS)
def test_a_memo_changes_nothing_about_the_answer(texts: list[str], request: Request) -> None:
    memo = EvaluationMemo(digest("1"))
    for text in texts:
        expected = names(text, None, request)
        assert names(text, memo, request) == expected
        memo = EvaluationMemo.loads(memo.dumps(), digest("1"))
        assert names(text, memo, request) == expected
