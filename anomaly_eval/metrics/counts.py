"""How many anomalies and inliers score at or above each distinct score of an anomaly: all that ranking metrics need.

Anomalies are few, so the inliers are sorted once and searched for the anomalies' scores: no index array, no curve over
all pixels. Counts are integers, so neither the order of the images nor the way they were merged can change a metric.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.runs import Run, Scores

Counts = NDArray[np.int64]

_SEARCHED_AT_ONCE = 1 << 14
"""Thresholds whose share of the inliers stays in the processor's cache."""
_FOLDED_AT_ONCE = 1 << 16
_COUNTED_AT_ONCE = 1 << 16
_TIES_STEPPED = 2


@dataclass(frozen=True)
class DistinctScores:
    """Distinct scores of anomalies, ascending (thresholds,), and how many anomalies lie below each, int64."""

    scores: Scores
    starts: Counts
    n_anomalies: int


@dataclass(frozen=True)
class ThresholdCounts:
    """Pixel counts at distinct thresholds from the highest to the lowest, arrays (thresholds,), int64.

    thresholds: the distinct scores of anomalies. true_positives: anomalies at or above the threshold. false_positives:
    inliers at or above it. false_positives_above: inliers strictly above it.
    """

    thresholds: Scores
    true_positives: Counts
    false_positives: Counts
    false_positives_above: Counts
    n_inliers: int

    @property
    def n_anomalies(self) -> int:
        """All anomalies."""
        return int(self.true_positives[-1])

    def blocks(self) -> Iterator[tuple[Counts, ThresholdCounts]]:
        """Yield (anomalies at exactly each threshold, counts) in blocks that stay in the processor's cache."""
        before = 0
        for start in range(0, len(self.thresholds), _FOLDED_AT_ONCE):
            part = slice(start, start + _FOLDED_AT_ONCE)
            true_positives = self.true_positives[part]
            yield (
                np.diff(true_positives, prepend=before),
                ThresholdCounts(
                    self.thresholds[part],
                    true_positives,
                    self.false_positives[part],
                    self.false_positives_above[part],
                    self.n_inliers,
                ),
            )
            before = int(true_positives[-1])


def sort_anomalies(anomalies: Scores) -> DistinctScores:
    """Sort scores (n,), one or more, in place, and find the distinct ones; none may be NaN."""
    anomalies.sort()
    changes = np.flatnonzero(anomalies[1:] != anomalies[:-1]) + 1
    starts = np.concatenate([np.zeros(1, np.int64), changes])
    return DistinctScores(anomalies[starts], starts, len(anomalies))


def threshold_counts(anomalies: DistinctScores, inliers: Sequence[Run], workers: int = 1) -> ThresholdCounts:
    """Count at every distinct score of an anomaly; inliers are runs that are ascending each.

    No value may be NaN; infinities are ordinary, tied scores. The arrays of `anomalies` are written over.
    """
    thresholds, starts = anomalies.scores, anomalies.starts
    below, tied = np.zeros(len(starts), np.int64), np.zeros(len(starts), np.int64)
    parts = [slice(start, start + _COUNTED_AT_ONCE) for start in range(0, len(starts), _COUNTED_AT_ONCE)]

    def count(part: slice) -> None:
        for run in inliers:
            _add_counts(run, thresholds[part], below[part], tied[part])

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(count, parts))
    n_inliers = sum(len(run.values) for run in inliers)
    # In place: with many anomalies these arrays are the largest there are.
    false_positives = np.subtract(n_inliers, below, out=below)
    false_positives_above = np.subtract(false_positives, tied, out=tied)
    true_positives = np.subtract(anomalies.n_anomalies, starts, out=starts)
    return ThresholdCounts(
        thresholds[::-1], true_positives[::-1], false_positives[::-1], false_positives_above[::-1], n_inliers
    )


def _add_counts(run: Run, thresholds: Scores, below: Counts, tied: Counts) -> None:
    """Add how many values of a run lie below each ascending threshold, and how many equal it."""
    values, stop = run.values, 0
    for first in range(0, len(thresholds), _SEARCHED_AT_ONCE):
        part = slice(first, first + _SEARCHED_AT_ONCE)
        wanted = thresholds[part]
        start = stop + int(np.searchsorted(values[stop:], wanted[0]))
        stop = start + int(np.searchsorted(values[start:], wanted[-1], side="right"))
        nearby = values[start:stop]
        left = np.searchsorted(nearby, wanted)
        if len(nearby):
            _add_ties(nearby, wanted, left, tied[part])
        left += start
        below[part] += left
        run.release()


def _add_ties(values: Scores, thresholds: Scores, left: Counts, tied: Counts) -> None:
    """Add how many ascending values equal each threshold, whose first place is known; most have one or none."""
    rest = np.flatnonzero(values.take(left, mode="clip") == thresholds)
    for further in range(1, _TIES_STEPPED + 1):
        tied[rest] += 1
        # Beyond the last value the clipped place still equals the threshold, so the end is looked at apart.
        places = left[rest] + further
        rest = rest[(values.take(places, mode="clip") == thresholds[rest]) & (places < len(values))]
    if len(rest):
        tied[rest] += np.searchsorted(values, thresholds[rest], side="right") - left[rest] - _TIES_STEPPED
