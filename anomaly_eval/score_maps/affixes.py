"""File names that hold the names of images between a beginning and an end that all share, as `score_ID_msp`.

Of a name with folders, as `t5/300`, only the last level has them: `t5/score_300_msp`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

_MOST_TRIED = 5

Affix = tuple[str, str]
"""What stands before and after the name of an image."""


def shared_affixes(names: Iterable[str], files: Iterable[str]) -> list[Affix]:
    """Return each beginning and end with which every one of `names` is among `files`, sorted.

    A name ends where letters, digits and other characters meet, so that 1 is not found in 12 or in frame11.
    """
    names, present = list(names), set(files)
    # One that is right for all is right for the longest, which few others hold by chance.
    longest = max(names, key=len, default="")
    return [affix for affix in sorted(_around(longest, present)) if _count(names, affix, present) == len(names)]


def nearest_affix(names: Iterable[str], files: Iterable[str]) -> Affix | None:
    """Return the one with which the most of `names` are among `files`; None where that are fewer than two."""
    names, present = list(names), set(files)
    tried = sorted({affix for name in names[:_MOST_TRIED] for affix in _around(name, present)})
    counts = Counter({affix: _count(names, affix, present) for affix in tried})
    return next((affix for affix, count in counts.most_common(1) if count > 1), None)


def matched(owners: Mapping[str, str], affix: Affix) -> dict[str, str]:
    """Return the id of each file name, `owners` being the ids of the names of images."""
    return {_within(name, affix): id for name, id in owners.items()}


def written(affix: Affix) -> str:
    """Write `score_*_msp`."""
    return "*".join(affix)


def _around(name: str, files: Iterable[str]) -> set[Affix]:
    found = set()
    folder, name = _split(name)
    for file in (last for parent, last in map(_split, files) if parent == folder):
        place = file.find(name) if name else -1
        while place >= 0:
            before, after = file[:place], file[place + len(name) :]
            if _part(before[-1:], name[0]) and _part(name[-1], after[:1]):
                found.add((before, after))
            place = file.find(name, place + 1)
    return found


def _part(one: str, other: str) -> bool:
    """Whether a name can end between two characters."""
    return not (one.isdigit() and other.isdigit()) and not (one.isalpha() and other.isalpha())


def _count(names: Iterable[str], affix: Affix, files: set[str]) -> int:
    return sum(_within(name, affix) in files for name in names)


def _within(name: str, affix: Affix) -> str:
    folder, last = _split(name)
    return f"{folder}{affix[0]}{last}{affix[1]}"


def _split(name: str) -> tuple[str, str]:
    """Split `t5/300` into `t5/` and `300`."""
    folder, slash, last = name.rpartition("/")
    return folder + slash, last
