"""Activation for xonsh, which quotes texts as Python does and shows `VIRTUAL_ENV_PROMPT` by itself.

It expands `$NAME` in the folders of `PATH` whatever one does: there an environment cannot have the
name of a variable in its path.
"""

from __future__ import annotations

TEMPLATE = """\
# Puts the Python environment around this file first on PATH. For xonsh:
#
#     source bin/activate.xsh
#
# `deactivate` puts everything back.

# Another environment, or this one, may be active.
if "deactivate" in aliases:
    deactivate


def _deactivate_virtual_env(args=None):
    env = ${...}
    for name in ("PATH", "PYTHONHOME"):
        saved = "_OLD_VIRTUAL_" + name
        if saved in env:
            env[name] = env[saved]
            del env[saved]
    for name in ("VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT"):
        if name in env:
            del env[name]
    del aliases["deactivate"]


aliases["deactivate"] = _deactivate_virtual_env

$VIRTUAL_ENV = @PREFIX@
$VIRTUAL_ENV_PROMPT = @PROMPT@

$_OLD_VIRTUAL_PATH = list($PATH)
$PATH = [@BIN@, *$PATH]

if "PYTHONHOME" in ${...}:
    $_OLD_VIRTUAL_PYTHONHOME = $PYTHONHOME
    del $PYTHONHOME
"""
