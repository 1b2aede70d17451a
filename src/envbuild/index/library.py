"""Loading the HTTP library without what it loads wherever that is installed, needed or not."""

from __future__ import annotations

import sys
import threading

_UNNEEDED = ("h2", "httpx._main")
"""What speaks HTTP/2: 10 ms before the first byte, and loaded again where a server speaks it. A command
line, where `click` is installed, with the libraries that draw it: 40 ms."""

_loading = threading.Lock()


def load_httpx() -> None:
    """Import `httpx` and `httpcore`, once; in the meantime they are told that the rest is not there."""
    with _loading:
        if "httpcore" in sys.modules:
            return
        absent = [name for name in _UNNEEDED if name not in sys.modules]
        for name in absent:
            sys.modules[name] = None  # type: ignore[assignment]
        try:
            import httpcore  # noqa: F401
            import httpx  # noqa: F401
        finally:
            for name in absent:
                del sys.modules[name]
