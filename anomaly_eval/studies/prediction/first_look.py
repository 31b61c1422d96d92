"""What can be said of images before the network runs: which cannot be read, and which are very large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.studies.prediction.frames import Input

_LARGE = 8_000_000
"""Pixels of a network's input: four times those of Cityscapes' images."""
_NAMED = 3


def refuse_unreadable(inputs: Sequence[Input]) -> None:
    """Raise InputError, which names them, for images that are refused by their headers; no pixels are decoded."""
    refused: dict[Path, str] = {}
    for one in inputs:
        try:
            _ = one.size
        except InputError as error:
            refused[one.path] = str(error)
    if refused:
        raise unreadable(refused, len(inputs))


def unreadable(refused: Mapping[Path, str], among: int) -> InputError:
    """Say in one sentence which of so many images cannot be read, and of the first one why. refused: the reasons."""
    reason = next(iter(refused.values()))
    return InputError(
        reason if len(refused) == 1 else f"{len(refused)} of {among} images cannot be read, {some(refused)}; {reason}"
    )


def some(paths: Mapping[Path, str]) -> str:
    """Name the first few files, and count the others."""
    names = [str(path) for path in paths]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def large_inputs(inputs: Sequence[Input], rule: InputSize, is_asked_for: bool) -> list[str]:
    """Return a warning where images enter the network far larger than usual, unless the size `is_asked_for`.

    Raises InputError, which names the image, for one that is too large for any network.
    """
    large: list[tuple[int, str]] = []
    for one in inputs:
        try:
            width, height = rule.target(*one.size)
        except InputError as error:
            raise InputError(f"{one.path}: {error}") from error
        if width * height > _LARGE:
            large.append((width * height, f"{one.path} enters the network with {width}x{height} pixels"))
    if is_asked_for or not large:
        return []
    others = f", the largest of {len(large)} such images," if len(large) > 1 else ","
    return [
        f"{max(large)[1]}{others} far more than segmentation networks are made for, which takes long and much memory; "
        f"--resize 1024 (the short side) or --resize 0.5x takes less"
    ]
