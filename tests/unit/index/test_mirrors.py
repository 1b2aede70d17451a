from __future__ import annotations

import pytest

from envbuild.index.mirrors import BadMirror, Mirrors

FILE = "https://files.example/packages/ab/x-1.0-py3-none-any.whl"

ADDRESSES = {
    "a prefix is rewritten and the rest kept": (
        ["https://files.example/packages=https://mirror.example/p"],
        FILE,
        ["https://mirror.example/p/ab/x-1.0-py3-none-any.whl"],
    ),
    "final slashes do not matter": (
        ["https://files.example/packages/=https://mirror.example/p/"],
        FILE,
        ["https://mirror.example/p/ab/x-1.0-py3-none-any.whl"],
    ),
    "a whole host can be named": (
        ["https://files.example=http://127.0.0.1:8080"],
        FILE,
        ["http://127.0.0.1:8080/packages/ab/x-1.0-py3-none-any.whl"],
    ),
    "the longest prefix wins": (
        [
            "https://files.example=https://short.example",
            "https://files.example/packages/ab=https://long.example",
            "https://files.example/packages=https://middle.example",
        ],
        FILE,
        ["https://long.example/x-1.0-py3-none-any.whl"],
    ),
    "targets of one prefix are tried in the order of the rules": (
        [
            "https://files.example=https://one.example",
            "https://files.example=https://two.example",
        ],
        "https://files.example/x.whl",
        ["https://one.example/x.whl", "https://two.example/x.whl"],
    ),
    "a mirror may be a folder": (
        ["https://files.example/packages=/srv/wheels"],
        FILE,
        ["/srv/wheels/ab/x-1.0-py3-none-any.whl"],
    ),
    "a host that only begins alike is another host": (
        ["https://files.example=https://mirror.example"],
        "https://files.example.org/x.whl",
        ["https://files.example.org/x.whl"],
    ),
    "a folder that only begins alike is another folder": (
        ["https://files.example/pack=https://mirror.example"],
        FILE,
        [FILE],
    ),
    "host names are equal in any case": (
        ["https://Files.Example/packages=https://mirror.example"],
        "https://FILES.example/packages/x.whl",
        ["https://mirror.example/x.whl"],
    ),
    "credentials do not hide an address, and stay behind": (
        ["https://files.example=https://mirror.example"],
        "https://user:hunter2@files.example/x.whl",
        ["https://mirror.example/x.whl"],
    ),
    "where nothing is mirrored they stay": (
        ["https://files.example=https://mirror.example"],
        "https://user:hunter2@other.example/x.whl",
        ["https://user:hunter2@other.example/x.whl"],
    ),
    "folder names are not": (
        ["https://files.example/Packages=https://mirror.example"],
        FILE,
        [FILE],
    ),
    "without rules nothing changes": ([], FILE, [FILE]),
}


@pytest.mark.parametrize(("rules", "url", "expected"), ADDRESSES.values(), ids=ADDRESSES)
def test_addresses(rules: list[str], url: str, expected: list[str]) -> None:
    assert list(Mirrors.parse(rules).addresses(url)) == expected


@pytest.mark.parametrize(
    "rule", ["", "https://a.example", "a=b", "ftp://a.example=https://b.example", "=/srv"]
)
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(BadMirror):
        Mirrors.parse([rule])


def test_credentials_of_a_target_are_not_shown() -> None:
    rule = "https://a.example=https://user:hunter2@b.example"
    assert "hunter2" not in repr(Mirrors.parse([rule]))
    with pytest.raises(BadMirror) as caught:
        Mirrors.parse([rule.replace("https://a", "a")])
    assert "hunter2" not in str(caught.value) + repr(vars(caught.value))
