"""Text and data inside HTML: whatever they hold, they stay text and data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape

__all__ = ["definitions", "escape", "json_script"]


def json_script(name: str, data: object) -> str:
    """Return a script element that holds JSON for the page's own program; raises ValueError for NaN and infinities."""
    # The one thing that could end the element early is a `<`; other characters are escaped by JSON itself.
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{escape(name)}">{text}</script>\n'


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a list of terms and what they mean, both plain text."""
    items = "".join(f"<dt>{escape(term)}</dt><dd>{escape(meaning)}</dd>" for term, meaning in pairs)
    return f"<dl>{items}</dl>\n"
