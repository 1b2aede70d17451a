"""Activation for Nushell, as an overlay: leaving it undoes what it set."""

from __future__ import annotations

TEMPLATE = """\
# Puts the Python environment around this file first on PATH. For Nushell:
#
#     overlay use bin/activate.nu
#
# `deactivate` puts everything back.

export-env {
    let name = if "PATH" in $env { "PATH" } else { "Path" }
    # Another environment, or this one, may be active.
    let saved = if "_OLD_VIRTUAL_PATH" in $env { "_OLD_VIRTUAL_PATH" } else { $name }
    let path = if $saved in $env { $env | get $saved } else { [] }
    let folders = if ($path | describe) == "string" { $path | split row (char esep) } else { $path }
    load-env {
        _OLD_VIRTUAL_PATH: $folders
        $name: ($folders | prepend @BIN@)
        PYTHONHOME: null
        VIRTUAL_ENV: @PREFIX@
        VIRTUAL_ENV_PROMPT: @PROMPT@
    }
    if ($env.VIRTUAL_ENV_DISABLE_PROMPT? | is-empty) and ("PROMPT_COMMAND" in $env) {
        let saved = if "_OLD_VIRTUAL_PROMPT" in $env { "_OLD_VIRTUAL_PROMPT" } else { "PROMPT_COMMAND" }
        let prompt = ($env | get $saved)
        $env._OLD_VIRTUAL_PROMPT = $prompt
        $env.PROMPT_COMMAND = {||
            let rest = if ($prompt | describe) == "closure" { do $prompt } else { $prompt }
            $"(char lparen)($env.VIRTUAL_ENV_PROMPT)(char rparen) ($rest)"
        }
    }
}

export alias deactivate = overlay hide activate
"""


def quote(text: str) -> str:
    """Return `text` as a string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
