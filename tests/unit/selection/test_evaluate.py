from __future__ import annotations

import marshal

import pytest

from envbuild.lockfile.parse import parse_lock
from envbuild.selection.evaluate import Evaluator, split_secret, split_userinfo, url_location
from envbuild.selection.evaluated import CHOICE, SOURCE, UNMET_GROUPS
from support.locks import lock_text, package
from support.targets import make_target

COMMIT = "0" * 40
HASH = "sha256:" + "0" * 64
EVALUATOR = Evaluator(make_target())


def evaluated(source: str, wheels: str = "[]", more: str = "") -> tuple[object, object]:
    text = lock_text(package("a", source=source, wheels=(), more=f"wheels = {wheels}\n{more}"))
    result = EVALUATOR.package(parse_lock(text, file="uv.lock").packages[0])
    assert marshal.loads(marshal.dumps(result)) == result
    return result[SOURCE], result[CHOICE]


NAME = "a-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("source", "wheel", "key", "location", "userinfo"),
    [
        (
            "registry = 'https://me:pw@i.example/simple'",
            f"url = 'https://f.example/{NAME}'",
            ("registry", "https://i.example/simple", ""),
            f"https://f.example/{NAME}",
            "",
        ),
        (
            "registry = 'https://i.example/simple'",
            f"url = 'https://me:pw@f.example/@x/{NAME}'",
            ("registry", "https://i.example/simple", ""),
            f"https://f.example/@x/{NAME}",
            "me:pw",
        ),
        (
            "registry = '../wheels'",
            f"path = './deep/{NAME}'",
            ("registry", "../wheels", ""),
            f"../wheels/deep/{NAME}",
            "",
        ),
        (
            "registry = '../wheels'",
            f"path = '/abs/{NAME}'",
            ("registry", "../wheels", ""),
            f"/abs/{NAME}",
            "",
        ),
        (
            "registry = '/wheels'",
            f"url = 'file:///other%20wheels/{NAME}'",
            ("registry", "/wheels", ""),
            f"/other wheels/{NAME}",
            "",
        ),
        (
            f"url = 'https://token@x.example/{NAME}', subdirectory = 's'",
            f"filename = '{NAME}', hash = '{HASH}'",
            ("url", f"https://x.example/{NAME}", "s"),
            f"https://x.example/{NAME}",
            "token",
        ),
        (
            f"path = 'w/{NAME}'",
            f"filename = '{NAME}', hash = '{HASH}'",
            ("path", f"w/{NAME}", ""),
            f"w/{NAME}",
            "",
        ),
    ],
)
def test_a_wheel_is_located(
    source: str, wheel: str, key: object, location: str, userinfo: str
) -> None:
    found_key, choice = evaluated(source, f"[{{ {wheel} }}]")
    assert found_key == key
    assert isinstance(choice, tuple)
    assert choice[0][:3] == (NAME, location, userinfo)
    assert choice[1:] == (None, None, None)


@pytest.mark.parametrize(
    ("source", "key"),
    [
        (
            f"git = 'https://me:pw@g.example/r?rev=v1&subdirectory=s#{COMMIT}'",
            ("git", f"https://g.example/r?rev=v1&subdirectory=s#{COMMIT}", "s"),
        ),
        (f"git = 'ssh://git@g.example/r#{COMMIT}'", ("git", f"ssh://git@g.example/r#{COMMIT}", "")),
        (
            f"git = 'https://token@g.example/r?branch=b#{COMMIT}'",
            ("git", f"https://g.example/r?branch=b#{COMMIT}", ""),
        ),
        ("directory = 'd'", ("directory", "d", "")),
        ("editable = 'd'", ("editable", "d", "")),
        ("virtual = 'd'", ("virtual", "d", "")),
    ],
)
def test_a_source_is_known_by_its_key(source: str, key: object) -> None:
    assert evaluated(source)[0] == key


@pytest.mark.parametrize(
    ("source", "wheels", "more", "choice"),
    [
        ("directory = 'd'", "[]", "", None),
        ("registry = 'w'", "[]", "", (None, None, None, None)),
        (
            "registry = 'w'",
            "[]",
            "sdist = { path = 'a-1.0.tar.gz' }",
            (None, None, ("a-1.0.tar.gz", "w/a-1.0.tar.gz", "", None, None), None),
        ),
        (
            "url = 'https://me:pw@f.example/a.zip', subdirectory = 's'",
            "[]",
            f"sdist = {{ hash = '{HASH}' }}",
            (None, None, ("a.zip", "https://f.example/a.zip", "me:pw", HASH, None), None),
        ),
        (
            "registry = 'w'",
            "[{ path = 'a-1.0-pp39-pypy39-any.whl' }]",
            "",
            (None, ("python", "cp312", ("pp39",)), None, None),
        ),
        ("editable = 'd'", "[]", "", None),
        (
            f"git = 'https://g.example/r#{COMMIT}'",
            "[]",
            "",
            (None, None, None, ("https://g.example/r", COMMIT, False, "")),
        ),
        (
            f"git = 'https://g.example/r?subdirectory=s&lfs=true&tag=v1#{COMMIT}'",
            "[]",
            "",
            (None, None, None, ("https://g.example/r", COMMIT, True, "")),
        ),
        (
            f"git = 'https://me:pw@g.example/r?rev=v1#{COMMIT}'",
            "[]",
            "",
            (None, None, None, ("https://g.example/r", COMMIT, False, "me:pw")),
        ),
        (
            f"git = 'ssh://git@g.example/r#{COMMIT}'",
            "[]",
            "",
            (None, None, None, ("ssh://git@g.example/r", COMMIT, False, "")),
        ),
    ],
)
def test_where_no_wheel_is_chosen_it_is_said_what_else_there_is(
    source: str, wheels: str, more: str, choice: object
) -> None:
    assert evaluated(source, wheels, more)[1] == choice


def test_groups_that_ask_for_another_python_are_noted() -> None:
    text = lock_text(
        package("a", tables="[package.group-requires-python]\nnew = '>=3.13'\nold = '>=3.10'")
    )
    result = EVALUATOR.package(parse_lock(text, file="uv.lock").packages[0])
    assert result[UNMET_GROUPS] == {"new": ">=3.13"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h.example/x", ("https://h.example/x", "")),
        ("https://u:p@h.example/x", ("https://h.example/x", "u:p")),
        ("https://u%40v@h.example:8080/x@y", ("https://h.example:8080/x@y", "u%40v")),
        ("https://u:p@h.example", ("https://h.example", "u:p")),
        ("../folder", ("../folder", "")),
        ("folder@home/x", ("folder@home/x", "")),
    ],
)
def test_credentials_are_told_apart_from_the_url(url: str, expected: tuple[str, str]) -> None:
    assert split_userinfo(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h.example/r", ("https://h.example/r", "")),
        ("https://u:p@h.example/r", ("https://h.example/r", "u:p")),
        ("https://token@h.example/r", ("https://h.example/r", "token")),
        ("ssh://git@h.example/r", ("ssh://git@h.example/r", "")),
        ("ssh://git:p@h.example/r", ("ssh://h.example/r", "git:p")),
        ("git@h.example:r", ("git@h.example:r", "")),
        ("file:///r", ("file:///r", "")),
    ],
)
def test_only_the_user_name_of_an_ssh_address_is_no_secret(
    url: str, expected: tuple[str, str]
) -> None:
    assert split_secret(url) == expected


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///a/b%2Bc.whl", "/a/b+c.whl"),
        ("file://localhost/a.whl", "/a.whl"),
        ("file:///a.whl#sha256=1", "/a.whl"),
    ],
)
def test_a_file_url_is_a_path(url: str, path: str) -> None:
    assert url_location(url) == (path, "")
