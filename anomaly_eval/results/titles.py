"""What readers call methods: scores say it themselves when they are registered, and only they."""

from __future__ import annotations

TITLES: dict[str, str] = {}
"""By the name of the score."""
