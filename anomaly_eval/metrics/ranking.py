"""Exact ranking metrics of pooled pixels: AUROC, average precision, false-positive rate at a true-positive rate.

All follow from how many inliers and anomalies score at or above each distinct score of an anomaly. Anomalies are few,
so one sort of the inliers and one search for the anomalies' scores in it are all that is needed: no index array, no
curve over all pixels. Counts are integers, so the metrics are exact up to the rounding of one float64 sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.labels import ANOMALY, INLIER

_THRESHOLDS_PER_BLOCK = 4096


@dataclass(frozen=True)
class RankingMetrics:
    """The three metrics as rates in [0, 1], and the pixels that they were computed from.

    auroc: how often an anomaly outscores an inlier, a tie counting one half. average_precision: the precision at each
    threshold weighted by the recall gained there, without interpolation. fpr95: the false-positive rate at the first
    threshold whose true-positive rate is at least 0.95 (Fishyscapes and SegmentMeIfYouCan; `first_geq`).
    """

    auroc: float
    average_precision: float
    fpr95: float
    n_anomalies: int
    n_inliers: int


@dataclass(frozen=True)
class ThresholdCounts:
    """Pixel counts at a run of distinct anomaly scores, from the highest threshold to the lowest, int64.

    gained: anomalies at exactly the threshold. true_positives: anomalies at or above it. false_positives: inliers at or
    above it. false_positives_above: inliers strictly above it.
    """

    gained: NDArray[np.int64]
    true_positives: NDArray[np.int64]
    false_positives: NDArray[np.int64]
    false_positives_above: NDArray[np.int64]


def threshold_counts(
    anomalies: NDArray[np.floating], inliers: NDArray[np.floating], block: int = _THRESHOLDS_PER_BLOCK
) -> Iterator[ThresholdCounts]:
    """Yield the counts at all distinct anomaly scores, in blocks whose share of the inliers stays in the cache.

    Both arrays (n,) are of one floating type, ascending and without NaN; infinities are ordinary, tied scores.
    """
    starts = np.flatnonzero(np.concatenate([[True], anomalies[1:] != anomalies[:-1]]))
    above, stop = len(inliers), len(anomalies)
    for end in range(len(starts), 0, -block):
        first = starts[max(end - block, 0) : end]
        thresholds = anomalies[first]
        below = int(np.searchsorted(inliers, thresholds[0], side="left"))
        nearby = inliers[below:above]
        left = below + np.searchsorted(nearby, thresholds, side="left")
        right = below + np.searchsorted(nearby, thresholds, side="right")
        yield ThresholdCounts(
            gained=np.diff(first, append=stop)[::-1],
            true_positives=(len(anomalies) - first)[::-1],
            false_positives=(len(inliers) - left)[::-1],
            false_positives_above=(len(inliers) - right)[::-1],
        )
        above, stop = below, first[0]


def ranking_metrics(
    anomalies: NDArray[np.floating], inliers: NDArray[np.floating], tpr: float = 0.95
) -> RankingMetrics:
    """Compute the metrics from the scores of anomalies and inliers, ascending arrays (n,) with one element or more.

    The sum behind AUROC runs over integers and is exact while twice the number of pairs fits 63 bits.
    """
    losses, precision, fpr = 0, 0.0, None
    for counts in threshold_counts(anomalies, inliers):
        # Twice the inliers that the anomalies at each threshold lose to, ties once.
        losses += int(((counts.false_positives + counts.false_positives_above) * counts.gained).sum())
        precisions = counts.true_positives / (counts.true_positives + counts.false_positives)
        precision += float((precisions * counts.gained).sum())
        if fpr is None and counts.true_positives[-1] / len(anomalies) >= tpr:
            first = int(np.argmax(counts.true_positives / len(anomalies) >= tpr))
            fpr = float(counts.false_positives[first] / len(inliers))
    pairs = len(anomalies) * len(inliers)
    return RankingMetrics(
        auroc=(2 * pairs - losses) / (2 * pairs),
        average_precision=precision / len(anomalies),
        fpr95=1.0 if fpr is None else fpr,
        n_anomalies=len(anomalies),
        n_inliers=len(inliers),
    )


class RankingState:
    """Pools scores image by image, merges with the state of other images, and computes the metrics exactly."""

    def __init__(self, expected_updates: int = 1) -> None:
        """Reserve room for as many images as are expected, once the size of the first one is known."""
        self._expected_updates = expected_updates
        self._anomalies = _Pool()
        self._inliers = _Pool()

    def update(self, scores: NDArray[np.floating], labels: NDArray[np.uint8]) -> None:
        """Add an image: scores of any shape, labels of the same shape with 0 inlier, 1 anomaly, 255 void.

        Raises ValueError for another shape or a NaN among the scores that count.
        """
        if scores.shape != labels.shape:
            raise ValueError(f"scores of shape {scores.shape} do not fit labels of shape {labels.shape}")
        anomalies, inliers = scores[labels == ANOMALY], scores[labels == INLIER]
        if np.isnan(anomalies).any() or np.isnan(inliers).any():
            raise ValueError("the scores hold NaN")
        self._anomalies.extend(anomalies)
        self._inliers.extend(inliers, reserve=labels.size * self._expected_updates)

    def merge(self, other: RankingState) -> None:
        """Add all pixels of another state, which stays as it is."""
        self._anomalies.extend(other._anomalies.values)
        self._inliers.extend(other._inliers.values)

    def compute(self) -> RankingMetrics:
        """Return the metrics of all pixels so far; raises ValueError where there is no anomaly or no inlier."""
        anomalies, inliers = self._anomalies.values, self._inliers.values
        if not len(anomalies) or not len(inliers):
            missing = "anomaly" if not len(anomalies) else "inlier"
            raise ValueError(f"there is no {missing} pixel at all, so nothing can be ranked")
        kind = np.result_type(anomalies, inliers)
        anomalies, inliers = anomalies.astype(kind, copy=False), inliers.astype(kind, copy=False)
        # In place: the order within a pool means nothing.
        anomalies.sort()
        inliers.sort()
        return ranking_metrics(anomalies, inliers)


class _Pool:
    """An array that grows in one piece; room that is reserved but not used costs no memory."""

    def __init__(self) -> None:
        self._buffer: NDArray[np.floating] = np.empty(0, np.float16)
        self._length = 0

    @property
    def values(self) -> NDArray[np.floating]:
        """The values so far, a view (n,)."""
        return self._buffer[: self._length]

    def extend(self, values: NDArray[np.floating], reserve: int = 0) -> None:
        """Append values (n,); a wider type widens the array."""
        length = self._length + len(values)
        kind = np.result_type(self._buffer, values)
        if length > len(self._buffer) or kind != self._buffer.dtype:
            grown = np.empty(max(length, reserve, 2 * self._length), kind)
            grown[: self._length] = self.values
            self._buffer = grown
        self._buffer[self._length : length] = values
        self._length = length
