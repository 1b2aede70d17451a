"""Where a build may be done."""

from __future__ import annotations

import pytest

from envbuild.realise.build import is_taken


@pytest.mark.parametrize(
    ("folder", "taken"),
    [
        ("/build", True),
        ("/build/packages/demo", True),
        ("/environment", True),
        ("/", True),
        ("/builds", False),
        ("/srv/build", False),
        ("/home/ada/demo", False),
    ],
)
def test_no_project_is_shown_where_builds_have_files_of_their_own(folder: str, taken: bool) -> None:
    assert is_taken(folder) is taken
