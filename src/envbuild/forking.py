"""Copies of this process, which do one kind of work and end without running anything else of ours."""

from __future__ import annotations

import os
import sys


def can_fork() -> bool:
    """Tell whether a copy of this process is safe to make here: in the main thread, on Linux."""
    if sys.platform != "linux":
        return False
    import threading

    return threading.current_thread() is threading.main_thread()


def fork(*modules: str) -> int:
    """Make a copy of this process; returns 0 in the copy, where no other thread runs.

    Args:
        modules: that the copy will need, where they are to be had. What is imported here need not be
            imported there, where another thread's import, cut off by the fork, would be waited for
            in vain.

    Raises:
        OSError: no process can be started.
    """
    import warnings

    for name in modules:
        try:
            __import__(name)
        except ImportError:
            # It is not needed then, or missed where it is.
            continue
    with warnings.catch_warnings():
        # Python warns where other threads run, such as one that draws the progress. The copy never
        # waits for a lock that another thread could have held at this moment.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
