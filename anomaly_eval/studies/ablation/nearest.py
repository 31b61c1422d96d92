"""The hint that goes with a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable

from anomaly_eval.errors import closest


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint for a word that is not known: the nearest one that is, else all of them."""
    names = list(known)
    close = closest(word, names)
    return f"the nearest known one is {close!r}" if close else f"choose from {', '.join(names)}"
