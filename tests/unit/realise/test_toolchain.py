from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from envbuild.realise import toolchain
from envbuild.realise.toolchain import PROGRAMS, UnusableTools, find_tools, probe_toolchain

if TYPE_CHECKING:
    from pathlib import Path

    from envbuild.derivation.build import Toolchain


def program(folder: Path, name: str, says: str = "", *, mode: int = 0o755) -> Path:
    """Write a program that says this of itself."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\necho more\n")
    path.chmod(mode)
    return path


def probe(folder: Path, *, tools: tuple[str, ...] = ()) -> Toolchain:
    cache = str(folder.parent / f"{folder.name}-cache")
    return probe_toolchain(tools, (str(folder),), cache_dir=cache)


def test_of_the_system_the_usual_programs_count(tmp_path: Path) -> None:
    program(tmp_path, "cc", "cc 12.2")
    program(tmp_path, "unheard-of")
    program(tmp_path, "cmake", mode=0o644)
    found = probe(tmp_path)
    assert found.level == "probed"
    assert [(each.name, each.version) for each in found.programs] == [("cc", "cc 12.2")]


def test_of_a_folder_that_was_named_all_programs_count_and_come_first(tmp_path: Path) -> None:
    program(tmp_path / "usr", "rustc", "rustc 1.60")
    program(tmp_path / "usr", "ld", "ld 2.40")
    program(tmp_path / "rust/bin", "rustc", "rustc 1.95")
    program(tmp_path / "rust/bin", "zzz", "not asked")
    found = probe(tmp_path / "usr", tools=(str(tmp_path / "rust"),))
    assert [(each.name, each.version) for each in found.programs] == [
        ("ld", "ld 2.40"),
        ("rustc", "rustc 1.95"),
        ("zzz", ""),
    ]


def test_another_byte_is_another_program(tmp_path: Path) -> None:
    place = program(tmp_path, "cc", "same")
    (first,) = probe(tmp_path).programs
    place.write_text(place.read_text().replace("more", "less"))
    (second,) = probe(tmp_path).programs
    assert first.version == second.version
    assert first.digest != second.digest


def test_a_program_that_says_nothing_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "cc").write_bytes(b"\x7fELF, but not really")
    (tmp_path / "cc").chmod(0o755)
    (found,) = probe(tmp_path).programs
    assert found.version == ""


def test_what_a_program_says_is_remembered_where_it_speaks_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.which("ld")
    assert real is not None
    for name in ("ld", "cargo"):
        (tmp_path / name).symlink_to(real)
    program(tmp_path, "cc", "a script")
    (tmp_path / "ar").symlink_to(shutil.which("true") or "")
    first = probe(tmp_path)
    asked: list[str] = []
    monkeypatch.setattr(toolchain, "_version", asked.append)
    monkeypatch.setattr(toolchain, "_digest", lambda _: pytest.fail("it is the same file"))
    again = {each.name: each for each in probe(tmp_path).programs}
    found = {each.name: each for each in first.programs}
    assert [os.path.basename(place) for place in asked] == ["ar", "cc"]
    assert (again["ld"], again["cargo"]) == (found["ld"], found["cargo"])
    assert again["cc"].digest == found["cc"].digest


def test_the_usual_programs_are_sorted() -> None:
    assert list(PROGRAMS) == sorted(PROGRAMS)


def test_folders_with_tools_are_known_by_their_real_paths(tmp_path: Path) -> None:
    program(tmp_path / "rust/bin", "cargo")
    (tmp_path / "link").symlink_to("rust")
    assert find_tools((str(tmp_path / "link"),)) == (str(tmp_path / "rust"),)


@pytest.mark.parametrize("folder", ["/", "/build", "/build/tools", "/nowhere"])
def test_what_holds_no_tools_is_refused(folder: str) -> None:
    with pytest.raises(UnusableTools) as caught:
        find_tools((folder,))
    assert caught.value.folder == folder
