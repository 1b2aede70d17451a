"""A project of invented packages on an index of this machine, in three states of its lock.

From `first` to `second` a package is replaced (with files that go, come, change and stay), one is
removed, one is added; others stay. Among them are namespace packages that share a folder, data
files, scripts, extension-like binaries, empty files and equal files. `large` is `first` with so many
more files that several processes place them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.wheels import build_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.workbench import Workbench
    from support.index_server import IndexServer

FIRST = ("shop-till ==1.0", "shop-coins", "shop-shelf[labels] ==1.0", "shop-awning")
HALLS = ("shop-hall-a", "shop-hall-b", "shop-hall-c")
LARGE = (*FIRST, *HALLS)
SECOND = ("shop-till ==2.0", "shop-coins", "shop-shelf ==1.0", "shop-cellar")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The locks lie at `first/uv.lock`, `second/uv.lock` and `large/uv.lock` below `folder`."""

    folder: Path
    server: IndexServer

    @property
    def first(self) -> str:
        return str(self.folder / "first" / "uv.lock")

    @property
    def second(self) -> str:
        return str(self.folder / "second" / "uv.lock")

    @property
    def large(self) -> str:
        return str(self.folder / "large" / "uv.lock")


def open_shop(folder: Path, server: IndexServer, bench: Workbench) -> Shop:
    """Make the wheels in the folder that `server` serves, and lock the projects with uv."""
    make_wheels(server.listings.folder)
    for name, dependencies in (("first", FIRST), ("second", SECOND), ("large", LARGE)):
        (folder / name).mkdir(parents=True)
        text = pyproject(name, dependencies, server.index_url)
        (folder / name / "pyproject.toml").write_text(text, encoding="utf-8")
        bench.uv("lock", "--project", str(folder / name))
    return Shop(folder=folder, server=server)


def pyproject(name: str, dependencies: tuple[str, ...], index: str) -> str:
    """Return a project that asks for `dependencies` and knows one index."""
    listed = ", ".join(f'"{dependency}"' for dependency in dependencies)
    return f"""\
[project]
name = "{name}"
version = "1"
requires-python = ">=3.9"
dependencies = [{listed}]

[tool.uv]
package = false

[[tool.uv.index]]
name = "shop"
url = "{index}"
default = true
"""


def make_wheels(folder: str) -> None:
    """Write the shop's wheels into `folder`."""
    numbers = random.Random(7)

    def till(version: str) -> dict[str, str | bytes]:
        parts = {f"shop_till/part{n}.py": f"NUMBER = {n}\n" for n in range(12)}
        return {
            "shop_till/__init__.py": f"VERSION = {version!r}\n\ndef main():\n    print(VERSION)\n",
            f"shop_till/only_in_{version[0]}.py": "",
            f"shop_till/drawer{version[0]}/__init__.py": f"VERSION = {version!r}\n",
            "shop_till/receipt.txt": f"Receipt of till {version}\n" * 200,
            **parts,
        }

    for version in ("1.0", "2.0"):
        build_wheel(
            folder,
            "shop-till",
            version,
            files=till(version),
            entry_points={"console_scripts": {"till": "shop_till:main"}},
            data={f"data/share/till/{version}.txt": "till\n", "headers/till.h": "int till;\n"},
            requires=["shop-coins"],
        )
    coins: dict[str, str | bytes] = {
        f"shop_space/coins/value{n}.bin": numbers.randbytes(20_000 + n) for n in range(20)
    }
    build_wheel(
        folder,
        "shop-coins",
        "1.5",
        files={"shop_space/coins/__init__.py": "", **coins},
        data={"scripts/count-coins": "#!python\nprint('counted')\n"},
    )
    shelf: dict[str, str | bytes] = {
        f"shop_space/shelf/row{n // 10}/item{n}.py": f"ITEM = {n // 2}\n" for n in range(60)
    }
    build_wheel(folder, "shop-shelf", "1.0", files=shelf, extras={"labels": ["shop-labels"]})
    for name in HALLS:
        module = name.replace("-", "_")
        hall: dict[str, str | bytes] = {
            f"{module}/aisle{n % 40}/box{n}.txt": f"{n}\n" for n in range(2000)
        }
        build_wheel(folder, name, "1.0", files=hall)
    for name in ("shop-labels", "shop-awning", "shop-cellar"):
        module = name.replace("-", "_")
        build_wheel(folder, name, "1.0", files={f"{module}.py": "", f"{module}.txt": name * 50})
