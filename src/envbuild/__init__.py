"""Python environments built from a lockfile through a content-addressed store."""

__version__ = "0.1.0"
