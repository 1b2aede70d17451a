"""Activation for sh, dash, bash, ksh and zsh.

Runs under `set -e` and `set -u`, needs nothing that POSIX does not have, starts no process.
"""

from __future__ import annotations

TEMPLATE = """\
# Puts the Python environment around this file first on PATH. For sh, dash, bash, ksh and zsh:
#
#     . bin/activate
#
# `deactivate` puts everything back.

deactivate () {
    if [ -n "${_OLD_VIRTUAL_PATH+saved}" ]; then
        PATH="$_OLD_VIRTUAL_PATH"
        export PATH
        unset _OLD_VIRTUAL_PATH
    fi
    if [ -n "${_OLD_VIRTUAL_PYTHONHOME+saved}" ]; then
        PYTHONHOME="$_OLD_VIRTUAL_PYTHONHOME"
        export PYTHONHOME
        unset _OLD_VIRTUAL_PYTHONHOME
    fi
    if [ -n "${_OLD_VIRTUAL_PS1+saved}" ]; then
        PS1="$_OLD_VIRTUAL_PS1"
        unset _OLD_VIRTUAL_PS1
    fi
    unset VIRTUAL_ENV VIRTUAL_ENV_PROMPT
    hash -r 2>/dev/null || :
    if [ "${1-}" != nondestructive ]; then
        unset -f deactivate
    fi
}

# Another environment, or this one, may be active.
deactivate nondestructive

VIRTUAL_ENV=@PREFIX@
VIRTUAL_ENV_PROMPT=@PROMPT@
export VIRTUAL_ENV VIRTUAL_ENV_PROMPT

_OLD_VIRTUAL_PATH="${PATH-}"
PATH=@BIN@"${PATH:+:$PATH}"
export PATH

if [ -n "${PYTHONHOME+set}" ]; then
    _OLD_VIRTUAL_PYTHONHOME="$PYTHONHOME"
    unset PYTHONHOME
fi

if [ -n "${PS1+set}" ] && [ -z "${VIRTUAL_ENV_DISABLE_PROMPT-}" ]; then
    _OLD_VIRTUAL_PS1="$PS1"
    PS1=@LABEL@"$PS1"
fi

# Shells remember where they found a command.
hash -r 2>/dev/null || :
"""


def quote(text: str) -> str:
    """Return `text` as one word."""
    return "'" + text.replace("'", "'\\''") + "'"
