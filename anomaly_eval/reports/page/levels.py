"""The thresholds of the page: at most 255 for a method on a dataset, with exact counts of pixels at or above each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.labels import VOID
from anomaly_eval.metrics.rates import least_count
from anomaly_eval.reports.page.cells import Borders, CellCounts, Counts

MOST_LEVELS = 255
VOID_LEVEL = 0
_EVEN = MOST_LEVELS // 3
_WANTED_TPR = 0.95


@dataclass(frozen=True)
class Levels:
    """Thresholds ascending, (levels,) float32, and the pixels of the dataset that score at or above each."""

    cells: Counts
    """The fine cell that begins at each threshold."""
    thresholds: NDArray[np.float32]
    anomalies: Counts
    inliers: Counts

    def __len__(self) -> int:
        return len(self.cells)

    def of(self, scores: NDArray[np.float32], label: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return how many thresholds each score (height, width) reaches, uint8, and 0 for void pixels."""
        found = np.searchsorted(self.thresholds, scores, side="right").astype(np.uint8)
        found[label == VOID] = VOID_LEVEL
        return found

    def at_or_above(self, counts: CellCounts) -> tuple[Counts, Counts]:
        """Return the anomalies and the inliers of one image at or above each threshold, (levels,) each."""
        places = np.searchsorted(counts.cells, self.cells)
        return _from_above(counts.anomalies)[places], _from_above(counts.inliers)[places]


def pooled_levels(borders: Borders, images: Iterable[CellCounts]) -> Levels:
    """Choose the thresholds of a method on a dataset from the counts of all its images, which share the borders."""
    anomalies, inliers = np.zeros(len(borders) + 1, np.int64), np.zeros(len(borders) + 1, np.int64)
    for image in images:
        anomalies[image.cells] += image.anomalies
        inliers[image.cells] += image.inliers
    chosen = _choose(anomalies, inliers)
    # Below the first border there is no other number to begin at.
    lowest = np.concatenate([np.array([-np.inf], np.float32), borders])
    return Levels(chosen, lowest[chosen], _from_above(anomalies)[chosen], _from_above(inliers)[chosen])


def _choose(anomalies: Counts, inliers: Counts) -> Counts:
    """Return which cells (n,) begin a level, ascending; the lowest that holds a pixel is always among them.

    A third of the levels are even steps of the false-positive rate, a third of the true-positive rate, and a third of
    the logarithm of the false-positive rate: the upper tail, where anomalies are.
    """
    occupied = np.flatnonzero(anomalies + inliers)
    if len(occupied) <= MOST_LEVELS:
        return occupied
    true_positives, false_positives = (_from_above(counts)[occupied] for counts in (anomalies, inliers))
    # Two places are kept: for the lowest cell, and for the true-positive rate that readers ask for.
    even = np.linspace(0, 1, _EVEN - 1)
    logarithmic = np.power(float(max(2, false_positives[0])), -np.linspace(0, 1, _EVEN))
    places = [np.zeros(1, np.int64)]
    for found, rates in (
        (false_positives, even),
        (false_positives, logarithmic),
        (true_positives, even),
        (true_positives, [_WANTED_TPR]),
    ):
        least = [max(1, least_count(float(rate), int(found[0]))) for rate in rates]
        # The highest cell at which so many are reached; counts fall from left to right.
        reached = len(found) - np.searchsorted(found[::-1], least) - 1
        places.append(reached[reached >= 0])
    return np.asarray(occupied[np.unique(np.concatenate(places))], np.int64)


def _from_above(counts: Counts) -> Counts:
    """Return how many pixels lie in each cell (n,) or above it, and a 0 for the end, (n + 1,)."""
    return np.append(np.cumsum(counts[::-1])[::-1], 0)
