"""The hint that goes with a word that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint for a word that is not known: the nearest one that is, else all of them."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f"the nearest known one is {close[0]!r}" if close else f"choose from {', '.join(names)}"
