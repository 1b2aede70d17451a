"""What the water does."""

TIDES = ("morning", "evening")
