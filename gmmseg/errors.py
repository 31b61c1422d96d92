"""The one exception that users meet, and what its sentences are made of."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_TELLING = 5
"""Letters that are no chance in another name."""
_LONGEST = 300
"""Characters that a reason takes in a sentence: some libraries say all that they were given."""


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one clear sentence that names the file or value and the remedy. The command line prints it
    without a traceback and exits with code 2.
    """


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return what a word that is not known may have been meant to be; None where nothing is close.

    A name that holds all of the word comes before one that is alike: `roadanomaly21` is `smiyc_road_anomaly21`.
    """
    names = list(known)
    plain = _plain(word)
    holding = [name for name in names if len(plain) >= _TELLING and plain in _plain(name)]
    return min(holding, key=len) if holding else next(iter(get_close_matches(word, names, n=1)), None)


def _plain(word: str) -> str:
    return "".join(character for character in word.casefold() if character.isalnum())


def reason_of(error: BaseException) -> str:
    """Return what an error of another library is and says, for the middle of a sentence."""
    said = " ".join(f"{error}".split()).rstrip(".")
    shown = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__
