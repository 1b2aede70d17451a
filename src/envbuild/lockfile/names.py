"""Names of projects, extras and groups: one grammar, one normal form (PEP 503, PEP 685, PEP 735)."""

from __future__ import annotations


def is_name(text: str) -> bool:
    """Tell whether `text` is a name, normalised or not."""
    return (
        text.isascii()
        and text.replace("-", "").replace("_", "").replace(".", "").isalnum()
        and text[0].isalnum()
        and text[-1].isalnum()
    )


def normalise(name: str) -> str:
    """Return the normal form of a name: lower case, single hyphens."""
    name = name.lower().replace("_", "-").replace(".", "-")
    while "--" in name:
        name = name.replace("--", "-")
    return name
