"""What a score map must be, checked on what its file says of itself, before any of its values is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.errors import InputError

HeaderCheck = Callable[[tuple[int, ...], "np.dtype[Any]"], None]
"""Called with the shape and the type of an array before it is read; raises InputError."""

_EXACT = 2**53


def header_check(path: Path, label: Path, size: tuple[int, int]) -> HeaderCheck:
    """Return the check of a file `path` against the (height, width) of its label."""

    def check(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        if dtype.hasobject:
            raise InputError(
                f"the score map {path} holds Python objects (pickle), which could run code and are never loaded; "
                f"save a plain array of numbers."
            )
        if dtype.kind not in "fiu" or dtype.itemsize > 8:
            raise InputError(f"the score map {path} holds {dtype}; save it as float32.")
        if len(shape) > 2 and _longer(shape) == _longer(size):
            return
        if len(shape) != 2:
            found = f"an array of shape {'x'.join(map(str, shape))}" if shape else "a single number"
            raise InputError(
                f"the score map {path} holds {found}; save one score for each pixel, height x width, here "
                f"{size[0]}x{size[1]}."
            )
        if shape != size:
            raise InputError(
                f"the score map {path} is {shape[1]}x{shape[0]} pixels, its label {label} {size[1]}x{size[0]}; give "
                f"one score for each pixel of the label."
            )

    return check


def _longer(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without the axes of length 1, which change nothing of the order of its values."""
    return tuple(length for length in shape if length != 1)


def as_scores(values: NDArray[Any], path: Path) -> NDArray[np.floating]:
    """Return a map as float32 where that changes no value, else as float64.

    Raises InputError for NaN, and for integers that float64 cannot tell apart.
    """
    if values.dtype.kind == "f" and np.isnan(values.max()):
        raise InputError(f"the score map {path} holds NaN; give every pixel a score, also where the label is void.")
    if values.dtype.kind in "iu" and max(abs(int(values.min())), abs(int(values.max()))) > _EXACT:
        raise InputError(f"the score map {path} holds integers beyond 2^53; save it as float32.")
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    if values.dtype.itemsize <= 2 or np.array_equal(single, values):
        return single
    return values.astype(np.float64)
