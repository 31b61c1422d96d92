"""Exact percentiles of more numbers than fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

_HALF = 16
_SIGN = np.uint32(1 << 31)


def percentiles(read: Callable[[], Iterable[NDArray[np.float32]]], percents: Sequence[float]) -> list[float] | None:
    """Return the percentiles, linearly interpolated as by `numpy.percentile`, of all finite values.

    read: called twice; gives the arrays, float32 of any shape, one after the other, so that only one is in
    memory. Returns None where there is no finite value.
    """
    # As integers of the same order, numbers are found by counting their upper halves, then their lower ones.
    upper = np.zeros(1 << _HALF, np.int64)
    for values in read():
        upper += np.bincount(_ordered(values) >> _HALF, minlength=len(upper))
    total = int(upper.sum())
    if total == 0:
        return None
    places = [percent / 100 * (total - 1) for percent in percents]
    wanted = sorted({rank for place in places for rank in (int(place), min(int(place) + 1, total - 1))})
    before = np.concatenate([[0], np.cumsum(upper)])
    blocks = {rank: int(np.searchsorted(before, rank, side="right")) - 1 for rank in wanted}
    lower = {block: np.zeros(1 << _HALF, np.int64) for block in blocks.values()}
    for values in read():
        keys = _ordered(values)
        for block, counts in lower.items():
            counts += np.bincount(keys[keys >> _HALF == block] & 0xFFFF, minlength=len(counts))
    found = {}
    for rank, block in blocks.items():
        inside = int(np.searchsorted(np.cumsum(lower[block]), rank - before[block], side="right"))
        found[rank] = _number(block << _HALF | inside)
    return [
        found[int(place)] + (place - int(place)) * (found[min(int(place) + 1, total - 1)] - found[int(place)])
        for place in places
    ]


def _ordered(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return the finite values as integers that have the same order."""
    bits = np.ascontiguousarray(values[np.isfinite(values)], np.float32).view(np.uint32)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _number(key: int) -> float:
    """Return the number that became this integer."""
    bits = key ^ int(_SIGN) if key & int(_SIGN) else ~key & 0xFFFFFFFF
    return float(np.uint32(bits).view(np.float32))
