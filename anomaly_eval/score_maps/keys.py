"""Which array of a file with several is the score map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from anomaly_eval.errors import InputError
from anomaly_eval.score_maps.matching import listed


def folder_and_key(given: Path) -> tuple[Path, str | None]:
    """Split FOLDER:KEY; a folder whose own name holds a colon is that folder, and what is none stays as it is."""
    if given.is_dir():
        return given, None
    parts = str(given).split(":")
    for count in range(1, len(parts)):
        folder, key = Path(":".join(parts[:count])), ":".join(parts[count:])
        if key and folder.is_dir():
            return folder, key
    return given, None


def choose_key(keys: Sequence[str], wanted: str | None, usual: Sequence[str]) -> str:
    """Return the key that is wanted, else the first of the usual ones that is there, else the only one.

    Raises InputError, which says what to write, where there is none or it is not clear which is meant.
    """
    if not keys:
        raise InputError("it holds no array; save one with the scores in it.")
    if wanted is not None:
        if wanted in keys:
            return wanted
        raise InputError(f"it holds no array called {wanted}; name one that it holds, {_as_written(keys)}.")
    for key in usual:
        if key in keys:
            return key
    if len(keys) > 1:
        raise InputError(
            f"it holds the arrays {listed(keys)}, none called {usual[0]}; name the one that is meant, "
            f"{_as_written(keys)}."
        )
    return keys[0]


@contextmanager
def naming_others(keys: Sequence[str], chosen: str) -> Iterator[None]:
    """Add to what refuses the chosen array that there are others, as one of them may be meant."""
    try:
        yield
    except InputError as error:
        others = [key for key in keys if key != chosen]
        if not others:
            raise
        raise InputError(
            f"{str(error).removesuffix('.')}, or, as that is its array {chosen}, name another, {_as_written(others)}."
        ) from error


def _as_written(keys: Sequence[str]) -> str:
    others = f" (or {listed(keys[1:])})" if keys[1:] else ""
    return f"as in --score-maps FOLDER:{keys[0]}{others}"
