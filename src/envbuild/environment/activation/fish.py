"""Activation for fish."""

from __future__ import annotations

TEMPLATE = """\
# Puts the Python environment around this file first on PATH. For fish:
#
#     source bin/activate.fish
#
# `deactivate` puts everything back.

function deactivate -d 'Leave the Python environment'
    if set -q _OLD_VIRTUAL_PATH
        set -gx PATH $_OLD_VIRTUAL_PATH
        set -e _OLD_VIRTUAL_PATH
    end
    if set -q _OLD_VIRTUAL_PYTHONHOME
        set -gx PYTHONHOME $_OLD_VIRTUAL_PYTHONHOME
        set -e _OLD_VIRTUAL_PYTHONHOME
    end
    if set -q _OLD_FISH_PROMPT_OVERRIDE
        set -e _OLD_FISH_PROMPT_OVERRIDE
        if functions -q _old_fish_prompt
            functions -e fish_prompt
            functions -c _old_fish_prompt fish_prompt
            functions -e _old_fish_prompt
        end
    end
    set -e VIRTUAL_ENV
    set -e VIRTUAL_ENV_PROMPT
    if test "$argv[1]" != nondestructive
        functions -e deactivate
    end
end

# Another environment, or this one, may be active.
deactivate nondestructive

set -gx VIRTUAL_ENV @PREFIX@
set -gx VIRTUAL_ENV_PROMPT @PROMPT@

set -g _OLD_VIRTUAL_PATH $PATH
set -gx PATH @BIN@ $PATH

if set -q PYTHONHOME
    set -g _OLD_VIRTUAL_PYTHONHOME $PYTHONHOME
    set -e PYTHONHOME
end

if test -z "$VIRTUAL_ENV_DISABLE_PROMPT"; and functions -q fish_prompt
    set -g _OLD_FISH_PROMPT_OVERRIDE $VIRTUAL_ENV
    functions -c fish_prompt _old_fish_prompt
    function fish_prompt
        set -l code $status
        printf '(%s) ' $VIRTUAL_ENV_PROMPT
        # The prompt within may show how the last command ended.
        function _old_fish_status
            return $argv[1]
        end
        _old_fish_status $code
        _old_fish_prompt
    end
end
"""


def quote(text: str) -> str:
    """Return `text` as one word."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
