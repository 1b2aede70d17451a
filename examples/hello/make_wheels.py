"""Make the wheels of this example: four small invented packages, the same bytes every time."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests"))

from support.wheels import build_wheel

HERE = os.path.dirname(os.path.abspath(__file__))

LANTERN = '''\
"""Greets by lamplight."""

import argparse
import os
import sys

from lantern_words import GREETINGS

FAREWELLS = os.path.join(sys.prefix, "share", "lantern", "farewells.txt")


def greeting(language):
    return GREETINGS[language]


def farewells():
    with open(FAREWELLS, encoding="utf-8") as file:
        return file.read().splitlines()


def main():
    parser = argparse.ArgumentParser(prog="lantern", description="Greet by lamplight.")
    parser.add_argument("--language", default="en", choices=sorted(GREETINGS))
    parser.add_argument("--farewell", action="store_true", help="take leave as well")
    options = parser.parse_args()
    try:
        from lantern_colour import warm
    except ImportError:
        warm = str
    print(warm(greeting(options.language)))
    if options.farewell:
        print("\\n".join(farewells()))
'''

WORDS = '''\
"""What to say."""

GREETINGS = {
    "de": "Guten Abend!",
    "en": "Good evening!",
    "fr": "Bonsoir !",
    "ja": "こんばんは",
}
'''

COLOUR = '''\
"""How to say it on a terminal."""


def warm(text):
    return f"\\033[33m{text}\\033[0m"
'''

CHECK = '''\
"""Whether it was said well."""

from lantern import greeting
from lantern_words import GREETINGS


def main():
    for language in GREETINGS:
        assert greeting(language), language
    print(f"{len(GREETINGS)} greetings are fine")
'''


def make_wheels(folder: str) -> list[str]:
    """Write the wheels into `folder` and return their paths."""
    return [
        build_wheel(
            folder,
            "lantern",
            "2.1.0",
            files={"lantern/__init__.py": LANTERN},
            requires=["lantern-words >=1"],
            extras={"colour": ["lantern-colour"]},
            entry_points={"console_scripts": {"lantern": "lantern:main"}},
            data={"data/share/lantern/farewells.txt": "Good night!\nSleep well!\n"},
        ),
        build_wheel(folder, "lantern-words", "1.4", files={"lantern_words.py": WORDS}),
        build_wheel(folder, "lantern-colour", "0.3", files={"lantern_colour.py": COLOUR}),
        build_wheel(
            folder,
            "lantern-check",
            "1.0",
            files={"lantern_check.py": CHECK},
            requires=["lantern"],
            entry_points={"console_scripts": {"lantern-check": "lantern_check:main"}},
        ),
    ]


if __name__ == "__main__":
    for path in make_wheels(os.path.join(HERE, "wheels")):
        print(os.path.relpath(path))
