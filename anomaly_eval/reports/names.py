"""What networks and runs are called in tables and figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from anomaly_eval.errors import InputError


def network_names(checkpoints: Sequence[Path], given: Sequence[str] = ()) -> list[str]:
    """Return a name for each checkpoint: those given, else of the files, with more where files are alike.

    That is the function of FILE.py:FUNCTION, else the folder.

    Raises InputError where names are given and there are too few or too many, and where two are equal.
    """
    plain, longer = [path.stem for path in checkpoints], list(map(_longer, checkpoints))
    return _names(plain, longer, given, "network", "checkpoints; give one for each --ckpt")


def run_names(folders: Sequence[Path], given: Sequence[str] = ()) -> list[str]:
    """Return a name for each result folder: those given, else of the folders, with those above them where alike.

    Raises InputError as `network_names` does.
    """
    whole = [folder.resolve().parts for folder in folders]
    plain, longer = ["/".join(parts[-1:]) for parts in whole], ["/".join(_telling(parts, whole)) for parts in whole]
    return _names(plain, longer, given, "run", "folders; give one for each")


def _names(plain: Sequence[str], longer: Sequence[str], given: Sequence[str], what: str, remedy: str) -> list[str]:
    """Return the given names, else the plain ones, and the longer ones for those that occur twice."""
    if given and len(given) != len(plain):
        raise InputError(f"--names gives {len(given)} names for {len(plain)} {remedy}.")
    counted = Counter(plain)
    names = list(given) or [name if counted[name] == 1 else other for name, other in zip(plain, longer, strict=True)]
    times = Counter(names)
    # The plain one is shown: the name of a shipped network has no folder.
    twice = [shown for name, shown in zip(names, given or plain, strict=True) if times[name] > 1]
    if twice:
        raise InputError(f"{twice[0]!r} is there twice; tell the {what}s apart with --names.")
    return names


def _telling(parts: Sequence[str], others: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return the last parts of a path, two or more, that no other path ends in; the same path ends in all of them."""
    for length in range(2, len(parts)):
        if sum(other[-length:] == parts[-length:] for other in others) == 1:
            return parts[-length:]
    return parts[-2:]


def _longer(checkpoint: Path) -> str:
    """Return what tells a checkpoint from others of its name: its function in FILE.py:FUNCTION, else its folder."""
    _, _, function = checkpoint.name.partition(".py:")
    return f"{checkpoint.stem}:{function}" if function else f"{checkpoint.resolve().parent.name}/{checkpoint.stem}"
