"""Activation for PowerShell, of any system."""

from __future__ import annotations

_QUOTES = "'\u2018\u2019\u201a\u201b"
"""What ends a string, unless it is doubled: typographic quotes do, too."""

TEMPLATE = """\
# Puts the Python environment around this file first on PATH. For PowerShell:
#
#     . bin/activate.ps1
#
# `deactivate` puts everything back.

function global:deactivate([switch] $NonDestructive) {
    if (Test-Path variable:global:_OLD_VIRTUAL_PATH) {
        $env:PATH = $global:_OLD_VIRTUAL_PATH
        Remove-Variable -Name _OLD_VIRTUAL_PATH -Scope Global
    }
    if (Test-Path variable:global:_OLD_VIRTUAL_PYTHONHOME) {
        $env:PYTHONHOME = $global:_OLD_VIRTUAL_PYTHONHOME
        Remove-Variable -Name _OLD_VIRTUAL_PYTHONHOME -Scope Global
    }
    if (Test-Path function:_OLD_VIRTUAL_PROMPT) {
        Set-Item -Path function:global:prompt -Value $function:_OLD_VIRTUAL_PROMPT
        Remove-Item -Path function:_OLD_VIRTUAL_PROMPT
    }
    foreach ($name in 'VIRTUAL_ENV', 'VIRTUAL_ENV_PROMPT') {
        if (Test-Path "env:$name") {
            Remove-Item -Path "env:$name"
        }
    }
    if (-not $NonDestructive) {
        Remove-Item -Path function:deactivate
    }
}

# Another environment, or this one, may be active.
deactivate -NonDestructive

$env:VIRTUAL_ENV = @PREFIX@
$env:VIRTUAL_ENV_PROMPT = @PROMPT@

$global:_OLD_VIRTUAL_PATH = $env:PATH
$env:PATH = @BIN@ + [System.IO.Path]::PathSeparator + $env:PATH

if (Test-Path env:PYTHONHOME) {
    $global:_OLD_VIRTUAL_PYTHONHOME = $env:PYTHONHOME
    Remove-Item -Path env:PYTHONHOME
}

if (-not $env:VIRTUAL_ENV_DISABLE_PROMPT) {
    Set-Item -Path function:global:_OLD_VIRTUAL_PROMPT -Value $function:prompt
    function global:prompt {
        Write-Host -NoNewline "($env:VIRTUAL_ENV_PROMPT) "
        _OLD_VIRTUAL_PROMPT
    }
}
"""


def quote(text: str) -> str:
    """Return `text` as a string."""
    return "'" + "".join(char * 2 if char in _QUOTES else char for char in text) + "'"
