"""Activation for csh and tcsh."""

from __future__ import annotations

# `if` on one line, all that an alias can hold, expands its command before it looks at its
# condition, and fails where a variable is not set. Hence the chains of `test` and `&&`.
TEMPLATE = """\
# Puts the Python environment around this file first on PATH. For csh and tcsh:
#
#     source bin/activate.csh
#
# `deactivate` puts everything back.

alias deactivate 'test $?_OLD_VIRTUAL_PATH = 1 && setenv PATH "$_OLD_VIRTUAL_PATH:q" && unset _OLD_VIRTUAL_PATH; test $?_OLD_VIRTUAL_PYTHONHOME = 1 && setenv PYTHONHOME "$_OLD_VIRTUAL_PYTHONHOME:q" && unset _OLD_VIRTUAL_PYTHONHOME; test $?_OLD_VIRTUAL_PROMPT = 1 && set prompt="$_OLD_VIRTUAL_PROMPT:q" && unset _OLD_VIRTUAL_PROMPT; unsetenv VIRTUAL_ENV; unsetenv VIRTUAL_ENV_PROMPT; rehash; test "\\!:*" = nondestructive || unalias deactivate'

# Another environment, or this one, may be active.
deactivate nondestructive

setenv VIRTUAL_ENV @PREFIX@
setenv VIRTUAL_ENV_PROMPT @PROMPT@

if ( ! $?PATH ) setenv PATH ""
set _OLD_VIRTUAL_PATH="$PATH:q"
setenv PATH @BIN@":$PATH:q"

if ( $?PYTHONHOME ) then
    set _OLD_VIRTUAL_PYTHONHOME="$PYTHONHOME:q"
    unsetenv PYTHONHOME
endif

if ( $?prompt && ! $?VIRTUAL_ENV_DISABLE_PROMPT ) then
    set _OLD_VIRTUAL_PROMPT="$prompt:q"
    set prompt=@LABEL@"$prompt:q"
endif

rehash
"""


def quote(text: str) -> str:
    """Return `text` as one word. An exclamation mark recalls history even between quotes."""
    return "'" + text.replace("'", "'\\''").replace("!", "\\!") + "'"
