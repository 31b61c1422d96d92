"""File names for names that may hold any character."""

from __future__ import annotations

import re
from collections.abc import Iterable

_UNSUITABLE = re.compile(r"[^\w.+=-]+")
_LONGEST = 120
"""In bytes, of which file systems take 255: letters of most scripts have two or three."""


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Give each name a file name of its own that every file system takes, without a suffix.

    Unsuitable characters become underscores. Where two file names would be the same, also on a file system
    that does not tell upper from lower case, the later one gets a number.
    """
    chosen: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        if name in chosen:
            continue
        plain = _cut(_UNSUITABLE.sub("_", name).lstrip(".")).rstrip(".") or "_"
        candidate, number = plain, 2
        while candidate.casefold() in taken:
            candidate, number = f"{plain}-{number}", number + 1
        taken.add(candidate.casefold())
        chosen[name] = candidate
    return chosen


def _cut(name: str) -> str:
    """Return the beginning of a name that is short enough, without half a character at its end."""
    return name.encode("utf-8", "surrogateescape")[:_LONGEST].decode("utf-8", "ignore")
