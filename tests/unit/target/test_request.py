from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envbuild.frozen import replace
from envbuild.target.request import (
    NameRequest,
    PathRequest,
    SpecRequest,
    UnsupportedPython,
    executable_names,
    minor_version_of_name,
    mismatch,
    parse_request,
    parse_version_file,
    request_of_specifiers,
    version_mismatch,
)
from unit.target.recorded import LINUX_313, LINUX_313T, MACOS_ARM_312, MUSL_312, PYPY_39

if TYPE_CHECKING:
    from envbuild.target.model import Target

VERSIONS = [
    ("3", {"release": (3,)}),
    ("3.12", {"release": (3, 12)}),
    ("3.12.4", {"release": (3, 12, 4)}),
    ("312", {"release": (3, 12)}),
    ("3100", {"release": (3, 100)}),
    ("v3.12", {"release": (3, 12)}),
    (" 3.12 ", {"release": (3, 12)}),
    ("python3.12", {"release": (3, 12)}),
    ("python312", {"release": (3, 12)}),
    ("Python@3.12", {"release": (3, 12)}),
    ("python3", {"release": (3,)}),
    ("==3.12", {"release": (3, 12)}),
    ("==3.12.1", {"release": (3, 12, 1)}),
    ("3.13rc2", {"release": (3, 13), "prerelease": "rc2"}),
    ("3.13.0rc2", {"release": (3, 13), "prerelease": "rc2"}),
    ("313b1", {"release": (3, 13), "prerelease": "b1"}),
    ("3.14.5rc1", {"release": (3, 14, 5), "prerelease": "rc1"}),
    ("3.15-alpha.4", {"release": (3, 15), "prerelease": "a4"}),
    ("3t", {"release": (3,), "variant": "freethreaded"}),
    ("313t", {"release": (3, 13), "variant": "freethreaded"}),
    ("3.13t", {"release": (3, 13), "variant": "freethreaded"}),
    ("3.13+freethreaded", {"release": (3, 13), "variant": "freethreaded"}),
    ("3.13.2t", {"release": (3, 13, 2), "variant": "freethreaded"}),
    ("3.13td", {"release": (3, 13), "variant": "freethreaded+debug"}),
    ("3.13+freethreaded+debug", {"release": (3, 13), "variant": "freethreaded+debug"}),
    ("3.12d", {"release": (3, 12), "variant": "debug"}),
    ("3.14+gil", {"release": (3, 14), "variant": "gil"}),
    ("3.14+gil+debug", {"release": (3, 14), "variant": "gil+debug"}),
    (">=3.12", {"specifiers": ">=3.12"}),
    (">=3.10,<3.13", {"specifiers": ">=3.10,<3.13"}),
    ("python>=3.10", {"specifiers": ">=3.10"}),
    ("==3.12.*", {"specifiers": "==3.12.*"}),
    (">=3.13t", {"specifiers": ">=3.13", "variant": "freethreaded"}),
    (">=3.12,<3.14t", {"specifiers": ">=3.12,<3.14", "variant": "freethreaded"}),
    (">=3.15.0rc1", {"specifiers": ">=3.15.0rc1"}),
    ("any", {"anything": True}),
    ("default", {}),
]

IMPLEMENTATIONS = [
    ("cpython", {"implementation": "cpython"}),
    ("cp", {"implementation": "cpython"}),
    ("PyPy", {"implementation": "pypy"}),
    ("pp", {"implementation": "pypy"}),
    ("graalpy", {"implementation": "graalpy"}),
    ("gp", {"implementation": "graalpy"}),
    ("cpython@3.13", {"implementation": "cpython", "release": (3, 13)}),
    ("cpython3.12.2", {"implementation": "cpython", "release": (3, 12, 2)}),
    ("cp312", {"implementation": "cpython", "release": (3, 12)}),
    ("pypy@3.10", {"implementation": "pypy", "release": (3, 10)}),
    ("pypy3.10", {"implementation": "pypy", "release": (3, 10)}),
    ("pp310", {"implementation": "pypy", "release": (3, 10)}),
    ("graalpy310", {"implementation": "graalpy", "release": (3, 10)}),
]

KEYS = [
    ("cpython-3.13.2", {"implementation": "cpython", "release": (3, 13, 2)}),
    (
        "cpython-3.12.4-linux-x86_64-gnu",
        {
            "implementation": "cpython",
            "release": (3, 12, 4),
            "system": "linux",
            "arch": "x86_64",
            "libc": "gnu",
        },
    ),
    (
        "cpython-3.13.2-macos-aarch64-none",
        {
            "implementation": "cpython",
            "release": (3, 13, 2),
            "system": "macos",
            "arch": "aarch64",
            "libc": "none",
        },
    ),
    (
        "cpython-3.13.0+freethreaded-linux-x86_64-musl",
        {
            "implementation": "cpython",
            "release": (3, 13, 0),
            "variant": "freethreaded",
            "system": "linux",
            "arch": "x86_64",
            "libc": "musl",
        },
    ),
    ("any-3.13.2", {"release": (3, 13, 2)}),
    ("any-3.13.2-any-aarch64", {"release": (3, 13, 2), "arch": "aarch64"}),
    ("cpython-linux", {"implementation": "cpython", "system": "linux"}),
    ("3.12-linux-arm64", {"release": (3, 12), "system": "linux", "arch": "aarch64"}),
]


@pytest.mark.parametrize(("text", "fields"), VERSIONS + IMPLEMENTATIONS + KEYS)
def test_a_description_is_read_as_uv_reads_it(text: str, fields: dict[str, object]) -> None:
    expected = replace(SpecRequest(text=text), **fields)
    assert parse_request(text, is_path=False) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "python",
        "foopython3",
        "python3stuff",
        "python@3.foo",
        "@3.12",
        "@latest",
        "3rc1",
        "3.13tt",
        "3.12.1.1",
        "3.12-dev",
        "3.12.post0",
        "3.12+local",
        "31000",
        "3.12²t",
        "cpython-windows-linux",
        "cpython-3.12-linux-x86_64-gnu-more",
    ],
)
def test_whatever_is_nothing_else_is_a_name(text: str) -> None:
    assert parse_request(text, is_path=False) == NameRequest(text=text)


@pytest.mark.parametrize(
    ("text", "is_path"),
    [("./python", False), ("/usr/bin/python3.12", False), (".venv", True), ("linux", True)],
)
def test_a_path_has_a_slash_or_exists(text: str, is_path: bool) -> None:
    assert parse_request(text, is_path=is_path) == PathRequest(text=text)


def test_a_version_stays_one_where_a_file_has_its_name() -> None:
    assert isinstance(parse_request("3.12", is_path=True), SpecRequest)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2.7", "3.9 is the oldest version"),
        ("2", "3.9 is the oldest version"),
        ("python3.8", "3.9 is the oldest version"),
        ("cpython-3.8.18-linux-x86_64-gnu", "3.9 is the oldest version"),
        ("3.12t", "there is no free threading before 3.13"),
    ],
)
def test_what_can_never_be_found_is_refused_at_once(text: str, reason: str) -> None:
    with pytest.raises(UnsupportedPython) as caught:
        parse_request(text, is_path=False)
    assert caught.value.message == f"`{text}` asks for a Python that is not supported: {reason}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3.12\n", "3.12"),
        ("\ufeff3.12"[1:] + "\n3.11\n", "3.12"),
        ("# the one we test with\n\n  3.12.4  \n", "3.12.4"),
        ("some-environment\n3.11\n", "3.11"),
        ("system\n", None),
        ("", None),
        ("# nothing\n", None),
        ("3.12\r\n3.11\r\n", "3.12"),
        ("cpython@3.13\n", "cpython@3.13"),
        ("bin/python\n", "bin/python"),
    ],
)
def test_a_version_file_asks_for_its_first_request_that_is_no_name(
    text: str, expected: str | None
) -> None:
    request = parse_version_file(text)
    assert (request and request.text) == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("default", ["python", "python3"]),
        ("3", ["python3", "python"]),
        ("3.13", ["python3.13", "python3", "python"]),
        (">=3.10", ["python3", "python"]),
        ("pypy", ["pypy", "pypy3", "python", "python3"]),
        (
            "pypy@3.10",
            ["pypy3.10", "pypy3", "pypy", "python3.10", "python3", "python"],
        ),
        (
            "3.13t",
            ["python3.13t", "python3.13", "python3t", "python3", "pythont", "python"],
        ),
        ("3t", ["python3t", "python3", "pythont", "python"]),
        ("3.13.2", ["python3.13.2", "python3.13", "python3", "python"]),
        ("3.13rc2", ["python3.13rc2", "python3.13", "python3", "python"]),
        (
            "any",
            [
                "python",
                "python3",
                "cpython",
                "cpython3",
                "pypy",
                "pypy3",
                "graalpy",
                "graalpy3",
                "pyodide",
                "pyodide3",
            ],
        ),
    ],
)
def test_names_are_looked_for_in_the_order_of_uv(text: str, names: list[str]) -> None:
    request = parse_request(text, is_path=False)
    assert isinstance(request, SpecRequest)
    assert list(executable_names(request)) == names


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("python3.12", (3, 12)),
        ("python3.13t", (3, 13)),
        ("python3.13td", (3, 13)),
        ("pypy3.10", (3, 10)),
        ("python3", None),
        ("python", None),
        ("python3.12-config", None),
        ("python3.12.1", None),
        ("ipython3.12", None),
    ],
)
def test_a_name_tells_its_minor_version(name: str, version: tuple[int, int] | None) -> None:
    assert minor_version_of_name(name) == version


def of_version(target: Target, version: str) -> Target:
    minor = ".".join(version.split(".")[:2])
    return replace(target, version=version, markers={**target.markers, "python_version": minor})


CPYTHON = LINUX_313
CASES: list[tuple[str, Target, str | None]] = [
    ("default", CPYTHON, None),
    ("any", CPYTHON, None),
    ("3", CPYTHON, None),
    ("3.13", CPYTHON, None),
    ("3.13.0", CPYTHON, None),
    ("3.13.1", CPYTHON, "it is not 3.13.1"),
    ("3.12", CPYTHON, "it is not 3.12"),
    (">=3.10,<3.14", CPYTHON, None),
    (">=3.10,<3.13", CPYTHON, "it is not >=3.10,<3.13"),
    ("cpython@3.13", CPYTHON, None),
    ("pypy", CPYTHON, "it is cpython, not pypy"),
    ("pypy@3.9", PYPY_39, None),
    ("default", PYPY_39, "it is pypy, which must be asked for by name"),
    ("3.9", PYPY_39, "it is pypy, which must be asked for by name"),
    ("any", PYPY_39, None),
    ("3.13t", CPYTHON, "it is not a free-threaded build"),
    ("3.13t", LINUX_313T, None),
    ("3.13", LINUX_313T, "it is a free-threaded build, which must be asked for"),
    ("3.13+gil", LINUX_313T, "it is a free-threaded build"),
    ("3.13d", CPYTHON, "it is not a debug build"),
    ("any", LINUX_313T, None),
    ("3.14", of_version(LINUX_313T, "3.14.0"), None),
    ("cpython-3.13-linux-x86_64-gnu", CPYTHON, None),
    ("cpython-3.13-linux-x86_64-musl", CPYTHON, "it is for gnu, not musl"),
    ("cpython-linux-aarch64", CPYTHON, "it is for x86_64, not aarch64"),
    ("cpython-windows", CPYTHON, "it is for linux, not windows"),
    ("cpython-3.12-linux-x86_64-musl", MUSL_312, None),
    ("cpython-3.12-macos-aarch64-none", MACOS_ARM_312, None),
    ("cpython-3.12-darwin-arm64", MACOS_ARM_312, None),
    ("3.15", of_version(CPYTHON, "3.15.0rc1"), "it is a pre-release, which must be asked for"),
    (">=3.13", of_version(CPYTHON, "3.15.0rc1"), "it is a pre-release, which must be asked for"),
    (">=3.15.0b1", of_version(CPYTHON, "3.15.0rc1"), None),
    (">=3.15.0rc2", of_version(CPYTHON, "3.15.0rc1"), "it is not >=3.15.0rc2"),
    ("3.15rc1", of_version(CPYTHON, "3.15.0rc1"), None),
    ("3.15.0rc1", of_version(CPYTHON, "3.15.0rc1"), None),
    ("3.15rc2", of_version(CPYTHON, "3.15.0rc1"), "it is not 3.15rc2"),
    ("3.15rc1", of_version(CPYTHON, "3.15.0"), "it is not 3.15rc1"),
    ("3.15.0", of_version(CPYTHON, "3.15.0rc1"), "it is not 3.15.0"),
    ("any", of_version(CPYTHON, "3.15.0rc1"), None),
]


@pytest.mark.parametrize(("text", "target", "reason"), CASES)
def test_a_target_answers_or_there_is_a_reason(
    text: str, target: Target, reason: str | None
) -> None:
    request = parse_request(text, is_path=False)
    assert isinstance(request, SpecRequest)
    assert mismatch(request, target) == reason


def test_the_plain_name_on_path_makes_an_unusual_implementation_the_users_choice() -> None:
    request = SpecRequest(text="default")
    assert mismatch(request, PYPY_39, is_default=True) is None


@pytest.mark.parametrize("target", [PYPY_39, of_version(CPYTHON, "3.15.0rc1")])
def test_what_an_environment_was_made_from_needs_no_second_wish(target: Target) -> None:
    assert mismatch(SpecRequest(text="default"), target, is_existing=True) is None


@pytest.mark.parametrize(
    ("text", "version", "fits"),
    [
        ("3.12.4", "3.12", True),
        ("3.12.4", "3.11", False),
        (">=3.12.4", "3.12", True),
        (">=3.12.4,<3.13", "3.13", False),
        ("==3.12.*", "3.12", True),
        ("3", "3.12", True),
    ],
)
def test_a_minor_version_may_fit_where_one_of_its_patches_does(
    text: str, version: str, fits: bool
) -> None:
    request = parse_request(text, is_path=False)
    assert isinstance(request, SpecRequest)
    assert (version_mismatch(request, version) is None) is fits


@pytest.mark.parametrize(
    ("specifiers", "expected"),
    [
        (">=3.10", SpecRequest(text=">=3.10", specifiers=">=3.10")),
        ("==3.12.4", SpecRequest(text="==3.12.4", release=(3, 12, 4))),
        ("==3.12.*", SpecRequest(text="==3.12.*", specifiers="==3.12.*")),
        ("", SpecRequest(text="")),
    ],
)
def test_requires_python_makes_a_request(specifiers: str, expected: SpecRequest) -> None:
    assert request_of_specifiers(specifiers) == expected
