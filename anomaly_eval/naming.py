"""What networks are called in tables and figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from anomaly_eval.errors import InputError


def network_names(checkpoints: Sequence[Path], given: Sequence[str] = ()) -> list[str]:
    """Return a name for each checkpoint: those given, else of the files, with their folders where files are alike.

    Raises InputError where names are given and there are too few or too many, and where two are equal.
    """
    if given:
        if len(given) != len(checkpoints):
            raise InputError(
                f"--names gives {len(given)} names for {len(checkpoints)} checkpoints; give one for each --ckpt."
            )
        return _distinct(list(given), "--names")
    counted = Counter(path.stem for path in checkpoints)
    names = [
        path.stem if counted[path.stem] == 1 else f"{path.resolve().parent.name}/{path.stem}" for path in checkpoints
    ]
    return _distinct(names, "--ckpt")


def _distinct(names: list[str], option: str) -> list[str]:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{option} names {twice[0]!r} twice; tell the networks apart with --names.")
    return names
