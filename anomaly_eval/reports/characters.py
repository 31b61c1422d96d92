"""Names of any script and length where a font or a typesetter has few characters, and a table little room."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable

_ELLIPSIS = "…"


def spelt_out(character: str) -> str:
    """Return a character in ASCII: what it is made of where that is ASCII, else its number, as `[U+6F22]`."""
    parts = unicodedata.normalize("NFKD", character).replace("\N{FRACTION SLASH}", "/")
    return parts if parts.isascii() else f"[U+{ord(character):04X}]"


def with_known(text: str, known: Callable[[str], bool]) -> str:
    """Return a text in which characters that are not known are spelt out; accents are joined to letters first."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(one if one.isascii() or known(one) else spelt_out(one) for one in composed)


def shortened(names: Iterable[str], longest: int) -> dict[str, str]:
    """Return each name in `longest` characters or few more: long ones lose their middle, and stay different."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        half = (longest - 1) // 2
        short = name if len(name) <= longest else f"{name[:half]}{_ELLIPSIS}{name[-half:]}"
        alike = sum(other == short or other.startswith(f"{short} (") for other in found.values())
        found[name] = f"{short} ({alike + 1})" if alike and len(name) > longest else short
    return found
