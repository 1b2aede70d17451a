from __future__ import annotations

import pytest
import tomli
from hypothesis import example, given, settings
from hypothesis import strategies as st

from envbuild.lockfile.plain_toml import parse_plain_toml
from support.locks import edge, lock_text, package, project


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        'a = "x"\n',
        'a = ""\n',
        "a-b_1 = 1\n",
        'a = "é ✓ # no comment"\n',
        "a = 0\nb = 12\nc = true\nd = false\n",
        "a = []\nb = [ 1, 2 ]\nc = [1,2,]\nd = [[1], []]\n",
        'a = [\n    "x",\n    { b = 1, c = [1] },\n\n]\n',
        "a = { b = { c = 1 } }\n",
        "a = 1 # why\nb = 2\n",
        "[a]\nb = 1\n[a.c]\nd = 1\n[e.f.g]\n",
        "[[a]]\nb = 1\n[a.c]\nd = 1\n[[a]]\n[a.c]\nd = 2\n",
        "[a]\n[[a.b]]\nc = 1\n[a.b.d]\n[[a.b]]\n",
        "[[a.b]]\n[[a.b]]\n",
        lock_text(
            project(dependencies=["b", edge("c", marker="os_name == 'nt'")], groups={"dev": ["b"]}),
            package(
                "b",
                sdist=True,
                extras={"x": ["c"]},
                tables="[package.metadata]\nrequires-dist = []",
            ),
            package("c"),
            head='[options]\nexclude-newer = "0001" # dummy\n\n[manifest]\n\n[[manifest.dependency-metadata]]\nname = "b"',
        ),
    ],
)
def test_what_writers_of_locks_use_is_read(text: str) -> None:
    assert parse_plain_toml(text) == tomli.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        # Unusual.
        "a = 1",
        "a=1\n",
        "a  = 1\n",
        " a = 1\n",
        "a = 1 \n",
        "a = 1\r\n",
        "# comment\n",
        "a.b = 1\n",
        '"a" = 1\n',
        "a = 'x'\n",
        'a = """x"""\n',
        'a = """"""\n',
        'a = "\\n"\n',
        'a = "\u00a0"\n',
        "a = 1.5\n",
        "a = 1_000\n",
        "a = +1\n",
        "a = -1\n",
        "a = 0x1\n",
        "a = 2024-01-01\n",
        "a = inf\n",
        "a = {}\n",
        "a = {b = 1}\n",
        "a = [ # comment\n1]\n",
        "[ a ]\n",
        "[a.b]\n[a]\n",
        f"a = {'[' * 40}{']' * 40}\n",
        # Wrong.
        "a\n",
        "a = \n",
        "= 1\n",
        "a = 1 b\n",
        "a = 1\na = 2\n",
        "a = { b = 1, b = 2 }\n",
        "a = { b = 1, }\n",
        "a = { b = 1\n}\n",
        "a = [1 2]\n",
        "a = [,]\n",
        "a = [\n",
        "a = {\n",
        'a = "\n',
        'a = "x\n"\n',
        'a = "\t\x00"\n',
        "a = 01\n",
        "a = True\n",
        "a = truely\n",
        "a = 1 # \x07\n",
        "[a]\n[a]\n",
        "[a\n",
        "[a]]\n",
        "[[a]\n",
        "[]\n",
        "[a.]\n",
        "a = 1\n[a]\n",
        "a = 1\n[a.b]\n",
        "a = { b = 1 }\n[a.c]\n",
        "a = []\n[[a]]\n",
        "a = [{ b = 1 }]\n[[a]]\n",
        "[a]\n[[a]]\n",
        "[[a]]\n[a]\n",
        "[a]\nb = 1\n[a.b]\n",
        "[[a]]\nb = 1\n[[a.b]]\n",
    ],
)
def test_everything_else_is_left_to_a_whole_reader(text: str) -> None:
    assert parse_plain_toml(text) is None


KEYS = st.sampled_from(["a", "b", "package", "x-y"])
VALUES = st.recursive(
    st.sampled_from(['"x"', '""', '"é"', "'x'", "1", "01", "true", "1.5", '"\\n"', '"""', "no"]),
    lambda inner: (
        st.builds("[{}, {}]".format, inner, inner)
        | st.builds("[\n    {},\n]".format, inner)
        | st.builds("{{ {} = {}, {} = {} }}".format, KEYS, inner, KEYS, inner)
    ),
    max_leaves=4,
)
LINES = st.one_of(
    st.builds("{} = {}\n".format, KEYS, VALUES),
    st.builds("{} = {} # {}\n".format, KEYS, VALUES, KEYS),
    st.builds("[{}]\n".format, KEYS),
    st.builds("[{}.{}]\n".format, KEYS, KEYS),
    st.builds("[[{}]]\n".format, KEYS),
    st.builds("[[{}.{}]]\n".format, KEYS, KEYS),
    st.sampled_from(["\n", "# x\n", "a", " ", '"']),
)


@settings(max_examples=500)
@given(st.lists(LINES, max_size=8).map("".join) | st.text(alphabet='ab[]{}="\n ,.#1', max_size=24))
@example('a = "x"\n')
def test_what_is_read_is_what_a_whole_reader_reads(text: str) -> None:
    plain = parse_plain_toml(text)
    if plain is not None:
        assert plain == tomli.loads(text)
