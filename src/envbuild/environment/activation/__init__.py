"""Scripts that make an environment the first on `PATH` of a shell, and undo that again.

One module for each language: a template, and how that language quotes a text. They agree on what
activation is: `VIRTUAL_ENV` and `VIRTUAL_ENV_PROMPT` are set, the folder of scripts comes first on
`PATH`, `PYTHONHOME` is taken away, the prompt shows the environment unless
`VIRTUAL_ENV_DISABLE_PROMPT` is set; `deactivate` puts everything back as it was. What is saved has
the names that venv, virtualenv and uv save it under, so any of these may follow on any other.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envbuild.target.model import Scheme

_EXPANDED_IN_PROMPTS = frozenset("\\$`!%")
"""What one shell or another would take for an instruction. Names of folders may hold it: a prompt
that is made from one must not run what somebody wrote there."""


def activation_files(*, prefix: str, prompt: str, scheme: Scheme) -> tuple[tuple[str, bytes], ...]:
    """Return name and content of each script, for the folder of scripts.

    Args:
        prefix: absolute path of the environment: Unicode text without control characters.
        prompt: what stands in front of the shell's prompt.
        scheme: of the environment.
    """
    from envbuild.environment.activation import (
        batch,
        csh,
        fish,
        nushell,
        posix,
        powershell,
        python,
        xonsh,
    )
    from envbuild.environment.record import relative

    sites = dict.fromkeys((scheme.purelib, scheme.platlib))
    values = {
        "PREFIX": prefix,
        "BIN": f"{prefix}/{scheme.scripts}",
        "PROMPT": prompt,
        "LABEL": f"({''.join(map(_harmless, prompt))}) ",
        "SITES": ":".join(relative(site, scheme.scripts) for site in sites),
    }
    files = []
    for name, template, quote in (
        ("activate", posix.TEMPLATE, posix.quote),
        ("activate.csh", csh.TEMPLATE, csh.quote),
        ("activate.fish", fish.TEMPLATE, fish.quote),
        ("activate.nu", nushell.TEMPLATE, nushell.quote),
        ("activate.ps1", powershell.TEMPLATE, powershell.quote),
        ("activate.xsh", xonsh.TEMPLATE, python.quote),
        ("activate_this.py", python.TEMPLATE, python.quote),
    ):
        quoted = {key: quote(value) for key, value in values.items()}
        files.append((name, _filled(template, quoted).encode("utf-8")))
    for name, template in (
        ("activate.bat", batch.ACTIVATE),
        ("deactivate.bat", batch.DEACTIVATE),
        ("pydoc.bat", batch.PYDOC),
    ):
        text = template.replace("@SCRIPTS@", scheme.scripts).replace("\n", "\r\n")
        files.append((name, text.encode("utf-8")))
    return tuple(files)


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template with values in place of `@KEY@`; what a value holds is left as it is.

    A regular expression would do it in a line, and take 5 ms to be loaded.
    """
    pieces: list[str] = []
    rest = template
    while rest:
        before, at, after = rest.partition("@")
        key, closing, rest = after.partition("@")
        if closing and key in values:
            pieces += before, values[key]
        else:
            pieces += before, at
            rest = after
    return "".join(pieces)


def _harmless(char: str) -> str:
    return "_" if char in _EXPANDED_IN_PROMPTS or not char.isprintable() else char
