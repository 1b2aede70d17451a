"""Markers as hypothesis makes them: what locks hold, and what the standard allows beside that."""

from __future__ import annotations

from hypothesis import strategies as st

PYTHONS = st.sampled_from(["3.8", "3.9", "3.11.5", "3.12", "3.13.0", "3.15"])
EXTRAS = ("extra-4-demo-cpu", "extra-4-demo-cuda", "group-4-demo-old", "project-4-demo")

_VERSION_ATOMS = st.builds(
    "{} {} '{}'".format,
    st.sampled_from(["python_full_version", "python_version", "implementation_version"]),
    st.sampled_from(["<", "<=", "==", "!=", ">", ">="]),
    PYTHONS,
) | st.builds("python_full_version {} '{}.*'".format, st.sampled_from(["==", "!="]), PYTHONS)
_STRING_ATOMS = st.builds(
    "{} {} '{}'".format,
    st.sampled_from(["sys_platform", "platform_machine", "os_name", "implementation_name"]),
    st.sampled_from(["==", "!=", "in", "not in"]),
    st.sampled_from(["linux", "darwin", "win32", "x86_64", "posix", "cpython"]),
) | st.builds(
    "'{}' {} {}".format,
    st.sampled_from(["lin", "win", "64"]),
    st.sampled_from(["in", "not in", "==", "!="]),
    st.sampled_from(["sys_platform", "platform_machine"]),
)
_EXTRA_ATOMS = st.builds(
    "extra {} '{}'".format, st.sampled_from(["==", "!="]), st.sampled_from(EXTRAS)
)


def _combined(atoms: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        atoms,
        lambda inner: st.builds("({}) {} {}".format, inner, st.sampled_from(["and", "or"]), inner),
        max_leaves=8,
    )


MARKERS = _combined(_VERSION_ATOMS | _STRING_ATOMS | _EXTRA_ATOMS)
PLAIN_MARKERS = _combined(_VERSION_ATOMS | _STRING_ATOMS)
EXTRA_MARKERS = _combined(_EXTRA_ATOMS)
