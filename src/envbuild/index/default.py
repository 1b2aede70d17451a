"""The index that is meant where none is named: the only place that holds a registry's address."""

from __future__ import annotations

DEFAULT_INDEX = "https://pypi.org/simple"
