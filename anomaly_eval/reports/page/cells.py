"""Fine cells of scores, in which the pixels of an image are counted before the thresholds of the page are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.bins import ScoreBins
from anomaly_eval.metrics.runs import Scores

Borders = NDArray[np.float32]
"""Ascending scores (borders,); cell i holds the scores s with borders[i - 1] <= s < borders[i]."""
Counts = NDArray[np.int64]

_FITTED_BITS, _UNIFORM_BITS = 14, 18


@dataclass(frozen=True)
class CellCounts:
    """Pixels of one image in the cells that hold any: cells, ascending, anomalies and inliers, (occupied,) each."""

    cells: Counts
    anomalies: Counts
    inliers: Counts


def fit_borders(scores: Scores) -> Borders:
    """Return borders that are dense where the scores of one image (n,), one or more, lie, and nowhere far apart.

    Other images may score where this one does not, so every power of two is cut into 512 cells besides. Raises
    ValueError for NaN.
    """
    spread = ScoreBins.uniform(_UNIFORM_BITS).borders
    return np.unique(np.concatenate([ScoreBins.fitted(scores, _FITTED_BITS).borders, spread[~np.isnan(spread)]]))


def count_cells(borders: Borders, anomalies: Scores, inliers: Scores) -> CellCounts:
    """Count scores, ascending (n,) each, without NaN."""
    cells_of, counts_of = zip(*(_occupied(borders, values) for values in (anomalies, inliers)), strict=True)
    cells = np.union1d(*cells_of)
    found = np.zeros((2, len(cells)), np.int64)
    for row, own, counts in zip(found, cells_of, counts_of, strict=True):
        row[np.searchsorted(cells, own)] = counts
    return CellCounts(cells, found[0], found[1])


def _occupied(borders: Borders, values: Scores) -> tuple[Counts, Counts]:
    """Return the cells that hold one of the ascending values, and how many each."""
    if not len(values):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    # Most borders lie outside the range of an image.
    first, last = (int(np.searchsorted(borders, value, side="right")) for value in (values[0], values[-1]))
    places = np.searchsorted(values, borders[first:last])
    counts = np.diff(places, prepend=0, append=len(values))
    kept = np.flatnonzero(counts)
    return first + kept, counts[kept]
