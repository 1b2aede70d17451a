"""Addresses as they may be shown: without what lets somebody in.

Whatever is logged, reported or put into an error goes through here first.
"""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?<=://)[^\s/?#\"'<>]*@")
_SECRET_PARAMETER = re.compile(
    r"(?<=[?&])([^=&#\s]*(?:token|signature|credential|password|secret|sig)[^=&#\s]*)=[^&#\s\"'<>]+",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Return `text` with the userinfo of every URL in it removed, and secret parameters masked."""
    return _SECRET_PARAMETER.sub(r"\1=***", _USERINFO.sub("", text))
