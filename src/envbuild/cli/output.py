"""Options of every command that prints something, for people or for programs."""

from __future__ import annotations

from envbuild.cli.arguments import Group, Option

AS_JSON = (
    Option(name="json", help="Print JSON", sets="output-format", value="json"),
    Option(name="output-format", metavar="FORMAT", help="Print text or json"),
)
OUTPUT = Group(title="Output", options=AS_JSON)
