"""Numbers that are raised by hand when something kept from one run to the next changes its meaning."""

from __future__ import annotations

INSTANTIATION = 3
"""Of a kept instantiation."""

PLACEMENT = 2
"""Of a kept placement."""

WRITER = 2
"""Of what an environment is made of: the same facts are written differently, and all are renewed."""
