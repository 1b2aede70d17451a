"""JSON without `json`: the same values, the same text, the same refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild import plain_json

if TYPE_CHECKING:
    from collections.abc import Callable

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(VALUES, st.booleans(), st.booleans())
def test_values_are_spelled_as_the_standard_library_spells_them(
    value: Any, sort_keys: bool, ensure_ascii: bool
) -> None:
    spelled = plain_json.dumps(value, sort_keys=sort_keys, ensure_ascii=ensure_ascii)
    assert spelled == json.dumps(
        value,
        sort_keys=sort_keys,
        ensure_ascii=ensure_ascii,
        separators=(",", ":"),
    )


@given(VALUES, st.sampled_from([None, 1]), st.sampled_from(["", "\n", " \t\r\n"]))
def test_what_is_spelled_in_any_way_is_read(value: Any, indent: int | None, around: str) -> None:
    text = around + json.dumps(value, indent=indent) + around
    assert plain_json.loads(text) == json.loads(text)


@given(st.text(alphabet='{}[]",:0123456789eE.-\\ \n\x0cuntrfalsNI'))
def test_what_is_no_json_is_refused_in_the_same_words(text: str) -> None:
    assert outcome(plain_json.loads, text) == outcome(json.loads, text)


def outcome(loads: Callable[[str], Any], text: str) -> str:
    try:
        return repr(loads(text))
    except ValueError as error:
        return str(error)


def test_what_is_no_value_of_json_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="set is not JSON"):
        plain_json.dumps([{1}])


def test_an_interpreter_without_the_two_functions_leaves_it_to_the_standard_library() -> None:
    script = (
        "import sys; sys.modules['_json'] = None\n"
        "from envbuild import plain_json\n"
        "text = plain_json.dumps({'b': ['ä'], 'a': None}, sort_keys=True, ensure_ascii=False)\n"
        'assert text == \'{"a":null,"b":["ä"]}\', text\n'
        "assert plain_json.loads(text) == {'b': ['ä'], 'a': None}\n"
    )
    subprocess.run((sys.executable, "-c", script), check=True)


def test_neither_loads_what_is_slow_to_load() -> None:
    script = (
        "import sys\n"
        "from envbuild import plain_json\n"
        "plain_json.loads(plain_json.dumps([1, 'x', {}]))\n"
        "print({'json', 're', 'enum'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        (sys.executable, "-I", "-S", "-c", f"import sys; sys.path = {sys.path}\n{script}"),
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "set()\n"
