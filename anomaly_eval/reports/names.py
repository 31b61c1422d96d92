"""What networks and runs are called in tables and figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from anomaly_eval.errors import InputError


def network_names(checkpoints: Sequence[Path], given: Sequence[str] = ()) -> list[str]:
    """Return a name for each checkpoint: those given, else of the files, with their folders where files are alike.

    Raises InputError where names are given and there are too few or too many, and where two are equal.
    """
    return _names(
        checkpoints, [path.stem for path in checkpoints], given, "network", "checkpoints; give one for each --ckpt"
    )


def run_names(folders: Sequence[Path], given: Sequence[str] = ()) -> list[str]:
    """Return a name for each result folder: those given, else of the folders, with their parents' where alike.

    Raises InputError as `network_names` does.
    """
    return _names(folders, [folder.resolve().name for folder in folders], given, "run", "folders; give one for each")


def _names(paths: Sequence[Path], plain: Sequence[str], given: Sequence[str], what: str, remedy: str) -> list[str]:
    """Return the given names, else the plain ones, those that occur twice after the name of the folder above."""
    if given and len(given) != len(paths):
        raise InputError(f"--names gives {len(given)} names for {len(paths)} {remedy}.")
    counted = Counter(plain)
    names = list(given) or [
        name if counted[name] == 1 else f"{path.resolve().parent.name}/{name}"
        for name, path in zip(plain, paths, strict=True)
    ]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{twice[0]!r} is there twice; tell the {what}s apart with --names.")
    return names
