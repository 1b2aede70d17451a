"""Requirements as text; `packaging` is the oracle."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Full

from envbuild.lockfile.names import normalise
from envbuild.lockfile.requirements import parse_requirement

VERSIONS = ("0", "1", "1.0", "1.5", "2.0a1", "2.0", "2.0.post1", "10.3", "1!1.0", "2.0+local")
NAMES = st.sampled_from(["setuptools", "Flit_Core", "a", "zope.interface", "x-", "-x", "", "é"])
BOUNDS = st.sampled_from([*VERSIONS, "1.*", "2.0.*", "", "x", "1 2", "1.0;", "1)"])
OPERATORS = st.sampled_from([">=", "<=", "==", "!=", "~=", "===", ">", "<", "=", "@", "", "(>="])
SPACES = st.sampled_from(["", " ", "  ", "\t", "\n"])
CLAUSES = st.lists(st.tuples(OPERATORS, SPACES, BOUNDS).map("".join), max_size=3)
ENDS = st.sampled_from(
    ["", ",", "; python_version < '3'", "; extra == 'x'", " ; sys_platform == 'linux'", "[x]"]
)
TEXTS = st.tuples(SPACES, NAMES, SPACES, CLAUSES.map(",".join), SPACES, ENDS).map("".join)
ENVIRONMENT = {"python_version": "3.12", "sys_platform": "linux", "extra": ""}


@given(TEXTS)
@example("setuptools >=40.8.0,<75")
@example("a>=1,,<2")
@example("a >=1,")
@example("a (>=1)")
@example("a[x,y]>=1")
@example("a @ https://index.example/a.whl ; python_version < '3'")
@example("a @ https://index.example/a.whl")
@example("a>=1 <2")
@example("a>=1.*")
@example("a~=1")
@example("a;python_version<'3'")
@example("a>=1; extra == 'Some_Extra'")
@example("a ; extra == ''")
@example("a ; extra == 'x' and extra == 'y'")
@example("a ; extra  ==  'x'")
def test_what_it_says_is_what_packaging_says(text: str) -> None:
    try:
        full = Full(text)
    except InvalidRequirement:
        with pytest.raises(ValueError, match=r"."):
            parse_requirement(text)
        return
    found = parse_requirement(text)
    assert found.name == normalise(full.name)
    assert found.url == full.url
    assert bool(found.specifiers) == bool(full.specifier)
    for version in VERSIONS:
        assert found.admits(version) == full.specifier.contains(version, prereleases=True)
    for extra in ("", "x", "some-extra", "Some.Extra"):
        environment = {**ENVIRONMENT, "extra": extra}
        holds = full.marker is None or full.marker.evaluate(dict(environment))
        assert found.holds(environment) == holds


def test_plain_ones_are_read_without_packaging() -> None:
    code = (
        "import sys; from envbuild.lockfile.requirements import parse_requirement as parse; "
        "[parse(text).admits('68.0') for text in ('wheel', 'Setuptools >=61, <81', 'a==1.*', 'b~=1.2; extra == \"c\"')]; "
        "print([name for name in sys.modules if name.startswith('packaging')])"
    )
    run = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
