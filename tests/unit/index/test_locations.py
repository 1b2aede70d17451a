from __future__ import annotations

import pytest

from envbuild.index.locations import UnknownScheme, is_remote, resolve

RESOLVED = {
    "https://files.example/a%20b.whl": "https://files.example/a%20b.whl",
    "HTTPS://files.example/a.whl": "https://files.example/a.whl",
    "wheels/a-1.0+cpu-py3-none-any.whl": "/home/p/wheels/a-1.0+cpu-py3-none-any.whl",
    "../my wheels/a%20b.whl": "/home/my wheels/a%20b.whl",
    "/srv/wheels/a.whl": "/srv/wheels/a.whl",
    "file:///srv/my%20wheels/a.whl": "/srv/my wheels/a.whl",
    "file://localhost/srv/a.whl": "/srv/a.whl",
}


@pytest.mark.parametrize(("location", "expected"), RESOLVED.items())
def test_locations_resolve_against_the_folder_of_the_lock(location: str, expected: str) -> None:
    resolved = resolve(location, folder="/home/p")
    assert resolved == expected
    assert is_remote(resolved) == expected.startswith("http")


@pytest.mark.parametrize("location", ["ftp://a.example/x.whl", "file://other.example/srv/x.whl"])
def test_what_cannot_be_read_is_refused(location: str) -> None:
    with pytest.raises(UnknownScheme):
        resolve(location, folder="/")
