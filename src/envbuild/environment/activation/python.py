"""Activation of an environment from within a running Python, for programs that embed one."""

from __future__ import annotations

TEMPLATE = '''\
"""Makes what is installed in the environment around this file importable, and its programs found.

    path = "bin/activate_this.py"
    exec(open(path).read(), {"__file__": path})

The interpreter stays the one that runs; it must be of the version that the environment is for.
"""

import os
import site
import sys

try:
    _scripts = os.path.dirname(os.path.abspath(__file__))
except NameError:
    raise RuntimeError("pass the path of this file as `__file__` to `exec`") from None

_prefix = os.path.dirname(_scripts)

os.environ["VIRTUAL_ENV"] = _prefix
os.environ["VIRTUAL_ENV_PROMPT"] = @PROMPT@
os.environ["PATH"] = os.pathsep.join([_scripts, *filter(None, [os.environ.get("PATH")])])
os.environ.pop("PYTHONHOME", None)

# `.pth` files are followed, and what they and the environment bring goes before what was there.
_before = list(sys.path)
for _site in @SITES@.split(":"):
    site.addsitedir(os.path.normpath(os.path.join(_scripts, _site)))
sys.path[:] = [_path for _path in sys.path if _path not in _before] + _before

sys.prefix = _prefix
'''


def quote(text: str) -> str:
    """Return `text` as a literal."""
    return ascii(text)
