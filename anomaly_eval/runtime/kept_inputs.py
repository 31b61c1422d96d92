"""What a run reads must not lie where its results will be: `--overwrite` would delete it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.option_fields import given_paths


def refuse_lost_inputs(request: Any, *outputs: Path) -> None:
    """Raise InputError where a request names something to read that lies in what it is going to replace.

    request: a dataclass of options, with `overwrite`. outputs: the folders or files that are replaced, which is its
    `out` where none is given.
    """
    if not request.overwrite:
        return
    places = [(out, Path(os.path.realpath(out))) for out in outputs or (request.out,)]
    for word, may_be_a_folder in given_paths(request):
        for path in filter(os.path.lexists, _meant(word)):
            if os.path.isdir(path) and not may_be_a_folder:
                # Results may be called like the data set or the network that they are of.
                continue
            for out, place in places:
                if Path(os.path.realpath(path)).is_relative_to(place):
                    raise InputError(
                        f"--overwrite would delete {path}, which this run reads; choose another --out than {out}."
                    )


def _meant(word: str) -> Iterator[str]:
    """Yield the paths that a word may mean: PATH, FILE.py:FUNCTION, FOLDER:KEY:WITH:COLONS, NAME=PATH,PATH."""
    parts = word.split(":")
    yield from (":".join(parts[:count]) for count in range(len(parts), 0, -1))
    yield from word.partition("=")[2].split(",")
