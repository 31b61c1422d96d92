"""The one exception that users meet, and what its sentences are made of, shared with the models."""

from __future__ import annotations

from collections.abc import Iterable

from gmmseg.errors import InputError, closest

__all__ = ["InputError", "closest", "nearest"]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint for a word that is not known: the nearest one that is, else all of them."""
    names = list(known)
    close = closest(word, names)
    return f"the nearest known one is {close!r}" if close else f"choose from {', '.join(names)}"
